"""Rows of the tables of detections for tests: what a test does not speak of is something unremarkable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import duckdb

from intelsec_assets.detections.quality.rule_quality import RuleQuality
from intelsec_assets.tables import Table

TODAY = date(2026, 3, 31)
NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
_DEFAULTS: dict[str, Any] = {"BIGINT": 1, "INTEGER": 1, "DOUBLE": 0.5, "BOOLEAN": False, "DATE": TODAY}
_names = count(1)


def relation(
    con: duckdb.DuckDBPyConnection, table: Table, rows: Iterable[Mapping[str, Any]]
) -> duckdb.DuckDBPyRelation:
    """The rows as a relation in the shape of the table."""
    name = f"rows_{table.name}_{next(_names)}"
    con.execute(f"create table {name} ({table.ddl()})")
    filled = []
    for row in rows:
        assert row.keys() <= set(table.column_names), row.keys() - set(table.column_names)
        filled.append([row.get(c.name, _unremarkable(c.type, c.nullable)) for c in table.columns])
    if filled:
        con.executemany(f"insert into {name} values ({', '.join('?' * len(table.columns))})", filled)
    return con.table(name)


def _unremarkable(kind: str, nullable: bool) -> Any:
    if nullable:
        return None
    if kind.endswith("[]"):
        return []
    if kind.startswith("MAP"):
        return {}
    if kind == "TIMESTAMPTZ":
        return NOON
    return _DEFAULTS.get(kind, "")


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def alert(number: int, rule: str = "R", *, ago: int = 1, **more: Any) -> dict[str, Any]:
    """An alert raised some days ago."""
    day = days_ago(ago)
    when = datetime(day.year, day.month, day.day, 9, tzinfo=UTC) + timedelta(seconds=number)
    return {
        "day": day,
        "alert_id": f"A{number}",
        "rule_id": rule,
        "rule_title": f"title of {rule}",
        "engine": "sigma",
        "mode": "live",
        "finding_id": f"F{number}",
        "first_event_time": when,
        "last_event_time": when,
        **more,
    }


def finding(number: int, rule: str = "R", *, ago: int = 1, **more: Any) -> dict[str, Any]:
    """The finding that raised the alert of that number."""
    raised = alert(number, rule, ago=ago)
    return {
        "day": raised["day"],
        "finding_id": f"F{number}",
        "engine": "sigma",
        "rule_id": rule,
        "rule_title": f"title of {rule}",
        "kind": "event",
        "mode": "live",
        "first_event_time": raised["first_event_time"],
        "last_event_time": raised["last_event_time"],
        "event_ids": [f"E{number}"],
        **more,
    }


def disposition(
    number: int, verdict: str, rule: str = "R", *, ago: int = 1, hour: int = 10, **more: Any
) -> dict[str, Any]:
    """A person's judgement of the alert of that number, given some days ago."""
    day = days_ago(ago)
    return {
        "day": day,
        "seq": next(_names),
        "alert_id": f"A{number}",
        "rule_id": rule,
        "verdict": verdict,
        "actor": "ana",
        "actor_kind": "human",
        "at": datetime(day.year, day.month, day.day, hour, tzinfo=UTC),
        **more,
    }


def quality(status: str = "tune", **more: Any) -> RuleQuality:
    """A judged rule."""
    return RuleQuality(
        **{
            "day": TODAY,
            "rule_id": "R",
            "rule_title": "Key made",
            "mode": "live",
            "window_days": 30,
            "findings": 9,
            "alerts": 9,
            "true_positives": 0,
            "benign_true_positives": 0,
            "false_positives": 9,
            "n": 9,
            "fp_rate": 1.0,
            "fp_low": 0.7,
            "fp_high": 1.0,
            "precision_trend": None,
            "alerts_per_day": 0.3,
            "noise_budget": 5.0,
            "is_over_budget": False,
            "last_finding": None,
            "is_sole_coverage": False,
            "status": status,
            "reason": "because of what was counted",
            **more,
        }
    )
