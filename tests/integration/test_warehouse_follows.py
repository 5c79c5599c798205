"""When the warehouse is built again and when not: by what it is made from, never by a clock."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from intelsec_assets.kpis.warehouse.build import read_loaded
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.resources.warehouse import Warehouse
from tests.warehouses import LAST_DAY, published_sample


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
