"""Rules asked again about the past through the engine of production: what they fire, and what a filter costs.

Comparing and proposing are `backtest` and `proposals`; which days there are is the caller's to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import yaml

from intelsec_assets.days import days_between
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.quality.applying import filter_document
from intelsec_assets.detections.quality.backtest import Backtest, compare
from intelsec_assets.detections.quality.filter_search import Condition, Fields, fields_of
from intelsec_assets.detections.quality.firings import Fired, Raised, alerts_of, fired
from intelsec_assets.detections.quality.proposals import Case, Proof, Prove
from intelsec_assets.detections.sigma.rules import Rule, RuleSet
from intelsec_assets.detections.sigma.rules_exceptions import RuleException
from intelsec_assets.detections.sigma.samples import POSITIVE
from intelsec_assets.detections.sigma.samples_run import run_rule
from intelsec_assets.detections.sigma.scan.scanning import scan
from intelsec_assets.detections.tables import AUDIT_CONTEXT

Relation = duckdb.DuckDBPyRelation

_CONTEXT = tuple(column.name for column in AUDIT_CONTEXT.columns if column.name.startswith("context."))


@dataclass(frozen=True)
class Past:
    """What is known of a rule from day `first` to `last`: events with their context, its findings, its alerts.

    `events` has the columns of CLOUD_AUDIT_EVENTS and the `context.*` columns of AUDIT_CONTEXT.
    """

    first: date
    last: date
    events: Relation
    stored: tuple[Fired, ...]
    alerts: tuple[Raised, ...]


def backtest(
    con: duckdb.DuckDBPyConnection, rules: RuleSet, rule: Rule, changed: RuleSet | None, past: Past
) -> Backtest:
    """What the rule as it is in `changed` fires beside what it fires as it is in `rules`, over the same past.

    Without `changed`, what the rule fires as it is in `rules` beside the findings that the lake holds of it.
    """
    now = fired_by(con, rules, rule, past)
    present, other = (past.stored, now) if changed is None else (now, fired_by(con, changed, rule, past))
    return compare(rule.rule_id, rule.title, present, other, past.stored, past.alerts, past.first, past.last)


def prover(con: duckdb.DuckDBPyConnection, rules: RuleSet, rule: Rule, past: Past, present: Sequence[Fired]) -> Prove:
    """The engine's answer about a filter on the rule: its positive samples, and the past with and without it."""
    narrowed = _narrowed(rule, past)

    def prove(selections: Sequence[Sequence[Condition]]) -> Proof:
        filtered = with_filter(rules, rule, selections)
        samples = [sample for sample in rule.samples if sample.kind == POSITIVE]
        results = run_rule(con, filtered, rule, samples) if samples else []
        lost = tuple(result.sample for result in results if not result.passed)
        changed = fired_by(con, filtered, rule, narrowed)
        test = compare(rule.rule_id, rule.title, present, changed, past.stored, past.alerts, past.first, past.last)
        return Proof(lost, len(results) - len(lost), test)

    return prove


def with_filter(rules: RuleSet, rule: Rule, selections: Sequence[Sequence[Condition]]) -> RuleSet:
    """The rules with one exception more, as if it were among the files of exceptions."""
    values = {"title": "proposed", **filter_document(rule, selections)}
    references = tuple(values["filter"]["rules"])
    text = yaml.safe_dump(values)
    exception = RuleException("proposed", Path("proposed.yml"), references, "", date.max, date.min, (), text, values)
    return replace(rules, exceptions=(*rules.exceptions, exception))


def cases_of(rule: Rule, past: Past, present: Sequence[Fired]) -> list[Case]:
    """The rule's alerts with the fields of their events, and whether the rule as it is would raise them no more."""
    unchanged = compare(rule.rule_id, rule.title, present, present, past.stored, past.alerts, past.first, past.last)
    covered = {alert.alert_id for alert in unchanged.lost}
    belongs = alerts_of(past.stored, past.alerts)
    ids: dict[str, list[str]] = {alert.alert_id: [] for alert in past.alerts}
    for finding in past.stored:
        if finding.finding_id in belongs:
            ids[belongs[finding.finding_id].alert_id] += finding.event_ids
    events = dict(_events(past.events, chain.from_iterable(ids.values())))
    return [
        Case(
            alert,
            tuple(events[event_id] for event_id in dict.fromkeys(ids[alert.alert_id]) if event_id in events),
            is_covered=alert.alert_id in covered,
        )
        for alert in past.alerts
    ]


def positive_events(rule: Rule) -> list[Fields]:
    """Fields of every event of the rule's positive samples."""
    return [
        fields_of(event, sample.context.get(str(event.get("eventID") or event.get("insertId")), {}))
        for sample in rule.samples
        if sample.kind == POSITIVE
        for event in sample.events
    ]


def _narrowed(rule: Rule, past: Past) -> Past:
    """The past with no more events than a filter can take findings from: those of the findings, unless they count."""
    if rule.is_correlation:
        return past
    ids = sorted({event_id for finding in past.stored for event_id in finding.event_ids})
    return replace(past, events=_chosen(past.events, ids))


def _chosen(events: Relation, ids: Sequence[str]) -> Relation:
    if not ids:
        return events.filter("false")
    return events.filter(duckdb.ColumnExpression("event_id").isin(*map(duckdb.ConstantExpression, ids)))


def _events(events: Relation, ids: Iterable[str]) -> Iterable[tuple[str, Fields]]:
    columns = ", ".join(f'"{name}"' for name in _CONTEXT)
    for event_id, text, *context in _chosen(events, sorted(set(ids))).project(f"event_id, event, {columns}").fetchall():
        event: Any = json.loads(text)
        yield event_id, fields_of(event if isinstance(event, dict) else {}, dict(zip(_CONTEXT, context, strict=True)))


def fired_by(con: duckdb.DuckDBPyConnection, rules: RuleSet, rule: Rule, past: Past) -> list[Fired]:
    """Findings that the rule, as it is in `rules`, makes of the past. RuleError if it cannot be evaluated."""
    found = scan(con, rules.only([rule.rule_id]), past.events, days=days_between(past.first, past.last))
    if found.failures:
        raise RuleError("\n".join(f"{one.title} ({one.rule_id}): {one.reason}" for one in found.failures))
    return fired(con.from_arrow(found.findings), rule.rule_id, past.first, past.last)
