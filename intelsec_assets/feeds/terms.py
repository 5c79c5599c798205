"""The terms of the feeds as rows: on what the day's data was taken, trusted and judged healthy, feed by feed.

The catalogue says them; read day by day they are the history of trust and contract that scores went by.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from intelsec_assets.feeds.catalogue import Feed

_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        *((name, pa.string()) for name in ("feed", "title", "publisher", "licence", "url", "format", "mode", "trust")),
        ("trust_weight", pa.float64()),
        ("tlp", pa.string()),
        ("types", pa.list_(pa.string())),
        ("min_rows", pa.int64()),
        ("max_rows", pa.int64()),
        ("max_shrink", pa.float64()),
        ("max_unchanged_days", pa.int32()),
        ("max_rejected", pa.float64()),
    ]
)


def feed_terms(feeds: Iterable[Feed], day: date) -> pa.Table:
    """FEED_TERMS: a row for each of the feeds, whether or not it is due on that day."""
    return pa.Table.from_pylist([_terms(feed, day) for feed in feeds], _SCHEMA)


def _terms(feed: Feed, day: date) -> dict[str, object]:
    contract = feed.contract
    return {
        "day": day,
        "feed": feed.name,
        "title": feed.title,
        "publisher": feed.publisher,
        "licence": feed.licence,
        "url": feed.url,
        "format": feed.format,
        "mode": feed.mode,
        "trust": feed.trust,
        "trust_weight": feed.trust_weight,
        "tlp": feed.tlp,
        "types": sorted(feed.types),
        "min_rows": contract.min_rows,
        "max_rows": contract.max_rows,
        "max_shrink": contract.max_shrink,
        "max_unchanged_days": contract.max_unchanged_days,
        "max_rejected": contract.max_rejected,
    }
