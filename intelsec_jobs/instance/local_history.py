"""Dagster's SQLite history while this process alone writes it: the same files, without a disk flush an event.

Dagster opens a connection an event and closes it again; in WAL mode each close of the last connection writes the whole
log back and waits for the disk. Measured: 24 of 58 seconds of four days. Nothing of PostgreSQL storage is touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def quick_history(home: Path) -> Iterator[None]:
    """Connections to SQLite files below `home` do not wait for the disk, and their write-ahead log stays open.

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
        yield
    finally:
        event.remove(Engine, "do_connect", connect)
        for held in kept.values():
            held.close()
