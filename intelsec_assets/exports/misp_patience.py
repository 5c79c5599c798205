"""Waiting for a server that breaks down: exponential backoff with jitter, and the moment to give up for today.

Nothing is sent here; whether a request may be repeated at all is for the caller to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from intelsec_assets.exports.errors import PushUnavailable
from intelsec_assets.exports.misp_client import ServerFault

T = TypeVar("T")

FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 60.0  # after a gateway time-out PHP goes on writing; a minute sees most of it through


class Patience:
    """Counts faults in a row and waits after each. Raises PushUnavailable after `attempts` of them."""

    def __init__(
        self,
        sleep: Callable[[float], None],
        chance: Callable[[], float],
        attempts: int,
        progress: Callable[[str], None],
    ) -> None:
        self._sleep = sleep
        self._chance = chance
        self._attempts = attempts
        self._progress = progress
        self._faults = 0

    def after(self, fault: ServerFault) -> None:
        """Wait after a fault, longer each time."""
        self._faults += 1
        if self._faults >= self._attempts:
            raise PushUnavailable(
                f"MISP did not answer {self._faults} times in a row, last: {fault}. What was read back is in the "
                "ledger; the next run goes on from there. Is the server up, is its disk full, does its log say more?"
            ) from fault
        wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (self._faults - 1))
        wait *= 0.5 + self._chance() / 2  # clients that failed together do not come back together
        self._progress(f"{fault}; waiting {wait:.0f} s")
        self._sleep(wait)

    def succeeded(self) -> None:
        """A write came through: the faults so far were passing ones."""
        self._faults = 0

    def until_answered(self, request: Callable[[], T]) -> T:
        """Repeat a request that changes nothing, or nothing twice, until it is answered."""
        before = self._faults
        while True:
            try:
                answer = request()
            except ServerFault as fault:
                self.after(fault)
            else:
                self._faults = before  # that reading works again does not say that writing does
                return answer

    def a_moment(self) -> None:
        """Wait a little for something that is on its way."""
        self._sleep(FIRST_WAIT_SECONDS)
