"""What importing the definitions adds to `import dagster`, and which modules are dearest.

    python -m benchmarks.definitions_import [--quick]

Each import runs in a fresh interpreter; seconds are those of `-X importtime`, the least of several runs.
"""

from __future__ import annotations

import re
import subprocess
import sys

from benchmarks.children import answer, arguments

RUNS = 5
DEAREST = 5
_LINE = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|(\s*)(\S+)")


def imported(statement: str) -> dict[str, tuple[int, int]]:
    """Microseconds alone and with what it imports in turn, of every module a statement imports."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {m[4]: (int(m[1]), int(m[2])) for m in map(_LINE.match, done.stderr.splitlines()) if m}


def main() -> None:
    """Measure several times; of each the least counts."""
    wanted = arguments(__doc__)
    best: dict[str, tuple[int, int]] = {}
    whole, framework = [], []
    for _ in range(1 if wanted.quick else RUNS):
        found = imported("import dagster; import intelsec_jobs.definitions")
        framework.append(found["dagster"][1])
        whole.append(found["intelsec_jobs.definitions"][1])
        for name, (alone, total) in found.items():
            best[name] = min(best.get(name, (alone, total)), (alone, total), key=lambda pair: pair[1])
    before = imported("import dagster").keys()
    # what one of our modules imports for the first time counts with it: third-party packages show as themselves
    added = {name: times for name, times in best.items() if name not in before}
    dearest = sorted(added, key=lambda name: added[name][0], reverse=True)[:DEAREST]
    answer(
        seconds=min(whole) / 1e6,
        dagster_seconds=min(framework) / 1e6,
        modules=len(added),
        dearest={name: {"alone": added[name][0] / 1e6, "with_its_imports": added[name][1] / 1e6} for name in dearest},
    )


if __name__ == "__main__":
    main()
