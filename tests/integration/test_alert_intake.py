"""Findings into alerts on SQLite and a real PostgreSQL: joined, suppressed, held by a budget, whatever the order.

Races and killed processes are in test_alert_stress.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelsec_assets.detections.alerts import lifecycle
from intelsec_assets.detections.alerts.asset_policy import AssetClass, AssetPolicy
from intelsec_assets.detections.alerts.records import Alert, AlertFilter
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.findings import Finding
from intelsec_assets.resources.store import Store
from tests.alert_findings import NOON, Clock, finding
from tests.searching import examples

ALL = AlertFilter(states=(), modes=("live", "test"))
_numbers = itertools.count()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(store: Store, clock: Clock) -> AlertService:
    return AlertService(store, clock)


def only(service: AlertService, wanted: AlertFilter = ALL) -> Alert:
    (alert,) = service.queue(wanted)
    return alert


def closed(service: AlertService, alert_id: str) -> None:
    service.close(alert_id, "ann", verdict="benign_true_positive", note="planned")


def rows(service: AlertService) -> list[object]:
    """Everything the store says of its alerts."""
    found = service.queue(ALL, None)
    return [(alert, service.view(alert.alert_id)) for alert in found]


def test_a_finding_becomes_an_alert_with_all_it_says(service: AlertService, clock: Clock) -> None:
    one = finding(indicator_ids=("i1",), indicator_score=0.2, group={"userIdentity.arn": "x", "n": None})
    intake = service.take([one])

    alert = only(service)
    assert intake.created == intake.changed == (alert.alert_id,)
    for name in ("rule_id", "rule_title", "mode", "entity", "account", "resource", "evidence", "group", "attack"):
        assert getattr(alert, name) == getattr(one, name)
    assert (alert.state, alert.created_at, alert.findings, alert.events) == ("created", clock.now, 1, 1)
    (event,) = service.history(alert.alert_id)
    assert (event.event, event.actor_kind, event.at) == ("created", "automation", clock.now)


def test_findings_of_the_same_key_within_the_window_of_the_last_join_the_open_alert(service: AlertService) -> None:
    service.take([finding("f1", 0)])
    intake = service.take([finding("f2", 60, event_count=4), finding("f3", 120)])

    alert = only(service)
    assert intake.merged == ("f2", "f3")
    assert (alert.findings, alert.events, alert.seen_last) == (3, 6, NOON + timedelta(hours=2))
    assert [e.event for e in service.history(alert.alert_id)] == ["created", "merged"]
    assert service.history(alert.alert_id)[1].note == "2 findings joined"


@pytest.mark.parametrize("other", [{"dedup_key": "bob"}, {"rule_id": "r2"}, {"mode": "test"}, {"engine": "falco"}])
def test_another_key_rule_mode_or_engine_is_another_alert(service: AlertService, other: dict[str, str]) -> None:
    service.take([finding("f1"), finding("f2", 1, **other)])

    assert len(service.queue(ALL)) == 2


def test_after_the_window_there_is_a_new_alert(service: AlertService) -> None:
    service.take([finding("f1", 0), finding("f2", 60.02)])

    assert len(service.queue()) == 2


def test_a_rule_without_suppression_makes_an_alert_of_every_finding(service: AlertService) -> None:
    service.take([finding("f1", suppression_seconds=0), finding("f2", suppression_seconds=0)])

    assert len(service.queue()) == 2


def test_what_falls_into_the_windows_of_two_closed_alerts_counts_on_the_newer(service: AlertService) -> None:
    (older,) = service.take([finding("f1")]).created
    (newer,) = service.take([finding("f2", 100)]).created
    for alert in (older, newer):
        service.close(alert, "ann", verdict="false_positive", note="planned")

    assert service.take([finding("f3", 55)]).suppressed == ("f3",)

    assert (service.get(older).suppressed, service.get(newer).suppressed) == (0, 1)


def test_a_closed_alert_counts_what_comes_in_its_window_stays_closed_and_is_not_prolonged(
    service: AlertService,
) -> None:
    service.take([finding("f1", 0)])
    closed(service, only(service).alert_id)

    intake = service.take([finding("f2", 50)])
    alert = only(service)
    assert intake.suppressed == ("f2",)
    assert (alert.state, alert.findings, alert.suppressed) == ("closed", 2, 1)
    assert "stays closed" in (service.history(alert.alert_id)[-1].note or "")

    # within an hour of f2, but not of what was found while the alert was open: what goes on comes back
    assert len(service.take([finding("f3", 100)]).created) == 1


def test_a_reopened_alert_takes_findings_again(service: AlertService) -> None:
    service.take([finding("f1", 0)])
    closed(service, only(service).alert_id)
    service.reopen(only(service).alert_id, "ann", note="it was not planned after all")

    assert service.take([finding("f2", 30)]).merged == ("f2",)


def test_a_late_finding_joins_the_alert_that_came_before_it(service: AlertService) -> None:
    service.take([finding("f2", 30)])
    service.take([finding("f1", -20)])

    alert = only(service)
    assert (alert.joined_from, alert.joined_to) == (NOON - timedelta(minutes=20), NOON + timedelta(minutes=30))
    assert alert.finding_id == "f2"


def test_a_late_finding_between_two_alerts_makes_them_one_and_the_part_says_so(service: AlertService) -> None:
    service.take([finding("f1", 0)])
    service.take([finding("f3", 110, level="critical")])
    intake = service.take([finding("f2", 55)])

    whole, part = only(service, AlertFilter()), only(service, AlertFilter(states=("closed",)))
    assert intake.folded == (part.alert_id,)
    assert (part.verdict, part.duplicate_of) == ("duplicate", whole.alert_id)
    assert {e.actor_kind for e in service.history(part.alert_id)} == {"automation"}
    assert (whole.findings, whole.severity, whole.joined_to) == (3, "critical", NOON + timedelta(minutes=110))
    assert service.view(whole.alert_id).parts == (part,)
    assert service.take([finding("f4", 115)]).merged == ("f4",)
    assert only(service, AlertFilter()).findings == 4


def test_nothing_is_folded_into_an_alert_that_is_a_part_itself_for_that_could_be_a_circle(
    service: AlertService,
) -> None:
    (early,) = service.take([finding("f1", 0)]).created
    (late,) = service.take([finding("f3", 110)]).created
    (other,) = service.take([finding("f4", 5, dedup_key="other")]).created
    service.triage(late, "ann", verdict="duplicate", duplicate_of=other, note="same")
    service.triage(other, "ann", verdict="duplicate", duplicate_of=early, note="same")

    assert service.take([finding("f2", 55)]).folded == ()
    assert [service.get(name).duplicate_of for name in (early, late, other)] == [None, other, early]


def test_an_alert_that_somebody_works_on_is_never_folded_away(service: AlertService) -> None:
    service.take([finding("f1", 0)])
    service.take([finding("f3", 110)])
    later = max(service.queue(), key=lambda alert: alert.first_event_time)
    service.acknowledge(later.alert_id, "ann")

    intake = service.take([finding("f2", 55)])

    assert later.alert_id not in intake.folded
    assert service.get(later.alert_id).findings == 3


def test_an_alert_is_as_severe_and_as_certain_as_the_most_of_its_findings_and_remembers_how_it_was_raised(
    store: Store, clock: Clock
) -> None:
    service = AlertService(store, clock, AssetPolicy((AssetClass("crown jewels", 1.5, resource="*vault*"),)))
    service.take([finding("f1", level="medium", certainty="context_unknown", indicator_ids=("b",))])
    service.take([finding("f2", 5, level="medium", resource="the vault", indicator_ids=("a",), indicator_score=0.8)])
    service.take([finding("f3", 6, level="low", certainty="context_unknown")])

    alert = only(service)
    assert (alert.severity, alert.certainty, alert.indicator_ids) == ("critical", "certain", ("a", "b"))
    assert "asset crown jewels x 1.5" in alert.severity_reason
    assert (alert.raised.severity, alert.raised.certainty, alert.raised.indicator_ids) == (
        "medium",
        "context_unknown",
        ("b",),
    )


def test_a_test_rule_makes_alerts_that_no_queue_of_people_shows(service: AlertService) -> None:
    service.take([finding(mode="test")])

    assert service.queue() == []
    assert only(service, AlertFilter(modes=("test",))).mode == "test"
    assert service.triage_times().to_triage.n == 0


def test_a_flood_that_grows_is_one_alert_with_its_newest_count_and_the_rule_is_held(service: AlertService) -> None:
    flood = {"kind": "flood", "dedup_key": "lab", "noise_budget": 1}
    intake = service.take([finding("f1", event_count=40_000, **flood), finding("f2", 500, event_count=80_000, **flood)])

    alert = only(service)
    assert (alert.kind, alert.findings, alert.events) == ("flood", 2, 80_000)
    assert intake.held == ("rule-key-without-ticket",)


def test_floods_of_two_are_two_alerts(service: AlertService) -> None:
    flood = {"kind": "flood", "event_count": 80_000}
    service.take([finding("f1", dedup_key="lab", **flood), finding("f2", dedup_key="admin", **flood)])

    assert len(service.queue()) == 2


def test_a_flood_that_grows_after_it_was_closed_is_heard(service: AlertService) -> None:
    flood = {"kind": "flood", "dedup_key": "lab"}
    service.take([finding("f1", event_count=251, **flood)])
    closed(service, only(service).alert_id)

    intake = service.take([finding("f2", 300, event_count=90_000, **flood)])

    assert len(intake.created) == 1
    assert only(service, AlertFilter()).events == 90_000


def test_beyond_its_budget_a_rule_makes_one_alert_more_on_a_day_and_is_held(service: AlertService) -> None:
    noisy = [finding(f"f{n}", n, dedup_key=f"user{n}", entity=f"user{n}", noise_budget=3) for n in range(40)]
    quiet = finding("other", rule_id="another rule", noise_budget=3)

    intake = service.take([*noisy, quiet])

    assert len(intake.created) == 3 + 1 + 1
    assert len(intake.over_budget) == 37
    assert intake.held == ("rule-key-without-ticket",)
    (extra,) = [alert for alert in service.queue(limit=None) if alert.kind == "over_budget"]
    assert (extra.kind, extra.findings, extra.entity, extra.severity) == ("over_budget", 37, None, "high")
    assert json.loads(extra.evidence["intelsec.entities"] or "") == [f"user{n}" for n in range(3, 40)]
    assert "over its noise budget" in extra.raised.severity_reason
    # what belongs to an alert that is there still joins it; the next day begins anew
    assert service.take([finding("f0 again", 45, dedup_key="user0", noise_budget=3)]).merged == ("f0 again",)
    assert len(service.take([finding("tomorrow", 24 * 60, dedup_key="user9", noise_budget=3)]).created) == 1


def test_a_budget_alert_that_is_closed_makes_nobody_deaf(service: AlertService) -> None:
    service.take([finding(f"f{n}", n, dedup_key=f"u{n}", noise_budget=0) for n in range(3)])
    first = only(service).alert_id
    closed(service, first)

    later = [finding(f"f{n}", 400 + n, dedup_key=f"u{n}", entity=f"u{n}", noise_budget=0) for n in (8, 9)]
    (second,) = service.take(later).created
    assert (second != first, service.get(second).kind, service.get(second).findings) == (True, "over_budget", 2)
    assert service.get(first).suppressed == 0

    closed(service, second)
    assert len(service.take([finding("f10", 500, dedup_key="u10", noise_budget=0)]).created) == 1
    assert len(service.queue(ALL)) == 3


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize(
    "grave",
    [{"level": "critical"}, {"level": "high"}, {"level": "low", "indicator_ids": ("i1",), "indicator_score": 1.0}],
)
def test_beyond_the_budget_what_is_graver_or_names_an_indicator_raises_its_own_alert(
    service: AlertService, *, is_closed: bool, grave: dict[str, Any]
) -> None:
    service.take([finding(f"f{n}", n, dedup_key=f"lab{n}", level="medium", noise_budget=1) for n in range(4)])
    if is_closed:
        for alert in service.queue():
            closed(service, alert.alert_id)
    (one,) = service.take([finding("g", 300, dedup_key="root", entity="root", noise_budget=1, **grave)]).created

    if not (is_closed and grave == {"level": "high"}):  # then it is the budget alert that is raised anew, as grave
        assert (service.get(one).kind, service.get(one).entity) == ("event", "root")
    assert service.get(one).is_open


def test_a_budget_alert_names_a_bounded_number_of_entities(service: AlertService) -> None:
    service.take([finding(f"f{n}", n / 9, dedup_key=f"u{n}", entity=f"{n}" * 500, noise_budget=0) for n in range(70)])

    named = json.loads(only(service).evidence["intelsec.entities"] or "")
    assert (len(named), max(map(len, named))) == (50, 200)


_LOW = {"level": "low", "indicator_ids": ("i1",)}


@pytest.mark.parametrize(
    ("verdict", "later", "is_heard"),
    [
        ("benign_true_positive", _LOW, False),
        ("false_positive", {"level": "informational"}, False),
        ("false_positive", _LOW | {"level": "critical"}, True),
        ("false_positive", _LOW | {"indicator_ids": ("i1", "i2")}, True),
        ("true_positive", _LOW, True),
    ],
)
def test_a_closed_alert_swallows_only_what_was_judged_with_it(
    service: AlertService, verdict: str, later: dict[str, Any], *, is_heard: bool
) -> None:
    service.take([finding("f1", **_LOW)])
    service.close(only(service).alert_id, "ann", verdict=verdict, note="seen")

    intake = service.take([finding("f2", 30, **later)])

    assert (len(intake.created), len(intake.suppressed)) == ((1, 0) if is_heard else (0, 1))


def test_findings_taken_twice_change_nothing(service: AlertService, clock: Clock) -> None:
    findings = [finding(f"f{n}", n * 40, dedup_key=f"k{n % 3}", noise_budget=2) for n in range(12)]
    service.take(findings)
    before = rows(service)
    clock.later(hours=3)

    intake = service.take(reversed(findings))

    assert rows(service) == before
    assert sorted(intake.duplicates) == sorted(f.finding_id for f in findings)
    assert intake.created == intake.merged == intake.changed == ()


def test_the_same_finding_twice_in_a_call_is_taken_once(service: AlertService) -> None:
    intake = service.take([finding("f1"), finding("f1")])

    assert intake.duplicates == ("f1",)
    assert only(service).findings == 1


def test_alerts_of_an_entity_within_four_hours_share_a_group_and_a_late_one_joins_two(service: AlertService) -> None:
    service.take([finding("a", 0, rule_id="r1"), finding("b", 230, rule_id="r2"), finding("c", 600, rule_id="r3")])
    service.take([finding("d", 0, rule_id="r4", entity="bob"), finding("e", rule_id="r5", mode="test")])

    def groups() -> dict[str, str | None]:
        return {alert.finding_id: alert.group_id for alert in service.queue(ALL)}

    first = groups()
    assert first["a"] == first["b"]
    assert len(set(first.values())) == 4

    service.take([finding("f", 420, rule_id="r6")])
    assert len({groups()[name] for name in "abcf"}) == 1
    assert len(set(groups().values())) == 3


def test_a_finding_about_nobody_has_no_group(service: AlertService) -> None:
    service.take([finding(entity=None)])

    assert only(service).group_id is None


def test_of_a_day_that_is_over_alerts_are_as_old_as_their_last_event(store: Store) -> None:
    service = AlertService(store, Clock(NOON + timedelta(days=200)))
    service.take([finding("f1", lasts=7)])
    service.take([finding("f2", rule_id="r2")], raised_at=NOON + timedelta(days=1))

    assert [alert.created_at for alert in service.queue()] == [
        NOON + timedelta(minutes=7),
        NOON + timedelta(days=1),
    ]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"level": "severe"}, "level 'severe': expected one of informational"),
        ({"finding_id": ""}, "finding_id has 0 characters"),
        ({"rule_id": "r" * 600}, "rule_id has 600 characters"),
        ({"first_event_time": NOON.replace(tzinfo=None)}, "no time zone"),
        ({"last_event_time": NOON - timedelta(seconds=1)}, "before it begins"),
        ({"suppression_seconds": -1}, "suppression_seconds -1"),
        ({"noise_budget": float("nan")}, "noise_budget nan"),
        ({"indicator_score": 7.0}, "indicator_score 7.0"),
        ({"event_count": 2**70}, "event_count 1180591620717411303424"),
        ({"event_count": -5}, "event_count -5"),
        ({"value": float("nan")}, "value nan"),
    ],
)
def test_a_finding_that_cannot_be_used_is_named_and_holds_nothing_up(
    service: AlertService, bad: dict[str, object], says: str
) -> None:
    intake = service.take([finding(**bad), finding("good")])  # type: ignore[arg-type]

    ((_, reason),) = intake.refused
    assert says in reason
    assert only(service).finding_id == "good"


def test_texts_of_any_size_and_kind_are_kept(service: AlertService) -> None:
    awkward = "a\x00b\x1b[2J\u202e邮件😀'; drop table --" + "x" * 20_000
    service.take([finding(dedup_key=awkward, entity=awkward, resource=awkward, evidence={awkward: awkward})])
    service.take([finding("f2", 1, dedup_key=awkward, entity=awkward)])

    alert = only(service)
    assert alert.findings == 2
    assert alert.evidence == {awkward: awkward}


def test_events_of_the_end_of_time_are_taken(service: AlertService) -> None:
    end = NOON.max.replace(tzinfo=NOON.tzinfo)
    service.take([finding("f1", first_event_time=end, last_event_time=end)])

    assert only(service).first_event_time == end


_LATER = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 40), st.sampled_from("kl"), st.sampled_from(("low", "high"))),
    min_size=1,
    max_size=9,
)


def _whole(service: AlertService, rule_id: str) -> set[tuple[frozenset[str], int, int, str]]:
    """Which findings are one alert, parts counted with the whole, with what the alerts say of them."""
    found = {alert.alert_id: alert for alert in service.queue(AlertFilter(states=(), rule=rule_id), None)}
    together: dict[str, set[str]] = {}
    for alert in found.values():
        top = alert
        while top.duplicate_of:
            top = found[top.duplicate_of]
        held = {f.finding_id for f in service._store.findings_of(alert.alert_id, 100)}
        together.setdefault(top.alert_id, set()).update(held)
    return {
        (frozenset(held), found[name].findings, found[name].events, found[name].severity)
        for name, held in together.items()
    }


def _named(spans: Iterable[tuple[int, int, str, str]], rule_id: str) -> list[Finding]:
    return [
        finding(f"{rule_id} {n}", minute, lasts=lasts, dedup_key=key, level=level, rule_id=rule_id)
        for n, (minute, lasts, key, level) in enumerate(spans)
    ]


@settings(examples(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=_LATER, data=st.data())
def test_what_is_one_alert_does_not_depend_on_the_order_in_which_untouched_findings_come(
    store: Store, spans: Sequence[tuple[int, int, str, str]], data: st.DataObject
) -> None:
    """Nobody has touched the alerts and no budget is reached; then only the alerts' names may differ."""
    service = AlertService(store, Clock())
    ordered, shuffled = f"example-{next(_numbers)}-a", f"example-{next(_numbers)}-b"
    service.take(_named(spans, ordered))
    rest = data.draw(st.permutations(_named(spans, shuffled)))
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        service.take(rest[:size])
        rest = rest[size:]

    def plain(rule_id: str) -> set[tuple[frozenset[str], int, int, str]]:
        return {
            (frozenset(name.removeprefix(rule_id) for name in held), *others)
            for held, *others in _whole(service, rule_id)
        }

    assert plain(shuffled) == plain(ordered)


