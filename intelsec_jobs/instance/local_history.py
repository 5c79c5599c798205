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

    def prepare(connection: Any, _record: Any) -> None:
        path = _file_of(connection)
        if path is None or not path.is_relative_to(home):
            return
        connection.execute("pragma synchronous = normal")
        if str(path) not in kept:
            held = sqlite3.connect(path, check_same_thread=False)
            held.execute(
                "select count(*) from sqlite_master"
            ).fetchall()  # opens the log, which then outlives its writers
            kept[str(path)] = held

    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)
        for held in kept.values():
            held.close()


def _file_of(connection: Any) -> Path | None:
    """File behind a connection; None for other databases and for those in memory."""
    if not isinstance(connection, sqlite3.Connection):
        return None
    name = next((row[2] for row in connection.execute("pragma database_list") if row[1] == "main"), "")
    return Path(name).resolve() if name else None
