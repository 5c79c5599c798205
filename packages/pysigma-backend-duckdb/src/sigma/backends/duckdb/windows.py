"""Sliding windows as SQL: which windows of one correlation satisfy its condition.

Every function takes the name of a relation of matches (columns slot, eid, ts in microseconds, v, and the group columns)
and returns SELECT statements; who the matches are and what becomes of the windows stands in correlation.py.
Windows are closed at both ends: an event exactly one timespan before another lies in one window with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Clause:
    """What one window must hold: a match of each of `present` (in this order if `ordered`), none of `absent`.

    The numbers are slots: positions of the referenced rules. With something absent the window looks forward from a
    match, because only a window that is over shows that nothing came.
    """

    present: tuple[int, ...]
    absent: tuple[int, ...]
    ordered: bool


def _partition(groups: Sequence[str]) -> str:
    return "PARTITION BY " + ", ".join(groups)


def counted(relation: str, groups: Sequence[str], span: int) -> str:
    """Number of distinct matched events in the window that ends at each match."""
    keys = ", ".join(groups)
    return (
        f"SELECT DISTINCT {keys}, ts - {span} AS w_start, ts AS w_end, count(*) OVER ({_partition(groups)} ORDER BY ts "
        f"RANGE BETWEEN {span} PRECEDING AND CURRENT ROW) AS value "
        f"FROM (SELECT DISTINCT {keys}, eid, ts FROM {relation})"
    )


def counted_distinct(relation: str, groups: Sequence[str], span: int, value: str) -> str:
    """Number of distinct `value` (a column) in the window that ends at each match, in O(n log n).

    A value is in the window from its first occurrence until one timespan after the last of a run of occurrences that
    follow each other within the timespan; +1 and -1 at those two instants add up to the number.
    """
    keys = ", ".join(groups)
    return (
        f"WITH seen AS (SELECT DISTINCT {keys}, ts, {value} AS u FROM {relation} WHERE {value} IS NOT NULL), "
        f"runs AS (SELECT {keys}, ts, lag(ts) OVER w AS previous, lead(ts) OVER w AS next FROM seen "
        f"WINDOW w AS ({_partition([*groups, 'u'])} ORDER BY ts)), "
        f"steps AS (SELECT {keys}, ts, 1 AS step, FALSE AS is_match FROM runs "
        f"WHERE previous IS NULL OR previous < ts - {span} "
        f"UNION ALL SELECT {keys}, ts + {span} + 1, -1, FALSE FROM runs WHERE next IS NULL OR next > ts + {span} "
        f"UNION ALL SELECT DISTINCT {keys}, ts, 0, TRUE FROM {relation}), "
        f"sums AS (SELECT *, sum(step) OVER ({_partition(groups)} ORDER BY ts RANGE UNBOUNDED PRECEDING) AS value "
        f"FROM steps) "
        f"SELECT {keys}, ts - {span} AS w_start, ts AS w_end, value FROM sums WHERE is_match"
    )


def aggregated(relation: str, groups: Sequence[str], span: int, aggregate: str) -> str:
    """`aggregate` of the numbers `v` of the distinct matches in the window that ends at each match."""
    keys = ", ".join(groups)
    return (
        f"SELECT {keys}, ts - {span} AS w_start, ts AS w_end, any_value(value) AS value FROM ("
        f"SELECT {keys}, ts, {aggregate} OVER ({_partition(groups)} ORDER BY ts "
        f"RANGE BETWEEN {span} PRECEDING AND CURRENT ROW) AS value "
        f"FROM (SELECT DISTINCT {keys}, eid, ts, v FROM {relation})) GROUP BY {keys}, ts"
    )


def chained(relation: str, groups: Sequence[str], span: int, clause: Clause, observed_until: str) -> list[str]:
    """Statements whose last gives the matches that take part in a clause; `{0}`, `{1}` in one name those before it.

    The last has the relation's columns and `reach` (for a backward window the latest start of a chain of steps that
    ends in this match, for a forward window the earliest end of one that begins in it) and `w_start`, `w_end` (the
    window anchored at this match, NULL if it does not satisfy the clause).
    """
    return (
        _forward(relation, groups, span, clause, observed_until)
        if clause.absent
        else _backward(relation, groups, span, clause)
    )


def _backward(relation: str, groups: Sequence[str], span: int, clause: Clause) -> list[str]:
    slots = ", ".join(map(str, clause.present))
    start = f"CASE WHEN slot = {clause.present[0]} THEN ts END" if clause.ordered else "ts"
    statements = [f"SELECT *, {start} AS reach FROM {relation} WHERE slot IN ({slots})"]
    if clause.ordered:
        for before, slot in pairwise(clause.present):
            latest = (
                f"max(reach) FILTER (slot = {before}) OVER ({_partition(groups)} ORDER BY ts "
                "RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
            )
            statements.append(
                f"SELECT * REPLACE (CASE WHEN slot = {slot} THEN {latest} ELSE reach END AS reach) "
                f"FROM {{{len(statements) - 1}}}"
            )
        satisfied = f"slot = {clause.present[-1]} AND reach >= ts - {span}"
    else:
        satisfied = " AND ".join(
            f"max(ts) FILTER (slot = {slot}) OVER ({_partition(groups)} ORDER BY ts RANGE UNBOUNDED PRECEDING) "
            f">= ts - {span}"
            for slot in clause.present
        )
    statements.append(
        f"SELECT *, CASE WHEN {satisfied} THEN ts - {span} END AS w_start, CASE WHEN {satisfied} THEN ts END AS w_end "
        f"FROM {{{len(statements) - 1}}}"
    )
    return statements


def _forward(relation: str, groups: Sequence[str], span: int, clause: Clause, observed_until: str) -> list[str]:
    present, absent = ", ".join(map(str, clause.present)), ", ".join(map(str, clause.absent))
    end = f"CASE WHEN slot = {clause.present[-1]} THEN ts END" if clause.ordered else "ts"
    statements = [f"SELECT *, {end} AS reach FROM {relation} WHERE slot IN ({present}, {absent})"]
    if clause.ordered:
        for slot, after in reversed(list(pairwise(clause.present))):
            earliest = (
                f"min(reach) FILTER (slot = {after}) OVER ({_partition(groups)} ORDER BY ts "
                "RANGE BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)"
            )
            statements.append(
                f"SELECT * REPLACE (CASE WHEN slot = {slot} THEN {earliest} ELSE reach END AS reach) "
                f"FROM {{{len(statements) - 1}}}"
            )
    ahead = f"OVER ({_partition(groups)} ORDER BY ts RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    if clause.ordered:
        conditions = [f"min(reach) FILTER (slot = {clause.present[0]}) {ahead} <= ts + {span}"]
    else:
        conditions = [f"min(ts) FILTER (slot = {slot}) {ahead} <= ts + {span}" for slot in clause.present]
    conditions.append(f"coalesce(min(ts) FILTER (slot IN ({absent})) {ahead} > ts + {span}, TRUE)")
    conditions.append(f"ts + {span} <= {observed_until}")
    conditions.append(f"slot IN ({present})")
    satisfied = " AND ".join(conditions)
    statements.append(
        f"SELECT *, CASE WHEN {satisfied} THEN ts END AS w_start, CASE WHEN {satisfied} THEN ts + {span} END AS w_end "
        f"FROM {{{len(statements) - 1}}}"
    )
    return statements
