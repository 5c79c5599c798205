"""From a row of a published mart back to the feed lines it came from, by the recipes of `lineage.yaml`.

Which row is meant by a key is told by `keys`; what it looks like on a terminal is `lineage_text`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import duckdb

from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.manifest import Manifest, source_days
from intelsec_assets.kpis.warehouse.recipes import Recipe, Step, recipes

MOST_ROWS = 20  # of each step; the total is given beside them

_PARAMETER = re.compile(r"\$([a-z_]+)\b")
_LAKE = re.compile(r"\blake\.([a-z_]+)\b")
_TOLERANCE = 1e-9

Row = Mapping[str, Any]


class PartitionUnavailable(WarehouseError):
    """A partition of the lake is gone, or is not what was written; the message says how to have it again."""


class Lake(Protocol):
    """The lake, as far as a way back needs it."""

    def path(self, table: str, day: date) -> Path:
        """The partition's file, proved to be the one that was written. Raises PartitionUnavailable."""

    def stamps(self, table: str) -> Mapping[date, str]:
        """Content hash of every day that there is."""


class Raw(Protocol):
    """Where a feed line's own text comes from: `feeds.raw_lines`."""

    def line(self, sha256: str, file: str, number: int, raw_value: str) -> Any:
        """The line, or why it is not to be had."""


