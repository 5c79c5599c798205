"""Matches become findings: evidence, group, entity, key, certainty, and one finding in place of a flood.

Which events match is `matching`; a finding's columns are SIGMA_FINDINGS.
"""

# ruff: noqa: S608 - values stand in SQL as literals of the backend, names are quoted
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import duckdb
import pyarrow as pa
from sigma.backends.duckdb import text

from intelsec_assets.detections.findings import FINDING_NAMESPACE
from intelsec_assets.detections.sigma.scan.firing import (
    CorrelationRule,
    EventRule,
    Firing,
    Prepared,
    RuleFailure,
    column,
)
from intelsec_assets.detections.sigma.scan.layouts import FACTS, UNKNOWN
from intelsec_assets.detections.sigma.scan.matching import Matches, instant, matches_of, table_of
from intelsec_assets.detections.tables import SIGMA_FINDINGS
from intelsec_assets.engine import read_sql

PACKAGE = "intelsec_assets.detections.sigma.scan"
NewestBefore = Callable[[datetime], datetime | None]
_TABLES = (
    "days",
    "firings",
    "once",
    "crowd",
    "scoped",
    "floods",
    "kept",
    "shown",
    "drafts",
    "bursts",
    "burst_events",
    "correlated",
)

# parts of a key, after its rule: neither a separator in a value nor a value that is not there is any other value
_PART = "'|' || coalesce(replace(replace({value}, '\\', '\\\\'), '|', '\\|'), '\\0')"
_KEY = (
    "case when len(dedup) > 0 then array_to_string(list_transform(dedup, lambda name: "
    + _PART.format(value='coalesce("values"[name], "group"[name])')
    + "), '') else "
    + _PART.format(value='coalesce("values"[entity_field], "group"[entity_field], usual_entity)')
    + " end"
)

_FIRINGS = pa.schema(
    [
        ("rule", pa.int32()),
        *((name, pa.string()) for name in ("rule_id", "title", "digest", "level", "mode", "runbook", "entity_field")),
        *((name, pa.list_(pa.string())) for name in ("attack", "dedup", "evidence", "states", "group_by")),
        ("suppression_seconds", pa.int64()),
        ("noise_budget", pa.float64()),
        ("flood_limit", pa.int64()),
    ]
)


def findings(
    matches: Matches,
    prepared: Prepared,
    days: Sequence[date] | None,
    *,
    flood_limit: int,
    newest_before: NewestBefore,
) -> tuple[pa.Table, list[RuleFailure]]:
    """Findings whose last event is of `days` (None: of any day) in the columns of SIGMA_FINDINGS, in its order.

    Also the correlations that DuckDB could not evaluate. `newest_before` tells when the newest event before
    an instant was: to then what happened is known.
    """
    con = matches.con
    try:
        _load(con, prepared, days, flood_limit)
        con.execute(read_sql(PACKAGE, "once"))
        _tell_crowd(matches)
        con.execute(read_sql(PACKAGE, "kept_hits"))
        _draft_events(matches)
        failures = _correlate(matches, prepared, days, newest_before)
        con.execute(read_sql(PACKAGE, "flood_drafts"))
        if prepared.correlations:
            con.execute(read_sql(PACKAGE, "burst_drafts"))
        columns = ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in SIGMA_FINDINGS.columns)
        found = con.sql(
            f"select {columns} from ({read_sql(PACKAGE, 'findings').format(key=_KEY)})",
            params={"namespace": FINDING_NAMESPACE.hex},
        )
        return found.to_arrow_table(), failures
    finally:
        for name in _TABLES:
            con.execute(f"drop table if exists sigma_{name}")


def _load(con: duckdb.DuckDBPyConnection, prepared: Prepared, days: Sequence[date] | None, flood_limit: int) -> None:
    rows = [
        _row(rule.number, rule.firing, rule.shows, rule.looks_at, (), flood_limit)
        for rule in prepared.events
        if rule.firing is not None
    ]
    for correlation in prepared.correlations:
        groups = correlation.compiled.group_by
        rows.append(
            _row(correlation.number, correlation.firing, correlation.shows, correlation.looks_at, groups, flood_limit)
        )
    con.register("sigma_firing_rows", pa.Table.from_pylist(rows, schema=_FIRINGS))
    con.execute("create or replace temp table sigma_firings as select * from sigma_firing_rows")
    con.unregister("sigma_firing_rows")
    con.execute("create or replace temp table sigma_days as select unnest($days::date[]) as day", {"days": days or []})


