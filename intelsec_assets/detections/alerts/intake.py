"""Findings into alerts: which finding raises one, which joins one that is there, and what a noisy rule may cost.

Pure: what is known comes in as values and what must be written goes out as values; the transaction is the store's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from intelsec_assets.detections.alerts import joining, lifecycle
from intelsec_assets.detections.alerts.asset_policy import AssetPolicy
from intelsec_assets.detections.alerts.grouping import Groups, entity_key
from intelsec_assets.detections.alerts.records import (
    AUTOMATION,
    CLOSED,
    CREATED,
    DISPOSITIONED,
    DUPLICATE,
    INTAKE,
    MERGED,
    OVER_BUDGET,
    Alert,
    AlertEvent,
    Intake,
    TakenFinding,
    alert_id_of,
    key_hash,
    rule_key,
)
from intelsec_assets.detections.alerts.severity import Severity, severity
from intelsec_assets.detections.findings import FLOOD, Finding

SUPPRESSED = "suppressed"


def intake_key(finding: Finding) -> str:
    """Key of the alerts that a finding may join by its deduplication key; of a flood, by its day too."""
    if finding.kind == FLOOD:
        day = day_of(finding).isoformat()
        return key_hash(FLOOD, finding.engine, finding.mode, finding.rule_id, day, finding.dedup_key)
    return key_hash("key", finding.engine, finding.mode, finding.rule_id, finding.dedup_key)


def budget_key(finding: Finding) -> str:
    """Key of the alerts that take what the rule finds beyond its budget of the finding's day; one of them is open."""
    return key_hash(OVER_BUDGET, finding.engine, finding.mode, finding.rule_id, day_of(finding).isoformat())


def day_of(finding: Finding) -> date:
    """Day a finding counts for: of its last event, UTC."""
    return joining.day_of(finding.last_event_time)


def finding_rule_key(finding: Finding) -> str:
    """Key of what is counted a rule."""
    return rule_key(finding.engine, finding.rule_id, finding.mode)


@dataclass(frozen=True)
class Known:
    """What is there already of the findings to take: taken ones, alerts of their keys, groups, alerts a rule and day.

    `alerts` holds at least those of the findings' keys that lie within their windows, all budget alerts of their rules
    and days, those that hold a taken finding which says more now, and what duplicates among all these stand for;
    `raised` counts the alerts of a rule key and day that count against its budget.
    """

    taken: Mapping[str, TakenFinding]
    alerts: tuple[Alert, ...]
    groups: Groups
    raised: Mapping[tuple[str, date], int]


@dataclass
class Plan:
    """What must be written for some findings, and what is said of them."""

    alerts: dict[str, Alert] = field(default_factory=dict)  # whole rows, new or changed
    new: set[str] = field(default_factory=set)  # of them, those that are new
    events: list[AlertEvent] = field(default_factory=list)
    taken: dict[str, TakenFinding] = field(default_factory=dict)  # whole rows by finding, new or grown
    intake: Intake = field(default_factory=Intake)
    renamed_groups: Mapping[str, str] = field(default_factory=dict)


def plan(findings: Iterable[Finding], known: Known, policy: AssetPolicy, raised: Callable[[Finding], datetime]) -> Plan:
    """What becomes of findings that passed `joining.problem_of`, given what is known.

    `raised` says when a finding counts as brought before people. Findings are taken in order of their time, so that the
    order within a call does not matter; taking them in several calls gives the same alerts unless late ones fall
    between two alerts that were already touched, or the budget of a day ends between them.
    """
    planner = _Planner(known, policy, raised)
    for finding in sorted(findings, key=lambda f: (f.first_event_time, f.last_event_time, f.finding_id)):
        planner.take(finding)
    return planner.finished()


