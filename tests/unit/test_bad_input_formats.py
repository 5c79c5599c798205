"""Bad input of every kind through every format: an error that says what is wrong, or a quarantined row; nothing lost.

What good input means is in the tests of the single formats.
"""

from __future__ import annotations

import gzip
import json
import time
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import FORMATS, ParsedFeed, parse
from intelsec_assets.feeds.formats.decoding import HEAD_CHARACTERS, MAX_LINE_BYTES
from intelsec_assets.feeds.snapshot import SnapshotFile

DAY = date(2026, 3, 2)
TEXT_FORMATS = ("plain", "hosts", "csv", "tsv", "families")
JSON_FORMATS = ("misp_feed", "misp_event", "taxii", "stix")
ALL_FORMATS = (*TEXT_FORMATS, *JSON_FORMATS)


def read(wire_format: str, content: bytes, **options: Any) -> ParsedFeed:
    if wire_format in ("csv", "tsv"):
        options.setdefault("columns", {"value": 0})
    source = Feed(name="f", title="F", publisher="P", licence="CC0-1.0", format=wire_format, options=options)
    name = "manifest.json" if wire_format == "misp_feed" else "a.txt"
    return parse(source, [(SnapshotFile(name, "s", len(content)), content)], DAY)


def values(parsed: ParsedFeed) -> list[str]:
    assert parsed.error is None
    usable = parsed.rows.filter(pc.is_null(parsed.rows.column("reject_reason")))
    return usable.column("raw_value").to_pylist()


def rejected(parsed: ParsedFeed) -> list[tuple[int, str]]:
    assert parsed.error is None
    refused = parsed.rows.filter(pc.is_valid(parsed.rows.column("reject_reason")))
    return list(zip(refused.column("line").to_pylist(), refused.column("reject_reason").to_pylist(), strict=True))


def test_every_format_of_the_catalogue_is_tried_here() -> None:
    assert set(ALL_FORMATS) == set(FORMATS)


@pytest.mark.parametrize("wire_format", ALL_FORMATS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b"<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head></html>",
            "HTML page titled 'Just a moment...'",
        ),
        (b"\xef\xbb\xbf \n<HTML><body>503</body></HTML>", "HTML page"),
        ("<html><title>x</title></html>".encode("utf-16"), "HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "AccessDenied"),
        # a fixed time: every worker must give this case the same name
        (gzip.compress(b"198.51.100.7\n", mtime=0), "gzip archive"),
        (b"PK\x03\x04rest", "zip archive"),
        (bytes(range(256)) * 8, "binary content"),
        (bytes(4096), "binary content"),
    ],
)
def test_content_that_is_something_else_is_an_error_that_says_what(wire_format: str, content: bytes, says: str) -> None:
    parsed = read(wire_format, content)

    assert says in (parsed.error or "")
    assert "instead of" in (parsed.error or "")
    assert parsed.rows.num_rows == 0


@pytest.mark.parametrize("wire_format", TEXT_FORMATS)
@pytest.mark.parametrize(
    "body", ['{"error": "rate limit exceeded"}', '\n[{"message": "no"}]\n', "[" * 10_000 + "]" * 10_000]
)
def test_a_json_answer_in_place_of_a_list_is_an_error(wire_format: str, body: str) -> None:
    assert "JSON document instead of" in (read(wire_format, body.encode()).error or "")


