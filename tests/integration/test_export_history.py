"""The history of exports in the lake: what the store logged, a day a partition, written once and again the same.

What the log holds is tested in `test_store` and `test_misp_push`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from intelsec_jobs.definitions import build_defs
from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, once, publish

DAY, NEXT, LATER = days(FIRST_DAY, 3)
TABLES = ("export_writes", "export_attempts")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two days, each told to the files; the second lists more, and one indicator less."""

    def build(folder: Path) -> None:
        root = data_root(folder / "data", [{"name": "alpha", "campaign": "Lantern"}])
        publish(root, "alpha", DAY, hosts("alpha", 6))
        publish(root, "alpha", NEXT, hosts("alpha", 9)[1:])
        workspace = Workspace(root, folder / "home")
        outcomes = [*workspace.run(DAY, last="export"), *workspace.run(NEXT, last="export")]
        assert [outcome.error for outcome in outcomes] == [None] * 4
        kept(workspace, DAY, LATER)

    folder = once(tmp_path_factory, "export-history", build)
    return Workspace(folder / "data", folder / "home")


def kept(workspace: Workspace, first: date, last: date | None = None) -> dict[str, dict[str, bool]]:
    """Materialise the history of some days in one run; for each table and day whether its file is another now."""
    job = build_defs(settings=workspace.settings).resolve_implicit_global_asset_job_def()
    some = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    span = {"tags": some} if last else {"partition_key": str(first)}
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            asset_selection=[dg.AssetKey(name) for name in TABLES], instance=instance, **span
        )
    changed: dict[str, dict[str, bool]] = {name: {} for name in TABLES}
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        changed[made.asset_key.to_user_string()][made.partition] = made.metadata["changed"].value
    return changed


def rows(workspace: Workspace, table: str, columns: str) -> list[tuple]:
    with duckdb.connect() as con:
        found = f"select {columns} from '{workspace.home}/lake/{table}/*.parquet'"
        return con.sql(f"{found} order by all").fetchall()


def test_each_day_holds_its_writes_in_their_order(exported: Workspace) -> None:
    with exported.store() as store:
        logged = [write for day in (DAY, NEXT) for write in store.writes(day)]
        confirmed = store.confirmed("files")
    told = rows(exported, "export_writes", "target, seq, day, indicator_id::varchar, action, event, content_hash")
    assert told == [("files", w.seq, w.day, w.indicator_id, w.action, w.event, w.content_hash) for w in logged]
    assert len(told) == 6 + 4
    assert {write.indicator_id for write in logged} == confirmed.keys()


def test_each_day_holds_its_attempts(exported: Workspace) -> None:
    assert rows(exported, "export_attempts", "day, target, status, added, updated, withdrawn, unchanged") == [
        (DAY, "files", "succeeded", 6, 0, 0, 0),
        (DAY, "misp", "open", 0, 0, 0, 0),
        (NEXT, "files", "succeeded", 3, 1, 0, 5),  # what is listed no more falls into a lower band
        (NEXT, "misp", "open", 0, 0, 0, 0),
    ]


def test_a_day_on_which_nothing_was_told_has_an_empty_partition(exported: Workspace) -> None:
    assert [exported.lake.read(table, LATER).rows for table in TABLES] == [0, 0]


def test_what_has_not_changed_is_not_written_again(exported: Workspace, tmp_path: Path) -> None:
    workspace = exported.copy(tmp_path / "home")
    paths = [workspace.lake.path(table, day) for table in TABLES for day in (DAY, NEXT, LATER)]
    before = [path.stat().st_mtime_ns for path in paths]
    changed = kept(workspace, DAY, LATER)
    assert changed == dict.fromkeys(TABLES, dict.fromkeys((str(DAY), str(NEXT), str(LATER)), False))
    assert [path.stat().st_mtime_ns for path in paths] == before


def test_an_attempt_that_ends_as_the_one_before_is_no_news(exported: Workspace, tmp_path: Path) -> None:
    workspace = exported.copy(tmp_path / "home")
    (outcome,) = workspace.run(NEXT, job="export")
    assert outcome.error is None
    changed = kept(workspace, DAY, LATER)
    assert not any(changed["export_attempts"].values())
    assert not any(changed["export_writes"].values())


def test_an_attempt_that_ends_otherwise_changes_only_the_partition_of_its_day(
    exported: Workspace, tmp_path: Path
) -> None:
    workspace = exported.copy(tmp_path / "home")
    with workspace.store() as store:
        before = store.exports(NEXT, "misp")[0]
        store.record_export(replace(before, status="unavailable", detail="nobody answered"))
    changed = kept(workspace, DAY, LATER)
    assert changed["export_attempts"] == {str(DAY): False, str(NEXT): True, str(LATER): False}
    assert not any(changed["export_writes"].values())


def test_a_day_whose_export_was_not_written_down_is_written_down_with_the_next(
    exported: Workspace, tmp_path: Path
) -> None:
    workspace = exported.copy(tmp_path / "home")
    for table in TABLES:
        for path in (workspace.home / "lake" / table).glob(f"{DAY}.*"):
            path.unlink()
    kept(workspace, NEXT)
    folders = [f"lake/{table}" for table in TABLES]
    assert workspace.content(*folders) == exported.content(*folders)


def test_a_past_day_is_rebuilt_with_the_same_bytes_alone_or_with_others(exported: Workspace, tmp_path: Path) -> None:
    workspace = exported.copy(tmp_path / "home")
    for table in TABLES:
        for path in (workspace.home / "lake" / table).iterdir():
            path.unlink()
    kept(workspace, DAY)
    kept(workspace, NEXT, LATER)
    folders = [f"lake/{table}" for table in TABLES]
    assert workspace.content(*folders) == exported.content(*folders)
