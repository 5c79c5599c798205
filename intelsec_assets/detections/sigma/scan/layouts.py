"""Where a relation of audit events holds the fields that rules name: columns, JSON, context.

Tables of the lake and files read for one run differ here alone; what is asked of the fields is `routing`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from intelsec_assets.detections.audit import fields as audit_fields
from intelsec_assets.detections.tables import AUDIT_CONTEXT, CLOUD_AUDIT_EVENTS
from intelsec_assets.engine import sql_text

quoted = audit_fields.quoted

UNKNOWN = "unknown"
CONTEXT_FIELDS = tuple(c.name for c in AUDIT_CONTEXT.columns if c.name.startswith(audit_fields.CONTEXT))


class Reads(IntEnum):
    """What must be read of an event to answer a rule, the dearer the higher."""

    COLUMNS = 0
    PARTS = 1  # JSON of what was asked and answered
    EVENT = 2  # all of its JSON


@dataclass(frozen=True)
class Layout:
    """How a relation is read.

    `relation` is SQL of a relation with event_id, event_time and whatever the expressions name.
    """

    relation: str
    columns: frozenset[str]  # what the relation has
    is_lake: bool
    has_provider: bool
    context: str | None = None  # SQL of a relation with the keys and the context columns, joined where it is needed
    context_keys: tuple[str, ...] = ("event_id",)  # two providers, or days, may have the same id

    @cached_property
    def parts(self) -> frozenset[str]:
        """Columns with JSON of parts of an event."""
        return self.columns.intersection(audit_fields.PART_COLUMNS) if self.is_lake else frozenset()

    def reads(self, field: str, provider: str) -> Reads:
        """What must be read for a field of a provider's events."""
        if not self.is_lake or field.startswith(audit_fields.CONTEXT):
            return Reads.COLUMNS
        if audit_fields.is_column(field, provider):
            return Reads.COLUMNS
        return Reads.EVENT if audit_fields.part_of(field, provider, self.parts)[0] is None else Reads.PARTS

    def joined_context(self, events: str = "e", **known: str) -> str:
        """SQL that joins the relation of context as `x` to events; empty without one. `known`: keys they all share."""
        if self.context is None:
            return ""
        mine = {key: sql_text(known[key]) if key in known else f"{events}.{quoted(key)}" for key in self.context_keys}
        if "day" in mine:  # matches carry their instant
            mine["day"] = f"({events}.event_time at time zone 'UTC')::date"
        same = " and ".join(f"x.{quoted(key)} = {value}" for key, value in mine.items())
        return f" left join ({self.context}) x on {same}"

    def is_context(self, field: str) -> bool:
        """Whether the field comes from the separate relation of context."""
        return self.context is not None and field in CONTEXT_FIELDS and field not in self.columns

    def read(self, names: Collection[str], provider: str) -> tuple[str, dict[str, str]]:
        """SQL of lists of JSON values, to be selected behind `*` of `e`, and every field over them.

        The rows that are read are those of the provider: a name of another one's is no column of theirs.
        """
        plain = {name: self._context(name) for name in names if name.startswith(audit_fields.CONTEXT)}
        rest = [name for name in names if name not in plain]
        if not self.is_lake:
            missing = "null::varchar"
            there = {name: audit_fields.column_name(name) in self.columns for name in rest}
            return "", plain | {n: audit_fields.column(n) if there[n] else missing for n in rest}
        lists, found = audit_fields.extraction(rest, provider, "e.event", parts=self.parts, rows="e.")
        # what holds the JSON is not carried on, so what looks into lists is computed beside the extraction
        extracted = "".join(f", {listed} as {name}" for name, listed in lists.items())
        return extracted, plain | {n: _as_text(sql) for n, sql in found.items()}

    def _context(self, name: str) -> str:
        if name in self.columns:
            found = f"e.{quoted(name)}::varchar"
        elif self.context is not None and name in CONTEXT_FIELDS:
            found = f"x.{quoted(name)}::varchar"
        else:
            found = "null::varchar"
        return f"coalesce({found}, '{UNKNOWN}')" if name.endswith(".state") else found

    def facts(self) -> dict[str, str]:
        """Expressions over `e` of what every finding says of its first event, but for what is in `facts_of_context`."""
        found = _LAKE_FACTS if self.is_lake else self._facts_of_fields()
        apart = self.facts_of_context()
        there = {
            name: f"e.{quoted(field)}::{kind}" for name, (field, kind) in _INDICATOR.items() if field in self.columns
        }
        missing = {name: f"null::{kind}" for name, (_, kind) in _INDICATOR.items() if name not in apart}
        return {**found, **missing, **there}

    def facts_of_context(self) -> dict[str, str]:
        """The same over `x`, the separate relation of context."""
        if self.context is None:
            return {}
        return {
            name: f"x.{quoted(field)}::{kind}" for name, (field, kind) in _INDICATOR.items() if self.is_context(field)
        }

    def _facts_of_fields(self) -> dict[str, str]:
        account, region, address, arn = (
            f"e.{audit_fields.column(name)}" if audit_fields.column_name(name) in self.columns else "null::varchar"
            for name in ("recipientAccountId", "awsRegion", "sourceIPAddress", "userIdentity.arn")
        )
        return {
            "account": account,
            "region": region,
            "source_address": f"case when regexp_full_match({address}, {_ADDRESS}) then {address} end",
            "resource": "null::varchar",
            "usual_entity": f"coalesce({arn}, {account})",
        }


_LAKE_FACTS = {
    "account": "e.account",
    "region": "e.region",
    "source_address": "e.source_address",
    "resource": "e.resource",
    "usual_entity": "coalesce(e.actor_arn, e.account)",
}
_INDICATOR = {
    f"indicator_{what}": (f"{audit_fields.CONTEXT}indicator.{what}", kind)
    for what, kind in (("id", "varchar"), ("score", "double"))
}
FACTS = (*_LAKE_FACTS, *_INDICATOR)
_ADDRESS = "'[0-9]+([.][0-9]+){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*'"  # services stand in its place, too


def _as_text(sql: str) -> str:
    # a cast of what is text already would hide the column from the filters of Parquet
    return f"{sql}::varchar" if sql in _NOT_TEXT else sql


_NOT_TEXT = frozenset(f'"{column.name}"' for column in CLOUD_AUDIT_EVENTS.columns if column.type != "VARCHAR")

# what `rules run` reads beside the fields of the rules
FACT_FIELDS = ("eventSource", "eventName", "userIdentity.arn", "recipientAccountId", "awsRegion", "sourceIPAddress")
