"""Alerts, their events and the findings they hold: read, and written in one transaction an intake or change.

What is written is decided in `detections.alerts`; the order of the queue there is the order here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from intelsec_assets.detections.alerts.records import (
    DISPOSITIONED,
    HUMAN,
    MERGED,
    OVER_BUDGET,
    REOPENED,
    WAITING_STATES,
    Alert,
    AlertEvent,
    AlertFilter,
    DayVersion,
    GroupSpan,
    Raised,
    TakenFinding,
)
from intelsec_assets.detections.findings import CERTAIN, FLOOD, LIVE
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Database, append, upsert
from intelsec_assets.resources.store.locks import one_at_a_time

_VALUES_A_STATEMENT = 500  # below the least limit of parameters a statement may have
_ROWS_A_FETCH = 10_000
_TUPLES = ("indicator_ids", "event_ids", "attack")
_ALERT_COLUMNS = tuple(name for name in Alert.__slots__ if name != "raised")
_EVENT_COLUMNS = tuple(name for name in AlertEvent.__slots__ if name != "seq")

_alerts, _events, _findings = schema.alerts, schema.alert_events, schema.alert_findings


class Alerts:
    """Alerts of a store."""

    _database: Database

    @contextmanager
    def taking_findings(self) -> Iterator[_IntakeTransaction]:
        """A transaction for an intake: written whole when the block ends, or not at all; one at a time."""
        with self._database.writing() as con:
            # which alert a finding joins, what a rule may still cost and which group it is follow from all others
            one_at_a_time(con, "alert intake")
            yield _IntakeTransaction(con)

    @contextmanager
    def changing_alert(self, alert_id: str) -> Iterator[_ChangeTransaction]:
        """A transaction for a change of one alert, which nobody else changes meanwhile."""
        with self._database.writing() as con:
            found = con.execute(sa.select(_alerts).where(_alerts.c.alert_id == alert_id).with_for_update())
            row = found.mappings().one_or_none()
            yield _ChangeTransaction(con, None if row is None else _alert(row))

    def alert(self, alert_id: str) -> Alert | None:
        """An alert by its whole id."""
        with self._database.reading() as con:
            row = con.execute(sa.select(_alerts).where(_alerts.c.alert_id == alert_id)).mappings().one_or_none()
        return None if row is None else _alert(row)

    def alert_ids(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin so, in order."""
        found = sa.select(_alerts.c.alert_id).where(_alerts.c.alert_id.startswith(prefix, autoescape=True))
        with self._database.reading() as con:
            return list(con.scalars(found.order_by(_alerts.c.alert_id).limit(limit)))

    def queue(self, wanted: AlertFilter, overdue_since: datetime, limit: int | None) -> list[Alert]:
        """Alerts in the order of `detections.alerts.queue.queue_key`; those that wait since then are overdue."""
        waits = _alerts.c.state.in_(WAITING_STATES)
        found = _filtered(sa.select(_alerts), wanted).order_by(
            _first_if(_alerts.c.mode == LIVE),
            _first_if(waits),
            _alerts.c.severity_rank.desc(),
            _first_if(sa.and_(waits, _alerts.c.waiting_since <= overdue_since)),
            _first_if(_alerts.c.certainty == CERTAIN),
            _alerts.c.waiting_since,
            _alerts.c.alert_id,
        )
        with self._database.reading() as con:
            return [_alert(row) for row in con.execute(found.limit(limit)).mappings()]

    def count_alerts(self, wanted: AlertFilter) -> Mapping[tuple[str, str], int]:
        """How many alerts there are, a severity and state."""
        by = (_alerts.c.severity, _alerts.c.state)
        with self._database.reading() as con:
            rows = con.execute(_filtered(sa.select(*by, sa.func.count()), wanted).group_by(*by)).tuples()
            return {(severity, state): count for severity, state, count in rows}

    def history(self, alert_id: str) -> list[AlertEvent]:
        """Events of an alert in their order."""
        with self._database.reading() as con:
            return _history(con, _events.c.alert_id == alert_id)

    def findings_of(self, alert_id: str, limit: int) -> list[TakenFinding]:
        """The last findings that an alert holds, in order of time."""
        found = sa.select(_findings).where(_findings.c.alert_id == alert_id)
        newest = found.order_by(_findings.c.last_event_time.desc(), _findings.c.finding_id).limit(limit)
        with self._database.reading() as con:
            return [TakenFinding(**row) for row in con.execute(newest).mappings()][::-1]

    def events_of(self, wanted: AlertFilter) -> Iterator[AlertEvent]:
        """Events of all those alerts in the order of recording, `merged` left out; read as they are asked for."""
        ids = _filtered(sa.select(_alerts.c.alert_id), wanted)
        found = sa.select(_events).where(_events.c.alert_id.in_(ids), _events.c.event != MERGED)
        with self._database.reading() as con:
            streamed = con.execution_options(yield_per=_ROWS_A_FETCH).execute(found.order_by(_events.c.seq))
            for row in streamed.mappings():
                yield _event(row)

    def alerts_raised_on(self, day: date) -> list[Alert]:
        """Alerts whose raising finding ended on the day, by time and id."""
        found = sa.select(_alerts).where(_alerts.c.day == day)
        with self._database.reading() as con:
            rows = con.execute(found.order_by(_alerts.c.first_event_time, _alerts.c.alert_id))
            return [_alert(row) for row in rows.mappings()]

    def alert_events_on(self, day: date) -> list[tuple[AlertEvent, str | None, tuple[str, ...]]]:
        """Events that happened on the day in order, each with entity and indicator ids of its alert."""
        about = (_alerts.c.entity, _alerts.c.indicator_ids)
        joined = _events.join(_alerts, _alerts.c.alert_id == _events.c.alert_id)
        found = sa.select(_events, *about).select_from(joined).where(_events.c.day == day).order_by(_events.c.seq)
        with self._database.reading() as con:
            rows = con.execute(found).mappings()
            return [(_event(row), row["entity"], tuple(row["indicator_ids"])) for row in rows]

    def alert_days(self) -> Mapping[date, DayVersion]:
        """Every day that has alerts or events."""
        raised = sa.select(_alerts.c.day, sa.func.count()).group_by(_alerts.c.day)
        made = sa.select(_events.c.day, sa.func.count(), sa.func.max(_events.c.seq)).group_by(_events.c.day)
        with self._database.reading() as con:
            alerts = {day: count for day, count in con.execute(raised).tuples()}  # noqa: C416 - rows to plain values
            events = {day: (count, last) for day, count, last in con.execute(made).tuples()}
        days = sorted({*alerts, *events})
        return {day: DayVersion(alerts.get(day, 0), *events.get(day, (0, 0))) for day in days}

    def judgement_days(self) -> Mapping[date, int]:
        """How many judgements were given or withdrawn, a day."""
        judged = _events.c.event.in_((DISPOSITIONED, REOPENED))
        found = sa.select(_events.c.day, sa.func.count()).where(judged).group_by(_events.c.day)
        with self._database.reading() as con:
            return dict(sorted(con.execute(found).tuples()))


