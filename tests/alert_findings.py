"""Findings for tests of alerts: one of everything usual, changed by name where a test is about it.

What engines make of real events belongs to their own tests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from intelsec_assets.detections.findings import Finding

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ALICE = "arn:aws:iam::111122223333:user/alice"


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


def finding(name: str = "f1", minute: float = 0, **given: Any) -> Finding:
    """A finding `minute` minutes after noon, an hour of suppression, about Alice; `lasts` minutes long."""
    begins = NOON + timedelta(minutes=minute)
    values: dict[str, Any] = {
        "finding_id": name,
        "engine": "sigma",
        "rule_id": "rule-key-without-ticket",
        "rule_title": "IAM key created without ticket",
        "rule_digest": "d1",
        "level": "high",
        "kind": "event",
        "certainty": "certain",
        "mode": "live",
        "first_event_time": begins,
        "last_event_time": begins + timedelta(minutes=given.pop("lasts", 0)),
        "event_ids": (f"event of {name}",),
        "event_count": 1,
        "group": {},
        "dedup_key": "alice",
        "entity": ALICE,
        "account": "111122223333",
        "region": "eu-central-1",
        "source_address": "198.51.100.7",
        "resource": "arn:aws:iam::111122223333:user/bob",
        "attack": ("attack.persistence", "attack.t1098.001"),
        "runbook": "runbooks/key-without-ticket.md",
        "suppression_seconds": 3600,
        "evidence": {"eventName": "CreateAccessKey", "requestParameters.userName": "bob"},
    }
    return Finding(**values | given)
