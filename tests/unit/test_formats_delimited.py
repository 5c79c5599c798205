"""CSV and TSV as feeds write them: headers of all kinds, quoting, null words, claims in columns, broken records.

Broken files of all formats are in test_bad_input_formats.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import ParsedFeed, parse
from intelsec_assets.feeds.formats.decoding import Lines
from intelsec_assets.feeds.formats.records import Dialect, read_records
from intelsec_assets.feeds.snapshot import SnapshotFile

DAY = date(2026, 3, 2)

# as abuse.ch writes it: banner, header commented and quoted, a space after each comma, the word None, a trailing count
THREATFOX = """################################################################
# ThreatFox IOCs: recent additions - CSV format                #
################################################################
#
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","malware","last_seen_utc","confidence_level","tags"
"2026-03-01 10:00:00", "1", "198.51.100.7:4444", "ip:port", "botnet_cc", "Zed", "None", "75", "c2,Zed"
"2026-03-01 11:00:00", "2", "evil.example", "domain", "payload_delivery", "None", "2026-03-01 12:00:00", "100", "None"
# Number of entries: 2
"""
THREATFOX_OPTIONS = {
    "header": "commented",
    "skip_initial_space": True,
    "null": ["", "None"],
    "tags_separator": ",",
    "confidence_scale": 100,
    "columns": {
        "value": "ioc_value",
        "type": "ioc_type",
        "threat_type": "threat_type",
        "malware_family": "malware",
        "first_seen": "first_seen_utc",
        "last_seen": "last_seen_utc",
        "confidence": "confidence_level",
        "tags": "tags",
    },
}


def feed(options: dict[str, Any], wire_format: str = "csv", **entry: Any) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", format=wire_format, options=options, **entry)


def read(source: Feed, text: str) -> ParsedFeed:
    data = text.encode()
    return parse(source, [(SnapshotFile("a.csv", "s", len(data)), data)], DAY)


def rows(source: Feed, text: str) -> list[dict[str, Any]]:
    parsed = read(source, text)
    assert parsed.error is None
    return sorted(parsed.rows.to_pylist(), key=lambda row: row["line"])


def test_a_commented_and_quoted_header_names_the_columns() -> None:
    first, second = rows(feed(THREATFOX_OPTIONS), THREATFOX)

    assert (first["line"], first["raw_value"], first["indicator_type"]) == (6, "198.51.100.7:4444", None)
    assert (first["malware_family"], first["threat_type"], first["confidence"]) == ("Zed", "botnet_cc", 0.75)
    assert (first["tags"], first["last_seen"]) == (["c2", "zed"], None)
    assert first["first_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert (second["indicator_type"], second["malware_family"], second["tags"]) == ("domain", None, [])
    assert second["last_seen"] == datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_column_added_in_the_middle_changes_nothing() -> None:
    widened = THREATFOX.replace('"confidence_level",', '"confidence_level","is_compromised",')
    widened = widened.replace(' "75",', ' "75", "False",').replace(' "100",', ' "100", "True",')

    assert rows(feed(THREATFOX_OPTIONS), widened) == rows(feed(THREATFOX_OPTIONS), THREATFOX)


def test_a_renamed_column_is_an_error_that_names_it_and_what_is_there() -> None:
    parsed = read(feed(THREATFOX_OPTIONS), THREATFOX.replace('"ioc_value"', '"indicator"'))

    assert parsed.rows.num_rows == 0
    assert "'ioc_value'" in (parsed.error or "")
    assert "'indicator'" in (parsed.error or "")
    assert "line 5" in (parsed.error or "")


def test_a_header_in_the_first_line_is_no_row() -> None:
    options = {"header": True, "columns": {"value": "dst_ip", "malware_family": "malware"}}
    text = '# banner\r\n"first_seen_utc","dst_ip","malware"\r\n"2026-03-01","192.0.2.9","Zed"\r\n# END\r\n'

    assert [(row["line"], row["raw_value"], row["malware_family"]) for row in rows(feed(options), text)] == [
        (3, "192.0.2.9", "Zed")
    ]


def test_columns_by_name_need_no_word_that_there_is_a_header() -> None:
    assert [row["raw_value"] for row in rows(feed({"columns": {"value": "ip"}}), "seen,ip\nx,192.0.2.9\n")] == [
        "192.0.2.9"
    ]


def test_a_header_without_rows_is_an_empty_list() -> None:
    assert rows(feed({"header": True, "columns": {"value": "ip"}}), "ip,seen\n# END 0 entries\n") == []


def test_without_header_columns_count_from_zero() -> None:
    options = {"columns": {"first_seen": 0, "type": 1, "value": 2, "tags": 3}, "type_map": {"ip": "ipv4"}}
    text = "2026-03-02 02:16:00,ip,198.51.100.7,#C2 #Zed\n2026-03-02 02:17:00,sha256_hash,ab,\n"

    first, second = rows(feed(options), text)

    assert (first["indicator_type"], first["tags"]) == ("ipv4", ["c2", "zed"])
    assert (second["indicator_type"], second["tags"]) == ("sha256", [])


def test_an_aggregators_count_is_its_number_of_listings() -> None:
    options = {"columns": {"value": 0, "listings": 1}}
    text = "# IP\tnumber of (black)lists\n192.0.2.1\t10\n192.0.2.2\tmany\n"

    good, bad = rows(feed(options, "tsv"), text)

    assert (good["raw_value"], good["listings"]) == ("192.0.2.1", 10)
    assert (bad["raw_value"], bad["reject_reason"]) == ("192.0.2.2", "bad_number")


def test_a_field_with_line_breaks_keeps_the_line_numbers_right() -> None:
    text = 'a.example,"one\n\n# two\nthree"\nb.example,x\n'

    found = rows(feed({"columns": {"value": 0, "campaign": 1}}), text)

    assert [(row["line"], row["raw_value"], row["campaign"]) for row in found] == [
        (1, "a.example", "one\n\n# two\nthree"),
        (5, "b.example", "x"),
    ]


def test_a_file_cut_in_a_quoted_field_loses_only_that_row() -> None:
    text = 'a.example,"one"\nb.example,"tw'

    good, cut = rows(feed({"columns": {"value": 0}}), text)

    assert good["raw_value"] == "a.example"
    assert (cut["line"], cut["raw_value"], cut["reject_reason"]) == (2, 'b.example,"tw', "unterminated_quote")
    assert "truncated" in cut["reject_detail"]


def test_a_stray_quote_does_not_swallow_the_rows_after_it() -> None:
    lines = [
        'a.example,"one"',
        'b.example,"two',
        "c.example,three",
        "d.example,four",
        'e.example,"five"',
        "f.example,six",
    ]

    found = rows(feed({"columns": {"value": 0, "campaign": 1}}), "\n".join(lines))

    assert [row["line"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert [row["line"] for row in found if row["reject_reason"]] == [2]


def test_a_ragged_row_is_rejected_with_what_was_found_and_expected() -> None:
    _, ragged, _ = rows(feed({"columns": {"value": 0}}), "a.example,x\nb.example,y,z\nc.example,\n")

    assert (ragged["raw_value"], ragged["reject_reason"]) == ("b.example,y,z", "ragged_row")
    assert ragged["reject_detail"] == "3 fields; expected 2"


def test_rows_too_narrow_for_the_mapped_columns_are_an_error() -> None:
    parsed = read(feed({"columns": {"value": 3}}), "rate limit exceeded\n")

    assert "rows of 1 fields; expected at least 4" in (parsed.error or "")


def test_a_row_without_a_value_is_rejected_whole() -> None:
    (row,) = rows(feed({"columns": {"value": 1}, "null": ["n/a"]}), "2026-03-01,n/a,x\n")

    assert (row["reject_reason"], row["raw_value"]) == ("no_value", "2026-03-01,n/a,x")


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        ("2026-03-02T23:59:59Z", None),
        ("2026-03-03T01:30:00+02:00", None),
        ("2026-03-02 10:00:00 UTC", None),
        ("yesterday", "bad_time"),
        ("0000-00-00 00:00:00", "bad_time"),
        ("1969-12-31 23:59:59", "time_before_1970"),
        ("0001-01-01T00:00:00+14:00", "bad_time"),
        ("2026-03-05 00:00:00", "time_in_future"),
        ("9999-12-31 23:59:59", "time_in_future"),
    ],
)
def test_times_that_cannot_be_are_quarantined_with_their_row(time: str, reason: str | None) -> None:
    (row,) = rows(feed({"columns": {"value": 0, "last_seen": 1}}), f"a.example,{time}\n")

    assert row["reject_reason"] == reason
    assert row["raw_value"] == "a.example"
    assert (row["last_seen"] is None) == (reason is not None)


@pytest.mark.parametrize(
    ("time_format", "text"), [("epoch", "1772359200"), ("%d.%m.%Y %H:%M", "01.03.2026 10:00"), (None, "2026-03-01T10")]
)
def test_a_time_is_read_in_the_format_the_feed_declares(time_format: str | None, text: str) -> None:
    options = {"columns": {"value": 0, "first_seen": 1}, "time_format": time_format}

    assert rows(feed(options), f"a.example,{text}\n")[0]["first_seen"] == datetime(2026, 3, 1, 10, tzinfo=UTC)


def test_a_type_nobody_knows_is_rejected_by_name() -> None:
    (row,) = rows(feed({"columns": {"value": 0, "type": 1}}), "x,JA3\n")

    assert row["reject_reason"] == "unsupported_type:ja3"


def test_a_tlp_label_makes_the_row_stricter_never_looser() -> None:
    options = {"columns": {"value": 0, "tags": 1}}
    text = "a.example,tlp:red c2\nb.example,tlp:white\nc.example,tlp:purple\n"

    found = rows(feed(options, tlp="green"), text)

    assert [(row["tlp"], row["tags"]) for row in found] == [("red", ["c2"]), ("green", []), ("red", [])]


FIELD = st.text(st.characters(exclude_characters='\r\n\0",', exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(FIELD, min_size=1, max_size=4), max_size=12), st.sampled_from([None, 2]))
def test_cutting_whole_columns_equals_the_csv_module_where_no_quote_occurs(
    table: list[list[str]], width: int | None
) -> None:
    texts = [",".join(fields) for fields in table]
    lines = Lines(pa.array(range(1, len(texts) + 1), pa.int64()), pa.array(texts, pa.string()))
    dialect = Dialect(delimiter=",", comment="#", skip_initial_space=False)

    fast, slow = (read_records(lines, dialect, width, quoted=quoted) for quoted in (False, True))

    assert fast.numbers.to_pylist() == slow.numbers.to_pylist()
    assert fast.fields.to_pylist() == slow.fields.to_pylist()
    assert fast.refused == slow.refused


@given(st.text(st.sampled_from('ab,"\n# '), max_size=60))
def test_no_line_of_a_broken_file_is_lost(text: str) -> None:
    """Each data line is the first line of a row or rejection, or lies inside a record that spans it."""
    lines = text.split("\n")
    table = Lines(pa.array(range(1, len(lines) + 1), pa.int64()), pa.array(lines, pa.string()))
    dialect = Dialect(delimiter=",", comment="#", skip_initial_space=False)

    records = read_records(table, dialect, 2, quoted=True)

    covered: set[int] = {line.number for line in records.refused}
    for number, fields in zip(records.numbers.to_pylist(), records.fields.to_pylist(), strict=True):
        spanned = sum(field.count("\n") for field in fields)
        own = set(range(number, number + spanned + 1))
        assert not own & covered
        covered |= own
    assert {number for number, line in enumerate(lines, start=1) if dialect.is_data(line)} <= covered