def test_a_bracketed_address_is_no_json() -> None:
    assert values(read("plain", b"[2001:db8::1]\n")) == ["[2001:db8::1]"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_every_unicode_encoding_gives_the_same_rows(encoding: str) -> None:
    text = "# list\r\nphishing.example\r\nb\u00fccher.example\r\n"

    assert values(read("plain", text.encode(encoding))) == ["phishing.example", "b\u00fccher.example"]


def test_a_byte_order_mark_does_not_stick_to_the_header() -> None:
    parsed = read("csv", "\ufeffvalue,x\na.example,1\n".encode(), header=True, columns={"value": "value"})

    assert values(parsed) == ["a.example"]


def test_lines_in_latin_1_are_kept_and_noted_and_leave_the_others_alone() -> None:
    parsed = read("plain", "ok-\u00fc.example\n".encode() + "b\u00fccher.example\n".encode("latin-1") + b"c.example\n")

    assert values(parsed) == ["ok-\u00fc.example", "b\u00fccher.example", "c.example"]
    assert parsed.notes == ("a.txt: line 2 is not UTF-8 and was read as latin-1",)


def test_a_utf_16_file_cut_in_a_character_keeps_its_whole_lines() -> None:
    assert values(read("plain", "a.example\nb.example\nc.e".encode("utf-16")[:-1]))[:2] == ["a.example", "b.example"]


@pytest.mark.parametrize("wire_format", ["plain", "csv", "families"])
def test_a_nul_byte_costs_its_line_and_no_other(wire_format: str) -> None:
    parsed = read(wire_format, b"a.example\nev\0il.example\n# c\0mment\nb.example\n")

    assert values(parsed) == ["a.example", "b.example"]
    assert rejected(parsed) == [(2, "nul_byte")]
    assert "ev\u2400il.example" in parsed.rows.column("raw_value").to_pylist()


@pytest.mark.parametrize("wire_format", ["plain", "csv", "families"])
def test_a_line_of_fifty_megabytes_is_one_rejected_row_with_its_head(wire_format: str) -> None:
    content = b"a.example\n" + b"x" * (50 << 20) + b"\nb.example\n"
    before, started = pa.total_allocated_bytes(), time.perf_counter()

    parsed = read(wire_format, content)

    assert values(parsed) == ["a.example", "b.example"]
    assert rejected(parsed) == [(2, "line_too_long")]
    assert max(len(value) for value in parsed.rows.column("raw_value").to_pylist()) == HEAD_CHARACTERS
    assert pa.total_allocated_bytes() - before < MAX_LINE_BYTES  # the line itself is let go
    assert time.perf_counter() - started < 30


def test_a_quoted_field_that_never_closes_does_not_eat_a_big_file() -> None:
    content = b'a.example,"open\n' + b"b.example,1\n" * 200_000

    parsed = read("csv", content)

    assert len(values(parsed)) == 200_000
    assert rejected(parsed) == [(1, "unterminated_quote")]


@pytest.mark.parametrize("wire_format", JSON_FORMATS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"objects": [{"type": "indicator", "id": "x"', "truncated"),
        (b'{"objects": [{"type": "indi', "truncated"),
        (b'{"objects": oops}', "line 1 column 13"),
        (b'{"objects": [NaN]}', "NaN at character 13"),
        (b"[" * 10_000 + b"]" * 10_000, "nested too deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep"),
        (b"9" * 5_000, "digits"),
        (b'"just a text"', "expected"),
        (b'{"message": "rate limit exceeded"}', "rate limit exceeded"),
        (b"198.51.100.7\n198.51.100.8\n", "not JSON"),
        (b"   \n", "not JSON"),
    ],
)
def test_json_that_cannot_be_read_is_an_error_with_its_place(wire_format: str, content: bytes, says: str) -> None:
    parsed = read(wire_format, content)

    assert says in (parsed.error or "")
    assert parsed.rows.num_rows == 0


def test_a_deep_attribute_is_shown_without_its_depth() -> None:
    attribute: Any = {"type": "domain"}
    for _ in range(400):
        attribute = {"type": "domain", "value": attribute}
    parsed = read("misp_event", json.dumps({"Event": {"info": "x", "Attribute": [attribute]}}).encode())

    assert parsed.rows.num_rows == 1


def test_lone_surrogates_and_nul_escapes_in_json_are_rows_that_any_database_holds() -> None:
    attributes = [{"type": "domain", "value": value, "to_ids": True} for value in ("a\ud800.example", "b\0.example")]
    event = {"Event": {"info": "x\0\udfff", "Attribute": attributes}}

    parsed = read("misp_event", json.dumps(event).encode())

    assert parsed.rows.column("raw_value").to_pylist() == ["a\ufffd.example", "b\u2400.example"]
    assert rejected(parsed) == [(2, "nul_byte")]
    assert parsed.rows.column("campaign").to_pylist() == ["x\u2400\ufffd"] * 2


@pytest.mark.parametrize("wire_format", ALL_FORMATS)
@given(data=st.data())
def test_no_bytes_make_any_format_raise_or_lose_its_schema(wire_format: str, data: st.DataObject) -> None:
    pieces = st.sampled_from(
        [
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"\x00",
            b'"',
            b"'",
            b",",
            b"\n",
            b"\r",
            b"#",
            b"127.0.0.1 ",
            b"a.example",
            b"\xfc",
            b"<html",
            b'{"Event":',
            b'{"info":1,"Attribute":',
            b'{"type":"indicator","pattern":',
            b"[",
            b"]",
            b"{",
            b"}",
            b":",
            b"null",
            b'"objects"',
            b'"value"',
            b'"x"',
            b"1e999",
            b"-0",
            b"\x1f\x8b",
        ]
    )
    content = data.draw(st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=25).map(b"".join)))

    parsed = read(wire_format, content)

    parsed.rows.validate(full=True)
    assert parsed.error is None or parsed.rows.num_rows == 0


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Event",
                    "response",
                    "Attribute",
                    "Object",
                    "Tag",
                    "name",
                    "info",
                    "uuid",
                    "type",
                    "value",
                    "to_ids",
                    "timestamp",
                    "objects",
                    "id",
                    "pattern",
                    "labels",
                    "modified",
                    "valid_from",
                    "object_marking_refs",
                    "definition",
                    "date",
                ]
            ),
            inner
            | st.sampled_from(
                ["indicator", "domain", "domain|ip", "relationship", "marking-definition", "bundle", True]
            ),
            max_size=5,
        )
    ),
    max_leaves=25,
)


@pytest.mark.parametrize("wire_format", JSON_FORMATS)
@given(value=JSON_VALUES)
def test_no_json_makes_any_format_raise(wire_format: str, value: Any) -> None:
    parsed = read(wire_format, json.dumps(value).encode())

    parsed.rows.validate(full=True)
    assert parsed.error is None or parsed.rows.num_rows == 0