@dataclass
class _Joined:
    """Findings that joined an alert within one plan."""

    merged: int = 0
    grown: int = 0
    suppressed: int = 0
    over_budget: int = 0
    at: datetime | None = None

    def note(self) -> str:
        parts = [
            f"{count} finding{'' if count == 1 else 's'} {what}"
            for count, what in (
                (self.merged, "joined"),
                (self.grown, "grown"),
                (self.over_budget, "beyond the rule's noise budget of the day"),
                (self.suppressed, "counted; the alert stays closed within its suppression window"),
            )
            if count
        ]
        return "; ".join(parts)


class _Planner:
    def __init__(self, known: Known, policy: AssetPolicy, raised: Callable[[Finding], datetime]) -> None:
        self._policy = policy
        self._raised_at = raised
        self._taken = dict(known.taken)
        self._groups = known.groups
        self._counts = dict(known.raised)
        self._alerts = {alert.alert_id: alert for alert in known.alerts}
        self._by_key: dict[str, list[str]] = {}
        for alert in known.alerts:
            self._by_key.setdefault(alert.intake_key, []).append(alert.alert_id)
        self._plan = Plan()
        self._joined: dict[str, _Joined] = {}
        self._folding: list[AlertEvent] = []
        self._said: dict[str, list[str]] = {
            name: []
            for name in ("created", "merged", "duplicates", "grown", "suppressed", "over_budget", "folded", "held")
        }

    def take(self, finding: Finding) -> None:
        """Decide about one finding."""
        urgency = severity(finding, self._policy.worth(finding))
        before = self._taken.get(finding.finding_id)
        if before is None:
            self._place(finding, urgency)
        elif self._grow(finding, before, urgency):
            self._said["grown"].append(finding.finding_id)
        else:
            self._said["duplicates"].append(finding.finding_id)

    def _place(self, finding: Finding, urgency: Severity) -> None:
        key = intake_key(finding)
        if finding.kind == FLOOD:
            self._said["held"].append(finding.rule_id)
            # who closes a flood has seen it as far as it had come: what is found of it after that is news
            touching = [alert for alert in self._of_key(key) if alert.is_open]
        else:
            touching = [alert for alert in self._of_key(key) if joining.touches(alert, finding)]
        if not touching and self._is_over_budget(finding):
            self._said["held"].append(finding.rule_id)
            if self._beyond_budget(finding, urgency):
                return
        self._join_or_raise(finding, key, touching, urgency)

    def _grow(self, finding: Finding, before: TakenFinding, urgency: Severity) -> bool:
        """Bring what a known finding says more now to its alert; False if it says nothing more.

        An open alert grows with it, of a duplicate the one it stands for. What comes after the alert was closed is
        placed as a finding of its own would be: news after a true positive, counted within the window, news after it.
        """
        holder = self._alerts.get(before.alert_id)
        if holder is None:
            return False
        gained = joining.growth(finding, before)
        place = holder if holder.is_open else self._whole(holder)
        if place.is_open and (gained is not None or joining.becomes_certain(place, finding)):
            self._keep(self._grouped(joining.grown(place, finding, urgency, gained or 0)))
            self._count(place.alert_id, finding, "grown")
            if intake_key(finding) == place.intake_key and finding.kind != FLOOD:  # else what lies near is another's
                touching = [alert for alert in self._of_key(place.intake_key) if joining.touches(alert, finding)]
                self._fold_into(place.alert_id, touching, finding)
        elif gained is None:
            return False
        else:
            self._place(joining.continuation(finding, before, gained), urgency)
        row = joining.as_far(before, finding)
        self._taken[finding.finding_id] = self._plan.taken[finding.finding_id] = row
        return True

    def _whole(self, alert: Alert) -> Alert:
        """The alert that a duplicate stands for in the end, as far as that is known; else itself."""
        while alert.duplicate_of is not None and alert.duplicate_of in self._alerts:
            alert = self._alerts[alert.duplicate_of]
        return alert

    def _beyond_budget(self, finding: Finding, urgency: Severity) -> bool:
        """Put the finding into the open budget alert of the rule's day; False if it must be seen by itself.

        A closed budget alert makes nobody deaf: the next finding raises one more.
        """
        if joining.stands_alone(finding, urgency):
            return False
        key = budget_key(finding)
        there = self._of_key(key)
        still_open = [alert for alert in there if alert.is_open]
        if not still_open:
            self._raise(finding, key, urgency, budget_place=len(there))
            return True
        alert = min(still_open, key=lambda alert: (alert.created_at, alert.alert_id))
        if urgency.rank > alert.severity_rank:
            return False
        self._join(finding, alert, urgency)
        return True

    def finished(self) -> Plan:
        """The plan, with one `merged` event an alert however many findings joined it."""
        for alert_id, joined in self._joined.items():
            alert = self._alerts[alert_id]
            at = max(joined.at or alert.created_at, alert.created_at)
            event = AlertEvent(alert_id, alert.rule_id, MERGED, INTAKE, AUTOMATION, at, note=joined.note())
            self._plan.events.append(event)
        self._plan.events += self._folding
        changed = self._plan.alerts
        self._plan.renamed_groups = dict(self._groups.renamed)
        for alert_id in changed:
            changed[alert_id] = _in_group(self._alerts[alert_id], self._groups.named(self._alerts[alert_id].group_id))
        said: dict[str, Any] = {name: tuple(values) for name, values in self._said.items()}
        said["held"] = tuple(dict.fromkeys(said["held"]))
        self._plan.intake = Intake(**said, changed=tuple(changed))
        return self._plan

    def _of_key(self, key: str) -> list[Alert]:
        return [self._alerts[alert_id] for alert_id in self._by_key.get(key, ())]

    def _is_over_budget(self, finding: Finding) -> bool:
        if finding.noise_budget is None:
            return False
        count = self._counts.get((finding_rule_key(finding), day_of(finding)), 0)
        return count >= math.ceil(finding.noise_budget)

    def _join_or_raise(self, finding: Finding, key: str, touching: list[Alert], urgency: Severity) -> None:
        ids = {alert.alert_id for alert in touching}
        # an alert that is part of another one is no place of its own
        apart = [alert for alert in touching if alert.duplicate_of not in ids]
        if still_open := [alert for alert in apart if alert.is_open]:
            # somebody may be at work on one: what nobody has touched becomes part of that
            first = min(still_open, key=lambda a: (a.state == CREATED, a.created_at, a.alert_id))
            self._join(finding, first, urgency)
            self._fold_into(first.alert_id, still_open, finding)
        elif apart and not joining.is_news(finding, urgency, [self._whole(alert) for alert in apart]):
            self._suppress(finding, joining.newest(apart))
        else:
            self._raise(finding, key, urgency)

    def _raise(self, finding: Finding, key: str, urgency: Severity, *, budget_place: int | None = None) -> None:
        """A new alert; with `budget_place` the budget alert that has so many of its rule and day before it."""
        at = self._raised_at(finding)
        is_budget = budget_place is not None
        group = None
        if not is_budget:
            who = entity_key(finding.mode, finding.entity)
            name = alert_id_of(finding.finding_id)
            group = self._groups.place(who, finding.first_event_time, finding.last_event_time, name)
        alert = joining.new_alert(finding, key, urgency, at, group)
        if budget_place is not None:
            alert = joining.as_budget_alert(alert, key, finding, budget_place)
        else:
            counted = (alert.rule_key, alert.day)
            self._counts[counted] = self._counts.get(counted, 0) + (finding.kind != FLOOD)
        self._by_key.setdefault(key, []).append(alert.alert_id)
        self._keep(alert)
        self._plan.new.add(alert.alert_id)
        note = "the rule is over its noise budget of the day" if is_budget else None
        self._plan.events.append(AlertEvent(alert.alert_id, alert.rule_id, CREATED, INTAKE, AUTOMATION, at, note=note))
        self._said["created"].append(alert.alert_id)
        if is_budget:
            self._said["over_budget"].append(finding.finding_id)
        self._take(finding, alert.alert_id, OVER_BUDGET if is_budget else CREATED)

    def _join(self, finding: Finding, alert: Alert, urgency: Severity) -> None:
        self._keep(self._grouped(joining.joined(alert, finding, urgency)))
        outcome = OVER_BUDGET if alert.kind == OVER_BUDGET else MERGED
        self._count(alert.alert_id, finding, outcome)
        self._said[outcome].append(finding.finding_id)
        self._take(finding, alert.alert_id, outcome)

    def _suppress(self, finding: Finding, alert: Alert) -> None:
        self._keep(joining.suppressed(alert, finding))
        self._count(alert.alert_id, finding, SUPPRESSED)
        self._said[SUPPRESSED].append(finding.finding_id)
        self._take(finding, alert.alert_id, SUPPRESSED)

    def _fold_into(self, into_id: str, touching: Sequence[Alert], finding: Finding) -> None:
        """Make what nobody has touched of some alerts part of one."""
        if self._alerts[into_id].duplicate_of is not None:
            return  # what is a duplicate itself may be one, in the end, of what would be folded into it
        for other in touching:
            if other.alert_id != into_id and other.state == CREATED:
                self._fold(other, into_id, finding)

    def _fold(self, part: Alert, into_id: str, finding: Finding) -> None:
        """A late finding lies between two alerts: they were one all along."""
        whole = joining.absorbed(self._alerts[into_id], part)
        self._keep(self._grouped(whole))
        at = max(part.created_at, self._raised_at(finding))
        note = f"part of {into_id}: finding {finding.finding_id} between the two arrived late"
        for event in lifecycle.steps(part, CLOSED, actor_kind=AUTOMATION, has_verdict=True):
            judged = event == DISPOSITIONED
            made = AlertEvent(
                part.alert_id,
                part.rule_id,
                event,
                INTAKE,
                AUTOMATION,
                at,
                verdict=DUPLICATE if judged else None,
                duplicate_of=into_id if judged else None,
                note=note,
            )
            self._folding.append(made)
            part = lifecycle.after(part, made)
        self._keep(part)
        self._said["folded"].append(part.alert_id)

    def _grouped(self, alert: Alert) -> Alert:
        """The alert, which may cover more time than before, in the group that it belongs to now."""
        group = alert.group_id or alert.alert_id
        return _in_group(alert, self._groups.place(alert.entity_key, alert.joined_from, alert.joined_to, group))

    def _keep(self, alert: Alert) -> None:
        self._alerts[alert.alert_id] = alert
        self._plan.alerts[alert.alert_id] = alert

    def _count(self, alert_id: str, finding: Finding, outcome: str) -> None:
        joined = self._joined.setdefault(alert_id, _Joined())
        setattr(joined, outcome, getattr(joined, outcome) + 1)
        at = self._raised_at(finding)
        joined.at = at if joined.at is None else max(joined.at, at)

    def _take(self, finding: Finding, alert_id: str, outcome: str) -> None:
        made = TakenFinding(
            finding.finding_id,
            alert_id,
            outcome,
            finding.first_event_time,
            finding.last_event_time,
            finding.event_count,
            self._raised_at(finding),
        )
        self._taken[finding.finding_id] = self._plan.taken[finding.finding_id] = made


def _in_group(alert: Alert, group_id: str | None) -> Alert:
    return alert if alert.group_id == group_id else replace(alert, group_id=group_id)


def reach(findings: Iterable[Finding]) -> tuple[datetime, datetime]:
    """From when to when alerts must be known to place the findings: their time and the longest window around it."""
    listed = list(findings)
    window = timedelta(seconds=max(finding.suppression_seconds for finding in listed))
    begins = min(finding.first_event_time for finding in listed)
    ends = max(finding.last_event_time for finding in listed)
    return joining.before(begins, window), joining.behind(ends, window)
