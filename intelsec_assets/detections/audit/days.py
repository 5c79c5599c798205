"""Tables of a day out of what has landed: events without repeats, and what was rejected.

Writing them to the lake is the business of the assets; when a day is built again, of the sensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from duckdb import ColumnExpression, ConstantExpression

from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS, REJECTED_AUDIT_RECORDS
from intelsec_assets.engine import read_sql, sql_text
from intelsec_assets.tables import Table


def build_events(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], day: date) -> duckdb.DuckDBPyRelation:
    """Rows of CLOUD_AUDIT_EVENTS of a day. Of an event delivered twice the first delivery counts, by when and name.

    The same parts give the same rows, in whatever batches and order their files were taken.
    """
    if not parts:
        return _nothing(con, CLOUD_AUDIT_EVENTS)
    rows = _of_day(con, parts, day)
    repeats = rows.aggregate("count(*) - count(distinct (provider, event_id))").fetchall()
    if repeats[0][0] == 0:  # nearly every day of one trail: then nothing need be put in order
        return rows
    found = rows.query("parts", read_sql("intelsec_assets.detections.audit", "day"))
    assert found is not None  # a query gives rows
    return found


def build_rejected(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], day: date) -> duckdb.DuckDBPyRelation:
    """Rows of REJECTED_AUDIT_RECORDS of a day of delivery; what was rejected twice in the same way is one row."""
    return _of_day(con, parts, day).distinct() if parts else _nothing(con, REJECTED_AUDIT_RECORDS)


def _of_day(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], day: date) -> duckdb.DuckDBPyRelation:
    return con.read_parquet([str(part) for part in parts]).filter(f"day = date {sql_text(str(day))}")


def _nothing(con: duckdb.DuckDBPyConnection, table: Table) -> duckdb.DuckDBPyRelation:
    columns = ", ".join(f'null::{column.type} as "{column.name}"' for column in table.columns)
    return con.sql(f"select {columns} where false")


@dataclass(frozen=True)
class DayCount:
    """What has landed for a day: distinct events, by source, and by anomaly (an event may have several)."""

    day: date
    events: int
    sources: Mapping[str, int]
    anomalies: Mapping[str, int]


def day_counts(con: duckdb.DuckDBPyConnection, landing: Landing) -> Iterator[DayCount]:
    """Counts of every day that events have landed for, in order."""
    for day in landing.days():
        parts = landing.landed(day).parts
        if not parts:
            continue
        events = build_events(con, parts, day).project("source, anomalies")
        sources = events.aggregate("source, count(*) as n").order("source").fetchall()
        named = events.project("unnest(anomalies) as anomaly").aggregate("anomaly, count(*) as n")
        yield DayCount(
            day,
            sum(count for _, count in sources),
            dict(sources),
            dict(named.order("n desc, anomaly").fetchall()),
        )


def find_event(con: duckdb.DuckDBPyConnection, landing: Landing, event_id: str) -> dict[str, Any] | None:
    """Columns of an event that has landed, the newest day first; None if none of that id has."""
    for day in reversed(landing.days()):
        parts = landing.landed(day).parts
        if not parts:
            continue
        found = _of_day(con, parts, day).filter(ColumnExpression("event_id") == ConstantExpression(event_id))
        rows = found.order("delivered_at, source, file, record").limit(1).to_arrow_table()
        if rows.num_rows:
            row: dict[str, Any] = rows.to_pylist()[0]
            return row
    return None
