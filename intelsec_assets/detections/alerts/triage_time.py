"""From alert to acknowledgement and to triage: percentiles and the share within the target, open alerts counted.

Pure, over events. Only people count; an alert nobody has looked into yet has waited at least as long as it is old,
which the Kaplan-Meier estimate takes into account and the plain figures beside it do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from intelsec_assets.detections.alerts.records import (
    ACKNOWLEDGED,
    CLOSED,
    CREATED,
    DISPOSITIONED,
    HUMAN,
    REOPENED,
    TARGET,
    TRIAGED,
    AlertEvent,
)


@dataclass(frozen=True, slots=True)
class Span:
    """The times of one alert that are measured. `ended_at`: automation closed it before a person triaged it."""

    alert_id: str
    created_at: datetime
    acknowledged_at: datetime | None = None
    triaged_at: datetime | None = None
    ended_at: datetime | None = None


def spans(events: Iterable[AlertEvent]) -> list[Span]:
    """Spans of alerts from their events in the order of recording. Of each kind the first by a person counts.

    Who judges has triaged, also what automation had closed. Waiting anew after a reopening is not measured here.
    """
    found: dict[str, Span] = {}
    for event in events:
        if event.event == CREATED:
            found[event.alert_id] = Span(event.alert_id, event.at)
        elif (span := found.get(event.alert_id)) is not None:
            found[event.alert_id] = _with(span, event)
    return list(found.values())


def _with(span: Span, event: AlertEvent) -> Span:
    if event.event == CLOSED:
        return replace(span, ended_at=event.at)
    if event.event == REOPENED:
        return replace(span, ended_at=None)
    if event.event == ACKNOWLEDGED and event.actor_kind == HUMAN:
        return replace(span, acknowledged_at=min(event.at, span.acknowledged_at or event.at))
    if event.event in (TRIAGED, DISPOSITIONED) and event.actor_kind == HUMAN:
        return replace(span, triaged_at=min(event.at, span.triaged_at or event.at))
    return span


@dataclass(frozen=True, slots=True)
class Observed:
    """A time that was waited: to the end, or only so far (censored)."""

    waited: timedelta
    is_over: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """Percentiles in seconds and the share within the target (ratio); None where there is too little to tell."""

    p50: float | None
    p90: float | None
    share_within: float | None


@dataclass(frozen=True, slots=True)
class WaitingTime:
    """How long people took. `kaplan_meier` counts open ones as censored; `plain` is over those that are done alone.

    The plain share is of the alerts whose answer is known: done, or open for longer than the target.
    """

    n: int
    done: int
    open: int
    oldest_open: float | None  # seconds
    mean: float | None  # seconds, over those that are done
    kaplan_meier: Estimate
    plain: Estimate


@dataclass(frozen=True, slots=True)
class TriageTimes:
    """Both waiting times of some alerts, and how many were left out because automation alone dealt with them."""

    to_acknowledgement: WaitingTime
    to_triage: WaitingTime
    by_automation_alone: int
    target_seconds: float
    as_of: datetime


def triage_times(found: Iterable[Span], as_of: datetime, target: timedelta = TARGET) -> TriageTimes:
    """Waiting times of alerts as of an instant. An alert from a clock ahead of it has waited for nothing yet."""
    listed = list(found)
    by_people = [span for span in listed if span.triaged_at is not None or span.ended_at is None]
    return TriageTimes(
        # who judges what automation closed has not acknowledged it before
        waiting_time(
            [_observed(span.created_at, span.acknowledged_at or span.triaged_at, as_of) for span in by_people], target
        ),
        waiting_time([_observed(span.created_at, span.triaged_at, as_of) for span in by_people], target),
        len(listed) - len(by_people),
        target.total_seconds(),
        as_of,
    )


def _observed(begin: datetime, end: datetime | None, as_of: datetime) -> Observed:
    if end is not None and end <= as_of:
        return Observed(max(end - begin, timedelta(0)), is_over=True)
    return Observed(max(as_of - begin, timedelta(0)), is_over=False)


def waiting_time(observed: Iterable[Observed], target: timedelta = TARGET) -> WaitingTime:
    """Figures over times that were waited."""
    listed = list(observed)
    done = sorted(one.waited.total_seconds() for one in listed if one.is_over)
    still = [one.waited.total_seconds() for one in listed if not one.is_over]
    within = target.total_seconds()
    known = len(done) + sum(1 for seconds in still if seconds > within)
    on_time = sum(1 for seconds in done if seconds <= within)
    survival = _survival(listed)
    return WaitingTime(
        n=len(listed),
        done=len(done),
        open=len(still),
        oldest_open=max(still, default=None),
        mean=math.fsum(done) / len(done) if done else None,
        kaplan_meier=Estimate(
            _quantile(survival, 0.5), _quantile(survival, 0.9), _share_within(survival, listed, within)
        ),
        plain=Estimate(_plain(done, 0.5), _plain(done, 0.9), on_time / known if known else None),
    )


def _survival(observed: list[Observed]) -> list[tuple[float, float]]:
    """Kaplan-Meier: at each time at which one was over, the share that waits longer. Ties: over before censored."""
    ordered = sorted((one.waited.total_seconds(), not one.is_over) for one in observed)
    at_risk, share, steps, position = len(ordered), 1.0, [], 0
    while position < len(ordered):
        seconds, over, gone = ordered[position][0], 0, 0
        while position < len(ordered) and ordered[position][0] == seconds:
            over += not ordered[position][1]
            gone += 1
            position += 1
        if over:
            share *= 1 - over / at_risk
            steps.append((seconds, share))
        at_risk -= gone
    return steps


def _quantile(survival: list[tuple[float, float]], quantile: float) -> float | None:
    """The least time by which that share is over; None if it was never seen."""
    # 1 - 0.9 is not 0.1 in binary
    return next((seconds for seconds, share in survival if share <= 1 - quantile + 1e-12), None)


def _share_within(survival: list[tuple[float, float]], observed: list[Observed], within: float) -> float | None:
    """Share over within a time; None if nobody was watched for so long and some were not over."""
    if not observed:
        return None
    reached = [share for seconds, share in survival if seconds <= within]
    share = reached[-1] if reached else 1.0
    watched = max(one.waited.total_seconds() for one in observed)
    return None if watched < within and share > 0 else 1 - share


def _plain(ordered: list[float], quantile: float) -> float | None:
    """Nearest rank: a time that somebody waited, never one between two."""
    return ordered[max(math.ceil(quantile * len(ordered)) - 1, 0)] if ordered else None
