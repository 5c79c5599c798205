"""Alerts, their events and the findings they hold, as values; and the words that states, events and verdicts have.

What may follow what is `lifecycle`; how rows are kept is `resources.store.alerts`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache

from intelsec_assets.detections.findings import LEVELS, LIVE

CREATED, MERGED, ACKNOWLEDGED, TRIAGED = "created", "merged", "acknowledged", "triaged"
DISPOSITIONED, CLOSED, REOPENED = "dispositioned", "closed", "reopened"
EVENTS = (CREATED, MERGED, ACKNOWLEDGED, TRIAGED, DISPOSITIONED, CLOSED, REOPENED)
STATES = (CREATED, ACKNOWLEDGED, TRIAGED, DISPOSITIONED, CLOSED, REOPENED)
OPEN_STATES = tuple(state for state in STATES if state != CLOSED)
WAITING_STATES = (CREATED, ACKNOWLEDGED, REOPENED)  # nobody has looked into it yet

TRUE_POSITIVE, BENIGN_TRUE_POSITIVE = "true_positive", "benign_true_positive"
FALSE_POSITIVE, DUPLICATE = "false_positive", "duplicate"
VERDICTS = (TRUE_POSITIVE, BENIGN_TRUE_POSITIVE, FALSE_POSITIVE, DUPLICATE)

HUMAN, AUTOMATION = "human", "automation"
ACTOR_KINDS = (HUMAN, AUTOMATION)
INTAKE = "intake"  # actor of what the intake does by itself

OVER_BUDGET = "over_budget"  # kind of the alert that takes what a rule finds beyond its noise budget of a day
TARGET = timedelta(minutes=10)  # plan D4: from alert to triage

SEVERITY_RANK: Mapping[str, int] = {level: rank for rank, level in enumerate(LEVELS)}

_ALERT_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:intelsec:alert")


def alert_id_of(raised_by: str) -> str:
    """Name of the alert that a finding raises: it is the same in every store that takes the finding."""
    return str(uuid.uuid5(_ALERT_NAMESPACE, raised_by))


def key_hash(*parts: str) -> str:
    """A key of fixed length over texts of any length: what an index can hold."""
    return hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Raised:
    """What an alert was raised with, where findings that join it later change the alert itself."""

    severity: str
    severity_reason: str
    certainty: str
    indicator_ids: tuple[str, ...]
    indicator_score: float | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as its events and findings have made it so far."""

    alert_id: str
    kind: str  # event | correlation | flood, of the finding that raised it; or over_budget
    engine: str
    rule_id: str
    rule_title: str
    rule_digest: str
    mode: str  # live | test
    dedup_key: str
    intake_key: str  # hash of engine, mode, rule and key: findings with it within the window are this alert
    suppression_seconds: int

    # what it is about now: the most severe and most certain of its findings, indicators of all of them
    severity: str
    severity_rank: int
    severity_reason: str
    certainty: str
    indicator_ids: tuple[str, ...]
    indicator_score: float | None
    raised: Raised

    # the finding that raised it
    day: date  # of its last event, UTC
    finding_id: str
    first_event_time: datetime
    last_event_time: datetime
    event_ids: tuple[str, ...]
    event_count: int
    group: Mapping[str, str | None]
    entity: str | None
    entity_key: str | None  # hash of mode and entity
    group_id: str | None  # alerts of one entity close in time share it
    account: str | None
    region: str | None
    source_address: str | None
    resource: str | None
    attack: tuple[str, ...]
    runbook: str | None
    evidence: Mapping[str, str | None]

    # its findings: when they begin and end while it was open, the last one even if it was closed, how many
    joined_from: datetime
    joined_to: datetime
    seen_last: datetime
    findings: int
    suppressed: int  # of them, those that came while it was closed
    events: int

    # its life
    created_at: datetime
    waiting_since: datetime  # created, or last reopened
    state: str
    changed_at: datetime
    verdict: str | None = None  # the newest
    verdict_at: datetime | None = None
    duplicate_of: str | None = None
    acknowledged_at: datetime | None = None  # by a person, the first time
    triaged_at: datetime | None = None  # by a person, the first time
    human_in_turn: bool = False  # a person has acknowledged it since it was created or last reopened
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.state != CLOSED

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has looked into it yet."""
        return self.state in WAITING_STATES

    @property
    def rule_key(self) -> str:
        """Key of what is counted a rule: engine, rule and mode."""
        return rule_key(self.engine, self.rule_id, self.mode)


@lru_cache(maxsize=10_000)
def rule_key(engine: str, rule_id: str, mode: str) -> str:
    """Key of what is counted a rule."""
    return key_hash("rule", engine, mode, rule_id)


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """One change of an alert. `seq` is the order of recording, 0 before it is recorded."""

    alert_id: str
    rule_id: str
    event: str
    actor: str
    actor_kind: str
    at: datetime
    verdict: str | None = None
    duplicate_of: str | None = None
    note: str | None = None
    request: str | None = None  # hash of the idempotency key of the call that made it
    seq: int = 0


@dataclass(frozen=True, slots=True)
class TakenFinding:
    """A finding and the alert that holds it: a finding is taken once, and again when it has grown."""

    finding_id: str
    alert_id: str
    outcome: str  # created | merged | suppressed | over_budget
    first_event_time: datetime
    last_event_time: datetime
    event_count: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are asked for; None and empty = whatever it is."""

    states: tuple[str, ...] = OPEN_STATES
    modes: tuple[str, ...] = (LIVE,)  # test alerts are in no queue of people
    severities: tuple[str, ...] = ()
    rule: str | None = None  # the rule's id, or part of its title
    entity: str | None = None
    group_id: str | None = None
    verdicts: tuple[str, ...] = ()
    duplicate_of: str | None = None
    created_from: datetime | None = None  # half-open
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DayVersion:
    """What tells whether the alerts and events of a day are still the ones that were read."""

    alerts: int  # raised by findings of the day
    events: int  # made on the day
    last_seq: int


@dataclass(frozen=True, slots=True)
class GroupSpan:
    """Alerts of one entity that are close in time: from the first of their findings to the last."""

    group_id: str
    entity_key: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What came of asking something of an alert: the alert after it, the events written, what should be known."""

    alert: Alert
    events: tuple[AlertEvent, ...]
    is_repeat: bool = False  # the same request was served before: nothing was written
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of findings. Alerts created and folded, rules held, by id; findings by what happened to them."""

    created: tuple[str, ...] = ()  # alert ids
    merged: tuple[str, ...] = ()  # finding ids, as the next five
    duplicates: tuple[str, ...] = ()  # taken before, and nothing new about them
    grown: tuple[str, ...] = ()  # taken before, and they say more now: a burst that went on, a context that is known
    suppressed: tuple[str, ...] = ()  # counted on a closed alert
    over_budget: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # finding id and why: nothing else of the call is held up by it
    folded: tuple[str, ...] = ()  # alerts that turned out to be part of an earlier one
    held: tuple[str, ...] = ()  # rule ids that are over their noise budget, or flooded
    changed: tuple[str, ...] = field(default=())  # every alert that was made or changed

    def __add__(self, other: Intake) -> Intake:
        """Both, one after the other."""
        joined = {name: (*getattr(self, name), *getattr(other, name)) for name in self.__slots__}
        for name in ("held", "changed"):
            joined[name] = tuple(dict.fromkeys(joined[name]))
        return Intake(**joined)

    def counts(self) -> dict[str, int]:
        """How many of each, for logs and metadata."""
        return {name: len(getattr(self, name)) for name in self.__slots__}
