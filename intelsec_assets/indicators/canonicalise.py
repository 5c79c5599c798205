"""Canonical form of whole tables: what is canonical already passes in SQL, Python looks at the distinct rest.

The canonical form itself is defined in `indicators.canonical`; the result here equals it row for row.
"""

from __future__ import annotations

from itertools import count

import duckdb
import pyarrow as pa

from intelsec_assets.engine import read_sql
from intelsec_assets.indicators.canonical import MAX_BYTES, canonical
from intelsec_assets.indicators.canonical.patterns import DOMAIN, HASH, IPV4, MAX_HOST, URL, URL_ORIGIN

_PARAMETERS = {
    "ipv4": IPV4,
    "domain": DOMAIN,
    "url": URL,
    "url_origin": URL_ORIGIN,
    "hash": HASH,
    "max_host": MAX_HOST,
    "max_bytes": MAX_BYTES,
}
_SCHEMA = pa.schema(
    {
        "raw_value": pa.string(),
        "declared_type": pa.string(),
        "indicator_type": pa.string(),
        "value": pa.string(),
        "canon_rules": pa.list_(pa.string()),
        "error": pa.string(),
        "detail": pa.string(),
    }
)
# values a round through Python: bounds its memory where a feed is all defanged
_ROUND = 50_000

# a relation is lazy, so a later call must not replace the tables of an earlier one
_calls = count()


def canonicalise(con: duckdb.DuckDBPyConnection, values: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Canonical form of every distinct (raw_value, indicator_type) of `values`, the latter the declared type or NULL.

    Columns: raw_value, declared_type, indicator_type, value, canon_rules, error, detail; each row is what
    `canonical(raw_value, declared_type)` gives, and a NULL value reads as an empty one. The rows are computed by the
    time this returns and stay on the connection as temporary tables.
    """
    name = f"canonicalise_{next(_calls)}"
    source, settled, rest = f"{name}_values", f"{name}_settled", f"{name}_rest"
    values.select("raw_value, indicator_type").create_view(source, replace=True)
    con.execute(
        f"create temp table {settled} as "
        + read_sql("intelsec_assets.indicators", "canonicalise_settle").format(values=source),
        _PARAMETERS,
    )
    con.execute(f"drop view {source}")
    con.sql(f"from {settled}").select("* exclude (settled)").limit(0).create(rest)
    unsettled = con.sql(f"from {settled}").filter("not settled").select("raw_value, declared_type").to_arrow_table()
    for batch in unsettled.to_batches(max_chunksize=_ROUND):
        con.register(f"{name}_round", _derived(batch.column(0).to_pylist(), batch.column(1).to_pylist()))
        con.execute(f"insert into {rest} from {name}_round")
        con.unregister(f"{name}_round")
    return con.sql(f"from {settled}").filter("settled").select("* exclude (settled)").union(con.sql(f"from {rest}"))


def _derived(raw_values: list[str | None], declared_types: list[str | None]) -> pa.Table:
    """The rows of the result for these values, by `canonical`."""
    forms = [canonical(raw or "", declared) for raw, declared in zip(raw_values, declared_types, strict=True)]
    columns = [
        raw_values,
        declared_types,
        [form.indicator_type for form in forms],
        [form.value for form in forms],
        [form.rules for form in forms],
        [form.error for form in forms],
        [form.detail for form in forms],
    ]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA)
