"""What a rule's condition says of an event's columns alone, so that JSON is only read where the rule can still match.

The condition itself is compiled by the backend; here parts that columns cannot answer are left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from sigma.backends.duckdb import DuckDBBackend
from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
)
from sigma.conversion.state import ConversionState
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.types import SigmaFieldReference

from intelsec_assets.detections.audit import fields as audit_fields
from intelsec_assets.detections.errors import EventError
from intelsec_assets.detections.sigma.rules import logsource_of

Keeps = Callable[[str], bool]
Tree = Any  # pySigma's parsed conditions: ConditionAND, ConditionOR, ConditionNOT, or a field and a value


def bounds(collection: SigmaCollection) -> Mapping[str, str]:
    """For rules by id: SQL over columns of cloud_audit_events that holds for every event that the rule matches.

    Rules that columns say nothing of are not in it. The collection must have been compiled: its rules are read as the
    backend read them.
    """
    found = {}
    for rule in collection.rules:
        if not isinstance(rule, SigmaRule):
            continue
        provider = audit_fields.provider_of_logsource(logsource_of(rule))
        if provider is None:
            continue
        backend = DuckDBBackend(field_sql=partial(audit_fields.field_sql, provider=provider))
        is_column = partial(audit_fields.is_column, provider=provider)
        try:
            trees = [at_most(condition.parsed, is_column) for condition in rule.detection.parsed_condition]
            parts = [backend.convert_condition(tree, ConversionState()) for tree in trees if tree is not None]
        except (SigmaError, EventError):
            continue  # what is wrong with it, is said where it is compiled
        if parts and len(parts) == len(trees):
            found[str(rule.id)] = " or ".join(f"({part})" for part in parts)
    return found


def at_most(tree: Tree, keeps: Keeps) -> Tree | None:
    """A condition over the kept fields that holds wherever the tree holds; None: everywhere."""
    if isinstance(tree, ConditionAND):
        return _joined(ConditionAND, [part for part in (at_most(arg, keeps) for arg in tree.args) if part is not None])
    if isinstance(tree, ConditionOR):
        alternatives = [at_most(arg, keeps) for arg in tree.args]
        return None if any(part is None for part in alternatives) else _joined(ConditionOR, alternatives)
    if isinstance(tree, ConditionNOT):
        inner = at_least(tree.args[0], keeps)
        return None if inner is None else ConditionNOT([inner])
    return tree if _is_kept(tree, keeps) else None


def at_least(tree: Tree, keeps: Keeps) -> Tree | None:
    """A condition over the kept fields that holds only where the tree holds; None: nowhere."""
    if isinstance(tree, ConditionAND):
        parts = [at_least(arg, keeps) for arg in tree.args]
        return None if any(part is None for part in parts) else _joined(ConditionAND, parts)
    if isinstance(tree, ConditionOR):
        return _joined(ConditionOR, [part for part in (at_least(arg, keeps) for arg in tree.args) if part is not None])
    if isinstance(tree, ConditionNOT):
        inner = at_most(tree.args[0], keeps)
        return None if inner is None else ConditionNOT([inner])
    return tree if _is_kept(tree, keeps) else None


def _joined(kind: type[ConditionItem], parts: Iterable[Tree | None]) -> Tree | None:
    chosen = list(parts)
    if not chosen:
        return None
    return chosen[0] if len(chosen) == 1 else kind(chosen)


def _is_kept(leaf: Tree, keeps: Keeps) -> bool:
    if not isinstance(leaf, ConditionFieldEqualsValueExpression) or not keeps(leaf.field):
        return False
    return not isinstance(leaf.value, SigmaFieldReference) or keeps(leaf.value.field)
