"""Sigma correlation rules, checked, resolved and ready to be run over a relation of matches.

The SQL stands in bursts.py and windows.py; which event matches which rule is told by the caller's relation.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from uuid import NAMESPACE_URL, uuid5

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.exceptions import (
    SigmaCorrelationConditionError,
    SigmaCorrelationRuleError,
    SigmaFeatureNotSupportedByBackendError,
)
from sigma.rule import SigmaRule

from . import bursts
from .bursts import OPERATORS, Node, Reference
from .windows import Clause

Operator = SigmaCorrelationConditionOperator
MAX_CLAUSES = 64  # each is a pass over the matches; more is a condition nobody can check by reading either


@dataclass(frozen=True, slots=True)
class CompiledCorrelation:
    """One correlation rule.

    Attributes:
        type: Sigma's name of the correlation type, e.g. `event_count`.
        referenced: ids of the detection rules whose matches it reads, those of inner correlations included.
        group_by: Sigma fields of a group, in the order of `group_values`.
        window_seconds: timespan of the rule.
        lookback_seconds: how far before its last event a burst can begin to depend on events (inner windows included).
        needed_fields: per referenced detection rule the fields that `matches` must carry as columns `f:<field>`.
        generate: whether the referenced rules' own matches are findings too.
        output: whether its bursts are findings; False if it only feeds another correlation.
    """

    rule_id: str
    name: str | None
    title: str
    type: str
    referenced: tuple[str, ...]
    group_by: tuple[str, ...]
    window_seconds: int
    lookback_seconds: int
    needed_fields: Mapping[str, tuple[str, ...]]
    generate: bool
    output: bool
    node: Node

    def sql(self, matches: str, *, observed_until: str | None = None) -> str:
        """Statement over `matches` (SQL of a relation) with one row a burst.

        Args:
            matches: relation with rule_id VARCHAR, event_id VARCHAR, event_time TIMESTAMPTZ and a column `f:<field>`
                VARCHAR for each of `needed_fields` (NULL for rules that do not need it); one row an event and rule.
            observed_until: SQL of the time the events are complete to; a window that must stay empty is judged only
                when it is over. Default: the latest match.

        Returns:
            SQL with the columns group_values VARCHAR[], first_time, last_time, event_ids VARCHAR[] (the first 100 in
            time order), event_count BIGINT, value DOUBLE (the farthest the measure went in the burst).
        """
        return bursts.statement(self.node, matches, observed_until or f"(SELECT max(event_time) FROM {matches})")

    def can_burst(self, matches: Mapping[str, int]) -> bool:
        """Whether a burst is possible with at most so many matches of each referenced rule (by id).

        If not, the statement finds nothing and need not be run.
        """
        return _can_burst(self.node, matches)


def rule_id(rule: SigmaRule | SigmaCorrelationRule) -> str:
    """The rule's id, else its name, else an id made of its title."""
    return str(rule.id or rule.name or uuid5(NAMESPACE_URL, f"sigma:{rule.title}"))


def compile_correlation(rule: SigmaCorrelationRule) -> CompiledCorrelation:
    """Check and compile a correlation whose references are resolved.

    Raises:
        SigmaFeatureNotSupportedByBackendError: it says what this backend cannot express, with the way out.
        SigmaCorrelationRuleError, SigmaCorrelationConditionError: it contradicts itself.
    """
    node = _node(rule, ())
    needed: dict[str, set[str]] = {}
    _needed(node, needed)
    return CompiledCorrelation(
        rule_id=node.rule_id,
        name=rule.name,
        title=rule.title,
        type=rule.type.name.lower(),
        referenced=tuple(needed),
        group_by=node.group_by,
        window_seconds=rule.timespan.seconds,
        lookback_seconds=_lookback(node) // 1_000_000,
        needed_fields=MappingProxyType({name: tuple(sorted(fields)) for name, fields in needed.items()}),
        generate=rule.generate,
        output=rule._output,  # noqa: SLF001 - pySigma has no other way to ask
        node=node,
    )


