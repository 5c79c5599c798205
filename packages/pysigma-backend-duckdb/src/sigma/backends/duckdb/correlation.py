"""Sigma correlation rules as one statement over a relation of matches: one row a burst, with its evidence.

A burst is the windows of one group that satisfy the condition and overlap. How windows are found stands in windows.py,
which event matches which rule is told by the caller's relation.
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

from . import windows
from .text import identifier, literal, number
from .windows import Clause

Operator = SigmaCorrelationConditionOperator
OPERATORS = {
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.EQ: "=",
    Operator.NEQ: "!=",
}
NUMERIC = ("value_sum", "value_avg", "value_median", "value_percentile")
MAX_CLAUSES = 64  # each is a pass over the matches; more is a condition nobody can check by reading either
EVIDENCE_IDS = 100  # of the events of a burst so many are named, all are counted


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
    node: "Node"

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
        return _statement(self.node, matches, observed_until or f"(SELECT max(event_time) FROM {matches})")


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule that a correlation reads, with the fields behind the correlation's own names for them."""

    rule_id: str
    node: "Node | None"
    groups: tuple[str, ...]
    value: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A correlation, checked and resolved."""

    rule_id: str
    title: str
    type: str
    span: int  # microseconds
    group_by: tuple[str, ...]
    references: tuple[Reference, ...]
    clauses: tuple[Clause, ...]  # of ordered and extended ones
    operator: Operator | None
    threshold: float
    percentile: float


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
            f"Correlation {rule.title!r} needs the field {missing[0]!r} of the correlation {inner.title!r}, whose rows have only "
            f"{sorted(inner.group_by)}; add the field to the group-by of {inner.title!r} or give an alias for it"
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
                f"Correlation {rule.title!r}: {condition.expression!r} can hold where nothing at all matched, and no row could "
                "say where; join each `not` by `and` to a rule that matches"
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
            f"Correlation {rule.title!r}: an order needs its rules to match, so {OPERATORS[condition.op]} {condition.count} is no "
            f"condition for it; use `gte` with at most {steps}, or an extended condition with `not`"
        )
        raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
    if not 1 <= wanted <= steps:
        msg = f"Correlation {rule.title!r} asks for {wanted} of {steps} rules; ask for 1 to {steps}"
        raise SigmaCorrelationConditionError(msg, source=rule.source)
    if math.comb(steps, wanted) > MAX_CLAUSES:
        raise SigmaFeatureNotSupportedByBackendError(_too_many(rule), source=rule.source)
    return tuple(Clause(chosen, (), ordered=True) for chosen in itertools.combinations(range(steps), wanted))


def _too_many(rule: SigmaCorrelationRule) -> str:
    return f"Correlation {rule.title!r} has more than {MAX_CLAUSES} ways to be satisfied; split it into several correlations"


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


# SQL


def _statement(node: Node, matches: str, observed_until: str) -> str:
    tables: dict[str, str] = {
        "matches_": f"SELECT *, epoch_us(event_time) AS ts FROM {matches} WHERE event_time IS NOT NULL AND event_id IS NOT NULL",
        "observed_": f"SELECT epoch_us({observed_until}) AS ts",
    }
    _add(node, "n", tables)
    ctes = ",\n".join(f"{name} AS MATERIALIZED (\n  {sql}\n)" for name, sql in tables.items())
    groups = ", ".join(f"any_value(d{index})" for index in range(len(node.group_by)))
    return f"""WITH {ctes}
SELECT CAST([{groups}] AS VARCHAR[]) AS group_values, min(event_time) AS first_time, max(event_time) AS last_time,
  list(eid ORDER BY place) FILTER (place <= {EVIDENCE_IDS}) AS event_ids, count(*) AS event_count,
  CAST(any_value(value) AS DOUBLE) AS value
