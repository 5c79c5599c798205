"""The states of an alert: what may be asked of it in which state, which events that makes, and what they come to.

Pure: no clock and no store. When an event counts as happened is decided here too, where clocks disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from intelsec_assets.detections.alerts.records import (
    ACKNOWLEDGED,
    CLOSED,
    CREATED,
    DISPOSITIONED,
    DUPLICATE,
    HUMAN,
    INTAKE,
    MERGED,
    REOPENED,
    TRIAGED,
    VERDICTS,
    Alert,
    AlertEvent,
)
from intelsec_assets.detections.errors import AlertError

MAX_NOTE = 10_000  # characters; a story longer than this belongs into the ticket
MAX_ACTOR = 200
CLOCKS_DISAGREE = timedelta(hours=1)  # senders' clocks and zones differ; more than this is another moment

# what people can do in each state, as the command line says it
_WAYS_OUT = {
    CREATED: "acknowledge it (ack), or judge it (triage --verdict)",
    ACKNOWLEDGED: "judge it (triage --verdict)",
    TRIAGED: "judge it (triage --verdict), then close it",
    DISPOSITIONED: "close it (close), or change the verdict (triage --verdict)",
    CLOSED: "reopen it (reopen --reason), or change the verdict (triage --verdict)",
    REOPENED: "acknowledge it (ack), or judge it (triage --verdict)",
}


class Refused(AlertError):
    """What was asked does not fit the alert's state; the message says the state and what can be done."""


def way_out(alert: Alert) -> str:
    """What can be done with the alert as it is."""
    return _WAYS_OUT[alert.state]


def steps(alert: Alert, verb: str, *, actor_kind: str, has_verdict: bool) -> tuple[str, ...]:
    """Events that asking `verb` of the alert makes, in order. The verb is one of the events but created and merged.

    Looking into an alert acknowledges it, judging one without having looked into it says both. A person acknowledges
    once a turn, also where automation was there before. Raises Refused.
    """
    first_look = (ACKNOWLEDGED,) if _acknowledges(alert, actor_kind) else ()
    looked = () if alert.state in (TRIAGED, DISPOSITIONED, CLOSED) else (TRIAGED,)
    if verb == REOPENED:
        if alert.state != CLOSED:
            raise _refusal(alert, "cannot be reopened")
        return (REOPENED,)
    if verb == DISPOSITIONED:
        return (*first_look, *looked, DISPOSITIONED)
    if alert.state == CLOSED:
        done = {ACKNOWLEDGED: "acknowledged", TRIAGED: "triaged"}.get(verb, "closed again")
        raise _refusal(alert, f"cannot be {done}")
    if verb == ACKNOWLEDGED:
        if not first_look:
            raise _refusal(alert, "cannot be acknowledged again")
        return first_look
    if verb == TRIAGED:
        if not looked and not has_verdict:
            raise _refusal(alert, "cannot be triaged again without a verdict")
        return (*first_look, *looked, *((DISPOSITIONED,) if has_verdict else ()))
    if verb == CLOSED:
        if has_verdict:
            return (*first_look, *looked, DISPOSITIONED, CLOSED)
        if alert.state != DISPOSITIONED:
            raise _refusal(alert, "cannot be closed without a verdict")
        return (CLOSED,)
    raise AlertError(f"nothing is known that is called {verb!r}: expected acknowledged, triaged, dispositioned, …")


def _acknowledges(alert: Alert, actor_kind: str) -> bool:
    if alert.state == CLOSED:
        return False
    if alert.state in (CREATED, REOPENED):
        return True
    return actor_kind == HUMAN and not alert.human_in_turn


def _refusal(alert: Alert, what: str) -> Refused:
    verdict = f" as {alert.verdict}" if alert.verdict and alert.state != REOPENED else ""
    return Refused(
        f"alert {alert.alert_id} {what}: it is {alert.state}{verdict} since {alert.changed_at:%Y-%m-%d %H:%M:%S} UTC. "
        f"Now you can: {way_out(alert)}"
    )


