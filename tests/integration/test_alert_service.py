"""Alerts in people's hands, on SQLite and a real PostgreSQL: moved once, judged again, sorted, measured, snapshot.

How findings become alerts is in test_alert_intake; what is pure has its tests in tests/unit.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

from intelsec_assets.detections.alerts import lifecycle
from intelsec_assets.detections.alerts.lifecycle import Refused
from intelsec_assets.detections.alerts.queue import queue_key
from intelsec_assets.detections.alerts.records import AlertFilter
from intelsec_assets.detections.alerts.service import AlertService, UnknownAlert
from intelsec_assets.detections.alerts.snapshots import alerts_of_day, dispositions_of_day, events_of_day
from intelsec_assets.detections.errors import AlertError
from intelsec_assets.detections.findings import LEVELS
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS, ALERT_EVENTS, ALERTS
from intelsec_assets.resources.store import Store
from tests.alert_findings import NOON, Clock, finding

DAY = date(2026, 3, 2)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(store: Store, clock: Clock) -> AlertService:
    return AlertService(store, clock)


def raised(service: AlertService, name: str = "f1", **given: object) -> str:
    """A new alert; its id."""
    (alert_id,) = service.take([finding(name, dedup_key=name, **given)]).created
    return alert_id


def story(service: AlertService, alert_id: str) -> list[str]:
    return [f"{e.event} {e.verdict}" if e.verdict else e.event for e in service.history(alert_id)]


def test_an_alert_goes_from_hand_to_hand_and_its_history_says_so(service: AlertService, clock: Clock) -> None:
    alert_id = raised(service)
    clock.later(minutes=4)
    service.acknowledge(alert_id, "ann", note="mine")
    clock.later(minutes=3)
    service.triage(alert_id, "ann", verdict="false_positive", note="planned, CHG-1042")
    service.close(alert_id, "ann")
    clock.later(days=1)
    service.reopen(alert_id, "bob", note="CHG-1042 was for another user")
    service.close(alert_id, "bob", verdict="true_positive", note="stolen session")

    alert = service.get(alert_id)
    assert story(service, alert_id) == [
        "created",
        "acknowledged",
        "triaged",
        "dispositioned false_positive",
        "closed",
        "reopened",
        "acknowledged",
        "triaged",
        "dispositioned true_positive",
        "closed",
    ]
    assert (alert.state, alert.verdict) == ("closed", "true_positive")
    assert (alert.acknowledged_at, alert.triaged_at) == (NOON + timedelta(minutes=4), NOON + timedelta(minutes=7))
    assert [e.note for e in service.history(alert_id)][1:4] == ["mine", None, "planned, CHG-1042"]


def test_a_transition_asked_twice_is_refused_and_with_a_key_it_is_one(service: AlertService, clock: Clock) -> None:
    alert_id = raised(service)
    first = service.acknowledge(alert_id, "ann", request="call 1")
    clock.later(minutes=1)

    again = service.acknowledge(alert_id, "ann", request="call 1")

    assert again.is_repeat
    assert again.events == first.events
    assert story(service, alert_id) == ["created", "acknowledged"]
    with pytest.raises(Refused, match="it is acknowledged since 2026-03-02 12:00:00 UTC"):
        service.acknowledge(alert_id, "bob")


def test_a_key_names_one_call(service: AlertService) -> None:
    alert_id = raised(service)
    service.triage(alert_id, "ann", verdict="false_positive", note="x", request="k")

    with pytest.raises(AlertError, match="was used before to make it dispositioned as false_positive"):
        service.triage(alert_id, "ann", verdict="true_positive", note="x", request="k")
    assert service.triage(raised(service, "f2"), "ann", request="k").is_repeat is False


def test_duplicates_in_a_circle_are_refused(service: AlertService) -> None:
    first, second, third = (raised(service, name) for name in ("f1", "f2", "f3"))
    service.close(first, "ann", verdict="duplicate", duplicate_of=second, note="same")
    service.close(second, "ann", verdict="duplicate", duplicate_of=third, note="same")

    for last, of in ((second, first), (third, first), (third, second)):
        with pytest.raises(AlertError, match="one must stand"):
            service.triage(last, "ann", verdict="duplicate", duplicate_of=of, note="same")
    assert service.get(third).is_open


def test_two_people_who_judge_two_alerts_to_be_duplicates_of_each_other_make_no_circle(
    service: AlertService, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = raised(service, "f1"), raised(service, "f2")
    both_have_looked, of_an_alert = Barrier(2), lifecycle.moment

    def met(*said: Any) -> lifecycle.Moment:
        with suppress(BrokenBarrierError):  # the other may have to wait until this one has written
            both_have_looked.wait(timeout=1)
        return of_an_alert(*said)

    monkeypatch.setattr(lifecycle, "moment", met)

    def judge(alert_id: str, of: str) -> str:
        try:
            service.close(alert_id, "ann", verdict="duplicate", duplicate_of=of, note="same")
        except AlertError as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(2) as people:
        said = list(people.map(judge, (one, two), (two, one)))

    assert said.count("done") == 1
    assert any("one must stand" in text for text in said)
    assert None in {service.get(alert_id).duplicate_of for alert_id in (one, two)}


def test_a_refused_change_writes_nothing(service: AlertService) -> None:
    alert_id = raised(service)
    with pytest.raises(Refused):
        service.close(alert_id, "ann")
    with pytest.raises(AlertError, match="duplicate of which"):
        service.triage(alert_id, "ann", verdict="duplicate", note="again")
    with pytest.raises(AlertError, match="of itself"):
        service.triage(alert_id, "ann", verdict="duplicate", duplicate_of=alert_id, note="again")
    with pytest.raises(UnknownAlert, match="could be a duplicate of"):
        service.triage(alert_id, "ann", verdict="duplicate", duplicate_of="nothing", note="again")

    assert story(service, alert_id) == ["created"]


def test_an_alert_that_is_not_there_is_said_so(service: AlertService) -> None:
    for ask in (service.get, service.view, service.resolve, service.history):
        with pytest.raises(UnknownAlert, match="there is no alert 'ghost-of-an-alert'"):
            ask("ghost-of-an-alert")
    with pytest.raises(UnknownAlert):
        service.acknowledge("ghost", "ann")


def test_an_alert_is_found_by_the_beginning_of_its_id(service: AlertService) -> None:
    alert_id = raised(service)

    assert service.get(alert_id[:8].upper()).alert_id == alert_id
    with pytest.raises(UnknownAlert):
        service.get(alert_id[:3])
    with pytest.raises(UnknownAlert):
        service.get("%" * 8)


def test_a_verdict_brought_in_counts_at_its_own_time_and_clocks_an_hour_apart_are_noted(
    service: AlertService, clock: Clock
) -> None:
    alert_id = raised(service)
    clock.later(days=3)

    service.triage(alert_id, "soc", verdict="false_positive", note="x", at=NOON + timedelta(minutes=9))
    odd = service.disposition(alert_id, "soc", "true_positive", note="y", at=NOON - timedelta(minutes=59))

    assert service.get(alert_id).triaged_at == NOON + timedelta(minutes=9)
    assert "59 min before the alert was created" in odd.remarks[0]
    assert odd.events[-1].at == NOON
    assert odd.events[-1].note is not None
    assert odd.events[-1].note.startswith("y\n[clock: ")
    assert service.get(alert_id).verdict == "false_positive", "the newest judgement counts, by its own time"
    with pytest.raises(Refused, match="in the future"):
        service.disposition(alert_id, "soc", "true_positive", note="y", at=clock.now + timedelta(days=1))


def test_the_queue_is_in_the_order_that_the_pure_key_gives(service: AlertService, clock: Clock) -> None:
    chance = random.Random(7)
    for n in range(60):
        level, certainty = chance.choice(LEVELS), chance.choice(("certain", "context_unknown"))
        mode = chance.choice(("live", "live", "test"))
        alert_id = raised(service, f"f{n}", level=level, certainty=certainty, mode=mode, rule_id=f"r{n}")
        for ask in (service.acknowledge, service.triage)[: chance.randint(0, 2)]:
            ask(alert_id, "ann")
        if chance.random() < 0.3:
            clock.later(minutes=chance.randint(0, 5))
    wanted = AlertFilter(states=(), modes=("live", "test"))

    found = service.queue(wanted)

    assert found == sorted(found, key=lambda alert: queue_key(alert, clock.now))
    assert len({queue_key(alert, clock.now)[:5] for alert in found}) > 15
    assert service.queue(wanted, limit=7) == found[:7]
    assert sum(service.counts(wanted).values()) == 60


def test_alerts_are_found_by_what_is_known_of_them(service: AlertService) -> None:
    one = raised(service, "a", rule_id="r1", rule_title="Root used", entity="root", level="critical")
    two = raised(service, "b", rule_id="r2", rule_title="100% of keys_read", entity="bob", level="low")
    service.close(two, "ann", verdict="false_positive", note="x")

    def names(**wanted: object) -> set[str]:
        return {alert.alert_id for alert in service.queue(AlertFilter(**{"states": (), **wanted}))}  # type: ignore[arg-type]

    assert names(rule="r1") == names(rule="ROOT") == names(entity="root") == names(severities=("critical",)) == {one}
    assert names(rule="0% of keys_r") == names(states=("closed",)) == names(verdicts=("false_positive",)) == {two}
    assert names(rule="%") == {two}
    assert names(group_id=service.get(one).group_id) == {one}
    assert names() == {one, two}


def test_the_time_to_triage_comes_from_the_events_with_the_open_ones_as_censored(
    service: AlertService, clock: Clock
) -> None:
    ids = [raised(service, f"f{n}", rule_id=f"r{n}") for n in range(4)]
    raised(service, "t", mode="test")
    clock.later(minutes=5)
    service.triage(ids[0], "bot", actor_kind="automation")
    service.triage(ids[1], "ann")
    service.close(ids[2], "bot", actor_kind="automation", verdict="benign_true_positive", note="known scanner")
    clock.later(minutes=15)

    times = service.triage_times()
    triage = times.to_triage
    assert (triage.n, triage.done, triage.open, times.by_automation_alone) == (3, 1, 2, 1)
    assert (triage.plain.p50, triage.plain.share_within) == (300, pytest.approx(1 / 3))
    assert triage.kaplan_meier.p50 is None
    assert triage.oldest_open == 1200
    assert service.triage_times(until=NOON).to_triage.n == 0


def test_days_of_alerts_become_rows_of_the_lake(store: Store, service: AlertService, clock: Clock) -> None:
    alert_id = raised(service, indicator_ids=("i1",), indicator_score=0.1)
    service.take([finding("f9", 5, dedup_key="f1", level="critical", indicator_ids=("i0",))])
    clock.later(hours=13)
    service.triage(alert_id, "ann", verdict="false_positive", note="planned")

    alerts = alerts_of_day(store, DAY)
    (row,) = alerts.to_pylist()
    assert alerts.schema.names == ALERTS.column_names
    assert (row["severity"], row["indicator_ids"], row["finding_id"]) == ("high", ["i1"], "f1")
    assert dict(row["evidence"]) == finding().evidence
    events = [events_of_day(store, DAY + timedelta(days=n)) for n in (0, 1)]
    assert events[0].schema.names == ALERT_EVENTS.column_names
    assert [t["event"].to_pylist() for t in events] == [
        ["created", "merged"],
        ["acknowledged", "triaged", "dispositioned"],
    ]
    judged = dispositions_of_day(store, DAY + timedelta(days=1))
    assert judged.schema.names == ALERT_DISPOSITIONS.column_names
    (judgement,) = judged.to_pylist()
    assert (judgement["verdict"], judgement["reason"], judgement["indicator_ids"]) == (
        "false_positive",
        "planned",
        ["i0", "i1"],
    )
    assert dispositions_of_day(store, DAY).num_rows == 0
    days = service.alert_days()
    assert (days[DAY].alerts, days[DAY].events, days[DAY + timedelta(days=1)].events) == (1, 2, 3)


def test_a_day_of_alerts_read_again_later_has_the_same_rows(store: Store, service: AlertService, clock: Clock) -> None:
    alert_id = raised(service)
    before = alerts_of_day(store, DAY), events_of_day(store, DAY)
    clock.later(days=1)
    service.take([finding("f2", 30, dedup_key="f1", level="critical")], raised_at=clock.now)
    service.close(alert_id, "ann", verdict="true_positive", note="x")

    assert (alerts_of_day(store, DAY), events_of_day(store, DAY)) == before


def test_automation_does_not_overrule_a_person(service: AlertService, clock: Clock) -> None:
    (name,) = service.take([finding()]).created
    service.triage(name, "bot", actor_kind="automation", verdict="false_positive", note="a scanner")
    service.triage(name, "ann", verdict="true_positive", note="it was real")

    with pytest.raises(Refused, match="judged by a person, which automation does not change"):
        service.close(name, "bot", actor_kind="automation", verdict="false_positive", note="a scanner")

    assert service.get(name).verdict == "true_positive"
    assert service.close(name, "bot", actor_kind="automation").alert.state == "closed"
    clock.later(minutes=1)
    service.reopen(name, "bot", actor_kind="automation", note="seen again")
    with pytest.raises(Refused, match="judged by a person"):
        service.close(name, "bot", actor_kind="automation", verdict="false_positive", note="a scanner")
    service.close(name, "ann", verdict="true_positive", note="it was real")
    service.reopen(name, "ann", note="look again")
    again = service.triage(name, "bot", actor_kind="automation", verdict="false_positive", note="a scanner")
    assert again.alert.verdict == "false_positive"


def test_nothing_counts_before_what_it_follows(service: AlertService, clock: Clock) -> None:
    (name,) = service.take([finding()]).created
    clock.later(minutes=10)
    service.close(name, "ann", verdict="false_positive", note="a test")
    judged = clock.now
    clock.later(minutes=30)

    reopened = service.reopen(name, "ann", note="look again", at=judged - timedelta(minutes=5))
    assert reopened.events[-1].at == judged
    assert "judged and closed" in reopened.remarks[0]
    change = service.triage(name, "ann", verdict="true_positive", note="real", at=judged - timedelta(minutes=2))

    assert change.events[-1].at == judged
    assert "before the alert was reopened" in change.remarks[0]
    clock.later(hours=3)
    service.close(name, "ann")
    with pytest.raises(Refused, match="before the alert was judged and closed"):
        service.reopen(name, "ann", note="again", at=judged)


def test_a_persons_earlier_verdict_counts_after_automations(service: AlertService, clock: Clock) -> None:
    (name,) = service.take([finding()]).created
    clock.later(minutes=30)
    service.triage(name, "bot", actor_kind="automation", verdict="false_positive", note="a scanner")

    change = service.triage(name, "ann", verdict="true_positive", note="real", at=NOON + timedelta(minutes=20))

    assert change.alert.verdict == "true_positive"
    assert "after automation's" in change.remarks[0]


def test_a_slow_clock_counts_nothing_before_what_it_follows(service: AlertService, clock: Clock) -> None:
    (name,) = service.take([finding()]).created
    clock.later(minutes=30)
    service.close(name, "ann", verdict="false_positive", note="a test")
    closed_at = clock.now
    clock.now -= timedelta(minutes=10)

    assert (
        service.reopen(name, "ann", note="look again", at=closed_at + timedelta(minutes=1)).events[-1].at == closed_at
    )
    assert service.triage(name, "ann", verdict="true_positive", note="real").events[-1].at == closed_at
