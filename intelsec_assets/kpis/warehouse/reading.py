"""Queries on a published snapshot that can do no harm: one SELECT, read only, no files, bounded in time and memory.

How results are written out is in `results`; the process in which a query runs is `query_process`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intelsec_assets.kpis.warehouse.folder import WarehouseFolder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "512MB"
SECONDS = 60.0


class ReadingError(Exception):
    """A query got no answer; the message says why and what to do."""


class NotPublished(ReadingError):
    """There is no published file, or none of that day."""


class Refused(ReadingError):
    """The statement does something other than read the warehouse."""


class QueryFailed(ReadingError):
    """The SQL is wrong; the message is DuckDB's, with the position."""


class LimitReached(ReadingError):
    """The query takes more time or memory than it was given."""


class Result:
    """The answer to a query, read once: either by `rows`, `batches` (lists of tuples) or `arrow`."""

    columns: tuple[str, ...]
    types: tuple[str, ...]  # in DuckDB's words
    is_cut: bool = False  # True, once read, if there were more rows than `limit_rows`

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in Python's types, some thousand at a time."""
        raise NotImplementedError

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows one by one."""
        for batch in self.batches():
            yield from batch

    def arrow(self) -> Iterator[pa.RecordBatch]:
        """Rows as Arrow batches, for Parquet."""
        raise NotImplementedError


@contextmanager
def query(
    source: WarehouseFolder | Path,
    sql: str,
    *,
    day: date | None = None,
    memory: str = MEMORY,
    seconds: float = SECONDS,
    limit_rows: int | None = None,
    parameters: Sequence[str | float | bool | None] = (),
) -> Iterator[Result]:
    """Answer one SELECT of somebody we do not know, in a process of its own. Raises ReadingError's kinds.

    `source` is a warehouse folder (its published file, or the newest snapshot of `day`) or a file.
    """
    raise NotImplementedError
    yield Result()


@contextmanager
def connect(source: WarehouseFolder | Path, *, day: date | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection for our own queries (lineage, descriptions), in UTC, in this process."""
    raise NotImplementedError
    yield
