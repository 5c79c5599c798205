"""What a measurement is: its table and its bars, and how the program behind it is run.

Which measurements there are is in `measurements`; how results are shown is `report`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import Any

from benchmarks.children import run_measured


@dataclass(frozen=True)
class Bar:
    """What must be reached, what was found, and whether it was."""

    what: str
    bar: str
    found: str
    met: bool


@dataclass(frozen=True)
class Measured:
    """A measurement as it is kept and shown: a table, its bars, and what a reader must know."""

    title: str
    what: str
    columns: list[str]
    rows: list[list[str]]
    bars: list[Bar]
    notes: list[str] = field(default_factory=list)


def at_least(what: str, found: float, bar: float, shown: str) -> Bar:
    """A bar to reach or pass."""
    return Bar(what, f">= {bar:{shown.replace('.1f', 'g')}}", f"{found:{shown}}", found >= bar)


def at_most(what: str, found: float, bar: float, shown: str) -> Bar:
    """A bar to stay under."""
    return Bar(what, f"<= {bar:g}", f"{found:{shown}}", found <= bar)


def program(module: str, *flags: str, quick: bool) -> dict[str, Any]:
    """Run a measured program; its figures are the last line it prints."""
    return dict(json.loads(run_module(module, *flags, *(["--quick"] if quick else [])).splitlines()[-1]))


def lines(module: str, *flags: str) -> list[dict[str, Any]]:
    """Run a measured program that prints a JSON object a line; exit code 1 only says that it missed its own bar."""
    return [json.loads(line) for line in run_module(module, "--json", *flags, accepted=(0, 1)).splitlines()]


def run_module(module: str, *flags: str, accepted: tuple[int, ...] = (0,)) -> str:
    """Output of a module beside this one, run by the same interpreter."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *flags]
    return run_measured(command, accepted=accepted).output
