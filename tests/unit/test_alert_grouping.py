"""Groups of an entity's alerts: which alerts belong together does not depend on the order in which they come.

Pure; what the store makes of it is in tests/integration/test_alert_intake.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.alerts.grouping import Groups, entity_key
from tests.alert_findings import NOON

_SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.sampled_from("ab")), min_size=1, max_size=10)


def hour(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def partition(spans: list[tuple[int, tuple[int, int, str]]]) -> set[frozenset[int]]:
    groups = Groups([])
    placed = {n: groups.place(who, hour(begin), hour(begin + lasts), str(n)) for n, (begin, lasts, who) in spans}
    together: dict[str | None, set[int]] = {}
    for n, name in placed.items():
        together.setdefault(groups.named(name), set()).add(n)
    return {frozenset(one) for one in together.values()}


@given(_SPANS, st.randoms())
def test_the_order_of_alerts_does_not_change_who_belongs_together(spans, random) -> None:
    numbered = list(enumerate(spans))
    before = partition(numbered)
    random.shuffle(numbered)

    assert partition(numbered) == before


def test_four_hours_belong_together_and_more_do_not() -> None:
    assert partition([(0, (0, 0, "a")), (1, (4, 0, "a")), (2, (9, 0, "a")), (3, (4, 0, "b"))]) == {
        frozenset({0, 1}),
        frozenset({2}),
        frozenset({3}),
    }


def test_groups_that_become_one_keep_the_name_of_the_earliest() -> None:
    groups = Groups([])
    groups.place("a", hour(6), hour(6), "late")
    groups.place("a", hour(0), hour(0), "early")

    assert groups.place("a", hour(3), hour(3), "between") == "early"
    assert groups.named("late") == "early"
    assert groups.renamed == {"late": "early"}


def test_nobody_has_no_group_and_modes_have_groups_of_their_own() -> None:
    assert entity_key("live", None) is entity_key("live", "") is None
    assert entity_key("live", "x") != entity_key("test", "x")
    assert Groups([]).place(None, hour(0), hour(0), "x") is None
