"""STIX 2.1 in TAXII pages, bundles and arrays: patterns as values, versions, markings, and names through relationships.

Broken files of all formats are in test_bad_input_formats.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import ParsedFeed, parse
from intelsec_assets.feeds.formats.patterns import (
    MAX_PATTERN_CHARACTERS,
    Comparison,
    PatternNotSupported,
    comparisons,
    parsed_comparisons,
)
from intelsec_assets.feeds.snapshot import SnapshotFile

DAY = date(2026, 3, 2)
SHA256 = "ab" * 32


def indicator(pattern: Any, number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number}",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-03-01T10:00:00.000Z",
        "modified": "2026-03-01T12:00:00.000Z",
    } | more


def read(*pages: Any, tlp: str = "clear") -> ParsedFeed:
    source = Feed(name="f", title="F", publisher="P", licence="CC0-1.0", format="taxii", tlp=tlp)
    files = []
    for number, page in enumerate(pages):
        data = json.dumps(page).encode()
        files.append((SnapshotFile(f"{number}.json", "s", len(data)), data))
    return parse(source, files, DAY)


def rows(*pages: Any, tlp: str = "clear") -> list[dict[str, Any]]:
    parsed = read(*pages, tlp=tlp)
    assert parsed.error is None
    return parsed.rows.to_pylist()


def test_an_indicator_is_a_row_with_its_claims() -> None:
    said = {"labels": ["C2", "phishing"], "confidence": 80, "indicator_types": ["malicious-activity", "compromised"]}

    (row,) = rows([indicator("[domain-name:value = 'evil.example']", **said)])

    assert (row["line"], row["raw_value"], row["indicator_type"]) == (1, "evil.example", "domain")
    assert (row["tags"], row["confidence"], row["threat_type"]) == (["c2", "phishing"], 0.8, "compromised")
    assert row["first_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert row["last_seen"] == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "page",
    [
        lambda one: [one],
        lambda one: {"objects": [one], "more": False},
        lambda one: {"type": "bundle", "id": "bundle--1", "objects": [one]},
        lambda one: one,
    ],
)
def test_objects_are_found_in_envelope_bundle_and_array(page: Any) -> None:
    assert len(rows(page(indicator("[url:value = 'http://x.example/']")))) == 1


def test_an_empty_page_has_no_rows_and_an_error_body_is_an_error() -> None:
    assert rows({"more": False}) == []
    refused = {"title": "Unauthorized", "http_status": "401"}
    assert "Unauthorized" in (read(refused).error or "")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ipv4-addr:value = '198.51.100.7']", [("ipv4", "198.51.100.7")]),
        ("[ipv4-addr:value = '198.51.100.0/24']", [("cidr", "198.51.100.0/24")]),
        ("[ipv6-addr:value='2001:db8::1']", [("ipv6", "2001:db8::1")]),
        (f"[file:hashes.'SHA-256' = '{SHA256}']", [("sha256", SHA256)]),
        (f"[file:hashes.SHA256 = '{SHA256}']", [("sha256", SHA256)]),
        ("[file:hashes.MD5 = 'ab']", [("md5", "ab")]),
        ("[email-addr:value = 'a@x.example']", [("email", "a@x.example")]),
        (r"[url:value = 'http://x.example/\'a\\b']", [("url", r"http://x.example/'a\b")]),
        (
            "[url:value = 'http://a/' OR domain-name:value = 'a.example']",
            [("url", "http://a/"), ("domain", "a.example")],
        ),
        ("[domain-name:value IN ('a.example', 'b.example')]", [("domain", "a.example"), ("domain", "b.example")]),
        ("[url:value = 'http://a/'] OR [url:value = 'http://b/']", [("url", "http://a/"), ("url", "http://b/")]),
        ("([domain-name:value = 'a.example'])", [("domain", "a.example")]),
    ],
)
def test_a_pattern_of_values_is_a_row_a_value(pattern: str, expected: list[tuple[str, str]]) -> None:
    found = rows([indicator(pattern), indicator("[domain-name:value = 'z.example']", 2)])

    assert [(row["indicator_type"], row["raw_value"]) for row in found[:-1]] == expected
    assert [row["line"] for row in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize(
    "pattern",
    [
        f"[file:hashes.MD5 = 'ab' AND file:hashes.'SHA-256' = '{SHA256}']",
        "[url:value = 'http://a/'] AND [url:value = 'http://b/']",
        "[url:value = 'http://a/'] FOLLOWEDBY [url:value = 'http://b/']",
        "[url:value = 'http://a/'] WITHIN 5 SECONDS",
        "[url:value = 'http://a/'] REPEATS 5 TIMES",
        "[url:value = 'http://a/'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'",
        "[domain-name:value != 'a.example']",
        "[NOT domain-name:value = 'a.example']",
        "[domain-name:value NOT = 'a.example']",
        "[domain-name:value NOT IN ('a.example')]",
        "[domain-name:value LIKE '%.example']",
        "[domain-name:value MATCHES '.*']",
        "[ipv4-addr:value ISSUBSET '198.51.100.0/24']",
        "[network-traffic:dst_port = 443]",
        "[file:name = 'a.exe']",
        "[file:hashes.SSDEEP = '3:a']",
        "[EXISTS url:value]",
        "evil.example",
        "[url:value = 'http://a/'",
        "(" * 3000 + "[url:value = 'a']" + ")" * 3000,
        "[url:value = '" + "a" * MAX_PATTERN_CHARACTERS + "' OR url:value = 'b']",
    ],
)
def test_a_pattern_that_says_more_than_any_of_these_values_is_kept_in_quarantine(pattern: str) -> None:
    (row,) = rows([indicator(pattern)])

    assert (row["reject_reason"], row["raw_value"]) == ("pattern_not_supported", pattern)
    assert row["reject_detail"]


PATTERN_WORDS = st.lists(
    st.sampled_from(
        [
            "[",
            "]",
            " ",
            "\n",
            "url",
            "file",
            "ipv4-addr",
            "domain-name",
            "x509-certificate",
            ":",
            "value",
            "hashes",
            ".",
            "MD5",
            "'MD5'",
            "'SHA-1'",
            "sha1",
            "=",
            " = ",
            "!=",
            "'a'",
            "'1.2.3.0/24'",
            "''",
            "'\\''",
            "OR",
            "NOT",
            "(",
            ")",
            "é",
        ]
    ),
    max_size=9,
).map("".join)
SINGLE = st.builds(
    "[{}{}:{}{}={}'{}'{}]".format,
    st.sampled_from(["", " ", "\t\n"]),
    st.sampled_from(["url", "file", "ipv4-addr", "ipv6-addr", "domain-name", "email-addr", "Url", "artifact"]),
    st.sampled_from(["value", "hashes.MD5", "hashes.'SHA-1'", "hashes.'MD5'", "hashes.SHA1", "name", "hashes.'x-y'"]),
    st.sampled_from(["", " ", "\u00a0"]),
    st.sampled_from(["", " ", "\n"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", " "]),
)


@given(st.one_of(SINGLE, PATTERN_WORDS))
def test_the_short_way_reads_every_pattern_as_the_grammar_does(pattern: str) -> None:
    def outcome(read_pattern: Any) -> list[Comparison] | None:
        try:
            return list(read_pattern(pattern))
        except PatternNotSupported:
            return None

    assert outcome(comparisons) == outcome(parsed_comparisons)


def test_a_revoked_or_expired_indicator_is_rejected() -> None:
    pattern = "[domain-name:value = 'a.example']"

    found = rows([indicator(pattern, 1, revoked=True), indicator(pattern, 2, valid_until="2026-03-02T00:00:00Z")])

    assert [row["reject_reason"] for row in found] == ["revoked", "expired"]


def test_an_older_version_does_not_survive_the_revocation_of_its_successor() -> None:
    pattern = "[domain-name:value = 'a.example']"
    newer = indicator(pattern, modified="2026-03-01T12:00:00.5Z", revoked=True)

    assert [row["reject_reason"] for row in rows([indicator(pattern)], [newer])] == ["superseded", "revoked"]


@pytest.mark.parametrize(
    ("marking", "tlp"),
    [
        ("marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487", "clear"),
        ("marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da", "green"),
        ("marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003", "amber+strict"),
        ("marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", "red"),
    ],
)
def test_the_markings_that_standards_fix_are_known_by_id(marking: str, tlp: str) -> None:
    (row,) = rows([indicator("[domain-name:value = 'a.example']", object_marking_refs=[marking])])

    assert row["tlp"] == tlp


def test_a_marking_defined_in_another_page_counts() -> None:
    marking = {
        "type": "marking-definition",
        "id": "marking-definition--own",
        "definition_type": "tlp",
        "definition": {"tlp": "amber"},
    }
    marked = indicator("[domain-name:value = 'a.example']", object_marking_refs=["marking-definition--own"])

    (row,) = rows([marked], [marking], tlp="green")

    assert row["tlp"] == "amber"


def test_relationships_name_family_and_campaign_over_page_ends() -> None:
    context = [
        {"type": "malware", "id": "malware--1", "name": "Zed", "is_family": True},
        {"type": "threat-actor", "id": "threat-actor--1", "name": "Example Group"},
        {"type": "campaign", "id": "campaign--1", "name": "Operation Example"},
        {"type": "identity", "id": "identity--1", "name": "Someone"},
    ]
    related = [
        {"type": "relationship", "id": f"relationship--{n}", "relationship_type": "indicates"}
        | {"source_ref": "indicator--1", "target_ref": entry["id"]}
        for n, entry in enumerate(context)
    ]

    (row,) = rows([indicator("[domain-name:value = 'a.example']")], {"objects": related}, context)

    assert (row["malware_family"], row["campaign"]) == ("Zed", "Operation Example")


def test_what_is_no_stix_object_is_rejected_and_context_makes_no_rows() -> None:
    record = {"id": "indicator--1", "date_added": "2026-03-01", "version": "1", "media_type": "application/stix+json"}

    found = rows([record, "text", {"type": "identity", "id": "identity--1", "name": "x"}])

    assert [(row["line"], row["reject_reason"]) for row in found] == [
        (1, "not_a_stix_object"),
        (2, "not_a_stix_object"),
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"pattern_type": "sigma"}, "pattern_not_supported"),
        ({"pattern": None}, "no_value"),
        ({"valid_from": "2030-01-01T00:00:00Z"}, "time_in_future"),
        ({"valid_from": "x"}, "bad_time"),
        ({"confidence": 101}, "bad_number"),
    ],
)
def test_an_indicator_that_cannot_be_used_is_a_rejected_row(more: dict[str, Any], reason: str) -> None:
    (row,) = rows([indicator("[domain-name:value = 'a.example']") | more])

    assert row["reject_reason"] == reason