@dataclass(frozen=True)
class Sum:
    """A figure of the row beside what the rows of a step come to."""

    column: str
    stated: Any
    found: Any

    @property
    def agrees(self) -> bool:
        """Equal, but for the last digits of doubles."""
        if isinstance(self.stated, float | int) and isinstance(self.found, float | int):
            return math.isclose(self.stated, self.found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
        return bool(self.stated == self.found)


@dataclass(frozen=True)
class Partition:
    """A partition of the lake that rows were made from; `sha256` as the lake has it now, None if it has it no more."""

    table: str
    day: date
    sha256: str | None


@dataclass(frozen=True)
class Taken:
    """A step that was taken: how many rows in all, the first of them, the query that gives all, what they add up to.

    `raw` has for each row the line as published, where the rows are feed lines; `problem` says why there are no rows.
    """

    step: Step
    sql: str
    total: int
    rows: tuple[Row, ...]
    sums: tuple[Sum, ...]
    partitions: tuple[Partition, ...]
    raw: tuple[Any, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Trace:
    """A row of a mart, and the steps back to its feed lines.

    `changed` are tables of the lake whose partitions are not those that the snapshot was made from.
    """

    table: str
    key: Mapping[str, Any]
    row: Row
    says: str
    steps: tuple[Taken, ...]
    changed: tuple[str, ...] = ()

    @property
    def disagreements(self) -> tuple[Sum, ...]:
        """Figures that do not come out: somebody should look."""
        return tuple(found for taken in self.steps for found in taken.sums if not found.agrees)


@dataclass(frozen=True)
class Tracer:
    """What is needed to follow a row: the published file on `con`, the lake and the raw files it was made from.

    `export_threshold` is the catalogue's; the published file does not hold it.
    """

    con: duckdb.DuckDBPyConnection
    lake: Lake
    raw: Raw
    export_threshold: float

    def trace(self, table: str, key: Mapping[str, Any], row: Row, *, most: int = MOST_ROWS) -> Trace:
        """Follow one row of `table`. Raises KeyError for a table without a recipe."""
        recipe = recipes()[table]
        values = {**row, "export_threshold": self.export_threshold}
        steps = tuple(self._take(step, values, most) for step in recipe.steps if step.is_taken(row))
        tables = sorted({partition.table for taken in steps for partition in taken.partitions})
        return Trace(table, key, row, recipe.says, steps, tuple(self._changed(tables)))

    def check(self, recipe: Recipe, row: Row) -> Iterator[tuple[Step, Sum]]:
        """Only what the steps come to, without their rows: for every row of a mart in turn."""
        values = {**row, "export_threshold": self.export_threshold}
        for step in recipe.steps:
            if step.adds_up and step.is_taken(row):
                sql, bound = self._ready(step, values)
                yield from ((step, found) for found in self._summed(step, sql, bound, values)[1])

    def _take(self, step: Step, values: Row, most: int) -> Taken:
        try:
            sql, bound = self._ready(step, values)
            total, sums = self._summed(step, sql, bound, values)
        except PartitionUnavailable as error:
            return Taken(step, step.sql, 0, (), (), (), problem=str(error))
        except (KeyError, duckdb.BinderException) as error:
            problem = f"this snapshot has other columns than today's: {error}"
            return Taken(step, step.sql, 0, (), (), (), problem=problem)
        rows = _rows(self.con, f"from ({sql}) limit {most}", bound)
        return Taken(
            step,
            written_out(sql, values),
            total,
            tuple(rows),
            sums,
            tuple(self._partitions(step, sql, bound, values)),
            tuple(self._raw(row) for row in rows) if step.lines else (),
        )

    def _ready(self, step: Step, values: Row) -> tuple[str, dict[str, Any]]:
        """The query with the lake's partitions in their place, and the values it binds. Raises PartitionUnavailable."""

        def partition(match: re.Match[str]) -> str:
            return f"read_parquet({sql_text(self.lake.path(match[1], values[step.reads[match[1]]]))})"

        sql = _LAKE.sub(partition, step.sql)
        return sql, _bound(sql, values)

    def _summed(self, step: Step, sql: str, bound: Row, values: Row) -> tuple[int, tuple[Sum, ...]]:
        asked = f"select {', '.join(['count(*)', *step.adds_up.values()])} from ({sql}) as step"  # noqa: S608
        ((total, *found),) = self.con.execute(asked, {**bound, **_bound(asked, values)}).fetchall()
        sums = tuple(Sum(name, values[name], value) for name, value in zip(step.adds_up, found, strict=True))
        return int(total), sums

    def _partitions(self, step: Step, sql: str, bound: Row, values: Row) -> Iterator[Partition]:
        for table, column in step.reads.items():
            yield Partition(table, values[column], self.lake.stamps(table).get(values[column]))
        if not step.partitions:
            return
        found = self.con.execute(f"select distinct day from ({sql}) order by day desc", bound).fetchall()  # noqa: S608
        for table in step.partitions:
            stamps = self.lake.stamps(table)
            yield from (Partition(table, day, stamps.get(day)) for (day,) in found)

    def _changed(self, tables: Iterable[str]) -> Iterator[str]:
        """Tables whose days up to the snapshot's are other ones now: their hashes are not those it was made from."""
        ((said,),) = self.con.execute("select manifest from main.snapshot").fetchall()
        made_from = Manifest.of(json.loads(said)).sources
        for table in tables:
            then = made_from.get(table)
            stamps = self.lake.stamps(table)
            now = {f"{table}@{day}": sha256 for day, sha256 in stamps.items() if then and day <= then.last}
            if then is None or source_days(now).get(table) != then:
                yield table

    def _raw(self, row: Row) -> Any:
        return self.raw.line(row["snapshot_sha256"], row["file"], row["line"], row["raw_value"])


def written_out(sql: str, values: Row) -> str:
    """The query as somebody can run it: parameters as literals."""
    return _PARAMETER.sub(lambda match: literal(values[match[1]]), sql)


def literal(value: Any) -> str:
    """A value of a row as SQL; a quote inside is doubled."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime():
            return f"timestamptz {sql_text(value.isoformat(sep=' '))}"
        case date():
            return f"date {sql_text(str(value))}"
        case UUID() | str():
            return sql_text(str(value))
        case _:
            raise TypeError(f"{value!r} has no place in a key")


def _bound(sql: str, values: Row) -> dict[str, Any]:
    return {name: values[name] for name in set(_PARAMETER.findall(sql))}


def _rows(con: duckdb.DuckDBPyConnection, sql: str, bound: Row) -> list[Row]:
    result = con.execute(sql, bound)
    names = [name for name, *_ in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def as_json(trace: Trace, plain: Callable[[Any], Any]) -> dict[str, Any]:
    """The same for machines; `plain` makes JSON values of cells."""
    return {
        "table": trace.table,
        "key": _plain(trace.key, plain),
        "row": _plain(trace.row, plain),
        "made_of": trace.says,
        "adds_up": not trace.disagreements,
        "changed_in_the_lake": list(trace.changed),
        "steps": [_step_json(taken, plain) for taken in trace.steps],
    }


def _step_json(taken: Taken, plain: Callable[[Any], Any]) -> dict[str, Any]:
    rows: Sequence[dict[str, Any]] = [_plain(row, plain) for row in taken.rows]
    for row, raw in zip(rows, taken.raw, strict=False):
        row["raw_line"] = raw.text
        row["raw_note"] = raw.note
    return {
        "name": taken.step.name,
        "says": taken.step.says,
        "total": taken.total,
        "query": taken.sql,
        "rows": rows,
        "sums": [
            {"column": s.column, "stated": plain(s.stated), "found": plain(s.found), "agrees": s.agrees}
            for s in taken.sums
        ],
        "partitions": [{"partition": f"{part.table}@{part.day}", "sha256": part.sha256} for part in taken.partitions],
        "problem": taken.problem,
    }


def _plain(row: Row, plain: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in row.items()}
