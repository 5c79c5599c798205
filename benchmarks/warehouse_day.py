"""A day of a large warehouse: its increment, its publication beside readers, the queries of the analyst guide on it.

    python -m benchmarks.warehouse_day [--quick]

The history is set up first, in a temporary folder that goes at the end. BENCH_WAREHOUSE names a folder that is used and
kept instead; every run adds a day to it. BENCH_OBSERVATIONS says how many observations a new history has, BENCH_MINUTES
after how long no more of it is loaded: what is there by then is measured, and said.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import duckdb

from benchmarks.children import answer, arguments
from benchmarks.warehouse_history import OBSERVATIONS, History, Size
from benchmarks.warehouse_memory import run_watched
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.project import load_project
from intelsec_assets.kpis.warehouse.publish import Published, publish_snapshot
from intelsec_assets.kpis.warehouse.reading import MEMORY, ReadingError, connect, query
from intelsec_assets.settings import REPOSITORY

_READERS = 2
_CALM_SECONDS = 5.0  # of reading before the publication begins, and a moment after it
_ROUNDS = 3
_SLOW = 5.0  # seconds: such a query is asked once, not in every round
_GUIDE = REPOSITORY / "docs" / "analyst-guide.md"
_ASKED = re.compile(r"^### (\d+\. .+?)$|^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)
_SMALL = Size(days=4, live=2_000, new=30)


def main() -> None:
    """Set up, measure, say it."""
    quick = arguments(__doc__).quick
    with _folder() as folder:
        wanted = _SMALL if quick else Size.of(int(os.environ.get("BENCH_OBSERVATIONS", OBSERVATIONS)))
        history = History.at(folder, wanted)
        _tell("history")
        history.load(until=time.time() + float(os.environ.get("BENCH_MINUTES", "inf")) * 60)
        _tell("first publication")
        _publish(folder)
        _tell("increment")
        increment = _increment(history)
        _tell(f"publication beside readers; {increment}")
        published = _published(folder, 0.5 if quick else _CALM_SECONDS)
        _tell(f"queries; {published}")
        queries = _queries(folder, 1 if quick else _ROUNDS, 8 if quick else None)
    answer(increment=increment, publish=published, queries=queries)


@contextmanager
def _folder() -> Iterator[Path]:
    kept = os.environ.get("BENCH_WAREHOUSE")
    if kept:
        yield Path(kept)
        return
    folder = tempfile.mkdtemp(prefix="intelsec-bench-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(what: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what}", file=sys.stderr, flush=True)


def _increment(history: History) -> dict[str, Any]:
    """A day on top of what is there."""
    before = history.lake.days("feed_status")
    day = history.generate(len(before))
    found, peak_gb = run_watched("warehouse_build", str(history.home), str(day))
    lake = history.lake
    return {
        **found,
        "peak_gb": peak_gb,
        "history_days": len(before),
        "history_observations": sum(lake.rows("observations", one) for one in before),
        "history_indicators": sum(lake.rows("indicators", one) for one in before),
        "observations": lake.rows("observations", day),
        "indicators": lake.rows("indicators", day),
        "file_gb": WarehouseFolder(history.home).build_file.stat().st_size / 1e9,
    }


def _publish(home: Path) -> tuple[Published, float]:
    marts = [model.doc for model in load_project().marts]
    started = time.perf_counter()
    published = publish_snapshot(WarehouseFolder(home), marts, clock=lambda: datetime.now(UTC))
    return published, time.perf_counter() - started


def _published(home: Path, calm: float) -> dict[str, Any]:
    """A publication while others read without a pause."""
    stop = home / "readers.stop"
    stop.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-") as said:
        files = [Path(said) / str(number) for number in range(_READERS)]
        readers = []
        try:
            for file in files:
                with file.open("w") as output:
                    command = [
                        sys.executable,
                        "-W",
                        "ignore",
                        "-m",
                        "benchmarks.warehouse_reader",
                        str(home),
                        str(stop),
                    ]
                    readers.append(subprocess.Popen(command, stdout=output))
            _wait_for(lambda: all(file.stat().st_size for file in files))
            calm_from = time.time()
            time.sleep(calm)
            began = time.time()
            published, seconds = _publish(home)
            ended = time.time()
            time.sleep(calm / 5)
        finally:
            stop.touch()
            for reader in readers:
                reader.wait()
            stop.unlink()
        readings = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    quiet = [took for at, took, _ in readings if at >= calm_from and at + took < began]
    beside = [took for at, took, _ in readings if at + took >= began and at <= ended]
    return {
        "bytes": published.manifest.size,
        "is_new": published.is_new,
        "seconds": seconds,
        "readers": _READERS,
        "readings": len(beside),
        "errors": [found for _, _, found in readings if isinstance(found, str)],
        "snapshots": sorted({found for _, _, found in readings if isinstance(found, int)}),
        "quiet": _spread(quiet),
        "beside": _spread(beside),
    }


def _wait_for(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(f"the readers did not begin within {seconds:.0f} s")
        time.sleep(0.05)


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": median(seconds), "p95": p95(seconds), "longest": max(seconds)}


def p95(found: list[float]) -> float:
    """95 of 100 are at most this; of fewer than 20 it is near the largest."""
    return quantiles(found, n=20, method="inclusive")[-1] if len(found) > 1 else found[0]


def _queries(home: Path, rounds: int, most: int | None) -> dict[str, Any]:
    """Every query of the guide, in a process of its own as analysts ask it, and alone on an open file."""
    folder = WarehouseFolder(home)
    asked = guide()[:most]
    found = [_asked(folder, question, sql, rounds) for question, sql in asked]
    _, start, _ = _timed(lambda: _ask(folder, "select 1"), rounds)
    return {
        "queries": len(found),
        "rounds": rounds,
        "start": start,
        "whole": _spread([one.whole for one in found]),
        "alone": _spread([one.alone for one in found]),
        "problems": [f"{one.question}: {one.problem}" for one in found if one.problem],
        "each": [asdict(one) for one in sorted(found, key=lambda one: -one.whole)],
    }


@dataclass(frozen=True)
class Asked:
    """A query of the guide: rows of its answer, median seconds in a process of its own and alone, why none came."""

    question: str
    rows: int
    whole: float
    alone: float
    problem: str


def _asked(folder: WarehouseFolder, question: str, sql: str, rounds: int) -> Asked:
    rows, whole, problem = _timed(lambda: _ask(folder, sql), rounds)
    with connect(folder, memory=MEMORY) as con:
        _, alone, _ = _timed(lambda: len(con.execute(sql).fetchall()), rounds)
    return Asked(question, rows, whole, alone, problem)


def _ask(folder: WarehouseFolder, sql: str) -> int:
    with query(folder, sql) as result:
        return sum(1 for _ in result.rows())


def _timed(ask: Callable[[], int], rounds: int) -> tuple[int, float, str]:
    """Rows, median seconds of the rounds, and why there was no answer."""
    seconds: list[float] = []
    rows, problem = 0, ""
    while len(seconds) < rounds and not problem and (not seconds or seconds[0] < _SLOW):
        started = time.perf_counter()
        try:
            rows = ask()
        except (ReadingError, duckdb.Error) as error:
            problem = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        seconds.append(time.perf_counter() - started)
    return rows, median(seconds), problem


def guide() -> list[tuple[str, str]]:
    """The guide's queries with the question that each stands under."""
    question, found = "before the first question", []
    for heading, sql in _ASKED.findall(_GUIDE.read_text(encoding="utf-8")):
        if heading:
            question = heading
        else:
            found.append((question, sql))
    return found


if __name__ == "__main__":
    main()