def _row(
    number: int,
    firing: Firing,
    shows: Sequence[str],
    states: Sequence[str],
    groups: Sequence[str],
    flood_limit: int,
) -> Mapping[str, object]:
    return {
        "rule": number,
        "rule_id": firing.rule_id,
        "title": firing.title,
        "digest": firing.digest,
        "level": firing.level,
        "mode": firing.mode,
        "runbook": firing.runbook,
        "entity_field": firing.entity or "",
        "attack": list(firing.attack),
        "dedup": list(firing.dedup),
        "evidence": list(shows),
        "states": list(states),
        "group_by": list(groups),
        "suppression_seconds": firing.suppression_seconds,
        "noise_budget": firing.noise_budget,
        "flood_limit": firing.flood_limit(flood_limit),
    }


_NO_VALUES = "map([]::varchar[], []::varchar[])"
_FACTS = ", ".join(f"m.{name}" for name in FACTS)


def _values(needs: Sequence[str]) -> str:
    """A map of fields of a pass's row."""
    names = ", ".join(text.literal(name) for name in needs)
    return f"map([{names}]::varchar[], [{', '.join(f'm.{column(name)}' for name in needs)}]::varchar[])"


def _values_by_rule(rules: Sequence[EventRule]) -> str:
    """A map of the fields that findings of a row's rule tell: one of all fields of a pass takes five times as long."""
    return _by_rule(rules, lambda rule: rule.told, _values, otherwise=_NO_VALUES)


def _is_unknown(rules: Sequence[EventRule]) -> str:
    """Whether a kind of context is unknown that the condition of a row's rule looks at."""
    return _by_rule(
        rules,
        lambda rule: rule.looks_at,
        lambda states: (
            " or ".join(f"m.{column(state)} is not distinct from '{UNKNOWN}'" for state in states) or "false"
        ),
        otherwise="false",
    )


def _by_rule(
    rules: Sequence[EventRule],
    names_of: Callable[[EventRule], tuple[str, ...]],
    sql: Callable[[Sequence[str]], str],
    *,
    otherwise: str,
) -> str:
    """SQL over fields that are others for each rule that fires."""
    of: dict[tuple[str, ...], list[int]] = {}
    for rule in rules:
        if rule.firing is not None:
            of.setdefault(names_of(rule), []).append(rule.number)
    branches = " ".join(
        f"when k.rule in ({', '.join(map(str, numbers))}) then {sql(names)}" for names, numbers in of.items()
    )
    return f"case {branches} else {otherwise} end" if branches else otherwise


def _tell_crowd(matches: Matches) -> None:
    """Whom the matches are about of rules that have more on a day than they may, and the indicators of their events."""
    con = matches.con
    crowded = con.execute("select distinct pass, rule from sigma_once where is_crowded").fetchall()
    for number, asked in enumerate(matches.passes):
        there = {rule for at, rule in crowded if at == number}
        firings = [rule.firing for rule in asked.rules if rule.number in there and rule.firing is not None]
        names = sorted({name for one in firings for name in (*one.dedup, one.entity) if name})
        if firings:
            con.execute(
                f"insert into sigma_crowd select rule, pass, row, {_KEY}, indicator_id, indicator_score from ("
                f'select o.rule, o.pass, o.row, f.dedup, f.entity_field, {_values(names)} as "values", '
                f'{_NO_VALUES} as "group", {_FACTS} from sigma_once o join sigma_firings f '
                f"using (rule) join {table_of(number)} m on m.rowid = o.row "
                f"where o.is_crowded and o.pass = {number})"
            )


def _draft_events(matches: Matches) -> None:
    """Findings of single events, and what floods tell of the events they name: of the first one its fields."""
    for number, asked in enumerate(matches.passes):
        told, is_unknown = _values_by_rule(asked.rules), _is_unknown(asked.rules)
        kept = f"from sigma_kept k join {table_of(number)} m on m.rowid = k.row where k.pass = {number}"
        matches.con.execute(
            f"insert into sigma_drafts select k.rule, k.day, 'event', '', m.event_id || ' ' || k.day, {_NO_VALUES}, "
            "m.event_time, m.event_time, [m.event_id], 1, "
            "m.account, m.region, m.source_address, m.resource, m.usual_entity, "
            "case when m.indicator_id is null then [] else [m.indicator_id] end, m.indicator_score, null, "
            f"{told}, {is_unknown}, false {kept} and not k.is_flood"
        )
        matches.con.execute(
            "insert into sigma_shown select k.rule, k.day, k.is_whole, k.scope, k.place, m.event_id, m.usual_entity, "
            f"{is_unknown}, case when k.place = 1 then {told} end {kept} and k.is_flood"
        )


