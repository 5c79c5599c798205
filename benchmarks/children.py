"""Measured programs: how they are started and watched, and what they say: arguments in, one JSON object out.

Which ones there are and what their figures are held against is the runner's part.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def arguments(description: str | None) -> argparse.Namespace:
    """`--quick` for small inputs, `--tables FOLDER` for where to write the answer, `--only-scores` for less of it."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small inputs: tries the program, measures nothing")
    parser.add_argument("--tables", type=Path, help="write the answer's tables to this folder as Parquet files")
    parser.add_argument(
        "--only-scores", action="store_true", help="leave out all but the scores, where the program can"
    )
    return parser.parse_args()


def answer(**figures: Any) -> None:
    """Print the figures as the last line."""
    print(json.dumps(figures))


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Wall and CPU seconds of the block, and this program's peak resident memory by its end."""
    figures: dict[str, float] = {}
    started, cpu = time.perf_counter(), time.process_time()
    yield figures
    figures["seconds"] = time.perf_counter() - started
    figures["cpu_seconds"] = time.process_time() - cpu
    figures["peak_gb"] = peak_gigabytes()


def peak_gigabytes() -> float:
    """Peak resident memory of this program alone: what getrusage says of a child counts its parent before exec, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


@dataclass(frozen=True)
class Finished:
    """A program that ended well: wall seconds, peak resident memory of it or its largest child, what it printed."""

    seconds: float
    peak_gb: float
    output: str


def run_measured(
    command: Sequence[str], env: Mapping[str, str] | None = None, accepted: Sequence[int] = (0,)
) -> Finished:
    """Run a program to its end. Raises CalledProcessError with what it said if its exit code is not accepted."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    if process.returncode not in accepted:
        raise subprocess.CalledProcessError(process.returncode, command, *texts)
    return Finished(seconds, usage.ru_maxrss / 2**20, texts[0])