@settings(examples(5), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spans=_LATER, data=st.data())
def test_every_finding_is_counted_once_and_the_state_of_every_alert_is_what_its_events_come_to(
    store: Store, spans: Sequence[tuple[int, int, str, str]], data: st.DataObject
) -> None:
    """Whatever people and late findings do meanwhile."""
    service = AlertService(store, Clock())
    rule_id = f"example-{next(_numbers)}-c"
    for one in data.draw(st.permutations(_named(spans, rule_id))):
        service.take([one])
        for alert in service.queue(AlertFilter(states=(), rule=rule_id), None):
            done = data.draw(st.sampled_from(("nothing", "ack", "close", "reopen")))
            try:
                if done == "ack":
                    service.acknowledge(alert.alert_id, "ann")
                elif done == "close":
                    closed(service, alert.alert_id)
                elif done == "reopen":
                    service.reopen(alert.alert_id, "ann", note="again")
            except lifecycle.Refused:
                pass
    alerts = service.queue(AlertFilter(states=(), rule=rule_id), None)
    held = Counter(f.finding_id for a in alerts for f in store.findings_of(a.alert_id, 100))
    assert held == Counter(f"{rule_id} {n}" for n in range(len(spans)))
    for alert in alerts:
        events = service.history(alert.alert_id)
        blank = lifecycle.replace(
            alert,
            state="created",
            verdict=None,
            verdict_at=None,
            duplicate_of=None,
            acknowledged_at=None,
            triaged_at=None,
            closed_at=None,
            human_in_turn=False,
            waiting_since=alert.created_at,
            changed_at=alert.created_at,
        )
        assert lifecycle.replayed(blank, events) == alert


