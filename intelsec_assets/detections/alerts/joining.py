"""A finding and an alert: whether the one belongs to the other, and what the alert is with it.

Pure. Which of several alerts a finding joins is decided in `intake`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from intelsec_assets.detections.alerts.grouping import entity_key
from intelsec_assets.detections.alerts.records import (
    CREATED,
    OVER_BUDGET,
    TRUE_POSITIVE,
    Alert,
    Raised,
    TakenFinding,
    alert_id_of,
)
from intelsec_assets.detections.alerts.severity import EXPORTED, Severity
from intelsec_assets.detections.findings import (
    CERTAIN,
    CONTEXT_UNKNOWN,
    CORRELATION,
    EVENT,
    FLOOD,
    LEVELS,
    LIVE,
    TEST,
    Finding,
)

MAX_ID = 512  # characters; keys of an index
MAX_SUPPRESSION = 366 * 86_400  # seconds; longer is a mistake of units
MAX_EVENTS = 10**12  # events of a finding; many of them still add up in 64 bits
MAX_ENTITIES = 50  # that a budget alert names; who reads more reads the findings
ENTITIES = "intelsec.entities"  # evidence of a budget alert: who its findings are about, the first ones, as JSON
_ENTITY_LETTERS = 200
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def problem_of(finding: Finding) -> str | None:
    """Why a finding cannot be taken, with what was expected; None if it can."""
    for name, allowed in (
        ("level", LEVELS),
        ("kind", (EVENT, CORRELATION, FLOOD)),
        ("certainty", (CERTAIN, CONTEXT_UNKNOWN)),
        ("mode", (LIVE, TEST)),
    ):
        if getattr(finding, name) not in allowed:
            return f"{name} {getattr(finding, name)!r}: expected one of {', '.join(allowed)}"
    for name in ("finding_id", "rule_id", "engine"):
        text = getattr(finding, name)
        if not text or len(text) > MAX_ID:
            return f"{name} has {len(text)} characters: expected 1 to {MAX_ID}"
    for name in ("first_event_time", "last_event_time"):
        if getattr(finding, name).tzinfo is None:
            return f"{name} {getattr(finding, name).isoformat()} has no time zone"
    if finding.first_event_time > finding.last_event_time:
        return f"it ends ({finding.last_event_time.isoformat()}) before it begins"
    if not 0 <= finding.suppression_seconds <= MAX_SUPPRESSION:
        return f"suppression_seconds {finding.suppression_seconds}: expected 0 to {MAX_SUPPRESSION}"
    if finding.indicator_score is not None and not 0 <= finding.indicator_score <= 1:
        return f"indicator_score {finding.indicator_score}: expected 0 to 1"
    if not 0 <= finding.event_count <= MAX_EVENTS:
        return f"event_count {finding.event_count}: expected 0 to {MAX_EVENTS}"
    if finding.value is not None and not math.isfinite(finding.value):
        return f"value {finding.value}: expected a number"
    if finding.noise_budget is not None and not (finding.noise_budget >= 0 and math.isfinite(finding.noise_budget)):
        return f"noise_budget {finding.noise_budget}: expected alerts a day, 0 or more"
    return None


def touches(alert: Alert, finding: Finding) -> bool:
    """Whether the finding lies within its window of the alert's findings, before or after; both edges belong to it.

    A window of nothing joins nothing: every finding is an alert.
    """
    if finding.suppression_seconds == 0:
        return False
    gap = max(finding.first_event_time - alert.joined_to, alert.joined_from - finding.last_event_time)
    return gap <= timedelta(seconds=finding.suppression_seconds)


def new_alert(finding: Finding, key: str, urgency: Severity, at: datetime, group_id: str | None = None) -> Alert:
    """The alert that a finding raises."""
    return Alert(
        alert_id=alert_id_of(finding.finding_id),
        kind=finding.kind,
        engine=finding.engine,
        rule_id=finding.rule_id,
        rule_title=finding.rule_title,
        rule_digest=finding.rule_digest,
        mode=finding.mode,
        dedup_key=finding.dedup_key,
        intake_key=key,
        suppression_seconds=finding.suppression_seconds,
        severity=urgency.level,
        severity_rank=urgency.rank,
        severity_reason=urgency.reason,
        certainty=finding.certainty,
        indicator_ids=finding.indicator_ids,
        indicator_score=finding.indicator_score,
        raised=Raised(urgency.level, urgency.reason, finding.certainty, finding.indicator_ids, finding.indicator_score),
        day=day_of(finding.last_event_time),
        finding_id=finding.finding_id,
        first_event_time=finding.first_event_time,
        last_event_time=finding.last_event_time,
        event_ids=finding.event_ids,
        event_count=finding.event_count,
        group=finding.group,
        entity=finding.entity,
        entity_key=entity_key(finding.mode, finding.entity),
        group_id=group_id,
        account=finding.account,
        region=finding.region,
        source_address=finding.source_address,
        resource=finding.resource,
        attack=finding.attack,
        runbook=finding.runbook,
        evidence=finding.evidence,
        joined_from=finding.first_event_time,
        joined_to=finding.last_event_time,
        seen_last=finding.last_event_time,
        findings=1,
        suppressed=0,
        events=finding.event_count,
        created_at=at,
        waiting_since=at,
        state=CREATED,
        changed_at=at,
    )


def as_budget_alert(alert: Alert, key: str, finding: Finding, place: int) -> Alert:
    """The alert about a rule that is over its budget of a day: about the rule, not about an entity.

    `place` is how many there were of that rule and day before it, all closed.
    """
    reason = f"{alert.severity_reason}; the rule is over its noise budget of {finding.noise_budget:g} alerts a day"
    return replace(
        alert,
        alert_id=alert_id_of(f"{key}|{place}" if place else key),
        kind=OVER_BUDGET,
        dedup_key=f"over budget {alert.day}",
        entity=None,
        entity_key=None,
        group_id=None,
        severity_reason=reason,
        raised=replace(alert.raised, severity_reason=reason),
        evidence=_with_entity(alert.evidence, finding.entity),
    )


def _with_entity(evidence: Mapping[str, str | None], entity: str | None) -> Mapping[str, str | None]:
    named: list[str] = json.loads(evidence.get(ENTITIES) or "[]")
    shown = (entity or "")[:_ENTITY_LETTERS]
    if not shown or shown in named or len(named) >= MAX_ENTITIES:
        return evidence
    return {**evidence, ENTITIES: json.dumps([*named, shown])}


def stands_alone(finding: Finding, urgency: Severity) -> bool:
    """Whether the finding must be seen by itself however noisy its rule is: critical, or an indicator to export."""
    return urgency.level == "critical" or finding.level == "critical" or (finding.indicator_score or 0.0) >= EXPORTED


def growth(finding: Finding, before: TakenFinding) -> int | None:
    """How many events a finding has gained since it was taken; None if neither events nor time were added."""
    if finding.event_count <= before.event_count and finding.last_event_time <= before.last_event_time:
        return None
    return max(0, finding.event_count - before.event_count)


def as_far(before: TakenFinding, finding: Finding) -> TakenFinding:
    """What is kept of a finding that was taken again: as far as it has ever come, so that no growth counts twice."""
    return replace(
        before,
        event_count=max(before.event_count, finding.event_count),
        last_event_time=max(before.last_event_time, finding.last_event_time),
    )


def continuation(finding: Finding, before: TakenFinding, gained: int) -> Finding:
    """What has come to a finding since it was taken, as a finding of its own: for when its alert is closed."""
    return replace(
        finding,
        finding_id=f"{finding.finding_id} after {before.event_count} to {before.last_event_time.isoformat()}",
        first_event_time=min(before.last_event_time, finding.last_event_time),
        event_count=max(gained, 1),  # at least its last event is new
    )


def becomes_certain(alert: Alert, finding: Finding) -> bool:
    """Whether what the alert could not know when it was raised is known now."""
    return alert.certainty == CONTEXT_UNKNOWN and finding.certainty == CERTAIN


def newest(alerts: Iterable[Alert]) -> Alert:
    """Of some alerts the one with the latest findings."""
    return max(alerts, key=lambda alert: (alert.joined_to, alert.alert_id))


def is_news(finding: Finding, urgency: Severity, closed: Sequence[Alert]) -> bool:
    """Whether a finding within the window of closed alerts says what nobody has judged there.

    It does if it is more severe than all of them, or names an indicator that none of them has. What follows on a true
    positive is news always: it was real, and it goes on.
    """
    if newest(closed).verdict == TRUE_POSITIVE or urgency.rank > max(alert.severity_rank for alert in closed):
        return True
    return not set(finding.indicator_ids) <= {name for alert in closed for name in alert.indicator_ids}


def joined(alert: Alert, finding: Finding, urgency: Severity) -> Alert:
    """An open alert with one more finding: as severe and as certain as the most severe and most certain of them."""
    scores = [score for score in (alert.indicator_score, finding.indicator_score) if score is not None]
    fresh = set(finding.indicator_ids) - set(alert.indicator_ids)
    is_severer = urgency.rank > alert.severity_rank
    is_flood = alert.kind == FLOOD and finding.kind == FLOOD
    return replace(
        alert,
        findings=alert.findings + 1,
        # the finding of a flood that has grown counts what the one before it has counted
        events=max(alert.events, finding.event_count) if is_flood else alert.events + finding.event_count,
        evidence=_with_entity(alert.evidence, finding.entity) if alert.kind == OVER_BUDGET else alert.evidence,
        seen_last=max(alert.seen_last, finding.last_event_time),
        severity=urgency.level if is_severer else alert.severity,
        severity_rank=max(urgency.rank, alert.severity_rank),
        severity_reason=urgency.reason if is_severer else alert.severity_reason,
        joined_from=min(alert.joined_from, finding.first_event_time),
        joined_to=max(alert.joined_to, finding.last_event_time),
        certainty=CERTAIN if finding.certainty == CERTAIN else alert.certainty,
        indicator_ids=tuple(sorted({*alert.indicator_ids, *fresh})) if fresh else alert.indicator_ids,
        indicator_score=max(scores, default=None),
    )


def grown(alert: Alert, finding: Finding, urgency: Severity, gained: int) -> Alert:
    """An open alert one of whose findings says more than before."""
    whole = joined(alert, finding, urgency)
    return replace(whole, findings=alert.findings, events=alert.events + gained)


def suppressed(alert: Alert, finding: Finding) -> Alert:
    """A closed alert with one more finding: counted, nothing else.

    Its window is not extended, so that what goes on and on comes back as an alert once the window is over.
    """
    return replace(
        alert,
        findings=alert.findings + 1,
        suppressed=alert.suppressed + 1,
        events=alert.events + finding.event_count,
        seen_last=max(alert.seen_last, finding.last_event_time),
    )


def absorbed(whole: Alert, part: Alert) -> Alert:
    """An alert with everything that another one holds."""
    scores = [score for score in (whole.indicator_score, part.indicator_score) if score is not None]
    is_severer = part.severity_rank > whole.severity_rank
    return replace(
        whole,
        severity=part.severity if is_severer else whole.severity,
        severity_rank=max(part.severity_rank, whole.severity_rank),
        severity_reason=part.severity_reason if is_severer else whole.severity_reason,
        findings=whole.findings + part.findings,
        suppressed=whole.suppressed + part.suppressed,
        events=whole.events + part.events,
        joined_from=min(whole.joined_from, part.joined_from),
        joined_to=max(whole.joined_to, part.joined_to),
        seen_last=max(whole.seen_last, part.seen_last),
        certainty=CERTAIN if part.certainty == CERTAIN else whole.certainty,
        indicator_ids=tuple(sorted({*whole.indicator_ids, *part.indicator_ids})),
        indicator_score=max(scores, default=None),
    )


def day_of(at: datetime) -> date:
    """UTC day of an instant."""
    return at.astimezone(UTC).date()


def before(at: datetime, window: timedelta) -> datetime:
    """An instant earlier by the window, at the earliest the first there is."""
    return at - window if at - _FIRST > window else _FIRST


def behind(at: datetime, window: timedelta) -> datetime:
    """An instant later by the window, at the latest the last there is."""
    return at + window if _LAST - at > window else _LAST
