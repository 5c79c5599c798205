"""Queries on a published snapshot, or on the lake, that can do no harm: one SELECT, read only, no other files, bounded.

The process in which such a query runs is `query_process`; how a result is written out is in `results`.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from intelsec_assets.kpis.warehouse import query_frames as frames
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.manifest import Manifest

if TYPE_CHECKING:  # both take their time to load, and a query runs elsewhere
    import duckdb
    import pyarrow as pa

MEMORY = "512MB"
SECONDS = 60.0
SPILL = "1GB"  # of disk, for what does not fit into the memory

Parameter = str | int | float | bool | None

_LEAST_MEMORY = 64_000_000  # bytes; below that DuckDB cannot even open a file well
# what a query has after its time to hear the interruption, before its process is ended
_GRACE_SECONDS = 3.0
_START_SECONDS = 30.0  # that a process may take to start on a machine with other work
_PIPE = 1 << 20
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B", re.IGNORECASE)
_HIDDEN = ("INTELSEC_", "DAGSTER_")  # addresses with passwords are not handed to a stranger's query


class ReadingError(WarehouseError):
    """A query got no answer; the message says why and what to do."""


class NotPublished(ReadingError):
    """There is no published file, or none of that day."""


class Refused(ReadingError):
    """The statement does something other than read the warehouse."""


class QueryFailed(ReadingError):
    """The SQL is wrong; the message is DuckDB's, with the position."""


class LimitReached(ReadingError):
    """The query takes more time or memory than it was given."""


@dataclass(frozen=True)
class LakeTables:
    """The tables of a lake: a folder each below `root`, with a Parquet file a day."""

    root: Path

    def names(self) -> list[str]:
        """Tables that have a day, in order; those of feeds are `feeds/NAME`."""
        return sorted({file.parent.relative_to(self.root).as_posix() for file in self.root.glob("**/*.parquet")})

    def files_for(self, sql: str) -> dict[str, list[str]]:
        """Files of the tables that the query may speak of, by table. Raises NotPublished for an empty lake."""
        names = self.names()
        if not names:
            raise NotPublished(f"{self.root} holds no table yet. Build some: intelsec run")
        asked = sql.lower()
        return {
            name: sorted(str(file.resolve()) for file in (self.root / name).glob("*.parquet"))
            for name in names
            if name.lower() in asked
        }


class Result:
    """The answer to a query, read once and from front to back: by `rows`, `batches` or `arrow`.

    `columns` and `types` (in DuckDB's words) are known before the first row, `is_cut` after the last: True if there
    were more rows than `limit_rows`. `manifest` is that of the snapshot; None for a file that was not published.
    """

    def __init__(self, process: _QueryProcess) -> None:
        """Wait for the columns. Raises ReadingError."""
        self._process = process
        manifest = process.answer()["manifest"]
        process.starts_working()
        head = process.answer()
        self.columns: tuple[str, ...] = tuple(head["columns"])
        self.types: tuple[str, ...] = tuple(head["types"])
        self.manifest = None if manifest is None else Manifest.of(manifest)
        self.is_cut = False

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in Python's types, some thousand at a time. Raises LimitReached, QueryFailed on the way."""
        for payload in self._frames("rows"):
            yield pickle.loads(payload)  # noqa: S301  written by our own process

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows one by one."""
        for batch in self.batches():
            yield from batch

    def arrow(self) -> Iterator[pa.RecordBatch]:
        """Rows as Arrow batches; there is always one, so that the schema is known."""
        import pyarrow as pa

        for payload in self._frames("arrow"):
            table = pa.ipc.open_stream(payload).read_all()
            yield from table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]

    def _frames(self, form: str) -> Iterator[bytes]:
        self._process.tell(form)
        while True:
            kind, payload = self._process.frame()
            if kind == frames.END:
                self.is_cut = self._process.end(payload)["is_cut"]
                return
            yield payload


@contextmanager
def query(
    source: WarehouseFolder | LakeTables | Path,
    sql: str,
    *,
    day: date | None = None,
    memory: str = MEMORY,
    seconds: float = SECONDS,
    limit_rows: int | None = None,
    parameters: Sequence[Parameter] = (),
) -> Iterator[Result]:
    """Answer one SELECT of somebody we do not know, in a process of its own that ends with the block.

    `source` is a warehouse folder (its published file, or the last snapshot of `day`), a file, or the tables of a lake.
    `seconds` counts the query's work, not the reader's pauses. Raises NotPublished, Refused, QueryFailed or
    LimitReached, also on the way through the rows.
    """
    order = {
        "file": None if isinstance(source, LakeTables) else str(_file(source, day).resolve()),
        "tables": source.files_for(sql) if isinstance(source, LakeTables) else {},
        "sql": sql,
        "parameters": list(parameters),
        "memory": memory,
        "memory_bytes": _bytes("memory", memory, _LEAST_MEMORY),
        "spill_bytes": _bytes("spill", SPILL, 0),
        "seconds": seconds,
        "limit_rows": limit_rows,
    }
    with tempfile.TemporaryDirectory(prefix="intelsec-query-") as private:
        process = _QueryProcess({**order, "spill_folder": f"{private}/spill"}, Path(private))
        try:
            yield Result(process)
        finally:
            process.close()


@contextmanager
def connect(
    source: WarehouseFolder | Path, *, day: date | None = None, memory: str = MEMORY
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection in this process and in UTC, for statements of our own: no limit of time holds here.

    The file is attached as `intelsec`, whichever snapshot it is. Raises NotPublished.
    """
    from intelsec_assets import engine

    with engine.session(memory=memory) as con:
        con.execute(f"attach {engine.sql_text(_file(source, day))} as intelsec (read_only)")
        con.execute("use intelsec")
        con.execute("set enable_progress_bar = false")  # it would draw on standard output
        yield con


