"""Searching a filter: the smallest that takes false positives away, names who or from where, and no true positive."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intelsec_assets.detections.quality.filter_search import (
    ANCHORS,
    EQUALS,
    STARTS_WITH,
    Condition,
    fields_of,
    is_usable,
    prefixes,
    search,
)

CI, EVE = "arn:aws:iam::1:user/ci", "arn:aws:iam::1:user/eve"


def call(arn: str, name: str = "CreateAccessKey", **more: str) -> dict[str, str]:
    return {"userIdentity.arn": arn, "eventName": name, **more}


def test_one_condition_is_found_where_one_is_enough() -> None:
    (selection,) = search([[call(CI)], [call(CI)], [call("x")]], [call(EVE)])

    assert selection.conditions == (Condition("userIdentity.arn", EQUALS, CI),)
    assert selection.covers == {0, 1}


def test_two_conditions_are_found_where_one_would_take_a_true_positive() -> None:
    false = [[call(CI, "CreateAccessKey")], [call(CI, "CreateAccessKey")]]
    true = [call(CI, "DeleteTrail"), call(EVE, "CreateAccessKey")]

    (selection,) = search(false, true)

    assert selection.conditions == (
        Condition("eventName", EQUALS, "CreateAccessKey"),
        Condition("userIdentity.arn", EQUALS, CI),
    )


def test_runners_with_a_name_of_their_own_each_are_covered_by_what_their_names_begin_with() -> None:
    false = [[call(f"arn:aws:sts::1:assumed-role/deploy/run-{n}")] for n in (17, 23, 99)]

    (selection,) = search(false, [call("arn:aws:sts::1:assumed-role/admin/eve")])

    assert selection.conditions == (
        Condition("userIdentity.arn", STARTS_WITH, "arn:aws:sts::1:assumed-role/deploy/run-"),
    )


def test_two_kinds_of_false_positives_get_a_selection_each() -> None:
    other = "arn:aws:iam::1:user/backup"

    found = search([[call(CI)], [call(other)], [call(CI)], [call(other)]], [call(EVE)])

    assert [selection.covers for selection in found] == [{1, 3}, {0, 2}]


def test_a_single_false_positive_is_no_pattern() -> None:
    assert search([[call(CI)], [call("arn:aws:iam::2:role/other")]], [call(EVE)]) == []


def test_nothing_is_proposed_where_a_true_positive_looks_the_same() -> None:
    assert search([[call(CI)], [call(CI)]], [call(CI)]) == []


def test_nothing_is_proposed_where_nothing_could_refute_it() -> None:
    assert search([[call(CI)], [call(CI)]], []) == []


def test_a_filter_on_what_any_caller_may_choose_alone_is_not_proposed() -> None:
    false = [[call(f"arn:aws:iam::{n}:user/u{n}", userAgent="terraform/1.9")] for n in range(4)]

    assert search(false, [call(EVE, userAgent="curl")]) == []


def test_an_alert_is_covered_only_if_all_its_events_are() -> None:
    assert search([[call(CI), call("x")], [call(CI), call("y")]], [call(EVE)]) == []


def test_among_equals_the_filter_that_takes_fewer_unjudged_alerts_is_chosen() -> None:
    by = {"userIdentity.sessionContext.sessionIssuer.arn": "role/ci"}
    false = [[call(CI, **by)], [call(CI, **by)]]
    unjudged = [[call(CI)]]

    (selection,) = search(false, [call(EVE)], unjudged)

    assert selection.conditions == (Condition("userIdentity.sessionContext.sessionIssuer.arn", EQUALS, "role/ci"),)


def test_silence_about_one_entity_needs_a_second_condition_that_tells_something() -> None:
    false = [[call(CI, sourceIPAddress="192.0.2.9", awsRegion="r")] for _ in range(2)]
    true = [call(EVE, sourceIPAddress="203.0.113.1", awsRegion="r")]

    (selection,) = search(false, true, entity="userIdentity.arn")

    assert selection.conditions == (
        Condition("sourceIPAddress", EQUALS, "192.0.2.9"),
        Condition("userIdentity.arn", EQUALS, CI),
    )
    assert search([[call(CI)], [call(CI)]], [call(EVE)], entity="userIdentity.arn") == []


def test_a_place_is_a_filter_of_its_own_only_if_several_call_from_there() -> None:
    at, elsewhere = {"sourceIPAddress": "192.0.2.9"}, {"sourceIPAddress": "203.0.113.1"}
    one, two = [[call(CI, **at)], [call(CI, **at)]], [[call("a", **at)], [call("b", **at)]]
    true = [call(CI, **elsewhere)]

    assert [len(s.conditions) for s in search(one, true)] == [2]
    assert [s.conditions for s in search(two, true)] == [(Condition("sourceIPAddress", EQUALS, "192.0.2.9"),)]


def test_case_does_not_matter_as_in_sigma() -> None:
    assert search([[call(CI)], [call(CI)]], [call(CI.upper())]) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arn:aws:iam::1:user/ci-7", ["arn:aws:iam::1:user/ci-"]),
        ("arn:aws:iam::1:user/ci", []),  # up to user/ would name everybody
        ("192.0.2.17", ["192.0.2."]),
        ("aws-cli/2.15.0 md", ["aws-cli/", "aws-cli/2.", "aws-cli/2.15.", "aws-cli/2.15.0 "]),
        ("short-x", []),
    ],
)
def test_prefixes_name_something(text: str, expected: list[str]) -> None:
    assert prefixes(text) == expected


@pytest.mark.parametrize(
    "field",
    ["eventID", "requestParameters.clientToken", "requestParameters.roleSessionName", "userIdentity.accessKeyId"],
)
def test_what_is_another_value_each_time_is_no_field_of_a_filter(field: str) -> None:
    assert not is_usable(field)


def test_fields_are_text_as_the_engine_compares_it() -> None:
    event = {"a": {"b": True, "n": None, "l": [1]}, "i": 7, "s": "x"}

    assert fields_of(event, {"context.asn.number": 64500, "context.ticket.id": None, "event_id": "1"}) == {
        "a.b": "true",
        "i": "7",
        "s": "x",
        "context.asn.number": "64500",
    }


_EVENT = st.fixed_dictionaries(
    {
        "userIdentity.arn": st.sampled_from([CI, EVE, "arn:aws:iam::1:user/ci-1", "arn:aws:iam::1:user/ci-2"]),
        "sourceIPAddress": st.sampled_from(["192.0.2.1", "192.0.2.2", "198.51.100.1"]),
        "eventName": st.sampled_from(["A", "B"]),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    false=st.lists(st.lists(_EVENT, min_size=1, max_size=2), max_size=6),
    protected=st.lists(_EVENT, max_size=5),
)
def test_no_selection_ever_takes_a_protected_event_and_each_takes_two_alerts(
    false: list[list[dict[str, Any]]], protected: list[dict[str, Any]]
) -> None:
    for selection in search(false, protected):
        covered = {
            at for at, events in enumerate(false) if all(c.holds(e) for c in selection.conditions for e in events)
        }
        assert len(selection.covers) >= 2
        assert selection.covers <= covered
        assert not any(all(c.holds(event) for c in selection.conditions) for event in protected)
        assert any(c.field in ANCHORS for c in selection.conditions)


@settings(max_examples=15, deadline=None)
@given(
    false=st.lists(st.lists(_EVENT, min_size=1, max_size=1), min_size=2, max_size=4),
    protected=st.lists(_EVENT, min_size=1, max_size=3),
)
def test_the_order_of_the_input_does_not_matter(false: list[Any], protected: list[Any]) -> None:
    expected = {selection.conditions for selection in search(false, protected)}

    for order in list(permutations(false))[:6]:
        assert {selection.conditions for selection in search(order, protected[::-1])} == expected


def test_a_pattern_of_few_among_many_is_taken_for_chance() -> None:
    others = [[call(f"arn:aws:iam::{n}:root-{n}")] for n in range(30)]

    assert search([[call(CI)], [call(CI)], *others], [call(EVE)]) == []
    assert len(search([[call(CI)], [call(CI)], *others[:10]], [call(EVE)])) == 1
