"""A column or key of a source that is new, gone, moved or of another kind is told by name; what varies is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Catalogue, Feed, load_catalogue
from intelsec_assets.feeds.local import read_local
from intelsec_assets.feeds.quality import source_shapes
from intelsec_assets.feeds.quality.schema_drift import Looked, changes, mapped_columns, schema_verdict
from intelsec_assets.feeds.quality.source_shapes import Shape, read_shape, shape_of
from intelsec_assets.feeds.quality.suites import SCHEMA_IS_STABLE, default_suite
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.feeds.transfer import TransferLimits
from intelsec_assets.settings import SAMPLE_DATA

DAY, BEFORE = date(2026, 3, 9), date(2026, 3, 8)


def feed(feed_format: str = "csv", **options: Any) -> Feed:
    return Feed(
        name="f", title="F", publisher="P", licence="CC0-1.0", local="f", format=feed_format, options=options, trust="B"
    )


NAMED = feed(columns={"value": "ioc", "confidence": "sure"})
PLACED = feed(header=False, columns={"value": 0})


def files(*contents: str | bytes) -> list[tuple[SnapshotFile, bytes]]:
    encoded = [content.encode() if isinstance(content, str) else content for content in contents]
    return [
        (SnapshotFile(f"{number}.txt", hashlib.sha256(content).hexdigest(), len(content)), content)
        for number, content in enumerate(encoded)
    ]


def table(header: str, row: str, number: int = 20) -> str:
    return "\n".join([header, *[row] * number]) + "\n"


def told(one: Feed, before: str | bytes, now: str | bytes) -> list[str]:
    shapes = [shape_of(one, files(content)) for content in (before, now)]
    return [change.words for change in changes(*shapes, mapped_columns(one))]


def verdict(one: Feed, before: Shape | str | None, now: Shape | str) -> tuple[str, str]:
    (expectation,) = (e for e in default_suite(one) if e.name == SCHEMA_IS_STABLE)
    found = schema_verdict(expectation, one, None if before is None else Looked(BEFORE, before), Looked(DAY, now))
    return found.outcome, found.found


@cache
def sample_catalogue() -> Catalogue:
    return load_catalogue(SAMPLE_DATA / "catalogue.yaml")


def of_the_sample(name: str, day: date) -> tuple[Feed, Shape | str]:
    one = sample_catalogue().feed(name)
    contents = read_local(one, day, SAMPLE_DATA, TransferLimits())
    return one, read_shape(one, [(SnapshotFile(n, "0" * 64, len(content)), content) for n, content in contents.items()])


def test_the_column_that_foundry_inserts_on_9_march_is_told_by_its_place():
    (one, before), (_, now) = (of_the_sample("foundry-c2", day) for day in (BEFORE, DAY))

    assert verdict(one, before, now) == (
        "failed",
        "column is_compromised is new, between confidence_level and reference, against 2026-03-08",
    )


def test_no_other_feed_of_the_sample_changes_in_fourteen_days():
    for one in sample_catalogue().enabled_feeds:
        previous: Shape | None = None
        for number in range(2, 16):
            day = date(2026, 3, number)
            if not one.is_due(day) or (one.name, day) == ("foundry-c2", DAY):
                previous = None
                continue
            _, now = of_the_sample(one.name, day)
            if isinstance(now, Shape):
                assert previous is None or verdict(one, previous, now)[0] == "passed", (one.name, day)
                previous = now


def test_a_column_that_is_gone_is_told_with_what_it_is_read_as():
    assert told(NAMED, table("ioc,sure,note", "a.example,1,x"), table("ioc,note", "a.example,x")) == [
        "column sure is gone; it stood between ioc and note; the catalogue reads it as confidence"
    ]


def test_a_renamed_column_is_one_new_and_one_gone_at_the_same_place():
    assert told(NAMED, table("ioc,sure,note", "a.example,1,x"), table("ioc,certain,note", "a.example,1,x")) == [
        "column certain is new, between ioc and note",
        "column sure is gone; it stood between ioc and note; the catalogue reads it as confidence",
    ]


def test_columns_in_another_order_are_told():
    assert told(NAMED, table("ioc,note", "a.example,x"), table("note,ioc", "x,a.example")) == [
        "the columns stand in another order: note, ioc"
    ]


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (
            "90",
            "high",
            "column sure held numbers, now 100% of its values are text; the catalogue reads it as confidence",
        ),
        ("2026-03-01 10:00:00", "1772359200", "column sure held instants, now 100% of its values are numbers; the"),
        ("true", "0.5", "column sure held true or false, now 100% of its values are numbers"),
        ("x", "7", "column sure held text, now 100% of its values are numbers"),
    ],
)
def test_values_of_another_kind_are_told(before: str, now: str, words: str):
    (found,) = told(NAMED, table("ioc,sure", f"a.example,{before}"), table("ioc,sure", f"a.example,{now}"))

    assert found.startswith(words)


def test_a_few_values_of_another_kind_or_none_at_all_are_no_change():
    before = table("ioc,sure", "a.example,90")

    assert told(NAMED, before, table("ioc,sure", "a.example,90", 16) + "b.example,high\n" * 4) == []
    assert told(NAMED, before, table("ioc,sure", "a.example,")) == []
    assert told(NAMED, before, table("ioc,sure", "a.example,high", 9)) == []  # nine values are too few to tell


def test_a_file_without_header_is_compared_by_position():
    assert told(PLACED, "a.example,1\n" * 5, "a.example,1,2026-03-09\n" * 5) == ["column 2 is new, after column 1"]
    assert told(PLACED, "a.example,1\n" * 20, "1,a.example\n" * 20) == [
        "column 0 held text, now 100% of its values are numbers; the catalogue reads it as value",
        "column 1 held numbers, now 100% of its values are text",
    ]


def test_a_plain_list_that_becomes_a_table_is_told():
    assert told(feed("plain"), "# list\na.example\n" * 20, "a.example,2026-03-09\n" * 20) == [
        "column 1 is new, after column 0"
    ]


def test_commas_in_a_few_addresses_make_no_column():
    assert (
        told(feed("plain"), "https://a.example/\n" * 20, "https://a.example/\n" * 15 + "https://a.example/?x=1,2\n" * 5)
        == []
    )


def stix(number: int = 12, **more: Any) -> bytes:
    common = {"type": "indicator", "pattern": "[ipv4-addr:value = '192.0.2.1']", "valid_from": "2026-03-01T00:00:00Z"}
    return json.dumps({"objects": [{**common, "id": f"indicator--{n}", **more} for n in range(number)]}).encode()


def test_a_key_that_most_objects_have_is_told_and_an_option_is_not():
    mixed = json.loads(stix(12))
    mixed["objects"][0]["revoked"] = True

    assert told(feed("stix"), stix(), stix(confidence=80)) == ["indicator's key confidence is new, in 12 of 12"]
    assert told(feed("stix"), stix(confidence=80), stix()) == ["indicator's key confidence is gone; 12 of 12 had it"]
    assert told(feed("stix"), stix(), json.dumps(mixed).encode()) == []
    assert told(feed("stix"), stix(3), stix(3, confidence=80)) == []  # three objects are too few to tell


def test_a_number_that_becomes_text_is_told_in_json():
    assert told(feed("taxii"), stix(confidence=80), stix(confidence="80")) == [
        "indicator's key confidence held numbers, now 100% of its values are numbers as text"
    ]


def misp(attribute: dict[str, Any], number: int = 12, container: bool = False) -> bytes:
    listed = [{"type": "domain", "value": "a.example", "to_ids": True, **attribute} for _ in range(number)]
    inside = {"Object": [{"name": "file", "Attribute": listed}]} if container else {"Attribute": listed}
    return json.dumps({"Event": {"info": "i", "uuid": "u", **inside}}).encode()


@pytest.mark.parametrize("container", [False, True])
def test_attributes_of_events_are_looked_at_wherever_they_are(container: bool):
    before, now = misp({}, container=container), misp({"first_seen": "2026-03-01"}, container=container)

    assert told(feed("misp_event"), before, now) == ["Attribute's key first_seen is new, in 12 of 12"]


def test_an_object_type_that_was_not_told_of_before_is_no_change_of_schema():
    both = json.loads(stix(12))
    both["objects"] += [{"type": "malware", "id": f"malware--{n}", "name": "x"} for n in range(12)]

    assert told(feed("stix"), stix(), json.dumps(both).encode()) == []


def test_without_a_day_before_or_without_a_record_there_is_no_verdict():
    shape = shape_of(NAMED, files(table("ioc,sure", "a.example,1")))

    assert verdict(NAMED, None, shape)[0] == "no_verdict"
    assert verdict(NAMED, shape, read_shape(NAMED, files("")))[1] == "no verdict: the source holds no record"
    page = read_shape(NAMED, files("<!DOCTYPE html><title>502</title>"))
    assert "HTML page titled '502'" in verdict(NAMED, shape, page)[1]
    assert verdict(NAMED, shape, shape) == ("passed", "the 2 columns of 2026-03-08")


def test_only_the_head_of_a_large_file_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source_shapes, "MOST_RECORDS", 10)
    (group,) = shape_of(NAMED, files(table("ioc,sure", "a.example,1", 1000))).groups.values()

    assert group.records == 10


words = st.text(st.characters(codec="utf-8", exclude_characters='",\n\r\0#', exclude_categories=["C", "Z"]), min_size=1)
headers = st.lists(words, min_size=2, max_size=6, unique=True)


@given(headers)
def test_a_source_never_differs_from_itself(names: Sequence[str]):
    one = feed(header=True, columns={"value": names[0]})
    shape = shape_of(one, files(table(",".join(names), ",".join("x" for _ in names))))

    assert changes(shape, shape, {}) == ()


@given(headers, st.data())
def test_the_column_that_is_taken_out_is_the_one_that_is_told(names: list[str], data: st.DataObject):
    gone = data.draw(st.integers(1, len(names) - 1))
    kept = [name for position, name in enumerate(names) if position != gone]
    one = feed(header=True, columns={"value": names[0]})
    old, new = (shape_of(one, files(table(",".join(n), ",".join("x" for _ in n)))) for n in (names, kept))

    assert [(change.what, change.field) for change in changes(old, new, {})] == [("gone", names[gone])]
    assert [(change.what, change.field) for change in changes(new, old, {})] == [("new", names[gone])]
