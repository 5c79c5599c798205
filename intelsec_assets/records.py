"""Rows of the operational store as values: what a run, a check, a confirmed export, a refusal and a notice consist of.

How they are kept is `resources.store`; what follows from them is decided in the domains, which is why they lie here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

RUNNING, SUCCEEDED, FAILED = "running", "succeeded", "failed"
UNAVAILABLE = "unavailable"  # of an export: its target could not be reached
ACTIVE, WITHDRAWN = "active", "withdrawn"
ADD, UPDATE, WITHDRAW = "add", "update", "withdraw"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run of a job. A run that was killed stays `running` with no `finished_at`."""

    run_id: str
    job: str
    day: date | None
    status: str  # running | succeeded | failed
    started_at: datetime
    finished_at: datetime | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found on an asset's partition, about which content (`data_version`), with its evidence."""

    asset: str
    check: str
    day: date
    passed: bool
    severity: str  # WARN | ERROR
    blocking: bool
    data_version: str | None
    run_id: str | None
    at: datetime
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What a target has confirmed to hold of an indicator: in which event, with which content, since which day."""

    indicator_id: str
    event: str
    content_hash: str
    state: str  # active | withdrawn
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Write:
    """A change of a target that it confirmed, in the order of `seq`: the ledger is what the writes so far come to."""

    seq: int
    target: str
    indicator_id: str
    action: str  # add | update | withdraw
    event: str
    content_hash: str
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class ExportRun:
    """One attempt to bring a target up to a day's plan, with what it changed there (counts of indicators)."""

    target: str
    day: date
    run_id: str | None
    status: str
    added: int
    updated: int
    withdrawn: int
    unchanged: int
    quarantined: int
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """An indicator that a target would not take with this content, in the target's words."""

    indicator_id: str
    event: str
    content_hash: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know: a failed run, a feed held back, a target that does not answer."""

    kind: str
    subject: str
    text: str
    at: datetime
