"""What a rule fired in the past, as values, and the alerts that those findings belong to.

Findings are made by the engine and alerts by the intake; here the lake's tables are read back and joined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import duckdb

Relation = duckdb.DuckDBPyRelation

_FIRED = (
    "finding_id",
    "rule_id",
    "day",
    "kind",
    "mode",
    "dedup_key",
    "first_event_time",
    "last_event_time",
    "event_ids",
    "event_count",
    "suppression_seconds",
    "entity",
    '"group"',
)


@dataclass(frozen=True)
class Fired:
    """A finding as comparing needs it; columns of SIGMA_FINDINGS."""

    finding_id: str
    rule_id: str
    day: date
    kind: str  # event | correlation | flood
    mode: str
    dedup_key: str
    first_event_time: datetime
    last_event_time: datetime
    event_ids: tuple[str, ...]  # the first hundred
    event_count: int
    suppression_seconds: int
    entity: str | None
    group: Mapping[str, str | None] = field(default_factory=dict)

    def is_same_as(self, other: Fired) -> bool:
        """Whether both are about the same thing that happened: the same events, or bursts of a group that overlap."""
        if self.finding_id == other.finding_id or not set(self.event_ids).isdisjoint(other.event_ids):
            return True
        if self.kind == other.kind == "correlation" and dict(self.group) == dict(other.group):
            return self.first_event_time <= other.last_event_time and other.first_event_time <= self.last_event_time
        return False


@dataclass(frozen=True)
class Raised:
    """An alert as joining needs it, with the verdict that stands, if one does."""

    alert_id: str
    rule_id: str
    dedup_key: str
    mode: str
    finding_id: str
    first_event_time: datetime
    entity: str | None = None
    verdict: str | None = None
    reason: str | None = None


def fired(findings: Relation, rule_id: str, first: date, last: date) -> list[Fired]:
    """Findings of a rule from day `first` to `last`, in order of time; `findings` has the columns of SIGMA_FINDINGS."""
    chosen = findings.filter(_of_rule(rule_id, first, last)).project(", ".join(_FIRED))
    rows = chosen.order("first_event_time, finding_id").fetchall()
    names = [name.strip('"') for name in _FIRED]
    made = (dict(zip(names, row, strict=True)) for row in rows)
    return [Fired(**{**one, "event_ids": tuple(one["event_ids"]), "group": dict(one["group"] or {})}) for one in made]


def raised(alerts: Relation, verdicts: Relation, rule_id: str, first: date, last: date) -> list[Raised]:
    """Alerts of a rule from day `first` to `last` with the verdict that stands; `verdicts` are `standing_verdicts`."""
    chosen = alerts.filter(_of_rule(rule_id, first, last)).set_alias("a")
    joined = chosen.join(verdicts.project("alert_id, verdict, reason").set_alias("v"), "alert_id", how="left")
    columns = "alert_id, rule_id, dedup_key, mode, finding_id, first_event_time, entity, verdict, reason"
    return [Raised(*row) for row in joined.project(columns).order("first_event_time, alert_id").fetchall()]


def _of_rule(rule_id: str, first: date, last: date) -> duckdb.Expression:
    column, constant = duckdb.ColumnExpression, duckdb.ConstantExpression
    return (
        (column("rule_id") == constant(rule_id))
        & (column("day") >= constant(first))
        & (column("day") <= constant(last))
    )


def alerts_of(findings: Iterable[Fired], alerts: Sequence[Raised]) -> dict[str, Raised]:
    """The alert each finding belongs to, by finding id; one that is in none (over a budget, not taken) is left out.

    The lake keeps the finding that raised an alert; others joined it by the rule of the intake, which is followed here:
    the same rule and key, no gap longer than the suppression window between one finding and the next.
    """
    by_finding = {alert.finding_id: alert for alert in alerts}
    runs: dict[tuple[str, str, str], list[Fired]] = defaultdict(list)
    for finding in findings:
        runs[finding.rule_id, finding.mode, finding.dedup_key].append(finding)
    found: dict[str, Raised] = {}
    for members in runs.values():
        for run in _unbroken(sorted(members, key=lambda f: (f.first_event_time, f.finding_id))):
            raising = [by_finding[f.finding_id] for f in run if f.finding_id in by_finding]
            current = raising[0] if raising else None  # of findings that came late, the alert after them
            for finding in run:
                current = by_finding.get(finding.finding_id, current)
                if current is not None:
                    found[finding.finding_id] = current
    return found


def _unbroken(findings: Sequence[Fired]) -> list[list[Fired]]:
    """Runs of findings of one key, cut where a gap is longer than the window."""
    runs: list[list[Fired]] = []
    end = None
    for finding in findings:
        window = timedelta(seconds=finding.suppression_seconds)
        if end is not None and window and finding.first_event_time - end <= window:
            runs[-1].append(finding)
            end = max(end, finding.last_event_time)
        else:
            runs.append([finding])
            end = finding.last_event_time
    return runs
