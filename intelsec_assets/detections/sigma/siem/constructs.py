"""What a rule asks of a SIEM: the constructs of Sigma it uses, field by field, before any mapping.

Whether a SIEM has them is said by its target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sigma.collection import SigmaCollection
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaCasedString,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaType,
    SpecialChars,
)

from intelsec_assets.detections.sigma.siem.relaxing import leaves

CONTEXT = "context."


@dataclass(frozen=True, order=True)
class Construct:
    """One way a rule looks at a field: string, cased, single_wildcard, wildcard, regex, fieldref, or other."""

    name: str
    field: str  # empty for keywords


def constructs(rule: SigmaRule) -> frozenset[Construct]:
    """The constructs of an event rule that no pipeline has changed yet."""
    found = set()
    for condition in rule.detection.parsed_condition:
        for leaf in leaves(condition.parsed):
            field = leaf.field if isinstance(leaf, ConditionFieldEqualsValueExpression) else ""
            if leaf.parent_condition_chain_contains(ConditionNOT):
                found.add(Construct("negation", field))
            found |= {Construct(name, field) for name in names_of(leaf.value)}
            if isinstance(leaf.value, SigmaFieldReference):
                found.add(Construct("fieldref", leaf.value.field))
    return frozenset(found)


def names_of(value: SigmaType) -> set[str]:
    """The constructs that a compared value is: `string` and `wildcard`, `regex`, …"""
    if isinstance(value, SigmaExpansion):
        return set().union(*(names_of(inner) for inner in value.values))
    if isinstance(value, SigmaRegularExpression):
        return {"regex"}
    if isinstance(value, SigmaFieldReference):
        return {"fieldref"}
    if not isinstance(value, SigmaString):
        return {"other"}
    names = {"cased" if isinstance(value, SigmaCasedString) else "string"}
    if value.contains_special():
        plain = value[:-1] if value.endswith(SpecialChars.WILDCARD_MULTI) else value
        names.add("prefix" if not plain.contains_special() else "wildcard")
    if SpecialChars.WILDCARD_SINGLE in value.s:
        names.add("single_wildcard")
    return names


def demands(tree: Any, field: str) -> bool:
    """Whether a parsed condition holds only of events that have the field. False is also "not sure"."""
    if isinstance(tree, ConditionAND):
        return any(demands(arg, field) for arg in tree.args)
    if isinstance(tree, ConditionOR):
        return all(demands(arg, field) for arg in tree.args)
    if not isinstance(tree, ConditionFieldEqualsValueExpression) or tree.field != field:
        return False
    if isinstance(tree.value, SigmaExists):
        return bool(tree.value)
    return isinstance(tree.value, (SigmaString, SigmaNumber, SigmaRegularExpression))


def event_rules(collection: SigmaCollection) -> list[SigmaRule]:
    """The event rules of a collection."""
    return [rule for rule in collection.rules if isinstance(rule, SigmaRule)]


def correlations(collection: SigmaCollection) -> list[SigmaCorrelationRule]:
    """Its correlations, those that count others last."""
    return [rule for rule in collection.rules if isinstance(rule, SigmaCorrelationRule)]


def correlation_fields(rule: SigmaCorrelationRule) -> frozenset[str]:
    """Fields a correlation groups by and counts, as its rules name them (aliases resolved)."""
    named = set(rule.group_by or ())
    if isinstance(rule.condition, SigmaCorrelationCondition) and rule.condition.fieldref:
        counted = rule.condition.fieldref
        named |= {counted} if isinstance(counted, str) else set(counted)
    aliases = {alias.alias: set(alias.mapping.values()) for alias in rule.aliases}
    return frozenset(name for field in named for name in aliases.get(field, {field}))
