"""Judgements brought in from elsewhere: a CSV or JSON file read into values, every row that cannot be used named.

What they do to alerts is the service's part.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from intelsec_assets.detections.alerts import lifecycle
from intelsec_assets.detections.alerts.records import HUMAN
from intelsec_assets.detections.errors import AlertError

MAX_BYTES = 50_000_000  # a judgement has some 200 bytes: a quarter of a million of them
COLUMNS = ("alert_id", "verdict", "reason", "actor", "actor_kind", "at", "duplicate_of")
_NEEDED = ("alert_id", "verdict", "reason")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on an alert from elsewhere. `place` is where it stands in its file; `at` None = now."""

    place: str
    alert_id: str
    verdict: str
    reason: str
    actor: str
    actor_kind: str = HUMAN
    at: datetime | None = None
    duplicate_of: str | None = None

    @property
    def request(self) -> str:
        """Idempotency key: the same judgement brought in again is the same request."""
        said = (self.verdict, self.reason, self.actor, self.actor_kind, str(self.at), str(self.duplicate_of))
        return f"import {hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


def read_judgements(content: bytes, name: str, default_actor: str) -> tuple[list[Judgement], list[str]]:
    """Judgements of a file and, a row that cannot be used, the reason with its place. JSON if it looks like it.

    Raises AlertError for a file of another kind.
    """
    if len(content) > MAX_BYTES:
        raise AlertError(f"{name} has {len(content):,} bytes, at most {MAX_BYTES:,} are read: split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AlertError(f"{name} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    rows = _json_rows(text, name) if text.lstrip()[:1] in ("[", "{") else _csv_rows(text, name)
    found, problems = [], []
    for place, row in rows:
        try:
            found.append(_judgement(place, row, default_actor))
        except AlertError as error:
            problems.append(f"{place}: {error}")
    return found, problems


def parse_instant(text: str) -> datetime:
    """An instant with its zone. Raises AlertError that says what was expected."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise AlertError(f"{text[:80]!r} is not an instant: expected one with its zone, like 2026-03-02T12:05:00Z")
    return at


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    given = [(column or "").strip() for column in reader.fieldnames or ()]
    if missing := [column for column in _NEEDED if column not in given]:
        raise AlertError(
            f"{name} has no column {', '.join(missing)}: expected a header line with {', '.join(_NEEDED)} and, if "
            f"need be, {', '.join(COLUMNS[3:])}"
        )
    reader.fieldnames = given
    try:
        for row in reader:
            yield f"{name} line {reader.line_num}", row
    except csv.Error as error:
        raise AlertError(f"{name} line {reader.line_num} is not CSV: {error}") from error


def _json_rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AlertError(f"{name} is not JSON: {str(error)[:200]}") from error
    listed = value.get("dispositions") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise AlertError(f"{name}: expected a list of objects with {', '.join(COLUMNS)}, or one under `dispositions`")
    for number, row in enumerate(listed, start=1):
        yield f"{name} item {number}", row if isinstance(row, dict) else {}


def _judgement(place: str, row: Mapping[str, Any], default_actor: str) -> Judgement:
    values: dict[str, str] = {}
    for column in COLUMNS:
        value = row.get(column)
        if value is not None and not isinstance(value, str):
            raise AlertError(f"{column}: expected text, found {str(value)[:80]!r}")
        if value is not None and value.strip():
            values[column] = value.strip()
    if "alert_id" not in values:
        raise AlertError("no alert_id: which alert was judged?")
    if "verdict" not in values:
        raise AlertError(f"no verdict for {values['alert_id'][:80]!r}")
    actor, kind = values.get("actor", default_actor), values.get("actor_kind", HUMAN)
    lifecycle.checked_words(actor, kind, values.get("reason"), values["verdict"])
    at = parse_instant(values["at"]) if "at" in values else None
    return Judgement(
        place, values["alert_id"], values["verdict"], values["reason"], actor, kind, at, values.get("duplicate_of")
    )
