"""Events: the collections in which targets hold indicators, `<campaign or theme>/<YYYY-MM>`, and their lasting ids.

Which event an indicator belongs to is decided in the plan, once; here is what follows from the name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.exports.content import epoch, strictest_tlp

# Made once for this project; every identifier that targets hold hangs on it, so it never changes.
NAMESPACE = UUID("5d1f0c52-4f0e-5f5a-9d43-0a4c1f6f9b2e")
PRODUCER = "intelsec"
PRODUCER_UUID = str(uuid5(NAMESPACE, "producer"))
# Nothing in an event is looser to handle than its own mark; green is the loosest a collection of ours gets.
_LEAST_EVENT_TLP = "green"


@dataclass(frozen=True)
class Event:
    """One event of a plan. `changed_on`: last day anything in it changed; `tlp`: its strictest, green at least."""

    name: str
    changed_on: date
    tlp: str
    active_rows: int

    @property
    def uuid(self) -> str:
        """Its lasting identifier."""
        return event_uuid(self.name)

    @property
    def info(self) -> str:
        """Title for people."""
        return event_info(self.name)

    @property
    def date(self) -> str:
        """First day of its month: an event's date never moves."""
        return event_date(self.name)

    @property
    def timestamp(self) -> int:
        """Seconds; rises with every change and stays without one."""
        return epoch(self.changed_on)


@cache
def _event_uuid(name: str) -> UUID:
    return uuid5(NAMESPACE, f"event:{name}")


def event_uuid(name: str) -> str:
    """UUIDv5 of an event."""
    return str(_event_uuid(name))


def attribute_uuid(event: str, indicator_id: str) -> str:
    """UUIDv5 of an indicator within an event: MISP refuses one uuid in two events."""
    return str(uuid5(_event_uuid(event), indicator_id))


def event_info(name: str) -> str:
    """Title of an event for people."""
    theme, _, month = name.rpartition("/")
    return f"{PRODUCER}: {theme} {month}"


def event_date(name: str) -> str:
    """Date of an event: the first day of its month."""
    return f"{name.rpartition('/')[2]}-01"


def events(plan: pa.Table) -> list[Event]:
    """The events of a plan, by name."""
    if plan.num_rows == 0:
        return []
    narrow = plan.select(["event", "changed_on", "tlp"]).append_column(
        "is_active", pc.cast(pc.equal(plan["state"], "active"), pa.int64())
    )
    grouped = narrow.group_by("event", use_threads=False).aggregate(
        [("changed_on", "max"), ("tlp", "distinct"), ("is_active", "sum")]
    )
    found = [
        Event(
            name=row["event"],
            changed_on=row["changed_on_max"],
            tlp=strictest_tlp({*row["tlp_distinct"], _LEAST_EVENT_TLP}),
            active_rows=row["is_active_sum"],
        )
        for row in grouped.to_pylist()
    ]
    return sorted(found, key=lambda event: event.name)


def rows_of_events(plan: pa.Table) -> Iterator[tuple[Event, pa.Table]]:
    """Each event of a plan with its rows in the plan's order: one table at a time, never all of them as objects."""
    for event in events(plan):
        yield event, plan.filter(pc.equal(plan["event"], event.name))
