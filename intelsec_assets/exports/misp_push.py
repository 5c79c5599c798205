"""The push to MISP: brings a server's events to the plan, and the ledger to what the server was seen to hold.

What is open is worked out in `misp_delta`, one event's work is `misp_event`, requests are `misp_client`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Protocol

import pyarrow as pa

from intelsec_assets.exports.errors import PushRefused
from intelsec_assets.exports.misp_client import MispClient
from intelsec_assets.exports.misp_delta import EventDelta, MispDelta, misp_delta, rows_of
from intelsec_assets.exports.misp_event import EventOutcome, EventPush
from intelsec_assets.exports.misp_patience import Patience
from intelsec_assets.exports.misp_tags import ServerTags
from intelsec_assets.records import ACTIVE, WITHDRAWN, LedgerEntry, Refused

TARGET = "misp"


class Ledger(Protocol):
    """The part of the store that a push needs."""

    def confirmed(self, target: str) -> Mapping[str, LedgerEntry]:
        """What the target ever confirmed, by indicator id."""

    def confirm(
        self,
        target: str,
        entries: Iterable[LedgerEntry],
        *,
        through: date | None = None,
        rewritten: Collection[str] = (),
    ) -> int:
        """Write confirmations, all or none; `rewritten` had to be told again although the ledger knew them."""

    def confirmed_day(self, target: str) -> date | None:
        """The last day whose plan the target holds in full."""

    def quarantine(self, target: str, refused: Iterable[Refused]) -> None:
        """Write what the target refused."""

    def quarantined(self, target: str) -> Mapping[str, Refused]:
        """What the target refuses, by indicator id."""

    def release(self, target: str, indicator_ids: Iterable[str]) -> int:
        """Forget refusals."""


@dataclass
class PushResult:
    """What a push did: counts of indicators, events touched, requests made, and what a person should know."""

    added: int = 0
    updated: int = 0
    withdrawn: int = 0
    unchanged: int = 0
    quarantined: int = 0
    merged: int = 0
    events: int = 0
    calls: int = 0
    writes: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def detail(self) -> str:
        """One line for the record of the run."""
        parts = [f"{self.calls} requests, {self.events} events"]
        if self.merged:
            parts.append(f"{self.merged} under another spelling of the same value")
        return "; ".join([*parts, *self.notes])


@dataclass(frozen=True)
class Surroundings:
    """What a push takes from outside itself: instants, waiting, chance, and somebody to tell how it goes."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    progress: Callable[[str], None] = lambda _: None
    attempts: int = 6


def push(
    plan: pa.Table,
    day: date,
    ledger: Ledger,
    client: MispClient,
    surroundings: Surroundings,
    *,
    target: str = TARGET,
    verify: bool = False,
) -> PushResult:
    """Bring a server to the plan (EXPORT_PLAN) of a day. What the ledger knows to be there costs no request.

    `verify` compares every row with the server, also what the ledger takes for done. One push at a time and target: the
    caller holds the store's lock. Raises PushUnavailable when the server is away (what was confirmed so far stands, the
    next push goes on from there) and PushRefused when it says no.
    """
    newest = ledger.confirmed_day(target)
    if newest is not None and newest > day:
        return PushResult(notes=[f"{target} stands at {newest} already; {day} is past and was not pushed"])
    books = _Books(ledger, target, day, surroundings.clock)
    delta = misp_delta(plan, books.confirmed, books.quarantined, verify=verify)
    books.result = PushResult(unchanged=delta.unchanged, quarantined=delta.skipped, merged=delta.merged)
    books.release(delta.released)
    if delta.events:
        _push_events(plan, delta, client, surroundings, books)
    if newest != day:
        ledger.confirm(target, (), through=day)
    books.result.calls, books.result.writes = client.calls, client.writes
    return books.result


def _push_events(
    plan: pa.Table, delta: MispDelta, client: MispClient, surroundings: Surroundings, books: _Books
) -> None:
    patience = Patience(surroundings.sleep, surroundings.chance, surroundings.attempts, surroundings.progress)
    patience.until_answered(client.connect)
    if client.server.publish and not client.may_publish:
        raise PushRefused(
            f"the user of {client.server.place} may not publish events; give it a role with that right, or switch "
            "publishing off for this server"
        )
    server_tags = ServerTags(client, patience)
    for number, event in enumerate(delta.events, start=1):
        surroundings.progress(f"event {number} of {len(delta.events)}: {event.event}")
        rows = partial(rows_of, plan, event.event)
        work = EventPush(event, rows, client, server_tags, patience, surroundings.clock)
        books.enter(event.event, work.run(may_be_lost=_believed_done(delta, event)))


def _believed_done(delta: MispDelta, event: EventDelta) -> set[str]:
    """Indicators of the event that the ledger takes for done: if the event is gone, they are open again."""
    return {indicator_id for indicator_id, name in delta.wanted.items() if name == event.event} - event.upserts


class _Books:
    """The ledger and the counts of one push: written an event at a time, after the server was seen to hold it."""

    def __init__(self, ledger: Ledger, target: str, day: date, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._target = target
        self._day = day
        self._clock = clock
        self._held: set[str] = set()
        self.confirmed = ledger.confirmed(target)
        self.quarantined = ledger.quarantined(target)
        self.result = PushResult()

    def release(self, indicator_ids: Iterable[str]) -> None:
        """Forget refusals that no longer stand."""
        stale = [indicator_id for indicator_id in indicator_ids if indicator_id in self.quarantined]
        if stale:
            self._ledger.release(self._target, stale)

    def enter(self, event: str, outcome: EventOutcome) -> None:
        """Write down what an event was seen to hold, and count it."""
        at = self._clock()
        self._held.update(outcome.held)
        # what moved and is confirmed in its new event must not be overwritten by its leaving the old one
        gone = [entry for entry in outcome.withdrawn if entry.indicator_id not in self._held]
        entries = [LedgerEntry(i, event, digest, ACTIVE, self._day, at) for i, digest in outcome.held.items()]
        entries += [LedgerEntry(e.indicator_id, event, e.content_hash, WITHDRAWN, self._day, at) for e in gone]
        refused = [Refused(i, event, digest, reason, at) for i, (digest, reason) in outcome.refused.items()]
        self._ledger.confirm(self._target, entries, rewritten=outcome.written)
        if refused:
            self._ledger.quarantine(self._target, refused)
        self.release(outcome.held)
        self._count(event, outcome)

    def _count(self, event: str, outcome: EventOutcome) -> None:
        result = self.result
        for indicator_id, content_hash in outcome.held.items():
            before = self.confirmed.get(indicator_id)
            if before is None or before.state != ACTIVE or before.event != event:
                result.added += 1
            elif before.content_hash != content_hash or indicator_id in outcome.written:
                result.updated += 1
            else:
                result.unchanged += 1
        result.withdrawn += len(outcome.withdrawn)
        result.quarantined += len(outcome.refused)
        result.events += 1
        result.notes.extend(outcome.notes)
