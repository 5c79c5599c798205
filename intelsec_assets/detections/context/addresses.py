"""Addresses of events and networks that hold them, as numbers in DuckDB: one lookup for networks of any source.

What a network means (its holder, an indicator) is said by who asks; the numbers are those of `indicators.matching`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import duckdb
import pyarrow as pa

from intelsec_assets.engine import read_sql
from intelsec_assets.indicators.matching.networks import mask_table, parse_network

PACKAGE = "intelsec_assets.detections.context"

# context may be built twice on one session before the first result is read
_numbers = count(1)

NETWORK = pa.schema(
    [("family", pa.uint8()), ("hi", pa.uint64()), ("lo", pa.uint64()), ("length", pa.uint8())],
)


def next_number() -> int:
    """A number for the names of this build's tables in the session."""
    return next(_numbers)


def number_texts(con: duckdb.DuckDBPyConnection, texts: duckdb.DuckDBPyRelation, target: str) -> None:
    """Table `target` (text, family, hi, lo, length) of the distinct addresses and networks of `texts` (text).

    Text that is neither is left out. IPv4 addresses are read in SQL, the few others in Python.
    """
    texts.create_view("context_texts", replace=True)
    con.execute(f"create or replace temp table {target} as {read_sql(PACKAGE, 'ipv4_numbers')}")
    others = con.execute(
        "select distinct text from context_texts where contains(text, ':') or contains(text, '/')"
    ).fetchall()
    parsed = numbered((text,) for (text,) in others)
    con.register("context_parsed", parsed)
    con.execute(f"insert into {target} select text, family, hi, lo, length from context_parsed")  # noqa: S608 - own names
    con.unregister("context_parsed")
    con.execute("drop view context_texts")


def numbered(rows: Iterable[tuple[object, ...]]) -> pa.Table:
    """Columns text, family, hi, lo, length of rows whose first value is an address or network; others left out."""
    found = [(text, *network) for (text,) in rows if isinstance(text, str) and (network := parse_network(text))]
    columns = list(zip(*found, strict=True)) or [()] * 5
    schema = pa.schema([("text", pa.string()), *NETWORK])
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def covering(con: duckdb.DuckDBPyConnection, addresses: str, networks: str, target: str) -> None:
    """Table `target`: every pair of a text of `addresses` and a row of `networks` that holds it.

    Columns of `networks` (family, hi, lo, length and more) with `text` in front. Each address is cut to each prefix
    length there is and joined by equality, so the cost is addresses x lengths whatever the number of networks.
    """
    con.register("context_masks", mask_table())
    sql = read_sql(PACKAGE, "covering").replace("{addresses}", addresses).replace("{networks}", networks)
    con.execute(f"create or replace temp table {target} as {sql}")
    con.unregister("context_masks")
