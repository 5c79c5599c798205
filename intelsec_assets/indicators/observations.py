"""From feed rows to observations: each row of the day's snapshots becomes one, or a rejected row with its reason.

How rows are parsed lives in `feeds.formats`; how observations become indicators lives in `indicators.state`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import count
from typing import Protocol

import duckdb
import pyarrow as pa

from intelsec_assets.days import ONE_DAY, day_end
from intelsec_assets.engine import read_sql
from intelsec_assets.indicators.canonicalise import canonicalise
from intelsec_assets.tables import OBSERVATIONS, REJECTED_OBSERVATIONS

# clocks and time zones of publishers differ; a sighting further ahead than a day is no sighting
MAX_CLOCK_SKEW = ONE_DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# enough to recognise a row by; a line may have 50 MB
RAW_VALUE_KEPT = 4096

REJECTIONS: dict[str, str] = {
    "unknown_feed": "the row's feed is not in the catalogue",
    "unexpected_type": "the value's type is none that the catalogue lists for the feed",
    "time_before_1970": "a sighting before 1970: an empty or broken date field",
    "time_in_future": "a sighting more than one day after the end of the partition's day",
}
"""Reasons given here, beside those of the parsers and the ERRORS of the canonical form."""

_calls = count()


class ExpectsTypes(Protocol):
    """What is asked of a feed of the catalogue: its name and the indicator types it may publish."""

    @property
    def name(self) -> str:
        """Name in the catalogue."""

    @property
    def types(self) -> tuple[str, ...]:
        """Types of `indicators.canonical.TYPES`."""


def observe(
    con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation, feeds: Sequence[ExpectsTypes], day: date
) -> tuple[duckdb.DuckDBPyRelation, duckdb.DuckDBPyRelation]:
    """Observations and rejected observations of the day (OBSERVATIONS, REJECTED_OBSERVATIONS): together, each row once.

    `rows` has a column `feed` beside those of FEED_ROWS, of any number of feeds. A row is rejected for the first of:
    what its parser says, a feed that is not in `feeds`, no canonical form, a type the feed may not publish, a sighting
    before 1970 or more than a day after the end of the day; sightings less far ahead are set to that end.
    """
    name = f"observe_{next(_calls)}"
    rows.create_view(f"{name}_rows", replace=True)
    con.from_arrow(_expected(feeds)).create(f"{name}_feeds")
    usable = rows.filter("reject_reason is null").select("raw_value, indicator_type")
    canonicalise(con, usable).create_view(f"{name}_forms", replace=True)
    end = day_end(day)
    judge = read_sql("intelsec_assets.indicators", "observe_judge").format(
        rows=f"{name}_rows",
        forms=f"{name}_forms",
        feeds=f"{name}_feeds",
        day_end=_instant(end),
        latest=_instant(end + MAX_CLOCK_SKEW),
        epoch=_instant(_EPOCH),
    )
    con.execute(f"create temp table {name}_judged as {judge}")  # both results are made of it
    judged = con.table(f"{name}_judged")
    known = {"day": f"date '{day.isoformat()}'"}
    observations = judged.filter("reason is null").select(_columns(OBSERVATIONS.column_names, known))
    cut = {**known, "raw_value": f"left(coalesce(raw_value, ''), {RAW_VALUE_KEPT})"}
    rejected = judged.filter("reason is not null").select(_columns(REJECTED_OBSERVATIONS.column_names, cut))
    return observations, rejected


def _expected(feeds: Sequence[ExpectsTypes]) -> pa.Table:
    schema = pa.schema({"feed": pa.string(), "types": pa.list_(pa.string())})
    types = {feed.name: sorted(feed.types) for feed in feeds}
    return pa.table([list(types), list(types.values())], schema=schema)


def _instant(at: datetime) -> str:
    return f"timestamptz '{at.isoformat()}'"


def _columns(names: list[str], computed: dict[str, str]) -> str:
    return ", ".join(f"{computed[name]} as {name}" if name in computed else name for name in names)
