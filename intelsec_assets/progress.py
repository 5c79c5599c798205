"""Progress of long work: the place where steps say what they are doing and a face (command, log) listens.

Nothing is printed here; without a listener a report costs a function call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """A step of a day: `asset` is what is built, `outcome` empty while it starts, else what came of it."""

    asset: str
    day: str
    outcome: str = ""


_listeners: list[Callable[[Report], None]] = []


def report(asset: str, day: str, outcome: str = "") -> None:
    """Tell whoever listens."""
    for listener in _listeners:
        listener(Report(asset, day, outcome))


@contextmanager
def listening(listener: Callable[[Report], None]) -> Iterator[None]:
    """Hear every report of this process while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