def burst(events: int, lasts: float, **given: Any) -> Finding:
    """The same burst of reads, seen when it had come so far."""
    return finding("burst", lasts=lasts, kind="correlation", event_count=events, **given)


def test_a_burst_that_goes_on_is_told_by_the_alert_that_holds_it(service: AlertService) -> None:
    (first,) = service.take([burst(110, 3)]).created
    service.take([finding("f2", 4)])

    grown = service.take([burst(40_000, 30)])

    alert = only(service)
    assert (grown.grown, grown.created, grown.duplicates) == (("burst",), (), ())
    assert (alert.alert_id, alert.findings, alert.events) == (first, 2, 40_001)
    assert alert.seen_last == alert.joined_to == NOON + timedelta(minutes=30)
    assert "1 finding grown" in str(service.history(first)[-1].note)
    before = rows(service)
    assert service.take([burst(40_000, 30), burst(110, 3)]).duplicates == ("burst", "burst")
    assert rows(service) == before


def test_a_burst_found_on_two_days_counts_once_though_both_are_taken_together(service: AlertService) -> None:
    service.take([burst(150, 5), burst(300, 10)])

    alert = only(service)
    assert (alert.findings, alert.events, alert.seen_last) == (1, 300, NOON + timedelta(minutes=10))


def test_a_burst_that_goes_on_after_it_was_found_to_be_real_is_news(service: AlertService, clock: Clock) -> None:
    (first,) = service.take([burst(110, 3)]).created
    clock.later(minutes=10)
    service.close(first, "ann", verdict="true_positive", note="stopped it")

    (again,) = service.take([burst(500, 20)]).created

    alert = service.get(again)
    assert (alert.is_open, alert.event_count, alert.first_event_time) == (True, 390, NOON + timedelta(minutes=3))
    assert (service.get(first).events, service.get(first).finding_id) == (110, "burst")
    assert alert.finding_id != "burst", "whoever judged the first must find it by its finding"
    assert service.take([burst(500, 20)]).duplicates == ("burst",)
    assert service.take([burst(900, 25)]).created == ()
    assert service.get(again).events == 790


