"""One event of a push: made if missing, withdrawals, upserts in chunks, read back, refusals found, published once.

No request is ever repeated blindly: after a fault the server is read again, and only what it then lacks is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

from intelsec_assets.exports.content import PlanRow, strictest_tlp
from intelsec_assets.exports.errors import PushRefused
from intelsec_assets.exports.events import attribute_uuid, event_date, event_info, event_uuid
from intelsec_assets.exports.misp_client import PAGE_ROWS, SEARCH_IDS, Answer, MispClient, ServerFault
from intelsec_assets.exports.misp_compare import Held, differences, upsert, withdrawal
from intelsec_assets.exports.misp_content import event_tag, tags
from intelsec_assets.exports.misp_delta import EventDelta
from intelsec_assets.exports.misp_patience import Patience
from intelsec_assets.exports.misp_tags import ServerTags
from intelsec_assets.records import LedgerEntry

CHUNK = 1_000  # attributes a write: 500 to 1,000 measured as the quickest that stays clear of time-outs
SLICE = 20_000  # rows worked on at once, so that an event of 200,000 needs no more memory
# An attribute that failed alone may have met a passing fault; failing twice while others pass, it is to blame.
FAILURES_ALONE = 2
ASK_ALONE = 100  # attributes asked for their reason in one request
_PUBLISH_POLLS = 5

Rows = Callable[[set[str] | None], Iterator[PlanRow]]


@dataclass
class EventOutcome:
    """What an event was seen to hold (indicator id -> content hash), what left it, what it refused (hash, reason)."""

    held: dict[str, str] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    withdrawn: list[LedgerEntry] = field(default_factory=list)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Item:
    """An attribute to bring about: `lacks` says what is missing beside what is held, `member` makes the edit for it."""

    uuid: str
    indicator_id: str
    lacks: Callable[[Held | None], list[str]]
    member: Callable[[Held | None], dict[str, Any]]


class EventPush:
    """The work on one event. `rows` gives its active rows of the plan: of some indicators, or all."""

    def __init__(
        self,
        delta: EventDelta,
        rows: Rows,
        client: MispClient,
        server_tags: ServerTags,
        patience: Patience,
        clock: Callable[[], datetime],
    ) -> None:
        self._delta = delta
        self._rows = rows
        self._client = client
        self._server_tags = server_tags
        self._patience = patience
        self._clock = clock
        self._uuid = event_uuid(delta.event)
        self._mark = event_tag("green")
        self._is_fresh = False
        self._wrote = False
        self._chunk = CHUNK
        self._failed_alone: Counter[str] = Counter()
        self._outcome = EventOutcome()

    def run(self, may_be_lost: set[str]) -> EventOutcome:
        """Bring the event to the plan. `may_be_lost`: what the ledger has for done, open again if the event is gone."""
        wanted = set(self._delta.upserts)
        exists = self._exists()
        if not exists:
            wanted |= may_be_lost
            if not wanted:
                self._outcome.withdrawn = list(self._delta.withdrawals)
                return self._outcome
        self._mark = event_tag(self._tlp())
        todo = self._rows(wanted) if wanted else iter(())
        batch = list(islice(todo, SLICE))
        self._server_tags.ensure({self._mark, *_tags_of(batch)})
        if exists:
            self._withdraw()
        else:
            self._create()
        while batch:
            self._upsert(batch)
            batch = list(islice(todo, SLICE))
        self._publish()
        return self._outcome

    def _tlp(self) -> str:
        return strictest_tlp({"green", *(row.tlp for row in self._rows(None))})

    def _exists(self) -> bool:
        return self._patience.until_answered(lambda: self._client.event_exists(self._uuid))

    def _create(self) -> None:
        """Make the event without attributes: bad ones inside would be dropped in silence."""
        fields = {
            "uuid": self._uuid,
            "info": event_info(self._delta.event),
            "date": event_date(self._delta.event),
            "distribution": self._client.server.distribution,
            "threat_level_id": "4",
            "analysis": "2",
            "published": False,
            "Tag": [{"name": self._mark}],
        }
        while True:
            try:
                answer = self._client.add_event(fields)
            except ServerFault as fault:
                self._patience.after(fault)
                if self._exists():  # it was carried out all the same
                    return
                continue
            break
        if answer.status == 404:  # somebody made it between our question and now
            return
        if answer.status != 200:
            raise PushRefused(
                f"{self._client.server.place} would not make event {self._uuid} ({self._delta.event}): HTTP "
                f"{answer.status} {answer.text}. If it was deleted there, its uuid is on the event blocklist, from "
                "which an administrator can take it"
            )
        self._patience.succeeded()
        self._is_fresh = self._wrote = True

    def _withdraw(self) -> None:
        """Delete what is no longer wanted, before anything is added: a value deleted and added in one call is lost."""
        by_uuid = {attribute_uuid(self._delta.event, e.indicator_id): e for e in self._delta.withdrawals}
        items = [_Item(uuid, entry.indicator_id, _lacks_deletion, self._deletion) for uuid, entry in by_uuid.items()]
        left, _ = self._bring_about(items)
        for uuid, entry in by_uuid.items():
            if uuid in left:
                reason = f"MISP would not delete it: {left[uuid]}"
                self._outcome.refused[entry.indicator_id] = (entry.content_hash, reason)
            else:
                self._outcome.withdrawn.append(entry)

    def _upsert(self, batch: list[PlanRow]) -> None:
        rows = {attribute_uuid(row.event, row.indicator_id): row for row in batch}
        self._server_tags.ensure(_tags_of(batch))
        items = [self._item(uuid, row) for uuid, row in rows.items()]
        left, written = self._bring_about(items)
        for uuid, row in rows.items():
            if uuid in left:
                self._outcome.refused[row.indicator_id] = (row.content_hash, left[uuid])
            else:
                self._outcome.held[row.indicator_id] = row.content_hash
                if uuid in written:
                    self._outcome.written.add(row.indicator_id)

    def _item(self, uuid: str, row: PlanRow) -> _Item:
        return _Item(
            uuid,
            row.indicator_id,
            lambda held: differences(row, held),
            lambda held: upsert(row, held, self._now()),
        )

    def _deletion(self, held: Held | None) -> dict[str, Any]:
        assert held is not None, "only what the server holds lacks its deletion"
        return withdrawal(held, self._now())

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _bring_about(self, items: list[_Item]) -> tuple[dict[str, str], set[str]]:
        """Send what is lacking until nothing is. Returns what stays refused (uuid -> reason) and what was sent."""
        refused: dict[str, str] = {}
        sent: set[str] = set()
        tried: set[str] = set()  # in a pass without a fault: what is still lacking after it was refused
        held = {} if self._is_fresh else self._read([item.uuid for item in items])
        while True:
            items = [item for item in items if item.uuid not in refused and item.lacks(held.get(item.uuid))]
            stubborn = [item for item in items if item.uuid in tried]
            if stubborn:
                refused.update(self._reasons(stubborn, held))
                items = [item for item in items if item.uuid not in refused]
            if not items:
                return refused, sent
            tried |= self._send(items, held, refused)
            sent.update(item.uuid for item in items)
            held = self._read([item.uuid for item in items])

    def _send(self, items: list[_Item], held: Mapping[str, Held], refused: dict[str, str]) -> set[str]:
        """Write once, chunk by chunk, up to the first fault. Returns the uuids whose chunk was answered with 200."""
        done: set[str] = set()
        position = 0
        while position < len(items):
            chunk = items[position : position + self._chunk]
            members = [item.member(held.get(item.uuid)) for item in chunk]
            self._wrote = True
            try:
                answer = self._client.edit_event(self._uuid, members, [self._mark])
            except ServerFault as fault:
                self._patience.after(fault)
                if fault.status == 500:
                    self._narrow(chunk, f"MISP breaks on it: {fault}", refused)
                return done
            if answer.status == 413:
                self._narrow(chunk, "it is too large for the server", refused)
                return done
            self._accepted(answer)
            done.update(item.uuid for item in chunk)
            position += len(chunk)
        self._chunk = CHUNK
        return done

    def _narrow(self, chunk: list[_Item], reason: str, refused: dict[str, str]) -> None:
        """A chunk failed as a whole, perhaps for one member: try fewer, and give up on one that fails alone."""
        if len(chunk) > 1:
            self._chunk = max(1, len(chunk) // 10)
            return
        alone = chunk[0].uuid
        self._failed_alone[alone] += 1
        if self._failed_alone[alone] < FAILURES_ALONE:
            return
        try:  # an edit that changes nothing tells a server that fails on this attribute from one that fails on all
            self._accepted(self._client.edit_event(self._uuid, [], [self._mark]))
        except ServerFault as fault:
            self._patience.after(fault)
            return
        refused[alone] = reason
        self._chunk = CHUNK

    def _accepted(self, answer: Answer) -> None:
        if answer.status != 200:
            raise PushRefused(
                f"{self._client.server.place} would not edit event {self._uuid} ({self._delta.event}): HTTP "
                f"{answer.status} {answer.text}. Does the event belong to another organisation?"
            )
        self._patience.succeeded()

    def _read(self, uuids: list[str]) -> dict[str, Held]:
        """What the server holds of these attributes in this event, in as few requests as that takes."""
        asked, found = set(uuids), {}
        searches, pages = -(-len(uuids) // SEARCH_IDS), -(-self._delta.holds // PAGE_ROWS)
        batches = self._searched(uuids) if searches <= pages else self._paged()
        for batch in batches:
            for answer in batch:
                if answer["uuid"] in asked:
                    held = Held.of(answer)
                    if held.event == self._uuid:
                        found[held.uuid] = held
            if len(found) == len(asked):
                break
        return found

    def _searched(self, uuids: list[str]) -> Iterator[list[dict[str, Any]]]:
        for start in range(0, len(uuids), SEARCH_IDS):
            some = uuids[start : start + SEARCH_IDS]
            yield self._patience.until_answered(partial(self._client.attributes_by_uuid, some))

    def _paged(self) -> Iterator[list[dict[str, Any]]]:
        page, size = 1, PAGE_ROWS
        while size == PAGE_ROWS:
            batch = self._patience.until_answered(partial(self._client.attributes_page, self._uuid, page))
            yield batch
            page, size = page + 1, len(batch)

    def _reasons(self, items: Iterable[_Item], held: Mapping[str, Held]) -> dict[str, str]:
        """Why the server does not take what it was sent: in its own words where it can be asked, else what differs."""
        missing = [item for item in items if item.uuid not in held]
        reasons = {
            item.uuid: "MISP keeps it otherwise: " + "; ".join(item.lacks(held[item.uuid]))
            for item in items
            if item.uuid in held
        }
        for start in range(0, len(missing), ASK_ALONE):
            reasons.update(self._asked(missing[start : start + ASK_ALONE]))
        return reasons

    def _asked(self, items: list[_Item]) -> dict[str, str]:
        """Ask attributes/add, which says why. What it takes after all is no longer missing and has no reason here."""
        try:
            answer = self._client.add_attributes(self._uuid, [item.member(None) for item in items])
        except ServerFault as fault:
            self._patience.after(fault)
            return {
                item.uuid: f"MISP dropped it in silence, and asked for the reason failed: {fault}" for item in items
            }
        self._wrote = True
        errors = answer.body.get("errors", {}) if isinstance(answer.body, dict) else {}
        if len(items) == 1 and errors:
            return {items[0].uuid: _said(errors)}
        by_position = errors if isinstance(errors, dict) else {}
        return {
            item.uuid: _said(by_position[f"attribute_{n}"])
            for n, item in enumerate(items)
            if f"attribute_{n}" in by_position
        }

    def _publish(self) -> None:
        """Publish once, if something changed or an earlier push was cut off before it could."""
        if not self._client.server.publish:
            return
        if not self._wrote and self._patience.until_answered(lambda: self._client.is_published(self._uuid)):
            return
        while True:
            try:
                answer = self._client.publish(self._uuid)
            except ServerFault as fault:
                self._patience.after(fault)
                if self._patience.until_answered(lambda: self._client.is_published(self._uuid)):
                    return
                continue
            break
        if answer.status != 200:
            raise PushRefused(
                f"{self._client.server.place} would not publish event {self._uuid}: HTTP {answer.status} {answer.text}"
            )
        self._patience.succeeded()
        if "queued" in answer.text.lower():
            self._await_publication()

    def _await_publication(self) -> None:
        for _ in range(_PUBLISH_POLLS):
            if self._patience.until_answered(lambda: self._client.is_published(self._uuid)):
                return
            self._patience.a_moment()
        self._outcome.notes.append(
            f"event {self._delta.event} was queued for publication and is not published yet; do the workers run?"
        )


def _tags_of(rows: Iterable[PlanRow]) -> set[str]:
    return {name for row in rows for name in tags(row)}


def _lacks_deletion(held: Held | None) -> list[str]:
    return [] if held is None or held.is_deleted else ["it is still there"]


def _said(errors: Any) -> str:
    """The server's reasons as one line: `value: IP address has an invalid format.`"""
    if isinstance(errors, dict):
        return "; ".join(f"{name}: {_said(why)}" for name, why in errors.items())
    return " ".join(map(str, errors)) if isinstance(errors, list) else str(errors)
