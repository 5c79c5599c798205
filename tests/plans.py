"""Plans as data for tests: rows of EXPORT_PLAN from the few fields a test is about.

How a plan comes to be is tested in `unit/test_export_plan.py`; here are only the values that targets are fed with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from intelsec_assets.exports.content import PlanRow
from intelsec_assets.exports.events import NAMESPACE

DAY = date(2026, 3, 5)
SCHEMA = pa.schema(
    {
        "indicator_id": pa.string(),
        "indicator_type": pa.string(),
        "value": pa.string(),
        "event": pa.string(),
        "state": pa.string(),
        "action": pa.string(),
        "reason": pa.string(),
        "changed_on": pa.date32(),
        "first_exported": pa.date32(),
        "content_hash": pa.string(),
        "score_band": pa.string(),
        "admiralty": pa.string(),
        "tlp": pa.string(),
        "campaign": pa.string(),
        "families": pa.list_(pa.string()),
        "threat_types": pa.list_(pa.string()),
        "sources": pa.list_(pa.string()),
        "first_seen": pa.timestamp("us", "UTC"),
    }
)


def plan_row(value: str, indicator_type: str = "domain", **fields: Any) -> PlanRow:
    """A row of the plan; what is not named has a plain value, the id follows from type and value."""
    import uuid

    row: dict[str, Any] = {
        "indicator_id": str(uuid.uuid5(NAMESPACE, f"{indicator_type}:{value}")),
        "indicator_type": indicator_type,
        "value": value,
        "event": "phishing/2026-03",
        "state": "active",
        "action": "add",
        "reason": "score 0.85 reaches 0.6",
        "changed_on": DAY,
        "first_exported": DAY,
        "score_band": "high",
        "admiralty": "b",
        "tlp": "clear",
        "campaign": None,
        "families": (),
        "threat_types": ("phishing",),
        "sources": ("feed-a",),
        "first_seen": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
        **fields,
    }
    told = {key: row[key] for key in row if key not in {"state", "action", "reason", "changed_on"}}
    row.setdefault("content_hash", hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest())
    return PlanRow(**row)


def plan_table(rows: Iterable[PlanRow]) -> pa.Table:
    """A plan, sorted as the lake sorts it."""
    ordered = sorted(rows, key=lambda row: (row.indicator_type, row.value))
    return pa.Table.from_pylist([{name: getattr(row, name) for name in SCHEMA.names} for row in ordered], SCHEMA)
