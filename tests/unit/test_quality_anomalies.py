"""What is usual for a feed: learnt from its healthy days, seasonal, robust, and silent while they are too few."""

from __future__ import annotations

import math
import random
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import PUBLIC_CATALOGUE, load_catalogue
from intelsec_assets.feeds.quality import anomalies
from intelsec_assets.feeds.quality.anomalies import (
    NONE,
    OTHER,
    ColdStart,
    UsualMix,
    UsualVolume,
    divergence,
    folded,
    mean_shares,
    robust_spread,
    smoothed,
    usual_mix,
    usual_volume,
)

DAY = date(2026, 6, 1)  # a Monday
counts = st.integers(1, 10**6)
histories = st.dictionaries(st.integers(1, 55).map(lambda back: DAY - timedelta(days=back)), counts, min_size=7)
some_values = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=40)


def before(number: int) -> list[date]:
    return [DAY - timedelta(days=back) for back in range(number, 0, -1)]


def each(days: list[date], **counted: int) -> dict[date, dict[str, int]]:
    """The same rows by kind on every day."""
    return {day: dict(counted) for day in days}


def volume(rows: dict[date, int], day: date = DAY) -> UsualVolume:
    usual = usual_volume(rows, day)
    assert isinstance(usual, UsualVolume)
    return usual


def mix(mixes: dict[date, dict[str, int]], day: date = DAY) -> UsualMix:
    usual = usual_mix(mixes, day)
    assert isinstance(usual, UsualMix)
    return usual


def stray(counted: dict[str, int], usual: UsualMix) -> bool:
    rows = sum(counted.values())
    shares = {kind: count / rows for kind, count in folded(counted, usual.shares).items()}
    return divergence(shares, usual.shares) > usual.limit_for(rows)


def test_with_fewer_than_seven_days_there_is_no_verdict_and_it_says_how_many():
    assert str(usual_volume(dict.fromkeys(before(6), 100), DAY)) == "cold start: 6 of 7 days"
    assert isinstance(usual_mix(each(before(6), url=100), DAY), ColdStart)


def test_a_weekday_is_compared_with_its_own_kind_once_there_are_four_of_it():
    rows = {day: 40 if day.weekday() == 0 else 4000 for day in before(28)}
    monday = volume(rows)

    assert monday.basis == "4 Mondays"
    assert monday.low <= 40 <= monday.high < 4000
    assert volume({day: count for day, count in rows.items() if day >= DAY - timedelta(days=20)}).basis == (
        "20 days, too few Mondays among them"
    )


def test_quiet_weekends_are_no_alarm_and_a_busy_sunday_is_one():
    drawn = random.Random(7)
    rows = {day: int((30 if day.weekday() > 4 else 600) * drawn.uniform(0.8, 1.25)) for day in before(56)}
    sunday = DAY - timedelta(days=1)
    usual = volume(rows, sunday)

    assert usual.low <= rows[sunday] <= usual.high
    assert not usual.low <= 600 <= usual.high


def test_a_weekday_that_is_wilder_by_itself_gets_half_as_much_again():
    drawn = random.Random(11)
    rows = {day: int(1000 * math.exp(drawn.gauss(0, 0.6 if day.weekday() == 0 else 0.1))) for day in before(56)}
    calm = {day: int(1000 * math.exp(drawn.gauss(0, 0.1))) for day in before(56)}

    assert volume(rows).high / volume(rows).centre > 1.2 * volume(calm).high / volume(calm).centre


def test_a_list_that_never_moves_may_move_by_a_fifth():
    usual = volume(dict.fromkeys(before(14), 1000))

    assert (usual.low, usual.high) == (839, 1192)


def test_one_burst_among_the_days_changes_little():
    steady = dict(zip(before(14), [100, 110, 95, 105, 98, 102, 97] * 2, strict=True))
    burst = steady | {DAY - timedelta(days=5): 100_000}

    assert volume(burst).high < 2 * volume(steady).high


def test_what_lies_after_the_day_or_before_the_window_does_not_count():
    rows = dict.fromkeys(before(10), 100)
    other = {DAY: 9, DAY + timedelta(days=3): 9, DAY - timedelta(days=57): 9}

    assert usual_volume(rows | other, DAY) == usual_volume(rows, DAY)


@given(histories, st.integers(2, 1000))
def test_ten_times_the_rows_have_ten_times_the_bounds(rows: dict[date, int], factor: int):
    once, often = volume(rows), volume({day: count * factor for day, count in rows.items()})

    assert often.centre == pytest.approx(once.centre * factor)
    # bounds are whole numbers, rounded outwards
    assert math.log(often.high / often.centre) <= math.log(once.high / once.centre) + 1e-9


