"""Wire formats: the bytes of a snapshot into feed rows, one module a family of formats.

Where bytes come from is `intelsec_assets.feeds.fetch`; what a value means is `intelsec_assets.indicators.canonical`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import delimited, families, hosts, misp, plain, stix
from intelsec_assets.feeds.formats.rows import FEED_ROWS_SCHEMA, Parsed, RawFile, UnusableFile, empty_rows
from intelsec_assets.feeds.snapshot import SnapshotFile

__all__ = ["FEED_ROWS_SCHEMA", "FORMATS", "ParsedFeed", "parse"]

FORMATS: dict[str, Callable[[Feed, Sequence[RawFile], date], Parsed]] = {
    "plain": plain.parse,
    "hosts": hosts.parse,
    "csv": delimited.parse,
    "tsv": delimited.parse,
    "families": families.parse,
    "misp_feed": misp.parse_feed,
    "misp_event": misp.parse_events,
    "taxii": stix.parse,
    "stix": stix.parse,
}


@dataclass
class ParsedFeed:
    """A snapshot as rows (schema FEED_ROWS_SCHEMA). With `error` the whole feed is unusable and there are no rows.

    `notes` holds remarks that touch no row's validity: lines read as latin-1, files left aside.
    """

    rows: pa.Table
    error: str | None = None
    notes: tuple[str, ...] = ()


def parse(feed: Feed, files: Sequence[tuple[SnapshotFile, bytes]], day: date) -> ParsedFeed:
    """Rows of a feed's snapshot of the day. Never raises for bad content.

    A row that cannot be used has a reject_reason; a file that is not what the format says makes the whole feed an
    error, for a feed read in part would look as if the rest had been withdrawn. A file of zero bytes is an empty list.
    """
    if not files:
        return ParsedFeed(empty_rows(), f"feed {feed.name}: the snapshot holds no file; expected {feed.format}")
    ordered = sorted((RawFile(file, content) for file, content in files), key=lambda raw: raw.file.name)
    try:
        parsed = FORMATS[feed.format](feed, ordered, day)
    except UnusableFile as unusable:
        return ParsedFeed(empty_rows(), f"feed {feed.name}: {unusable}")
    tables = [table for table in parsed.tables if table.num_rows]
    rows = pa.concat_tables(tables) if tables else empty_rows()
    return ParsedFeed(rows, notes=tuple(parsed.notes))
