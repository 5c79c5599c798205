"""Alerts, their changes and judgements as rows of the lake, a day at a time.

Alerts go by the day of the finding that raised them, events and judgements by the day they happened; the store keeps
them as they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from intelsec_assets.detections.alerts.records import DISPOSITIONED, REOPENED, Alert, AlertEvent
from intelsec_assets.detections.alerts.storage import AlertStore
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS, ALERT_EVENTS, ALERTS
from intelsec_assets.tables import Table

WITHDRAWN = "withdrawn"  # who reopens an alert takes back what was judged of it
_TYPES = {
    "DATE": pa.date32(),
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE": pa.float64(),
    "BIGINT": pa.int64(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "MAP(VARCHAR, VARCHAR)": pa.map_(pa.string(), pa.string()),
}
# what findings that join an alert later change: the lake says what it was raised with
_AS_RAISED = ("severity", "severity_reason", "certainty", "indicator_ids", "indicator_score")


def alerts_of_day(store: AlertStore, day: date) -> pa.Table:
    """ALERTS: one alert whose raising finding ended on the day."""
    return _table(ALERTS, [_alert(alert) for alert in store.alerts_raised_on(day)])


def events_of_day(store: AlertStore, day: date) -> pa.Table:
    """ALERT_EVENTS: one change of an alert that happened on the day, `created` included, in the order of recording."""
    return _table(ALERT_EVENTS, [_event(event) for event, _, _ in store.alert_events_on(day)])


def dispositions_of_day(store: AlertStore, day: date) -> pa.Table:
    """ALERT_DISPOSITIONS: one judgement given or withdrawn on the day. Of an alert the latest by (at, seq) counts."""
    judged = [
        {**_event(event), "entity": entity, "indicator_ids": indicator_ids, "reason": event.note}
        | ({"verdict": WITHDRAWN} if event.event == REOPENED else {})
        for event, entity, indicator_ids in store.alert_events_on(day)
        if event.event in (DISPOSITIONED, REOPENED)
    ]
    return _table(ALERT_DISPOSITIONS, judged)


def _alert(alert: Alert) -> dict[str, Any]:
    row = {name: getattr(alert, name) for name in ALERTS.column_names}
    return row | {name: getattr(alert.raised, name) for name in _AS_RAISED} | {"evidence": list(alert.evidence.items())}


def _event(event: AlertEvent) -> dict[str, Any]:
    row = {name: getattr(event, name) for name in ALERT_EVENTS.column_names if name != "day"}
    return row | {"day": event.at.date()}


def _table(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([pa.field(c.name, _TYPES[c.type], nullable=c.nullable) for c in table.columns])
    plain: list[Mapping[str, Any]] = [{name: row[name] for name in table.column_names} for row in rows]
    return pa.Table.from_pylist(plain, schema)