def _correlate(
    matches: Matches, prepared: Prepared, days: Sequence[date] | None, newest_before: NewestBefore
) -> list[RuleFailure]:
    """Bursts of every correlation and day as drafts.

    A day's bursts are told from the events from its look-back to its end, so it does not matter with which other days
    it is scanned.
    """
    con, failures = matches.con, []
    con.execute(read_sql(PACKAGE, "bursts"))
    counts = _counts(matches)
    for correlation in prepared.correlations:
        rules = [prepared.by_id[rule_id] for rule_id in correlation.compiled.referenced]
        try:
            for day in sorted({day for rule in rules for day in counts.get(rule.number, {})}):
                if (days is None or day in days) and _can_burst(correlation, rules, day, counts):
                    _burst(matches, correlation, rules, day, newest_before)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            reason = f"DuckDB could not evaluate it: {' '.join(str(error).split())[:500]}"
            failures.append(RuleFailure(correlation.compiled.rule_id, correlation.compiled.title, reason))
            con.execute(f"delete from sigma_bursts where rule = {correlation.number}")
    _burst_events(matches, prepared)
    return failures


def _counts(matches: Matches) -> Mapping[int, Mapping[date, int]]:
    """Matches of each rule by day."""
    counts: dict[int, dict[date, int]] = {}
    found = matches.con.execute(
        "select rule, (event_time at time zone 'UTC')::date, count(*) from sigma_hits group by all"
    ).fetchall()
    for rule, day, count in found:
        counts.setdefault(rule, {})[day] = count
    return counts


def _can_burst(
    correlation: CorrelationRule, rules: Sequence[EventRule], day: date, counts: Mapping[int, Mapping[date, int]]
) -> bool:
    """Whether the rules match often enough from the look-back of a day to its end: most days they do not."""
    first = day - timedelta(days=-(-correlation.compiled.lookback_seconds // 86_400))
    of_rules = {
        rule.compiled.rule_id: sum(n for at, n in counts.get(rule.number, {}).items() if first <= at <= day)
        for rule in rules
    }
    return correlation.compiled.can_burst(of_rules)


def _burst(
    matches: Matches,
    correlation: CorrelationRule,
    rules: Sequence[EventRule],
    day: date,
    newest_before: NewestBefore,
) -> None:
    start = datetime.combine(day, time(), UTC)
    since = start - timedelta(seconds=correlation.compiled.lookback_seconds)
    end = start + timedelta(days=1)
    names = sorted({name for needed in correlation.compiled.needed_fields.values() for name in needed})
    matches.con.execute(
        f"create or replace temp table sigma_correlated as {matches_of(matches, rules, names, since, end)}"
    )
    # what may not come is only judged where later events show that it did not
    observed = instant((newest_before(end) if correlation.must_stay_empty else None) or end)
    matches.con.execute(
        f"insert into sigma_bursts select (select count(*) from sigma_bursts) + row_number() over "
        f"(order by first_time, last_time, group_values), {correlation.number}, date '{day}', group_values, "
        f"first_time, last_time, event_ids, event_count, value "
        f"from ({correlation.compiled.sql('sigma_correlated', observed_until=observed)}) "
        f"where last_time >= {instant(start)}"
    )


def _burst_events(matches: Matches, prepared: Prepared) -> None:
    """Fields and facts of the events that the bursts name, from the passes of the rules that they count."""
    con = matches.con
    for correlation in prepared.correlations:
        counted = {prepared.by_id[rule_id].number for rule_id in correlation.compiled.referenced}
        told, lookback = {*correlation.shows, *correlation.looks_at}, correlation.compiled.lookback_seconds
        for number, asked in enumerate(matches.passes):
            there = sorted(counted & {rule.number for rule in asked.rules})
            if there:
                con.execute(
                    f"insert into sigma_burst_events select u.burst, {number}, m.event_id, "
                    f"m.event_time, {_FACTS}, {_values([name for name in asked.needs if name in told])} "
                    "from (select burst, day, unnest(event_ids) as event_id from sigma_bursts "
                    f"where rule = {correlation.number}) u "
                    f"join sigma_hits h using (event_id) join {table_of(number)} m on m.rowid = h.row "
                    f"where h.pass = {number} and h.rule in ({', '.join(map(str, there))}) "
                    # of an id that is there twice the event that was counted
                    f"and h.event_time >= u.day::timestamp at time zone 'UTC' - to_seconds({lookback}) "
                    "and h.event_time < (u.day + 1)::timestamp at time zone 'UTC' "
                    "qualify row_number() over (partition by burst, h.rule, event_id order by h.event_time, h.row) = 1"
                )
