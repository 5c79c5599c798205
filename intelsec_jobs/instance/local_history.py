"""Dagster's SQLite history while this process alone writes it: the same files, less work an event.

Dagster makes an engine and a connection an event and gives both up again. In WAL mode each close of the last connection
writes the whole log back and waits for the disk (measured: 24 of 58 seconds of four days), and a new engine compiles
every statement anew (a quarter of the rest). To learn the newest version of a schema it reads all its migrations, for
every file it opens (a tenth of a short run). Nothing of PostgreSQL storage is touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def quick_history(home: Path) -> Iterator[None]:
    """Connections to SQLite files below `home` do not wait for the disk, their write-ahead log and engine are kept.

    After a kill SQLite recovers the files as ever; after a power cut the last events of the history may be missing.
    The lake and the operational store flush for themselves and are not touched.
    """
    kept: dict[str, sqlite3.Connection] = {}

    def connect(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect.name != "sqlite" or not Path(arguments[0]).is_relative_to(home):
            return None
        path = str(arguments[0])
        connection = dialect.loaded_dbapi.connect(*arguments, **options)
        connection.execute("pragma synchronous = normal")
        if path not in kept:
            held = sqlite3.connect(path, check_same_thread=False)
            held.execute("pragma journal_mode = wal")  # as Dagster does itself, a moment later
            held.execute(
                "select count(*) from sqlite_master"
            ).fetchall()  # opens the log, which outlives its writers now
            kept[path] = held
        return connection

    event.listen(Engine, "do_connect", connect)
    try:
        with _engines_kept(), _migrations_kept():
            yield
    finally:
        event.remove(Engine, "do_connect", connect)
        for held in kept.values():
            held.close()


@contextmanager
def _engines_kept() -> Iterator[None]:
    """One engine an address instead of one a connection: what it has compiled it need not compile again."""
    engines: dict[str, Engine] = {}
    makers: list[Any] = [sqlite_event_log, sqlite_run_storage]
    make = makers[0].create_engine

    def create_engine(address: str, **options: Any) -> Engine:
        if address not in engines:
            engines[address] = make(address, **options)
        return engines[address]

    for module in makers:
        module.create_engine = create_engine
    try:
        yield
    finally:
        for module in makers:
            module.create_engine = make


_DAGSTERS_MIGRATIONS: dict[str, ScriptDirectory] = {}  # by their place; they change with the installed version only


@contextmanager
def _migrations_kept() -> Iterator[None]:
    """Dagster's migrations are read once a process; those of anybody else, as the operational store's, as ever."""
    read = ScriptDirectory.from_config

    def from_config(config: Config) -> ScriptDirectory:
        place = config.get_main_option("script_location")
        if place != ALEMBIC_SCRIPTS_LOCATION:
            return read(config)
        if place not in _DAGSTERS_MIGRATIONS:
            _DAGSTERS_MIGRATIONS[place] = read(config)
        return _DAGSTERS_MIGRATIONS[place]

    ScriptDirectory.from_config = from_config  # type: ignore[method-assign]
    try:
        yield
    finally:
        ScriptDirectory.from_config = read  # type: ignore[method-assign]