@given(histories, st.randoms())
def test_the_order_of_the_history_does_not_matter(rows: dict[date, int], drawn: random.Random):
    days = list(rows.items())
    drawn.shuffle(days)

    assert usual_volume(dict(days), DAY) == usual_volume(rows, DAY)


@given(some_values, st.integers(1, 100), st.integers(-(10**6), 10**6))
def test_the_spread_scales_with_the_values_and_ignores_a_shift(values: list[int], factor: int, shift: int):
    spread = robust_spread(values)

    assert robust_spread([value * factor for value in values]) == pytest.approx(spread * factor)
    assert robust_spread([value + shift for value in values]) == pytest.approx(spread)


@given(some_values)
def test_the_spread_is_zero_only_if_all_values_agree(values: list[int]):
    assert (robust_spread(values) == 0) == (max(values) - min(values) == 0)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 1000), min_size=1))
def test_a_divergence_is_never_negative_and_zero_for_the_same_shares(counted: dict[str, int]):
    rows = sum(counted.values())
    assume(rows > 0)
    shares = {kind: count / rows for kind, count in counted.items()}
    even = dict.fromkeys(counted, 1 / len(counted))

    assert divergence(shares, smoothed(even)) >= -1e-12
    assert math.fsum(smoothed(shares).values()) == pytest.approx(1)
    assert divergence(smoothed(shares), smoothed(shares)) == 0


def test_shares_of_days_weigh_the_same_however_many_rows_they_have():
    assert mean_shares([{"url": 1.0, "ipv4": 0.0}, {"url": 0.0, "ipv4": 1.0}]) == {"url": 0.5, "ipv4": 0.5}


def test_a_day_of_another_kind_strays_and_a_usual_one_does_not():
    drawn = random.Random(3)
    mixes = {day: {"url": drawn.randint(180, 220), "domain": drawn.randint(80, 120)} for day in before(20)}
    usual = mix(mixes)

    assert not stray({"url": 200, "domain": 100}, usual)
    assert stray({"url": 20, "domain": 280}, usual)


def test_a_kind_that_no_day_had_is_counted_with_the_others_and_strays():
    usual = mix(each(before(20), url=200, domain=100))

    assert {OTHER, NONE} <= usual.shares.keys()
    assert stray({"url": 100, "domain": 50, "cryptominer": 150}, usual)


def test_a_small_day_may_stray_further_than_a_large_one():
    usual = mix(each(before(20), url=200, domain=100))

    assert usual.limit_for(30) > usual.limit_for(3000) > usual.limit


def test_days_with_too_few_rows_teach_no_mix():
    assert isinstance(usual_mix(each(before(20), url=12), DAY), ColdStart)


@given(st.permutations(before(9)))
def test_the_order_of_the_days_does_not_change_the_mix(days: list[date]):
    mixes = {day: {"url": 100 + day.day, "domain": 40} for day in days}

    assert usual_mix(mixes, DAY) == usual_mix(dict(sorted(mixes.items())), DAY)


@pytest.mark.needs("realdata")
def test_over_91_real_days_of_tweetfeed_volume_raises_no_alarm_and_finds_what_is_seeded(realdata):
    """A strongly seasonal feed of people's posts, 17 to 1,638 rows a day."""
    feed = load_catalogue(PUBLIC_CATALOGUE).feed("tweetfeed")
    folder = (realdata / str(feed.local)).parent
    rows = {
        date.fromisoformat(f"{path.stem[:4]}-{path.stem[4:6]}-{path.stem[6:]}"): len(path.read_bytes().splitlines())
        for path in sorted(folder.glob("*.csv"))
    }
    judged = {day: usual for day in rows if isinstance(usual := usual_volume(rows, day), UsualVolume)}
    alarms = [day for day, usual in judged.items() if not usual.low <= rows[day] <= usual.high]
    seasonal = {day: usual for day, usual in judged.items() if "too few" not in usual.basis}
    missed = [day for day, usual in seasonal.items() if usual.low <= 60 * usual.centre <= usual.high]
    stopped = [day for day, usual in seasonal.items() if usual.low <= 2]

    assert len(rows) == 91
    assert len(judged) == 84
    assert alarms == []
    assert len(seasonal) == 63
    assert missed == []
    assert stopped == []  # on every one of them a feed that all but stops is noticed


def test_constants_are_what_their_comments_say():
    assert math.exp(anomalies.DEVIATIONS * anomalies.LEAST_SPREAD) == pytest.approx(1.19, abs=0.005)
