"""The passes of a scan run: which events match which rules, in temporary tables of the session.

What is asked is `routing`, what matches become is `finding_rows`.
"""

# ruff: noqa: S608 - values stand in SQL as literals of the backend, names are quoted
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
from sigma.backends.duckdb import text

from intelsec_assets.detections.audit import fields as audit_fields
from intelsec_assets.detections.sigma.scan import routing
from intelsec_assets.detections.sigma.scan.firing import EventRule, Prepared, RuleFailure, column
from intelsec_assets.detections.sigma.scan.layouts import Layout
from intelsec_assets.detections.sigma.scan.routing import Pair, Pass

HITS = "sigma_hits"
SLICE = 1_000_000  # events at a time: their candidates with the fields of 570 rules take some 300 MB
MAX_PAIRS = 20_000  # services with operations in one log; AWS has fewer in all


@dataclass
class Matches:
    """Events that match rules: table `sigma_hits` over one table a pass, which has the fields.

    `sigma_hits`: rule and pass as numbers, row = rowid in the pass's table, event_id, event_time.
    """

    con: duckdb.DuckDBPyConnection
    passes: list[Pass] = field(default_factory=list)
    failures: list[RuleFailure] = field(default_factory=list)

    def drop(self) -> None:
        """Give the tables back."""
        for name in (HITS, *(table_of(number) for number in range(len(self.passes)))):
            self.con.execute(f"drop table if exists {name}")


def table_of(number: int) -> str:
    """Name of the table of a pass."""
    return f"sigma_matched_{number}"


def match(
    con: duckdb.DuckDBPyConnection, prepared: Prepared, layout: Layout, since: datetime | None, until: datetime | None
) -> Matches:
    """Ask all event rules about the events of [since, until). A rule that DuckDB cannot evaluate stops no other."""
    found, within = Matches(con), _where(since, until)
    con.execute(
        f"create or replace temp table {HITS} "
        "(rule integer, pass integer, row bigint, event_id varchar, event_time timestamptz)"
    )
    for provider in audit_fields.PROVIDERS:
        rules = [rule for rule in prepared.events if rule.provider == provider]
        if not rules or (provider != audit_fields.AWS and not layout.has_provider):
            continue
        where = f"{within} and {routing.provider_filter(layout, provider)}"
        asked = list(routing.passes(provider, rules, _pairs(con, layout, provider, where), layout))
        for times in _slices(con, layout, where):
            for one in asked:
                _ask(found, one, layout, f"{where} and {times}")
    return found


