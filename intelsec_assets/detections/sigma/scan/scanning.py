"""One scan: a set of rules over audit events, days in, findings out.

Rules are made ready by `firing`, asked by `matching`, findings made by `finding_rows`; where events come from is the
caller's to say.
"""

# ruff: noqa: S608 - values stand in SQL as literals of the backend, names are quoted
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

import duckdb
import pyarrow as pa

from intelsec_assets.detections.findings import FLOOD
from intelsec_assets.detections.sigma.rules import RuleSet
from intelsec_assets.detections.sigma.scan.finding_rows import findings
from intelsec_assets.detections.sigma.scan.firing import DEFAULT_FLOOD, Prepared, RuleFailure, prepare
from intelsec_assets.detections.sigma.scan.layouts import CONTEXT_FIELDS, Layout
from intelsec_assets.detections.sigma.scan.matching import HITS, instant, match

Relation = duckdb.DuckDBPyRelation


@dataclass(frozen=True)
class Held:
    """A rule that matched more than it may on a day, and the matches that floods stand for."""

    rule_id: str
    title: str
    day: date
    matches: int


@dataclass(frozen=True)
class ScanResult:
    """What a scan found.

    `findings` has the columns of SIGMA_FINDINGS, in its order. `matches` are events a rule matched, floods included, of
    the days scanned; rules that matched none are in it with 0. `held` are floods. `failures` could not be used or
    evaluated, `warnings` ran although something about them is odd.
    """

    findings: pa.Table
    matches: Mapping[str, int]
    held: tuple[Held, ...]
    failures: tuple[RuleFailure, ...]
    warnings: tuple[RuleFailure, ...]


def scan(
    con: duckdb.DuckDBPyConnection,
    rules: RuleSet | Prepared,
    events: Relation,
    *,
    days: Collection[date] | None = None,
    context: Relation | None = None,
    flood_limit: int = DEFAULT_FLOOD,
) -> ScanResult:
    """Findings of all rules on events of `days` (None: of every day there is).

    `events` has the columns of CLOUD_AUDIT_EVENTS, at least from `Prepared.lookback` before the first day; the
    `context.*` columns of AUDIT_CONTEXT may be among them, or in `context`, one row an event, joined only where
    a rule asks for it. With neither, context is unknown. The same events give the same findings in whatever order they
    come and with whatever other days they are scanned. A rule that cannot be evaluated stops no other.
    """
    names = ("sigma_scan_events", "sigma_scan_context")
    events.create_view(names[0], replace=True)
    if context is not None:
        context.create_view(names[1], replace=True)
    # an id is one event's of a day and provider; a context that does not tell one of them is of one alone
    told = () if context is None else context.columns
    keys = (*(key for key in ("day", "provider") if key in told), "event_id")
    try:
        layout = Layout(
            names[0],
            frozenset(events.columns),
            is_lake=True,
            has_provider=True,
            context=None if context is None else f"select {_quoted([*keys, *CONTEXT_FIELDS])} from {names[1]}",
            context_keys=keys,
        )
        return scan_layout(con, rules, layout, days=days, flood_limit=flood_limit)
    finally:
        for name in names:
            con.execute(f"drop view if exists {name}")


def scan_layout(
    con: duckdb.DuckDBPyConnection,
    rules: RuleSet | Prepared,
    layout: Layout,
    *,
    days: Collection[date] | None = None,
    flood_limit: int = DEFAULT_FLOOD,
) -> ScanResult:
    """The same over a relation in any layout."""
    prepared = rules if isinstance(rules, Prepared) else prepare(rules)
    wanted = None if days is None else sorted(set(days))
    since = until = None
    if wanted:
        since = datetime.combine(wanted[0], time(), UTC) - prepared.lookback
        until = datetime.combine(wanted[-1] + timedelta(days=1), time(), UTC)
    elif wanted is not None:
        since = until = datetime.fromtimestamp(0, UTC)  # no day, no event
    matches = match(con, prepared, layout, since, until)
    try:
        newest = partial(_newest, con, layout)
        found, failures = findings(matches, prepared, wanted, flood_limit=flood_limit, newest_before=newest)
        return ScanResult(
            found,
            _counted(con, prepared, wanted),
            _held(found),
            (*prepared.failures, *matches.failures, *failures),
            prepared.warnings,
        )
    finally:
        matches.drop()


def _newest(con: duckdb.DuckDBPyConnection, layout: Layout, end: datetime) -> datetime | None:
    """When the newest event before `end` was."""
    ((newest,),) = con.execute(
        f"select max(event_time) from {layout.relation} where event_time < {instant(end)}"
    ).fetchall()
    return None if newest is None else newest.astimezone(UTC)


def _counted(con: duckdb.DuckDBPyConnection, prepared: Prepared, days: Collection[date] | None) -> Mapping[str, int]:
    day = "(event_time at time zone 'UTC')::date"
    within = "" if days is None else f"where {day} in (select unnest($days::date[]))"
    rows = con.execute(
        f"select rule, count(distinct (event_id, {day})) from {HITS} {within} group by rule",
        {} if days is None else {"days": list(days)},
    ).fetchall()
    counts = dict(rows)
    return {rule.compiled.rule_id: counts.get(rule.number, 0) for rule in prepared.events}


def _held(found: pa.Table) -> tuple[Held, ...]:
    """Rules with floods, a day each, with the matches of all their floods."""
    floods = found.filter(pa.compute.equal(found.column("kind"), FLOOD))
    columns = (floods.column(name).to_pylist() for name in ("rule_id", "rule_title", "day", "event_count"))
    counts: dict[tuple[str, str, date], int] = {}
    for rule_id, title, day, count in zip(*columns, strict=True):
        counts[rule_id, title, day] = counts.get((rule_id, title, day), 0) + count
    return tuple(Held(*of, count) for of, count in counts.items())


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
