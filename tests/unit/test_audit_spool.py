"""The file that lines of audit events are read from: written over, never left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.detections.audit.extraction import Spool, SpoolFile
from intelsec_assets.detections.errors import EventError
from tests.audit_logs import event, lines, read


def test_a_file_written_over_holds_the_new_lines_only_and_has_a_new_name() -> None:
    with Spool() as spool:
        with spool.file() as file:
            file.write(b"a longer line\n")
            file.write(b"and another\n")
            first = file.written()
            assert first.read_bytes() == b"a longer line\nand another\n"
        with spool.file() as file:
            file.write(b"short\n")
            second = file.written()
            assert second.read_bytes() == b"short\n"
            assert not first.exists()  # it is the same file

    assert first != second


def test_who_reads_at_the_same_time_has_a_file_of_his_own() -> None:
    with Spool() as spool, spool.file() as one, spool.file() as two:
        one.write(b"one\n")
        two.write(b"two\n")
        assert (one.written().read_bytes(), two.written().read_bytes()) == (b"one\n", b"two\n")


def test_nothing_stays_on_the_disk_even_when_reading_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(RuntimeError, match="no luck"):
        _failing(tmp_path)

    assert list(tmp_path.iterdir()) == []


def _failing(folder: Path) -> None:
    with Spool() as spool, spool.file() as file:
        file.write(b"event\n")
        path = file.written()
        assert path.is_relative_to(folder)
        assert path.parent.stat().st_mode & 0o077 == 0  # nobody else may read what was logged
        raise RuntimeError("no luck")


def test_a_full_disk_is_told_as_such_and_not_as_a_file_that_broke_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    full = tmp_path / "full.ndjson"
    full.symlink_to("/dev/full")
    monkeypatch.setattr(Spool, "file", lambda _: SpoolFile(full, []))

    for events in (1, 2000):  # within a buffer, and beyond
        with pytest.raises(EventError, match=r"cannot be laid out there to be read: No space left on device; free"):
            read(lines([event(number) for number in range(events)]))
