"""How alerts look in a terminal and as JSON: the queue, one alert with its timeline, and the figures of triage.

What an alert says was written by whoever caused it: nothing of it reaches the terminal as a command.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from intelsec_assets.commands.faces import harmless
from intelsec_assets.detections.alerts.lifecycle import way_out
from intelsec_assets.detections.alerts.queue import waiting
from intelsec_assets.detections.alerts.records import CLOSED, DISPOSITIONED, REOPENED, TARGET, Alert, AlertEvent
from intelsec_assets.detections.alerts.service import AlertView
from intelsec_assets.detections.alerts.triage_time import Estimate, TriageTimes, WaitingTime
from intelsec_assets.wording import counted

_ID = 8  # characters of an id in lists: enough to name one among millions in sight
_INTERNAL = ("intake_key", "entity_key", "severity_rank", "human_in_turn")
_RULE = 60  # characters of the column of rules
_EVIDENCE_SHOWN = 200  # characters of a value


def line(text: object) -> str:
    """Text on one line, harmless to a terminal."""
    return harmless(str(text)).replace("\n", " ")


def alert_json(alert: Alert, now: datetime) -> dict[str, Any]:
    """An alert for machines, with how long it has waited."""
    row = {name: value for name, value in asdict(alert).items() if name not in _INTERNAL}
    return row | {"waiting": _waiting_json(alert, now)}


def _waiting_json(alert: Alert, now: datetime) -> dict[str, Any] | None:
    age = waiting(alert, now)
    if age.age is None:
        return None
    return {
        "age_seconds": age.age.total_seconds(),
        "target_seconds": age.target.total_seconds(),
        "is_overdue": age.is_overdue,
    }


def event_json(event: AlertEvent) -> dict[str, Any]:
    """An event for machines."""
    row = asdict(event)
    row.pop("request")
    return row


def view_json(view: AlertView, now: datetime) -> dict[str, Any]:
    """All there is to say about an alert, for machines."""
    return {
        **alert_json(view.alert, now),
        "history": [event_json(event) for event in view.events],
        "last_findings": [asdict(finding) for finding in view.findings],
        "duplicates": [alert.alert_id for alert in view.parts],
        "others_of_group": [alert.alert_id for alert in view.group],
    }


def span(length: timedelta) -> str:
    """A length of time as people say it: `45 s`, `12 min`, `3 h 05`, `2 d 4 h`."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02}"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def queue_lines(alerts: Sequence[Alert], now: datetime) -> Iterator[str]:
    """The queue as a table."""
    yield f"{'severity':<14}{'waits':<13}{'state':<15}{'alert':<10}{'findings':>8}  {'rule':<{_RULE}}about"
    for alert in alerts:
        age = waiting(alert, now)
        waits = "" if age.age is None else f"{span(age.age)}{' !' if age.is_overdue else ''}"
        notes = [word for word in (_kind(alert), "" if alert.certainty == "certain" else "context unknown") if word]
        note = f" [{', '.join(notes)}]" if notes else ""
        rule = line(alert.rule_title)[: _RULE - 2 - len(note)] + note
        state = alert.verdict if alert.state == CLOSED and alert.verdict else alert.state
        yield (
            f"{alert.severity:<14}{waits:<13}{state:<15.14}{alert.alert_id[:_ID]:<10}{alert.findings:>8}  "
            f"{rule:<{_RULE}}{line(alert.entity or alert.account or '')}"
        )


def _kind(alert: Alert) -> str:
    return {"over_budget": "over budget", "flood": "flood"}.get(alert.kind, "")


def queue_summary(shown: int, counts: Mapping[tuple[str, str], int], overdue: int) -> str:
    """One line under the queue."""
    there = sum(counts.values())
    target = span(TARGET)
    rest = f" of {there:,}; --limit shows more" if there > shown else ""
    waits = "waits" if overdue == 1 else "wait"
    return f"{counted(shown, 'alert')}{rest}. {overdue} {waits} longer than the target of {target} (!)"


def queue_next(first: Alert) -> str:
    """What to do with the alert that is first in the queue: look at it, or, judged as it is, close it."""
    return f"intelsec alerts {'close' if first.state == DISPOSITIONED else 'show'} {first.alert_id[:_ID]}"


def view_lines(view: AlertView, now: datetime) -> Iterator[str]:
    """One alert for people: what it is, evidence, timeline, and what can be done next."""
    alert = view.alert
    yield f"{alert.severity.upper()}  {line(alert.rule_title)}"
    yield from _facts(view, now)
    yield ""
    yield "evidence"
    for name, value in alert.evidence.items():
        yield f"  {line(name)} = {_cut(value)}"
    yield f"  events: {alert.event_count:,} in the finding that raised it, {alert.events:,} in all"
    for event_id in alert.event_ids[:5]:
        yield f"  event {line(event_id)}"
    yield ""
    yield "timeline (UTC)"
    for event in view.events:
        what = event.event + (f" {event.verdict}" if event.verdict else "")
        if event.duplicate_of:
            what += f" of {event.duplicate_of[:_ID]}"
        yield f"  {event.at:%Y-%m-%d %H:%M:%S}  {what:<34} {line(event.actor)} ({event.actor_kind})"
        for note in harmless(event.note or "").splitlines():
            yield f"      {note}"
    yield ""
    yield f"next        {way_out(alert)}"
    for command in _commands(view):
        yield f"            {command}"


