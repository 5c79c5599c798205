"""`intelsec rules explain`: what a rule looks for, and what each part of it says to an event.

The words of a condition are made in `explain_words`; events run through the same reading and SQL as in production.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from sigma.backends.duckdb import DuckDBBackend
from sigma.backends.duckdb.correlation import compile_correlation
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from intelsec_assets.detections.audit import fields, framing
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.sigma.explain_words import ALL, ANY, NOT, Node, condition_trees, correlation_words
from intelsec_assets.detections.sigma.rules import Rule, RuleSet, logsource_of
from intelsec_assets.detections.sigma.samples import SampleProblem, id_of, read_sample
from intelsec_assets.detections.sigma.samples_run import fired_samples, land

MOST_EVENTS = 1_000  # of a file; more is a scan, and `rules run` is the command for it
MAX_BYTES = 20_000_000


@dataclass(frozen=True)
class Part:
    """A rule of single events: the rule itself, or one that a correlation counts."""

    title: str
    rule_id: str
    conditions: tuple[Node, ...]
    provider: str  # whose events it reads

    @property
    def sql(self) -> str:
        """SQL over cloud_audit_events and audit_context that is true where the rule matches."""
        return " OR ".join(f"({node.sql})" if len(self.conditions) > 1 else node.sql for node in self.conditions)


@dataclass(frozen=True)
class Explanation:
    """What a rule looks for: `when` is the sentence of a correlation, None for a rule of single events."""

    rule: Rule
    parts: tuple[Part, ...]
    when: str | None
    sql: str


@dataclass(frozen=True)
class Verdict:
    """What a node says to an event; `seen` is the value of its field there."""

    depth: int
    words: str
    holds: bool
    field: str | None
    seen: str | None


@dataclass(frozen=True)
class EventVerdict:
    """An event against one part of a rule, node by node."""

    event_id: str
    part: str
    matches: bool
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]  # why it does not match; empty if it does


def explain(rules: RuleSet, name: str) -> Explanation:
    """What the rule of that name or id looks for, exceptions of the set included. RulesRefused if there is none."""
    rule = rules.rule(name)
    collection = rules.only([name]).collection
    parts = tuple(
        Part(one.title, str(one.id), condition_trees(one, _backend(one)), _provider(one))
        for one in collection.rules
        if isinstance(one, SigmaRule)
    )
    heads = [one for one in collection.rules if isinstance(one, SigmaCorrelationRule) and str(one.id) == rule.rule_id]
    sql = compile_correlation(heads[0]).sql("matches") if heads else parts[0].sql
    return Explanation(rule, parts, correlation_words(heads[0]) if heads else None, sql)


def _provider(rule: SigmaRule) -> str:
    return fields.provider_of_logsource(logsource_of(rule)) or fields.AWS


def _backend(rule: SigmaRule) -> DuckDBBackend:
    return DuckDBBackend(field_sql=partial(fields.field_sql, provider=_provider(rule)))


def _seen(field: str | None, provider: str) -> str:
    return f"cast({fields.field_sql(field, provider)} as varchar)" if field else "null"


def judge(
    con: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    explanation: Explanation,
    events: list[Mapping[str, Any]],
    context: Mapping[str, Mapping[str, Any]],
) -> tuple[bool, list[EventVerdict]]:
    """Whether the rule fires on the events together, and every event against every part of the rule."""
    rule = explanation.rule
    try:
        land(con, rule, [(events, context)])
    except ValueError as error:
        raise RuleError(str(error)) from error
    fired = fired_samples(con, rules.only([rule.rule_id]), rule.rule_id)
    found: list[EventVerdict] = []
    for part in explanation.parts:
        nodes = [(depth, node) for condition in part.conditions for depth, node in condition.flat()]
        columns = ["event_id"]
        columns += [f"coalesce({node.sql}, false)" for _, node in nodes]
        columns += [_seen(node.field, part.provider) for _, node in nodes]
        query = f"select {', '.join(columns)} from sample_events order by record"  # noqa: S608 - the backend's SQL
        for event_id, *cells in con.execute(query).fetchall():
            holds, seen = cells[: len(nodes)], cells[len(nodes) :]
            verdicts = tuple(
                Verdict(depth, node.words, held, node.field, value)
                for (depth, node), held, value in zip(nodes, holds, seen, strict=True)
            )
            matches = any(v.holds for v in verdicts if v.depth == 0)
            told = {id(node): verdict for (_, node), verdict in zip(nodes, verdicts, strict=True)}
            reasons = () if matches else tuple(r for top in part.conditions for r in _reasons(top, told))
            found.append(EventVerdict(event_id.partition(":")[2], part.title, matches, verdicts, reasons))
    return bool(fired), found


def _reasons(node: Node, told: Mapping[int, Verdict]) -> Iterator[str]:
    """Why a node that does not hold does not, told by the innermost parts that are to blame."""
    children = node.children
    if node.words == ALL:
        for child in children:
            if not told[id(child)].holds:
                yield from _reasons(child, told)
    elif node.words == NOT:
        for child in children:
            yield from _holding(child, told)
    elif node.words == ANY:
        yield f"none of these holds: {'; '.join(child.words for child in children)}"
    else:
        verdict = told[id(node)]
        seen = "is missing" if verdict.seen is None else f"is {verdict.seen[:100]!r}"
        yield f"this does not hold: {node.words}" + (f" ({verdict.field} {seen})" if verdict.field else "")


def _holding(node: Node, told: Mapping[int, Verdict]) -> Iterator[str]:
    """The parts that make a negated node hold."""
    if node.words == ANY:
        for child in node.children:
            if told[id(child)].holds:
                yield from _holding(child, told)
    elif node.words == ALL:
        yield f"this is left out: {' and '.join(child.words for child in node.children)}"
    else:
        yield f"this is left out: {node.words}"


def read_events(path: Path) -> tuple[list[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]:
    """Events of a file with their context: a sample, or what a provider delivers (one event, a list, lines, Records).

    RuleError if it holds none, or more than an explanation is for.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RuleError(f"{path}: larger than {MAX_BYTES:,} bytes; use `intelsec rules run` for whole logs")
        data = path.read_bytes()
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error}") from error
    try:
        if b'"events"' in data and "events" in (whole := json.loads(data)) and "description" in whole:
            sample = read_sample(path, "positive")
            return list(sample.events), sample.context
    except SampleProblem as error:
        raise RuleError(f"{path}: the sample {error}") from error
    except (ValueError, TypeError, RecursionError):
        pass  # not one document: lines, which the framing below tells apart
    events: list[Mapping[str, Any]] = []
    for frame in framing.frames([data]):
        if frame.odd:
            raise RuleError(f"{path}: record {frame.odd[0].record}: {frame.odd[0].detail}")
        events += map(json.loads, frame.events.to_pylist())
    if not events or len(events) > MOST_EVENTS:
        raise RuleError(f"{path}: holds {len(events)} events; expected 1 to {MOST_EVENTS:,}")
    return events, {event_id: {} for event in events if (event_id := id_of(event))}
