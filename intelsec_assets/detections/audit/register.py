"""The register of files that were taken: which version of each, what came of it. One SQLite file beside the landing.

Of which files a part of the landing was made is noted too, and stays noted when a file is rewritten or forgotten: only
so can be told what a part that is damaged held.

A file is noted only after its events have landed; one that landed and was not noted is taken again, which changes
nothing, because of an event delivered twice the first delivery counts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from intelsec_assets.days import parse_day
from intelsec_assets.detections.errors import EventError
from intelsec_assets.engine import read_sql

_COLUMNS = "source, key, version, size, sha256, status, reason, detail, events, rejected, days, delivered, taken_at"
_PATIENCE = 60  # seconds to wait for another process that writes


@dataclass(frozen=True)
class Taken:
    """A file that was taken, in one version."""

    source: str
    key: str
    version: str
    size: int  # bytes as delivered
    sha256: str
    status: str  # ok | digest | unreadable
    reason: str | None
    detail: str
    events: int
    rejected: int
    days: tuple[tuple[date, int], ...]  # events a day
    delivered: datetime
    taken_at: datetime


@dataclass(frozen=True, order=True)
class FileContent:
    """A file as it was when it was taken: what lies under its key may have been rewritten since."""

    source: str
    key: str
    sha256: str


@dataclass(frozen=True)
class NotFetched:
    """A file that is there and could not be read to its end; it stays an arrival."""

    source: str
    key: str
    why: str
    since: datetime  # when it was first tried


class Register:
    """What has been taken, for several processes at once."""

    def __init__(self, path: Path) -> None:
        """The register in the file `path`, made when something is first noted."""
        self.path = path

    def known(self, source: str) -> dict[str, str]:
        """Key -> version of everything that was taken of a source."""
        rows = self._rows("select key, version from files where source = ?", (source,))
        return {str(key): str(version) for key, version in rows}

    def contents(self, source: str) -> dict[str, str]:
        """Key -> sha256 of everything that was taken of a source."""
        rows = self._rows("select key, sha256 from files where source = ?", (source,))
        return {str(key): str(sha256) for key, sha256 in rows}

    def files(self, source: str | None = None) -> list[Taken]:
        """Everything that was taken, by source and key."""
        where = "" if source is None else " where source = ?"
        rows = self._rows(
            f"select {_COLUMNS} from files{where} order by source, key",  # noqa: S608 - names of our own
            () if source is None else (source,),
        )
        return [_taken(row) for row in rows]

    def file(self, source: str, key: str) -> Taken | None:
        """What was noted of one file, if it was taken."""
        where = "where source = ? and key = ?"
        rows = self._rows(f"select {_COLUMNS} from files {where}", (source, key))  # noqa: S608 - names of our own
        return next(map(_taken, rows), None)

    def note(self, files: Iterable[Taken]) -> None:
        """Note files as taken, all or none; a newer version of a file takes the place of the older."""
        marks = ", ".join("?" * (_COLUMNS.count(",") + 1))
        with self._writing() as con:
            con.executemany(
                f"insert or replace into files ({_COLUMNS}) values ({marks})",  # noqa: S608 - names of our own
                [_row(file) for file in files],
            )

    def forget(self, files: Iterable[tuple[str, str]]) -> None:
        """Forget that files (source, key) were taken: those that are still there are taken again."""
        with self._writing() as con:
            con.executemany("delete from files where source = ? and key = ?", list(files))

    def made_of(self, part: str) -> tuple[FileContent, ...]:
        """Files that a part was made of, by its name; none if that was not noted: no part is made of nothing."""
        rows = self._rows(
            "select source, key, sha256 from part_files where part = ? order by source, key, sha256", (part,)
        )
        return tuple(FileContent(str(source), str(key), str(sha256)) for source, key, sha256 in rows)

    def note_parts(self, parts: Mapping[str, Iterable[FileContent]]) -> None:
        """Note of which files parts (by name) are made, all or none."""
        rows = [(part, file.source, file.key, file.sha256) for part, files in parts.items() for file in files]
        with self._writing() as con:
            con.executemany("insert or ignore into part_files (part, source, key, sha256) values (?, ?, ?, ?)", rows)

    def not_fetched(self, source: str) -> list[NotFetched]:
        """Files of a source that could not be read when they were last tried, by key."""
        rows = self._rows("select key, why, since from not_fetched where source = ? order by key", (source,))
        return [NotFetched(source, str(key), str(why), datetime.fromisoformat(str(at))) for key, why, at in rows]

    def note_not_fetched(self, source: str, files: Iterable[NotFetched]) -> None:
        """Note which files of a source could not be read, in place of all that were noted before."""
        with self._writing() as con:
            con.execute("delete from not_fetched where source = ?", (source,))
            con.executemany(
                "insert or replace into not_fetched (source, key, why, since) values (?, ?, ?, ?)",
                [(source, file.key, file.why, file.since.isoformat()) for file in files],
            )

    def _rows(self, query: str, parameters: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
        if not self.path.exists():
            return iter(())
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=_PATIENCE)) as con:
                return iter(con.execute(query, parameters).fetchall())
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # another process is just making it
                return iter(())
            raise EventError(f"{self.path}: the register of audit logs cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as con:
                con.execute("pragma journal_mode = wal")
                con.execute("pragma synchronous = full")  # noted means on disk
                with con:
                    con.execute("begin immediate")
                    for statement in ("register", "not_fetched", "part_files"):
                        con.execute(read_sql("intelsec_assets.detections.audit", statement))
                    yield con
        except (sqlite3.OperationalError, OSError) as error:
            raise EventError(f"{self.path}: the register of audit logs cannot be written: {error}") from error
        except sqlite3.DatabaseError as error:
            raise _damaged(self.path, error) from error


def _damaged(path: Path, error: sqlite3.Error) -> EventError:
    return EventError(
        f"{path}: the register of audit logs is damaged: {error}. Delete it: all files are taken again, and events "
        "that have landed already are not counted twice"
    )


def _row(file: Taken) -> tuple[object, ...]:
    days = json.dumps({str(day): count for day, count in file.days})
    return (
        *(file.source, file.key, file.version, file.size, file.sha256, file.status, file.reason, file.detail),
        *(file.events, file.rejected, days, file.delivered.isoformat(), file.taken_at.isoformat()),
    )


def _taken(row: tuple[object, ...]) -> Taken:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    days = tuple((parse_day(day), int(count)) for day, count in sorted(json.loads(str(values.pop("days"))).items()))
    instants = {name: datetime.fromisoformat(str(values.pop(name))) for name in ("delivered", "taken_at")}
    return Taken(days=days, **instants, **values)  # type: ignore[arg-type]  # the columns are those of the class
