"""Samples of rules run through the engine that runs in production: read like delivered files, matched by DuckDB.

What a sample is belongs to `samples`; how a result is shown to `commands.rules.test`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
from sigma.backends.duckdb import DuckDBBackend
from sigma.backends.duckdb.correlation import CompiledCorrelation
from sigma.backends.duckdb.ruleset import CompiledRuleset, compile_ruleset

from intelsec_assets.detections.audit import fields, framing
from intelsec_assets.detections.audit.typed import Delivery, Part, typed
from intelsec_assets.detections.sigma.rules import Rule, RuleSet
from intelsec_assets.detections.sigma.samples import POSITIVE, Sample, id_of
from intelsec_assets.detections.tables import AUDIT_CONTEXT
from intelsec_assets.engine import sql_text

# what stands where a sample says nothing: the same as where a source of context could not be read
_UNKNOWN = {"context.ticket.state": "unknown", "context.asn.state": "unknown", "context.indicator.state": "unknown"}
_CONTEXT = [column for column in AUDIT_CONTEXT.columns if column.name.startswith(fields.CONTEXT)]
_LATE = datetime(2100, 1, 1, tzinfo=UTC)  # samples may carry any date: none is ahead of its delivery
_ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "DOUBLE": pa.float64()}


@dataclass(frozen=True)
class SampleResult:
    """Whether a sample did what its folder says."""

    rule: str
    sample: str
    description: str
    expected: bool  # whether the rule should fire
    fired: bool
    matched_events: int  # events that match the rule, or a rule that it counts

    @property
    def passed(self) -> bool:
        """Whether it came out as expected."""
        return self.fired == self.expected


def run_samples(con: duckdb.DuckDBPyConnection, rules: RuleSet) -> list[SampleResult]:
    """Every sample of every rule, each by itself, exceptions of the set applied; in the order of the rules."""
    return [result for rule in rules.rules for result in run_rule(con, rules, rule, rule.samples)]


def run_rule(
    con: duckdb.DuckDBPyConnection, rules: RuleSet, rule: Rule, samples: Sequence[Sample]
) -> list[SampleResult]:
    """The samples given, through one rule."""
    land(con, rule, [(sample.events, sample.context) for sample in samples])
    fired, matched = fired_samples(con, compile_rules(rules.only([rule.rule_id])), rule.rule_id)
    return [
        SampleResult(
            rule.name, sample.name, sample.description, sample.kind == POSITIVE, at in fired, matched.get(at, 0)
        )
        for at, sample in enumerate(samples)
    ]


def fired_samples(
    con: duckdb.DuckDBPyConnection, compiled: CompiledRuleset, rule_id: str
) -> tuple[set[int], dict[int, int]]:
    """Numbers of the samples of `sample_events` that the rule fires on; how many events of each match any rule."""
    matches = _matches(con, compiled)
    matched = {sample: 0 for sample, _ in matches}
    for (sample, _), count in matches.items():
        matched[sample] += count
    correlation = next((c for c in compiled.correlations if c.rule_id == rule_id), None)
    if correlation is None:
        return {sample for sample, own in matches if own == rule_id}, matched
    return {sample for sample in matched if bursts(con, correlation, sample)}, matched


def compile_rules(rules: RuleSet) -> CompiledRuleset:
    """The rules compiled for a relation of cloud_audit_events joined with audit_context."""
    return compile_ruleset(rules.collection, DuckDBBackend(field_sql=fields.field_sql, table="sample_events"))


def provider_of(logsource: Mapping[str, str]) -> str:
    """The provider whose logs a rule reads, by Sigma's product."""
    product = logsource.get("product", fields.AWS)
    return product if product in fields.PROVIDERS else fields.AWS


def land(
    con: duckdb.DuckDBPyConnection,
    rule: Rule,
    groups: Iterable[tuple[Sequence[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]],
) -> pa.Table:
    """Make the table `sample_events` of groups of (events, context by event id); the column `sample` numbers them.

    Events are read as lines of a delivered file. ValueError if one of them would not be accepted in production.
    """
    provider = provider_of(rule.logsource)
    parts: list[Part] = []
    told: dict[tuple[str, int], Mapping[str, Any]] = {}
    for number, (events, context) in enumerate(groups):
        lines = "\n".join(json.dumps(event, ensure_ascii=False) for event in events).encode()
        delivery = Delivery("samples", provider, str(number), _LATE)
        parts += [(frame, delivery) for frame in framing.frames([lines + b"\n"])]
        told |= {
            (str(number), record): context.get(id_of(event) or "", {}) for record, event in enumerate(events, start=1)
        }
    read = typed(con, parts)
    if read.odd:
        odd = read.odd[0].odd
        raise ValueError(f"{rule.name}: event {odd.record} would be refused: {odd.reason}: {odd.detail}")
    landed = _with_context(read.table, told)
    con.register("sample_rows", landed)
    con.execute("create or replace temp table sample_events as select * from sample_rows")
    con.unregister("sample_rows")
    return landed


def _with_context(table: pa.Table, told: Mapping[tuple[str, int], Mapping[str, Any]]) -> pa.Table:
    places = list(zip(table.column("file").to_pylist(), table.column("record").to_pylist(), strict=True))
    values = [{**_UNKNOWN, **told[place]} for place in places]
    for column in _CONTEXT:
        cells = pa.array([row.get(column.name) for row in values], _ARROW[column.type])
        table = table.append_column(column.name, cells)
    return table.append_column("sample", pa.array([int(file) for file, _ in places], pa.int64()))


def _matches(con: duckdb.DuckDBPyConnection, compiled: CompiledRuleset) -> dict[tuple[int, str], int]:
    """Matches of the event rules as table `sample_matches`; their number by sample and rule."""
    wanted = sorted({name for c in compiled.correlations for names in c.needed_fields.values() for name in names})
    columns = "".join(f", cast({fields.field_sql(name)} as varchar) as {fields.quoted('f:' + name)}" for name in wanted)
    parts = [
        f"select sample, {sql_text(rule.rule_id)} as rule_id, event_id, event_time{columns} "  # noqa: S608
        f"from sample_events where {rule.condition}"
        for rule in compiled.rules
    ]
    con.execute(f"create or replace temp table sample_matches as {' union all '.join(parts)}")
    counted = con.execute("select sample, rule_id, count(*) from sample_matches group by all").fetchall()
    return {(sample, rule_id): count for sample, rule_id, count in counted}


def bursts(con: duckdb.DuckDBPyConnection, correlation: CompiledCorrelation, sample: int) -> int:
    """How often a correlation fires on a sample's matches."""
    con.execute(
        "create or replace temp table matches_of_sample as select * from sample_matches where sample = ?", [sample]
    )
    return len(con.execute(correlation.sql("matches_of_sample")).fetchall())
