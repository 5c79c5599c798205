"""A large table in key order with some rows replaced and some added, written in key order without sorting it again.

What the rows mean does not belong here. Measured on 10 M live indicators: `order by` in DuckDB 15 s and 3 GB, this 10 s
and half of that; a join in DuckDB does not keep the order of its left side, so changes are spliced in by position.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.engine import sql_text
from intelsec_assets.tables import ROW_GROUP  # batches of just this size become row groups one to one, on any threads

# beyond this share of replaced and added rows a plain sort is cheaper, and needs no copy of them in memory
_SPLICE_SHARE = 0.25

_KEY = "ordered_key"


class OrderError(Exception):
    """A table that must be in key order is not."""


@dataclass(frozen=True)
class Amended:
    """`base` with the rows of `changes` in place of those with the same key, and the others of `changes` added.

    Both have the same columns and live on `con`; keys are unique in each, and texts without NUL. Without a `base`,
    `changes` is all there is. `of_each` says in SQL what becomes of every row of {source}: one row each, without joins
    (they do not keep the order), computed while the rows are written.
    """

    con: duckdb.DuckDBPyConnection
    base: duckdb.DuckDBPyRelation | None
    changes: duckdb.DuckDBPyRelation
    key: tuple[str, ...]
    of_each: str = "select * from {source}"

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The amended rows, in no order."""
        return self.con.sql(self._computed(f"({self._inputs().sql_query()})"))

    def _inputs(self) -> duckdb.DuckDBPyRelation:
        if self.base is None:
            return self.changes
        changes = self.changes.select(*self.base.columns)
        kept = self.base.set_alias("base").join(changes.set_alias("changes"), ", ".join(self.key), how="anti")
        return kept.union(changes)

    def write(self, columns: str, target: Path) -> None:
        """Write the amended rows to a Parquet file in key order: same rows, same bytes, whatever the number of threads.

        `columns` is the select list that gives them their order and types. Raises OrderError if `base` is out of order.
        """
        (lossless,) = self.con.execute("select current_setting('arrow_lossless_conversion')").fetchall()[0]
        self.con.execute("set arrow_lossless_conversion = true")  # else a UUID travels as text
        try:
            # a connection has one open result: this one reads, its sibling writes
            with self.con.cursor() as writer, self._stream() as (schema, batches):
                source = _Watched(_in_row_groups(batches))
                writer.register("ordered_rows", pa.RecordBatchReader.from_batches(schema, source))
                try:
                    writer.execute(
                        f"copy (select {columns} from ({self._computed('ordered_rows')})) to {sql_text(target)} "  # noqa: S608 - own
                        f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
                    )
                except duckdb.Error:
                    if source.failure is not None:
                        raise source.failure from None
                    raise
        finally:
            self.con.execute(f"set arrow_lossless_conversion = {str(lossless).lower()}")

    @contextmanager
    def _stream(self) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """The amended rows in key order. The connection is in use until the end of the context."""
        if self.base is None or not self._is_mostly(self.base):
            with self._inputs().order(", ".join(self.key)).to_arrow_reader(ROW_GROUP) as stream:
                yield stream.schema, iter(stream)
            return
        keyed = f"*, concat_ws(chr(0), {', '.join(self.key)}) as {_KEY}"
        changes = self.changes.select(*self.base.columns).project(keyed).order(_KEY).to_arrow_table()
        with self.base.project(keyed).to_arrow_reader(ROW_GROUP) as stream:
            schema = stream.schema.remove(stream.schema.get_field_index(_KEY))
            yield schema, spliced(stream, changes, schema.names)

    def _computed(self, source: str) -> str:
        return self.of_each.replace("{source}", source)

    def _is_mostly(self, base: duckdb.DuckDBPyRelation) -> bool:
        rows, changed = (int(r.aggregate("count(*)").fetchall()[0][0]) for r in (base, self.changes))
        return changed <= rows * _SPLICE_SHARE


class _Watched:
    """Batches that remember why they ended: across the writer only the text of an exception survives."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            return next(self._batches)
        except StopIteration:
            raise
        except Exception as failure:
            self.failure = failure
            raise


def spliced(stream: Iterable[pa.RecordBatch], changes: pa.Table, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of `stream` and `changes`, both in order of the column `ordered_key`, as one; of equal keys `changes` stays.

    Raises OrderError at the first key of `stream` that is not above the one before.
    """
    amended = changes.combine_chunks()
    keys = pa.array([], pa.string()) if amended.num_rows == 0 else amended[_KEY].chunk(0)
    done, last = 0, None
    for batch in stream:
        if batch.num_rows == 0:
            continue
        last = _checked_last_key(batch.column(_KEY), last)
        upto = pc.search_sorted(keys, pa.scalar(last, keys.type), side="right").as_py()
        yield _splice(batch, amended.slice(done, upto - done)).select(columns)
        done = upto
    if done < amended.num_rows:
        yield pa.concat_batches(amended.slice(done).to_batches()).select(columns)


def _checked_last_key(keys: pa.Array, before: str | None) -> str:
    ascending = pc.all(pc.less(keys.slice(0, len(keys) - 1), keys.slice(1)), min_count=0).as_py()
    first, last = keys[0].as_py(), keys[-1].as_py()
    if not ascending or (before is not None and first <= before):
        shown = first.replace("\0", ":")
        raise OrderError(
            f"rows near {shown!r} are not in key order or not unique: expected a table as the lake writes it"
        )
    return str(last)


def _splice(batch: pa.RecordBatch, part: pa.Table) -> pa.RecordBatch:
    if part.num_rows == 0:
        return batch
    keys, changed = batch.column(_KEY), part[_KEY].combine_chunks()
    before = pc.search_sorted(keys, changed, side="left").to_pylist()
    after = pc.search_sorted(keys, changed, side="right").to_pylist()
    rows, start = array("q"), 0
    for number, (position, resume) in enumerate(zip(before, after, strict=True)):
        rows.extend(range(start, position))
        rows.append(batch.num_rows + number)
        start = resume
    rows.extend(range(start, batch.num_rows))
    indices = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])
    return pa.concat_batches([batch, *part.select(batch.schema.names).to_batches()]).take(indices)


def _in_row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of just ROW_GROUP rows, the last one smaller."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        while (rows := sum(b.num_rows for b in waiting)) >= ROW_GROUP:
            full = ROW_GROUP - (rows - waiting[-1].num_rows)
            head, tail = waiting[-1].slice(0, full), waiting[-1].slice(full)
            yield pa.concat_batches([*waiting[:-1], head])
            waiting = [tail] if tail.num_rows else []
    if waiting:
        yield pa.concat_batches(waiting)
