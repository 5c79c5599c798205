"""Whether an event's address is an indicator, by what was known before its day.

What an indicator is worth is tested with scoring.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from intelsec_assets.detections.errors import ContextError
from tests.unit.audit_calls import DAY, call, context

ADDRESS = "198.51.100.7"
ONE_DAY = timedelta(days=1)
Listed = list[tuple[str, str, float, str]]


def found(listed: Listed | None, age: int = 1, **said: Any) -> dict[str, Any]:
    row = context([call(**said)], listed=listed, listed_on=DAY - age * ONE_DAY)["e1"]
    return {name.rpartition(".")[2]: value for name, value in row.items() if name.startswith("context.indicator.")}


def test_an_address_among_the_indicators_carries_score_decision_and_campaign() -> None:
    match = found([("ipv4", ADDRESS, 0.8, "export"), ("ipv4", "198.51.100.8", 0.9, "export")])
    assert match.pop("id") is not None
    assert match == {"state": "match", "value": ADDRESS, "score": 0.8, "decision": "export", "campaign": "lantern"}


@pytest.mark.parametrize(
    ("listed", "address", "expected"),
    [
        ([("cidr", "198.51.100.0/24", 0.7, "export")], ADDRESS, "198.51.100.0/24"),
        ([("cidr", "198.51.100.8/29", 0.7, "export")], ADDRESS, None),
        ([("ipv6", "2001:db8:42::1", 0.7, "export")], "2001:db8:42::1", "2001:db8:42::1"),
        ([("cidr", "2001:db8:42::/48", 0.7, "export")], "2001:db8:42::9", "2001:db8:42::/48"),
        ([("ipv6", "2001:db8:42::1", 0.7, "export")], "2001:db8:42::2", None),
        ([("domain", ADDRESS, 0.7, "export")], ADDRESS, None),
        ([("ipv4", "198.51.100.70", 0.7, "export")], ADDRESS, None),
    ],
)
def test_addresses_of_both_families_and_networks_match_what_they_hold(
    listed: Listed, address: str, expected: str | None
) -> None:
    match = found(listed, source_address=address)
    assert (match["state"], match["value"]) == ("match" if expected else "none", expected)


def test_a_suppressed_indicator_does_not_match() -> None:
    assert found([("ipv4", ADDRESS, 0.9, "suppress")])["state"] == "none"
    assert found([("ipv4", ADDRESS, 0.9, "suppress"), ("cidr", "198.51.100.0/24", 0.7, "export")])["score"] == 0.7


def test_a_held_indicator_matches_and_says_that_it_is_held() -> None:
    assert found([("ipv4", ADDRESS, 0.5, "hold")])["decision"] == "hold"


def test_an_exported_indicator_goes_before_a_held_one_and_the_narrower_before_the_wider() -> None:
    wide, narrow, held = (
        ("cidr", "198.51.100.0/24", 0.9, "export"),
        ("cidr", "198.51.100.0/28", 0.7, "export"),
        ("ipv4", ADDRESS, 0.5, "hold"),
    )
    assert found([held, wide, narrow])["value"] == narrow[1]
    assert found([held, wide])["value"] == wide[1]


def test_old_knowledge_and_none_are_unknown_and_not_none() -> None:
    listed: Listed = [("ipv4", ADDRESS, 0.9, "export")]
    assert [found(listed, age)["state"] for age in (1, 2, 3, 4)] == ["match", "match", "match", "unknown"]
    assert found(None)["state"] == "unknown"
    assert found([])["state"] == "none"


@pytest.mark.parametrize("age", [0, -1])
def test_what_was_known_only_afterwards_is_refused(age: int) -> None:
    with pytest.raises(ContextError, match="newest day before"):
        found([("ipv4", ADDRESS, 0.9, "export")], age)


def test_a_service_is_no_indicator_and_an_impossible_address_may_be_one() -> None:
    listed: Listed = [("ipv4", ADDRESS, 0.9, "export")]
    service = {"source_address": None, "source_text": "AWS Internal", "source_service": "AWS Internal"}
    assert found(listed, **service)["state"] == "none"
    assert found(listed, source_address=None, source_text="198.51.100.299")["state"] == "unknown"
    assert found(listed, source_address=None, source_text=None)["state"] == "none"
