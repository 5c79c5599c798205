"""When a snapshot is taken, kept or left alone: local sources. Those over http are in tests/integration."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.snapshot import RawStore, Snapshot
from intelsec_assets.feeds.take import take_snapshot

DAY = date(2026, 3, 4)


def feed(**keys) -> Feed:
    return Feed(name="f", title="F", publisher="P", licence="CC0-1.0", local="{day}.txt", format="plain", **keys)


def take(root: Path, hour: int = 1, **keys) -> Snapshot:
    store = RawStore(root / "raw")
    return take_snapshot(feed(**keys), DAY, store, root, clock=lambda: datetime(2026, 3, 5, hour, tzinfo=UTC))


def stored(root: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in (root / "raw").rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_reading_the_same_bytes_again_writes_nothing(tmp_path):
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    first = take(tmp_path, hour=1)
    before = stored(tmp_path)
    assert take(tmp_path, hour=2) == first
    assert stored(tmp_path) == before


def test_changed_bytes_are_a_new_snapshot_and_the_old_bytes_stay(tmp_path):
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    first = take(tmp_path)
    (tmp_path / f"{DAY}.txt").write_text("b.example\n")
    second = take(tmp_path)
    store = RawStore(tmp_path / "raw")
    assert store.load("f", DAY) == second != first
    assert [store.contents(snapshot)[0][1] for snapshot in (first, second)] == [b"a.example\n", b"b.example\n"]


def test_a_source_that_has_gone_leaves_the_stored_snapshot(tmp_path):
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    first = take(tmp_path)
    (tmp_path / f"{DAY}.txt").unlink()
    assert take(tmp_path) == first


def test_what_could_not_be_read_is_recorded_with_its_reason_and_healed_later(tmp_path):
    assert take(tmp_path).status == "unreadable"
    assert RawStore(tmp_path / "raw").load("f", DAY).reason == "2026-03-04.txt: no such file"
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    assert take(tmp_path).status == "read"
    assert RawStore(tmp_path / "raw").load("f", DAY).status == "read"


def test_a_feed_that_is_not_due_leaves_no_trace(tmp_path):
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    assert take(tmp_path, until_day=date(2026, 3, 3)).status == "not_due"
    assert stored(tmp_path) == {}


def test_lost_bytes_come_back_when_the_source_is_read_again(tmp_path):
    (tmp_path / f"{DAY}.txt").write_text("a.example\n")
    first = take(tmp_path)
    for path in (tmp_path / "raw").rglob("*.zst"):
        path.unlink()
    assert take(tmp_path) == first
    assert RawStore(tmp_path / "raw").contents(first)[0][1] == b"a.example\n"