def _slices(con: duckdb.DuckDBPyConnection, layout: Layout, where: str) -> list[str]:
    """What the events of each slice of time are, so that the candidates of one fit in memory."""
    ((count,),) = con.execute(f"select count(*) from {layout.relation} e where {where}").fetchall()
    cuts = -(-count // SLICE)
    if cuts < 2:
        return ["true"]
    shares = ", ".join(f"{cut / cuts:.6f}" for cut in range(1, cuts))
    ((found,),) = con.execute(
        f"select approx_quantile(epoch_us(event_time), [{shares}]) from {layout.relation} e where {where}"
    ).fetchall()
    edges = [f"make_timestamptz({int(edge)})" for edge in sorted(set(found))]
    lower = [f"e.event_time >= {edge}" for edge in edges]
    upper = [f"e.event_time < {edge}" for edge in edges]
    inner = [f"{low} and {high}" for low, high in zip(lower, upper[1:], strict=False)]
    return [upper[0], *inner, lower[-1]]


def _where(since: datetime | None, until: datetime | None) -> str:
    claims = [f"e.event_time >= {instant(since)}"] if since else []
    claims += [f"e.event_time < {instant(until)}"] if until else []
    return " and ".join(claims) or "true"


def instant(moment: datetime) -> str:
    """A moment as an SQL literal."""
    return f"timestamptz '{moment.isoformat()}'"


def _pairs(con: duckdb.DuckDBPyConnection, layout: Layout, provider: str, where: str) -> dict[Pair, int] | None:
    """Services and operations of the events; None if a log has so many that routing by them is no help."""
    found = con.execute(routing.pairs_statement(layout, provider, where, MAX_PAIRS)).fetchall()
    return None if len(found) == MAX_PAIRS else {(service, name): count for service, name, count in found}


def _ask(found: Matches, asked: Pass, layout: Layout, where: str) -> None:
    """Run a pass; if it fails, its halves, until the rules that fail stand alone."""
    if not asked.rules:
        return
    number = len(found.passes)
    try:
        _evaluate(found.con, asked, layout, where, table_of(number))
    except duckdb.OutOfMemoryException:
        raise  # no rule's fault
    except duckdb.Error as error:
        if len(asked.rules) == 1:
            (rule,) = asked.rules
            reason = f"DuckDB could not evaluate it: {' '.join(str(error).split())[:500]}"
            found.failures.append(RuleFailure(rule.compiled.rule_id, rule.compiled.title, reason))
            return
        middle = len(asked.rules) // 2
        for half in (asked.rules[:middle], asked.rules[middle:]):
            _ask(found, asked.only(half), layout, where)
        return
    found.passes.append(asked)
    _collect(found, number)


def _evaluate(con: duckdb.DuckDBPyConnection, asked: Pass, layout: Layout, where: str, table: str) -> None:
    """Make the table of a pass: its matches with their fields.

    The candidates are laid out bucket by bucket first: conditions over a few rows of every vector cost several times
    as much (570 rules over 1 M events: 11 s of CPU against 4). Numbering keeps DuckDB from asking the conditions before
    it sorts, and from asking them twice.
    """
    laid_out = f"{routing.candidates(asked, layout, where)} order by r.bucket"
    evaluated = f"select *, {routing.evaluation(asked)} as routed from ({laid_out}) r"
    numbered = f"select *, row_number() over () as place from ({evaluated})"
    facts = "".join(f", {sql} as {name}" for name, sql in layout.facts_of_context().items())
    joined = layout.joined_context("c", provider=asked.provider) if facts else ""
    con.execute(
        f"create or replace temp table {table} as select c.* exclude (place){facts} from ({numbered}) c{joined} "
        "where c.place > 0 and (c.opened <> 0 or c.routed <> 0)"
    )


def _collect(found: Matches, number: int) -> None:
    """Take the bits of a pass apart."""
    bits = routing.bits(found.passes[number])
    for bucketed, word, joined in ((True, "routed", "b.bucket = m.bucket and "), (False, "opened", "")):
        rows = ", ".join(
            f"({'null' if bucket is None else bucket}, {place}, {rule})"
            for bucket, place, rule in bits
            if (bucket is not None) is bucketed
        )
        if rows:
            found.con.execute(
                f"insert into {HITS} select b.rule, {number}, m.rowid, m.event_id, m.event_time "
                f"from {table_of(number)} m join (select bucket::integer as bucket, place::integer as place, "
                f"rule::integer as rule from (values {rows}) t(bucket, place, rule)) b "
                f"on {joined}((m.{word} >> b.place) & 1) = 1 where m.{word} <> 0"
            )


def matches_of(
    found: Matches, rules: Sequence[EventRule], names: Sequence[str], since: datetime | None, until: datetime | None
) -> str:
    """SQL of (rule_id, event_id, event_time, "f:<name>"…), one row an event and rule: what correlations count.

    Only events of [since, until); of an event that was read twice one.
    """
    within = f" and h.event_time >= {instant(since)}" if since else ""
    within += f" and h.event_time < {instant(until)}" if until else ""
    parts = []
    for rule in rules:
        for number, asked in enumerate(found.passes):
            if rule.number not in {one.number for one in asked.rules}:
                continue
            found_in = {name: f"m.{column(name)}" if name in rule.needs else "null::varchar" for name in names}
            columns = "".join(f", {sql} as {audit_fields.quoted('f:' + name)}" for name, sql in found_in.items())
            parts.append(
                f"select {text.literal(rule.compiled.rule_id)} as rule_id, h.event_id, h.event_time{columns} "
                f"from {HITS} h join {table_of(number)} m on m.rowid = h.row "
                f"where h.rule = {rule.number} and h.pass = {number}{within} "
                "qualify row_number() over (partition by h.event_id order by h.event_time, h.row) = 1"
            )
    if parts:
        return " union all ".join(parts)
    empty = "".join(f", null::varchar as {audit_fields.quoted('f:' + name)}" for name in names)
    return f"select ''::varchar as rule_id, '' as event_id, null::timestamptz as event_time{empty} where false"