def test_of_many_bursts_that_go_on_after_a_true_positive_the_first_raises_and_the_others_join(
    service: AlertService, clock: Clock
) -> None:
    many = [finding(f"b{number}", number, lasts=1, kind="correlation", event_count=10) for number in range(5)]
    (first,) = service.take(many).created
    clock.later(minutes=20)
    service.close(first, "ann", verdict="true_positive", note="real")

    intake = service.take([replace(one, event_count=15, last_event_time=NOON + timedelta(minutes=15)) for one in many])

    (again,) = intake.created
    assert len(intake.merged) == 4
    assert (service.get(again).findings, service.get(again).events) == (5, 25)


def test_a_burst_that_goes_on_after_it_was_found_to_be_none_is_counted_and_comes_back_behind_the_window(
    service: AlertService, clock: Clock
) -> None:
    (first,) = service.take([burst(110, 3)]).created
    clock.later(minutes=10)
    closed(service, first)

    intake = service.take([burst(500, 50)])

    alert = service.get(first)
    assert (intake.created, intake.grown) == ((), ("burst",))
    assert (alert.state, alert.events, alert.suppressed) == ("closed", 500, 1)
    assert (alert.seen_last, alert.joined_to) == (NOON + timedelta(minutes=50), NOON + timedelta(minutes=3))
    service.take([burst(600, 90)])
    assert service.get(first).events == 600
    (again,) = service.take([burst(700, 120)]).created
    assert service.get(again).events == 100


