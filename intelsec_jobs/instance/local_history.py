"""Dagster's SQLite history while this process alone writes it: the same files, less work an event.

Dagster makes an engine and a connection an event and gives both up again. In WAL mode each close of the last connection
writes the whole log back and waits for the disk (measured: 24 of 58 seconds of four days), a new engine compiles every
statement anew (a quarter of the rest), a new connection reads the schema anew (a sixth). To learn the newest version of
a schema Dagster reads all its migrations, for every file it opens (a tenth of a short run). Nothing of PostgreSQL
storage is touched.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool

# The history's own files and those of the newest runs, of which each has one. A file takes up to six descriptors, of
# the 1,024 a process has: kept for all, a backfill of two hundred days had none left.
_MOST_FILES = 8

T = TypeVar("T")


class _Kept(Generic[T]):
    """What was used last, a few of it; what has to go is given up."""

    def __init__(self, give_up: Callable[[T], object]) -> None:
        self._found: OrderedDict[str, T] = OrderedDict()
        self._give_up = give_up

    def get(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._found:
            self._found[name] = make()
        self._found.move_to_end(name)
        while len(self._found) > _MOST_FILES:
            self._give_up(self._found.popitem(last=False)[1])
        return self._found[name]

    def clear(self) -> None:
        while self._found:
            self._give_up(self._found.popitem()[1])


@contextmanager
def quick_history(home: Path) -> Iterator[None]:
    """Connections to SQLite files below `home` do not wait for the disk; write-ahead log, engine and connection stay.

    After a kill SQLite recovers the files as ever; after a power cut the last events of the history may be missing.
    The lake and the operational store flush for themselves and are not touched.
    """
    logs: _Kept[sqlite3.Connection] = _Kept(sqlite3.Connection.close)

    def connect(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if dialect.name != "sqlite" or not Path(arguments[0]).is_relative_to(home):
            return None
        path = str(arguments[0])
        connection = dialect.loaded_dbapi.connect(*arguments, **options)
        connection.execute("pragma synchronous = normal")
        logs.get(path, lambda: _opened_log(path))
        return connection

    event.listen(Engine, "do_connect", connect)
    try:
        with _engines_kept(home), _migrations_kept():
            yield
    finally:
        event.remove(Engine, "do_connect", connect)
        logs.clear()


def _opened_log(path: str) -> sqlite3.Connection:
    """A connection that has opened the write-ahead log, which outlives its writers while this one lives."""
    held = sqlite3.connect(path, check_same_thread=False)
    held.execute("pragma journal_mode = wal")  # as Dagster does itself, a moment later
    held.execute("select count(*) from sqlite_master").fetchall()
    return held


@contextmanager
def _engines_kept(home: Path) -> Iterator[None]:
    """One engine a file below `home` instead of one an event, with its connection: neither is made ready again."""
    engines: _Kept[Engine] = _Kept(Engine.dispose)
    makers: list[Any] = [sqlite_event_log, sqlite_run_storage]
    make = makers[0].create_engine

    def create_engine(address: str, **options: Any) -> Engine:
        def keeping() -> Engine:
            engine: Engine = make(address, **{**options, "poolclass": QueuePool})
            engine.dispose = _not_yet  # type: ignore[method-assign] # Dagster does, after every event
            return engine

        is_ours = address.startswith("sqlite:///") and Path(address.removeprefix("sqlite:///")).is_relative_to(home)
        return engines.get(address, keeping) if is_ours else make(address, **options)

    for module in makers:
        module.create_engine = create_engine
    try:
        yield
    finally:
        for module in makers:
            module.create_engine = make
        engines.clear()


def _not_yet(close: bool = True) -> None:  # noqa: FBT001, FBT002 - the signature is SQLAlchemy's
    """Connections stay until the block ends or other files are used."""


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
