"""Bad input through the whole pipeline: a clear reason or quarantine rows, the other feeds go on, nothing is lost.

What each format makes of each kind of bad content is tested with the formats.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.workspaces import FIRST_DAY, Workspace, data_root, hosts, once, publish

DAY = FIRST_DAY
STIX = [
    {
        "type": "indicator",
        "id": f"indicator--00000000-0000-4000-8000-{n:012}",
        "pattern_type": "stix",
        "pattern": f"[domain-name:value = 'stix-{n}.example']",
        "valid_from": "2026-03-01T00:00:00Z",
    }
    for n in range(3)
]
# header by name: what a feed is that says `value` and when it saw it first
CSV = {
    "format": "csv",
    "options": {"header": True, "columns": {"value": "value", "first_seen": "seen"}},
    "local": "{name}.csv",
}


@cache
def feeds() -> list[tuple[dict[str, Any], str, bytes]]:
    return list(_feeds())


def _feeds() -> Iterator[tuple[dict[str, Any], str, bytes]]:
    """Entry of the catalogue, file below the data root, content: a feed for each kind of bad input, and a good one."""
    for name, content in {
        "good": "".join(f"{host}\n" for host in hosts("good", 30)),
        "html": "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>sorry</body></html>\n",
        "latin1": "plain.example\nb\u00fccher.example\n".encode("latin-1"),
        "utf16": "one.example\r\ntwo.example\r\n".encode("utf-16"),
        "nul": b"before.example\nev\0il.example\nafter.example\n",
        "crlf": b"first.example\r\nsecond.example\r\n",
        "long-line": b"short.example\n" + b"x" * 50_000_000 + b"\nlast.example\n",
        "empty": b"",
        "comments": b"# nothing today\n",
    }.items():
        yield {"name": name, "local": f"{name}.txt", **MIN}, f"{name}.txt", to_bytes(content)
    for name, content in {
        "truncated": gzip.compress("".join(f"{host}\n" for host in hosts("cut", 2000)).encode())[:-200],
        "bomb": gzip.compress(bytes(40_000_000)),
    }.items():
        yield {"name": name, "local": f"{name}.txt.gz"}, f"{name}.txt.gz", content
    for name, content in {
        "added-column": "note,value,seen\nnew,added.example,2026-03-01\n",
        "renamed-header": "note,indicator,seen\nx,renamed.example,2026-03-01\n",
        "duplicates": "value,seen\nsame.example,2026-03-01\nsame.example,2026-03-01\n",
        "dates": "value,seen\nfuture.example,2031-01-01 00:00:00\nancient.example,1969-12-31 23:59:59\n"
        "fine.example,2026-03-01\n",
    }.items():
        yield {"name": name, **CSV, "local": f"{name}.csv"}, f"{name}.csv", content.encode()
    for name, content in {
        "deep": "[" * 10_000 + "]" * 10_000,
        "duplicate-keys": json.dumps({"objects": STIX}).replace(
            '"type": "indicator"', '"type": "indicator", "type": "indicator"', 1
        ),
        "cut-json": json.dumps({"objects": STIX})[:-40],
    }.items():
        yield {"name": name, "format": "taxii", "local": f"{name}.json"}, f"{name}.json", content.encode()
    yield {"name": "folder", "local": "folder.txt"}, "folder.txt/inside.txt", b"inside.example\n"
    yield {"name": "absent", "local": "absent.txt"}, "elsewhere.txt", b""


MIN = {"contract": {"min_rows": 1}}


def to_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def bad_data(folder: Path) -> Path:
    entries = []
    for entry, path, content in feeds():
        entries.append(entry)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return data_root(folder, entries)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A day of a data root in which nearly every feed is broken in its own way."""

    def build(folder: Path) -> None:
        (outcome,) = Workspace(bad_data(folder / "data"), folder / "home").run(DAY)
        assert outcome.error is None

    folder = once(tmp_path_factory, "bad-input", build)
    return Workspace(folder / "data", folder / "home")


def rows(workspace: Workspace, table: str, query: str) -> list[Any]:
    file = workspace.lake.read(table, DAY)
    with duckdb.connect() as con:
        return con.sql(f"select {query.replace('TABLE', f'read_parquet({str(file.path)!r})')}").fetchall()


def state(workspace: Workspace) -> dict[str, tuple[str, bool, str, int, int, int]]:
    found = rows(workspace, "feed_status", "feed, status, held, reason, rows_in, rows_kept, rows_rejected from TABLE")
    return {feed: tuple(rest) for feed, *rest in found}


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        ("html", "HTML page titled '502 Bad Gateway'"),
        ("truncated", "truncated gzip"),
        ("bomb", "gzip bomb"),
        ("deep", "nested"),
        ("cut-json", "cut-json.json"),
        ("renamed-header", "column 'value'"),
        ("folder", "folder.txt: is a folder"),
        ("absent", "absent.txt: no such file"),
    ],
)
def test_a_feed_that_cannot_be_read_is_held_and_says_why(workspace: Workspace, feed: str, says: str) -> None:
    status, held, reason, rows_in, _, _ = state(workspace)[feed]
    assert (status, held, rows_in) == ("unreadable", True, 0)
    assert says in reason


@pytest.mark.parametrize("feed", ["empty", "comments"])
def test_an_empty_feed_is_empty_and_held(workspace: Workspace, feed: str) -> None:
    status, held, reason, *_ = state(workspace)[feed]
    assert (status, held) == ("empty", True), reason