def after(alert: Alert, event: AlertEvent) -> Alert:
    """The alert after one of its events, `merged` and `created` aside: those change what it holds, not its state."""
    if event.event in (CREATED, MERGED):
        return alert
    is_human = event.actor_kind == HUMAN
    changed = replace(alert, changed_at=event.at, state=_state_after(alert, event))
    if event.event == ACKNOWLEDGED and is_human:
        return replace(changed, acknowledged_at=_earlier(alert.acknowledged_at, event.at), human_in_turn=True)
    if event.event == TRIAGED and is_human:
        return replace(changed, triaged_at=_earlier(alert.triaged_at, event.at))
    if event.event == DISPOSITIONED and (alert.verdict_at is None or event.at >= alert.verdict_at):
        # a judgement brought in from elsewhere may be older than the one that is there: the newest counts
        of = event.duplicate_of if event.verdict == DUPLICATE else None
        return replace(changed, verdict=event.verdict, verdict_at=event.at, duplicate_of=of)
    if event.event == CLOSED:
        return replace(changed, closed_at=event.at)
    if event.event == REOPENED:
        # what is opened again is no part of another alert any more
        return replace(changed, waiting_since=event.at, closed_at=None, human_in_turn=False, duplicate_of=None)
    return changed


def replayed(created: Alert, events: Iterable[AlertEvent]) -> Alert:
    """The alert that its events, in order of recording, come to: what is kept of its life must equal this."""
    alert = created
    for event in events:
        alert = after(alert, event)
    return alert


def _state_after(alert: Alert, event: AlertEvent) -> str:
    if event.event == ACKNOWLEDGED and alert.state not in (CREATED, REOPENED):
        return alert.state  # a person takes note of what automation did: nothing goes back
    if event.event == DISPOSITIONED and alert.state == CLOSED:
        return CLOSED  # a corrected verdict opens nothing
    return event.event


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


@dataclass(frozen=True, slots=True)
class Moment:
    """When something counts as happened, and what was odd about the clock that said so."""

    at: datetime
    remark: str | None = None


def moment(alert: Alert, events: Sequence[str], said: datetime | None, now: datetime) -> Moment:
    """When the events of a change count as made: `said` by who brings it in, else now.

    Never in the future and never before what they follow: the alert's creation, its last reopening, and the judgement
    that is closed with or withdrawn. Clocks that disagree by up to an hour are set right, with a remark; more is
    Refused.
    """
    at = now if said is None else said
    if at.tzinfo is None:
        raise Refused(f"alert {alert.alert_id}: {at.isoformat()} has no time zone; write it with one: …Z or …+02:00")
    followed, where = alert.waiting_since, "reopened" if alert.waiting_since > alert.created_at else "created"
    if events[0] in (REOPENED, CLOSED) and alert.verdict_at is not None:
        ended = max(alert.verdict_at, alert.closed_at or alert.verdict_at)
        followed, where = max((followed, where), (ended, "judged and closed" if alert.closed_at else "judged"))
    if at < followed:  # or this machine's own clock is behind the one that made the alert
        return _set_right(alert, at, followed, f"before the alert was {where}")
    if at > (latest := max(now, followed)):
        return _set_right(alert, at, latest, "in the future")
    return Moment(at)


def _set_right(alert: Alert, at: datetime, bound: datetime, where: str) -> Moment:
    off = abs(at - bound)
    what = f"{at.isoformat()} lies {_spoken(off)} {where}"
    if off > CLOCKS_DISAGREE:
        raise Refused(
            f"alert {alert.alert_id}: {what} ({bound.isoformat()}): clocks may disagree by an hour. "
            "Give the time it happened with --at, or set the clock that is wrong"
        )
    return Moment(bound, f"clock: {what}, taken as {bound.isoformat()}")


def _spoken(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds / 60:,.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def checked_words(actor: str, actor_kind: str, note: str | None, verdict: str | None) -> None:
    """Raises AlertError for an actor, note or verdict that cannot be kept as it is."""
    if actor_kind not in ("human", "automation"):
        raise AlertError(f"actor_kind {actor_kind!r}: expected human or automation")
    if not actor.strip() or len(actor) > MAX_ACTOR or not actor.isprintable():
        raise AlertError(f"actor {actor[:80]!r}: expected a name of 1 to {MAX_ACTOR} printable characters")
    if actor_kind == HUMAN and actor.strip().casefold() == INTAKE:
        raise AlertError(f"actor {actor!r} is what the intake calls itself: give the name of the person")
    if verdict is not None and verdict not in VERDICTS:
        raise AlertError(f"verdict {verdict[:80]!r} is unknown: expected one of {', '.join(VERDICTS)}")
    if note is not None and len(note) > MAX_NOTE:
        raise AlertError(
            f"the note has {len(note):,} characters, at most {MAX_NOTE:,} are kept: put the story into the ticket and "
            "its address into the note"
        )
    if verdict is not None and not (note or "").strip():
        raise AlertError(f"verdict {verdict} without a reason: say why in words (--reason)")
