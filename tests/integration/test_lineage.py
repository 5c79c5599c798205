"""Every figure of the published sample leads back to the lines of its feeds, and is what those rows come to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets.commands.reading import LakePartitions
from intelsec_assets.feeds.raw_lines import RawLines
from intelsec_assets.feeds.snapshot import RawStore
from intelsec_assets.kpis.warehouse.dictionary import list_tables
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.lineage import Trace, Tracer
from intelsec_assets.kpis.warehouse.project import load_project
from intelsec_assets.kpis.warehouse.reading import connect, query
from intelsec_assets.kpis.warehouse.recipes import recipes
from intelsec_assets.settings import SAMPLE_DATA
from tests.warehouses import borrowed, published_sample
from tests.workspaces import Workspace

THRESHOLD = 0.6  # of the sample's catalogue
MARTS = sorted(recipes())
KPIS = [name for name in MARTS if name.startswith("kpi_")]
SOME = 12  # rows of a table whose every row would take too long


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


@pytest.fixture(scope="module")
def con(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(WarehouseFolder(workspace.home)) as opened:
        yield opened


@pytest.fixture(scope="module")
def tracer(con: duckdb.DuckDBPyConnection, workspace: Workspace) -> Tracer:
    return Tracer(con, LakePartitions(workspace.lake), RawLines(RawStore(workspace.home / "raw")), THRESHOLD)


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    result = con.execute(sql)
    names = [name for name, *_ in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def some(con: duckdb.DuckDBPyConnection, table: str, number: int = SOME) -> list[dict[str, Any]]:
    """Rows of a table, the same every time, from all over it."""
    return rows(con, f"select * from {table} as t order by hash(t::varchar) limit {number}")


def traced(tracer: Tracer, table: str, row: Mapping[str, Any], most: int = 3) -> Trace:
    return tracer.trace(table, {}, row, most=most)


def test_every_mart_has_a_way_back_and_none_is_left_over(con: duckdb.DuckDBPyConnection) -> None:
    assert sorted(entry.name for entry in list_tables(con)) == MARTS


@pytest.mark.parametrize("table", KPIS)
def test_every_figure_of_every_day_is_what_its_rows_come_to(
    con: duckdb.DuckDBPyConnection, tracer: Tracer, table: str
) -> None:
    checked = set()
    for row in rows(con, f"select * from {table}"):
        sums = list(tracer.check(recipes()[table], row))
        checked.update(found.column for _, found in sums)
        assert [(step.name, found) for step, found in sums if not found.agrees] == [], row

    assert checked >= {"value", "n", "numerator", "denominator"}


@pytest.mark.parametrize("table", [name for name in MARTS if name not in KPIS])
def test_rows_of_facts_and_dimensions_are_what_theirs_come_to(
    con: duckdb.DuckDBPyConnection, tracer: Tracer, table: str
) -> None:
    for row in some(con, table):
        sums = list(tracer.check(recipes()[table], row))
        assert [(step.name, found) for step, found in sums if not found.agrees] == [], row


@pytest.mark.parametrize("table", MARTS)
def test_the_way_ends_at_lines_as_the_publisher_wrote_them(
    con: duckdb.DuckDBPyConnection, tracer: Tracer, table: str
) -> None:
    trace = traced(tracer, table, busiest(con, table))
    (*_, last) = [taken for taken in trace.steps if taken.step.lines and taken.rows]

    assert last.total >= len(last.rows) > 0
    for row, raw in zip(last.rows, last.raw, strict=True):
        assert raw.text is not None, raw.note
        assert row["raw_value"] in raw.text or raw.text in row["raw_value"]
    assert [taken.problem for taken in trace.steps if taken.problem] == []
    assert trace.changed == ()
    assert [part for taken in trace.steps for part in taken.partitions if part.sha256 is None] == []


def busiest(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, Any]:
    """A row with something behind it."""
    conditions = {
        "kpi_dedup": "n > 0",
        "kpi_score_distribution": "value > 0",
        "kpi_high_score_exported": "value > 0",
        "dim_warninglist": "live_hits > 0",
        "fct_feed_day": "rows_kept > 0",
        "kpi_feed_health": "scope = 'all'",
    }
    return rows(con, f"select * from {table} where {conditions.get(table, 'true')} order by all desc limit 1")[0]


def test_a_line_of_a_text_file_is_the_one_in_the_sample(con: duckdb.DuckDBPyConnection, tracer: Tracer) -> None:
    where = "feed = 'harbour-phish' and day = date '2026-03-15' and value = '203.0.113.150'"
    (row,) = rows(con, f"select * from fct_observation where {where}")
    ((raw,),) = [taken.raw for taken in traced(tracer, "fct_observation", row).steps]
    published = (SAMPLE_DATA / "feeds" / "harbour-phish" / row["file"]).read_text().splitlines()

    assert raw.text == published[row["line"] - 1]


@pytest.mark.parametrize("table", MARTS)
def test_the_queries_shown_give_all_of_the_rows_to_whoever_asks(
    con: duckdb.DuckDBPyConnection, tracer: Tracer, workspace: Workspace, table: str
) -> None:
    """One through the door for strangers too; of the others it is enough that they are whole SQL."""
    trace = traced(tracer, table, busiest(con, table))
    asked = [taken for taken in trace.steps if not taken.step.reads]
    for taken in asked:
        assert len(con.execute(taken.sql).fetchall()) == taken.total, taken.sql
    if table == "kpi_dedup":
        with query(WarehouseFolder(workspace.home), f"select count(*) from ({asked[-1].sql})") as result:
            assert list(result.rows()) == [(asked[-1].total,)]


def test_the_partitions_named_are_of_tables_that_the_warehouse_reads() -> None:
    named = {name for recipe in recipes().values() for step in recipe.steps for name in (*step.partitions, *step.reads)}

    assert named <= set(load_project().lake_tables)


def test_a_figure_that_its_rows_do_not_come_to_is_called_wrong(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = borrowed(workspace, tmp_path / "home", "warehouse")
    file = WarehouseFolder(forged.home).published
    file.chmod(0o644)
    with duckdb.connect(str(file)) as con:
        con.execute("update marts.kpi_dedup set value = 0.99 where scope = 'all' and day = date '2026-03-15'")

    assert forged.here(monkeypatch, "lineage", "kpi_dedup", "all", "", "day") == 1
    printed = capsys.readouterr().out
    assert "value 0.99 is NOT 0.313585" in printed
    assert "WRONG       value: the row says 0.99, its rows come to 0.313585" in printed


def test_a_snapshot_of_before_a_column_was_there_is_told_as_far_as_it_goes(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older = borrowed(workspace, tmp_path / "home", "warehouse")
    file = WarehouseFolder(older.home).published
    file.chmod(0o644)
    with duckdb.connect(str(file)) as con:
        con.execute("create or replace view fct_feed_day as select * exclude (live_indicators) from marts.fct_feed_day")

    assert older.here(monkeypatch, "lineage", "fct_feed_day", "foundry-c2", "--rows", "1") == 0
    printed = capsys.readouterr().out
    assert "not there   this snapshot has other columns than today's: 'live_indicators'" in printed
    assert "4. new indicators: 27 rows" in printed


def test_the_command_tells_a_score_from_its_points_to_the_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workspace.here(monkeypatch, "lineage", "fct_indicator_day", "203[.]0[.]113[.]150") == 0
    printed = capsys.readouterr().out

    assert printed.startswith("fct_indicator_day  day 2026-03-15, indicator_id 855e1936-")
    assert "adds up     score 0.896875 = 0.896875" in printed
    assert "feed magpie-list, other foundry-c2" in printed
    assert "2026-03-15 foundry-c2 2026-03-15.csv:58  ipv4 203[.]0[.]113[.]150, canon_rules port_dropped" in printed
    assert '> "2026-03-14 11:17:54", "2488739", "203[.]0[.]113[.]150:4443"' in printed
    assert "lake        observations@2026-03-15 " in printed
    assert "203.0.113.150" not in printed.replace("'203.0.113.150'", "")  # nothing that could be clicked


def test_the_command_answers_machines_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workspace.here(monkeypatch, "lineage", "fct_export", "value=203.0.113.150", "--rows", "2", "--json") == 0
    told = json.loads(capsys.readouterr().out)

    assert told["key"] == {"target": "files", "seq": told["row"]["seq"]}
    assert told["adds_up"] is True
    *_, lines = told["steps"]
    assert lines["total"] > len(lines["rows"]) == 2
    assert lines["rows"][0]["raw_line"]
    assert all(len(partition["sha256"]) == 64 for partition in lines["partitions"])


def test_a_partition_that_is_gone_is_said_so_and_the_rest_is_told(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    emptied = borrowed(workspace, tmp_path / "home", "lake")
    for file in (emptied.home / "lake" / "warninglist_hits").glob("2026-03-15.*"):
        file.unlink()

    assert emptied.here(monkeypatch, "lineage", "fct_indicator_day", "203.0.113.150", "--rows", "1") == 0
    printed = capsys.readouterr().out
    assert (
        "not there   warninglist_hits of 2026-03-15 is not in the lake. Build it: intelsec run --day 2026-03-15"
        in printed
    )
    assert "6. feed lines: 12 rows" in printed
