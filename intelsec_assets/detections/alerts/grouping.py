"""Alerts of one entity that are close in time share a group: what people look at together.

Pure; which groups there are already comes in as values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from intelsec_assets.detections.alerts.records import GroupSpan, key_hash

NEAR = timedelta(hours=4)  # half a shift: what one person does within it is looked into by one analyst


def entity_key(mode: str, entity: str | None) -> str | None:
    """Key of who or what alerts are about; test alerts never share a group with live ones."""
    return None if not entity else key_hash("entity", mode, entity)


class Groups:
    """The groups of some entities. Placing alerts in any order gives the same partition, though not the same names."""

    def __init__(self, known: Iterable[GroupSpan]) -> None:
        """Take what there is; `renamed` collects groups that turned out to be one with an earlier one."""
        self._by_entity: dict[str, list[GroupSpan]] = {}
        for span in known:
            self._by_entity.setdefault(span.entity_key, []).append(span)
        self.renamed: dict[str, str] = {}

    def place(self, entity: str | None, begins: datetime, ends: datetime, name: str) -> str | None:
        """Group of an alert that is new or covers more time than before; None if it is about nobody.

        `name` is the group it is in, or else what a new group would be called.
        """
        if entity is None:
            return None
        spans = self._by_entity.setdefault(entity, [])
        if len(spans) == 1 and spans[0].group_id == name and spans[0].begins <= begins and ends <= spans[0].ends:
            return name
        touching = [span for span in spans if span.group_id == name or is_near(span.begins, span.ends, begins, ends)]
        own = GroupSpan(name, entity, begins, ends)
        # of groups that become one the earliest keeps its name
        first = min(touching, key=lambda span: (span.begins, span.group_id), default=own)
        joined = replace(
            first,
            begins=min([own.begins, *(span.begins for span in touching)]),
            ends=max([own.ends, *(span.ends for span in touching)]),
        )
        for span in touching:
            if span.group_id != first.group_id:
                self._rename(span.group_id, first.group_id)
        self._by_entity[entity] = [span for span in spans if span not in touching] + [joined]
        return first.group_id

    def named(self, group_id: str | None) -> str | None:
        """The name that a group has now."""
        return None if group_id is None else self.renamed.get(group_id, group_id)

    def _rename(self, old: str, new: str) -> None:
        for before, now in list(self.renamed.items()):
            if now == old:
                self.renamed[before] = new
        self.renamed[old] = new


def is_near(begins: datetime, ends: datetime, other_begins: datetime, other_ends: datetime) -> bool:
    """Whether two spans of time overlap or lie within NEAR of each other."""
    return max(other_begins - ends, begins - other_ends) <= NEAR