class _IntakeTransaction:
    """What an intake reads and writes within its transaction."""

    def __init__(self, con: sa.Connection) -> None:
        self._con = con

    def taken(self, finding_ids: Collection[str]) -> Mapping[str, TakenFinding]:
        """Those of the findings that were taken before, as they were then."""
        found: dict[str, TakenFinding] = {}
        for some in _batches(finding_ids):
            rows = self._con.execute(sa.select(_findings).where(_findings.c.finding_id.in_(some))).mappings()
            found |= {row["finding_id"]: TakenFinding(**row) for row in rows}
        return found

    def of_ids(self, alert_ids: Collection[str], certainty: str | None = None) -> list[Alert]:
        """Alerts of these names; with a certainty, those that have it."""
        found: list[Alert] = []
        for some in _batches(alert_ids):
            wanted = sa.select(_alerts).where(_alerts.c.alert_id.in_(some))
            if certainty is not None:
                wanted = wanted.where(_alerts.c.certainty == certainty)
            rows = self._con.execute(wanted.order_by(_alerts.c.alert_id).with_for_update())
            found += [_alert(row) for row in rows.mappings()]
        return found

    def of_keys(
        self, keys: Collection[str], span: tuple[datetime, datetime] | None, *, locked: bool = True
    ) -> list[Alert]:
        """Alerts of the intake keys; with a span, those that have findings in it or around it."""
        found: list[Alert] = []
        for some in _batches(keys):
            wanted = sa.select(_alerts).where(_alerts.c.intake_key.in_(some))
            if span is not None:
                wanted = wanted.where(_alerts.c.joined_to >= span[0], _alerts.c.joined_from <= span[1])
            # in order, so that nothing that locks several rows meets another that does in opposite orders
            wanted = wanted.order_by(_alerts.c.alert_id)
            rows = self._con.execute(wanted.with_for_update() if locked else wanted)
            found += [_alert(row) for row in rows.mappings()]
        return found

    def raised(self, rule_keys: Collection[str], days: Collection[date]) -> Mapping[tuple[str, date], int]:
        """Alerts that count against a budget, a rule key and day."""
        found: dict[tuple[str, date], int] = {}
        by = (_alerts.c.rule_key, _alerts.c.day)
        counted = sa.select(*by, sa.func.count()).where(_alerts.c.kind.not_in((FLOOD, OVER_BUDGET))).group_by(*by)
        for rules in _batches(rule_keys):
            for some in _batches(days):
                rows = self._con.execute(counted.where(_alerts.c.rule_key.in_(rules), _alerts.c.day.in_(some)))
                found |= {(rule, day): count for rule, day, count in rows.tuples()}
        return found

    def groups(self, entity_keys: Collection[str], span: tuple[datetime, datetime]) -> list[GroupSpan]:
        """Groups of the entities with alerts in the span."""
        found: list[GroupSpan] = []
        for some in _batches(entity_keys):
            by = (_alerts.c.group_id, _alerts.c.entity_key)
            begins, ends = sa.func.min(_alerts.c.joined_from), sa.func.max(_alerts.c.joined_to)
            wanted = (
                sa.select(*by, begins, ends)
                .where(_alerts.c.entity_key.in_(some), _alerts.c.group_id.is_not(None))
                .where(_alerts.c.joined_to >= span[0], _alerts.c.joined_from <= span[1])
                .group_by(*by)
            )
            found += [GroupSpan(*row) for row in self._con.execute(wanted)]
        return found

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
        for before, now in renamed_groups.items():
            self._con.execute(sa.update(_alerts).where(_alerts.c.group_id == before).values(group_id=now))
        append(self._con, _alerts, [_alert_row(alert) for alert in new])
        if changed:
            upsert(self._con, _alerts, [_alert_row(alert) for alert in changed])
        append(self._con, _events, [_event_row(event) for event in events])
        # not replaced: a finding that two intakes took at once must be an error, never a silent move
        append(self._con, _findings, [_plain_row(one, TakenFinding.__slots__) for one in taken])
        if grown:
            upsert(self._con, _findings, [_plain_row(one, TakenFinding.__slots__) for one in grown])


