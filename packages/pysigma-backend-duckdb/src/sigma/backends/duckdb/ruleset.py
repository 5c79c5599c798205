"""Rules compiled for an engine that evaluates many at once: conditions, fields they read, what routes events.

How a condition becomes SQL is the backend's; running the statements is the engine's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sigma.collection import SigmaCollection
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionOR, ConditionValueExpression
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaCorrelationRuleError, SigmaError
from sigma.rule import SigmaRule
from sigma.types import SigmaExpansion, SigmaFieldReference

from . import text
from .backend import DuckDBBackend, unread
from .correlation import CompiledCorrelation, compile_correlation, rule_id
from .values import comparable


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One detection rule as a condition.

    Attributes:
        rule_id: the rule's id, else its name, else an id made of its title.
        condition: SQL, TRUE or FALSE and never NULL (for a column of a SELECT).
        predicate: the same without the guard, possibly NULL (for WHERE and CASE WHEN, where NULL is FALSE).
        fields: Sigma fields that the condition reads, sorted.
        needs_event: whether it has keywords and so reads the whole event.
        necessary: for a field, the lower-case texts of which the field must equal one (its lower case) for the rule
            to match; a field that is not there gives no such guarantee. For routing events to rules.
        output: whether its matches are findings; False if it only feeds correlations.
    """

    rule_id: str
    name: str | None
    title: str
    condition: str
    predicate: str
    fields: tuple[str, ...]
    needs_event: bool
    necessary: Mapping[str, frozenset[str]]
    output: bool = True


@dataclass(frozen=True, slots=True)
class CompiledRuleset:
    """Compiled rules in the collection's order; `errors` has the rules that could not be, with the reason."""

    rules: tuple[CompiledRule, ...]
    correlations: tuple[CompiledCorrelation, ...] = ()
    errors: tuple[tuple[SigmaRule | SigmaCorrelationRule, SigmaError], ...] = field(default=())


def compile_ruleset(collection: SigmaCollection, backend: DuckDBBackend) -> CompiledRuleset:
    """Compile all rules; with `collect_errors` those that cannot be are in `errors`, else the first of them raises.

    The backend's pipeline changes the rules as pySigma's own conversion does: compile a collection once.
    """
    backend.init_processing_pipeline("condition")
    errors: list[tuple[SigmaRule | SigmaCorrelationRule, SigmaError]] = []
    try:
        collection.resolve_rule_references()
    except SigmaError:
        if not backend.collect_errors:
            raise
        errors += _resolve_each(collection)
    unusable = {id(rule) for rule, _ in errors}
    rules, correlations = [], []
    for rule in collection.rules:
        try:
            if rule.errors:  # the collection was read with collect_errors
                raise unread(rule)
            if isinstance(rule, SigmaRule):
                compiled = _compile_rule(rule, backend)
                if compiled is not None:
                    rules.append(compiled)
            elif id(rule) not in unusable:
                _refuse_unusable(rule, unusable)
                backend.last_processing_pipeline.apply(rule)
                correlations.append(compile_correlation(rule))
        except SigmaError as error:
            if not backend.collect_errors:
                raise
            errors.append((rule, error))
            unusable.add(id(rule))
    return CompiledRuleset(tuple(rules), tuple(correlations), tuple(errors))


def _resolve_each(collection: SigmaCollection) -> list[tuple[SigmaRule | SigmaCorrelationRule, SigmaError]]:
    """Resolve the references of every correlation by itself; those that refer to nothing, with the reason."""
    errors: list[tuple[SigmaRule | SigmaCorrelationRule, SigmaError]] = []
    for rule in collection.rules:
        if isinstance(rule, SigmaCorrelationRule):
            try:
                rule.resolve_rule_references(collection)
            except SigmaError as error:
                errors.append((rule, error))
    return errors


def _refuse_unusable(rule: SigmaCorrelationRule, unusable: set[int]) -> None:
    for reference in rule.referenced_rules:
        if id(reference.rule) in unusable:
            broken = reference.rule.title
            msg = f"Correlation {rule.title!r} reads {broken!r}, which could not be compiled; correct that rule first"
            raise SigmaCorrelationRuleError(msg, source=rule.source)


def _compile_rule(rule: SigmaRule, backend: DuckDBBackend) -> CompiledRule | None:
    bare: list[str] = []

    def keep(_rule: Any, _format: str | None, _index: int, _condition: Any, result: Any) -> Any:
        if result is not None:
            bare.append(result)
        return result

    collecting, backend.collect_errors = backend.collect_errors, False
    try:
        backend.convert_rule(rule, "condition", keep)
    finally:
        backend.collect_errors = collecting
    if not bare:
        return None
    predicate = bare[0] if len(bare) == 1 else "(" + " OR ".join(bare) + ")"
    trees = [condition.parsed for condition in rule.detection.parsed_condition]
    leaves = [leaf for tree in trees for leaf in _leaves(tree)]
    necessary = _any([_necessary(tree) for tree in trees])
    return CompiledRule(
        rule_id=rule_id(rule),
        name=rule.name,
        title=rule.title,
        condition=f"coalesce({predicate}, FALSE)",
        predicate=predicate,
        fields=tuple(sorted({name for leaf in leaves for name in _fields(leaf)})),
        needs_event=any(isinstance(leaf, ConditionValueExpression) for leaf in leaves),
        necessary=MappingProxyType(necessary),
        output=rule._output,  # noqa: SLF001 - pySigma has no other way to ask
    )


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, (ConditionFieldEqualsValueExpression, ConditionValueExpression)):
        yield tree
    for arg in getattr(tree, "args", ()):
        yield from _leaves(arg)


def _fields(leaf: Any) -> Iterator[str]:
    if isinstance(leaf, ConditionFieldEqualsValueExpression):
        yield leaf.field
        if isinstance(leaf.value, SigmaFieldReference):
            yield leaf.value.field


def _necessary(tree: Any) -> dict[str, frozenset[str]]:
    """Per field the texts of which one must be equal; NOT and what is no equality give nothing."""
    if isinstance(tree, ConditionAND):
        return _all([_necessary(arg) for arg in tree.args])
    if isinstance(tree, ConditionOR):
        return _any([_necessary(arg) for arg in tree.args])
    if not isinstance(tree, ConditionFieldEqualsValueExpression):
        return {}
    if isinstance(tree.value, SigmaExpansion):
        return _any([_necessary(ConditionFieldEqualsValueExpression(tree.field, value)) for value in tree.value.values])
    compared = comparable(tree)
    if compared is None:
        return {}
    values = [text.whole_value(parts) for parts in compared[1]]
    return {} if None in values else {tree.field: frozenset(text.fold(value) for value in values if value is not None)}


def _all(bounds: list[dict[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    merged: dict[str, frozenset[str]] = {}
    for bound in bounds:
        for name, values in bound.items():
            merged[name] = merged[name] & values if name in merged else values
    return merged


def _any(bounds: list[dict[str, frozenset[str]]]) -> dict[str, frozenset[str]]:
    if not bounds:
        return {}
    shared = set.intersection(*(set(bound) for bound in bounds))
    return {name: frozenset().union(*(bound[name] for bound in bounds)) for name in shared}
