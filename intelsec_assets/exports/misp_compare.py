"""An attribute as it should be beside the attribute as a server holds it: what differs, and the edit that mends it.

Timestamps decide whether a server takes an edit, never whether one is needed: after a failure they may lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from intelsec_assets.exports.content import PlanRow
from intelsec_assets.exports.misp_content import attribute, is_ours, tags

# What is compared as it stands; value, comment, first_seen and tags each have their own rule below.
_PLAIN_FIELDS = ("type", "category", "to_ids")


@dataclass(frozen=True, slots=True)
class Held:
    """An attribute as the server holds it: the fields that matter here, and nothing else of its answer."""

    uuid: str
    event: str
    fields: tuple[str, str, bool]
    value: str
    comment: str
    first_seen: datetime | None
    is_deleted: bool
    timestamp: int
    tags: frozenset[str]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Held:
        """From one element of a restSearch answer."""
        seen = answer.get("first_seen")
        return cls(
            uuid=answer["uuid"],
            event=answer.get("Event", {}).get("uuid", ""),
            fields=(answer["type"], answer["category"], bool(answer["to_ids"])),
            value=answer["value"],
            comment=answer.get("comment") or "",
            first_seen=datetime.fromisoformat(seen) if seen else None,
            is_deleted=bool(answer.get("deleted")),
            timestamp=int(answer["timestamp"]),
            tags=frozenset(tag["name"] for tag in answer.get("Tag", ())),
        )


def differences(row: PlanRow, held: Held | None) -> list[str]:
    """What a server lacks of a row, in words; empty = it holds the row as it should be."""
    if held is None:
        return ["it is missing"]
    if held.is_deleted:
        return ["it is deleted"]
    wanted = attribute(row)
    found = [
        f"{name} is {theirs!r} in place of {wanted[name]!r}"
        for name, theirs in zip(_PLAIN_FIELDS, held.fields, strict=True)
        if theirs != wanted[name]
    ]
    # MISP puts some values into its own case, and its tables compare without it
    if held.value.casefold() != wanted["value"].casefold():
        found.append(f"value is {held.value!r} in place of {wanted['value']!r}")
    if held.comment.strip() != wanted["comment"].strip():
        found.append("the comment is another")
    if held.first_seen != datetime.fromisoformat(wanted["first_seen"]):
        found.append(f"first_seen is {held.first_seen} in place of {wanted['first_seen']}")
    missing, superfluous = _tag_changes(row, held)
    found.extend(f"tag {name} is missing" for name in missing)
    found.extend(f"tag {name} is left" for name in superfluous)
    return found


def upsert(row: PlanRow, held: Held | None, now: int) -> dict[str, Any]:
    """The member of an events/edit call that makes or mends an attribute. `now` in seconds."""
    member = {**attribute(row), "timestamp": str(_newer(held, now)), "disable_correlation": False}
    if held is None:
        member["Tag"] = [{"name": name} for name in tags(row)]
        return member
    missing, superfluous = _tag_changes(row, held)
    member["Tag"] = [
        *({"name": name, "deleted": True} for name in superfluous),
        *({"name": name} for name in missing),
    ]
    if held.is_deleted:
        member["deleted"] = False  # without the key a deleted attribute stays deleted
    return member


def withdrawal(held: Held, now: int) -> dict[str, Any]:
    """The member of an events/edit call that deletes an attribute: softly, for servers that synchronise must hear."""
    kind, category, to_ids = held.fields
    return {
        "uuid": held.uuid,
        "type": kind,
        "category": category,
        "value": held.value,
        "to_ids": to_ids,
        "timestamp": str(_newer(held, now)),
        "deleted": True,
    }


def _tag_changes(row: PlanRow, held: Held) -> tuple[list[str], list[str]]:
    """Tags to put on and tags of ours to take off, sorted. Spellings that differ in case only are one tag."""
    wanted = {name.casefold(): name for name in tags(row)}
    theirs = {name.casefold(): name for name in held.tags}
    missing = sorted(name for folded, name in wanted.items() if folded not in theirs)
    superfluous = sorted(name for folded, name in theirs.items() if folded not in wanted and is_ours(name))
    return missing, superfluous


def _newer(held: Held | None, now: int) -> int:
    """A timestamp the server does not skip: what is not newer than its own is passed over in silence."""
    return now if held is None else max(now, held.timestamp + 1)
