"""Samples of rules run through the engine that runs in production: read like delivered files, matched by DuckDB.

What a sample is belongs to `samples`; how a result is shown to `commands.rules.test`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from intelsec_assets.detections.audit import fields, framing
from intelsec_assets.detections.audit.parts import with_parts
from intelsec_assets.detections.audit.typed import Delivery, Part, typed
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.sigma.rules import Rule, RuleSet
from intelsec_assets.detections.sigma.samples import MAX_EVENTS, POSITIVE, Sample, id_of
from intelsec_assets.detections.sigma.scan.scanning import scan
from intelsec_assets.detections.tables import AUDIT_CONTEXT
from intelsec_assets.engine import read_sql

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
    fired = fired_samples(con, rules.only([rule.rule_id]), rule.rule_id)
    return [
        SampleResult(rule.name, sample.name, sample.description, sample.kind == POSITIVE, at in fired)
        for at, sample in enumerate(samples)
    ]


def fired_samples(con: duckdb.DuckDBPyConnection, rules: RuleSet, rule_id: str) -> set[int]:
    """Numbers of the samples of `sample_events` that the rule has a finding of.

    RuleError if the engine cannot use the rule.
    """
    result = scan(con, rules, con.table("sample_events"), flood_limit=MAX_EVENTS * 1_000)
    if result.failures:
        failure = result.failures[0]
        raise RuleError(f"{failure.title}: cannot be evaluated: {failure.reason}")
    columns = (result.findings.column(name).to_pylist() for name in ("rule_id", "event_ids"))
    return {
        int(event_ids[0].partition(":")[0]) for found_by, event_ids in zip(*columns, strict=True) if found_by == rule_id
    }


def land(
    con: duckdb.DuckDBPyConnection,
    rule: Rule,
    groups: Iterable[tuple[Sequence[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]],
) -> None:
    """Make the table `sample_events` of groups of (events, context by event id).

    Events are read as lines of a delivered file. One scan serves all groups: event ids begin with the group's number
    and a colon, and each group is moved so far in time that no window reaches from one to the next. ValueError if an
    event would not be accepted in production.
    """
    provider = fields.provider_of_logsource(rule.logsource) or fields.AWS
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
    con.register("sample_landed", landed)
    with_parts(con.table("sample_landed")).create_view("sample_rows")
    con.execute(read_sql(__package__, "sample_events"), {"window": rule.window or timedelta(0)})
    con.execute("drop view sample_rows")
    con.unregister("sample_landed")


def _with_context(table: pa.Table, told: Mapping[tuple[str, int], Mapping[str, Any]]) -> pa.Table:
    places = list(zip(table.column("file").to_pylist(), table.column("record").to_pylist(), strict=True))
    values = [{**_UNKNOWN, **told[place]} for place in places]
    for column in _CONTEXT:
        cells = pa.array([row.get(column.name) for row in values], _ARROW[column.type])
        table = table.append_column(column.name, cells)
    return table.append_column("sample", pa.array([int(file) for file, _ in places], pa.int64()))
