"""The rows of a feed's day as a bounded table: columns of feed rows, and the few that expectations need beside them.

Which rows stand for a day that is too large is decided here, by count and never by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from intelsec_assets.feeds.catalogue_expectations import HASH_TYPES, MIXES
from intelsec_assets.feeds.quality.anomalies import NONE, OTHER

# A frame of so many rows takes 200 MB and its suite some seconds; the largest public list has 120,000.
MOST_ROWS = 200_000


@dataclass(frozen=True)
class Batch:
    """Rows of a day. `rows` and `usable` count all of them, of which `table` holds every `stride`-th."""

    table: pa.Table
    rows: int
    usable: int
    stride: int = 1

    @property
    def sampled(self) -> str:
        """Which rows were looked at, in words; empty if all."""
        if self.stride == 1:
            return ""
        return f"one row in {self.stride} of {self.rows:,} in the order of the file, and the one seen last"


def read_batch(
    con: duckdb.DuckDBPyConnection, path: Path, kinds: Mapping[str, Sequence[str]], most_rows: int = MOST_ROWS
) -> Batch:
    """The batch of a feed's Parquet file. `kinds` names, by column of MIXES, the kinds that usual days have.

    Columns that the file lacks are left out, with all that is made of them: that one is missing is for expectations to
    say. Lists become text: a frame with lists in it takes a hundred times as long.
    """
    found = con.read_parquet(str(path))
    columns = dict(zip(found.columns, (str(kind) for kind in found.types), strict=True))
    usable = "reject_reason is null" if "reject_reason" in columns else "true"
    rows, usable_rows = con.execute(
        f"select count(*), count(*) filter (where {usable}) from read_parquet(?)",  # noqa: S608 - words of our own
        [str(path)],
    ).fetchall()[0]
    stride = max(1, -(-rows // most_rows))
    seen = [column for column in ("last_seen", "first_seen") if column in columns]
    made = dict(_derived(columns, usable))
    if seen:
        made["sighting"] = f"coalesce({', '.join(seen)})"
    newest = f"or place = (select arg_max(place, {made['sighting']}) from placed)" if seen else ""  # noqa: S608 - names of our own
    own = ", ".join(
        f'array_to_string("{name}", \' \') as "{name}"' if kind.endswith("[]") else f'"{name}"'
        for name, kind in columns.items()
    )
    more = "".join(f', {sql} as "{name}"' for name, sql in made.items())
    parameters = {column: list(kinds.get(column, ())) for column in MIXES if column in made}
    table = con.sql(
        f"with placed as (select *, file_row_number as place from read_parquet($path, file_row_number = true)) "  # noqa: S608 - names of our own
        f"select {own}{more} from placed where place % $stride = 0 {newest} order by place",
        params={"path": str(path), "stride": stride, **parameters},
    ).to_arrow_table()
    return Batch(table, rows, usable_rows, stride)


def _derived(columns: Mapping[str, str], usable: str) -> list[tuple[str, str]]:
    made = []
    if {"indicator_type", "raw_value"} <= columns.keys():
        made += [(f"value_of_{kind}", f"case when indicator_type = '{kind}' then raw_value end") for kind in HASH_TYPES]
    for column, source in MIXES.items():
        if source in columns:
            made.append((column, f"case when {usable} then {kind_of(source, '$' + column)} end"))
    return made


def kind_of(source: str, kinds: str) -> str:
    """SQL of the kind a row counts as, given SQL of the list of usual kinds: of several tags the commonest one."""
    if source == "tags":
        known = f"list_filter({kinds}::varchar[], lambda kind: list_contains(tags, kind))"
        return f"coalesce({known}[1], case when len(tags) = 0 then '{NONE}' else '{OTHER}' end)"
    known = f"list_contains({kinds}::varchar[], {source})"
    return f"case when {source} is null then '{NONE}' when {known} then {source} else '{OTHER}' end"
