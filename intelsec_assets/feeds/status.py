"""The health of a feed on a day, judged by its contract: what was found, what was promised, whether to hold.

Fetching and parsing have happened before; what holding means for exports is decided there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.fetch import not_due_reason
from intelsec_assets.feeds.snapshot import READ, Snapshot, SnapshotFile
from intelsec_assets.tables import FEED_STATUS

HELD = frozenset({"unreadable", "empty", "stale", "shrunk"})

# A list of ten that loses six is Tuesday; below this many rows a ratio says nothing.
LEAST_ROWS_FOR_RATIOS = 20


@dataclass(frozen=True)
class Counts:
    """What became of a feed's rows on a day; `rows_in` = kept + rejected."""

    rows_in: int = 0
    rows_kept: int = 0
    rows_rejected: int = 0
    listings: int = 0
    distinct_indicators: int = 0


def feed_status(
    feed: Feed,
    day: date,
    snapshot: Snapshot | None,
    parse_error: str | None,
    counts: Counts,
    previous: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """One row of FEED_STATUS. `previous` is the feed's row of the day before, None on its first day.

    not_due: outside the feed's dates. unreadable: no snapshot, or one whose content is not what its format says.
    shrunk: outside the contract in rows or in rejected share, or far below the last healthy day (snapshot mode).
    empty: no row where the contract wants some. stale: the same bytes for too long (snapshot mode). The baseline moves
    on ok days only, so a feed that shrinks stays held until it recovers or its contract is changed.
    """
    is_read = snapshot is not None and snapshot.status == READ and feed.is_due(day)
    sha256 = content_hash(snapshot.files) if snapshot is not None and is_read else None
    baseline = _baseline(previous)
    unchanged = (
        int(previous["unchanged_days"]) + 1 if previous and sha256 and previous["snapshot_sha256"] == sha256 else 0
    )
    status, reason = _judge(feed, day, snapshot, parse_error, counts, baseline, unchanged)
    row: dict[str, Any] = {"day": day, "feed": feed.name, "status": status, "held": status in HELD, "reason": reason}
    row |= asdict(counts)
    return row | {"baseline_rows": baseline, "unchanged_days": unchanged, "snapshot_sha256": sha256}


def content_hash(files: Iterable[SnapshotFile]) -> str:
    """One hash over what the files say, whatever they are called: a dated file has another name every day."""
    return hashlib.sha256("\n".join(sorted(file.sha256 for file in files)).encode()).hexdigest()


def statuses(
    con: duckdb.DuckDBPyConnection,
    feeds: Sequence[Feed],
    day: date,
    taken: Mapping[str, tuple[Snapshot | None, str, int]],
    observations: duckdb.DuckDBPyRelation,
    rejected: duckdb.DuckDBPyRelation,
    previous: duckdb.DuckDBPyRelation | None,
) -> duckdb.DuckDBPyRelation:
    """FEED_STATUS of all feeds. `taken` has by feed its snapshot, why it could not be parsed ("" = it could), its rows.

    `observations` and `rejected` are the day's tables, `previous` is yesterday's FEED_STATUS.
    """
    kept = _by_feed(
        observations.aggregate(
            "feed, count(*) as rows_kept, sum(listings) as listings, "
            "count(distinct (indicator_type, value)) as distinct_indicators",
            "feed",
        )
    )
    refused = _by_feed(rejected.aggregate("feed, count(*) as rows_rejected", "feed"))
    before = _by_feed(previous) if previous is not None else {}
    rows = []
    for feed in feeds:
        snapshot, problem, rows_in = taken.get(feed.name, (None, "", 0))
        known = {**kept.get(feed.name, {}), **refused.get(feed.name, {})}
        counts = Counts(rows_in, **{key: int(number) for key, number in known.items() if key != "feed"})
        rows.append(feed_status(feed, day, snapshot, problem or None, counts, before.get(feed.name)))
    return _relation(con, rows)


def _judge(
    feed: Feed,
    day: date,
    snapshot: Snapshot | None,
    parse_error: str | None,
    counts: Counts,
    baseline: int | None,
    unchanged: int,
) -> tuple[str, str]:
    if not feed.is_due(day):
        return "not_due", not_due_reason(feed)
    if snapshot is None:
        return "unreadable", parse_error or "no snapshot of the day was taken"
    if snapshot.status != READ:
        return "unreadable", snapshot.reason
    if parse_error:
        return "unreadable", parse_error
    found = _out_of_contract(feed, counts, baseline)
    if found is not None:
        return found
    limit = feed.contract.max_unchanged_days
    if feed.mode == "snapshot" and limit is not None and unchanged > limit:
        return "stale", f"the same bytes for {unchanged} days; the contract allows {limit} (max_unchanged_days)"
    return "ok", f"{counts.rows_in:,} rows, {counts.rows_rejected:,} of them rejected"


def _out_of_contract(feed: Feed, counts: Counts, baseline: int | None) -> tuple[str, str] | None:
    contract, rows = feed.contract, counts.rows_in
    if rows == 0 and contract.min_rows > 0:
        return "empty", f"0 rows; the contract asks for at least {contract.min_rows:,} (min_rows)"
    if rows < contract.min_rows:
        return "shrunk", f"{rows:,} rows; the contract asks for at least {contract.min_rows:,} (min_rows)"
    if contract.max_rows is not None and rows > contract.max_rows:
        return "shrunk", f"{rows:,} rows; the contract allows {contract.max_rows:,} (max_rows): not the list it was"
    is_judged_by_baseline = feed.mode == "snapshot" and baseline is not None and baseline >= LEAST_ROWS_FOR_RATIOS
    if is_judged_by_baseline and baseline is not None and rows < (1 - contract.max_shrink) * baseline:
        return "shrunk", (
            f"{rows:,} rows, {1 - rows / baseline:.1%} fewer than the {baseline:,} of its last healthy day; "
            f"the contract allows {contract.max_shrink:.0%} (max_shrink)"
        )
    is_judged_by_share = rows >= LEAST_ROWS_FOR_RATIOS or (rows > 0 and counts.rows_kept == 0)
    if is_judged_by_share and counts.rows_rejected > contract.max_rejected * rows:
        return "shrunk", (
            f"{counts.rows_rejected:,} of {rows:,} rows ({counts.rows_rejected / rows:.1%}) were rejected; "
            f"the contract allows {contract.max_rejected:.0%} (max_rejected)"
        )
    return None


def _baseline(previous: Mapping[str, Any] | None) -> int | None:
    """Rows of the last healthy day before this one."""
    if previous is None:
        return None
    known = previous["rows_in"] if previous["status"] == "ok" else previous["baseline_rows"]
    return None if known is None else int(known)


def _by_feed(relation: duckdb.DuckDBPyRelation) -> dict[str, dict[str, Any]]:
    return {row["feed"]: row for row in relation.to_arrow_table().to_pylist()}


def _relation(con: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> duckdb.DuckDBPyRelation:
    """Rows as a relation with the table's columns and types."""
    con.execute(f"create or replace temp table feeds_status_rows ({FEED_STATUS.ddl()})")
    marks = ", ".join("?" for _ in FEED_STATUS.columns)
    for row in rows:  # a row a feed: some dozens
        con.execute(
            f"insert into feeds_status_rows values ({marks})",  # noqa: S608 - question marks only
            [row[name] for name in FEED_STATUS.column_names],
        )
    return con.table("feeds_status_rows")
