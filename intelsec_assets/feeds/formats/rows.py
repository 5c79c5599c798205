"""Feed rows as Arrow tables: their schema, and the two ways to build them (whole columns, or one row after the other).

What a row says is decided by the formats beside this module; nothing here reads bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.tables import FEED_ROWS

# Words repeat (file names, types, families): DuckDB reads a dictionary as VARCHAR and never copies the word per row
WORD = pa.dictionary(pa.int32(), pa.string())
TAGS = pa.list_(pa.string())
INSTANT = pa.timestamp("us", tz="UTC")

_TYPES = {
    "file": WORD,
    "line": pa.int64(),
    "snapshot_sha256": WORD,
    "raw_value": pa.string(),
    "indicator_type": WORD,
    "tags": TAGS,
    "campaign": WORD,
    "threat_type": WORD,
    "malware_family": WORD,
    "confidence": pa.float64(),
    "tlp": WORD,
    "listings": pa.int32(),
    "first_seen": INSTANT,
    "last_seen": INSTANT,
    "reject_reason": WORD,
    "reject_detail": pa.string(),
}
FEED_ROWS_SCHEMA = pa.schema([pa.field(name, _TYPES[name]) for name in FEED_ROWS.column_names])

NUL_PICTURE = (
    "\u2400"  # SYMBOL FOR NULL: shows the byte in quarantine without carrying it into databases that refuse it
)


class UnusableFile(Exception):
    """A file that is not what the feed's format says; the message names it, what was found and what was expected."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(f"{file}: {problem}")


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row cannot be used: a short code, and what was found against what was expected."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file of a snapshot with its content."""

    file: SnapshotFile
    content: bytes


@dataclass
class Parsed:
    """What a format made of a snapshot: tables in the schema of feed rows, and remarks that are no defects of a row."""

    tables: list[pa.Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def empty_rows() -> pa.Table:
    """A table of feed rows with no row."""
    return FEED_ROWS_SCHEMA.empty_table()


def constant(value: str | None, count: int) -> pa.Array:
    """The same word (or NULL) `count` times, as a dictionary column."""
    if value is None:
        return nulls(WORD, count)
    indices = pa.Array.from_buffers(pa.int32(), count, [None, _zeros(4 * count)])
    return pa.DictionaryArray.from_arrays(indices, pa.array([value]))


def nulls(kind: pa.DataType, count: int) -> pa.Array:
    """`count` times NULL, of a type with at most 8 bytes a value."""
    if kind == WORD:
        return pa.DictionaryArray.from_arrays(nulls(pa.int32(), count), pa.array([], pa.string()))
    if pa.types.is_primitive(kind):
        return pa.Array.from_buffers(kind, count, [_zeros(count), _zeros(8 * count)], null_count=count)
    return pa.nulls(count, kind)


def _zeros(size: int) -> pa.Buffer:
    """At least `size` zero bytes. Columns of one word or none are most of a list and share what nobody writes to."""
    return _zero_bytes(max(size, 1).bit_length())


@cache
def _zero_bytes(bits: int) -> pa.Buffer:
    return pa.py_buffer(bytes(1 << bits))


def words(values: pa.Array) -> pa.Array:
    """A string column as a dictionary column."""
    return values.dictionary_encode()


def uniform_table(
    feed: Feed, file: SnapshotFile, lines: pa.Array, raw_values: pa.Array, **columns: pa.Array
) -> pa.Table:
    """Usable rows of one file from whole columns; what is not given is the feed's own default or nothing.

    `lines` int64, `raw_values` string, further columns named and typed as in FEED_ROWS_SCHEMA.
    """
    count = len(raw_values)
    defaults = {
        "file": lambda: constant(file.name, count),
        "snapshot_sha256": lambda: constant(file.sha256, count),
        "tags": lambda: pa.Array.from_buffers(
            TAGS, count, [None, _zeros(4 * (count + 1))], children=[pa.array([], pa.string())]
        ),
        "campaign": lambda: constant(feed.campaign, count),
        "threat_type": lambda: constant(feed.threat_type, count),
        "malware_family": lambda: constant(feed.malware_family, count),
        "tlp": lambda: constant(feed.tlp, count),
        "listings": lambda: pa.repeat(pa.scalar(1, pa.int32()), count),
    }
    given: dict[str, pa.Array] = {"line": lines, "raw_value": raw_values, **columns}
    arrays = []
    for name, kind in _TYPES.items():
        if name in given:
            arrays.append(given[name])
        elif name in defaults:
            arrays.append(defaults[name]())
        else:
            arrays.append(nulls(kind, count))
    return pa.Table.from_arrays(arrays, schema=FEED_ROWS_SCHEMA)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a feed says about one value; None = nothing, so that the feed's default counts."""

    tags: Sequence[str] = ()
    campaign: str | None = None
    threat_type: str | None = None
    malware_family: str | None = None
    confidence: float | None = None
    tlp: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


NO_CLAIMS = Claims()


class RowList:
    """Rows collected one by one: all rows of the JSON formats, and the rejected rows of every format."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._rows: list[tuple[Any, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self, file: SnapshotFile, line: int, raw_value: str, indicator_type: str | None, claims: Claims = NO_CLAIMS
    ) -> None:
        """A usable row; a value with a NUL byte in it is a rejected one."""
        reject = Reject("nul_byte", "the value holds a NUL byte") if "\0" in raw_value else None
        self._append(file, line, raw_value, indicator_type, claims, reject)

    def reject(self, file: SnapshotFile, line: int, raw_value: str, reject: Reject, claims: Claims = NO_CLAIMS) -> None:
        """A row that cannot be used, with the reason."""
        self._append(file, line, raw_value, None, claims, reject)

    def _append(
        self,
        file: SnapshotFile,
        line: int,
        raw_value: str,
        indicator_type: str | None,
        claims: Claims,
        reject: Reject | None,
    ) -> None:
        feed = self._feed
        self._rows.append(
            (  # in the order of FEED_ROWS
                file.name,
                line,
                file.sha256,
                printable(raw_value),
                indicator_type,
                [printable(tag) for tag in claims.tags],
                _words(claims.campaign) or feed.campaign,
                _words(claims.threat_type) or feed.threat_type,
                _words(claims.malware_family) or feed.malware_family,
                claims.confidence,
                claims.tlp or feed.tlp,
                1,
                claims.first_seen,
                claims.last_seen,
                printable(reject.reason) if reject else None,
                printable(reject.detail) if reject else None,
            )
        )

    def table(self) -> pa.Table:
        """All rows so far, in the order they came."""
        if not self._rows:
            return empty_rows()
        columns = zip(*self._rows, strict=True)
        return pa.Table.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, FEED_ROWS_SCHEMA.types, strict=True)],
            schema=FEED_ROWS_SCHEMA,
        )


def printable(text: str) -> str:
    """The text without what no UTF-8 column can hold: NUL as a picture, lone surrogates as U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", NUL_PICTURE)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _words(text: str | None) -> str | None:
    return printable(text).strip() if text else None
