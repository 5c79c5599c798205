"""One statement over a relation of matches: one row a burst of a correlation, with its evidence.

A burst is the windows of one group that satisfy the condition and overlap. How windows are found stands in windows.py,
what a rule may ask for in correlation.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sigma.correlations import SigmaCorrelationConditionOperator

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
EVIDENCE_IDS = 100  # of the events of a burst so many are named, all are counted


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


def statement(node: Node, matches: str, observed_until: str) -> str:
    """SQL with one row a burst; its columns are told by `CompiledCorrelation.sql`."""
    tables: dict[str, str] = {
        "matches_": f"SELECT *, epoch_us(event_time) AS ts FROM {matches} "
        "WHERE isfinite(event_time) AND event_id IS NOT NULL",
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
    """Tables of a node: matches, windows, the covers they make per clause, bursts, and the events of each burst."""
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
        f"SELECT *, CASE WHEN w_start <= lag(w_end) OVER (PARTITION BY {keys}, clause ORDER BY w_end) "
        f"THEN 0 ELSE 1 END AS fresh "
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
        f"SELECT DISTINCT {', '.join(columns)} FROM {inner_name}_window w "
        f"JOIN {inner_name}_numbered n USING ({keys}, clause, c) "
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
