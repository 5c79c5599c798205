"""Taking what was delivered: new files of a source are read, their events land, then each file is noted as taken.

In this order: a process that is killed in between takes a file again, and nothing is lost or counted twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from intelsec_assets.detections.audit.delivery import delivery_of
from intelsec_assets.detections.audit.inbox import Inbox, InboxError, Listed, arrivals, inbox
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.reading import Batch, FileRead, batches
from intelsec_assets.detections.audit.register import NotFetched, Taken
from intelsec_assets.detections.audit.telemetry import AuditSource
from intelsec_assets.detections.audit.typed import Delivery

LAND_ROWS = 200_000  # events that land together
LAND_BYTES = 192 * 2**20  # and how much memory they may take
_ONE_READ = 2**20


@dataclass
class Intake:
    """What taking came to."""

    source: str
    files: int = 0
    events: int = 0
    rejected: int = 0
    unreadable: int = 0
    digests: int = 0
    unchanged: int = 0  # delivered again with the very same bytes
    days: set[date] = field(default_factory=set)
    not_fetched: dict[str, str] = field(default_factory=dict)  # key -> why; they are tried again next time
    is_complete: bool = True  # false = more has arrived than was taken


def take(
    con: duckdb.DuckDBPyConnection,
    landing: Landing,
    source: AuditSource,
    data_root: Path | None,
    *,
    clock: Callable[[], datetime],
    client: Any = None,
    max_files: int | None = None,
) -> Intake:
    """Take what has arrived of a source, at most `max_files`. Files in `not_fetched` stay arrivals and are registered.

    Raises InboxError if the place itself cannot be reached, EventError if nothing can be written.
    """
    place = inbox(source, data_root, client=client)
    arrived = arrivals(place.listing(), landing.register.known(source.name)).all
    failed = {one.key: one for one in landing.register.not_fetched(source.name)}
    # what failed before must not keep out what has come since
    in_turn = sorted(arrived, key=lambda file: file.key in failed)
    chosen = tuple(in_turn if max_files is None else in_turn[:max_files])
    intake = Intake(source.name, is_complete=len(chosen) == len(arrived))
    _Taking(landing, source, place, clock, intake).run(con, chosen)
    waiting = {file.key for file in in_turn[len(chosen) :]}
    now = [one for one in failed.values() if one.key in waiting]
    for key, why in sorted(intake.not_fetched.items()):
        since = failed[key].since if key in failed else clock()
        now.append(NotFetched(source.name, key, why, since))
    if now != list(failed.values()):
        landing.register.note_not_fetched(source.name, now)
    return intake


class _Taking:
    """One run over the files that have arrived."""

    def __init__(
        self, landing: Landing, source: AuditSource, place: Inbox, clock: Callable[[], datetime], intake: Intake
    ) -> None:
        self.landing, self.source, self.place, self.clock, self.intake = landing, source, place, clock, intake
        self.contents = landing.register.contents(source.name)
        self.listed: dict[str, Listed] = {}
        self.rows: list[pa.Table] = []
        self.complete: list[FileRead] = []
        self.same: list[Taken] = []

    def run(self, con: duckdb.DuckDBPyConnection, files: tuple[Listed, ...]) -> None:
        for batch in batches(con, self._opened(files)):
            self._gather(batch)
            if sum(rows.num_rows for rows in self.rows) >= LAND_ROWS or sum(map(_size, self.rows)) >= LAND_BYTES:
                self._land()
        self._land()

    def _opened(self, files: tuple[Listed, ...]) -> Iterator[tuple[Delivery, BinaryIO]]:
        """Each file that has other bytes than the last time, open for as long as it is read."""
        with ExitStack() as opened:
            for file in files:
                opened.close()
                try:
                    stream = opened.enter_context(self.place.opened(file))
                    digest = sha256(stream)
                except (InboxError, OSError) as error:
                    self.intake.not_fetched[file.key] = str(error)
                    continue
                if self.contents.get(file.key) == digest:
                    self._note_same(file)
                    continue
                self.listed[file.key] = file
                at, latest = delivery_of(file.key, file.modified, self.clock())
                yield Delivery(self.source.name, self.source.provider, file.key, at, digest, latest), stream

    def _note_same(self, file: Listed) -> None:
        if (before := self.landing.register.file(self.source.name, file.key)) is not None:
            self.same.append(replace(before, version=file.version))
        self.intake.unchanged += 1

    def _gather(self, batch: Batch) -> None:
        self.complete += batch.complete
        for delivery, why in batch.broken:
            self.intake.not_fetched[delivery.file] = why
            del self.listed[delivery.file]
        if batch.rows.table.num_rows:
            self.rows.append(batch.rows.table)
        if batch.rows.odd:
            self.landing.reject(batch.rows.odd)

    def _land(self) -> None:
        if self.rows:
            self.landing.land(pa.concat_tables(self.rows))
            self.rows = []
        noted = [self._taken(read) for read in self.complete]
        if noted or self.same:
            self.landing.register.note([*noted, *self.same])
        for taken in noted:
            self.intake.files += 1
            self.intake.events += taken.events
            self.intake.rejected += taken.rejected
            self.intake.unreadable += taken.status == "unreadable"
            self.intake.digests += taken.status == "digest"
            self.intake.days |= {day for day, _ in taken.days}
        self.complete, self.same = [], []

    def _taken(self, read: FileRead) -> Taken:
        file = self.listed.pop(read.delivery.file)
        return Taken(
            source=self.source.name,
            key=file.key,
            version=file.version,
            size=file.size,
            sha256=read.delivery.sha256,
            status=read.status,
            reason=read.reason,
            detail=read.detail,
            events=read.events,
            rejected=read.rejected,
            days=tuple(sorted(read.days.items())),
            delivered=read.delivery.delivered,
            taken_at=self.clock(),
        )


def _size(rows: pa.Table) -> int:
    return int(rows.get_total_buffer_size())


def sha256(stream: BinaryIO) -> str:
    """Content hash of a file from where it stands; it stands at its start afterwards."""
    digest = hashlib.sha256()
    while piece := stream.read(_ONE_READ):
        digest.update(piece)
    stream.seek(0)
    return digest.hexdigest()
