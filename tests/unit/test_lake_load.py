"""What the warehouse reads of the lake: the days that changed, whole days only, files of the schema it knows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.sources import (
    OPTIONAL,
    DayNotWhole,
    Load,
    OldSchema,
    batches,
    plan_load,
    relation,
    table_versions,
)
from intelsec_assets.tables import Column, Table

FIRST = date(2026, 3, 2)
NUMBERS = Table(
    "numbers",
    "one number of a day",
    (Column("n", "BIGINT", "the number"), Column("note", "VARCHAR", "what somebody said of it", nullable=True)),
    ("n",),
)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def stamps(*days: int, **changed: str) -> dict[str, dict[date, str]]:
    """Two tables with these days; `d3="x"` gives day 3 of the first another content."""
    tables = {table: {day(n): f"{table}-{n}" for n in days} for table in ("observations", "indicators")}
    for name, content in changed.items():
        tables["observations"][day(int(name[1:]))] = content
    return tables


def loaded_after(load: Load) -> dict[str, str]:
    return {**load.kept, **load.versions}


def test_everything_is_loaded_at_first_and_nothing_the_second_time() -> None:
    first = plan_load(stamps(0, 1, 2), day(2), {})
    second = plan_load(stamps(0, 1, 2), day(2), loaded_after(first))

    assert first.days == (day(0), day(1), day(2))
    assert first.starts_anew
    assert not second.is_needed


def test_a_new_day_is_loaded_alone() -> None:
    before = plan_load(stamps(0, 1), day(1), {})

    load = plan_load(stamps(0, 1, 2), day(2), loaded_after(before))

    assert load.days == (day(2),)
    assert not load.past_changed
    assert load.read == {"indicators": (day(2),), "observations": (day(2),)}


def test_a_changed_past_day_is_loaded_again_with_the_days_that_look_back_at_it() -> None:
    before = plan_load(stamps(*range(12)), day(11), {})

    load = plan_load(stamps(*range(12), d3="another"), day(11), loaded_after(before))

    assert load.days == (day(3),)
    assert load.past_changed
    assert load.window_days == tuple(day(n) for n in range(3, 10))


def test_the_newest_day_loaded_again_counts_as_a_change_of_the_past() -> None:
    before = plan_load(stamps(0, 1), day(1), {})

    assert plan_load(stamps(0, 1, d1="x"), day(1), loaded_after(before)).past_changed


def test_what_targets_were_told_and_is_gone_from_the_lake_is_loaded_again_without_it() -> None:
    before = plan_load(stamps(0, 1) | {"export_writes": {day(0): "told"}}, day(1), {})

    assert plan_load(stamps(0, 1) | {"export_writes": {}}, day(1), loaded_after(before)).days == (day(0),)


def test_days_asked_for_again_are_loaded_though_nothing_changed() -> None:
    before = plan_load(stamps(0, 1, 2), day(2), {})

    assert plan_load(stamps(0, 1, 2), day(2), loaded_after(before), again=[day(1)]).days == (day(1),)


def test_only_what_targets_were_told_may_lack_a_day() -> None:
    assert {"export_writes", "export_attempts"} == OPTIONAL


def test_a_day_that_lacks_a_table_is_refused_by_name() -> None:
    lake = stamps(0, 1, 2)
    del lake["indicators"][day(1)]

    with pytest.raises(DayNotWhole, match=r"indicators of 2026-03-03 is not in the lake.*backfill --from 2026-03-03"):
        plan_load(lake, day(2), {})


def test_a_later_day_that_is_not_whole_yet_waits() -> None:
    lake = stamps(0, 1, 2)
    del lake["indicators"][day(2)]

    assert plan_load(lake, day(1), {}).newest == day(1)


def test_a_day_that_is_not_there_is_refused() -> None:
    with pytest.raises(DayNotWhole, match="intelsec run --day 2026-03-07"):
        plan_load(stamps(0, 1), day(5), {})


def test_what_targets_were_told_may_lack_a_day_and_is_loaded_when_it_comes() -> None:
    lake = stamps(0, 1) | {"export_writes": {day(1): "told"}}
    first = plan_load(lake, day(1), {})
    lake["export_writes"][day(0)] = "told late"

    second = plan_load(lake, day(1), loaded_after(first))

    assert first.read["export_writes"] == (day(1),)
    assert second.days == (day(0),)


def test_days_that_left_the_lake_are_kept_and_named() -> None:
    before = plan_load(stamps(0, 1, 2), day(2), {})

    load = plan_load(stamps(1, 2), day(2), loaded_after(before))

    assert load.vanished == [day(0)]
    assert not load.is_needed
    assert plan_load(stamps(1, 2), day(2), loaded_after(load)).vanished == [day(0)]


@given(st.lists(st.integers(0, 20), min_size=1, unique=True), st.data())
def test_loading_in_any_order_ends_with_nothing_to_load(days: list[int], data: st.DataObject) -> None:
    held: dict[str, str] = {}
    for size in sorted({data.draw(st.integers(1, len(days))), len(days)}):
        part = days[:size]
        load = plan_load(stamps(*part), day(max(part)), held)
        held = loaded_after(load)

    assert not plan_load(stamps(*days), day(max(days)), held).is_needed


def test_a_long_load_is_done_in_parts_of_whole_days_in_order() -> None:
    load = plan_load(stamps(0, 1, 2, 3, 4), day(4), {})

    parts = batches(load, {day(0): 4, day(1): 4, day(2): 20, day(3): 1, day(4): 1}, most=10)

    assert [part.days for part in parts] == [(day(0), day(1)), (day(2),), (day(3), day(4))]
    assert [part.starts_anew for part in parts] == [True, False, False]
    assert parts[1].read == {"indicators": (day(2),), "observations": (day(2),)}


def test_a_part_looks_at_no_day_that_is_not_loaded_yet() -> None:
    before = plan_load(stamps(0, 1), day(1), {})
    load = plan_load(stamps(0, 1, 2, 3, d0="x"), day(3), loaded_after(before))

    first, second, third = batches(load, dict.fromkeys(load.days, 6), most=10)

    assert first.window_days == (day(0), day(1))
    assert second.window_days == (day(2),)
    assert third.window_days == (day(3),)


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(1, 50), st.data())
def test_parts_hold_every_day_once(days: set[int], most: int, data: st.DataObject) -> None:
    load = plan_load(stamps(*days), day(max(days)), {})
    rows = {each: data.draw(st.integers(0, 40)) for each in load.days}

    parts = batches(load, rows, most)

    assert [each for part in parts for each in part.days] == list(load.days)
    assert all(len(part.days) == 1 or sum(rows[each] for each in part.days) <= most for part in parts)


def test_a_table_has_another_version_when_one_of_its_partitions_changed() -> None:
    old = table_versions(plan_load(stamps(0, 1), day(1), {}).versions, ["observations", "indicators"])
    new = table_versions(plan_load(stamps(0, 1, d0="x"), day(1), {}).versions, ["observations", "indicators"])

    assert old["indicators"] == new["indicators"]
    assert old["observations"] != new["observations"]


def parquet(folder: Path, name: str, query: str) -> Path:
    path = folder / f"{name}.parquet"
    with engine.quick_session() as con:
        con.execute(f"copy ({query}) to '{path}' (format parquet)")
    return path


def rows(*files: Path) -> list[tuple[object, ...]]:
    with engine.quick_session() as con:
        return con.sql(f"select * from {relation(con, NUMBERS, files)} order by n").fetchall()


def test_rows_know_the_day_of_their_partition(tmp_path: Path) -> None:
    monday = parquet(tmp_path, "2026-03-02", "select 1::bigint as n, 'a' as note")
    tuesday = parquet(tmp_path, "2026-03-03", "select 2::bigint as n, null::varchar as note")

    assert rows(monday, tuesday) == [(1, "a", date(2026, 3, 2)), (2, None, date(2026, 3, 3))]


def test_no_partition_is_a_table_without_rows(tmp_path: Path) -> None:
    assert rows() == []


def test_a_column_that_came_later_is_null_in_older_files(tmp_path: Path) -> None:
    old = parquet(tmp_path, "2026-03-02", "select 1::bigint as n")
    new = parquet(tmp_path, "2026-03-03", "select 'b' as note, 2::bigint as n")

    assert rows(old, new) == [(1, None, date(2026, 3, 2)), (2, "b", date(2026, 3, 3))]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("select 'a' as note", "it has no column n"),
        ("select '1' as n, 'a' as note", "its column n is VARCHAR, expected BIGINT"),
        ("select 1::bigint as n, 'a' as note, 3 as more", "it has a column more that nobody knows"),
    ],
)
def test_a_file_of_another_schema_is_refused_by_name(tmp_path: Path, query: str, problem: str) -> None:
    file = parquet(tmp_path, "2026-03-02", query)

    with pytest.raises(OldSchema, match=rf"2026-03-02\.parquet was written with another schema of numbers: {problem}"):
        rows(file)


def test_a_torn_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "2026-03-02.parquet"
    file.write_bytes(b"PAR1 half a file")

    with pytest.raises(WarehouseError, match=r"2026-03-02\.parquet cannot be read.*backfill --from 2026-03-02"):
        rows(file)


def test_a_quote_in_the_path_is_part_of_the_path(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "here" ünïcode'
    folder.mkdir()

    assert rows(parquet_at(folder)) == [(1, "a", date(2026, 3, 2))]


def parquet_at(folder: Path) -> Path:
    path = folder / "2026-03-02.parquet"
    with engine.quick_session() as con:
        quoted = str(path).replace("'", "''")
        con.execute(f"copy (select 1::bigint as n, 'a' as note) to '{quoted}' (format parquet)")
    return path
