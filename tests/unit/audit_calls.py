"""Audit events in the shape of the lake's table, with only what a test says, for the tests of their context.

How events get into that shape is tested with `detections.audit`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from intelsec_assets import engine
from intelsec_assets.detections.context.asn import AsnPrefixes
from intelsec_assets.detections.context.audit_context import build_context
from intelsec_assets.detections.context.indicator_match import IndicatorsOfDay
from intelsec_assets.detections.context.tickets import NO_REGISTER, TicketReading
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS, PRINCIPAL_ASNS

DAY = date(2026, 3, 13)
NOON = datetime(2026, 3, 13, 12, tzinfo=UTC)
ACCOUNT = "111122223333"
Row = dict[str, Any]


def call(**said: Any) -> Row:
    """An event of user ana at noon, calling iam:CreateAccessKey for user batch from 198.51.100.7, unless said else."""
    user = said.pop("user", "ana")
    arn = f"arn:aws:iam::{ACCOUNT}:user/{user}"
    target = said.pop("target", "batch")
    event = {
        "userIdentity": {"type": "IAMUser", "arn": arn, "userName": user},
        "requestParameters": {"userName": target} if target else None,
    }
    usual = {
        "day": DAY,
        "event_id": "e1",
        "event_time": NOON,
        "provider": "aws",
        "source": "trail",
        "event_name": "CreateAccessKey",
        "actor_arn": arn,
        "actor_user": user,
        "principal": arn,
        "source_address": "198.51.100.7",
        "ocsf_status": "Success",
        "anomalies": [],
        "event": json.dumps(said.pop("json", event)),
        "file": "f",
        "record": 1,
        "file_sha256": "",
    }
    usual["source_text"] = said.get("source_address", usual["source_address"])
    return usual | said


def calls(con: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> duckdb.DuckDBPyRelation:
    """CLOUD_AUDIT_EVENTS of the rows."""
    con.execute(f"create or replace temp table calls ({CLOUD_AUDIT_EVENTS.ddl()})")
    if rows:
        names = CLOUD_AUDIT_EVENTS.column_names
        con.register("said", pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]))
        con.execute("insert into calls select * from said")
        con.unregister("said")
    return con.table("calls")


def history(con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> duckdb.DuckDBPyRelation:
    """PRINCIPAL_ASNS of the day before, of rows (principal, asn, days since first seen, days seen)."""
    con.execute(f"create or replace temp table history ({PRINCIPAL_ASNS.ddl()})")
    yesterday = DAY - timedelta(days=1)
    for principal, asn, since, days in rows:
        first = NOON - timedelta(days=since)
        con.execute(
            "insert into history values (?, ?, ?, ?, ?, ?, ?)",
            [yesterday, principal, asn, first, NOON - timedelta(days=1), days, float(days)],
        )
    return con.table("history")


@contextmanager
def session() -> Iterator[duckdb.DuckDBPyConnection]:
    """An engine in UTC."""
    with engine.quick_session() as con:
        yield con


def context(
    rows: Sequence[Row],
    *,
    tickets: TicketReading = NO_REGISTER,
    asn: AsnPrefixes | None = None,
    before: Sequence[tuple[Any, ...]] | None = None,
    listed: Sequence[tuple[str, str, float, str]] | None = None,
    listed_on: date = DAY - timedelta(days=1),
) -> dict[str, Row]:
    """AUDIT_CONTEXT by event id. `listed` are indicators (type, value, score, decision); None = there are none yet."""
    with session() as con:
        known = None if listed is None else indicators(con, listed, listed_on)
        built = build_context(
            con,
            DAY,
            calls(con, rows),
            tickets=tickets,
            asn=asn,
            history_before=None if before is None else history(con, before),
            known=known,
        )
        names = built.columns
        found = [dict(zip(names, row, strict=True)) for row in built.fetchall()]
    assert len(found) == len(rows)
    return {row["event_id"]: row for row in found}


def indicators(
    con: duckdb.DuckDBPyConnection, listed: Sequence[tuple[str, str, float, str]], day: date
) -> IndicatorsOfDay:
    """INDICATORS and INDICATOR_SCORES of (type, value, score, decision), each of the campaign lantern."""
    con.execute(
        "create or replace temp table listed (indicator_type varchar, value varchar, score double, decision varchar)"
    )
    if listed:
        con.executemany("insert into listed values (?, ?, ?, ?)", [list(row) for row in listed])
    identified = con.sql("select md5(indicator_type || value)::uuid as indicator_id, * from listed")
    return IndicatorsOfDay(day, identified, identified.select("indicator_id, ['lantern'] as campaigns"))