def _file(source: WarehouseFolder | Path, day: date | None) -> Path:
    if isinstance(source, Path):
        found = source
    elif day is None:
        found = source.published
    else:
        from intelsec_assets.kpis.warehouse.snapshots import UnknownSnapshot, snapshot_file, snapshot_of_day

        try:
            found = snapshot_file(source, snapshot_of_day(source, day).snapshot)
        except UnknownSnapshot as error:
            raise NotPublished(str(error)) from error
    if not found.exists():
        raise NotPublished(f"{found} is not there: nothing was published yet. Build and publish: intelsec run")
    return found


def _bytes(name: str, size: str, least: int) -> int:
    found = _SIZE.fullmatch(size.strip())
    wanted = (
        0
        if found is None
        else int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".find(found[2].upper() or " "))
    )
    if found is None or wanted < least:
        raise ReadingError(
            f"{name} {size!r} cannot work: expected a size such as 512MB or 2GB, at least {least // 1_000_000}MB"
        )
    return wanted


class _QueryProcess:
    """The process of one query: its frames, read with patience but not for ever, and its end."""

    def __init__(self, order: Mapping[str, Any], private: Path) -> None:
        self._order = order
        self._patience = _START_SECONDS
        self._said = private / "stderr"
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "intelsec_assets.kpis.warehouse.query_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                bufsize=0,
                env={name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)},
                start_new_session=True,  # Ctrl-C is for whoever asked; the query ends with him
            )
        self.tell(json.dumps(order))

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # why it ended is in the next frame
            self._process.stdin.write(line.encode() + b"\n")

    def starts_working(self) -> None:
        """From here on the query's own time counts."""
        self._patience = self._order["seconds"] + _GRACE_SECONDS

    def answer(self) -> dict[str, Any]:
        """The next frame, which is JSON. Raises what the process says was wrong."""
        kind, payload = self.frame()
        if kind == frames.END:
            return self.end(payload)
        said: dict[str, Any] = json.loads(payload)
        return said

    def frame(self) -> tuple[bytes, bytes]:
        """The next frame. Raises LimitReached or QueryFailed if the process hangs, or is no more."""
        kind, length = frames.FRAME.unpack(self._exactly(frames.FRAME.size))
        return kind, self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        assert self._process.stdout is not None
        parts = []
        while length:
            began = time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(self._patience, 0))
            self._patience -= time.monotonic() - began
            if not ready:
                raise LimitReached(_advice(f"the query takes longer than {self._order['seconds']:g} s"))
            part = os.read(self._process.stdout.fileno(), min(length, _PIPE))
            if not part:
                raise self._died()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _died(self) -> ReadingError:
        code = self._process.wait()
        said = self._said.read_text(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        if code in {-signal.SIGKILL, -signal.SIGXFSZ}:
            return LimitReached(_advice("the system ended the query, which took too much memory or disk"))
        return QueryFailed(f"the query broke its process (exit code {code}){last}. Ask for it in smaller parts")

    def end(self, payload: bytes) -> dict[str, Any]:
        """How it ended. Raises what the process says was wrong."""
        said: dict[str, Any] = json.loads(payload)
        text = said.get("text", "")
        match said.get("error"):
            case None:
                return said
            case frames.REFUSED:
                raise Refused(text)
            case frames.TIME | frames.MEMORY:
                raise LimitReached(_advice(text))
            case frames.DAMAGED if self._order["file"] is None:
                raise NotPublished(f"the lake cannot be read: {text}. Build the day again: intelsec run --day DAY")
            case frames.DAMAGED:
                raise NotPublished(f"the published file cannot be read: {text}. Publish again: intelsec run")
            case _:
                raise QueryFailed(text)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _advice(what: str) -> str:
    return (
        f"{what}. Ask for fewer days (where day = …) or fewer columns, group before you sort, or limit the rows; "
        "or give it more time or memory"
    )
