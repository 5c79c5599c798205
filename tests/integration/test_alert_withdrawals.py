"""Reopening an alert takes its verdict back, in the lake as in the queue."""

from __future__ import annotations

from datetime import timedelta

from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.alerts.snapshots import dispositions_of_day
from intelsec_assets.resources.store import Store
from tests.alert_findings import NOON, finding


def test_a_reopened_alert_has_its_verdict_withdrawn_on_the_day_it_was_reopened(store: Store) -> None:
    now = NOON
    service = AlertService(store, lambda: now + timedelta(hours=1))
    (alert,) = service.take([finding("f1")], raised_at=now).created
    service.close(alert, "ann", verdict="false_positive", note="planned", at=now)
    service.reopen(alert, "ann", note="it was not", at=now + timedelta(minutes=30))

    told = dispositions_of_day(store, now.date()).to_pylist()

    assert [(row["verdict"], row["reason"]) for row in told] == [
        ("false_positive", "planned"),
        ("withdrawn", "it was not"),
    ]
