"""`intelsec run` on the bundled sample in a fresh home, and once more on what it left: seconds and peak memory.

python -m benchmarks.sample_run [--quick]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.children import answer, arguments, run_measured


def main() -> None:
    """Measure both runs; --quick runs one day."""
    wanted = arguments(__doc__)
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-") as home:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INTELSEC_")}
        command = [
            str(Path(sys.executable).with_name("intelsec")),
            "run",
            *(["--day", "2026-03-02"] if wanted.quick else []),
        ]
        first, again = (run_measured(command, env={**environment, "INTELSEC_HOME": home}) for _ in range(2))
    answer(
        seconds=first.seconds,
        run_peak_gb=first.peak_gb,
        again_seconds=again.seconds,
        again_peak_gb=again.peak_gb,
        last_lines=again.output.rstrip().splitlines()[-3:],
    )


if __name__ == "__main__":
    main()
