"""What changed in a feed's source from one shape to the next: a column that is new, gone, moved or of another kind.

By name, so that a person can find it in the publisher's announcement. How a shape is read is `source_shapes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.quality.expectations import Expectation
from intelsec_assets.feeds.quality.source_shapes import Field, Group, Shape
from intelsec_assets.feeds.quality.verdicts import FAILED, NO_VERDICT, PASSED, Verdict

# A key that fewer than half of the objects have is an option of its format: it comes and goes with what is told.
OF_MOST = 0.5
LEAST_OBJECTS = 10
LEAST_VALUES = 10
# A column is of a kind if nine in ten of its values are; it has lost it when fewer than half are.
OF_A_KIND, LOST_KIND = 0.9, 0.5


@dataclass(frozen=True)
class Change:
    """One difference: `what` is new, gone, kind or moved, `field` the column or key, `words` the sentence about it."""

    what: str
    field: str
    words: str


@dataclass(frozen=True)
class Looked:
    """A shape and the day it was read on; a text in place of the shape says why there is none."""

    day: date
    shape: Shape | str


def changes(before: Shape, now: Shape, mapped: Mapping[str, str]) -> tuple[Change, ...]:
    """Differences of `now` from `before`, in the order of the source. `mapped` says what we read a column as.

    Groups (types of objects) that only one of the two has are no change of schema, but of what was told.
    """
    found: list[Change] = []
    for name in sorted(now.groups.keys() & before.groups.keys()):
        old, new = before.groups[name], now.groups[name]
        label = "column" if now.is_table else f"{name}'s key"
        found += _new(old, new, label, is_table=now.is_table)
        found += _gone(old, new, label, mapped, is_table=now.is_table)
        found += _other_kinds(old, new, label, mapped)
        if now.is_table and _moved(old, new):
            order = ", ".join(new.names)
            found.append(Change("moved", "", f"the columns stand in another order: {order}"))
    return tuple(found)


def _new(old: Group, new: Group, label: str, *, is_table: bool) -> Iterator[Change]:
    for position, one in enumerate(new.fields):
        if one.name in old.names or not _is_of_most(one, new, old, is_table=is_table):
            continue
        where = f", {_between(new.names, position)}" if is_table else f", in {one.seen:,} of {new.records:,}"
        yield Change("new", one.name, f"{_named(label, one.name)} is new{where}")


def _gone(old: Group, new: Group, label: str, mapped: Mapping[str, str], *, is_table: bool) -> Iterator[Change]:
    for position, one in enumerate(old.fields):
        if one.name in new.names or not _is_of_most(one, old, new, is_table=is_table):
            continue
        where = (
            f"; it stood {_between(old.names, position)}" if is_table else f"; {one.seen:,} of {old.records:,} had it"
        )
        yield Change("gone", one.name, f"{_named(label, one.name)} is gone{where}{_meaning(one.name, mapped)}")


def _is_of_most(one: Field, having: Group, other: Group, *, is_table: bool) -> bool:
    if is_table:
        return True
    enough = min(having.records, other.records) >= LEAST_OBJECTS
    return enough and one.seen >= OF_MOST * having.records


def _other_kinds(old: Group, new: Group, label: str, mapped: Mapping[str, str]) -> Iterator[Change]:
    before = {one.name: one for one in old.fields}
    for one in new.fields:
        was = _kind(before[one.name]) if one.name in before else None
        values = sum(one.kinds.values())
        if was is None or values < LEAST_VALUES or one.kinds.get(was, 0) >= LOST_KIND * values:
            continue
        most = max(one.kinds, key=lambda kind: (one.kinds[kind], kind))
        words = (
            f"{_named(label, one.name)} held {was}, now {one.kinds[most] / values:.0%} of its values are {most}"
            f"{_meaning(one.name, mapped)}"
        )
        yield Change("kind", one.name, words)


def _kind(one: Field) -> str | None:
    """The kind of nearly all values; None if they are few or of several kinds."""
    values = sum(one.kinds.values())
    kind = max(one.kinds, key=lambda name: (one.kinds[name], name), default=None)
    return kind if kind is not None and values >= LEAST_VALUES and one.kinds[kind] >= OF_A_KIND * values else None


def _moved(old: Group, new: Group) -> bool:
    return [n for n in new.names if n in old.names] != [n for n in old.names if n in new.names]


def _named(label: str, name: str) -> str:
    return name if name.startswith("column ") else f"{label} {name}"


def _between(names: list[str], position: int) -> str:
    if len(names) == 1:
        return "alone"
    if position == 0:
        return f"before {names[1]}"
    if position == len(names) - 1:
        return f"after {names[position - 1]}"
    return f"between {names[position - 1]} and {names[position + 1]}"


def _meaning(name: str, mapped: Mapping[str, str]) -> str:
    return f"; the catalogue reads it as {mapped[name]}" if name in mapped else ""


def mapped_columns(feed: Feed) -> dict[str, str]:
    """What the entry reads each column of the source as; columns by position are named `column 3`."""
    columns = feed.options.get("columns") or {}
    read_as: dict[str, list[str]] = {}
    for ours, theirs in columns.items():
        read_as.setdefault(theirs if isinstance(theirs, str) else f"column {theirs}", []).append(ours)
    return {column: " and ".join(sorted(names)) for column, names in read_as.items()}


def schema_verdict(expectation: Expectation, feed: Feed, before: Looked | None, now: Looked) -> Verdict:
    """The verdict on the day's shape against that of the last day that was read."""

    def verdict(outcome: str, found: str, *different: Change) -> Verdict:
        sample = tuple({"change": one.what, "field": one.field, "words": one.words} for one in different)
        return Verdict(
            expectation.name,
            outcome,
            expectation.severity,
            found,
            expectation.claim,
            expectation.what_to_do,
            len(different),
            sample,
        )

    if isinstance(now.shape, str):
        return verdict(NO_VERDICT, f"no verdict: {now.shape}")
    if before is None or isinstance(before.shape, str):
        return verdict(NO_VERDICT, "no verdict: cold start: no day before this one to compare with")
    found = changes(before.shape, now.shape, mapped_columns(feed))
    if found:
        return verdict(FAILED, "; ".join(one.words for one in found) + f", against {before.day}", *found)
    fields = sum(len(group.fields) for group in now.shape.groups.values())
    word = "columns" if now.shape.is_table else "keys"
    return verdict(PASSED, f"the {fields} {word} of {before.day}")
