"""What is usual for a feed on a day of the week: how many rows, and how they divide into kinds, from its healthy days.

Pure: history comes in as values, what is usual goes out as bounds. Where history is read is `resources.feed_verdicts`;
that a day keeps within the bounds is stated by the suite (`suites`), so that no rule is written twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median

# Eight weeks: eight Mondays, and no summer judged by a spring.
WINDOW = timedelta(days=56)
LEAST_SAME_WEEKDAY = 4
LEAST_DAYS = 7

# Modified z-score beyond which Iglewicz and Hoaglin (1993, How to Detect and Handle Outliers) call a value an outlier.
DEVIATIONS = 3.5
MAD_TO_SIGMA = 1.4826  # of a normal distribution
# A list that never moves has no spread: five rows in a hundred count as one deviation, so that it may move by 19 %.
LEAST_SPREAD = 0.05
# Eight Sundays tell a spread badly: over 91 days of TweetFeed they made bounds from 0 to 59,995 rows.
MOST_OF_POOLED = 1.5

# A population stability index of 0.25 is the usual mark of a shift; for small shifts a divergence is half an index.
LEAST_DIVERGENCE = 0.125
LEAST_ROWS_OF_A_MIX = 30  # below, shares are noise
# Share of the expected mix that is spread over all kinds, so that a kind never seen costs much and not infinitely much.
SMOOTHING = 0.01
MOST_KINDS = 20
OTHER, NONE = "(other)", "(none)"

WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True)
class ColdStart:
    """Too little history for a verdict."""

    days: int
    wanted: int = LEAST_DAYS

    def __str__(self) -> str:
        """In words."""
        return f"cold start: {self.days} of {self.wanted} days"


@dataclass(frozen=True)
class UsualVolume:
    """Rows of a usual day, bounds included; `basis` says which days taught it."""

    low: int
    high: int
    centre: float
    basis: str


@dataclass(frozen=True)
class UsualMix:
    """Shares of the kinds of a usual day (they sum to 1), and how far a usual day strays from them.

    `limit` is a Kullback-Leibler divergence of the day from the shares, in nats.
    """

    shares: Mapping[str, float]
    limit: float
    basis: str

    def limit_for(self, rows: int) -> float:
        """The limit for a day of so many rows: a small day strays by chance, by (kinds - 1) / (2 * rows) on average."""
        return self.limit + (len(self.shares) - 1) / rows


def usual_volume(rows: Mapping[date, int], day: date) -> UsualVolume | ColdStart:
    """The bounds of rows on `day`, from the rows of the feed's healthy days; later days and old ones do not count.

    Posts come in bursts: ten times the median is no rarity, so bounds are ratios, not differences. Centre is the median
    of the same weekday. Spread is that of all days around their own weekday's median; a weekday that is wilder by
    itself gets up to half as much again.
    """
    known = {when: math.log(max(count, 0.5)) for when, count in rows.items() if day - WINDOW <= when < day}
    if len(known) < LEAST_DAYS:
        return ColdStart(len(known))
    chosen, basis = _like(day, known)
    logs = [known[when] for when in chosen]
    centre = median(logs)
    pooled = robust_spread(_residuals(known))
    own = robust_spread(logs)
    spread = max(LEAST_SPREAD, min(max(own, pooled), MOST_OF_POOLED * pooled) if pooled else own)
    reach = DEVIATIONS * spread
    low, high = math.exp(centre - reach), math.exp(centre + reach)
    return UsualVolume(math.floor(low), math.ceil(high), math.exp(centre), basis)


def usual_mix(mixes: Mapping[date, Mapping[str, int]], day: date, kinds: Iterable[str] = ()) -> UsualMix | ColdStart:
    """The shares of kinds on a usual day like `day`, and the limit of straying from them, from counts by day and kind.

    Every day weighs the same, so that one burst does not become the norm. The limit is learnt from the days themselves:
    each against the mean of the others, then median and spread. `kinds` may name some that no day had.
    """
    known = {
        when: counts
        for when, counts in mixes.items()
        if day - WINDOW <= when < day and sum(counts.values()) >= LEAST_ROWS_OF_A_MIX
    }
    if len(known) < LEAST_DAYS:
        return ColdStart(len(known))
    chosen, basis = _like(day, known)
    named = sorted({kind for counts in mixes.values() for kind in counts} | {*kinds, OTHER, NONE})
    shares = {when: _shares(known[when], named) for when in sorted(known)}
    strays = [
        divergence(shares[when], smoothed(mean_shares([shares[w] for w in shares if w != when]))) for when in shares
    ]
    limit = max(LEAST_DIVERGENCE, median(strays) + DEVIATIONS * robust_spread(strays))
    return UsualMix(smoothed(mean_shares([shares[when] for when in chosen])), limit, basis)


def robust_spread(values: Sequence[float]) -> float:
    """Standard deviation as the median absolute deviation tells it; where most values agree, as the mean one does.

    Scales with the values and does not change when all are shifted; 0 only if all are equal.
    """
    if not values:
        return 0.0
    centre = median(values)
    away = [abs(value - centre) for value in values]
    mad = median(away)
    if mad > 0:
        return MAD_TO_SIGMA * mad
    return math.sqrt(math.pi / 2) * math.fsum(away) / len(away)


def divergence(observed: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """Kullback-Leibler divergence of the observed shares from the expected ones, in nats; 0 = the same.

    `expected` must give every kind of `observed` a share above 0, as `smoothed` does.
    """
    return math.fsum(share * math.log(share / expected[kind]) for kind, share in observed.items() if share > 0)


def smoothed(shares: Mapping[str, float]) -> dict[str, float]:
    """The shares with a hundredth of the whole spread evenly over all kinds."""
    return {kind: (1 - SMOOTHING) * share + SMOOTHING / len(shares) for kind, share in shares.items()}


def mean_shares(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of shares of the same kinds, day by day."""
    return {kind: math.fsum(one[kind] for one in shares) / len(shares) for kind in shares[0]}


