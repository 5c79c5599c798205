"""A program and all its children, watched: the most memory they held together at any moment.

What a single program took by itself is in `children`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LOOKS_APART = 0.05  # seconds


def run_watched(module: str, *arguments: str) -> tuple[dict[str, Any], float]:
    """Figures of a module beside this one, and the peak in GB of the resident memory of its processes together.

    Pages that two processes share count twice, so the truth is rather less. Raises CalledProcessError.
    """
    command: Sequence[str] = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *arguments]
    peak = 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        while process.poll() is None:
            peak = max(peak, sum(_resident(number) for number in _family(process.pid)))
            time.sleep(_LOOKS_APART)
        output.seek(0)
        errors.seek(0)
        said, complaints = output.read(), errors.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said, complaints)
    return dict(json.loads(said.splitlines()[-1])), peak / 2**20


def _family(number: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{number}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it ended
        return []
    return [number, *(one for child in children for one in _family(child))]


def _resident(number: int) -> int:
    """Kilobytes; 0 for a process that ended."""
    try:
        status = Path(f"/proc/{number}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = status.partition("VmRSS:")[2].split()
    return int(found[0]) if found else 0