@pytest.mark.parametrize(
    ("feed", "kept"),
    [
        ("good", 30),
        ("utf16", 2),
        ("crlf", 2),
        ("latin1", 2),
        ("added-column", 1),
        ("duplicates", 2),
    ],
)
def test_a_feed_in_an_odd_dress_is_read_in_full(workspace: Workspace, feed: str, kept: int) -> None:
    status, held, reason, rows_in, rows_kept, rejected = state(workspace)[feed]
    assert (status, held, rows_in, rows_kept, rejected) == ("ok", False, kept, kept, 0), reason


@pytest.mark.parametrize(
    ("feed", "line", "detail"),
    [
        ("nul", 2, "NUL"),
        ("long-line", 2, "50000000|50,000,000"),
        ("dates", 2, "2031"),
        ("dates", 3, "1969"),
        ("duplicate-keys", 1, "twice"),
    ],
)
def test_a_row_that_cannot_be_used_is_quarantined_with_its_line_and_reason(
    workspace: Workspace, feed: str, line: int, detail: str
) -> None:
    quarantined = {
        (name, number): (raw, f"{reason} {text}")
        for name, number, raw, reason, text in rows(
            workspace, "rejected_observations", "feed, line, raw_value, reason, detail from TABLE"
        )
    }
    raw, said = quarantined[feed, line]
    assert re.search(detail, said)
    assert 0 < len(raw) <= 4096


def test_rows_in_are_rows_kept_and_rows_rejected_feed_by_feed(workspace: Workspace) -> None:
    for feed, (_, _, _, rows_in, kept, rejected) in state(workspace).items():
        assert rows_in == kept + rejected, feed
    kept_in_all = sum(kept for *_, kept, _ in state(workspace).values())
    assert rows(workspace, "indicators", "sum(observations) from TABLE") == [(kept_in_all,)]


def test_every_raw_byte_that_could_be_read_is_kept(workspace: Workspace) -> None:
    from intelsec_assets.feeds.snapshot import RawStore

    raw = RawStore(workspace.home / "raw")
    for entry, path, content in feeds():
        snapshot = raw.load(entry["name"], DAY)
        assert snapshot is not None, entry["name"]
        if snapshot.status == "read" and not path.endswith(".gz"):
            assert [raw.get(file.sha256) for file in snapshot.files] == [content]


def test_a_catalogue_with_an_unknown_key_names_file_line_and_what_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = data_root(tmp_path / "data", [{"name": "one", "intervall": "1d"}])
    assert Workspace(root, tmp_path / "home").here(monkeypatch, "run", "--day", str(DAY)) == 2
    said = " ".join(capsys.readouterr().err.split())
    line = (root / "catalogue.yaml").read_text().splitlines().index("  intervall: 1d") + 1
    assert re.search(rf"catalogue\.yaml, line {line}, feeds\[0\]\.intervall: .*\binterval\b", said)
    assert not (tmp_path / "home").exists()


def many_names() -> list[str]:
    """Names that hardly compress: 70,000 of them are 4.5 MB as text, 2.5 MB as raw bytes kept, 5 MB as a table."""
    digests = (hashlib.sha256(str(n).encode()).hexdigest() for n in range(70_000))
    return [f"{digest[:60]}.test" for digest in digests]


@pytest.mark.parametrize(
    ("room", "code", "says"),
    [
        (500_000, 3, "Dagster's history in .* cannot be written .* free some space"),
        pytest.param(
            2_200_000, 1, r"raw/.*\.zst: cannot be written: .*; what was there is untouched", marks=pytest.mark.slow
        ),
        (4_000_000, 1, "observations of 2026-03-02 could not be written to .* what was there before is untouched"),
    ],
)
def test_a_full_disk_leaves_what_was_there_whole_and_says_so(tmp_path: Path, room: int, code: int, says: str) -> None:
    """Writes beyond a size fail in the process, as all do on a full disk."""
    root = data_root(tmp_path / "data", [{"name": "list"}])
    publish(root, "list", DAY, hosts("old", 30))
    workspace = Workspace(root, tmp_path / "home")
    (outcome,) = workspace.run(DAY)
    assert outcome.error is None
    before = workspace.content("lake", "exports")
    publish(root, "list", DAY, many_names())
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, resource.RLIM_INFINITY))"
    program = f"import intelsec_jobs.runner, resource; from intelsec_assets.cli import main; {limit}; main()"
    done = workspace.start("run", "--day", str(DAY), script=program)
    _, errors = done.communicate()
    assert (done.returncode, "Traceback" in errors) == (code, False), errors
    assert re.search(says, errors), errors
    after = workspace.content("lake", "exports")
    changed = {path for path in before if after[path] != before[path]}
    assert {path for path in changed if "/list/" not in path} == set()
    for asset in workspace.lake.root.glob("*/"):  # every table that is there can be read: none is half written
        for day in workspace.lake.days(asset.name):
            workspace.lake.read(asset.name, day)


def test_a_run_that_failed_for_want_of_space_is_made_good_by_the_next(tmp_path: Path) -> None:
    root = data_root(tmp_path / "data", [{"name": "list"}])
    publish(root, "list", DAY, hosts("new", 40))
    workspace = Workspace(root, tmp_path / "home")
    stale = workspace.home / "lake" / "observations" / f".{DAY}.0123.tmp"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half a table")
    os.utime(stale, (0, 0))
    (outcome,) = workspace.run(DAY)
    assert outcome.error is None
    assert rows(workspace, "feed_status", "rows_in from TABLE") == [(40,)]
    assert not stale.exists()
