"""MISP events and feeds: attributes alone, composite and in objects, and what tags, galaxies and the manifest say.

Broken files of all formats are in test_bad_input_formats.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import ParsedFeed, parse
from intelsec_assets.feeds.snapshot import SnapshotFile

DAY = date(2026, 3, 2)


def feed(wire_format: str = "misp_event", *, tlp: str = "clear", **options: Any) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", format=wire_format, options=options, tlp=tlp)


def attribute(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"uuid": "u-1", "type": kind, "value": value, "to_ids": True, "timestamp": "1772359200"} | more


def event(*attributes: Any, **more: Any) -> dict[str, Any]:
    return {
        "Event": {"uuid": "e-1", "info": "Operation Example", "date": "2026-03-01", "Attribute": list(attributes)}
        | more
    }


def read(source: Feed, **documents: Any) -> ParsedFeed:
    files = []
    for name, document in documents.items():
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        files.append((SnapshotFile(name.replace("_", "-") + ".json", "s", len(data)), data))
    return parse(source, files, DAY)


def rows(source: Feed, **documents: Any) -> list[dict[str, Any]]:
    parsed = read(source, **documents)
    assert parsed.error is None
    return parsed.rows.to_pylist()


def test_an_attribute_is_a_row_with_what_its_event_says() -> None:
    tags = [{"name": "tlp:green"}, {"name": "Phishing"}]

    (row,) = rows(feed(), e=event(attribute("hostname", "Evil.Example", Tag=[{"name": "C2"}]), Tag=tags))

    assert (row["line"], row["raw_value"], row["indicator_type"]) == (1, "Evil.Example", "domain")
    assert (row["campaign"], row["tlp"], row["tags"]) == ("Operation Example", "green", ["c2", "phishing"])
    assert row["first_seen"] == row["last_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("ip-dst", "198.51.100.7", [("ipv4", "198.51.100.7")]),
        ("ip-src", "2001:db8::1", [("ipv6", "2001:db8::1")]),
        ("ip-dst", "198.51.100.0/24", [("cidr", "198.51.100.0/24")]),
        ("ip-dst|port", "198.51.100.7|443", [("ipv4", "198.51.100.7")]),
        ("ip-dst|port", "2001:db8::1|443", [("ipv6", "2001:db8::1")]),
        ("hostname|port", "c2.example|8080", [("domain", "c2.example")]),
        ("domain|ip", "c2.example|198.51.100.7", [("domain", "c2.example"), ("ipv4", "198.51.100.7")]),
        ("filename|sha256", "a|b.exe|" + "ab" * 32, [("sha256", "ab" * 32)]),
        ("malware-sample", "x.exe|" + "ab" * 16, [("md5", "ab" * 16)]),
        ("email-src", "a@evil.example", [("email", "a@evil.example")]),
    ],
)
def test_a_composite_value_makes_a_row_for_each_part_that_is_an_indicator(
    kind: str, value: str, expected: list[tuple[str, str]]
) -> None:
    found = rows(feed(), e=event(attribute(kind, value), attribute("url", "http://x.example/")))

    assert [(row["indicator_type"], row["raw_value"]) for row in found[:-1]] == expected
    assert [row["line"] for row in found] == list(range(1, len(expected) + 2))


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (attribute("regkey|value", "HKLM|x"), "unsupported_type:regkey|value"),
        (attribute("domain", "a.example", to_ids=False), "not_for_detection"),
        (attribute("domain", "a.example", deleted=True), "deleted"),
        (attribute("domain", "a.example", deleted="1"), "deleted"),
        (attribute("domain", ""), "no_value"),
        (attribute("domain|ip", "a.example"), "bad_composite"),
        (attribute("domain", "a.example", timestamp="99999999999"), "time_in_future"),
        (attribute("domain", "a.example", last_seen="soon"), "bad_time"),
        ("a.example", "not_an_attribute"),
        ({"uuid": "u"}, "no_value"),
    ],
)
def test_an_attribute_that_cannot_be_used_is_a_rejected_row(broken: Any, reason: str) -> None:
    found = rows(feed(), e=event(broken, attribute("domain", "good.example")))

    assert [row["reject_reason"] for row in found] == [reason, None]
    assert found[0]["reject_detail"]


def test_attributes_not_for_detection_are_taken_where_the_feed_says_so() -> None:
    document = event(attribute("sha1", "ab" * 20, to_ids=False))

    assert rows(feed(to_ids_only=False), e=document)[0]["reject_reason"] is None


def test_attributes_of_objects_follow_those_of_the_event_and_a_deleted_object_takes_its_own_along() -> None:
    objects = [
        {"name": "file", "Attribute": [attribute("md5", "ab" * 16), attribute("text", "x", to_ids=False)]},
        {"name": "file", "deleted": True, "Attribute": [attribute("sha1", "ab" * 20)]},
    ]

    found = rows(feed(), e=event(attribute("domain", "a.example"), Object=objects))

    assert [(row["line"], row["indicator_type"], row["reject_reason"]) for row in found] == [
        (1, "domain", None),
        (2, "md5", None),
        (3, None, "unsupported_type:text"),
        (4, None, "deleted"),
    ]


def test_galaxies_name_family_and_threat_and_the_actor_only_where_no_campaign_is_named() -> None:
    tags = [
        {"name": 'misp-galaxy:ransomware="Zed Locker"'},
        {"name": 'misp-galaxy:threat-actor="Example Group"'},
        {"name": 'misp-galaxy:mitre-attack-pattern="PowerShell - T1086"'},
    ]

    (named,) = rows(feed(), e=event(attribute("domain", "a.example"), Tag=tags))
    (dated,) = rows(feed(), e=event(attribute("domain", "a.example"), Tag=tags, info="IOCs of 2026-03-01"))

    assert (named["malware_family"], named["threat_type"], named["campaign"]) == (
        "Zed Locker",
        "ransomware",
        "Operation Example",
    )
    assert dated["campaign"] == "Example Group"


def test_the_attributes_own_family_comes_before_the_events() -> None:
    own = [{"name": 'misp-galaxy:mitre-malware="Zed - S0367"'}]

    (row,) = rows(feed(), e=event(attribute("md5", "ab" * 16, Tag=own), Tag=[{"name": 'misp-galaxy:tool="Other"'}]))

    assert row["malware_family"] == "Zed"


def test_the_strictest_marking_of_feed_event_and_attribute_counts() -> None:
    marked = attribute("domain", "a.example", Tag=[{"name": "tlp:green"}])

    (of_event,) = rows(feed(), e=event(marked, Tag=[{"name": "TLP:AMBER+STRICT"}]))
    (of_feed,) = rows(feed(tlp="red"), e=event(marked))

    assert (of_event["tlp"], of_feed["tlp"]) == ("amber+strict", "red")


def test_sightings_told_by_an_attribute_win_over_its_last_edit() -> None:
    told = attribute(
        "domain", "a.example", timestamp=1772359200, first_seen="2026-02-01T00:00:00.000000+00:00", last_seen=None
    )

    (row,) = rows(feed(), e=event(told))

    assert row["first_seen"] == datetime(2026, 2, 1, tzinfo=UTC)
    assert row["last_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_timestamp_of_zero_is_no_claim() -> None:
    (row,) = rows(feed(), e=event(attribute("domain", "a.example", timestamp="0")))

    assert (row["first_seen"], row["last_seen"], row["reject_reason"]) == (None, None, None)


@pytest.mark.parametrize(
    "wrap", [lambda e: e["Event"], lambda e: [e], lambda e: {"response": [e]}, lambda e: {"response": e}]
)
def test_an_event_is_found_in_every_wrapping_that_misp_writes(wrap: Any) -> None:
    assert rows(feed(), e=wrap(event(attribute("domain", "a.example"))))[0]["raw_value"] == "a.example"


MANIFEST = {
    "e1": {"info": "one", "date": "2026-03-01", "timestamp": "1772359200", "Orgc": {"name": "x"}},
    "e2": {"info": "two", "date": "2026-03-02", "timestamp": 1772445600, "Orgc": {"name": "x"}},
}


def test_a_misp_feed_is_what_its_manifest_lists() -> None:
    events = {name: event(attribute("domain", f"{name}.example")) for name in ("e1", "e2", "e3")}

    parsed = read(feed("misp_feed"), manifest=MANIFEST, **events)

    assert parsed.rows.column("raw_value").to_pylist() == ["e1.example", "e2.example"]
    assert "e3.json" in parsed.notes[0]


def test_a_feed_by_days_takes_only_the_events_of_the_day() -> None:
    events = {name: event(attribute("domain", f"{name}.example")) for name in ("e1", "e2")}

    assert [row["raw_value"] for row in rows(feed("misp_feed", events="day"), manifest=MANIFEST, **events)] == [
        "e2.example"
    ]


def test_a_listed_event_that_is_missing_is_a_rejected_row_that_names_it() -> None:
    found = rows(feed("misp_feed"), manifest=MANIFEST, e1=event(attribute("domain", "a.example")))

    assert [(row["file"], row["line"], row["raw_value"], row["reject_reason"]) for row in found] == [
        ("e1.json", 1, "a.example", None),
        ("manifest.json", 2, "e2", "missing_event"),
    ]
    assert "e2.json" in found[1]["reject_detail"]


def test_a_folder_without_a_manifest_is_an_error() -> None:
    assert "manifest" in (read(feed("misp_feed"), e1=event()).error or "")


def test_a_key_named_twice_rejects_the_attribute_and_refuses_the_event() -> None:
    attribute_twice = b'{"type": "domain", "value": "a.example", "value": "b.example", "to_ids": true}'
    twice = b'{"Event": {"info": "x", "Attribute": [' + attribute_twice + b"]}}"
    whole = b'{"Event": {"info": "x", "Attribute": [], "Attribute": []}}'

    (row,) = rows(feed(), e=twice)

    assert (row["reject_reason"], "'value'" in row["reject_detail"]) == ("duplicate_key", True)
    assert "'Attribute' twice" in (read(feed(), e=whole).error or "")