def common_kinds(mixes: Iterable[Mapping[str, int]]) -> list[str]:
    """The kinds with the largest share of any day, most of all days first: the others count together as `OTHER`."""
    totals: dict[str, float] = {}
    for counts in mixes:
        rows = sum(counts.values())
        for kind, count in counts.items():
            totals[kind] = totals.get(kind, 0.0) + count / rows
    return sorted(totals, key=lambda kind: (-totals[kind], kind))[:MOST_KINDS]


def folded(counts: Mapping[str, int], kinds: Iterable[str]) -> dict[str, int]:
    """Counts with every kind that is not among `kinds` counted as `OTHER`."""
    known = set(kinds)
    result: dict[str, int] = {}
    for kind, count in counts.items():
        name = kind if kind in known else OTHER
        result[name] = result.get(name, 0) + count
    return result


def _like(day: date, known: Iterable[date]) -> tuple[list[date], str]:
    """The days to compare with: the same weekday where there are enough, else all."""
    days = sorted(known)
    same = [when for when in days if when.weekday() == day.weekday()]
    if len(same) >= LEAST_SAME_WEEKDAY:
        return same, f"{len(same)} {WEEKDAYS[day.weekday()]}"
    return days, f"{len(days)} days, too few {WEEKDAYS[day.weekday()]} among them"


def _residuals(logs: Mapping[date, float]) -> list[float]:
    """What is left of each day without its weekday's median."""
    by_weekday: dict[int, list[float]] = {}
    for when, value in logs.items():
        by_weekday.setdefault(when.weekday(), []).append(value)
    centres = {weekday: median(values) for weekday, values in by_weekday.items()}
    enough = {weekday for weekday, values in by_weekday.items() if len(values) >= LEAST_SAME_WEEKDAY}
    return [value - centres[when.weekday()] for when, value in sorted(logs.items()) if when.weekday() in enough]


def _shares(counts: Mapping[str, int], kinds: Sequence[str]) -> dict[str, float]:
    rows = sum(counts.values())
    return {kind: counts.get(kind, 0) / rows for kind in kinds}