FROM (SELECT *, row_number() OVER (PARTITION BY b ORDER BY ts, eid) AS place FROM n_evidence) JOIN n_burst USING (b)
GROUP BY b ORDER BY first_time, last_time, group_values"""


def _add(node: Node, name: str, tables: dict[str, str]) -> None:
    """Tables of a node: `_in` matches, `_part` matches per clause, `_cover`, `_burst`, `_evidence`, `_row` for a parent."""
    groups = [f"g{index}" for index in range(max(1, len(node.group_by)))]
    keys = ", ".join(groups)
    branches = []
    for slot, reference in enumerate(node.references):
        if reference.node is None:
            branches.append(_branch_of_rule(node, slot, reference))
        else:
            _add(reference.node, f"{name}{slot}", tables)
            branches.append(_branch_of_correlation(node, slot, reference, f"{name}{slot}"))
    tables[f"{name}_in"] = "\n  UNION ALL ".join(branches)
    satisfied = _windows(node, name, groups, tables)
    better = "min" if node.operator in (Operator.LT, Operator.LTE) else "max"
    # all windows are as long as the timespan, so the one before in time is the one that can overlap
    tables[f"{name}_window"] = (
        f"SELECT *, sum(fresh) OVER (PARTITION BY {keys}, clause ORDER BY w_end ROWS UNBOUNDED PRECEDING) AS c FROM ("
        f"SELECT *, CASE WHEN w_start <= lag(w_end) OVER (PARTITION BY {keys}, clause ORDER BY w_end) THEN 0 ELSE 1 END AS fresh "
        f"FROM ({satisfied}))"
    )
    tables[f"{name}_cover"] = (
        f"SELECT {keys}, clause, c, min(w_start) AS c_start, max(w_end) AS c_end, {better}(value) AS value "
        f"FROM {name}_window GROUP BY {keys}, clause, c"
    )
    tables[f"{name}_joined"] = (
        f"SELECT {keys}, clause, c, c_start, c_end, value, "
        f"sum(fresh) OVER (PARTITION BY {keys} ORDER BY c_start, c_end, clause ROWS UNBOUNDED PRECEDING) AS s FROM ("
        f"SELECT *, CASE WHEN c_start <= max(c_end) OVER (PARTITION BY {keys} ORDER BY c_start, c_end, clause "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) THEN 0 ELSE 1 END AS fresh FROM {name}_cover)"
    )
    tables[f"{name}_numbered"] = f"SELECT *, dense_rank() OVER (ORDER BY {keys}, s) AS b FROM {name}_joined"
    tables[f"{name}_taken"] = (
        f"SELECT n.b, p.* FROM {name}_part p ASOF JOIN {name}_numbered n "
        f"ON {' AND '.join(f'p.{key} = n.{key}' for key in groups)} AND p.clause = n.clause AND p.ts >= n.c_start "
        "WHERE p.ts <= n.c_end AND p.reach BETWEEN n.c_start AND n.c_end"
        + (" AND p.v IS NOT NULL" if node.type in NUMERIC else "")
    )
    shown = "".join(f", arg_min(d{index}, (ts, eid)) AS d{index}" for index in range(len(node.group_by)))
    tables[f"{name}_burst"] = (
        f"SELECT b, {better}(n.value) AS value{shown} FROM {name}_numbered n JOIN {name}_taken USING (b) GROUP BY b"
    )
    evidence = [f"SELECT b, eid, ts, event_time FROM {name}_taken WHERE inner_b IS NULL"]
    for slot, reference in enumerate(node.references):
        if reference.node is not None:
            evidence.append(
                f"SELECT t.b, e.eid, e.ts, e.event_time FROM (SELECT b, inner_b, min(inner_start) AS i_start, "
                f"max(inner_end) AS i_end FROM {name}_taken WHERE slot = {slot} GROUP BY b, inner_b) t "
                f"JOIN {name}{slot}_evidence e ON e.b = t.inner_b AND e.ts BETWEEN t.i_start AND t.i_end"
            )
    tables[f"{name}_evidence"] = (
        "\n  UNION ".join(evidence) if len(evidence) > 1 else evidence[0].replace("SELECT", "SELECT DISTINCT", 1)
    )


def _branch_of_rule(node: Node, slot: int, reference: Reference) -> str:
    fields = [identifier("f:" + field) for field in reference.groups]
    value = identifier("f:" + reference.value) if reference.value else "NULL"
    if node.type in NUMERIC:
        value = number(value)
    elif node.type == "value_count":
        value = f"lower({value})"
    columns = [f"{slot} AS slot", "event_id AS eid", "ts", "event_time", f"{value} AS v"]
    columns += [f"lower({field}) AS g{index}" for index, field in enumerate(fields)] or ["'' AS g0"]
    columns += [f"{field} AS d{index}" for index, field in enumerate(fields)]
    columns += [
        "CAST(NULL AS BIGINT) AS inner_b",
        "CAST(NULL AS BIGINT) AS inner_start",
        "CAST(NULL AS BIGINT) AS inner_end",
    ]
    present = "".join(f" AND {field} IS NOT NULL" for field in fields)
    return f"SELECT {', '.join(columns)} FROM matches_ WHERE rule_id = {literal(reference.rule_id)}{present}"


def _branch_of_correlation(node: Node, slot: int, reference: Reference, inner_name: str) -> str:
    inner = reference.node
    assert inner is not None

    def column(field: str, letter: str) -> str:
        if field in inner.group_by:
            return f"{'w' if letter == 'g' else 'u'}.{letter}{inner.group_by.index(field)}"
        return "CAST(w.value AS VARCHAR)"

    value = column(reference.value, "g") if reference.value else "NULL"
    if node.type in NUMERIC:
        value = number(value)
    columns = [
        f"{slot} AS slot",
        f"'{inner_name}:' || n.b || ':' || w.w_start || ':' || w.w_end AS eid",
        "w.w_end AS ts",
    ]
    columns += ["NULL AS event_time", f"{value} AS v"]
    columns += [f"{column(field, 'g')} AS g{index}" for index, field in enumerate(reference.groups)] or ["'' AS g0"]
    columns += [f"{column(field, 'd')} AS d{index}" for index, field in enumerate(reference.groups)]
    columns += ["n.b AS inner_b", "w.w_start AS inner_start", "w.w_end AS inner_end"]
    keys = ", ".join(f"g{index}" for index in range(max(1, len(inner.group_by))))
    return (
        f"SELECT DISTINCT {', '.join(columns)} FROM {inner_name}_window w JOIN {inner_name}_numbered n USING ({keys}, clause, c) "
        f"JOIN {inner_name}_burst u ON u.b = n.b"
    )


def _windows(node: Node, name: str, groups: Sequence[str], tables: dict[str, str]) -> str:
    """SELECT of the satisfied windows (group, clause, w_start, w_end, value); adds `_part` to the tables."""
    relation, keys = f"{name}_in", ", ".join(groups)
    if node.clauses:
        parts, found = [], []
        for index, clause in enumerate(node.clauses):
            statements = windows.chained(relation, groups, node.span, clause, "(SELECT ts FROM observed_)")
            names = [f"{name}_clause{index}_{place}" for place in range(len(statements))]
            for place, statement in enumerate(statements):
                tables[names[place]] = statement.format(*names)
            kept = ", ".join(map(str, clause.present))
            parts.append(f"SELECT *, {index} AS clause FROM {names[-1]} WHERE slot IN ({kept})")
            found.append(
                f"SELECT DISTINCT {keys}, {index} AS clause, w_start, w_end, {len(clause.present)} AS value "
                f"FROM {names[-1]} WHERE w_start IS NOT NULL"
            )
        tables[f"{name}_part"] = "\n  UNION ALL ".join(parts)
        return "\n  UNION ALL ".join(found)
    match node.type:
        case "event_count":
            measured = windows.counted(relation, groups, node.span)
        case "value_count":
            measured = windows.counted_distinct(relation, groups, node.span, "v")
        case "temporal":
            measured = windows.counted_distinct(relation, groups, node.span, "slot")
        case "value_sum" | "value_avg":
            measured = windows.aggregated(relation, groups, node.span, f"{node.type.removeprefix('value_')}(v)")
        case _:
            measured = windows.aggregated(relation, groups, node.span, f"quantile_cont(v, {node.percentile / 100})")
    tables[f"{name}_part"] = f"SELECT *, ts AS reach, 0 AS clause FROM {relation}"
    assert node.operator is not None
    return (
        f"SELECT {keys}, 0 AS clause, w_start, w_end, value FROM ({measured}) "
        f"WHERE value {OPERATORS[node.operator]} {node.threshold}"
    )
