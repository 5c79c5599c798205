"""The warehouse of the bundled sample: what parsing, starting and a day's build cost.

    python -m benchmarks.warehouse_sample [--quick]

A day's build is that of the newest day on those before it, each of which was run by the machine.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from benchmarks.children import answer, arguments
from benchmarks.warehouse_build import EXPORT_THRESHOLD
from benchmarks.warehouse_memory import run_watched
from intelsec_assets.days import days_between
from intelsec_assets.kpis.warehouse.dbt_call import Order, call_dbt
from intelsec_assets.kpis.warehouse.project import PROJECT_FOLDER, load_project
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.warehouse import Warehouse
from intelsec_assets.settings import SAMPLE_DATA, from_environment

FIRST_DAY, LAST_DAY = date(2026, 3, 2), date(2026, 3, 15)


def main() -> None:
    """Set up, measure, say it."""
    quick = arguments(__doc__).quick
    days = days_between(FIRST_DAY, LAST_DAY)[: 1 if quick else None]
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-") as work:
        parsed = {} if quick else _parsing(Path(work) / "project")
        home = Path(work) / "home"
        if days[:-1]:
            _load(home, days[:-1])
        _run(home, days[-1:])
        built, peak_gb = run_watched("warehouse_build", str(home), str(days[-1]))
        lake = Lake(home / "lake")
        rows = [lake.rows("observations", day) for day in days]
    answer(
        parsing=parsed, build={**built, "peak_gb": peak_gb}, history_observations=sum(rows[:-1]), observations=rows[-1]
    )


def _parsing(project: Path) -> dict[str, float]:
    """Seconds that dbt's process takes to parse the project: from nothing, and again with what it left.

    One view is compiled too, as parsing alone has no results to hand back.
    """
    shutil.copytree(PROJECT_FOLDER, project, ignore=shutil.ignore_patterns("target", "logs"))
    target = project / "target" / "parse"
    order = Order(["compile", "--select", "stg_feed_terms"], {"build_file": str(target / "warehouse.duckdb")})
    found = {name: _seconds(lambda: call_dbt(project, [order], target_path=target)) for name in ("cold", "again")}
    shutil.rmtree(project / "target")
    return {**found, "project": _seconds(lambda: load_project(project))}


def _load(home: Path, days: list[date]) -> None:
    """Run the days and load them into the warehouse."""
    _run(home, days)
    built = Warehouse.of(home, Lake(home / "lake")).build(days, export_threshold=EXPORT_THRESHOLD)
    if built is None or built.failed:
        raise RuntimeError(f"the history was not built: {built and built.failed}")


def _run(home: Path, days: list[date]) -> None:
    """Days through all assets but the warehouse, into the lake."""
    from intelsec_jobs.runner import run_days

    settings = from_environment({"INTELSEC_DATA": str(SAMPLE_DATA), "INTELSEC_HOME": str(home)})
    failed = [outcome.error for outcome in run_days(settings, days) if outcome.error]
    if failed:
        raise RuntimeError(f"the sample did not run: {failed}")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