def _needed(node: Node, needed: dict[str, set[str]]) -> None:
    for reference in node.references:
        if reference.node is not None:
            _needed(reference.node, needed)
        else:
            fields = needed.setdefault(reference.rule_id, set())
            fields.update(reference.groups)
            fields.update([reference.value] if reference.value else [])


def _lookback(node: Node) -> int:
    return node.span + max((_lookback(reference.node) for reference in node.references if reference.node), default=0)


def _can_burst(node: Node, matches: Mapping[str, int]) -> bool:
    most = [
        matches.get(reference.rule_id, 0)
        if reference.node is None
        else (math.inf if _can_burst(reference.node, matches) else 0)
        for reference in node.references
    ]
    if node.clauses:
        return any(all(most[slot] > 0 for slot in clause.present) for clause in node.clauses)
    measured = {"event_count": sum(most), "value_count": sum(most), "temporal": sum(number > 0 for number in most)}
    if node.type in measured and node.operator in (Operator.GTE, Operator.EQ):
        return 0 < measured[node.type] >= node.threshold
    if node.type in measured and node.operator is Operator.GT:
        return 0 < measured[node.type] > node.threshold
    return any(number > 0 for number in most)


# checking


def _node(rule: SigmaCorrelationRule, above: tuple[int, ...]) -> Node:
    if id(rule) in above:
        msg = f"Correlation {rule.title!r} refers to itself; take the reference out of the circle"
        raise SigmaCorrelationRuleError(msg, source=rule.source)
    kind = rule.type.name.lower()
    group_by = tuple(rule.group_by or ())
    condition = rule.condition
    value_field = condition.fieldref if isinstance(condition, SigmaCorrelationCondition) else None
    if isinstance(value_field, list):
        msg = (
            f"Correlation {rule.title!r}: counting the combination of {value_field} is not supported; "
            "write one correlation a field"
        )
        raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
    references = []
    for reference in rule.referenced_rules:
        target = reference.rule
        names = (reference.reference, target.name, str(target.id))
        aliases = {
            alias.alias: field
            for alias in rule.aliases
            for mapped, field in alias.mapping.items()
            if mapped.reference in names
        }
        inner = _node(target, (*above, id(rule))) if isinstance(target, SigmaCorrelationRule) else None
        groups = tuple(aliases.get(field, field) for field in group_by)
        value = aliases.get(value_field, value_field) if value_field else None
        if inner is not None:
            _check_inner(rule, inner, groups, value)
        references.append(Reference(rule_id(target), inner, groups, value))
    return Node(
        rule_id=rule_id(rule),
        title=rule.title,
        type=kind,
        span=rule.timespan.seconds * 1_000_000,
        group_by=group_by,
        references=tuple(references),
        clauses=_clauses(rule),
        operator=condition.op if isinstance(condition, SigmaCorrelationCondition) else None,
        threshold=condition.count if isinstance(condition, SigmaCorrelationCondition) else 0,
        percentile=_percentile(rule),
    )


def _check_inner(rule: SigmaCorrelationRule, inner: Node, groups: Sequence[str], value: str | None) -> None:
    offered = {*inner.group_by, inner.type, "sigma_metric"}
    missing = [field for field in [*groups, *([value] if value else [])] if field not in offered]
    if missing:
        msg = (
            f"Correlation {rule.title!r} needs the field {missing[0]!r} of the correlation {inner.title!r}, whose rows "
            f"have only {sorted(inner.group_by)}; add the field to the group-by of {inner.title!r} or give an alias"
        )
        raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)


def _percentile(rule: SigmaCorrelationRule) -> float:
    if rule.type.name.lower() != "value_percentile" or not isinstance(rule.condition, SigmaCorrelationCondition):
        return 50.0
    percentile = rule.condition.percentile
    if percentile is None or not 0 <= percentile <= 100:
        msg = f"Correlation {rule.title!r} needs `percentile` between 0 and 100 in its condition, not {percentile}"
        raise SigmaCorrelationConditionError(msg, source=rule.source)
    return float(percentile)


