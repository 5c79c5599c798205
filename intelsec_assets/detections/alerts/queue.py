"""The order in which people should look at alerts, and how old each is against the target.

Pure; the store sorts by the same order in SQL, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from intelsec_assets.detections.alerts.records import TARGET, Alert
from intelsec_assets.detections.findings import CERTAIN, LIVE


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long an alert has waited for someone to look into it, against the target. None = it does not wait."""

    age: timedelta | None
    target: timedelta = TARGET

    @property
    def is_overdue(self) -> bool:
        """Whether the target is missed."""
        return self.age is not None and self.age >= self.target


def waiting(alert: Alert, now: datetime) -> Waiting:
    """Age of an alert that waits; an alert from a clock ahead of ours has just come."""
    if not alert.is_waiting:
        return Waiting(None)
    return Waiting(max(now - alert.waiting_since, timedelta(0)))


def queue_key(alert: Alert, now: datetime) -> tuple[object, ...]:
    """Sort key: live before test, what waits before what is judged; then severest, overdue, certain, older first.

    A judged alert that nobody has closed yet is no reason to look anywhere, however severe it was.
    """
    return (
        alert.mode != LIVE,
        not alert.is_waiting,
        -alert.severity_rank,
        not waiting(alert, now).is_overdue,
        alert.certainty != CERTAIN,
        alert.waiting_since,
        alert.alert_id,
    )
