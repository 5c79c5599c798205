"""A rule's condition as a tree of nodes in plain words, each with the SQL that decides it.

What the nodes come to for an event is `explain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sigma.backends.duckdb import DuckDBBackend
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.conversion.state import ConversionState
from sigma.correlations import SigmaCorrelationRule, SigmaExtendedCorrelationCondition
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaFieldReference,
    SigmaNull,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

ALL, ANY, NOT = "all of", "any of", "not"  # words of nodes that join others
_JOINED = {ConditionAND: ALL, ConditionOR: ANY, ConditionNOT: NOT}
_COMPARED = {"GTE": "at least", "GT": "more than", "LTE": "at most", "LT": "fewer than", "EQ": "exactly", "NEQ": "not"}
_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "y": "year"}


@dataclass(frozen=True)
class Node:
    """A part of a condition: its words, what it is made of, the SQL that is true where it holds, the field it reads."""

    words: str
    sql: str
    children: tuple[Node, ...] = ()
    field: str | None = None

    def flat(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """The node and all below it, with their depth."""
        yield depth, self
        for child in self.children:
            yield from child.flat(depth + 1)


def condition_trees(rule: SigmaRule, backend: DuckDBBackend) -> tuple[Node, ...]:
    """The rule's conditions; one of them is enough."""
    return tuple(_node(condition.parsed, backend) for condition in rule.detection.parsed_condition)


def correlation_words(rule: SigmaCorrelationRule) -> str:
    """When a correlation fires, in one sentence."""
    names = [reference.rule.title for reference in rule.referenced_rules]
    spec = rule.timespan
    span = f"{spec.count} {_UNITS[spec.unit]}{'s' if spec.count != 1 else ''}"
    group = f" with the same {' and '.join(rule.group_by)}" if rule.group_by else ""
    condition = rule.condition
    kind = rule.type.name.lower()
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        return f"within any {span}{group}: {condition.expression} (of {', '.join(names)})"
    much = f"{_COMPARED[condition.op.name]} {condition.count:g}"
    listed = " or ".join(f"`{name}`" for name in names)
    if kind == "event_count":
        return f"{much} events that match {listed}{group} within any {span}"
    if kind == "value_count":
        return (
            f"{much} distinct values of {_fieldref(condition)} in events that match {listed}{group} within any {span}"
        )
    if kind.startswith("temporal"):
        order = ", in this order" if kind == "temporal_ordered" else ", in any order"
        both = " and ".join(f"`{name}`" for name in names)
        return f"events that match {both}{order},{group} within any {span}"
    measure = kind.removeprefix("value_")
    return f"the {measure} of {_fieldref(condition)} is {much} over events that match {listed}{group} within any {span}"


def _fieldref(condition: Any) -> str:
    return ", ".join(condition.fieldref) if isinstance(condition.fieldref, list) else str(condition.fieldref)


def _node(tree: Any, backend: DuckDBBackend) -> Node:
    sql = str(backend.convert_condition(tree, ConversionState()))
    if isinstance(tree, ConditionFieldEqualsValueExpression):
        return Node(f"{tree.field} {_value_words(tree.value)}", sql, field=tree.field)
    if isinstance(tree, ConditionValueExpression):
        return Node(f"anywhere in the event: {_plain(tree.value)!r}", sql)
    field = _one_field(tree)
    if field is not None:
        values = [_value_words(arg.value) for arg in tree.args]
        if all(words.startswith("is ") for words in values):
            shown = ", ".join(words.removeprefix("is ") for words in values)
            return Node(f"{field} is one of {shown}", sql, field=field)
        return Node(f"{field} {' or '.join(values)}", sql, field=field)
    children = tuple(_node(arg, backend) for arg in tree.args)
    if isinstance(tree, ConditionNOT) and len(children) == 1 and not children[0].children:
        return Node(f"not: {children[0].words}", sql, field=children[0].field)
    return Node(_JOINED[type(tree)], sql, children)


def _one_field(tree: Any) -> str | None:
    """The field that all alternatives are about, if they are about one."""
    if not isinstance(tree, ConditionOR):
        return None
    names = {getattr(arg, "field", None) for arg in tree.args}
    leaves = all(isinstance(arg, ConditionFieldEqualsValueExpression) for arg in tree.args)
    return next(iter(names)) if leaves and len(names) == 1 else None


def _value_words(value: Any) -> str:
    if isinstance(value, SigmaNull):
        return "is missing"
    if isinstance(value, SigmaExists):
        return "is there" if value.exists else "is missing"
    if isinstance(value, SigmaFieldReference):
        return f"is the same as {value.field}"
    if isinstance(value, SigmaRegularExpression):
        return f"matches the expression {_plain(value.regexp)}"
    if isinstance(value, SigmaCIDRExpression):
        return f"lies in {value.cidr}"
    if isinstance(value, SigmaCompareExpression):
        return f"is {value.op.name.lower()} {value.number}"
    if isinstance(value, SigmaString):
        return _text_words(value)
    return f"is {_plain(value)}"


def _text_words(value: SigmaString) -> str:
    parts = value.s
    wild = SpecialChars.WILDCARD_MULTI
    texts = [part for part in parts if isinstance(part, str)]
    if not any(isinstance(part, SpecialChars) for part in parts):
        return f"is {_plain(value)}"
    if len(texts) == 1 and SpecialChars.WILDCARD_SINGLE not in parts:
        begins, ends = parts[0] == wild, parts[-1] == wild
        how = "contains" if begins and ends else "ends in" if begins else "begins with"
        return f"{how} {texts[0]!r}"
    return f"is like {_plain(value)}"


def _plain(value: Any) -> str:
    return " ".join(str(value).split())