def _clauses(rule: SigmaCorrelationRule) -> tuple[Clause, ...]:
    ordered = rule.type.name.lower() == "temporal_ordered"
    condition = rule.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        slots = {}
        for slot, reference in enumerate(rule.referenced_rules):
            slots[reference.reference] = slot
            slots[str(reference.rule.name or reference.rule.id)] = slot
        terms = {(frozenset(a), frozenset(b)) for a, b in _terms(rule, condition.parsed, slots)}
        # a clause that asks for more than another adds nothing
        terms = {(a, b) for a, b in terms if not any((c, d) != (a, b) and c <= a and d <= b for c, d in terms)}
        if any(not present for present, _ in terms):
            msg = (
                f"Correlation {rule.title!r}: {condition.expression!r} can hold where nothing at all matched, and no "
                "row could say where; join each `not` by `and` to a rule that matches"
            )
            raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
        return tuple(Clause(a, b, ordered) for a, b in sorted((tuple(sorted(a)), tuple(sorted(b))) for a, b in terms))
    if not ordered:
        return ()
    steps = len(rule.referenced_rules)
    if condition.op is Operator.GTE:
        wanted = math.ceil(condition.count)
    elif condition.op is Operator.GT:
        wanted = math.floor(condition.count) + 1
    elif condition.op is Operator.EQ and condition.count == steps:
        wanted = steps
    else:
        msg = (
            f"Correlation {rule.title!r}: an order needs its rules to match, so {OPERATORS[condition.op]} "
            f"{condition.count} is no condition for it; use `gte` up to {steps}, or an extended condition with `not`"
        )
        raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
    if not 1 <= wanted <= steps:
        msg = f"Correlation {rule.title!r} asks for {wanted} of {steps} rules; ask for 1 to {steps}"
        raise SigmaCorrelationConditionError(msg, source=rule.source)
    if math.comb(steps, wanted) > MAX_CLAUSES:
        raise SigmaFeatureNotSupportedByBackendError(_too_many(rule), source=rule.source)
    return tuple(Clause(chosen, (), ordered=True) for chosen in itertools.combinations(range(steps), wanted))


def _too_many(rule: SigmaCorrelationRule) -> str:
    return f"Correlation {rule.title!r} has more than {MAX_CLAUSES} ways to be satisfied; split it into several"


def _terms(
    rule: SigmaCorrelationRule,
    tree: CorrelationConditionItem | SigmaRuleReference,
    slots: Mapping[str, int],
    negated: bool = False,  # noqa: FBT001, FBT002
) -> list[tuple[set[int], set[int]]]:
    """The condition in disjunctive normal form: (present, absent) slots of each term."""
    if isinstance(tree, SigmaRuleReference):
        slot = slots[tree.reference]
        return [(set(), {slot})] if negated else [({slot}, set())]
    if isinstance(tree, CorrelationConditionNOT):
        return _terms(rule, tree.args[0], slots, not negated)
    inner = [_terms(rule, arg, slots, negated) for arg in tree.args]
    if isinstance(tree, CorrelationConditionAND) == negated:
        terms = list(itertools.chain.from_iterable(inner))
    else:
        terms = [(set(), set())]
        for alternatives in inner:
            if len(terms) * len(alternatives) > MAX_CLAUSES * MAX_CLAUSES:
                raise SigmaFeatureNotSupportedByBackendError(_too_many(rule), source=rule.source)
            terms = [(a | c, b | d) for a, b in terms for c, d in alternatives if not (a | c) & (b | d)]
    if len(terms) > MAX_CLAUSES:
        raise SigmaFeatureNotSupportedByBackendError(_too_many(rule), source=rule.source)
    return terms