def test_what_goes_on_of_an_alert_over_budget_is_of_its_own_key(service: AlertService, clock: Clock) -> None:
    def of(user: int, events: int, lasts: float) -> Finding:
        given = {"dedup_key": f"u{user}", "entity": f"user{user}", "kind": "correlation", "noise_budget": 1.0}
        return finding(f"f{user}", user, lasts=lasts, event_count=events, **given)

    service.take([of(0, 10, 1), of(1, 10, 1), of(2, 10, 1)])
    (over,) = [alert for alert in service.queue(ALL) if alert.kind == "over_budget"]
    clock.later(minutes=20)
    service.close(over.alert_id, "ann", verdict="true_positive", note="real")

    service.take([of(1, 30, 10)])
    service.take([of(3, 10, 1)])

    (again,) = [alert for alert in service.queue() if alert.kind == "over_budget"]
    assert (again.findings, again.entity) == (2, None)


def test_a_finding_that_shrinks_and_lasts_longer_in_turn_counts_once(service: AlertService, clock: Clock) -> None:
    turns = [burst(110, 3), burst(50, 20)]
    service.take(turns)
    before = rows(service)

    service.take(turns)
    service.take(turns[::-1])

    assert rows(service) == before
    assert only(service).events == 110


def test_growth_between_two_alerts_makes_them_one(service: AlertService) -> None:
    (first, second) = service.take([burst(10, 1), finding("late", 110)]).created

    intake = service.take([burst(20, 60)])

    assert intake.folded == (second,)
    assert (service.get(first).findings, service.get(first).events) == (2, 21)


