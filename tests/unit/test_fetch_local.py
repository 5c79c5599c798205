"""Feeds read from a data root: what is found, and what is refused with its reason."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.fetch import fetch
from intelsec_assets.feeds.snapshot import SnapshotFile, snapshot_hash
from intelsec_assets.feeds.transfer import PermanentFetchError, TransferLimits, gunzip

DAY = date(2026, 3, 4)
LIMITS = TransferLimits(max_file_bytes=3_000_000, max_total_bytes=5_000_000, max_files=3)


def feed(local: str, wire_format: str = "plain", **keys) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", local=local, format=wire_format, **keys)


def read(root: Path, local: str, wire_format: str = "plain", **keys):
    return fetch(
        feed(local, wire_format, **keys),
        DAY,
        data_root=root,
        clock=lambda: datetime(2026, 3, 5, tzinfo=UTC),
        limits=LIMITS,
    )


def reason(root: Path, local: str, wire_format: str = "plain", **keys) -> str:
    fetched = read(root, local, wire_format, **keys)
    assert (fetched.snapshot.status, fetched.contents, fetched.snapshot.sha256) == ("unreadable", (), None)
    return fetched.snapshot.reason


def test_the_day_stands_in_for_every_placeholder(tmp_path):
    (tmp_path / "2026" / "03").mkdir(parents=True)
    (tmp_path / "2026/03/04-20260304-2026-03-04.txt").write_bytes(b"a.example\n")
    fetched = read(tmp_path, "{yyyy}/{mm}/{dd}-{yyyymmdd}-{day}.txt")
    assert fetched.snapshot.files == (
        SnapshotFile("04-20260304-2026-03-04.txt", hashlib.sha256(b"a.example\n").hexdigest(), 10),
    )
    assert fetched.contents[0][1] == b"a.example\n"


def test_an_empty_file_is_read_and_a_missing_one_is_not(tmp_path):
    (tmp_path / "empty.txt").touch()
    assert read(tmp_path, "empty.txt").snapshot.status == "read"
    assert reason(tmp_path, "gone.txt") == "gone.txt: no such file"


def test_reasons_and_sources_are_told_below_the_root_so_that_every_machine_says_the_same(tmp_path):
    snapshot = read(tmp_path, "lists/gone.txt").snapshot
    assert str(tmp_path) not in snapshot.reason + snapshot.source
    assert snapshot.source == "lists/gone.txt"


def test_a_folder_in_place_of_a_file_and_a_file_in_place_of_a_folder_are_told(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "one.txt").touch()
    assert reason(tmp_path, "lists") == "lists: is a folder; a feed of format plain is a file"
    assert "is a file; a feed of format families is a folder" in reason(tmp_path, "one.txt", "families")


def test_a_glob_takes_files_by_name_and_a_folder_keeps_the_path_below_it(tmp_path):
    for name in ("p/2026-03-04.1.json", "p/2026-03-04.0.json", "p/2026-03-05.0.json", "fam/a/x.txt", "fam/b/y.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "fam/readme.md").touch()
    pages = read(tmp_path, "p/{day}.*.json", "taxii").snapshot
    families = read(tmp_path, "fam", "families").snapshot
    below = read(tmp_path, "fam/*/*.txt", "families").snapshot
    assert [file.name for file in pages.files] == ["2026-03-04.0.json", "2026-03-04.1.json"]
    assert [file.name for file in families.files] == [file.name for file in below.files] == ["a/x.txt", "b/y.txt"]


def test_a_glob_that_meets_nothing_is_a_missing_file(tmp_path):
    assert reason(tmp_path, "p/{day}.*.json", "taxii") == "p/2026-03-04.*.json: no such file"


@pytest.mark.parametrize("local", ["../secret.txt", "/etc/passwd", "a/../../secret.txt", "~/x", "a\\..\\b"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path, local):
    (tmp_path / "secret.txt").touch()
    (tmp_path / "root/a").mkdir(parents=True)
    assert "data root" in reason(tmp_path / "root", local)


def test_a_link_out_of_the_root_is_refused_and_one_inside_is_followed(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "sub/real.txt").write_text("real")
    (root / "out.txt").symlink_to(tmp_path / "secret.txt")
    (root / "in.txt").symlink_to(root / "sub/real.txt")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop.txt").symlink_to(root / "loop.txt")
    assert read(root, "in.txt").contents[0][1] == b"real"
    for local in ("out.txt", "o*.txt", "folder/secret.txt"):
        assert "a link that leads out of the data root" in reason(root, local)
    assert reason(root, "loop.txt")


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    assert reason(tmp_path, "pipe.txt") == "pipe.txt: is no regular file"


def test_sizes_and_numbers_of_files_are_capped(tmp_path):
    (tmp_path / "big.txt").write_bytes(b"x" * 3_000_001)
    for name in "abcd":
        (tmp_path / f"{name}.json").write_bytes(b"x" * 2_000_000)
    assert "larger than the 3,000,000 bytes allowed" in reason(tmp_path, "big.txt")
    assert "4 files, more than the 3 allowed" in reason(tmp_path, "*.json", "taxii")
    assert "larger than the 1,000,000 bytes allowed" in reason(tmp_path, "[abc].json", "taxii")


def test_gzip_is_undone_and_a_file_that_is_cut_off_is_told(tmp_path):
    packed = gzip.compress(b"a.example\n" * 100) + gzip.compress(b"b.example\n")
    (tmp_path / "two.txt.gz").write_bytes(packed)
    (tmp_path / "cut.txt.gz").write_bytes(packed[:-4])
    (tmp_path / "not.txt.gz").write_bytes(b"<html>")
    fetched = read(tmp_path, "two.txt.gz")
    assert (fetched.snapshot.files[0].name, fetched.contents[0][1]) == (
        "two.txt",
        b"a.example\n" * 100 + b"b.example\n",
    )
    assert "truncated gzip: it ends after" in reason(tmp_path, "cut.txt.gz")
    assert "damaged gzip" in reason(tmp_path, "not.txt.gz")


def test_a_gzip_bomb_is_stopped_by_its_ratio(tmp_path):
    (tmp_path / "bomb.txt.gz").write_bytes(gzip.compress(b"\0" * 2_500_000))
    assert "gzip bomb: " in reason(tmp_path, "bomb.txt.gz")


def test_a_plain_and_a_compressed_file_of_one_name_are_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b"[]")
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[]"))
    assert "is there twice" in reason(tmp_path, "a.json*", "taxii")


ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def misp_folder(tmp_path: Path) -> Path:
    (tmp_path / "misp").mkdir()
    manifest = {ONE: {"date": "2026-03-04"}, TWO: {"date": "2026-03-03"}}
    (tmp_path / "misp/manifest.json").write_text(json.dumps(manifest))
    for uuid in (ONE, TWO):
        (tmp_path / f"misp/{uuid}.json").write_text("{}")
    (tmp_path / "misp/hashes.csv").touch()
    return tmp_path


def test_a_misp_folder_is_its_manifest_and_the_events_of_the_day(tmp_path):
    root = misp_folder(tmp_path)
    today = read(root, "misp", "misp_feed", options={"events": "day"}).snapshot
    everything = read(root, "misp", "misp_feed").snapshot
    assert {file.name for file in today.files} == {"manifest.json", f"{ONE}.json"}
    assert {file.name for file in everything.files} == {"manifest.json", f"{ONE}.json", f"{TWO}.json"}


def test_a_misp_folder_with_an_event_missing_is_not_whole(tmp_path):
    root = misp_folder(tmp_path)
    (root / f"misp/{ONE}.json").unlink()
    assert reason(root, "misp", "misp_feed") == f"misp/{ONE}.json: no such file"


def test_a_manifest_cannot_name_files_elsewhere(tmp_path):
    root = misp_folder(tmp_path)
    (root / "misp/manifest.json").write_text('{"../../etc/passwd": {"date": "2026-03-04"}}')
    assert [file.name for file in read(root, "misp", "misp_feed").snapshot.files] == ["manifest.json"]


def test_a_feed_outside_its_dates_is_not_looked_for(tmp_path):
    snapshot = read(tmp_path, "gone.txt", from_day=date(2026, 4, 1)).snapshot
    assert (snapshot.status, snapshot.reason) == ("not_due", "the source exists from 2026-04-01")


@given(st.lists(st.tuples(st.text(min_size=1), st.binary()), unique_by=lambda item: item[0]), st.randoms())
def test_the_hash_of_a_snapshot_knows_names_and_bytes_but_no_order(files, random):
    listed = [SnapshotFile(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in files]
    shuffled = random.sample(listed, len(listed))
    assert snapshot_hash(listed) == snapshot_hash(shuffled)
    if listed:
        assert snapshot_hash(listed) != snapshot_hash(listed[1:])


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=4), st.integers(1, 20))
def test_gunzip_undoes_gzip_and_refuses_every_proper_beginning(members, cut):
    packed = b"".join(gzip.compress(member) for member in members)
    assert gunzip("x", packed, LIMITS, 5_000_000) == b"".join(members)
    with pytest.raises(PermanentFetchError):
        gunzip("x", packed[: -min(cut, len(gzip.compress(members[-1])) - 1)], LIMITS, 5_000_000)
