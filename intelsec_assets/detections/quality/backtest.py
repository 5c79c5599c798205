"""What a changed rule would have fired on the past beside the present one: kept, added, removed, by verdict.

Firing is the engine's (`detections.sigma.scan`); here two lists of findings are compared and joined with the alerts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from intelsec_assets.detections.findings import FLOOD
from intelsec_assets.detections.quality.firings import Fired, Raised, alerts_of
from intelsec_assets.detections.quality.verdicts import (
    BENIGN_TRUE_POSITIVE,
    DUPLICATE,
    FALSE_POSITIVE,
    MAY_BE_REAL,
    TRUE_POSITIVE,
)

KEPT, ADDED, REMOVED = "kept", "added", "removed"
NOT_JUDGED = "not_judged"
VERDICTS = (TRUE_POSITIVE, BENIGN_TRUE_POSITIVE, FALSE_POSITIVE, DUPLICATE, NOT_JUDGED)


@dataclass(frozen=True)
class Compared:
    """A finding of either rule, and what the change does to it; the alert it belongs to, if there is one."""

    change: str  # kept | added | removed
    finding: Fired
    alert: Raised | None

    def to_json(self) -> dict[str, Any]:
        """For machines: what it is, when, about whom, of which alert."""
        return {
            "change": self.change,
            "finding_id": self.finding.finding_id,
            "kind": self.finding.kind,
            "at": self.finding.first_event_time.isoformat(),
            "entity": self.finding.entity,
            "events": self.finding.event_count,
            "event_ids": list(self.finding.event_ids),
            "alert_id": self.alert.alert_id if self.alert else None,
            "verdict": self.alert.verdict if self.alert else None,
        }


@dataclass(frozen=True)
class DayCounts:
    """Findings of a day: of the present rule, of the changed one, and what is between them."""

    day: date
    present: int
    changed: int
    kept: int
    added: int
    removed: int


@dataclass(frozen=True)
class AlertCounts:
    """Alerts of one verdict: those the changed rule would still raise, and those it would lose."""

    kept: int
    lost: int


@dataclass(frozen=True)
class Backtest:
    """The comparison. An alert is lost if none of its findings is kept.

    Of those `not_placed` the lake holds no finding any more, so nothing is said of them. On flooded days a rule
    was cut: its counts are then too low.
    """

    rule_id: str
    title: str
    first: date
    last: date
    findings: tuple[Compared, ...]
    days: tuple[DayCounts, ...]
    alerts: Mapping[str, AlertCounts]  # by verdict, all of VERDICTS
    lost: tuple[Raised, ...]
    not_placed: tuple[Raised, ...]
    flooded_present: tuple[date, ...]
    flooded_changed: tuple[date, ...]

    @property
    def loses_true_positives(self) -> bool:
        """Whether an alert would be lost that a person called a true positive, benign or not, or a duplicate."""
        return any(alert.verdict in MAY_BE_REAL for alert in self.lost)

    def count(self, change: str) -> int:
        """How many findings are kept, added or removed."""
        return sum(one.change == change for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "rule_id": self.rule_id,
            "title": self.title,
            "from": str(self.first),
            "to": str(self.last),
            "findings": {change: self.count(change) for change in (KEPT, ADDED, REMOVED)},
            "alerts": {verdict: {"kept": c.kept, "lost": c.lost} for verdict, c in self.alerts.items()},
            "loses_true_positives": self.loses_true_positives,
            "lost_alerts": [
                {"alert_id": a.alert_id, "verdict": a.verdict, "entity": a.entity, "reason": a.reason}
                for a in self.lost
            ],
            "not_placed": [alert.alert_id for alert in self.not_placed],
            "flooded_present": list(map(str, self.flooded_present)),
            "flooded_changed": list(map(str, self.flooded_changed)),
            "days": [{**day.__dict__, "day": str(day.day)} for day in self.days],
            "changes": [one.to_json() for one in self.findings if one.change != KEPT],
        }


def compare(
    rule_id: str,
    title: str,
    present: Sequence[Fired],
    changed: Sequence[Fired],
    stored: Sequence[Fired],
    alerts: Sequence[Raised],
    first: date,
    last: date,
) -> Backtest:
    """Compare what two versions of a rule fire from day `first` to `last`.

    `present` and `changed` are findings of the two over the same events; `stored` those that the lake holds, through
    which findings are joined with `alerts`. A finding is kept if the changed rule fires on some of the same events.
    """
    index = _Index(changed)
    before = _Index(present)
    belongs = _Alerts(stored, alerts)
    compared = [
        *(Compared(KEPT if index.has(one) else REMOVED, one, belongs.of(one)) for one in present),
        *(Compared(ADDED, one, belongs.of(one)) for one in changed if not before.has(one)),
    ]
    compared.sort(key=lambda one: (one.finding.first_event_time, one.finding.finding_id, one.change))
    kept_alerts, placed = belongs.touched(changed), belongs.placed
    lost = tuple(a for a in alerts if a.alert_id in placed and a.alert_id not in kept_alerts)
    return Backtest(
        rule_id=rule_id,
        title=title,
        first=first,
        last=last,
        findings=tuple(compared),
        days=_days(compared, changed),
        alerts=_by_verdict([alert for alert in alerts if alert.alert_id in placed], lost),
        lost=lost,
        not_placed=tuple(alert for alert in alerts if alert.alert_id not in placed),
        flooded_present=_flooded(present),
        flooded_changed=_flooded(changed),
    )


def _flooded(findings: Sequence[Fired]) -> tuple[date, ...]:
    return tuple(sorted({one.day for one in findings if one.kind == FLOOD}))


class _Index:
    """Findings, found again by what they are about."""

    def __init__(self, findings: Sequence[Fired]) -> None:
        self._by_event: dict[str, list[Fired]] = defaultdict(list)
        self._by_group: dict[tuple[tuple[str, str | None], ...], list[Fired]] = defaultdict(list)
        for finding in findings:
            for event_id in finding.event_ids:
                self._by_event[event_id].append(finding)
            self._by_group[_group(finding)].append(finding)

    def like(self, finding: Fired) -> list[Fired]:
        """Findings about the same thing, each once."""
        near = [one for event_id in finding.event_ids for one in self._by_event.get(event_id, ())]
        if finding.kind == "correlation":
            near += self._by_group.get(_group(finding), ())
        return list({one.finding_id: one for one in near if one.is_same_as(finding)}.values())

    def has(self, finding: Fired) -> bool:
        """Whether there is one about the same thing."""
        return bool(self.like(finding))


def _group(finding: Fired) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted(finding.group.items()))


class _Alerts:
    """Alerts by the findings that the lake holds of them."""

    def __init__(self, stored: Sequence[Fired], alerts: Sequence[Raised]) -> None:
        self._of_finding = alerts_of(stored, alerts)
        self._index = _Index(stored)
        self.placed = {alert.alert_id for alert in self._of_finding.values()}

    def of(self, finding: Fired) -> Raised | None:
        """The alert of a finding, also of one that a changed rule makes of the same events."""
        if finding.finding_id in self._of_finding:
            return self._of_finding[finding.finding_id]
        alerts = [self._of_finding.get(one.finding_id) for one in self._index.like(finding)]
        return next((alert for alert in alerts if alert is not None), None)

    def touched(self, findings: Sequence[Fired]) -> set[str]:
        """Ids of all alerts that some of the findings would still raise."""
        alerts = (self._of_finding.get(one.finding_id) for f in findings for one in self._index.like(f))
        return {alert.alert_id for alert in alerts if alert is not None}


def _days(compared: Sequence[Compared], changed: Sequence[Fired]) -> tuple[DayCounts, ...]:
    counts: dict[date, Counter[str]] = defaultdict(Counter)
    for one in compared:
        counts[one.finding.day][one.change] += 1
    for finding in changed:
        counts[finding.day]["changed"] += 1
    return tuple(
        DayCounts(day, c[KEPT] + c[REMOVED], c["changed"], c[KEPT], c[ADDED], c[REMOVED])
        for day, c in sorted(counts.items())
    )


def _by_verdict(alerts: Sequence[Raised], lost: Sequence[Raised]) -> dict[str, AlertCounts]:
    every = Counter(alert.verdict or NOT_JUDGED for alert in alerts)
    gone = Counter(alert.verdict or NOT_JUDGED for alert in lost)
    return {verdict: AlertCounts(every[verdict] - gone[verdict], gone[verdict]) for verdict in VERDICTS}