class _ChangeTransaction:
    """One alert within the transaction that changes it."""

    def __init__(self, con: sa.Connection, alert: Alert | None) -> None:
        self._con = con
        self._alert = alert

    @property
    def alert(self) -> Alert | None:
        """The alert; None if there is none of that name."""
        return self._alert

    def of_request(self, request: str) -> list[AlertEvent]:
        """Events of the alert that an earlier call with this idempotency key made."""
        alert_id = None if self._alert is None else self._alert.alert_id
        return _history(self._con, sa.and_(_events.c.alert_id == alert_id, _events.c.request == request))

    def was_judged_by_a_person(self) -> bool:
        """Whether a person has judged the alert, and no person has reopened it since."""
        alert_id = None if self._alert is None else self._alert.alert_id
        by_people = sa.and_(
            _events.c.alert_id == alert_id,
            _events.c.event.in_((DISPOSITIONED, REOPENED)),
            _events.c.actor_kind == HUMAN,
        )
        events = _history(self._con, by_people)
        return bool(events) and events[-1].event == DISPOSITIONED

    def exists(self, alert_id: str) -> bool:
        """Whether there is such an alert."""
        return bool(self._con.scalar(sa.select(sa.exists().where(_alerts.c.alert_id == alert_id))))

    def stands_for(self, alert_id: str) -> list[str]:
        """What an alert is a duplicate of, what that one is, and so on; nobody else makes duplicates meanwhile."""
        # who holds the name waits for no row, so those who hold one and wait for the name are served
        one_at_a_time(self._con, "alert duplicates")
        found: list[str] = []
        of = sa.select(_alerts.c.duplicate_of).where(_alerts.c.alert_id == sa.bindparam("name"))
        name: str | None = alert_id
        while (name := self._con.scalar(of, {"name": name})) is not None and name not in found:
            found.append(name)
        return found

    def write(self, alert: Alert, events: Sequence[AlertEvent]) -> list[AlertEvent]:
        """Write the alert and its new events; the events with their numbers."""
        upsert(self._con, _alerts, [_alert_row(alert)])
        numbered = []
        for event in events:
            (seq,) = self._con.execute(sa.insert(_events).values(_event_row(event))).inserted_primary_key or (0,)
            numbered.append(replace(event, seq=seq))
        return numbered


