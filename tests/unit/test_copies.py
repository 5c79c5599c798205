"""Which feeds are copies, and what a set of feeds is worth. How the state uses it is in test_state."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.indicators.copies import (
    COPY_MIN_INDICATORS,
    copy_pairs,
    independent_sources,
    measure,
    overlaps,
)

FEEDS = st.sampled_from("abcdefgh")


def _pairs(source_sets: dict[tuple[str, ...], int]) -> frozenset[tuple[str, str]]:
    return copy_pairs(measure(source_sets))


def test_a_feed_that_lies_in_another_is_its_copy() -> None:
    assert _pairs({("threatfox",): 900, ("critical-path", "threatfox"): 100}) == {("critical-path", "threatfox")}


def test_the_copy_is_the_feed_that_lies_in_the_other_and_both_only_when_they_are_equal() -> None:
    within = measure({("aggregator", "list"): 100, ("aggregator",): 20_000})
    assert [(o.feed, o.is_copy) for o in within] == [("aggregator", False), ("list", True)]
    assert [o.is_copy for o in measure({("one", "two"): 100})] == [True, True]


def test_two_feeds_count_as_one_source_whichever_of_them_is_the_copy() -> None:
    for small, large in (("a", "b"), ("b", "a")):
        copies = _pairs({("a", "b"): 100, (large,): 900})
        assert copies == {("a", "b")}, small
        assert independent_sources(["a", "b"], copies) == 1


def test_a_feed_that_is_95_percent_in_another_is_its_copy_and_one_percent_less_is_not() -> None:
    assert _pairs({("a", "b"): 95, ("a",): 5, ("b",): 500}) == {("a", "b")}
    assert _pairs({("a", "b"): 94, ("a",): 6, ("b",): 500}) == set()


def test_a_small_feed_is_never_found_to_be_a_copy() -> None:
    assert _pairs({("large", "small"): COPY_MIN_INDICATORS - 1, ("large",): 1000}) == set()
    assert _pairs({("large", "small"): COPY_MIN_INDICATORS, ("large",): 1000}) == {("large", "small")}


def test_a_copied_feed_adds_no_corroboration() -> None:
    copies = _pairs({("threatfox",): 900, ("critical-path", "threatfox"): 100})
    assert independent_sources(["critical-path", "threatfox"], copies) == 1


def test_an_aggregator_with_two_independent_lists_in_it_counts_as_two() -> None:
    copies = _pairs({("aggregator", "one"): 100, ("aggregator", "two"): 100, ("aggregator",): 1000})
    assert copies == {("aggregator", "one"), ("aggregator", "two")}
    assert independent_sources(["aggregator", "one", "two"], copies) == 2
    assert independent_sources(["aggregator", "one"], copies) == 1
    assert independent_sources(["aggregator"], copies) == 1


def test_no_feeds_are_no_sources() -> None:
    assert independent_sources([], frozenset()) == 0


def test_a_large_group_of_copies_is_counted_without_trying_every_subset() -> None:
    lists = [f"list-{number:02}" for number in range(40)]
    copies = frozenset(("aggregator", name) for name in lists)
    assert independent_sources(["aggregator", *lists], copies) == 40


@given(st.lists(FEEDS, max_size=8), st.sets(st.tuples(FEEDS, FEEDS), max_size=20))
def test_independent_sources_is_the_largest_subset_without_copies(
    sources: list[str], linked: set[tuple[str, str]]
) -> None:
    copies = frozenset((one, two) for one, two in linked if one < two)
    feeds = sorted(set(sources))
    expected = max(
        len(subset)
        for size in range(len(feeds) + 1)
        for subset in combinations(feeds, size)
        if not any(pair in copies for pair in combinations(subset, 2))
    )
    assert independent_sources(sources, copies) == expected


@given(
    st.dictionaries(
        st.lists(FEEDS, min_size=1, unique=True).map(lambda feeds: tuple(sorted(feeds))), st.integers(1, 50)
    )
)
def test_what_two_feeds_share_is_the_same_seen_from_both(source_sets: dict[tuple[str, ...], int]) -> None:
    measured = {(o.feed, o.other): o for o in measure(source_sets)}
    for (feed, other), overlap in measured.items():
        mirrored = measured[other, feed]
        assert overlap.shared == mirrored.shared
        if overlap.is_copy:
            assert overlap.indicators <= mirrored.indicators
            assert mirrored.is_copy == (overlap.indicators == mirrored.indicators)
        assert 0 < overlap.shared <= overlap.indicators == sum(n for feeds, n in source_sets.items() if feed in feeds)


def test_overlaps_are_one_row_an_ordered_pair_that_shares_something() -> None:
    with engine.quick_session() as con:
        indicators = con.sql("select unnest([['a', 'b'], ['a', 'b'], ['a'], ['c']]) as sources")
        assert overlaps(con, indicators).fetchall() == [("a", "b", 3, 2, 2 / 3, False), ("b", "a", 2, 2, 1.0, False)]


def test_without_indicators_there_are_no_overlaps() -> None:
    with engine.quick_session() as con:
        assert overlaps(con, con.sql("select ['a'] as sources where false")).fetchall() == []
