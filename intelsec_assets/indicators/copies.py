"""Which feeds are copies of one another, and how many independent sources a set of feeds is, from what they share.

What corroboration is worth in points belongs to `scoring`; the state that holds the source sets belongs to `state`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb
import pyarrow as pa

# Copies are seldom exact: fetched at another hour, cut or filtered. Measured copies lie at 99.5 to 100 % (Tor exits and
# AlienVault in IPsum, ThreatFox in Critical Path), unrelated address feeds below 20 %.
COPY_CONTAINMENT = 0.95

# Under 20 indicators one shared campaign makes strangers look like copies: at 19 of 20 the lower 95 % bound is 0.76
COPY_MIN_INDICATORS = 20

# An exact answer may cost 2**n steps in the number of feeds that are linked by copying; beyond this many, feeds with
# the fewest copies are taken first
_EXACT_FEEDS = 24

CopyPairs = frozenset[tuple[str, str]]
SourceSets = Mapping[tuple[str, ...], int]

_OVERLAPS = pa.schema(
    [
        ("feed", pa.string()),
        ("other", pa.string()),
        ("indicators", pa.int64()),
        ("shared", pa.int64()),
        ("containment", pa.float64()),
        ("is_copy", pa.bool_()),
    ]
)


@dataclass(frozen=True, order=True)
class Overlap:
    """An ordered pair of feeds that share indicators: how many `feed` lists, how many of those `other` lists too.

    `is_copy`: `feed` lies in `other`, so that the two count as one source. True in both directions for equals only.
    """

    feed: str
    other: str
    indicators: int
    shared: int
    is_copy: bool

    @property
    def containment(self) -> float:
        """Share of the feed's indicators that the other lists too, ratio 0 to 1."""
        return self.shared / self.indicators


def measure(source_sets: SourceSets) -> list[Overlap]:
    """Every ordered pair of feeds that share an indicator, sorted. `source_sets`: feeds -> indicators they list."""
    sizes: dict[str, int] = {}
    shared: dict[tuple[str, str], int] = {}
    for sources, count in source_sets.items():
        feeds = sorted(set(sources))
        for feed in feeds:
            sizes[feed] = sizes.get(feed, 0) + count
        for pair in combinations(feeds, 2):
            shared[pair] = shared.get(pair, 0) + count
    found = []
    for (one, two), both in shared.items():
        smaller = min(sizes[one], sizes[two])
        are_one = smaller >= COPY_MIN_INDICATORS and both >= COPY_CONTAINMENT * smaller
        found += [
            Overlap(feed, other, sizes[feed], both, is_copy=are_one and sizes[feed] == smaller)
            for feed, other in ((one, two), (two, one))
        ]
    return sorted(found)


def copy_pairs(overlaps: Iterable[Overlap]) -> CopyPairs:
    """Pairs of feeds, each in alphabetical order, that count as one source: whichever of the two is the copy."""
    return frozenset((min(o.feed, o.other), max(o.feed, o.other)) for o in overlaps if o.is_copy)


def independent_sources(sources: Iterable[str], copies: CopyPairs) -> int:
    """Size of the largest subset of the feeds no two of which are copies.

    An aggregator that holds two independent lists counts, with them, as two: not three, and not one. This is the
    maximum independent set of the copy graph: exact for groups of up to 24 feeds linked by copying, else the greedy
    lower bound.
    """
    feeds = sorted(set(sources))
    linked: dict[str, set[str]] = {feed: set() for feed in feeds}
    for one, two in combinations(feeds, 2):
        if (one, two) in copies:
            linked[one].add(two)
            linked[two].add(one)
    return sum(_largest_independent(group, linked) for group in _groups(feeds, linked))


def independent_counts(source_sets: Iterable[Sequence[str]], copies: CopyPairs) -> dict[tuple[str, ...], int]:
    """The same for each distinct set of feeds, computed once a set."""
    return {tuple(sources): independent_sources(sources, copies) for sources in source_sets}


def live_source_sets(indicators: duckdb.DuckDBPyRelation) -> dict[tuple[str, ...], int]:
    """Distinct `sources` of the indicators, each with the number of indicators that have it."""
    rows = indicators.aggregate("sources, count(*)", "sources").fetchall()
    return {tuple(sources): count for sources, count in rows}


def overlaps(con: duckdb.DuckDBPyConnection, indicators: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """FEED_OVERLAPS of the live indicators: what each pair of feeds shares, and whether `feed` copies `other`."""
    measured = measure(live_source_sets(indicators))
    rows = [
        {
            "feed": o.feed,
            "other": o.other,
            "indicators": o.indicators,
            "shared": o.shared,
            "containment": o.containment,
            "is_copy": o.is_copy,
        }
        for o in measured
    ]
    found = pa.Table.from_pylist(rows, schema=_OVERLAPS)
    con.register("copies_found", found)
    con.execute("create or replace temp table copies_overlaps as from copies_found")
    con.unregister("copies_found")
    return con.table("copies_overlaps")


def _groups(feeds: Sequence[str], linked: Mapping[str, set[str]]) -> list[list[str]]:
    """Feeds that are linked by copying, directly or through others, in alphabetical order."""
    seen: set[str] = set()
    groups = []
    for feed in feeds:
        if feed in seen:
            continue
        group, waiting = set(), [feed]
        while waiting:
            member = waiting.pop()
            if member not in group:
                group.add(member)
                waiting.extend(linked[member])
        seen |= group
        groups.append(sorted(group))
    return groups


def _largest_independent(group: Sequence[str], linked: Mapping[str, set[str]]) -> int:
    if len(group) > _EXACT_FEEDS:
        return _greedy(set(group), linked)
    return _exact(frozenset(group), linked)


def _exact(group: frozenset[str], linked: Mapping[str, set[str]]) -> int:
    """Branch on the feed with the most copies left: it is in the subset, or it is not."""
    if not group:
        return 0
    densest = max(sorted(group), key=lambda feed: len(linked[feed] & group))
    if not linked[densest] & group:
        return len(group)
    without = group - {densest}
    return max(1 + _exact(without - linked[densest], linked), _exact(without, linked))


def _greedy(group: set[str], linked: Mapping[str, set[str]]) -> int:
    count = 0
    while group:
        chosen = min(sorted(group), key=lambda feed: len(linked[feed] & group))
        group -= {chosen, *linked[chosen]}
        count += 1
    return count