def _filtered(select: sa.Select[Any], wanted: AlertFilter) -> sa.Select[Any]:
    """The rows of a select over alerts that a filter lets through."""
    for column, values in (
        (_alerts.c.state, wanted.states),
        (_alerts.c.mode, wanted.modes),
        (_alerts.c.severity, wanted.severities),
        (_alerts.c.verdict, wanted.verdicts),
    ):
        if values:
            select = select.where(column.in_(values))
    for column, value in (
        (_alerts.c.entity, wanted.entity),
        (_alerts.c.group_id, wanted.group_id),
        (_alerts.c.duplicate_of, wanted.duplicate_of),
    ):
        if value is not None:
            select = select.where(column == value)
    if wanted.rule is not None:
        titled = _alerts.c.rule_title.icontains(wanted.rule, autoescape=True)
        select = select.where(sa.or_(_alerts.c.rule_id == wanted.rule, titled))
    if wanted.created_from is not None:
        select = select.where(_alerts.c.created_at >= wanted.created_from)
    if wanted.created_until is not None:
        select = select.where(_alerts.c.created_at < wanted.created_until)
    return select


def _first_if(condition: sa.ColumnElement[bool]) -> sa.Case[int]:
    return sa.case((condition, 0), else_=1)


def _history(con: sa.Connection, condition: sa.ColumnElement[bool]) -> list[AlertEvent]:
    rows = con.execute(sa.select(_events).where(condition).order_by(_events.c.seq)).mappings()
    return [_event(row) for row in rows]


def _alert(row: sa.RowMapping) -> Alert:
    values = {name: row[name] for name in _ALERT_COLUMNS}
    values |= {name: tuple(values[name]) for name in _TUPLES}
    raised = row["raised"]
    return Alert(**values, raised=Raised(**raised | {"indicator_ids": tuple(raised["indicator_ids"])}))


def _alert_row(alert: Alert) -> dict[str, Any]:
    row = _plain_row(alert, _ALERT_COLUMNS)
    row["raised"] = {name: getattr(alert.raised, name) for name in Raised.__slots__}
    row["rule_key"] = alert.rule_key
    return row


def _event(row: sa.RowMapping) -> AlertEvent:
    return AlertEvent(**{name: row[name] for name in AlertEvent.__slots__})


def _event_row(event: AlertEvent) -> dict[str, Any]:
    return {**_plain_row(event, _EVENT_COLUMNS), "day": event.at.astimezone(UTC).date()}


def _plain_row(record: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    listed = sorted(values)
    for start in range(0, len(listed), _VALUES_A_STATEMENT):
        yield listed[start : start + _VALUES_A_STATEMENT]
