"""States of an alert: what may follow what, what a refusal says, which verdict counts, and clocks that disagree.

Pure: alerts are built here; the store's part is in tests/integration/test_alert_service.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.alerts import joining, lifecycle
from intelsec_assets.detections.alerts.asset_policy import AssetPolicy
from intelsec_assets.detections.alerts.records import STATES, VERDICTS, Alert, AlertEvent
from intelsec_assets.detections.alerts.severity import severity
from intelsec_assets.detections.errors import AlertError
from tests.alert_findings import NOON, finding

VERBS = ("acknowledged", "triaged", "dispositioned", "closed", "reopened")


def alert(state: str = "created", **given: object) -> Alert:
    one = finding()
    fresh = joining.new_alert(one, "key", severity(one, AssetPolicy().worth(one)), NOON)
    return replace(fresh, state=state, **given)


def asked(start: Alert, verb: str, kind: str = "human", verdict: str | None = None, minute: int = 1) -> Alert:
    """The alert after someone asked something of it."""
    at = NOON + timedelta(minutes=minute)
    events = [
        AlertEvent(start.alert_id, start.rule_id, event, "x", kind, at, verdict if event == "dispositioned" else None)
        for event in lifecycle.steps(start, verb, actor_kind=kind, has_verdict=verdict is not None)
    ]
    return lifecycle.replayed(start, events)


@pytest.mark.parametrize(
    ("state", "verb", "has_verdict", "events"),
    [
        ("created", "acknowledged", False, ["acknowledged"]),
        ("reopened", "acknowledged", False, ["acknowledged"]),
        ("created", "triaged", False, ["acknowledged", "triaged"]),
        ("created", "dispositioned", True, ["acknowledged", "triaged", "dispositioned"]),
        ("created", "closed", True, ["acknowledged", "triaged", "dispositioned", "closed"]),
        ("dispositioned", "closed", False, ["closed"]),
        ("dispositioned", "dispositioned", True, ["dispositioned"]),
        ("closed", "dispositioned", True, ["dispositioned"]),
        ("closed", "reopened", False, ["reopened"]),
    ],
)
def test_what_is_asked_makes_the_events_that_lead_there(
    state: str, verb: str, has_verdict: bool, events: list[str]
) -> None:
    start = alert(state, human_in_turn=state in ("dispositioned", "closed"))

    assert list(lifecycle.steps(start, verb, actor_kind="human", has_verdict=has_verdict)) == events


@pytest.mark.parametrize(
    ("state", "verb", "says"),
    [
        ("acknowledged", "acknowledged", "cannot be acknowledged again: it is acknowledged since 2026-03-02 12:00:00"),
        ("closed", "acknowledged", r"cannot be acknowledged: it is closed.*reopen --reason"),
        ("triaged", "triaged", r"cannot be triaged again without a verdict.*triage --verdict"),
        ("created", "closed", r"cannot be closed without a verdict: it is created.*triage --verdict"),
        ("triaged", "closed", r"cannot be closed without a verdict: it is triaged"),
        ("closed", "closed", r"cannot be closed again: it is closed"),
        ("created", "reopened", r"cannot be reopened: it is created.*ack"),
        ("dispositioned", "reopened", r"cannot be reopened: it is dispositioned.*close it"),
    ],
)
def test_a_refusal_says_the_state_and_what_can_be_done(state: str, verb: str, says: str) -> None:
    with pytest.raises(lifecycle.Refused, match=says):
        lifecycle.steps(alert(state, human_in_turn=True), verb, actor_kind="human", has_verdict=False)


def test_a_person_acknowledges_what_automation_has_had_without_turning_it_back() -> None:
    by_automation = asked(alert(), "dispositioned", "automation", "false_positive")
    assert by_automation.acknowledged_at is None
    assert by_automation.triaged_at is None

    seen = asked(by_automation, "acknowledged", minute=4)

    assert (seen.state, seen.acknowledged_at) == ("dispositioned", NOON + timedelta(minutes=4))


def test_judging_says_that_a_person_acknowledged_and_triaged_it() -> None:
    judged = asked(alert(), "dispositioned", verdict="true_positive", minute=7)

    assert judged.acknowledged_at == judged.triaged_at == NOON + timedelta(minutes=7)


def test_the_newest_verdict_counts_whichever_was_brought_in_first() -> None:
    newest = asked(alert(), "dispositioned", verdict="false_positive", minute=9)

    assert asked(newest, "dispositioned", verdict="true_positive", minute=3).verdict == "false_positive"
    assert asked(newest, "dispositioned", verdict="true_positive", minute=10).verdict == "true_positive"


def test_a_corrected_verdict_opens_nothing() -> None:
    closed = asked(alert(), "closed", verdict="false_positive")

    corrected = asked(closed, "dispositioned", verdict="true_positive", minute=5)

    assert (corrected.state, corrected.verdict) == ("closed", "true_positive")


def test_a_reopened_alert_waits_anew_and_keeps_its_first_times_and_its_verdict() -> None:
    closed = asked(alert(), "closed", verdict="false_positive", minute=2)
    again = asked(closed, "reopened", minute=30)

    assert again.waiting_since == NOON + timedelta(minutes=30)
    assert again.closed_at is None
    assert (again.verdict, again.triaged_at) == ("false_positive", NOON + timedelta(minutes=2))
    assert asked(again, "acknowledged", minute=40).acknowledged_at == NOON + timedelta(minutes=2)


@given(st.lists(st.tuples(st.sampled_from(VERBS), st.booleans(), st.sampled_from((None, *VERDICTS))), max_size=12))
def test_whatever_is_asked_in_any_order_the_alert_stays_in_a_known_state(
    asks: list[tuple[str, bool, str | None]],
) -> None:
    """Closed only with a verdict; a person's triage never without a person's acknowledgement."""
    now = alert()
    for minute, (verb, is_human, verdict) in enumerate(asks):
        needs_verdict = verb == "dispositioned"
        if needs_verdict and verdict is None:
            continue
        try:
            now = asked(
                now, verb, "human" if is_human else "automation", verdict if verb not in VERBS[:1] else None, minute
            )
        except lifecycle.Refused:
            continue
        assert now.state in STATES
        assert (now.state == "closed") <= (now.verdict is not None)
        assert (now.triaged_at is not None) <= (now.acknowledged_at is not None)
        assert (now.closed_at is not None) == (now.state == "closed")


def test_a_moment_is_taken_as_said() -> None:
    said = NOON + timedelta(minutes=3)

    now = NOON + timedelta(hours=5)
    assert lifecycle.moment(alert(), [lifecycle.ACKNOWLEDGED], said, now) == lifecycle.Moment(said)


@pytest.mark.parametrize(
    ("said", "now", "taken", "remark"),
    [
        (NOON - timedelta(hours=1), NOON + timedelta(hours=2), NOON, "60 min before the alert was created"),
        (NOON + timedelta(minutes=90), NOON + timedelta(hours=1), NOON + timedelta(hours=1), "30 min in the future"),
        (None, NOON - timedelta(minutes=20), NOON, "20 min before the alert was created"),
        (NOON - timedelta(minutes=1), NOON - timedelta(minutes=2), NOON, "before the alert was created"),
    ],
)
def test_clocks_that_disagree_by_an_hour_are_set_right_and_noted(said, now, taken, remark) -> None:
    moment = lifecycle.moment(alert(), [lifecycle.ACKNOWLEDGED], said, now)

    assert moment.at == taken
    assert remark in (moment.remark or "")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (NOON - timedelta(hours=1, seconds=1), "before the alert was created.*clocks may disagree by an hour"),
        (NOON + timedelta(days=400), "in the future.*--at"),
        (NOON.replace(tzinfo=None), "no time zone"),
    ],
)
def test_clocks_that_disagree_by_more_are_refused(said, says) -> None:
    with pytest.raises(lifecycle.Refused, match=says):
        lifecycle.moment(alert(), [lifecycle.ACKNOWLEDGED], said, NOON + timedelta(minutes=30))


@pytest.mark.parametrize(
    ("actor", "kind", "note", "verdict", "says"),
    [
        ("", "human", None, None, "actor ''"),
        ("ann\x1b[2J", "human", None, None, r"actor 'ann\\x1b\[2J'"),
        ("a" * 201, "human", None, None, "1 to 200"),
        ("ann", "robot", None, None, "human or automation"),
        (" Intake", "human", None, None, "what the intake calls itself"),
        ("ann", "human", "why", "maybe", "verdict 'maybe' is unknown: expected one of true_positive"),
        ("ann", "human", " ", "false_positive", "without a reason"),
        ("ann", "human", "x" * 10_001, None, "10,001 characters, at most 10,000"),
    ],
)
def test_words_that_cannot_be_kept_are_refused(actor, kind, note, verdict, says) -> None:
    with pytest.raises(AlertError, match=says):
        lifecycle.checked_words(actor, kind, note, verdict)