def _facts(view: AlertView, now: datetime) -> Iterator[str]:
    alert = view.alert
    age = waiting(alert, now)
    before = "before that " if alert.state == REOPENED else ""  # who reopens an alert withdraws what was judged
    state = alert.state + (f", {before}{alert.verdict}" if alert.verdict else "")
    if alert.duplicate_of:
        state += f" of {alert.duplicate_of}"
    if age.age is not None:
        late = f", over the target of {span(age.target)}" if age.is_overdue else f" of {span(age.target)}"
        state += f"; waits for {span(age.age)}{late}"
    rows: list[tuple[str, object]] = [
        ("alert", alert.alert_id),
        ("state", state),
        ("severity", alert.severity_reason),
        ("certainty", "" if alert.certainty == "certain" else "a source of context could not be read: look yourself"),
        ("mode", "" if alert.mode == "live" else f"{alert.mode}: in nobody's queue"),
        ("rule", f"{alert.rule_id} ({alert.engine}{', ' + _kind(alert) if _kind(alert) else ''})"),
        ("about", alert.entity or ""),
        ("account", " ".join(part for part in (alert.account, alert.region) if part)),
        ("address", alert.source_address or ""),
        ("resource", alert.resource or ""),
        ("indicators", _indicators(alert)),
        ("attack", ", ".join(alert.attack)),
        ("seen", f"{alert.joined_from:%Y-%m-%d %H:%M:%S} to {alert.seen_last:%Y-%m-%d %H:%M:%S} UTC"),
        ("findings", f"{alert.findings:,}" + (f", {alert.suppressed:,} while closed" if alert.suppressed else "")),
        ("joins", f"{line(alert.dedup_key)} within {span(timedelta(seconds=alert.suppression_seconds))}"),
        ("group", _group(view)),
        ("duplicates", ", ".join(part.alert_id[:_ID] for part in view.parts)),
        ("runbook", alert.runbook or "none: the rule names no runbook"),
    ]
    for name, value in rows:
        if value:
            yield f"{name:<12}{line(value)}"


def _group(view: AlertView) -> str:
    if not view.alert.group_id or not view.group:
        return ""
    return f"{view.alert.group_id[:_ID]}, {counted(len(view.group), 'more alert')}"


def _indicators(alert: Alert) -> str:
    if not alert.indicator_ids:
        return ""
    score = "" if alert.indicator_score is None else f" (score {alert.indicator_score:.2f})"
    return f"{', '.join(alert.indicator_ids[:5])}{score}"


def _cut(value: str | None) -> str:
    if value is None:
        return "(not there)"
    return line(value) if len(value) <= _EVIDENCE_SHOWN else f"{line(value[:_EVIDENCE_SHOWN])}… ({len(value):,} signs)"


def _commands(view: AlertView) -> Iterator[str]:
    alert = view.alert
    short = alert.alert_id[:_ID]
    if alert.is_waiting and alert.state != "acknowledged":
        yield f"intelsec alerts ack {short}"
    yield f"intelsec alerts triage {short} --verdict true_positive|benign_true_positive|false_positive --reason TEXT"
    if alert.state == DISPOSITIONED:
        yield f"intelsec alerts close {short}"
    if not alert.is_open:
        yield f"intelsec alerts reopen {short} --reason TEXT"
    if _group(view):
        yield f"intelsec alerts list --state all --group {alert.group_id}"


def stats_lines(times: TriageTimes, counts: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """Figures of triage for people."""
    for name, figures in (("acknowledged", times.to_acknowledgement), ("triaged", times.to_triage)):
        yield from _waiting_lines(name, figures, times.target_seconds)
    yield f"by automation alone: {counted(times.by_automation_alone, 'alert')}, in none of these figures"
    states: dict[str, int] = {}
    for (_, state), count in counts.items():
        states[state] = states.get(state, 0) + count
    yield "states      " + (", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "no alerts")
    yield "only what people did counts. Kaplan-Meier takes open alerts as still waiting; plain times are of those done,"
    yield "and the plain share is of all that are done or have been open for longer than the target"


def _waiting_lines(name: str, figures: WaitingTime, target: float) -> Iterator[str]:
    oldest = "" if figures.oldest_open is None else f", the oldest for {span(timedelta(seconds=figures.oldest_open))}"
    yield f"{name:<14}{figures.done:,} of {figures.n:,}; {figures.open:,} open{oldest}"
    for how, estimate in (("Kaplan-Meier", figures.kaplan_meier), ("plain", figures.plain)):
        yield f"  {how:<14}{_estimate(estimate, target)}"


def _estimate(estimate: Estimate, target: float) -> str:
    share = "not known yet" if estimate.share_within is None else f"{estimate.share_within:.0%}"
    return f"p50 {_seconds(estimate.p50)}, p90 {_seconds(estimate.p90)}, within {target / 60:.0f} min {share}"


def _seconds(seconds: float | None) -> str:
    return "not reached" if seconds is None else span(timedelta(seconds=seconds))
