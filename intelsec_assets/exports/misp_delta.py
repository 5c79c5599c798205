"""What MISP still has to be told, event by event: the plan's active rows against the ledger, without asking the server.

How it is told is `misp_push`; what the server really holds is compared in `misp_compare`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.exports.content import PlanRow, active, id_text, rows
from intelsec_assets.exports.misp_content import merged_by_misp
from intelsec_assets.records import ACTIVE, LedgerEntry, Refused


@dataclass
class EventDelta:
    """What one event lacks: indicators to bring up to date, ledger entries to withdraw, and about how many it holds."""

    event: str
    upserts: set[str] = field(default_factory=set)
    withdrawals: list[LedgerEntry] = field(default_factory=list)
    holds: int = 0

    @property
    def is_empty(self) -> bool:
        """True = the ledger says the event is as wanted: it costs no request."""
        return not self.upserts and not self.withdrawals


@dataclass(frozen=True)
class MispDelta:
    """The whole difference. `skipped` are quarantined with this very content; `merged` stand under another spelling.

    `wanted` maps each indicator that MISP should hold to its event; `released` are quarantined ones to be forgotten.
    """

    events: tuple[EventDelta, ...]
    wanted: Mapping[str, str]
    unchanged: int
    skipped: int
    merged: int
    released: tuple[str, ...]


def misp_delta(
    plan: pa.Table,
    confirmed: Mapping[str, LedgerEntry],
    quarantined: Mapping[str, Refused],
    *,
    verify: bool = False,
) -> MispDelta:
    """The difference between a plan (EXPORT_PLAN) and a ledger. `verify` takes every row for open, to compare it."""
    merged = merged_by_misp(plan)
    events: dict[str, EventDelta] = {}
    wanted: dict[str, str] = {}
    unchanged = skipped = 0
    for entry in confirmed.values():
        events.setdefault(entry.event, EventDelta(entry.event)).holds += 1
    for indicator_id, event, content_hash in _active(plan):
        if indicator_id in merged:
            continue
        wanted[indicator_id] = event
        refused = quarantined.get(indicator_id)
        if refused is not None and refused.content_hash == content_hash:
            skipped += 1
        elif not verify and _holds(confirmed.get(indicator_id), event, content_hash):
            unchanged += 1
        else:
            delta = events.setdefault(event, EventDelta(event))
            delta.upserts.add(indicator_id)
            delta.holds += 1
    moved: set[str] = set()
    for entry in confirmed.values():
        if entry.state == ACTIVE and wanted.get(entry.indicator_id) != entry.event:
            events[entry.event].withdrawals.append(entry)
            if entry.indicator_id in wanted:
                moved.add(entry.event)
    # What moves to another event leaves the old one first, so that a cut in between never leaves it in both.
    ordered = sorted(events.values(), key=lambda delta: (delta.event not in moved, delta.event))
    return MispDelta(
        events=tuple(delta for delta in ordered if not delta.is_empty),
        wanted=wanted,
        unchanged=unchanged,
        skipped=skipped,
        merged=len(merged),
        released=tuple(sorted(set(quarantined) - set(wanted))),
    )


def rows_of(plan: pa.Table, event: str, indicator_ids: set[str] | None = None) -> Iterator[PlanRow]:
    """Active rows of an event, in the plan's order; all of them, or those of some indicators."""
    for row in rows(active(plan.filter(pc.equal(plan["event"], event)))):
        if indicator_ids is None or row.indicator_id in indicator_ids:
            yield row


def _active(plan: pa.Table) -> Iterator[tuple[str, str, str]]:
    for batch in active(plan).select(["indicator_id", "event", "content_hash"]).to_batches():
        ids, events, hashes = (column.to_pylist() for column in batch.columns)
        yield from zip((id_text(value) for value in ids), events, hashes, strict=True)


def _holds(entry: LedgerEntry | None, event: str, content_hash: str) -> bool:
    return entry is not None and entry.state == ACTIVE and entry.event == event and entry.content_hash == content_hash
