"""Whole statements around conditions: all rules in one scan, and a correlation over the table of events.

What a condition or a window is, stands in backend.py and correlation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from . import text
from .correlation import CompiledCorrelation, rule_id

if TYPE_CHECKING:
    from .backend import DuckDBBackend


def matches(backend: DuckDBBackend, table: str, rules: Sequence[tuple[str, str]]) -> str:
    """Statement with a row an event and rule (id, predicate) it matches: rule_id, event_id, event_time. One scan."""
    cases = ",\n  ".join(f"CASE WHEN {predicate} THEN {text.literal(identity)} END" for identity, predicate in rules)
    event_id, timestamp = text.identifier(backend.event_id), text.identifier(backend.timestamp)
    return (
        f"SELECT unnest(list_filter(matched, lambda id: id IS NOT NULL)) AS rule_id, event_id, event_time FROM (\n"
        f"SELECT CAST({event_id} AS VARCHAR) AS event_id, {timestamp} AS event_time, [\n  {cases}\n] AS matched "
        f"FROM {table})"
    )


def correlation(backend: DuckDBBackend, rule: SigmaCorrelationRule, compiled: CompiledCorrelation) -> str:
    """Statement of a correlation over the tables of its rules, whose conditions are converted already."""
    rules = {
        rule_id(base): base for base in rule.flatten_rules(include_correlations=False) if isinstance(base, SigmaRule)
    }
    fields = sorted({field for needed in compiled.needed_fields.values() for field in needed})
    event_id, timestamp = text.identifier(backend.event_id), text.identifier(backend.timestamp)
    branches = []
    tables = set()
    for identity, needed in compiled.needed_fields.items():
        base = rules[identity]
        table = backend.relation(next(iter(base.get_conversion_states()), None))
        tables.add(table)
        columns = [f"{text.literal(identity)} AS rule_id", f"CAST({event_id} AS VARCHAR) AS event_id"]
        columns.append(f"{timestamp} AS event_time")
        columns += [
            f"{backend.text(field) if field in needed else 'CAST(NULL AS VARCHAR)'} AS {text.identifier('f:' + field)}"
            for field in fields
        ]
        predicate = " OR ".join(base.get_conversion_result())
        branches.append(f"SELECT {', '.join(columns)} FROM {table} WHERE {predicate}")
    ends = " UNION ALL ".join(f"SELECT max({timestamp}) AS t FROM {table}" for table in sorted(tables))
    found = "\n  UNION ALL ".join(branches)
    statement = compiled.sql("matches", observed_until=backend.observed_until or f"(SELECT max(t) FROM ({ends}))")
    return f"WITH matches AS MATERIALIZED (\n  {found}\n),\n" + statement.removeprefix("WITH ")
