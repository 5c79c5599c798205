"""A query of somebody we do not know, in a process of its own: reads one order, answers in frames, and ends.

Run as `python -m intelsec_assets.kpis.warehouse.query_process` by `reading`. A process of its own because DuckDB's
memory limit does not cover every allocation (`range(2000000000)` takes 16 GB under a limit of 512 MB) and because some
functions hear no interruption: the kernel bounds the one, and a kill the other.
"""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import re
import resource
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.query_frames import (
    ARROW,
    DAMAGED,
    END,
    FAILED,
    FRAME,
    HEAD,
    MEMORY,
    OPEN,
    REFUSED,
    ROWS,
    TIME,
)

_BATCH = 4096  # rows a frame
# Python, DuckDB's code and its threads beside the memory that DuckDB counts
_BESIDE = 512 << 20
_WHAT_READS = "queries only read: SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, PIVOT and EXPLAIN"


class _NoAnswer(Exception):
    """Why there is none: one of the kinds of `query_frames`, and a text."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def main() -> int:
    """Answer the order on standard input; 0 if the answer, or why there is none, was handed over whole."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else is printed is no answer
    order: dict[str, Any] = json.loads(sys.stdin.readline())
    end: dict[str, Any]
    try:
        end = {"is_cut": _answer(order, answers)}
    except _NoAnswer as reason:
        end = {"error": reason.kind, "text": str(reason)}
    _send(answers, END, json.dumps(end).encode())
    answers.close()
    return 0


def _send(answers: BinaryIO, kind: bytes, payload: bytes) -> None:
    answers.write(FRAME.pack(kind, len(payload)))
    answers.write(payload)
    answers.flush()


def _answer(order: Mapping[str, Any], answers: BinaryIO) -> bool:
    """Send the columns, then the rows in the form that is asked for. True if there were more than `limit_rows`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (order["spill_bytes"], order["spill_bytes"]))
    con = _open(order)
    _send(answers, OPEN, json.dumps({"manifest": _manifest(con)}).encode())
    _bound_memory(order["memory_bytes"])
    allowance = _Allowance(con, order["seconds"])
    with _explained(order, allowance):
        _refuse_all_but_reading(order["sql"])
        with allowance.spent():
            relation = _bound(con, order)
        head = {"columns": relation.columns, "types": [str(type_) for type_ in relation.types]}
        _send(answers, HEAD, json.dumps(head).encode())
        # each in the way in which DuckDB hands on what it has and does not collect it first
        if sys.stdin.readline().strip() == "arrow":
            return _send_arrow(relation, answers, allowance, order)
        with allowance.spent():
            con.execute(order["sql"], order["parameters"] or None)
        return _send_rows(con, answers, allowance, order["limit_rows"])


def _bound(con: duckdb.DuckDBPyConnection, order: Mapping[str, Any]) -> duckdb.DuckDBPyRelation:
    """The query with its columns known and nothing done yet."""
    try:
        return con.sql(order["sql"], params=order["parameters"] or None)
    except (duckdb.BinderException, duckdb.CatalogException):
        con.execute(order["sql"], order["parameters"] or None)  # says the same, and where in the text
        raise


def _open(order: Mapping[str, Any]) -> duckdb.DuckDBPyConnection:
    try:
        con = duckdb.connect(
            config={
                "autoload_known_extensions": False,
                "autoinstall_known_extensions": False,
                "python_enable_replacements": False,
                "memory_limit": order["memory"],
                "temp_directory": order["spill_folder"],
                "max_temp_directory_size": f"{order['spill_bytes']}B",
            },
        )
        con.execute("set timezone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        if order["file"] is None:
            _lay_out(con, order["tables"])
        else:
            # under one name whichever snapshot it is, so that `intelsec.main.about` holds for a pinned day too
            con.execute(f"attach {sql_text(order['file'])} as intelsec (read_only)")
            con.execute("use intelsec")
        con.execute("set enable_external_access = false")
        con.execute("set lock_configuration = true")
    except duckdb.Error as error:
        raise _NoAnswer(DAMAGED, str(error).splitlines()[0]) from error  # what follows quotes statements of our own
    return con


def _lay_out(con: duckdb.DuckDBPyConnection, tables: Mapping[str, list[str]]) -> None:
    """Tables of a lake as views over their files, and no other file within reach; older days may lack a column."""
    for name, files in tables.items():
        listed = ", ".join(map(sql_text, files))
        con.execute(f'create view "{name}" as from read_parquet([{listed}], union_by_name = true)')
    reachable = ", ".join(sql_text(file) for files in tables.values() for file in files)
    con.execute(f"set allowed_paths = [{reachable}]")


def _manifest(con: duckdb.DuckDBPyConnection) -> Any:
    """What the file says of itself; None of a file that we did not publish."""
    try:
        ((text,),) = con.execute("select manifest from main.snapshot").fetchall()
    except (duckdb.Error, ValueError):
        return None
    return json.loads(text)


def _bound_memory(allowed: int) -> None:
    """Whatever this process takes beyond: its allocation fails, the machine's memory stays for others."""
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere only DuckDB's own limit holds
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + allowed + _BESIDE, most))


