"""Asking dbt for something: starts the child process, follows its progress, gives back what became of each node.

What is asked for is decided in `project` and `build`; the child itself is `dbt_process`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelsec_assets.kpis.warehouse.errors import WarehouseError

_CHILD = "intelsec_assets.kpis.warehouse.dbt_process"
_LAST_WORDS = 2000  # characters of what a crashed child wrote; the whole is in dbt's log


class DbtError(WarehouseError):
    """dbt could not do what it was asked; the message holds its own words."""


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or test: success, pass, warn, fail, error or skipped; `failures` counts a test's rows."""

    unique_id: str
    status: str
    message: str | None
    failures: int | None
    seconds: float
    compiled: str | None


Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Order:
    """One invocation of dbt: what it is asked, and with which variables."""

    arguments: Sequence[str]
    variables: Mapping[str, Any]


def call_dbt(
    project: Path,
    orders: Sequence[Order],
    *,
    target_path: Path,
    parsed: Path | None = None,
    progress: Progress = lambda _name, _number, _of: None,
    inherited: Sequence[int] = (),
) -> list[list[NodeResult]]:
    """Run dbt on the project folder, the orders one after another until one fails; the results of each that ran.

    `inherited` are file descriptors the child keeps open: locks outlive their holder. Raises DbtError if dbt could not
    run at all; failed models and tests are results.
    """
    target_path.mkdir(parents=True, exist_ok=True)
    places = [
        *("--project-dir", project, "--profiles-dir", project),
        *("--target-path", target_path, "--log-path", target_path),
    ]
    asked = {
        "arguments": ["--no-use-colors", "--quiet"],
        "orders": [
            {"arguments": [*order.arguments, *(str(place) for place in places)], "vars": order.variables}
            for order in orders
        ],
        "parsed": None if parsed is None else str(parsed),
    }
    answers = _Answers(progress)
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"},
            pass_fds=tuple(inherited),
        )
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            json.dump(asked, child.stdin)
            child.stdin.close()
            for line in child.stdout:
                answers.hear(json.loads(line))
            child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        said.seek(0)
        last_words = said.read()[-_LAST_WORDS:]
    if child.returncode != 0 or answers.is_broken:
        cause = "\n".join(dict.fromkeys(answers.errors)) or last_words or f"it ended with {child.returncode}"
        asked_for = orders[len(answers.results) - 1].arguments[0] if answers.results else orders[0].arguments[0]
        raise DbtError(f"dbt {asked_for} could not run: {cause.strip()}. Its log: {target_path / 'dbt.log'}")
    return answers.results


class _Answers:
    """What the child has said so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.errors: list[str] = []
        self.results: list[list[NodeResult]] = []
        self.is_broken = True

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Take a line of it."""
        if answer["event"] == "node":
            self._progress(answer["name"], answer["number"], answer["of"])
        elif answer["event"] == "error":
            self.errors.append(answer["text"])
        else:
            self.errors += [answer["error"]] if answer["error"] else []
            self.is_broken = answer["results"] is None
            self.results.append([NodeResult(**result) for result in answer["results"] or []])
