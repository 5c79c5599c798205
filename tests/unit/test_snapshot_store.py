"""The raw store: bytes by their hash, snapshots by feed and day, whole or not at all."""

from __future__ import annotations

import multiprocessing
import random
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.snapshot import RawStore, RawStoreError, Snapshot, SnapshotFile, snapshot_hash

DAY = date(2026, 3, 4)
FILES = (SnapshotFile("a.txt", "0" * 64, 3),)
GOOD = Snapshot("f", DAY, "read", FILES, snapshot_hash(FILES), source="a.txt", metadata={"fetched_at": "1"})
FAILED = Snapshot("f", DAY, "unreadable", reason="a.txt: no such file", source="a.txt")


def written(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@given(st.binary(max_size=5000))
def test_what_is_put_is_what_is_got(tmp_path_factory, content):
    store = RawStore(tmp_path_factory.mktemp("raw"))
    assert store.get(store.put(content)) == content


def test_the_same_bytes_are_written_once(tmp_path):
    store = RawStore(tmp_path)
    sha256 = store.put(b"content")
    path = tmp_path / sha256[:2] / f"{sha256}.zst"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert store.put(b"content") == sha256
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_changed_bytes_are_found_and_named(tmp_path):
    store = RawStore(tmp_path)
    first, second = store.put(b"one"), store.put(b"two")
    path = tmp_path / first[:2] / f"{first}.zst"
    path.write_bytes((tmp_path / second[:2] / f"{second}.zst").read_bytes())
    with pytest.raises(RawStoreError, match=f"{first}.zst: holds bytes of hash {second}"):
        store.get(first)
    path.write_bytes(b"torn")
    with pytest.raises(RawStoreError, match="damaged"):
        store.get(first)
    path.unlink()
    with pytest.raises(RawStoreError, match="no such raw file"):
        store.get(first)


def test_putting_the_bytes_again_heals_a_damaged_file(tmp_path):
    store = RawStore(tmp_path)
    sha256 = store.put(b"one")
    (tmp_path / sha256[:2] / f"{sha256}.zst").write_bytes(b"torn")
    store.put(b"one")
    assert store.get(sha256) == b"one"


@pytest.mark.parametrize("name", ["../x", "", "A", "a/b"])
def test_names_never_become_paths_elsewhere(tmp_path, name):
    with pytest.raises(RawStoreError):
        RawStore(tmp_path).save(replace(GOOD, feed=name))
    with pytest.raises(RawStoreError):
        RawStore(tmp_path).get(name)


def test_a_snapshot_comes_back_as_it_was(tmp_path):
    RawStore(tmp_path).save(GOOD)
    assert RawStore(tmp_path).load("f", DAY) == GOOD
    assert RawStore(tmp_path).load("f", date(2026, 3, 5)) is None


def test_a_failed_attempt_never_takes_the_place_of_a_good_snapshot(tmp_path):
    store = RawStore(tmp_path)
    store.save(FAILED)
    assert store.load("f", DAY) == FAILED
    store.save(GOOD)
    store.save(FAILED)
    assert store.load("f", DAY) == GOOD


def test_only_the_time_of_fetching_differs_so_nothing_is_written(tmp_path):
    store = RawStore(tmp_path)
    store.save(GOOD)
    before = written(tmp_path)
    store.save(replace(GOOD, metadata={"fetched_at": "2"}))
    assert written(tmp_path) == before


def test_a_record_that_is_none_is_named(tmp_path):
    store = RawStore(tmp_path)
    store.save(GOOD)
    (tmp_path / f"snapshots/f/{DAY}.json").write_text("{}")
    with pytest.raises(RawStoreError, match=r"2026-03-04\.json: not a snapshot record"):
        store.load("f", DAY)
    store.save(GOOD)
    assert store.load("f", DAY) == GOOD


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from intelsec_assets.feeds.snapshot import RawStore, RawStoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails with an error, as it does on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    RawStore(Path(sys.argv[1])).put(bytes(bytearray(__import__("random").Random(1).randbytes(100_000))))
except RawStoreError as error:
    print(error)
"""


def test_a_disk_that_fills_up_leaves_what_was_there_and_no_parts(tmp_path):
    RawStore(tmp_path).put(b"old")
    before = written(tmp_path)
    told = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "cannot be written: File too large; what was there is untouched" in told.stdout
    assert written(tmp_path) == before


def _write_many(root: str, seed: int) -> None:
    store, order = RawStore(Path(root)), random.Random(seed)
    for number in order.sample(range(40), 40):
        sha256 = store.put(f"content {number}".encode() * 500)
        store.save(replace(FAILED if order.random() < 0.5 else GOOD, day=date(2026, 3, 1 + number % 5)))
        assert store.get(sha256)


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(str(tmp_path), seed)) for seed in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert not [name for name in written(tmp_path) if name.endswith(".tmp")]
    assert all(
        RawStore(tmp_path).load("f", date(2026, 3, 1 + n)) == replace(GOOD, day=date(2026, 3, 1 + n)) for n in range(5)
    )
