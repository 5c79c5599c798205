"""The line of a stored raw file, as published: by its number in text, by its value in JSON; never a guess."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from intelsec_assets.feeds.raw_lines import MOST_CHARACTERS, RawLines
from intelsec_assets.feeds.snapshot import RawStore


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


def test_a_line_of_a_text_file_is_told_by_its_number_whatever_ends_the_lines(store: RawStore) -> None:
    sha256 = store.put(b"# a list\r\none.example\r\ntwo.example")

    found = RawLines(store).line(sha256, "list.txt", 2, "one.example")

    assert (found.text, found.note) == ("one.example", "")


def test_a_line_that_is_no_utf8_is_shown_as_latin1_as_it_was_read(store: RawStore) -> None:
    sha256 = store.put(b"plain.test\ncaf\xe9-parcel.test\n")

    assert RawLines(store).line(sha256, "hosts.txt", 2, "café-parcel.test").text == "café-parcel.test"


def test_of_a_json_document_the_innermost_object_that_holds_the_value_is_shown(store: RawStore) -> None:
    attribute = {"type": "domain", "value": "lantern-gate.example"}
    event = {"Event": {"info": "about lantern", "Attribute": [{"type": "ip-dst", "value": "203.0.113.7"}, attribute]}}
    sha256 = store.put(json.dumps(event).encode())

    assert RawLines(store).line(sha256, "event.json", 2, "lantern-gate.example").text == json.dumps(attribute)


def test_a_value_that_several_elements_hold_is_said_to_be_so(store: RawStore) -> None:
    twice = [{"pattern": "[ipv4-addr:value = '203.0.113.7']"}, {"pattern": "[ipv4-addr:value = '203.0.113.7'] OR …"}]
    sha256 = store.put(json.dumps(twice).encode())

    assert RawLines(store).line(sha256, "page.json", 2, "203.0.113.7").note.startswith("the first of 2 elements")


def test_what_is_not_there_says_why_and_how_to_have_it_again(store: RawStore) -> None:
    sha256 = store.put(b"one.example\n")
    lines = RawLines(store)

    assert lines.line("0" * 64, "list.txt", 1, "x").note.endswith("fetch the feed's day again")
    assert lines.line(sha256, "list.txt", 9, "x").note == "list.txt has 2 lines, none of number 9"
    assert lines.line(sha256, "list.txt", 9, "x").text is None


def test_a_line_as_long_as_a_file_is_cut(store: RawStore) -> None:
    sha256 = store.put(b"a" * (3 * MOST_CHARACTERS))

    found = RawLines(store).line(sha256, "list.txt", 1, "aaa").text

    assert found is not None
    assert len(found) == MOST_CHARACTERS + 1
