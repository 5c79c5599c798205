"""What each rule was worth over a window: false-positive rate and its uncertainty, noise, trend, coverage, what to do.

A rule is judged here, never changed; what could be done about it is in `proposals`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from intelsec_assets.detections.quality.intervals import wilson
from intelsec_assets.detections.quality.rule_facts import RETIRED, TEST, RuleFacts, Volume, sole_coverage
from intelsec_assets.detections.quality.verdicts import PACKAGE, Relation, named, new_name, standing_verdicts
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS, ALERTS, RULE_QUALITY, SIGMA_FINDINGS
from intelsec_assets.engine import read_sql, sql_text

INSUFFICIENT, KEEP, TUNE, HOLD = "insufficient_data", "keep", "tune", "hold"
NEVER_FIRED, RETIRE = "never_fired", "retire"


@dataclass(frozen=True)
class QualityPolicy:
    """From where on a rule is judged, and how. Rates are ratios 0 to 1."""

    window_days: int = 30
    min_sample: int = 20  # below, the interval is wider than 40 points: no verdict on a rule
    tune_above: float = 0.20  # rate; programs that publish a target ask for a precision of 0.8
    hold_above: float = 0.50  # lower end of the interval: surely more wrong than right
    retire_above: float = 0.80  # lower end of the interval: surely right less than once in five
    noisy_days: int = 3  # over the budget; one day is an incident or a change, three are the rule
    silent_days: int = 30  # observed without a finding though there were events


@dataclass(frozen=True)
class RuleQuality:
    """A row of RULE_QUALITY, with what its reason is made from."""

    day: date
    rule_id: str
    rule_title: str
    mode: str
    window_days: int
    findings: int
    alerts: int
    true_positives: int
    benign_true_positives: int
    false_positives: int
    n: int
    fp_rate: float | None
    fp_low: float | None
    fp_high: float | None
    precision_trend: float | None
    alerts_per_day: float
    noise_budget: float | None
    is_over_budget: bool
    last_finding: datetime | None
    is_sole_coverage: bool
    status: str
    reason: str
    days_over_budget: int = 0
    only_rule_for: tuple[str, ...] = ()
    events_seen: int | None = None
    duplicates: int = 0
    judged_by_automation: int = 0

    def row(self) -> dict[str, Any]:
        """The columns of RULE_QUALITY."""
        cells = asdict(self)
        return {name: cells[name] for name in RULE_QUALITY.column_names}


@dataclass(frozen=True)
class _Counts:
    """A row of rule_counts.sql; a rule without findings and alerts has none and is all zero."""

    rule_id: str
    rule_title: str
    findings: int = 0
    last_finding: datetime | None = None
    alerts: int = 0
    n: int = 0
    true_positives: int = 0
    benign_true_positives: int = 0
    false_positives: int = 0
    newer: int = 0
    newer_false: int = 0
    older: int = 0
    older_false: int = 0
    duplicates: int = 0
    judged_by_automation: int = 0
    days: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def rule_quality(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[RuleFacts],
    *,
    findings: Relation,
    alerts: Relation,
    dispositions: Relation,
    as_of: date,
    days: Collection[date],
    volume: Volume | None = None,
    previous: Relation | None = None,
    policy: QualityPolicy | None = None,
) -> list[RuleQuality]:
    """RULE_QUALITY of every rule at the end of the day `as_of`, in order of rule id.

    `findings`, `alerts`, `dispositions` have the columns of SIGMA_FINDINGS, ALERTS, ALERT_DISPOSITIONS and hold at
    least the window; what is outside of it, or later than the day, is left out here. `days` are the days that were
    looked at (a lake of ten days is no month of silence). `volume` counts the window's events; without it a silent
    rule's reason is not known. `previous` is RULE_QUALITY of the day before: when a rule last fired is remembered
    beyond the window. Alerts of a rule that is not among `rules` are told as of a retired one.
    """
    policy = policy or QualityPolicy()
    first = as_of - timedelta(days=policy.window_days - 1)
    observed = len({day for day in days if first <= day <= as_of})
    counts = _counts(con, findings, alerts, dispositions, first, as_of)
    fired_before = _last_findings(previous)
    sole = sole_coverage(rules)
    known = {rule.rule_id: rule for rule in rules}
    gone = [RuleFacts(c.rule_id, c.rule_title, RETIRED) for c in counts.values() if c.rule_id not in known]
    return [
        _judge(
            rule,
            counts.get(rule.rule_id) or _Counts(rule.rule_id, rule.title),
            as_of,
            observed,
            fired_before.get(rule.rule_id),
            sole.get(rule.rule_id, ()),
            None if volume is None else rule.events_seen(volume),
            is_known=rule.rule_id in known,
            policy=policy,
        )
        for rule in sorted([*rules, *gone], key=lambda rule: rule.rule_id)
    ]


def quality_relation(con: duckdb.DuckDBPyConnection, rows: Sequence[RuleQuality]) -> Relation:
    """The rows as a relation in the shape of RULE_QUALITY."""
    plain = [row.row() for row in rows]
    columns = {name: [row[name] for row in plain] for name in RULE_QUALITY.column_names}
    typed = ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in RULE_QUALITY.columns)
    return con.from_arrow(pa.table(columns)).project(typed)


def _counts(
    con: duckdb.DuckDBPyConnection,
    findings: Relation,
    alerts: Relation,
    dispositions: Relation,
    first: date,
    last: date,
) -> dict[str, _Counts]:
    verdicts = new_name("verdicts")
    standing_verdicts(con, dispositions, last).create_view(verdicts)
    counted = con.sql(
        read_sql(PACKAGE, "rule_counts").format(
            findings=named(con, findings, SIGMA_FINDINGS),
            alerts=named(con, alerts, ALERTS),
            dispositions=named(con, dispositions, ALERT_DISPOSITIONS),
            verdicts=verdicts,
            first=f"date {sql_text(str(first))}",
            last=f"date {sql_text(str(last))}",
        )
    )
    return {row[0]: _Counts(**dict(zip(counted.columns, row, strict=True))) for row in counted.fetchall()}


def _last_findings(previous: Relation | None) -> dict[str, datetime]:
    if previous is None:
        return {}
    return dict(previous.filter("last_finding is not null").project("rule_id, last_finding").fetchall())


def _judge(
    rule: RuleFacts,
    counts: _Counts,
    as_of: date,
    observed: int,
    fired_before: datetime | None,
    only_rule_for: tuple[str, ...],
    events_seen: int | None,
    *,
    is_known: bool,
    policy: QualityPolicy,
) -> RuleQuality:
    low, high = wilson(counts.false_positives, counts.n) if counts.n else (None, None)
    budget = rule.noise_budget
    # half an alert a day is one every other day: a day with one is within it, as the intake has it
    most = math.inf if budget is None else math.ceil(budget)
    over = sum(bool(day["is_flood"] or day["alerts"] > most) for day in counts.days)
    trend = None
    if counts.n >= policy.min_sample:
        trend = counts.older_false / counts.older - counts.newer_false / counts.newer
    unjudged = RuleQuality(
        day=as_of,
        rule_id=rule.rule_id,
        rule_title=rule.title,
        mode=rule.mode,
        window_days=observed,
        findings=counts.findings,
        alerts=counts.alerts,
        true_positives=counts.true_positives,
        benign_true_positives=counts.benign_true_positives,
        false_positives=counts.false_positives,
        n=counts.n,
        fp_rate=counts.false_positives / counts.n if counts.n else None,
        fp_low=low,
        fp_high=high,
        precision_trend=trend,
        alerts_per_day=counts.alerts / observed if observed else 0.0,
        noise_budget=budget,
        is_over_budget=over > 0,
        last_finding=max((when for when in (counts.last_finding, fired_before) if when is not None), default=None),
        is_sole_coverage=bool(only_rule_for),
        status="",
        reason="",
        days_over_budget=over,
        only_rule_for=only_rule_for,
        events_seen=events_seen,
        duplicates=counts.duplicates,
        judged_by_automation=counts.judged_by_automation,
    )
    status, reason = _status(unjudged, policy, is_known=is_known)
    return RuleQuality(**{**unjudged.__dict__, "status": status, "reason": reason})


def _status(q: RuleQuality, policy: QualityPolicy, *, is_known: bool) -> tuple[str, str]:
    """What should become of the rule, and why; noise is judged without verdicts, the rate only with enough of them."""
    if q.mode == RETIRED:
        return RETIRE, _words("retired" if is_known else "no rule has this id any more", _rate(q), _left_out(q))
    if q.last_finding is None:
        return NEVER_FIRED, _words(_silence(q), _coverage(q))
    has_enough = q.n >= policy.min_sample
    if has_enough and q.fp_low is not None and q.fp_low >= policy.retire_above and not q.is_sole_coverage:
        return RETIRE, _words(_rate(q), "another rule covers each of its techniques", _left_out(q))
    if _is_noisy(q, policy):
        return HOLD, _words(_noise(q), "in test mode already" if q.mode == TEST else "", _rate(q), _left_out(q))
    if not has_enough:
        few = f"{q.n} of the {policy.min_sample} judged alerts that a rate needs"
        return INSUFFICIENT, _words(few, _rate(q), _quiet(q), _noise(q), _left_out(q))
    assert q.fp_rate is not None
    assert q.fp_low is not None
    if q.fp_low >= policy.hold_above:
        # held, a technique would go unseen
        return (TUNE if q.is_sole_coverage else HOLD), _words(
            _rate(q), _coverage(q), _noise(q), _trend(q), _left_out(q)
        )
    status = TUNE if q.fp_rate > policy.tune_above else KEEP
    return status, _words(_rate(q), _noise(q), _trend(q), _left_out(q))


def _is_noisy(q: RuleQuality, policy: QualityPolicy) -> bool:
    """Over its budget on average, or on several days."""
    on_average = q.noise_budget is not None and q.alerts_per_day > q.noise_budget
    return on_average or q.days_over_budget >= policy.noisy_days


def _words(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _rate(q: RuleQuality) -> str:
    if q.fp_rate is None or q.fp_low is None or q.fp_high is None:
        return ""
    return (
        f"{q.false_positives} of {q.n} judged alerts false ({q.fp_rate:.0%}, 95 % interval {q.fp_low:.0%} to "
        f"{q.fp_high:.0%})"
    )


def _noise(q: RuleQuality) -> str:
    if not q.days_over_budget and (q.noise_budget is None or q.alerts_per_day <= q.noise_budget):
        return ""
    allowed = "a flood" if q.noise_budget is None else f"its budget of {q.noise_budget:g} alerts a day"
    days = f"{q.days_over_budget} day{'' if q.days_over_budget == 1 else 's'}"
    return f"over {allowed} on {days} of {q.window_days}, {q.alerts_per_day:.1f} a day on average"


def _trend(q: RuleQuality) -> str:
    if q.precision_trend is None or abs(q.precision_trend) < 0.1:  # halves of twenty differ by that much by chance
        return ""
    return f"precision {'rose' if q.precision_trend > 0 else 'fell'} by {abs(q.precision_trend):.0%} between its halves"


def _left_out(q: RuleQuality) -> str:
    """What is told beside the rate and not counted in it."""
    duplicates = f"{q.duplicates} duplicate{'s' if q.duplicates > 1 else ''}" if q.duplicates else ""
    automated = f"{q.judged_by_automation} judged by automation alone" if q.judged_by_automation else ""
    both = " and ".join(part for part in (duplicates, automated) if part)
    return f"{both} left out" if both else ""


def _coverage(q: RuleQuality) -> str:
    return f"the only rule for {', '.join(q.only_rule_for)}" if q.only_rule_for else ""


def _quiet(q: RuleQuality) -> str:
    return "" if q.findings or q.last_finding is None else f"quiet since {q.last_finding:%Y-%m-%d}"


def _silence(q: RuleQuality) -> str:
    looked = f"in {q.window_days} day{'' if q.window_days == 1 else 's'}"
    if q.events_seen is None:
        return f"never fired {looked}; how many events its source had is not known"
    if q.events_seen == 0:
        return f"never fired {looked}: its source delivered no events"
    return f"never fired {looked}: quiet, none of {q.events_seen:,} events of its source matched"
