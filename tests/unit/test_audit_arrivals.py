"""Which days new audit logs wake: those they hold, those a burst may end on, in stretches that one run takes."""

from __future__ import annotations

from datetime import date, timedelta

from sensors.audit_arrivals import days_to_judge, known, spans

HOUR = timedelta(hours=1)
TODAY = date(2026, 3, 20)


def march(day: int) -> date:
    return date(2026, 3, day)


def test_a_late_event_wakes_its_own_day_and_the_day_a_burst_of_it_may_end_on() -> None:
    seen = {"2026-03-10": "a", "2026-03-11": "b", "2026-03-12": "c"}
    landed = {march(10): "a2", march(11): "b", march(12): "c"}

    assert days_to_judge(landed, seen, HOUR, TODAY) == [march(10), march(11)]


def test_without_correlations_only_the_day_itself_is_woken() -> None:
    assert days_to_judge({march(10): "a2", march(11): "b"}, {"2026-03-11": "b"}, timedelta(0), TODAY) == [march(10)]


def test_nothing_new_wakes_nothing() -> None:
    assert days_to_judge({march(10): "a"}, {"2026-03-10": "a"}, HOUR, TODAY) == []


def test_a_day_on_which_nothing_landed_is_not_asked_for() -> None:
    assert days_to_judge({march(10): "a"}, {}, HOUR, TODAY) == [march(10)]


def test_a_day_that_has_not_begun_waits() -> None:
    """A clock that is ahead by an hour at midnight must not ask for a partition that there is not yet."""
    landed = {TODAY: "a", TODAY + timedelta(days=1): "b"}

    assert days_to_judge(landed, {}, HOUR, TODAY) == [TODAY]


def test_a_reach_of_over_a_day_wakes_every_day_in_it() -> None:
    landed = {march(day): "new" if day == 10 else "old" for day in range(10, 15)}
    seen = {str(march(day)): "old" for day in range(10, 15)}

    assert days_to_judge(landed, seen, timedelta(hours=49), TODAY) == [march(day) for day in (10, 11, 12, 13)]


def test_days_in_a_row_are_one_stretch() -> None:
    days = [march(2), march(3), march(4), march(7), march(9), march(10)]

    assert spans(days) == [(march(2), march(4)), (march(7), march(7)), (march(9), march(10))]
    assert spans([]) == []


def test_a_day_that_could_not_be_asked_for_is_not_forgotten() -> None:
    """Landed a day ahead by a wrong clock, or before the calendar: it is asked for when it can be."""
    tomorrow = TODAY + timedelta(days=1)
    landed = {TODAY: "a", tomorrow: "b"}
    seen = known(landed, {}, days_to_judge(landed, {}, HOUR, TODAY))

    assert seen == {str(TODAY): "a"}
    assert days_to_judge(landed, seen, HOUR, tomorrow) == [tomorrow]
