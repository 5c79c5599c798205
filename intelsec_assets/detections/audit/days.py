"""Tables of a day out of what has landed: events without repeats, and what was rejected.

Writing them to the lake is the business of the assets; when a day is built again, of the sensors.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
from duckdb import ColumnExpression, ConstantExpression, FunctionExpression

from intelsec_assets.detections.audit.fields import GCP
from intelsec_assets.detections.audit.landing import Landed, Landing
from intelsec_assets.detections.audit.parts import with_parts
from intelsec_assets.detections.audit.repair import in_one_order
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS, REJECTED_AUDIT_RECORDS
from intelsec_assets.engine import read_sql, sql_text
from intelsec_assets.tables import Table

T = TypeVar("T")

_RENAMED = pa.schema([(name, pa.string()) for name in ("of", "id", "content", "new_id")])
_TEXTS = 1000  # of one id, held at once
# instants of a Google entry: exporters spell one in several ways, as its id in gcp.sql knows too
_SPELT = re.compile(
    r'("(?:timestamp|receiveTimestamp)":"[0-9T:-]+)(?:(\.[0-9]*[1-9])0*|\.0*)?(?:[Zz]|[+-]00:?00)(?=")', re.ASCII
)


def build_events(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], day: date) -> duckdb.DuckDBPyRelation:
    """Rows of CLOUD_AUDIT_EVENTS of a day. Of an event delivered twice the first delivery counts, by when and name.

    Events of one id that say different things are all kept: the first has the id, the others `ID~2`, `ID~3` and so on
    and the anomaly `id_conflict`, for whoever chooses ids must not hide an event behind another. The same parts give
    the same rows, in whatever batches and order their files were taken.
    """
    if not parts:
        return _nothing(con, CLOUD_AUDIT_EVENTS)
    return with_parts(_without_repeats(con, _of_day(con, parts, day)))


def _without_repeats(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    repeats = rows.aggregate("count(*) - count(distinct (provider, event_id))").fetchall()
    if repeats[0][0] == 0:  # nearly every day of one trail: then nothing need be put in order
        return rows
    renamed = _renamed(rows)
    if not renamed.num_rows:  # what came twice says the same
        return _query(rows.project(", ".join(["*", *(f'null::varchar as "{name}"' for name in _RENAMED.names)])), "day")
    same = "parts.provider = renamed.of and parts.event_id = renamed.id and sha256(parts.event) = renamed.content"
    joined = rows.set_alias("parts").join(con.from_arrow(renamed).set_alias("renamed"), same, how="left")
    return _query(joined, "day")


def _renamed(rows: duckdb.DuckDBPyRelation) -> pa.Table:
    """Which texts of which id are another event than the first of that id, and the id they get.

    Texts that differ in the order of their keys only, or in how an instant of Google is spelt, are one event.
    """
    taken = set(rows.filter("contains(event_id, '~')").project("provider, event_id").fetchall())
    named: list[tuple[str, str, str, str]] = []
    of, names = ("", ""), dict[str, str]()
    for some in _query(rows, "conflicts").to_arrow_reader(_TEXTS):
        for provider, event_id, event, content in zip(*(column.to_pylist() for column in some.columns), strict=True):
            if of != (provider, event_id):
                of, names = (provider, event_id), {}
            text = _SPELT.sub(r"\1\2Z", in_one_order(event)) if provider == GCP else in_one_order(event)
            same = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
            if same not in names:
                names[same] = _free(event_id, len(names) + 1, provider, taken)
            if names[same] != event_id:
                named.append((provider, event_id, content, names[same]))
    columns = zip(*named, strict=True) if named else ([],) * len(_RENAMED)
    return pa.table(dict(zip(_RENAMED.names, map(list, columns), strict=True)), schema=_RENAMED)


def _free(event_id: str, place: int, provider: str, taken: set[tuple[str, str]]) -> str:
    """The id of the event at a place among those of one id. An event may be delivered under the very id made here."""
    if place == 1:
        return event_id
    name = f"{event_id}~{place}"
    while (provider, name) in taken:
        name += "~"
    taken.add((provider, name))
    return name


def _query(rows: duckdb.DuckDBPyRelation, statement: str) -> duckdb.DuckDBPyRelation:
    found = rows.query("parts", read_sql("intelsec_assets.detections.audit", statement))
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
    """What has landed for a day: distinct events, by source, and by anomaly (an event may have several).

    An event is of the source that delivered it first; `delivered` counts every delivery, by its source. `damaged` parts
    are not counted; `aside` are those that were set aside and lie there still.
    """

    day: date
    events: int
    sources: Mapping[str, int]
    anomalies: Mapping[str, int]
    delivered: Mapping[str, int]
    damaged: tuple[Path, ...] = ()
    aside: tuple[Path, ...] = ()

    @property
    def delivered_twice(self) -> int:
        """Deliveries of events that had been delivered before."""
        return sum(self.delivered.values()) - self.events


def day_counts(con: duckdb.DuckDBPyConnection, landing: Landing) -> Iterator[DayCount]:
    """Counts of every day that events have landed for, in order. Raises EventError for a part that cannot be read."""
    for day in landing.days():
        landed, aside = landing.landed(day), tuple(landing.aside(day))
        if not (landed.parts or aside):
            continue
        damaged, counted = _of_whole_parts(landing, landed, partial(_counted, con, day=day))
        yield replace(counted, damaged=damaged, aside=aside)


def _counted(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], day: date) -> DayCount:
    events = build_events(con, parts, day).project("source, anomalies")
    sources = _by_source(events)
    named = events.project("unnest(anomalies) as anomaly").aggregate("anomaly, count(*) as n")
    anomalies = dict(named.order("n desc, anomaly").fetchall())
    delivered = sources
    if parts and (landed := _of_day(con, parts, day)).count("*").fetchall()[0][0] > sum(sources.values()):
        # the same record of the same file lies there twice if the file was taken twice: it was delivered once
        delivered = _by_source(landed.project("source, file, record, file_sha256").distinct())
    return DayCount(day, sum(sources.values()), sources, anomalies, delivered)


def _by_source(rows: duckdb.DuckDBPyRelation) -> dict[str, int]:
    return dict(rows.aggregate("source, count(*) as n").order("source").fetchall())


def _of_whole_parts(landing: Landing, landed: Landed, ask: Callable[[Sequence[Path]], T]) -> tuple[tuple[Path, ...], T]:
    """What is asked of a day's parts; if that fails, which of them are damaged, and what is asked of the others."""
    try:
        return (), ask(landed.parts)
    except duckdb.Error:
        damaged = tuple(landing.damaged(landed))
        if not damaged:
            raise
        return damaged, ask([part for part in landed.parts if part not in damaged])


def find_event(con: duckdb.DuckDBPyConnection, landing: Landing, event_id: str) -> dict[str, Any] | None:
    """Columns of an event that has landed, the newest day first; None if none of that id has.

    Raises DamagedPart if none was found and one may be in a part that is damaged.
    """
    named, first = ColumnExpression("event_id"), ConstantExpression(event_id.partition("~")[0])
    near = FunctionExpression("starts_with", named, first)
    unread: list[Landed] = []
    for day in reversed(landing.days()):
        landed = landing.landed(day)

        def asked(parts: Sequence[Path], day: date = day) -> list[dict[str, Any]]:
            if not parts:
                return []
            found = _without_repeats(con, _of_day(con, parts, day).filter(near))
            first_of_id = found.filter(named == ConstantExpression(event_id)).limit(1)
            return list(first_of_id.to_arrow_table().to_pylist())

        damaged, rows = _of_whole_parts(landing, landed, asked)
        if rows:
            return rows[0]
        unread += [landed] if damaged else []
    for landed in unread:
        landing.check(landed)
    return None
