"""What a target still has to be told: the plan's rows against what its ledger says it has confirmed.

How it is told, and when it counts as confirmed, belongs to each target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from intelsec_assets.exports.content import rows
from intelsec_assets.records import ACTIVE, LedgerEntry


@dataclass(frozen=True)
class Delta:
    """Counts of indicators, and the entries that the ledger will hold once the target has confirmed them."""

    added: int
    updated: int
    withdrawn: int
    unchanged: int
    entries: tuple[LedgerEntry, ...]


def difference(plan: pa.Table, confirmed: Mapping[str, LedgerEntry], day: date, at: datetime) -> Delta:
    """The delta between a plan (EXPORT_PLAN) and a ledger by indicator id.

    A tombstone that the target never held is nothing to tell it.
    """
    counts = {"added": 0, "updated": 0, "withdrawn": 0, "unchanged": 0}
    entries = []
    for row in rows(plan):
        known = confirmed.get(row.indicator_id)
        kind = _kind(row.state, row.content_hash, known)
        counts[kind] += 1
        if kind != "unchanged":
            entries.append(LedgerEntry(row.indicator_id, row.event, row.content_hash, row.state, day, at))
    return Delta(**counts, entries=tuple(entries))


def _kind(state: str, content_hash: str, known: LedgerEntry | None) -> str:
    if known is None or known.state != ACTIVE:
        return "added" if state == ACTIVE else "unchanged"
    if state != ACTIVE:
        return "withdrawn"
    return "unchanged" if known.content_hash == content_hash else "updated"
