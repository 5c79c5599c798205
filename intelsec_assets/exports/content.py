"""Rows of the plan as values, and what is told about an indicator in every format: confidence, instants, safe text.

How a single format spells it belongs to that format's module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.days import day_end

# Rows turned into Python objects at once: enough to be quick, and 200,000 rows need no more memory than 2,000.
BATCH_ROWS = 2_000
TLP_ORDER = ("clear", "green", "amber", "amber+strict", "red")


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One row of EXPORT_PLAN."""

    indicator_id: str
    indicator_type: str
    value: str
    event: str
    state: str
    action: str
    reason: str
    changed_on: date
    first_exported: date
    content_hash: str
    score_band: str
    admiralty: str
    tlp: str
    campaign: str | None
    families: tuple[str, ...]
    threat_types: tuple[str, ...]
    sources: tuple[str, ...]
    first_seen: datetime

    @property
    def is_active(self) -> bool:
        """True = targets should hold it; False = it is a tombstone."""
        return self.state == "active"


_LISTS = ("families", "threat_types", "sources")


def rows(plan: pa.Table) -> Iterator[PlanRow]:
    """The rows of a plan in its order, a batch at a time. Unknown columns are left aside."""
    names = list(PlanRow.__dataclass_fields__)
    for batch in plan.select(names).to_batches(max_chunksize=BATCH_ROWS):
        columns = {name: _python(batch.column(name), name) for name in names}
        for values in zip(*columns.values(), strict=True):
            yield PlanRow(*values)


def _python(column: pa.Array, name: str) -> list[Any]:
    if name == "indicator_id":
        return [id_text(value) for value in column.to_pylist()]
    if name in _LISTS:
        return [tuple(value or ()) for value in column.to_pylist()]
    if name == "first_seen":
        return [value.astimezone(UTC) for value in column.to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def id_text(value: UUID | bytes | str) -> str:
    """An indicator id as text, whatever a column keeps UUIDs in."""
    if isinstance(value, bytes):
        return str(UUID(bytes=value))
    return str(value)


def active(plan: pa.Table) -> pa.Table:
    """The rows that targets should hold."""
    return plan.filter(pc.equal(plan["state"], "active"))


@cache
def epoch(day: date) -> int:
    """The as-of instant of a day, in seconds."""
    return int(day_end(day).timestamp())


def iso_seconds(instant: datetime) -> str:
    """An instant as MISP writes it: ISO 8601, UTC, seconds."""
    return instant.astimezone(UTC).isoformat(timespec="seconds")


def iso_milliseconds(instant: datetime) -> str:
    """An instant as STIX writes it."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def stix_day_end(day: date) -> str:
    """The as-of instant of a day as STIX writes it."""
    return iso_milliseconds(day_end(day))


def strictest_tlp(labels: set[str]) -> str:
    """The strictest of some TLP labels. Raises KeyError for a label that is none; `clear` for none at all."""
    order = {label: n for n, label in enumerate(TLP_ORDER)}
    return max(labels, key=lambda label: order[label], default="clear")
