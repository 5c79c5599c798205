"""Landed audit events: Parquet parts by the day of the events, named by their content, and what was rejected.

Taking files into it is `taking`, the tables of a day are made of it in `days`. Nothing here is ever changed: a part is
written whole or not at all, and the same rows have the same name. What a disk made of it since is told by that name.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from io import BufferedReader
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from intelsec_assets.days import parse_day
from intelsec_assets.detections.audit.register import FileContent, Register, Taken
from intelsec_assets.detections.audit.typed import RAW_CHARACTERS, OddRecord
from intelsec_assets.detections.errors import DamagedPart, EventError

ABANDONED_SECONDS = 24 * 3600  # no write takes a day
ASIDE = ".damaged"  # ends the name of a part that was set aside
ROW_GROUP = 20_000  # rows that a reader must hold: an event has 1.3 kB, some have a hundred

# few of their values repeat
_PLAIN = ("event", "event_id")
REJECTED_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("file_sha256", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("raw", pa.string()),
    ]
)


@dataclass(frozen=True)
class Landed:
    """What has landed for a day; `version` changes when a part is added, and only then."""

    day: date
    parts: tuple[Path, ...]
    version: str


@dataclass(frozen=True)
class SetAside:
    """A damaged part that was moved out of the way: where it lies now, and the files it was made of.

    Where that was not noted (`is_known` is false) they are those that are known to have had something for its day:
    others may have been in it, rewritten or removed since.
    """

    day: date
    part: Path
    files: tuple[FileContent, ...]
    is_known: bool


class Landing:
    """A folder `events/<day>/<content>.parquet`, the same for `rejected/`, and the register beside them."""

    def __init__(self, folder: Path) -> None:
        """The landing in `folder`, made when something first lands."""
        self.folder = folder
        self.register = Register(folder / "register.sqlite")

    def land(self, rows: pa.Table) -> None:
        """Write events, a part a day. Raises EventError if that cannot be done; what landed before is untouched."""
        days = rows.column("day")
        found = sorted(pc.unique(days).to_pylist())
        of_day = ((day, rows if len(found) == 1 else rows.filter(pc.equal(days, day))) for day in found)
        self._write("events", of_day)

    def reject(self, odd: list[OddRecord]) -> None:
        """Write what could not be used, by the day of its delivery. Raises EventError."""
        by_day: dict[date, list[dict[str, object]]] = {}
        for one in odd:
            day = one.delivery.delivered.date()
            row = {
                "day": day,
                "source": one.delivery.source,
                "file": one.delivery.file,
                "record": one.odd.record,
                "file_sha256": one.delivery.sha256,
                "reason": one.odd.reason,
                "detail": one.odd.detail,
                "raw": None if one.odd.raw is None else one.odd.raw[:RAW_CHARACTERS].replace("\0", "�"),
            }
            by_day.setdefault(day, []).append(row)
        of_day = ((day, pa.Table.from_pylist(rows, schema=REJECTED_SCHEMA)) for day, rows in sorted(by_day.items()))
        self._write("rejected", of_day)

    def landed(self, day: date) -> Landed:
        """Parts of a day's events."""
        return self._landed("events", day)

    def days(self) -> list[date]:
        """Days that events have landed for, in order."""
        return self._days("events")

    def rejected(self, day: date) -> Landed:
        """Parts of what was rejected of a day's deliveries."""
        return self._landed("rejected", day)

    def versions(self) -> dict[date, str]:
        """Version of every day that has events or rejected records: what a sensor compares with what was built."""
        events = {day: self._landed("events", day).version for day in self._days("events")}
        rejected = {day: self._landed("rejected", day).version for day in self._days("rejected")}
        days = sorted(events.keys() | rejected.keys())
        return {day: _digest([events.get(day, ""), rejected.get(day, "")]) for day in days}

    def check(self, landed: Landed) -> None:
        """Raises DamagedPart if a part is not what was written, EventError if one cannot be read at all."""
        for part in self.damaged(landed):
            files, is_known = self._files_of(part, landed.day)
            sources = " and ".join(sorted({file.source for file in files}))
            if is_known:
                made = f"It was made of {len(files):,} files of the source {sources}"
            elif files:
                made = f"Of which files it was made is not noted; what is known of the day is of the source {sources}"
            else:
                made = "Of which files it was made is not noted"
            raise DamagedPart(
                f"{part}: a part of what was taken for {landed.day} is damaged: it is not what was written. {made}. "
                f"`intelsec run --day {landed.day}` sets it aside, takes its files again and says what is missing "
                "then; what is whole stays and counts once"
            )

    def damaged(self, landed: Landed) -> list[Path]:
        """Parts whose content is not what they are named by. Raises EventError for one that cannot be read at all."""
        return [part for part in landed.parts if _content(part) not in (None, part.stem)]

    def set_aside(self, day: date) -> list[SetAside]:
        """Move damaged parts of a day out of the way, and have their files taken again. Raises EventError.

        Killed in between, it has forgotten files and moved nothing: the next call does both, as what a part was made of
        stays noted.
        """
        found = []
        for kind in ("events", "rejected"):
            for part in self.damaged(self._landed(kind, day)):
                files, is_known = self._files_of(part, day)
                self.register.forget((file.source, file.key) for file in files)
                moved = part.with_suffix(ASIDE)
                with suppress(FileNotFoundError):  # another process did the same
                    part.replace(moved)
                found.append(SetAside(day, moved, files, is_known))
        return found

    def aside(self, day: date) -> list[Path]:
        """Damaged parts of a day that were set aside and lie there still."""
        return sorted(path for kind in ("events", "rejected") for path in self._folder(kind, day).glob(f"*{ASIDE}"))

    def still_out(self, aside: SetAside) -> list[FileContent]:
        """Files of a part set aside that were not taken again with the content they had."""
        now = {source: self.register.contents(source) for source in {file.source for file in aside.files}}
        return [file for file in aside.files if now[file.source].get(file.key) != file.sha256]

    def _files_of(self, part: Path, day: date) -> tuple[tuple[FileContent, ...], bool]:
        """Files that a part was made of, and true; what is known of its day, and false, where that was not noted."""
        if noted := self.register.made_of(part.stem):
            return noted, True
        kind = part.parent.parent.name

        def gave(file: Taken) -> bool:
            if kind == "events":
                return any(of == day for of, _ in file.days)
            return file.delivered.date() == day and file.rejected > 0

        files = self.register.files()
        return tuple(FileContent(file.source, file.key, file.sha256) for file in files if gave(file)), False

    def _days(self, kind: str) -> list[date]:
        folder = self.folder / kind
        return sorted(parse_day(path.name) for path in folder.iterdir()) if folder.is_dir() else []

    def _landed(self, kind: str, day: date) -> Landed:
        parts = tuple(sorted(self._folder(kind, day).glob("*.parquet")))
        return Landed(day, parts, _digest([part.stem for part in parts]))

    def _folder(self, kind: str, day: date) -> Path:
        return self.folder / kind / str(day)

    def _write(self, kind: str, of_day: Iterable[tuple[date, pa.Table]]) -> None:
        """Write parts, of each day one. What they are made of is noted first: no part lies there of which it is not."""
        temporaries: list[Path] = []
        names: list[str] = []
        made_of: list[tuple[FileContent, ...]] = []
        folder = self.folder / kind
        try:
            for day, rows in of_day:
                folder = self._folder(kind, day)
                folder.mkdir(parents=True, exist_ok=True)
                _sweep(folder)
                temporaries.append(folder / f".{uuid.uuid4().hex}.tmp")
                names.append(_write_part(rows, temporaries[-1]))
                made_of.append(_files_in(rows))
            self.register.note_parts(dict(zip(names, made_of, strict=True)))
            for temporary, name in zip(temporaries, names, strict=True):
                folder = temporary.parent
                temporary.replace(folder / f"{name}.parquet")
                _sync_folder(folder)
        except OSError as error:
            raise EventError(
                f"{folder}: audit events cannot be written: {error.strerror}; what landed before is untouched"
            ) from error
        finally:
            for temporary in temporaries:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _write_part(rows: pa.Table, path: Path) -> str:
    """Write rows and have them on disk; the hash of what was written."""
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in rows.schema.names if name not in _PLAIN],
        row_group_size=ROW_GROUP,
        # statistics of one part reach through DuckDB into the file that is made of it, those of several do not
        write_statistics=False,
    )
    with path.open("rb") as stream:
        name = _digest_of(stream)
        os.fsync(stream.fileno())
    return name


def _files_in(rows: pa.Table) -> tuple[FileContent, ...]:
    files = rows.group_by(["source", "file", "file_sha256"]).aggregate([])
    columns = (files.column(name).to_pylist() for name in ("source", "file", "file_sha256"))
    return tuple(FileContent(*one) for one in zip(*columns, strict=True))


def _content(part: Path) -> str | None:
    """Hash of what a part holds; None if another process has just set it aside."""
    try:
        with part.open("rb") as stream:
            return _digest_of(stream)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EventError(
            f"{part}: a part of what was taken cannot be read: {error.strerror}; mend the disk or its rights, and run "
            "the day again"
        ) from error


def _digest_of(stream: BufferedReader) -> str:
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sync_folder(folder: Path) -> None:
    """A name is on disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what killed writes left behind; a write of today may still be at work."""
    found = list(folder.glob(".*.tmp"))
    if not found:
        return
    newest = max(path.stat().st_mtime for path in found)
    for path in found:
        with suppress(FileNotFoundError):
            if newest - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
