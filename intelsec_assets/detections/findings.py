"""A finding as a value: what every detection engine hands to the intake of alerts, and what the lake keeps of it.

How findings are made belongs to the engines; what becomes of them to `alerts`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# every engine's findings have names in one space: the same finding found again has the same name
FINDING_NAMESPACE = uuid.UUID("5f0d0c2e-6a3b-5d6e-9b51-3f6f0a8e7c11")

EVENT, CORRELATION, FLOOD = "event", "correlation", "flood"
CERTAIN, CONTEXT_UNKNOWN = "certain", "context_unknown"
LIVE, TEST = "live", "test"
LEVELS = ("informational", "low", "medium", "high", "critical")
MAX_EVENT_IDS = 100  # evidence names the first events of a burst; the count says how many there were


def finding_id(rule_id: str, group: str, first_event: str) -> str:
    """Name of a finding: the same rule, group and first event give the same name whenever it is found.

    `first_event` is the event's id and day, `<id> <YYYY-MM-DD>`: an id that comes again on another day is of another
    event.
    """
    return str(uuid.uuid5(FINDING_NAMESPACE, f"{rule_id}|{group}|{first_event}"))


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that matched once: an event, or a burst of events of one group. Columns of SIGMA_FINDINGS."""

    finding_id: str
    engine: str  # sigma | falco
    rule_id: str
    rule_title: str
    rule_digest: str
    level: str  # one of LEVELS
    kind: str  # event | correlation | flood
    certainty: str  # certain | context_unknown
    mode: str  # live | test
    first_event_time: datetime
    last_event_time: datetime
    event_ids: tuple[str, ...]
    event_count: int
    group: Mapping[str, str | None]  # group-by fields of a correlation
    dedup_key: str
    entity: str | None  # who or what the finding is about
    account: str | None
    region: str | None
    source_address: str | None
    resource: str | None
    indicator_ids: tuple[str, ...] = ()
    indicator_score: float | None = None
    attack: tuple[str, ...] = ()
    runbook: str | None = None
    suppression_seconds: int = 0
    noise_budget: float | None = None  # alerts a day
    value: float | None = None  # what a correlation counted
    evidence: Mapping[str, str | None] = field(default_factory=dict)  # field -> value of the first event


_TUPLES, _MAPS = ("event_ids", "indicator_ids", "attack"), ("group", "evidence")


def of_row(row: Mapping[str, Any]) -> Finding:
    """The finding of a row of SIGMA_FINDINGS; its day follows from its last event."""
    values = {name: value for name, value in row.items() if name != "day"}
    values |= {name: tuple(values[name] or ()) for name in _TUPLES}
    values |= {name: dict(values[name] or {}) for name in _MAPS}
    return Finding(**values)