def test_what_goes_on_in_a_part_goes_on_in_the_whole(service: AlertService, clock: Clock) -> None:
    (whole, part) = service.take([finding("f1"), burst(110, 3, dedup_key="other")]).created
    clock.later(minutes=10)
    service.close(part, "ann", verdict="duplicate", duplicate_of=whole, note="the same person")

    service.take([burst(500, 20, dedup_key="other")])

    assert (service.get(whole).events, service.get(part).events) == (391, 110)
    assert [row.finding_id for row in service.view(part).findings] == ["burst"]
    service.reopen(part, "ann", note="another person after all")
    service.take([burst(900, 25, dedup_key="other")])
    assert (service.get(whole).events, service.get(part).events) == (391, 510)


def test_an_alert_whose_context_becomes_known_says_so(service: AlertService) -> None:
    (name,) = service.take([finding("f1", certainty="context_unknown")]).created
    assert (service.get(name).severity, service.get(name).certainty) == ("medium", "context_unknown")

    intake = service.take([finding("f1")])

    assert intake.grown == ("f1",)
    alert = service.get(name)
    assert (alert.severity, alert.certainty, alert.raised.certainty) == ("high", "certain", "context_unknown")
    assert (alert.findings, alert.events) == (1, 1)
    assert service.take([finding("f1")]).duplicates == ("f1",)


def test_a_finding_joins_the_duplicate_that_was_opened_again(service: AlertService, clock: Clock) -> None:
    (whole, part) = service.take([finding("f1"), finding("f2", 61)]).created
    clock.later(hours=2)
    service.close(part, "ann", verdict="duplicate", duplicate_of=whole, note="the same")
    closed(service, whole)
    service.reopen(part, "ann", note="not the same")

    assert service.take([finding("f3", 30)]).merged == ("f3",)
    assert service.get(part).findings == 2
