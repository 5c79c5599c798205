"""A push of 5,000 new indicators to MISP and the push after it: requests, writes and seconds.

    python -m benchmarks.misp_export [--quick]

The server is the tests' double, real HTTP on loopback that answers as a recorded MISP 2.5 did: its own speed is not
MISP's, so requests are what counts. A real one takes 590 attributes a second in chunks.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from benchmarks.children import answer, arguments
from intelsec_assets.exports.misp_client import MispClient, MispServer
from intelsec_assets.exports.misp_push import PushResult, Surroundings, push
from intelsec_assets.resources.store import Store
from tests.doubles.misp_server import KEY, MispDouble, misp_double
from tests.plans import DAY, plan_row, plan_table

ATTRIBUTES, QUICK_ATTRIBUTES = 5_000, 50


def pushed(plan: pa.Table, server: MispDouble, ledger: Store) -> tuple[PushResult, float]:
    """One push with a client of its own, and its seconds."""
    client = MispClient(MispServer(server.url, KEY, publish=True), timeout=(10.0, 120.0))
    started = time.perf_counter()
    result = push(plan, DAY, ledger, client, Surroundings(clock=lambda: datetime.now(UTC)))
    return result, time.perf_counter() - started


def main() -> None:
    """Measure both pushes."""
    wanted = arguments(__doc__)
    count = QUICK_ATTRIBUTES if wanted.quick else ATTRIBUTES
    plan = plan_table([plan_row(f"h{n:05d}.example.org") for n in range(count)])
    with (
        tempfile.TemporaryDirectory(prefix="intelsec-bench-") as folder,
        misp_double() as server,
        Store.open(f"sqlite:///{Path(folder) / 'store.sqlite'}") as ledger,
    ):
        first, seconds = pushed(plan, server, ledger)
        again, again_seconds = pushed(plan, server, ledger)
        if first.added != count or again.added or again.updated:
            raise ValueError(f"expected {count} added once, found {first} and then {again}")
    answer(
        attributes=count,
        requests=first.calls,
        writes=first.writes,
        seconds=seconds,
        again_requests=again.calls,
        again_writes=again.writes,
        again_seconds=again_seconds,
    )


if __name__ == "__main__":
    main()
