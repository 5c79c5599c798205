"""Dagster's SQLite history in a run of the command: no wait for the disk below its home, all as ever elsewhere."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy.pool import NullPool

from intelsec_assets.resources.store import Store
from intelsec_jobs.instance import local_history
from intelsec_jobs.instance.local_history import quick_history

FULL, NORMAL = 2, 1


def synchronous(file: Path) -> int:
    with sa.create_engine(f"sqlite:///{file}", poolclass=NullPool).connect() as connection:
        connection.exec_driver_sql("pragma journal_mode = wal")
        connection.exec_driver_sql("create table if not exists events (n integer)")
        connection.exec_driver_sql("insert into events values (1)")
        connection.commit()
        return int(connection.exec_driver_sql("pragma synchronous").scalar_one())


def test_only_files_below_the_home_are_opened_without_waiting(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "dagster", tmp_path / "store"
    home.mkdir()
    elsewhere.mkdir()
    with quick_history(home):
        assert synchronous(home / "runs.db") == NORMAL
        assert synchronous(elsewhere / "store.db") == FULL
    assert synchronous(home / "runs.db") == FULL


def test_the_log_outlives_its_writers_and_nothing_is_lost_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    with quick_history(tmp_path):
        for _ in range(3):
            synchronous(file)
        assert Path(f"{file}-wal").stat().st_size > 0
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (3,)


def test_databases_in_memory_are_left_alone(tmp_path: Path) -> None:
    with quick_history(tmp_path), sa.create_engine("sqlite://").connect() as connection:
        assert connection.exec_driver_sql("pragma synchronous").scalar_one() == FULL


def test_dagster_compiles_a_statement_once_a_file(tmp_path: Path) -> None:
    storage = sqlite_event_log.SqliteEventLogStorage(str(tmp_path))
    with quick_history(tmp_path):
        engines = []
        for _ in range(2):
            with storage.index_connection() as connection:
                engines.append(connection.engine)
        with storage.run_connection("another") as connection:
            engines.append(connection.engine)
    with storage.index_connection() as connection:
        engines.append(connection.engine)

    first, again, of_another_file, afterwards = engines
    assert again is first
    assert of_another_file is not first
    assert afterwards is not first


def test_dagster_opens_a_file_once_and_it_is_closed_at_the_end(tmp_path: Path) -> None:
    storage = sqlite_event_log.SqliteEventLogStorage(str(tmp_path))
    with quick_history(tmp_path):
        used = []
        for _ in range(2):
            with storage.index_connection() as connection:
                connection.exec_driver_sql("select count(*) from event_logs")
                used.append(connection.connection.dbapi_connection)
        assert len(open_files(tmp_path)) > 0
    first, again = used
    assert again is first
    assert open_files(tmp_path) == []


def test_a_backfill_of_many_days_does_not_run_out_of_open_files(tmp_path: Path) -> None:
    """Every day is a run, and every run has a file of its own."""
    counted = []
    with quick_history(tmp_path):
        storage = sqlite_event_log.SqliteEventLogStorage(str(tmp_path))
        for run in range(24):
            with storage.run_connection(f"run-{run}") as connection:
                connection.exec_driver_sql("select count(*) from event_logs")
            counted.append(len(open_files(tmp_path)))
    assert counted[-1] <= counted[11] < 60


def open_files(folder: Path) -> list[str]:
    links = list(Path("/proc/self/fd").iterdir())
    return [str(link.readlink()) for link in links if link.is_symlink() and link.readlink().is_relative_to(folder)]


def test_the_migrations_of_dagster_are_read_once_and_those_of_the_store_whenever_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    really = ScriptDirectory._load_revisions
    monkeypatch.setattr(ScriptDirectory, "_load_revisions", lambda self: read.append(str(self.dir)) or really(self))
    monkeypatch.setattr(local_history, "_DAGSTERS_MIGRATIONS", {})
    with quick_history(tmp_path / "dagster"):
        storage = sqlite_event_log.SqliteEventLogStorage(str(tmp_path / "dagster"))
        for run in ("one", "two"):
            with storage.run_connection(run) as connection:
                assert connection.exec_driver_sql("select version_num from alembic_version").scalar_one()
        assert [Path(folder).parent.name for folder in read] == ["storage"]
        for name in ("first", "second"):
            Store.open(f"sqlite:///{tmp_path / name}").close()
        assert {Path(folder).parent.name for folder in read[1:]} == {"store"}
    before = len(read)
    for name in ("there", "elsewhere"):  # outside the block it is as Dagster does it
        sqlite_event_log.SqliteEventLogStorage(str(tmp_path / name))
    assert len(read) >= before + 2
