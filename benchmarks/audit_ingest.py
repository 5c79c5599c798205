"""Audit logs in: NDJSON.gz to typed rows, to rows that have landed on disk, and a day of the lake made of them.

    python -m benchmarks.audit_ingest [--quick]

A million events (real ones repeated under new ids, and made ones) in files as a trail would deliver them, written first
into a temporary folder that goes at the end. Where it is there, RSigma over a fifth of them, in turns with the rows:
how fast this machine is beside others that it was measured on. Then 20 fields as `rules run` reads them.
"""

from __future__ import annotations

import gzip
import itertools
import os
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import sigma_events, sigma_rules, sigma_scan
from benchmarks.children import answer, arguments, watched
from benchmarks.sigma_measurements import FEW
from intelsec_assets.detections.audit.ad_hoc import read_events
from intelsec_assets.detections.audit.days import build_events
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.reading import batches
from intelsec_assets.detections.audit.taking import take
from intelsec_assets.detections.audit.telemetry import AuditSource
from intelsec_assets.detections.audit.typed import Delivery
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS
from intelsec_assets.engine import session
from intelsec_assets.resources.lake import Lake

FILES = 20
TURNS = 5
ASKED = (
    *("eventSource", "eventName", "awsRegion", "errorCode", "errorMessage", "sourceIPAddress", "userAgent"),
    *("userIdentity.type", "userIdentity.arn", "userIdentity.invokedBy", "userIdentity.userName"),
    *("userIdentity.sessionContext.sessionIssuer.arn", "userIdentity.sessionContext.attributes.mfaAuthenticated"),
    *("requestParameters.userName", "requestParameters.bucketName", "requestParameters.policyArn"),
    *("requestParameters.attributeType", "responseElements.ConsoleLogin", "additionalEventData.MFAUsed", "readOnly"),
)


def main() -> None:
    """Write, measure, say it."""
    events = 20_000 if arguments(__doc__).quick else int(os.environ.get("BENCH_EVENTS", "1000000"))
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-audit-") as folder:
        root = Path(folder)
        packed, plain = _written(root, events)
        _warm(plain[0])
        figures: dict[str, float] = {
            "events": events,
            "files": FILES,
            "turns": TURNS,
            "gz_bytes": sum(path.stat().st_size for path in packed),
        }
        figures |= _in_turns(root, packed, plain[: FILES // 5], events // 5)
        figures |= _landed(root) | _fields(plain)
    answer(**figures)


def _written(root: Path, events: int) -> tuple[list[Path], list[Path]]:
    """The same events packed (below `logs`) and plain."""
    (root / "logs").mkdir()
    packed, plain = [], []
    made = sigma_events.lines(events)
    for number in range(FILES):
        data = "".join(itertools.islice(made, events // FILES)).encode()
        plain.append(root / f"{number:02}.ndjson")
        plain[-1].write_bytes(data)
        packed.append(root / "logs" / f"{number:02}.ndjson.gz")
        packed[-1].write_bytes(gzip.compress(data, 6, mtime=0))
    return packed, plain


def _warm(path: Path) -> None:
    """Libraries load once a process, not once a file."""
    with session() as con, path.open("rb") as stream:
        for _ in batches(con, [(_delivery(path), stream)]):
            break


def _delivery(path: Path) -> Delivery:
    return Delivery("trail", "aws", path.name, datetime.now(UTC), "")


def _in_turns(root: Path, packed: list[Path], plain: list[Path], events: int) -> dict[str, float]:
    """Rows of all, the peer over the plain ones, again and again: the quickest of each.

    A shared machine is quick and slow by turns of minutes: measured like this, both have the same of them.
    """
    peer = _peer(root, plain)
    turns, peer_seconds = [], []
    for _ in range(TURNS):
        turns.append(_to_rows(packed))
        if peer is not None:
            peer_seconds.append(peer())
    quickest = min(turns, key=lambda figures: figures["rows_seconds"])
    quickest["rows_seconds_median"] = statistics.median(figures["rows_seconds"] for figures in turns)
    return quickest | ({"peer_per_second": events / min(peer_seconds)} if peer_seconds else {})


def _to_rows(packed: list[Path]) -> dict[str, float]:
    rows = 0
    with watched() as figures, session() as con:
        for batch in batches(con, ((_delivery(path), path.open("rb")) for path in packed)):
            rows += batch.rows.table.num_rows
    return {f"rows_{name}": value for name, value in figures.items()} | {"rows": rows}


def _landed(root: Path) -> dict[str, float]:
    landing = Landing(root / "audit")
    source = AuditSource("trail", "aws", "logs")
    with watched() as figures, session() as con:
        intake = take(con, landing, source, root, clock=lambda: datetime.now(UTC))
    found = {f"landed_{name}": value for name, value in figures.items()} | {"landed": intake.events}
    days = landing.days()
    with watched() as figures, session(memory="1500MB") as con:
        for day in days:
            rows = build_events(con, landing.landed(day).parts, day)
            Lake(root / "lake").write(con, CLOUD_AUDIT_EVENTS, "events", day, rows, fingerprint="", inputs={})
    return found | {f"lake_{name}": value for name, value in figures.items()}


def _fields(plain: list[Path]) -> dict[str, float]:
    with watched() as figures, session(memory="3GB") as con:
        read = read_events(con, plain, columns=ASKED)
    return {f"fields_{name}": value for name, value in figures.items()} | {"fields": len(ASKED), "read": read.events}


def _peer(root: Path, plain: list[Path]) -> Callable[[], float] | None:
    """Seconds of RSigma over these files, measured anew at each call; None where it is not there."""
    if sigma_scan.rsigma_binary() is None:
        return None
    joined = root / "joined.ndjson"
    joined.write_bytes(b"".join(path.read_bytes() for path in plain))
    rules = sigma_rules.write(root / "rules", FEW)
    return lambda: float(sigma_scan.rsigma(rules, joined)["seconds"])


if __name__ == "__main__":
    main()
