"""The terms of the warninglists as rows: which lists a day's indicators were matched against, and what each may do.

What is on a list, and which indicators that hits, is `warninglists`.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from intelsec_assets.indicators.warninglists import Warninglists

_SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        *((name, pa.string()) for name in ("list", "policy", "reason", "title")),
        ("types", pa.list_(pa.string())),
        ("entries", pa.int64()),
    ]
)


def warninglist_terms(lists: Warninglists, day: date) -> pa.Table:
    """WARNINGLIST_TERMS: a row a list in use, the built-in ones and our own values with it."""
    rows = [
        {
            "day": day,
            "list": item.name,
            "policy": item.policy,
            "reason": item.reason,
            "title": item.title,
            "types": sorted(item.types),
            "entries": item.entries,
        }
        for item in lists.lists
    ]
    return pa.Table.from_pylist(rows, _SCHEMA)