class _Allowance:
    """Seconds that a query may work in all. The time in which nobody takes its rows is not counted."""

    def __init__(self, con: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self._con = con
        self._left = seconds
        self.is_spent = False

    @contextmanager
    def spent(self) -> Iterator[None]:
        timer = threading.Timer(max(self._left, 0), self._stop)
        timer.daemon = True
        began = time.monotonic()
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._left -= time.monotonic() - began

    def _stop(self) -> None:
        self.is_spent = True
        self._con.interrupt()


_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\b\s*|\([^)]*\)\s*)*(.*)", re.IGNORECASE | re.DOTALL)


def _refuse_all_but_reading(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    if not statements:
        raise _NoAnswer(REFUSED, f"there is no query in it; {_WHAT_READS}")
    if len(statements) > 1:
        raise _NoAnswer(REFUSED, f"these are {len(statements)} statements: ask one at a time")
    try:
        kind = statements[0].type.name
    except ValueError:  # one that the Python client has no name for yet
        kind = "this statement"
    if kind == "EXPLAIN":  # of what it explains it may carry out everything
        explained = _EXPLAIN.match(statements[0].query)
        _refuse_all_but_reading(explained[1] if explained else "")
    # MULTI is a PIVOT whose columns are not given: DuckDB looks for them first
    if kind not in {"SELECT", "EXPLAIN", "MULTI"}:
        raise _NoAnswer(REFUSED, f"{kind} is not allowed: {_WHAT_READS}")


@contextmanager
def _explained(order: Mapping[str, Any], allowance: _Allowance) -> Iterator[None]:
    """DuckDB's errors as reasons. What configuration forbids is a refusal, whatever the statement looked like."""
    try:
        yield
    except duckdb.InterruptException as error:
        if not allowance.is_spent:
            raise
        raise _NoAnswer(TIME, f"the query takes longer than {order['seconds']:g} s") from error
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise _NoAnswer(MEMORY, f"the query needs more memory than the {order['memory']} it was given") from error
    except duckdb.PermissionException as error:
        raise _NoAnswer(REFUSED, f"queries read the published tables, no files: {_first_line(error)}") from error
    except duckdb.Error as error:
        said = str(error)
        if "read-only mode" in said or "configuration has been locked" in said:
            raise _NoAnswer(REFUSED, f"the warehouse is read-only: {_WHAT_READS}") from error
        if os.strerror(errno.EFBIG) in said or os.strerror(errno.ENOSPC) in said:
            raise _NoAnswer(MEMORY, "the query needs more room on disk than there is for it") from error
        raise _NoAnswer(FAILED, said) from error


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _send_rows(con: duckdb.DuckDBPyConnection, answers: BinaryIO, allowance: _Allowance, limit: int | None) -> bool:
    sent = 0
    while True:
        wanted = _BATCH if limit is None else min(_BATCH, limit - sent + 1)
        with allowance.spent():
            rows = con.fetchmany(wanted)
        is_cut = limit is not None and sent + len(rows) > limit
        if is_cut:
            rows = rows[:-1]
        if rows:
            _send(answers, ROWS, pickle.dumps(rows))
            sent += len(rows)
        if is_cut or len(rows) < wanted:
            return is_cut


def _send_arrow(
    relation: duckdb.DuckDBPyRelation, answers: BinaryIO, allowance: _Allowance, order: Mapping[str, Any]
) -> bool:
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    import pyarrow as pa  # takes address space of its own, and half a second

    _bound_memory(order["memory_bytes"])
    limit: int | None = order["limit_rows"]
    with allowance.spent():
        reader: Any = relation.to_arrow_reader(_BATCH * 16)
    _send(answers, ARROW, _stream(pa, [], reader.schema))  # the schema, even if no row comes
    sent = 0
    while True:
        with allowance.spent():
            batch = next(reader, None)
        if batch is None:
            return False
        if limit is not None and sent + batch.num_rows > limit:
            _send(answers, ARROW, _stream(pa, [batch.slice(0, limit - sent)], reader.schema))
            return True
        _send(answers, ARROW, _stream(pa, [batch], reader.schema))
        sent += batch.num_rows


def _stream(pa: Any, batches: list[Any], schema: Any) -> bytes:
    into = io.BytesIO()
    with pa.ipc.new_stream(into, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return into.getvalue()


if __name__ == "__main__":
    sys.exit(main())
