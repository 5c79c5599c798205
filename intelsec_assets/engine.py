"""The DuckDB session in which a day's tables are computed: private, in memory, spilling to a folder of its own.

SQL of a domain lives in that domain's package; here is only how a session is opened and how a `.sql` file is read.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from itertools import count
from pathlib import Path

import duckdb

# A day of the real feeds needs 300 MB; the rest spills. `make run` must stay under 1 GB of memory in all.
DEFAULT_MEMORY = "600MB"


@contextmanager
def session(
    *, memory: str = DEFAULT_MEMORY, threads: int | None = None, spill: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection in UTC that overflows into the folder `spill` (default: a temporary one)."""
    with tempfile.TemporaryDirectory(prefix="intelsec-spill-", dir=spill) as overflow:
        con = duckdb.connect(config=_config(memory, overflow, threads))
        try:
            con.execute("set timezone = 'UTC'")
            yield con
        finally:
            con.close()


def _config(memory: str, overflow: str, threads: int | None) -> dict[str, str | bool | int | float | list[str]]:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": overflow,
        "autoinstall_known_extensions": False,  # a missing extension is an error, never a download
        "autoload_known_extensions": False,
    }
    return config if threads is None else config | {"threads": threads}


_numbers = count(1)


@contextmanager
def quick_session() -> Iterator[duckdb.DuckDBPyConnection]:
    """The same for steps that open many: an own catalogue in the one engine of this process, gone when the block ends.

    Opening an engine takes 15 ms, and a day opens fifty; a catalogue takes a fifth of that. Who attaches files or
    changes settings takes `session`: both belong to the whole engine.
    """
    engine, name = _engine_of(os.getpid()), f"session_{next(_numbers)}"
    con = engine.cursor()
    try:
        con.execute(f"attach ':memory:' as {name}; use {name}; set timezone = 'UTC'")
        yield con
    finally:
        con.close()
        engine.execute(f"detach database if exists {name}")


@cache
def _engine_of(_process: int) -> duckdb.DuckDBPyConnection:
    """One a process: an engine does not survive a fork."""
    overflow = tempfile.mkdtemp(prefix="intelsec-spill-")
    atexit.register(shutil.rmtree, overflow, ignore_errors=True)
    return duckdb.connect(config=_config(DEFAULT_MEMORY, overflow, None))


@cache
def read_sql(package: str, name: str) -> str:
    """Text of `name`.sql in a package, for example `read_sql("intelsec_assets.indicators", "merge")`."""
    return (files(package) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def sql_text(value: str | Path) -> str:
    """A text as an SQL literal. Only for names of our own files: values travel as parameters or columns."""
    return "'" + str(value).replace("'", "''") + "'"
