"""Audit log files as typed rows, whatever their envelope: in bounded batches, small files together.

Where files come from is `inbox`, where rows go is `landing`; arbitrary files for `rules run` are read by `ad_hoc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from intelsec_assets.detections.audit.extraction import Spool, SpoolFile
from intelsec_assets.detections.audit.fields import AWS
from intelsec_assets.detections.audit.framing import Frame, Odd, frames
from intelsec_assets.detections.audit.typed import Delivery, Part, Typed, typed
from intelsec_assets.detections.audit.unpacking import Readable, Unpacking

# records typed at once, as each statement costs its planning: until there are so many bytes of them or so many of them
TOGETHER, MOST_RECORDS = 64 * 2**20, 100_000
FIRST = 16 * 2**20  # bytes of the first batch, each next one has twice as many: nobody waits for a large one to begin
WORKERS = 2  # threads that type while the next files are unpacked
_AHEAD = WORKERS + 1  # batches in memory


@dataclass
class FileRead:
    """What became of one file; complete once all of its batches were handed out."""

    delivery: Delivery
    size: int = 0
    events: int = 0
    rejected: int = 0
    days: dict[date, int] = field(default_factory=dict)  # events a day
    is_digest: bool = False
    reason: str | None = None  # why the file, or its rest, could not be read
    detail: str = ""

    @property
    def status(self) -> str:
        """ok, digest, or unreadable: nothing of it could be read."""
        if self.is_digest:
            return "digest"
        return "unreadable" if self.reason is not None and not self.events else "ok"


@dataclass
class Batch:
    """Rows of some files, which files are complete with it, and which broke off while they were read, and why."""

    rows: Typed
    complete: list[FileRead]
    broken: list[tuple[Delivery, str]] = field(default_factory=list)


def batches(
    con: duckdb.DuckDBPyConnection, files: Iterable[tuple[Delivery, Readable]], *, together: int = TOGETHER
) -> Iterator[Batch]:
    """Rows of files of one provider, in the order of the files.

    The caller opens each file as it is asked for and may close it when it is asked for the next. A file whose stream
    fails (OSError, a lost connection) is in `broken` and never complete: what could not be fetched is no bad file, and
    it costs nothing of the others. Raises EventError where the lines of events cannot be laid out for DuckDB.
    """
    with Spool() as spool, ThreadPoolExecutor(WORKERS, thread_name_prefix="audit-typed") as pool:
        waiting: list[tuple[Future[Typed], _Gathered]] = []
        for gathered in _gather(files, together, spool):
            waiting.append((pool.submit(_typed_apart, con, gathered, spool), gathered))
            if len(waiting) >= _AHEAD:
                yield _finished(*waiting.pop(0))
        while waiting:
            yield _finished(*waiting.pop(0))


@dataclass
class _Gathered:
    """Frames that are typed together, their lines if those are needed, and what is known of their files."""

    lines: SpoolFile
    parts: list[Part] = field(default_factory=list)
    reads: dict[Delivery, FileRead] = field(default_factory=dict)
    complete: list[FileRead] = field(default_factory=list)
    broken: list[tuple[Delivery, str]] = field(default_factory=list)
    size: int = 0
    records: int = 0

    def add(self, frame: Frame, delivery: Delivery) -> None:
        """Take a frame. Its lines go to the file while they are at hand, so nobody needs to hold them twice."""
        self.parts.append((frame, delivery))
        self.size += frame.events.nbytes
        self.records += len(frame.events)
        if delivery.provider == AWS:
            self.lines.write(frame.lines())
            frame.block = None


def _gather(files: Iterable[tuple[Delivery, Readable]], together: int, spool: Spool) -> Iterator[_Gathered]:
    gathered, enough = _Gathered(spool.file()), min(FIRST, together)
    for delivery, stream in files:
        read = FileRead(delivery)
        unpacking = Unpacking(stream)
        try:
            for frame in frames(unpacking.blocks()):
                if unpacking.cut is not None and any(odd.reason == "empty" for odd in frame.odd):
                    continue  # it is not empty, it was cut before its first record
                read.is_digest = read.is_digest or frame.is_digest
                gathered.add(frame, delivery)
                gathered.reads[delivery] = read
                if gathered.size >= enough or gathered.records >= MOST_RECORDS:
                    yield gathered
                    gathered, enough = _Gathered(spool.file()), min(2 * enough, together)
        except OSError as error:
            gathered.broken.append((delivery, f"it broke off while it was read: {error.strerror or error}"))
            continue
        if unpacking.cut is not None:
            odd = Odd(0, unpacking.cut.reason, unpacking.cut.detail)
            gathered.add(Frame(pa.array([], pa.string()), pa.array([], pa.int64()), [odd]), delivery)
        read.size = unpacking.size
        gathered.reads[delivery] = read
        gathered.complete.append(read)
    if gathered.parts or gathered.complete or gathered.broken:
        yield gathered
    else:
        gathered.lines.close()


def _typed_apart(con: duckdb.DuckDBPyConnection, gathered: _Gathered, spool: Spool) -> Typed:
    """Typed on a connection of its own: what is registered for one batch is not seen by another."""
    with gathered.lines as lines, con.cursor() as own:
        own.execute("set timezone = 'UTC'")
        return typed(own, gathered.parts, spool, lines)


def _finished(future: Future[Typed], gathered: _Gathered) -> Batch:
    rows = future.result()
    by_name = {delivery.file: read for delivery, read in gathered.reads.items()}
    counts = rows.table.group_by(["file", "day"]).aggregate([([], "count_all")])
    columns = (counts.column(name).to_pylist() for name in ("file", "day", "count_all"))
    for file, day, count in zip(*columns, strict=True):
        read = by_name[file]
        read.events += count
        read.days[day] = read.days.get(day, 0) + count
    for one in rows.odd:
        read = gathered.reads[one.delivery]
        read.rejected += 1
        # a file whose only record is none has a reason too
        if read.reason is None or one.odd.record == 0:
            read.reason, read.detail = one.odd.reason, one.odd.detail
    return Batch(rows, gathered.complete, gathered.broken)
