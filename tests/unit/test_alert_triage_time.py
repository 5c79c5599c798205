"""Times to acknowledgement and triage: what counts, what is censored, and that the estimate is Kaplan and Meier's.

Pure, over events and times.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.alerts.records import AlertEvent
from intelsec_assets.detections.alerts.triage_time import Observed, Span, spans, triage_times, waiting_time
from tests.alert_findings import NOON


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def event(alert_id: str, kind: str, minute: float, actor_kind: str = "human") -> AlertEvent:
    return AlertEvent(alert_id, "r", kind, "x", actor_kind, at(minute))


def done(*minutes: float) -> list[Observed]:
    return [Observed(timedelta(minutes=minute), is_over=True) for minute in minutes]


def still(*minutes: float) -> list[Observed]:
    return [Observed(timedelta(minutes=minute), is_over=False) for minute in minutes]


def test_only_the_first_acknowledgement_and_triage_by_a_person_count() -> None:
    found = spans(
        [
            event("a", "created", 0, "automation"),
            event("a", "acknowledged", 1, "automation"),
            event("a", "acknowledged", 3),
            event("a", "triaged", 8),
            event("a", "closed", 9),
            event("a", "reopened", 20),
            event("a", "acknowledged", 21),
            event("a", "triaged", 25),
        ]
    )

    assert found == [Span("a", at(0), at(3), at(8), None)]


def test_who_judges_what_automation_has_closed_has_triaged_it() -> None:
    found = spans(
        [
            event("a", "created", 0, "automation"),
            event("a", "dispositioned", 1, "automation"),
            event("a", "closed", 1, "automation"),
            event("a", "dispositioned", 5),
        ]
    )

    assert found == [Span("a", at(0), None, at(5), at(1))]
    times = triage_times(found, as_of=at(60))
    assert (times.by_automation_alone, times.to_triage.done, times.to_acknowledgement.open) == (0, 1, 0)


def test_what_automation_alone_dealt_with_is_left_out_and_counted() -> None:
    found = triage_times(
        [Span("a", at(0), None, None, at(1)), Span("b", at(0), at(2), at(4)), Span("c", at(0))], as_of=at(6)
    )

    assert found.by_automation_alone == 1
    assert (found.to_triage.n, found.to_triage.done, found.to_triage.open) == (2, 1, 1)
    assert found.to_triage.oldest_open == 360
    assert found.to_acknowledgement.mean == 120


def test_without_open_alerts_both_ways_give_the_same() -> None:
    figures = waiting_time(done(1, 2, 3, 4, 5, 6, 7, 8, 9, 30))

    assert figures.plain == figures.kaplan_meier
    assert (figures.plain.p50, figures.plain.p90) == (300, 540)
    assert figures.plain.share_within == pytest.approx(0.9)


def test_open_alerts_hold_the_percentiles_up_where_the_plain_ones_look_good() -> None:
    figures = waiting_time(done(1, 2, 3, 4) + still(50, 60, 70, 80, 90, 100))

    assert figures.plain.p90 == 240
    assert figures.kaplan_meier.p90 is None
    assert figures.plain.share_within == figures.kaplan_meier.share_within == pytest.approx(0.4)


def test_the_estimate_is_that_of_kaplan_and_meier() -> None:
    """Freireich's 6-MP arm, as in every text book: 0.857 at 6, 0.807 at 7, 0.753 at 10, 0.448 at 23."""
    over, censored = (6, 6, 6, 7, 10, 13, 16, 22, 23), (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
    remission = done(*over) + still(*censored)

    def survives(minutes: float) -> float:
        figures = waiting_time(remission, timedelta(minutes=minutes))
        return round(1 - (figures.kaplan_meier.share_within or 0), 3)

    assert [survives(t) for t in (6, 7, 10, 13, 16, 22, 23)] == [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert waiting_time(remission).kaplan_meier.p50 == 23 * 60


def test_nothing_to_measure_is_no_figure() -> None:
    figures = waiting_time([])

    assert (figures.n, figures.mean, figures.plain.p50, figures.kaplan_meier.share_within) == (0, None, None, None)


def test_an_alert_that_has_just_come_says_nothing_about_the_target_yet() -> None:
    figures = waiting_time(still(2, 3))

    assert figures.plain.share_within is None
    assert figures.kaplan_meier.share_within is None


def test_ten_minutes_are_within_ten_minutes() -> None:
    assert waiting_time(done(10)).plain.share_within == 1.0


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=30))
def test_censoring_never_makes_people_look_faster(waited: list[tuple[float, bool]]) -> None:
    figures = waiting_time([Observed(timedelta(minutes=m), is_over) for m, is_over in waited])

    for plain, estimated in (
        (figures.plain.p50, figures.kaplan_meier.p50),
        (figures.plain.p90, figures.kaplan_meier.p90),
    ):
        assert estimated is None or plain is None or estimated >= plain
