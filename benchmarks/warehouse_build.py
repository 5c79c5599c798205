"""One build of a warehouse that is there, as the machine does it: how long all of it, dbt, and dbt's start took.

    python -m benchmarks.warehouse_build HOME DAY

The figures are the last line. What a build is measured on is set up elsewhere.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.children import answer
from intelsec_assets.days import parse_day
from intelsec_assets.kpis.warehouse import build
from intelsec_assets.kpis.warehouse.dbt_call import NodeResult, call_dbt
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.warehouse import Warehouse

EXPORT_THRESHOLD = 0.6
_DEAREST = 6


def main() -> None:
    """Build, watching the moments."""
    home, day = Path(sys.argv[1]), parse_day(sys.argv[2])
    moments: dict[str, float] = {}

    def reached(name: str) -> None:
        moments.setdefault(name, time.perf_counter())

    def watched_dbt(*positional: Any, **named: Any) -> list[list[NodeResult]]:
        reached("dbt")
        found = call_dbt(*positional, **named)
        reached("dbt ended")
        return found

    reached("began")
    with mock.patch.object(build, "call_dbt", watched_dbt):
        outcome = Warehouse.of(home, Lake(home / "lake")).build(
            [day], export_threshold=EXPORT_THRESHOLD, progress=lambda _text: reached("first model")
        )
    reached("ended")
    if outcome is None or outcome.failed:
        raise RuntimeError(f"{day} was not built: {'nothing was to do' if outcome is None else outcome.failed}")
    dearest = sorted(outcome.models, key=lambda one: -one.seconds)[:_DEAREST]
    answer(
        seconds=moments["ended"] - moments["began"],
        dbt_seconds=moments["dbt ended"] - moments["dbt"],
        start_seconds=moments["first model"] - moments["dbt"],
        days=len(outcome.load.days),
        models=len(outcome.models),
        tests=len(outcome.tests),
        dearest={one.model.name: one.seconds for one in dearest},
    )


if __name__ == "__main__":
    main()
