"""What rules from elsewhere are called: never two the same, and not by the order they come in."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.sigma.rules_names import Named, own_names

FILES = st.sampled_from(["two", "Two", "two-first", "two-second", "two-1", "x"])
TITLES = st.sampled_from(["First", "first!", "Second", "", "1", "規則"])
RULES = st.lists(st.tuples(FILES, TITLES), max_size=8).map(
    lambda pairs: [Named(file, title, str(number)) for number, (file, title) in enumerate(pairs)]
)


@given(RULES)
def test_no_two_rules_are_called_the_same(rules: list[Named]) -> None:
    assert len({name.casefold() for name in own_names(rules)}) == len(rules)


@given(RULES, st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_order(rules: list[Named], random: Random) -> None:
    shuffled = list(rules)
    random.shuffle(shuffled)
    named = dict(zip(shuffled, own_names(shuffled), strict=True))
    assert own_names(rules) == [named[rule] for rule in rules]


def test_a_rule_alone_is_called_by_its_file_and_others_by_their_title_too() -> None:
    rules = [Named("one", "A", "1"), Named("two", "First rule", "2"), Named("two", "Second", "3")]
    assert own_names(rules) == ["one", "two-first-rule", "two-second"]


def test_a_file_called_like_a_title_of_another_keeps_its_name() -> None:
    rules = [Named("two", "First", "1"), Named("two", "Second", "2"), Named("two-first", "A", "3")]
    assert own_names(rules) == ["two-1", "two-second", "two-first"]
