"""The lake: Parquet files, one an asset and day, each with a stamp that says what it holds and what it was made from.

Here is how files are written whole, found again and proved unchanged; what is in them belongs to the domains.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from intelsec_assets.days import parse_day, previous_day
from intelsec_assets.engine import sql_text
from intelsec_assets.ordered import Amended
from intelsec_assets.tables import Table

ABANDONED_SECONDS = 24 * 3600  # no write takes a day


# what a table can be written from: rows in any order, or a large table in order with a few rows changed
Rows = duckdb.DuckDBPyRelation | Amended


class LakeError(Exception):
    """Something is wrong with the lake; the message names the file and the way out."""


class MissingPartition(LakeError):
    """A day that a table needs is not there."""


class OutdatedPartition(LakeError):
    """A day was built before its table had all of its columns: what they would say of it is not known."""


class ChangedFile(LakeError):
    """A file is not the one that was written: edited by hand, damaged, or left by a write that was cut off."""


@dataclass(frozen=True)
class LakeFile:
    """A written partition. `fingerprint` says what it was made from: equal fingerprint, equal content.

    `note` is what the rows cannot say: why a feed has none, or which version of the warninglists was matched.
    """

    asset: str
    day: date
    path: Path
    sha256: str
    rows: int
    size: int
    fingerprint: str
    note: str = ""

    @property
    def key(self) -> str:
        """`asset@day`, the way a partition is named in stamps and messages."""
        return f"{self.asset}@{self.day}"


class Lake:
    """A folder of partitions: `<root>/<asset>/<day>.parquet` beside `<day>.stamp.json`."""

    def __init__(self, root: Path, opens_on: Callable[[], date] | None = None) -> None:
        """A lake below `root`. `opens_on` gives the one day on which a lake that is still empty may start by itself."""
        self.root = root
        self._opens_on = opens_on

    def path(self, asset: str, day: date) -> Path:
        """Where the partition lies, whether or not it is there."""
        return self.root / asset / f"{day}.parquet"

    def days(self, asset: str) -> list[date]:
        """Days that have a stamp, in order."""
        folder = self.root / asset
        return sorted(parse_day(stamp.name.split(".")[0]) for stamp in folder.glob("*.stamp.json"))

    def stamps(self, asset: str) -> dict[date, str]:
        """Content hash of every day that has a file, by its stamp; that a file is still that one, only `read` proves.

        A file of another size than its stamp says is proved at once. Raises ChangedFile.
        """
        found = {}
        for day in self.days(asset):
            file = self._stamp(asset, day)
            if file is None or not file.path.exists():
                continue
            if file.path.stat().st_size != file.size:
                self.read(asset, day)
            found[day] = file.sha256
        return found

    def rows(self, asset: str, day: date) -> int:
        """Rows of the partition by its stamp; 0 if there is none."""
        file = self._stamp(asset, day)
        return 0 if file is None else file.rows

    def origin(self) -> date | None:
        """First day of this lake: the one day that may start without a day before it."""
        marker = self.root / "origin.json"
        return parse_day(json.loads(marker.read_text())["first_day"]) if marker.exists() else None

    def begin(self, day: date) -> None:
        """Make `day` the origin. An existing origin only ever moves back in time."""
        origin = self.origin()
        if origin is None or day < origin:
            try:
                _write_text(self.root / "origin.json", json.dumps({"first_day": str(day)}) + "\n")
            except OSError as error:
                raise LakeError(f"the lake {self.root} cannot be written: {error}") from error

    def previous(self, asset: str, day: date) -> LakeFile | None:
        """The day before, verified; None only for the lake's origin.

        Raises MissingPartition that names the missing day: state is never started empty by accident.
        """
        origin = self.origin() or (self._opens_on() if self._opens_on is not None else None)
        if origin == day:
            self.begin(day)
            return None
        before = previous_day(day)
        if self._stamp(asset, before) is None:
            start = f"this lake starts at {origin}" if origin else "this lake is empty"
            raise MissingPartition(
                f"{asset} of {day} builds on {asset} of {before}, which is not there ({start}). "
                f"Build the days in order: intelsec backfill --from {origin or before} --to {day}"
            )
        return self.read(asset, before)

    def read(self, asset: str, day: date) -> LakeFile:
        """The partition, proved to be the bytes that were written. Raises MissingPartition or ChangedFile."""
        file = self._stamp(asset, day)
        if file is None:
            raise MissingPartition(f"{asset} of {day} is not in the lake. Build it: intelsec run --day {day}")
        if not file.path.exists():
            raise ChangedFile(f"{file.path} was deleted. Build it again: intelsec run --day {day}")
        found = _sha256(file.path)
        if found != file.sha256:
            raise ChangedFile(
                f"{file.path} is not the file that was written: expected sha256 {file.sha256[:16]}…, found "
                f"{found[:16]}…. Someone changed it or a write was cut off. Build it again: intelsec run --day {day}"
            )
        return file

    def noted(self, asset: str, day: date) -> LakeFile | None:
        """The partition as its stamp tells it, or None; that the file is still that one, only `read` proves."""
        return self._stamp(asset, day)

    def current(self, asset: str, day: date, fingerprint: str) -> LakeFile | None:
        """The partition if it is whole and was made from just these inputs, else None."""
        try:
            file = self._stamp(asset, day)
        except ChangedFile:
            return None
        if file is None or file.fingerprint != fingerprint:
            return None
        return file if self.held_sha256(asset, day) == file.sha256 else None

    def held_sha256(self, asset: str, day: date) -> str | None:
        """Hash of the file that lies there now, whatever its stamp says; None if there is none."""
        path = self.path(asset, day)
        return _sha256(path) if path.exists() else None

    def relation(self, con: duckdb.DuckDBPyConnection, file: LakeFile) -> duckdb.DuckDBPyRelation:
        """Rows of a partition, read lazily."""
        return con.read_parquet(str(file.path))

    def write(
        self,
        con: duckdb.DuckDBPyConnection,
        table: Table,
        asset: str,
        day: date,
        rows: Rows,
        *,
        fingerprint: str,
        inputs: Mapping[str, str],
        note: str = "",
    ) -> LakeFile:
        """Write the partition in the table's columns and order, whole or not at all.

        The stamp goes first: a kill between the two leaves a file that does not match its stamp, which the next run
        rebuilds and no reader takes for good. Same rows in, same bytes out.
        """
        target = self.path(asset, day)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{day}.{uuid.uuid4().hex}.tmp")
        try:
            if isinstance(rows, Amended):
                rows.write(_select_list(table), temporary)
            else:
                con.execute(_copy_statement(table, rows, temporary)).fetchall()
            _sweep(target.parent, temporary)
            size, digest = temporary.stat().st_size, _sha256(temporary)
            file = LakeFile(asset, day, target, digest, pq.read_metadata(temporary).num_rows, size, fingerprint, note)
            _fsync(temporary)
            self._write_stamp(file, inputs)
            if target.exists() and _sha256(target) == digest:
                temporary.unlink()
            else:
                temporary.replace(target)
        except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
            raise LakeError(
                f"{asset} of {day} could not be written to {target.parent}: {error}. "
                f"{shutil.disk_usage(self.root).free // 2**20} MB are free there; what was there before is untouched"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return file

    def _stamp(self, asset: str, day: date) -> LakeFile | None:
        path = self.path(asset, day)
        try:
            stamp: dict[str, Any] = json.loads(path.with_suffix(".stamp.json").read_text())
            said = {name: stamp[name] for name in ("sha256", "rows", "size", "fingerprint", "note")}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ChangedFile(
                f"{path.with_suffix('.stamp.json')} is not the stamp that was written: {error}. "
                f"Delete it and build the day again: intelsec run --day {day}"
            ) from error
        return LakeFile(asset=asset, day=day, path=path, **said)

    def _write_stamp(self, file: LakeFile, inputs: Mapping[str, str]) -> None:
        stamp = {
            "asset": file.asset,
            "day": str(file.day),
            "sha256": file.sha256,
            "rows": file.rows,
            "size": file.size,
            "fingerprint": file.fingerprint,
            "note": file.note,
            "inputs": dict(sorted(inputs.items())),
        }
        path = file.path.with_suffix(".stamp.json")
        text = json.dumps(stamp, indent=1) + "\n"
        if not path.exists() or path.read_text() != text:
            _write_text(path, text)


def fingerprint(table: Table, code_version: str, configuration: str, inputs: Iterable[LakeFile]) -> str:
    """What a partition is made from: schema, code, configuration and the content of every input."""
    parts = [repr(table), code_version, configuration, *sorted(f"{file.key}={file.sha256}" for file in inputs)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _copy_statement(table: Table, rows: duckdb.DuckDBPyRelation, target: Path) -> str:
    order = ", ".join(f'"{name}"' for name in table.sort_by)
    return (
        f"copy (select {_select_list(table)} from ({rows.sql_query()}) order by {order}) "  # noqa: S608 - names of our own
        f"to {sql_text(target)} (format parquet, compression zstd, row_group_size {table.row_group})"
    )


def _select_list(table: Table) -> str:
    return ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in table.columns)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sweep(folder: Path, fresh: Path) -> None:
    """Remove what killed writes left behind. A write of today may still be at work beside this one."""
    now = fresh.stat().st_mtime
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if now - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def _fsync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
