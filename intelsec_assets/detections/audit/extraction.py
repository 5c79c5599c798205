"""Columns out of the texts of records, by one statement a provider, and the texts themselves in one way of writing.

What the columns come to beyond that is `typed`.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.detections.audit.fields import AWS
from intelsec_assets.detections.errors import EventError
from intelsec_assets.engine import read_sql, sql_text

_PACKAGE = "intelsec_assets.detections.audit"
_READABLE = "select place, case when json_valid(event) then event end as event from framed"

Mask = np.ndarray[Any, Any]


class Spool:
    """Files of lines that DuckDB reads, written over one another: taking new pages each time is a tenth of the work.

    Use as a context manager; its folder goes with it. Several threads may have a file each at the same time.
    """

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="intelsec-audit-"))
        self._names = itertools.count(1)
        self._free: list[Path] = []
        return self

    def __exit__(self, *_raised: object) -> None:
        for path in self._folder.iterdir():
            path.unlink()
        self._folder.rmdir()

    def file(self) -> SpoolFile:
        """A file to write to. Its name is new each time: DuckDB may remember files by name."""
        path = self._folder / f"{next(self._names)}.ndjson"
        with suppress(IndexError):  # another thread may have taken the last
            self._free.pop().rename(path)
        return SpoolFile(path, self._free)


class SpoolFile:
    """One of them. Use as a context manager: when it ends another may write over the file."""

    def __init__(self, path: Path, free: list[Path]) -> None:
        """Who makes one is `Spool.file`."""
        self._path, self._free = path, free
        self._stream = path.open("r+b" if path.exists() else "w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it back."""
        with suppress(OSError):  # what could not be written is not needed any more
            self._stream.close()
        self._free.append(self._path)

    def write(self, lines: bytes) -> None:
        """Add whole lines of UTF-8. Raises EventError."""
        with self._told():
            self._stream.write(lines)

    def written(self) -> Path:
        """The file, to be read: it holds what was written and nothing else. Raises EventError."""
        with self._told():
            self._stream.truncate()  # writes what is in its buffer first
        return self._path

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EventError(
                f"{self._path}: lines of audit events cannot be laid out there to be read: {error.strerror}; free some "
                "space, or name a folder with more by TMPDIR; nothing of these files counts as taken"
            ) from error


def extract(
    con: duckdb.DuckDBPyConnection, provider: str, events: pa.ChunkedArray, lines: Path | None
) -> tuple[pa.Table, Mask, pa.ChunkedArray]:
    """Columns of the records in their order, which of them only some readers take, their texts in one way of writing.

    The text of a record that is wrapped in another object is what is in that, as its column `entry` says.
    `lines` is a file that holds CloudTrail's records as lines of UTF-8: reading that takes half as long as taking each
    field out of a text.
    """
    count = len(events)
    framed = pa.table({"place": pa.array(np.arange(count, dtype=np.int64)), "event": events})
    with _registered(con, framed):
        found = _of_texts(con, provider) if lines is None else _of_lines(con, lines)
        unusual = con.sql(read_sql(_PACKAGE, "unusual")).to_arrow_table()
    if found.num_rows != count:
        raise AssertionError(f"{count} records were read as {found.num_rows}")  # lines hold no line breaks
    places = unusual.column("place").to_numpy()
    doubtful, otherwise = np.zeros(count, bool), np.zeros(count, bool)
    doubtful[places] = flags(unusual, "is_doubtful")
    otherwise[places] = flags(unusual, "is_written_otherwise")
    texts = _rewritten(con, events, otherwise) if otherwise.any() else events
    entries = found.column("entry").combine_chunks()
    return found, doubtful, texts if entries.null_count == count else pc.coalesce(entries, texts)


def flags(found: pa.Table, name: str) -> Mask:
    """A column of truth values; NULL is false."""
    values: Mask = pc.fill_null(found.column(name), False).combine_chunks().to_numpy(zero_copy_only=False)
    return values.astype(bool)


def _of_lines(con: duckdb.DuckDBPyConnection, lines: Path) -> pa.Table:
    return con.sql(_statement(AWS).replace("/* file */", sql_text(lines))).to_arrow_table()


def _of_texts(con: duckdb.DuckDBPyConnection, provider: str) -> pa.Table:
    """That no text is broken is found out by reading them all at once."""
    try:
        return con.sql(_statement(provider)).to_arrow_table()
    except duckdb.InvalidInputException:
        con.register("framed", con.sql(_READABLE).to_arrow_table())
        return con.sql(_statement(provider)).to_arrow_table()


@cache
def _statement(provider: str) -> str:
    columns = read_sql(_PACKAGE, "typed").replace("/* instant */", read_sql(_PACKAGE, "instant"))
    return f"with columns_of as ({read_sql(_PACKAGE, provider)}) {columns}"


def _rewritten(con: duckdb.DuckDBPyConnection, events: pa.Array, which: Mask) -> pa.Array:
    """The texts, those at `which` in the one way; what is no JSON stays as it is."""
    places = np.flatnonzero(which)
    with _registered(con, pa.table({"place": pa.array(places), "event": events.take(pa.array(places))})):
        texts = con.sql(read_sql(_PACKAGE, "rewritten")).to_arrow_table().column("event").combine_chunks()
    written = pc.is_valid(texts)
    mask = np.zeros(len(events), bool)
    mask[places[written.to_numpy(zero_copy_only=False)]] = True
    return pc.replace_with_mask(events, pa.array(mask), texts.filter(written)) if mask.any() else events


@contextmanager
def _registered(con: duckdb.DuckDBPyConnection, framed: pa.Table) -> Iterator[None]:
    con.register("framed", framed)
    try:
        yield
    finally:
        con.unregister("framed")
