"""`python -m benchmarks [NAME …] [--quick]`: measure, print the bars, renew RESULTS.md.

What there is to measure is `measurements`, how results are kept and shown is `report`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

from benchmarks import report
from benchmarks.measurements import MEASUREMENTS

CORES = 2  # what every bar is stated for


def main() -> int:
    """Measure what is named, by default everything. Exit code 1 = a bar is missed, 2 = a measurement failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Performance beside the peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(MEASUREMENTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small inputs: tries every program, keeps no result")
    wanted = parser.parse_args()
    if unknown := set(wanted.names) - MEASUREMENTS.keys():
        parser.error(f"no measurement {', '.join(sorted(unknown))}; there are: {', '.join(MEASUREMENTS)}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    results, missed, failed = report.kept(), False, False
    for name in wanted.names or MEASUREMENTS:
        load, started = os.getloadavg()[0], time.perf_counter()
        try:
            measured = MEASUREMENTS[name](quick=wanted.quick)
        except subprocess.CalledProcessError as error:
            print(f"{name}: {' '.join(error.cmd)} ended with {error.returncode}:\n{error.stderr}", file=sys.stderr)
            failed = True
            continue
        seconds = time.perf_counter() - started
        print(f"{name}: {measured.title} ({seconds:.0f} s, load before {load:.1f})")
        for bar in measured.bars:
            judged = "" if wanted.quick else "met    " if bar.met else "MISSED "
            print(f"  {judged}{bar.what}: {bar.found} ({bar.bar})", flush=True)
        results[name] = report.entry(measured, at=datetime.now(UTC), seconds=seconds, load=load)
        missed = missed or not all(bar.met for bar in measured.bars)
        if not wanted.quick:
            report.write(results, MEASUREMENTS)
    if wanted.quick:
        print("tried with small inputs: the figures mean nothing and no result is kept")
        return 2 if failed else 0
    return 2 if failed else int(missed)


if __name__ == "__main__":
    sys.exit(main())
