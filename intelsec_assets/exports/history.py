"""What targets were told, as rows of the lake: each write, and each attempt to bring a target up to a day's plan.

The store keeps them as they happen; here they only become tables, a day at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import pyarrow as pa

from intelsec_assets.records import ExportRun, Write

_BATCH = 10_000
_INSTANT = pa.timestamp("us", "UTC")
_WRITES = pa.schema(
    [
        ("day", pa.date32()),
        ("seq", pa.int64()),
        *((name, pa.string()) for name in ("target", "indicator_id", "action", "event", "content_hash")),
        ("confirmed_at", _INSTANT),
    ]
)
_COUNTS = ("added", "updated", "withdrawn", "unchanged", "refused")
_ATTEMPTS = pa.schema(
    [
        ("day", pa.date32()),
        ("seq", pa.int64()),
        ("target", pa.string()),
        ("status", pa.string()),
        *((name, pa.int64()) for name in _COUNTS),
        ("detail", pa.string()),
        ("attempted_at", _INSTANT),
    ]
)


def writes_table(writes: Iterable[Write]) -> pa.Table:
    """EXPORT_WRITES of the writes, some thousand at a time; the ids are text."""
    return pa.Table.from_batches(_write_batches(iter(writes)), _WRITES)


def _write_batches(writes: Iterator[Write]) -> Iterator[pa.RecordBatch]:
    while batch := list(islice(writes, _BATCH)):
        columns = [
            [getattr(write, "at" if name == "confirmed_at" else name) for write in batch] for name in _WRITES.names
        ]
        yield pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, _WRITES, strict=True)], schema=_WRITES)


def news(attempts: Mapping[int, ExportRun]) -> dict[int, ExportRun]:
    """The attempts of a day without those that changed nothing and ended as the one before of the same target.

    A plan that is told again, or that waits for the same server again, is no news: a day that is run twice stays as it
    was.
    """
    ended: dict[str, str] = {}
    kept = {}
    for seq, run in attempts.items():
        has_changed = bool(run.added or run.updated or run.withdrawn or run.quarantined)
        if has_changed or ended.get(run.target) != run.status:
            kept[seq] = run
        ended[run.target] = run.status
    return kept


def attempts_table(attempts: Mapping[int, ExportRun]) -> pa.Table:
    """EXPORT_ATTEMPTS of the attempts by their number; what a target quarantined is what it refused."""
    rows = [
        {
            "day": run.day,
            "seq": seq,
            "target": run.target,
            "status": run.status,
            "added": run.added,
            "updated": run.updated,
            "withdrawn": run.withdrawn,
            "unchanged": run.unchanged,
            "refused": run.quarantined,
            "detail": run.detail,
            "attempted_at": run.at,
        }
        for seq, run in attempts.items()
    ]
    return pa.Table.from_pylist(rows, _ATTEMPTS)
