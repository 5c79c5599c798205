"""What the alert service asks of a store: one transaction for an intake, one for a change of an alert, and reading.

The store that answers is `resources.store.alerts`, on SQLite and PostgreSQL alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Protocol

from intelsec_assets.detections.alerts.records import (
    Alert,
    AlertEvent,
    AlertFilter,
    DayVersion,
    GroupSpan,
    TakenFinding,
)


class IntakeTransaction(Protocol):
    """What an intake reads and writes; no other intake is under way, and nobody changes the alerts it has read."""

    def taken(self, finding_ids: Collection[str]) -> Mapping[str, TakenFinding]:
        """Those of the findings that were taken before, as they were then."""

    def of_ids(self, alert_ids: Collection[str], certainty: str | None = None) -> list[Alert]:
        """Alerts of these names; with a certainty, those that have it."""

    def of_keys(
        self, keys: Collection[str], span: tuple[datetime, datetime] | None, *, locked: bool = True
    ) -> list[Alert]:
        """Alerts of the intake keys; with a span, those that have findings in it or around it."""

    def raised(self, rule_keys: Collection[str], days: Collection[date]) -> Mapping[tuple[str, date], int]:
        """Alerts that count against a budget, a rule key and day."""

    def groups(self, entity_keys: Collection[str], span: tuple[datetime, datetime]) -> list[GroupSpan]:
        """Groups of the entities with alerts in the span."""

    def write(
        self,
        new: Sequence[Alert],
        changed: Sequence[Alert],
        events: Sequence[AlertEvent],
        taken: Sequence[TakenFinding],
        grown: Sequence[TakenFinding],
        renamed_groups: Mapping[str, str],
    ) -> None:
        """Add alerts, events and findings, write changed alerts and findings whole, and rename groups."""


class ChangeTransaction(Protocol):
    """One alert that nobody else changes until the transaction ends."""

    @property
    def alert(self) -> Alert | None:
        """The alert; None if there is none of that name."""

    def of_request(self, request: str) -> list[AlertEvent]:
        """Events of the alert that an earlier call with this idempotency key made."""

    def was_judged_by_a_person(self) -> bool:
        """Whether a person has judged the alert, and no person has reopened it since."""

    def exists(self, alert_id: str) -> bool:
        """Whether there is such an alert."""

    def stands_for(self, alert_id: str) -> list[str]:
        """What an alert is a duplicate of, what that one is, and so on, in order.

        It stays so: from then on nobody else who asks this makes a duplicate, until the transaction ends.
        """

    def write(self, alert: Alert, events: Sequence[AlertEvent]) -> list[AlertEvent]:
        """Write the alert and its new events; the events with their numbers."""


class AlertStore(Protocol):
    """The part of a store that keeps alerts."""

    def taking_findings(self) -> AbstractContextManager[IntakeTransaction]:
        """A transaction for an intake: written whole when the block ends, or not at all."""

    def changing_alert(self, alert_id: str) -> AbstractContextManager[ChangeTransaction]:
        """A transaction for a change of one alert."""

    def alert(self, alert_id: str) -> Alert | None:
        """An alert by its whole id."""

    def alert_ids(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so, in order."""

    def queue(self, wanted: AlertFilter, overdue_since: datetime, limit: int | None) -> list[Alert]:
        """Alerts in the order of `queue.queue_key`."""

    def count_alerts(self, wanted: AlertFilter) -> Mapping[tuple[str, str], int]:
        """How many alerts there are, a severity and state."""

    def history(self, alert_id: str) -> list[AlertEvent]:
        """Events of an alert in their order."""

    def findings_of(self, alert_id: str, limit: int) -> list[TakenFinding]:
        """The last findings that an alert holds, in order of time."""

    def events_of(self, wanted: AlertFilter) -> Iterator[AlertEvent]:
        """Events of all those alerts, alert by alert, each in order; `merged` left out."""

    def alerts_raised_on(self, day: date) -> list[Alert]:
        """Alerts whose raising finding ended on the day, by time and id."""

    def alert_events_on(self, day: date) -> list[tuple[AlertEvent, str | None, tuple[str, ...]]]:
        """Events that happened on the day in order, each with entity and indicator ids of its alert."""

    def alert_days(self) -> Mapping[date, DayVersion]:
        """Every day that has alerts or events."""

    def judgement_days(self) -> Mapping[date, int]:
        """How many judgements were given or withdrawn, a day."""
