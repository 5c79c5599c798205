"""Whether two answers to the same feeds are one: their tables compared row for row, scores to a billionth.

How the answers come to be is `feeds_intelsec` and `feeds_pandas`.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from intelsec_assets.engine import session, sql_text

TOLERANCE = 1e-9  # seven doubles added up in another order

# What the script makes of each table
_COLUMNS = {
    "observations": (
        "feed, file, line::bigint as line, snapshot_sha256, indicator_type, value, raw_value, canon_rules::varchar[], "
        "coalesce(tags, [])::varchar[], campaign, threat_type, malware_family"
    ),
    "rejected": "feed, file, line::bigint as line, reason",
    "indicators": (
        "indicator_id::uuid, indicator_type, value, first_seen::timestamptz, last_seen::timestamptz, "
        "first_listed::date, last_listed::date, observations::bigint, sources::varchar[], independent_sources::int, "
        "campaigns::varchar[], families::varchar[], threat_types::varchar[], tags::varchar[], host, registered_domain, "
        "parent_ids::uuid[], list_transform(source_records, lambda r: struct_pack(feed := r.feed, "
        "last_seen := r.last_seen::timestamptz, observations := r.observations::bigint))"
    ),
}


def differences(one: Path, other: Path) -> dict[str, int]:
    """Rows of each table that only one folder has, and scores that differ; tables that one lacks are left out."""
    found = {}
    with session(memory="4GB") as con:
        con.execute("set enable_progress_bar = false")
        for table, columns in _COLUMNS.items():
            files = [folder / f"{table}.parquet" for folder in (one, other)]
            if all(file.exists() for file in files):
                first, second = (f"(select {columns} from read_parquet({sql_text(file)}))" for file in files)
                found[table] = _count(
                    con, f"(from {first} except all from {second}) union all (from {second} except all from {first})"
                )
        first, second = (f"read_parquet({sql_text(folder / 'scores.parquet')})" for folder in (one, other))
        both = f"{first} as a full join {second} as b using (indicator_type, value)"
        found["scores"] = _count(con, f"from {both} where coalesce(abs(a.score - b.score), 1) > {TOLERANCE}")
        if "indicators" in found:
            found["decisions"] = _count(
                con, f"from {both} where (a.decision, a.reason) is distinct from (b.decision, b.reason)"
            )
    return found


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(f"select count(*) from ({query})").fetchall()[0][0])
