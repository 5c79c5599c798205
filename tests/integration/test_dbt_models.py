"""The dbt models: what they say of themselves, that increments give what a full build gives, what finds a broken row.

What the figures should be is counted elsewhere from raw rows; here the models are held against themselves.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.project import PROJECT_FOLDER, Project, load_project
from tests.dbt_builds import Built, Sequel, bad, built_once, differences
from tests.dbt_lakes import DAY, LAST, with_another_day
from tests.dbt_orders import carry_out
from tests.warehouses import published_sample

# models that only rename or pass on: there is nothing to try out
PLAIN = {
    "stg_rejected_observations",
    "stg_feed_status",
    "stg_warninglist_hits",
    "stg_feed_overlaps",
    "stg_export_plan",
    "stg_feed_terms",
    "stg_warninglist_terms",
    "stg_export_writes",
    "stg_export_attempts",
    "int_feed_terms",
    "fct_rejected",
}


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built_once(tmp_path_factory)


def test_every_model_and_column_says_what_it_is(project: Project) -> None:
    for model in project.models:
        doc = model.doc
        assert doc.description.startswith("One "), f"{doc.name}: the description begins with the grain"
        names = [column.name for column in doc.columns]
        assert doc.grain
        assert set(doc.grain) <= set(names), doc.name
        for column in doc.columns:
            assert column.description, f"{doc.name}.{column.name} has no description"
            assert column.type, f"{doc.name}.{column.name} has no type"
    assert {model.schema for model in project.models} == {"staging", "intermediate", "marts"}


def test_every_test_and_exposure_says_what_it_is_about(project: Project) -> None:
    for test in project.tests:
        assert test.description, f"{test.name} has no description"
    for exposure in project.exposures:
        assert exposure.description, f"{exposure.name} has no description"
        assert exposure.models
    marts = {model.name for model in project.marts}
    assert marts <= {name for exposure in project.exposures for name in exposure.models}
    assert len(project.tests) <= 60  # each costs a daily build some hundredths of a second


def test_the_meaning_of_a_column_is_written_once() -> None:
    texts: Counter[str] = Counter()
    for path in (PROJECT_FOLDER / "models").rglob("*.yml"):
        for model in (yaml.safe_load(path.read_text()) or {}).get("models", []):
            texts.update(c["description"] for c in model["columns"] if "doc(" not in c["description"])
    again = [text for text, times in texts.items() if times > 1]
    assert again == [], "several models have it: it belongs into models/columns.md"


def test_everything_above_staging_is_portable(project: Project) -> None:
    for model in project.models:
        assert ("portable" in model.tags) == (model.schema != "staging"), model.name


def test_every_model_with_logic_has_unit_tests_and_they_pass(project: Project, built: Built) -> None:
    tried = {
        test["model"]
        for path in (PROJECT_FOLDER / "models").rglob("*.yml")
        for test in yaml.safe_load(path.read_text()).get("unit_tests", [])
    }
    assert tried == {model.name for model in project.models} - PLAIN
    found = built.results("unit tests")
    assert len(found) >= len(tried)
    assert bad(found) == []


def test_increments_a_changed_past_and_an_earlier_first_day_give_what_a_full_build_gives(built: Built) -> None:
    for order in ("first days", "appended days", "changed past", "whole"):
        assert bad(built.results(order)) == []
    assert differences(built.step, built.whole) == []


def test_indicators_leave_and_come_back_in_what_was_compared(built: Built) -> None:
    with duckdb.connect(str(built.whole), read_only=True) as con:
        changes = dict(con.execute("select cause, count(*) from marts.fct_indicator_change group by cause").fetchall())
        ((gone,),) = con.execute("select count(*) from marts.dim_indicator where not is_live").fetchall()
        ((never,),) = con.execute(
            "select count(*) from marts.dim_indicator where value = 'never-was.example'"
        ).fetchall()
        periods = con.execute("select count(*), count(distinct feed) from marts.dim_feed").fetchall()
    assert {"first_day", "first_listed", "listed_again", "retired", "recency"} <= changes.keys()
    assert gone > 0
    assert never == 0
    assert periods[0][0] >= periods[0][1] > 0


def test_rows_lie_sorted_by_day_so_that_a_filter_skips_the_rest(built: Built) -> None:
    with duckdb.connect(str(built.step), read_only=True) as con:
        for table in ("fct_observation", "fct_indicator_day", "fct_export"):
            # a day written later lies behind; within a day rows are in the order of their key
            ((runs,),) = con.execute(
                f"select count(*) from (select day, lag(day) over (order by rowid) as before from marts.{table}) "
                "where day is distinct from before"
            ).fetchall()
            ((days_held,),) = con.execute(f"select count(distinct day) from marts.{table}").fetchall()
            assert runs == days_held, table


def test_a_broken_row_fails_the_right_test_and_the_evidence_shows_it(built: Built) -> None:
    assert bad(built.results("damaged")) == []
    failed = {
        result.name: result
        for result in built.results("tests of the damaged")
        if result.status in {"fail", "warn", "error"}
    }
    assert failed.keys() == {
        "fct_indicator_day_points_sum_to_score",
        "fct_observation_grain_is_unique",
        "assert_kpis_agree_with_facts",
        "assert_rows_are_conserved",
        "assert_rows_in_are_kept_or_rejected",
        "assert_rows_lie_in_their_partition",
        "assert_targets_hold_what_was_decided",
    }
    shown: dict[str, list[dict[str, object]]] = {}
    with engine.session() as con:
        con.execute(f"attach {sql_text(built.damaged)} as warehouse (read_only)")
        con.execute("use warehouse")
        for name, result in failed.items():
            rows = con.sql(f"select * from ({result.compiled}) order by all")
            columns = rows.columns
            shown[name] = [dict(zip(columns, row, strict=True)) for row in rows.fetchall()]
            assert len(shown[name]) == result.failures

    (summed,) = shown["fct_indicator_day_points_sum_to_score"]
    assert summed["day"] == LAST
    assert abs(float(str(summed["sum_of_parts"])) - float(str(summed["score"]))) > 0.1
    (twice,) = shown["fct_observation_grain_is_unique"]
    assert (twice["feed"], twice["rows_with_this_key"]) == ("quay-hosts", 2)
    surplus = {
        (row["mart"], row["day"]): int(str(row["rows_in_mart"])) - int(str(row["rows_in_lake"]))
        for row in shown["assert_rows_are_conserved"]
    }
    assert surplus == {("fct_observation", LAST): -1, ("fct_observation", LAST - DAY): 1}
    assert {row["feed"] for row in shown["assert_rows_in_are_kept_or_rejected"]} == {
        "quay-hosts",
        "summit-stix",
        "tally-list",
    }
    (strayed,) = shown["assert_rows_lie_in_their_partition"]
    assert strayed == {
        "lake_table": "observations",
        "partition_day": LAST,
        "day": date(2026, 3, 14),
        "rows_with_it": 1,
    }
    (told,) = shown["assert_targets_hold_what_was_decided"]
    assert (told["target"], told["action"], told["decision"]) == ("files", "add", "suppress")
    assert told["value"]


@pytest.mark.slow
@pytest.mark.parametrize("is_remembered", [True, False], ids=["after a build", "after a build that did not end well"])
def test_a_newest_day_that_is_loaded_again_leaves_nothing_of_what_it_was(
    built: Built, tmp_path: Path, *, is_remembered: bool
) -> None:
    lake, step = built.lake, Sequel(load_project(), tmp_path / "step")
    differs = with_another_day(lake, LAST, tmp_path / "lake")
    orders = [step.order(differs, "run", until=LAST - DAY)]
    before = dict(step.loaded)
    orders.append(step.order(differs, "run", until=LAST))
    if not is_remembered:
        step.loaded = before
    orders.append(step.order(lake, "run", until=LAST))
    assert orders[-1].variables["past_changed"] is is_remembered
    assert [bad(found) for found in carry_out(*orders)] == [[], [], []]
    assert differences(step.file, built.whole) == []


@pytest.mark.slow
def test_fourteen_days_one_by_one_give_what_a_full_build_gives(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    sample = published_sample(tmp_path_factory)
    step = Sequel(load_project(), tmp_path / "step")
    orders = [step.order(sample.lake, "run", until=day) for day in sample.lake.days("observations")]
    assert [bad(found) for found in carry_out(*orders)] == [[]] * len(orders)
    published = sample.home / "warehouse" / "build" / "warehouse.duckdb"
    assert differences(step.file, published, ("intermediate", "marts")) == []
