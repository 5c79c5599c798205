"""Asking dbt for something: starts the child process, follows its progress, gives back what became of each node.

What is asked for is decided in `project` and `build`; the child itself is `dbt_process`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
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
    with closing(_WAITING.pop() if _WAITING else _Child()) as child:
        child.ask(asked, inherited)
        for answer in child.answers():
            answers.hear(answer)
        code, last_words = child.end()
    if code != 0 or answers.is_broken:
        cause = "\n".join(dict.fromkeys(answers.errors)) or last_words or f"it ended with {code}"
        asked_for = orders[len(answers.results) - 1].arguments[0] if answers.results else orders[0].arguments[0]
        raise DbtError(f"dbt {asked_for} could not run: {cause.strip()}. Its log: {target_path / 'dbt.log'}")
    return answers.results


@contextmanager
def dbt_loading() -> Iterator[None]:
    """A child loads dbt while something else is done, which takes seconds; the next `call_dbt` of the block has it."""
    with closing(_Child()) as child:
        _WAITING.append(child)
        try:
            yield
        finally:
            if child in _WAITING:
                _WAITING.remove(child)


class _Child:
    """A process that loads dbt and waits for orders."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `close` does
        self._ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _CHILD],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=self._said,
                text=True,
                env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"},
            )

    def close(self) -> None:
        """End it, if it has not; a second time does nothing."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._ours.close()
        self._said.close()

    def ask(self, asked: Mapping[str, Any], inherited: Sequence[int]) -> None:
        """Give it its orders, and descriptors to keep open. One that has ended says why in `end`."""
        orders = json.dumps(asked).encode()
        with suppress(BrokenPipeError, ConnectionResetError):
            sent = socket.send_fds(self._ours, [orders], list(inherited)) if inherited else 0
            self._ours.sendall(orders[sent:])
            self._ours.shutdown(socket.SHUT_WR)

    def answers(self) -> Iterator[Mapping[str, Any]]:
        """What it says, until it ends."""
        assert self._process.stdout is not None
        yield from map(json.loads, self._process.stdout)

    def end(self) -> tuple[int, str]:
        """Its exit code, and the last of what it wrote beside its answers."""
        code = self._process.wait()
        self._said.seek(0)
        return code, self._said.read()[-_LAST_WORDS:]


_WAITING: list[_Child] = []


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
