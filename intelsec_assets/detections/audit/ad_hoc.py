"""Any audit log files as one relation of just the fields that are asked for: what `rules run` reads without a project.

Files that hold a line an event are read by DuckDB at once; all others, and any that hold something odd, by `reading`.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from intelsec_assets.detections.audit import fields as names
from intelsec_assets.detections.audit.delivery import provider_of
from intelsec_assets.detections.audit.framing import is_lines
from intelsec_assets.detections.audit.reading import batches
from intelsec_assets.detections.audit.typed import Delivery, OddRecord
from intelsec_assets.detections.audit.unpacking import Unpacking
from intelsec_assets.detections.errors import EventError
from intelsec_assets.engine import read_sql, sql_text

_PACKAGE = "intelsec_assets.detections.audit"
_WHENEVER = datetime(9999, 1, 1, tzinfo=UTC)
_TRUTHS = {"readOnly"}  # what the lake holds as truth values
_SNIFFED = 2**18  # unpacked bytes looked at to see what a file is
_TABLE = (f"audit_read_{number}" for number in itertools.count(1))


@dataclass(frozen=True)
class EventsRead:
    """Events of files, and what could not be used of them.

    `relation` has one row an event, in the order of the files: event_id, event_time (TIMESTAMPTZ), each asked field as
    VARCHAR in its `fields.column`, file, record (from 1), and with `keywords` event (the whole event as JSON).
    """

    relation: duckdb.DuckDBPyRelation
    table: str  # the temporary table the relation reads
    events: int
    rejected: tuple[OddRecord, ...]
    files: int
    digests: int


def read_events(
    con: duckdb.DuckDBPyConnection,
    paths: Iterable[str | Path],
    *,
    columns: Collection[str] | None,
    keywords: bool = False,
    provider: str | None = None,
) -> EventsRead:
    """Events of files and of all files below folders. `columns` are dotted names of fields, None = none of them.

    Nothing is left out silently: what is no event is in `rejected`. Duplicates are kept, files are as they are.
    Raises EventError for a path that is not there, a file that cannot be opened, or a name that is no field.
    """
    asked = list(dict.fromkeys(columns or ()))
    files = list(_files(paths))
    table = next(_TABLE)
    kinds = "".join(f", {names.column(field)} varchar" for field in asked) + (", event varchar" if keywords else "")
    for part in (f"{table}_fast", f"{table}_slow"):
        con.execute(
            f"create or replace temp table {part} "
            f"(event_id varchar, event_time timestamptz{kinds}, file varchar, record bigint, provider varchar)"
        )
    fast = [] if keywords else [path for path in files if provider in (None, names.AWS) and _is_fast(path)]
    left = set(files) - set(fast) | _read_fast(con, f"{table}_fast", fast, asked)
    slow = [path for path in files if path in left]
    rejected, digests = _read_slowly(con, f"{table}_slow", slow, asked, keywords=keywords, provider=provider)
    con.execute(f"create or replace temp view {table} as {read_sql(_PACKAGE, 'ad_hoc').format(table=table)}")
    events = con.execute(f"select count(*) from {table}").fetchall()[0][0]  # noqa: S608 - a name of our own
    return EventsRead(con.table(table), table, int(events), tuple(rejected), len(files), digests)


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for given in paths:
        path = Path(given)
        if path.is_dir():
            yield from sorted(found for found in path.rglob("*") if found.is_file() and not found.name.startswith("."))
        elif path.exists():
            yield path
        else:
            raise EventError(f"{path}: no such file or folder; name audit log files, or a folder that holds some")


def _sniffed(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return next(Unpacking(stream).blocks(_SNIFFED), b"")
    except OSError as error:
        raise EventError(f"{path}: cannot be read: {error.strerror}") from error


def _is_fast(path: Path) -> bool:
    first = _sniffed(path)
    return first.startswith(b"{") and is_lines(first) and provider_of(first) in (names.AWS, None)


def _read_fast(con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], asked: Sequence[str]) -> set[Path]:
    """Read files of lines into the table; returns those that hold something DuckDB could not make an event of."""
    if not files:
        return set()
    wanted = ["eventID", "eventTime", "@timestamp", "eventName", "eventSource", *asked]
    anchors = _anchors(wanted)
    if anchors is None:
        return set(files)
    statement = read_sql(_PACKAGE, "ad_hoc_lines").format(
        table=table,
        selected="".join(f", {_from_anchor(field, anchors)} as {names.column(field)}" for field in asked),
        event_time=_event_time('coalesce("eventTime", "@timestamp")'),
        files=", ".join(sql_text(path) for path in files),
        columns=_columns(anchors),
    )
    try:
        con.execute(statement)
    except duckdb.Error:
        con.execute(f"delete from {table}")  # noqa: S608 - a name of our own
        return set(files)
    doubtful = (_is_doubtful(names.column(field)) for field in asked)
    claims = " or ".join(("event_id is null", "event_time is null", *doubtful))
    odd = con.execute(f"select distinct file from {table} where {claims}").fetchall()  # noqa: S608 - names are quoted
    bad = {Path(file) for (file,) in odd}
    if bad:
        con.execute(f"delete from {table} where file in (select unnest(?))", [[str(path) for path in bad]])  # noqa: S608 - a name of our own
    return bad


def _is_doubtful(column: str) -> str:
    """SQL that holds for what the patient way would put right, and for texts that only hold the words."""
    signs = ("chr(0)", r"'\u0000'", "'NaN'", "'Infinity'")
    return " or ".join(f"contains({column}, {sign})" for sign in signs)


def _event_time(text: str) -> str:
    return read_sql(_PACKAGE, "instant").replace("time_text", text)


def _anchors(wanted: Sequence[str]) -> dict[str, str] | None:
    """What to read of the files: path -> type. A path on which a list may be is read as JSON up to there.

    So is what holds names that differ in case alone, which no STRUCT can tell apart; None if those are at the top.
    """
    found: dict[str, str] = {}
    for field in wanted:
        place = names.first_list(field)
        segments = field.split(".")
        anchor = field if place is None else ".".join(segments[: place + 1])
        found[anchor] = "VARCHAR" if place is None else "JSON"
    for parent in _holding_twins(found):
        if not parent:
            return None
        found[parent] = "JSON"
    for anchor in sorted(found, key=len):  # a path within another is taken out of that one
        if any(other != anchor and anchor.startswith(f"{other}.") for other in found):
            del found[anchor]
    for anchor in found:
        if any(field.startswith(f"{anchor}.") for field in wanted):
            found[anchor] = "JSON"
    return found


def _holding_twins(paths: Iterable[str]) -> set[str]:
    """Paths whose members among these differ in case alone; empty for the top."""
    spellings: dict[tuple[str, str], set[str]] = {}
    for path in paths:
        segments = path.split(".")
        for at, segment in enumerate(segments):
            spellings.setdefault((".".join(segments[:at]), segment.lower()), set()).add(segment)
    return {parent for (parent, _), names_there in spellings.items() if len(names_there) > 1}


def _from_anchor(field: str, anchors: dict[str, str]) -> str:
    """SQL that takes a field from what was read."""
    segments = tuple(field.split("."))
    for size in range(1, len(segments) + 1):
        anchor = ".".join(segments[:size])
        if anchor not in anchors:
            continue
        read = ".".join(names.quoted(segment) for segment in segments[:size])
        if size < len(segments):
            return names.below_sql(segments, read, size)
        text = f"json_extract_string({read}, '$')" if anchors[anchor] == "JSON" else read
        return f"case lower({text}) when 'true' then 'true' when 'false' then 'false' end" if field in _TRUTHS else text
    raise EventError(f"{field!r} is not among what was read")


def _columns(anchors: dict[str, str]) -> str:
    """The anchors as a list of columns for read_json, those of one object in a STRUCT."""
    tree: dict[str, Any] = {}
    for anchor, kind in anchors.items():
        *parents, last = anchor.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = kind

    def kind_of(node: Any) -> str:
        if isinstance(node, str):
            return node
        return "STRUCT(" + ", ".join(f"{names.quoted(name)} {kind_of(below)}" for name, below in node.items()) + ")"

    return "{" + ", ".join(f"{names.quoted(name)}: {sql_text(kind_of(node))}" for name, node in tree.items()) + "}"


def _read_slowly(
    con: duckdb.DuckDBPyConnection,
    table: str,
    files: Sequence[Path],
    asked: Sequence[str],
    *,
    keywords: bool,
    provider: str | None,
) -> tuple[list[OddRecord], int]:
    """Read files of any kind into the table; what could not be used, and how many digests there were."""
    rejected: list[OddRecord] = []
    digests = 0
    by_provider: dict[str, list[Path]] = {}
    for path in files:
        by_provider.setdefault(provider or provider_of(_sniffed(path)) or names.AWS, []).append(path)
    for one, paths in by_provider.items():
        lists, selected = names.extraction(asked, one)
        extracted = "".join(f", {listed} as {values}" for values, listed in lists.items())
        columns = "".join(f", {selected[field]} as {names.column(field)}" for field in asked) + (", event" * keywords)
        with ExitStack() as opened:
            for batch in batches(con, ((_delivery(path, one), _open(path, opened)) for path in paths)):
                for delivery, why in batch.broken:
                    raise EventError(f"{delivery.file}: cannot be read: {why}")
                rejected += batch.rows.odd
                digests += sum(read.is_digest for read in batch.complete)
                con.register("audit_read_rows", batch.rows.table)
                con.execute(
                    f"insert into {table} by name select event_id, event_time{columns}, file, record, provider "  # noqa: S608 - a name of our own
                    f"from (select *{extracted} from audit_read_rows)"
                )
                con.unregister("audit_read_rows")
    return rejected, digests


def _delivery(path: Path, provider: str) -> Delivery:
    """Files that lie anywhere say nothing of when they were delivered: their events are believed whenever they are."""
    return Delivery("", provider, str(path), _WHENEVER)


def _open(path: Path, opened: ExitStack) -> Any:
    opened.close()  # the one before has been read
    try:
        return opened.enter_context(path.open("rb"))
    except OSError as error:
        raise EventError(f"{path}: cannot be read: {error.strerror}") from error
