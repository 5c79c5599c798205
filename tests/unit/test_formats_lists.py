"""Plain lists, hosts files, family folders: what is a row, where it stands, what is left of comments.

Broken input of all formats is in test_bad_input_formats.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import FEED_ROWS_SCHEMA, ParsedFeed, parse
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.tables import FEED_ROWS

DAY = date(2026, 3, 2)


def feed(wire_format: str = "plain", **entry: Any) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", format=wire_format, **entry)


def read(source: Feed, **files: str | bytes) -> ParsedFeed:
    """Parse files given as `name=content`; `__` in a name stands for a folder, `.txt` is added."""
    contents = []
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        contents.append((SnapshotFile(name.replace("__", "/") + ".txt", f"sha-{name}", len(data)), data))
    return parse(source, contents, DAY)


def column(parsed: ParsedFeed, name: str) -> list[Any]:
    return parsed.rows.column(name).to_pylist()


def test_a_plain_list_has_a_row_a_line_with_its_line_number() -> None:
    parsed = read(feed(), a="# banner\n\n198.51.100.7\n  evil.example  \n#198.51.100.9\nhttp://x.example/#frag\n")

    assert column(parsed, "raw_value") == ["198.51.100.7", "evil.example", "http://x.example/#frag"]
    assert column(parsed, "line") == [3, 4, 6]
    assert column(parsed, "snapshot_sha256") == ["sha-a"] * 3


def test_rows_carry_the_feeds_own_defaults() -> None:
    source = feed(campaign="Op", threat_type="c2", malware_family="Zed", tlp="amber")

    row = read(source, a="198.51.100.7\n").rows.to_pylist()[0]

    assert (row["campaign"], row["threat_type"], row["malware_family"], row["tlp"]) == ("Op", "c2", "Zed", "amber")
    assert (row["tags"], row["listings"], row["reject_reason"]) == ([], 1, None)


def test_a_comment_within_a_line_is_cut_only_where_the_feed_says_so() -> None:
    text = "192.0.2.0/24 # scanners\nhttp://x.example/#frag\n1.4.0.0/17\t#x # y\n"

    assert column(read(feed(), a=text), "raw_value")[0] == "192.0.2.0/24 # scanners"
    cut = read(feed(options={"inline_comment": True}), a=text)
    assert column(cut, "raw_value") == ["192.0.2.0/24", "http://x.example/#frag", "1.4.0.0/17"]


def test_the_comment_sign_is_the_feeds_choice() -> None:
    text = "; list of 3\n1.4.0.0/17 ; SBL256893\n#not-a-comment\n"

    parsed = read(feed(options={"comment": ";", "inline_comment": True}), a=text)

    assert column(parsed, "raw_value") == ["1.4.0.0/17", "#not-a-comment"]


def test_line_ends_of_every_system_give_the_same_rows() -> None:
    lines = ["198.51.100.7", "# c", "198.51.100.8", "", "198.51.100.9"]

    unix, windows, mac = (read(feed(), a=end.join(lines)) for end in ("\n", "\r\n", "\r"))

    assert column(unix, "raw_value") == ["198.51.100.7", "198.51.100.8", "198.51.100.9"]
    assert unix.rows.equals(windows.rows)
    assert unix.rows.equals(mac.rows)


def test_a_hosts_file_gives_its_names_as_domains() -> None:
    text = "# hosts\n127.0.0.1 localhost\n127.0.0.1\tevil.example\n0.0.0.0   Worse.Example # c2\n::1 six.example\n"

    parsed = read(feed("hosts"), a=text)

    usable = [row for row in parsed.rows.to_pylist() if row["reject_reason"] is None]
    assert [(row["line"], row["raw_value"], row["indicator_type"]) for row in usable] == [
        (3, "evil.example", "domain"),
        (4, "Worse.Example", "domain"),
        (5, "six.example", "domain"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("127.0.0.1 localhost", "local_name"),
        ("127.0.0.1 a.example b.example", "several_hosts"),
        ("evil.example", "not_a_hosts_line"),
        ("198.51.100.7 evil.example", "not_a_hosts_line"),
    ],
)
def test_a_hosts_line_that_blocks_no_single_name_is_rejected_whole(line: str, reason: str) -> None:
    (row,) = read(feed("hosts"), a=f"{line}\n").rows.to_pylist()

    assert row["reject_reason"] == reason
    assert row["raw_value"] in {line, "localhost"}
    assert row["reject_detail"]


def test_a_family_is_the_stem_of_its_file_and_the_threat_its_folder() -> None:
    source = feed("families", options={"threat_type_from_folder": True}, threat_type="other")

    parsed = read(source, malware__azorult="# ref\n\nc2.example\n/gate.php # path\n", top="192.0.2.1:8080\n")

    assert [
        (row["file"], row["line"], row["raw_value"], row["malware_family"], row["threat_type"])
        for row in parsed.rows.to_pylist()
    ] == [
        ("malware/azorult.txt", 3, "c2.example", "azorult", "malware"),
        ("malware/azorult.txt", 4, "/gate.php", "azorult", "malware"),
        ("top.txt", 1, "192.0.2.1:8080", "top", "other"),
    ]


def test_a_folder_of_families_leaves_other_files_aside_and_says_so() -> None:
    files = [(SnapshotFile(name, "s", 1), b"prose\n") for name in ("README.md", "x.txt")]

    parsed = parse(feed("families"), files, DAY)

    assert column(parsed, "file") == ["x.txt"]
    assert "README.md" in parsed.notes[0]
    only_prose = parse(feed("families"), files[:1], DAY)
    assert "README.md" in (only_prose.error or "")


def test_an_empty_file_is_an_empty_list_and_no_error() -> None:
    for wire_format in ("plain", "hosts", "families", "misp_event", "taxii", "stix"):
        parsed = read(feed(wire_format), a=b"")
        assert (parsed.rows.num_rows, parsed.error) == (0, None)
        assert parsed.rows.schema == FEED_ROWS_SCHEMA


def test_a_snapshot_without_a_file_is_an_error() -> None:
    assert "no file" in (parse(feed(), [], DAY).error or "")


def test_the_order_of_the_files_does_not_matter() -> None:
    files = [(SnapshotFile(f"{n}.txt", f"s{n}", 1), f"10.0.0.{n}\n".encode()) for n in range(5)]

    assert parse(feed(), files, DAY).rows.equals(parse(feed(), files[::-1], DAY).rows)


def test_duckdb_reads_feed_rows_with_the_declared_types() -> None:
    rows = read(feed(campaign="Op"), a="198.51.100.7\n", b="evil.example\0\n").rows
    con = duckdb.connect()

    described = con.sql("describe rows").fetchall()

    names = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert [(name, names.get(kind, kind)) for name, kind, *_ in described] == [
        (c.name, c.type) for c in FEED_ROWS.columns
    ]
    nullable = {c.name for c in FEED_ROWS.columns if c.nullable}
    for name in set(FEED_ROWS.column_names) - nullable:
        assert rows.column(name).null_count == 0, name
    assert con.sql("select campaign, reject_reason from rows order by all").fetchall() == [
        ("Op", "nul_byte"),
        ("Op", None),
    ]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30)))
def test_a_plain_list_has_as_many_rows_as_lines_that_are_neither_blank_nor_comments(lines: list[str]) -> None:
    parsed = read(feed(), a="\ufeff" + "\n".join(lines))
    if parsed.error:
        return  # markup or JSON instead of a list
    expected = [
        (number, line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
    assert len(expected) == parsed.rows.num_rows
    assert column(parsed, "line") == [number for number, _ in expected]


def test_every_data_line_of_the_real_plain_lists_is_a_row() -> None:
    root = Path(os.environ.get("INTELSEC_REALDATA", "../shared/data")) / "feeds"
    if not root.is_dir():
        pytest.skip("no real data here")
    for path in sorted([*root.glob("criticalpath/2026-08-22/*.txt"), *root.glob("maltrail/*.txt")]):
        content = path.read_bytes()
        parsed = parse(feed(), [(SnapshotFile(path.name, "s", len(content)), content)], DAY)
        lines = [line.strip() for line in content.decode().split("\n")]
        assert parsed.error is None
        assert column(parsed, "raw_value") == [line for line in lines if line and not line.startswith("#")]
