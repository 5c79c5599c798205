"""When the warehouse is built again and when not: by what it is made from, never by a clock."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.kpis.warehouse.build import _over_all, read_loaded
from intelsec_assets.kpis.warehouse.dbt_call import NodeResult
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import NotPublishable, publish_snapshot
from intelsec_assets.kpis.warehouse.sources import DayNotWhole
from intelsec_assets.resources.lake import ChangedFile, Lake
from intelsec_assets.resources.warehouse import Warehouse
from intelsec_assets.tables import TABLES
from tests.warehouses import LAST_DAY, published_sample

PUBLISHED_AT = datetime(2026, 3, 16, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Of the sample, as it was published; nobody changes it."""
    workspace = published_sample(tmp_path_factory)
    return Warehouse.of(workspace.home, workspace.lake)


def test_a_warehouse_that_holds_the_lake_has_nothing_to_build(warehouse: Warehouse) -> None:
    assert not warehouse.plan(LAST_DAY, export_threshold=0.6).is_needed
    assert warehouse.build([LAST_DAY], export_threshold=0.6) is None


def test_another_export_threshold_makes_it_anew_for_past_days_were_judged_by_the_old_one(warehouse: Warehouse) -> None:
    load = warehouse.plan(LAST_DAY, export_threshold=0.7)

    assert load.starts_anew
    assert len(load.days) == 14


@pytest.fixture
def own(warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """The same, to be changed: its build and lake are copies."""
    for name in ("warehouse", "lake"):
        shutil.copytree(warehouse.folder.home / name, tmp_path / name, symlinks=True)
    return Warehouse.of(tmp_path, Lake(tmp_path / "lake"))


def rewrite(lake: Lake, day: date, table: str, columns: str) -> None:
    """Another content of a partition, with a stamp that says so: as if it had been built with a defect."""
    with engine.session() as con:
        rows = con.sql(f"select {columns} from read_parquet('{lake.path(table, day)}')")
        lake.write(con, TABLES[table], table, day, rows, fingerprint="another", inputs={})


def scores_of(warehouse: Warehouse) -> list[tuple[float]]:
    with duckdb.connect(str(warehouse.folder.build_file), read_only=True) as con:
        return con.sql(
            f"select score from marts.fct_indicator_day where day = date '{LAST_DAY}' order by indicator_id"
        ).fetchall()


def test_a_blocking_test_that_fails_publishes_nothing(own: Warehouse) -> None:
    rewrite(own.lake, LAST_DAY, "indicator_scores", "* replace (score / 2 as score)")

    outcome = own.build([LAST_DAY], export_threshold=0.6)

    assert outcome is not None
    assert any("points_sum_to_score" in failed for failed in outcome.failed)
    (points,) = [test for test in outcome.tests if test.test.name == "fct_indicator_day_points_sum_to_score"]
    assert points.sample
    with pytest.raises(NotPublishable, match="points_sum_to_score"):
        publish_snapshot(own.folder, [mart.doc for mart in own.project.marts], clock=lambda: PUBLISHED_AT)


@pytest.mark.slow
def test_a_good_day_heals_what_a_blocking_test_had_stopped(own: Warehouse) -> None:
    good, before = own.lake.path("indicator_scores", LAST_DAY), scores_of(own)
    kept = [(path, path.read_bytes()) for path in (good, good.with_suffix(".stamp.json"))]
    rewrite(own.lake, LAST_DAY, "indicator_scores", "* replace (score / 2 as score)")
    stopped = own.build([LAST_DAY], export_threshold=0.6)
    assert stopped is not None
    assert stopped.failed

    for path, content in kept:
        path.write_bytes(content)
    healed = own.build([LAST_DAY], export_threshold=0.6)
    assert healed is not None
    assert healed.failed == []
    assert scores_of(own) == before


def test_a_node_that_failed_in_any_part_has_failed() -> None:
    def part(status: str) -> list[NodeResult]:
        return [NodeResult("test.x", status, None, 1, 0.1, None)]

    assert _over_all([part("pass"), part("fail"), part("pass")])["test.x"].status == "fail"
    assert _over_all([part("error")])["test.x"].status == "error"
    assert _over_all([part("pass"), part("pass")])["test.x"].status == "pass"


def test_a_partition_whose_file_is_gone_is_named(own: Warehouse) -> None:
    own.lake.path("observations", LAST_DAY).unlink()

    with pytest.raises(DayNotWhole, match=f"observations of {LAST_DAY}"):
        own.build([LAST_DAY], export_threshold=0.6)


def test_a_partition_that_was_cut_short_is_named_though_it_was_loaded_before(own: Warehouse) -> None:
    path = own.lake.path("observations", date(2026, 3, 12))
    path.write_bytes(path.read_bytes()[:5000])

    with pytest.raises(ChangedFile, match=r"2026-03-12\.parquet is not the file that was written"):
        own.build([LAST_DAY], export_threshold=0.6)


def test_a_private_file_that_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    folder = WarehouseFolder(tmp_path)
    folder.build_file.parent.mkdir(parents=True)
    folder.build_file.write_bytes(b"half a file")

    loaded = read_loaded(folder)

    assert loaded.partitions == {}
    assert "made anew" in loaded.problem


def test_a_private_file_of_a_build_that_never_ended_holds_nothing(tmp_path: Path) -> None:
    folder = WarehouseFolder(tmp_path)
    folder.build_file.parent.mkdir(parents=True)
    duckdb.connect(str(folder.build_file)).close()

    assert read_loaded(folder).made_by is None
