"""Samples of a rule: events written by hand that it must match, and near misses that it must not.

Reading and checking the files is here; running them through the engine is `samples_run`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

POSITIVE, NEGATIVE = "positive", "negative"
LEAST = {POSITIVE: 3, NEGATIVE: 5}  # fewer say little: one that matches, and the misses nearest to it

MAX_BYTES = 1_000_000
MAX_EVENTS = 5_000  # after `times`; the largest threshold in use needs some hundred
EVENT_ID_FIELDS = ("eventID", "insertId", "eventDataId")  # CloudTrail, GCP audit logs, Azure activity log
EVENT_TIME_FIELDS = ("eventTime", "timestamp", "eventTimestamp")
_REPEAT_KEYS = {"event", "times", "every", "varies"}
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Sample:
    """One file of samples: events as the provider would deliver them, context by event id, what it shows in words."""

    kind: str  # positive | negative
    path: Path
    description: str
    events: tuple[Mapping[str, Any], ...]
    context: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # event id -> context field -> value

    @property
    def name(self) -> str:
        """`positive/stolen-key.json`."""
        return f"{self.kind}/{self.path.name}"


class SampleProblem(ValueError):
    """A sample cannot be used; the text says why and what is expected."""


def sample_files(folder: Path, kind: str) -> list[Path]:
    """The files of one kind beside a rule, by name."""
    return sorted(path for path in (folder / kind).glob("*.json") if path.is_file())


def read_sample(path: Path, kind: str) -> Sample:
    """A sample of a file; SampleProblem says what is wrong with it."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise SampleProblem(f"has {size:,} bytes; at most {MAX_BYTES:,} are read. Use `times` for many like events")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SampleProblem(f"is no JSON: {error}") from None
    if not isinstance(data, dict):
        raise SampleProblem('holds no object; expected {"description": …, "events": […], "context": {…}}')
    if unknown := sorted(set(data) - {"description", "events", "context"}):
        raise SampleProblem(f"has the unknown key {unknown[0]!r}; allowed: description, events, context")
    description = data.get("description")
    if not isinstance(description, str) or not description.strip():
        raise SampleProblem("has no `description`; say in a sentence what the events show")
    if not isinstance(data.get("events"), list) or not data["events"]:
        raise SampleProblem("has no `events`; expected a list of events as the provider delivers them")
    events = tuple(expand(data["events"]))
    return Sample(kind, path, description.strip(), events, _context(data.get("context", {}), events))


def expand(entries: list[Any]) -> Iterator[dict[str, Any]]:
    """Events of a sample's list: an event itself, or one told once and repeated.

    `{"event": …, "times": 40, "every": "5s", "varies": {"requestParameters.key": "report-{n}.pdf"}}` stands for 40
    events, five seconds apart, each with an event id of its own; `{n}` counts from 1.
    """
    seen: dict[str, int] = {}
    total = 0
    for position, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise SampleProblem(f"event {position} is no object")
        repeated = "event" in entry and set(entry) <= _REPEAT_KEYS
        for event in _repeat(entry, position) if repeated else [entry]:
            total += 1
            if total > MAX_EVENTS:
                raise SampleProblem(f"has more than {MAX_EVENTS:,} events")
            event_id = id_of(event)
            if event_id is None:
                raise SampleProblem(f"event {position} has no id; expected one of {', '.join(EVENT_ID_FIELDS)}")
            if time_of(event) is None:
                raise SampleProblem(f"event {position} has no time; expected one of {', '.join(EVENT_TIME_FIELDS)}")
            if event_id in seen:
                raise SampleProblem(f"events {seen[event_id]} and {position} have the same id {event_id!r}")
            seen[event_id] = position
            yield event


def id_of(event: Mapping[str, Any]) -> str | None:
    """The provider's id of an event; None = it has none."""
    return next((str(event[name]) for name in EVENT_ID_FIELDS if isinstance(event.get(name), str)), None)


def time_of(event: Mapping[str, Any]) -> datetime | None:
    """The instant of an event, UTC; None = it has none that can be read."""
    for name in EVENT_TIME_FIELDS:
        if isinstance(event.get(name), str):
            try:
                return datetime.fromisoformat(event[name]).astimezone(UTC)
            except ValueError:
                return None
    return None


def _repeat(entry: Mapping[str, Any], position: int) -> Iterator[dict[str, Any]]:
    template, times, varies = entry["event"], entry.get("times", 1), entry.get("varies", {})
    if not isinstance(template, dict) or not isinstance(varies, dict):
        raise SampleProblem(f"event {position}: `event` and `varies` are objects")
    if not isinstance(times, int) or not 1 <= times <= MAX_EVENTS:
        raise SampleProblem(f"event {position}: `times` is a whole number from 1 to {MAX_EVENTS:,}")
    step, start, first_id = _step(entry.get("every", "0s"), position), time_of(template), id_of(template)
    if start is None or first_id is None:
        raise SampleProblem(f"event {position}: the repeated event needs an id and a time")
    id_field = next(name for name in EVENT_ID_FIELDS if name in template)
    time_field = next(name for name in EVENT_TIME_FIELDS if name in template)
    for n in range(1, times + 1):
        event = dict(template)  # what stays the same is shared: copies of thousands are most of what reading costs
        if n > 1:
            event[id_field] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{first_id}|{n}"))
        instant = start + (n - 1) * step
        event[time_field] = instant.isoformat(timespec="auto").replace("+00:00", "Z")
        for dotted, value in varies.items():
            _put(event, dotted.split("."), value.replace("{n}", str(n)) if isinstance(value, str) else value, position)
        yield event


def _step(text: Any, position: int) -> timedelta:
    unit = next((unit for unit in _UNITS if isinstance(text, str) and text.endswith(unit)), "")
    number = text.removesuffix(unit) if unit else ""
    if not number.isdigit():
        raise SampleProblem(
            f"event {position}: `every` is a number and a unit, for example 5s or 250ms; it is {text!r}"
        )
    return timedelta(seconds=int(number) * _UNITS[unit])


def _put(event: dict[str, Any], steps: list[str], value: Any, position: int) -> None:
    """Set a field of the event; objects on the way to it become its own."""
    for step in steps[:-1]:
        inner = event.get(step, {})
        if not isinstance(inner, dict):
            raise SampleProblem(f"event {position}: `varies` leads through {step!r}, which is no object")
        event[step] = dict(inner)
        event = event[step]
    event[steps[-1]] = value


def _context(data: Any, events: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    if not isinstance(data, dict):
        raise SampleProblem("`context` is an object: event id -> {context field: value}; `*` stands for every event")
    ids = {event_id for event in events if (event_id := id_of(event))}
    for event_id, values in data.items():
        if event_id != "*" and event_id not in ids:
            raise SampleProblem(f"`context` speaks of the event {event_id!r}, which is not in the sample")
        if not isinstance(values, dict) or not all(str(key).startswith("context.") for key in values):
            raise SampleProblem(f"`context` of {event_id!r}: expected fields that begin with `context.`")
    everywhere = data.get("*", {})
    return {event_id: {**everywhere, **data.get(event_id, {})} for event_id in sorted(ids)}
