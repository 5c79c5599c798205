"""Everything the lake knows about one value on one day, gathered into a value that reads as an answer to "why?".

How it is put into words is `explanation_text`; scores, decisions and hits are not computed here but read as they were
written, so that what is explained is what was exported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import duckdb

from intelsec_assets.detections.quality.verdicts import standing_verdicts
from intelsec_assets.indicators.canonical import Canonical, canonical

Row = Mapping[str, Any]  # a row of a lake table, columns as in `tables`
Tables = Mapping[str, duckdb.DuckDBPyRelation]

MAX_LINES = 20  # of each kind of evidence; the total is given beside it

# shortest text that is looked for inside quarantined rows; less would find half of them
_MIN_NEEDLE = 4


@dataclass(frozen=True)
class Source:
    """A feed behind the indicator; `copy_of` names feeds whose rows hold this one's, so that it adds no corroboration.

    `counts` is False once its last listing is older than the corroboration window.
    """

    feed: str
    first_listed: date
    last_listed: date
    last_seen: datetime | None
    observations: int
    counts: bool
    copy_of: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """Something that is another than the day before; numbers or text."""

    what: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Explanation:
    """The answer. `state` says which parts there are:

    - live: an indicator of the day, all parts; `decision` and `contributions` come from its score
    - left: it was live the day before, or is still in the export plan, and no feed lists it now
    - rejected: feeds had it in rows that could not be used (`rejections`)
    - never_seen: a valid indicator that is in no table of these days
    - invalid: no indicator at all, and in no quarantined row either; `detail` says why

    `verdicts` are people's judgements of alerts that the indicator matched in, newest first; `outcome` counts those
    behind the hit rate (true_positives, false_positives) and those that say nothing of the indicator (neither), None
    without any. `changes` is None when there is no day before to compare with.
    """

    asked: str
    day: date
    state: str
    indicator_type: str | None
    value: str | None
    rules: tuple[str, ...]
    detail: str | None
    indicator: Row | None
    score: Row | None
    hits: tuple[Row, ...]
    sources: tuple[Source, ...]
    lines: tuple[Row, ...]
    lines_total: int
    plan: Row | None
    rejections: tuple[Row, ...]
    rejections_total: int
    related: tuple[Row, ...]
    related_total: int
    verdicts: tuple[Row, ...]
    verdicts_total: int
    outcome: Row | None
    changes: tuple[Change, ...] | None

    @property
    def contributions(self) -> dict[str, float]:
        """Points each component adds to the score; empty without one."""
        return (
            {} if self.score is None else {name: float(points) for name, points in self.score["contributions"].items()}
        )

    def to_json(self) -> str:
        """The same for machines: keys as here, instants in ISO 8601, keys in a fixed order."""
        return json.dumps(_plain(asdict(self)), indent=2, ensure_ascii=False)


def explain(
    con: duckdb.DuckDBPyConnection,
    value: str,
    day: date,
    tables: Tables,
    previous: Tables | None = None,
    *,
    declared_type: str | None = None,
) -> Explanation:
    """What the day's tables say about a value as somebody typed it, defanged or not.

    `tables` maps names of lake tables to relations of `con`: indicators, indicator_scores, warninglist_hits,
    feed_overlaps, export_plan of the day; observations and rejected_observations of as many days as should be looked
    through; alert_dispositions of all days until then. `previous` has the first, second and fifth of the day before. A
    table that is not there leaves its part empty. `declared_type` is the indicator type, for values that could be
    several.
    """
    # a lone surrogate, as the shell makes of bytes that are no UTF-8, is no text to a database
    value = value.encode("utf-8", "backslashreplace").decode("utf-8")
    form = canonical(value, declared_type)
    look = _Lookup(con, tables, previous, form)
    indicator, before = look.row("indicators"), look.row("indicators", previous=True)
    score, plan = look.row("indicator_scores"), look.row("export_plan")
    lines, lines_total = look.lines()
    rejections, rejections_total = look.rejections(value, exact=indicator is not None)
    related, related_total = look.related()
    verdicts, verdicts_total, outcome = look.verdicts(indicator, day)
    return Explanation(
        asked=value,
        day=day,
        state=_state(form, indicator, before or plan, lines_total, rejections_total),
        indicator_type=form.indicator_type,
        value=form.value,
        rules=form.rules,
        detail=form.detail,
        indicator=indicator,
        score=score,
        hits=look.hits(indicator),
        sources=look.sources(indicator),
        lines=lines,
        lines_total=lines_total,
        plan=plan,
        rejections=rejections,
        rejections_total=rejections_total,
        related=related,
        related_total=related_total,
        verdicts=verdicts,
        verdicts_total=verdicts_total,
        outcome=outcome,
        changes=None
        if previous is None
        else _changes((before, indicator), look.pair("indicator_scores"), look.pair("export_plan")),
    )


def _state(form: Canonical, indicator: Row | None, remembered: Row | None, lines: int, rejections: int) -> str:
    if indicator is not None:
        return "live"
    if remembered is not None or lines:
        return "left"
    if rejections:
        return "rejected"
    return "never_seen" if form.error is None else "invalid"


class _Lookup:
    """The queries, against views named after the tables; parts whose table is missing are empty."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, tables: Tables, previous: Tables | None, form: Canonical
    ) -> None:
        self._con = con
        self._form = form
        self._known = {f"explain_{name}": relation for name, relation in tables.items()}
        self._known |= {f"explain_previous_{name}": relation for name, relation in (previous or {}).items()}
        for name, relation in self._known.items():
            relation.create_view(name, replace=True)

    def _rows(self, table: str, query: str, **parameters: object) -> list[Row]:
        if f"explain_{table}" not in self._known:
            return []
        result = self._con.sql(query, params=parameters)
        return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]

    def row(self, table: str, *, previous: bool = False) -> Row | None:
        """The row of the indicator, by its key."""
        name = f"previous_{table}" if previous else table
        query = f"select * from explain_{name} where indicator_type = $kind and value = $value"  # noqa: S608 - own names
        rows = self._rows(name, query, kind=self._form.indicator_type, value=self._form.value)
        return rows[0] if rows else None

    def pair(self, table: str) -> tuple[Row | None, Row | None]:
        """The rows of the day before and of the day."""
        return self.row(table, previous=True), self.row(table)

    def hits(self, indicator: Row | None) -> tuple[Row, ...]:
        if indicator is None:
            return ()
        query = "select list, policy, entry from explain_warninglist_hits where indicator_id = $id order by list"
        return tuple(self._rows("warninglist_hits", query, id=indicator["indicator_id"]))

    def lines(self) -> tuple[tuple[Row, ...], int]:
        query = """
            select day, feed, file, line, raw_value, canon_rules, tags, campaign, malware_family, threat_type,
                first_seen, last_seen, snapshot_sha256, count(*) over () as total
            from explain_observations where indicator_type = $kind and value = $value
            order by day desc, feed, file, line limit $most
        """
        form = self._form
        return _counted(self._rows("observations", query, kind=form.indicator_type, value=form.value, most=MAX_LINES))

    def rejections(self, asked: str, *, exact: bool) -> tuple[tuple[Row, ...], int]:
        """Quarantined rows that are the value, or hold it somewhere unless `exact`."""
        needles = [text for text in dict.fromkeys((asked, asked.strip(), self._form.value)) if text]
        query = """
            select day, feed, file, line, raw_value, reason, detail, count(*) over () as total
            from explain_rejected_observations
            where list_contains($needles::varchar[], raw_value)
               or (not $exact and list_bool_or(
                   [contains(raw_value, needle) for needle in $needles::varchar[] if length(needle) >= $least]
               ))
            order by list_contains($needles::varchar[], raw_value) desc, day desc, feed, file, line limit $most
        """
        found = self._rows(
            "rejected_observations", query, needles=needles, exact=exact, least=_MIN_NEEDLE, most=MAX_LINES
        )
        return _counted(found)

    def related(self) -> tuple[tuple[Row, ...], int]:
        """Live indicators on the same host: what is below a name or address, and the host of a URL or e-mail."""
        query = """
            select indicator_type, value, count(*) over () as total
            from explain_indicators
            where (host = $value or registered_domain = $value or value = $host) and value <> $value
            order by indicator_type, value limit $most
        """
        form = self._form
        if form.value is None:
            return (), 0
        return _counted(self._rows("indicators", query, value=form.value, host=form.host, most=MAX_LINES))

    def verdicts(self, indicator: Row | None, day: date) -> tuple[tuple[Row, ...], int, Row | None]:
        """Verdicts that stand at the end of the day, newest first; how many; and what they come to."""
        given = self._known.get("explain_alert_dispositions")
        if indicator is None or given is None:
            return (), 0, None
        standing_verdicts(self._con, given, day).create_view("explain_standing_verdicts", replace=True)
        query = """
            select "at", verdict, alert_id, rule_id, actor, reason, count(*) over () as total,
                count(*) filter (where verdict = 'true_positive') over () as true_positives,
                count(*) filter (where verdict = 'false_positive') over () as false_positives
            from explain_standing_verdicts where list_contains(indicator_ids, $id::varchar)
            order by "at" desc, alert_id limit $most
        """
        rows = self._rows("alert_dispositions", query, id=str(indicator["indicator_id"]), most=MAX_LINES)
        if not rows:
            return (), 0, None
        said = {name: int(rows[0][name]) for name in ("true_positives", "false_positives")}
        found, total = _counted([{name: cell for name, cell in row.items() if name not in said} for row in rows])
        return found, total, {**said, "neither": total - sum(said.values())}

    def sources(self, indicator: Row | None) -> tuple[Source, ...]:
        if indicator is None:
            return ()
        copies = self._copies([record["feed"] for record in indicator["source_records"]])
        return tuple(
            Source(**record, counts=record["feed"] in indicator["sources"], copy_of=copies.get(record["feed"], ()))
            for record in indicator["source_records"]
        )

    def _copies(self, feeds: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Of a pair the copy is the feed held by the other more than it holds it; of equals the later by name."""
        query = """
            select a.feed, list(a.other order by a.other) as copied
            from explain_feed_overlaps as a
            join explain_feed_overlaps as b on b.feed = a.other and b.other = a.feed
            where a.is_copy and list_contains($feeds::varchar[], a.feed) and list_contains($feeds::varchar[], a.other)
              and (a.containment > b.containment or (a.containment = b.containment and a.feed > a.other))
            group by a.feed
        """
        return {row["feed"]: tuple(row["copied"]) for row in self._rows("feed_overlaps", query, feeds=list(feeds))}


def _counted(rows: list[Row]) -> tuple[tuple[Row, ...], int]:
    """Rows without their column `total`, and that total."""
    total = int(rows[0]["total"]) if rows else 0
    return tuple({name: cell for name, cell in row.items() if name != "total"} for row in rows), total


Pair = tuple[Row | None, Row | None]


def _changes(indicators: Pair, scores: Pair, plans: Pair) -> tuple[Change, ...]:
    """What is another than the day before, most important first: being there, decision, score, sources, export."""
    before, after = indicators
    found = [Change("live", before is not None, after is not None)]
    found += [Change(name, *_cells(scores, name)) for name in ("decision", "reason", "score", "warninglist", "sandbox")]
    old, new = ({} if row is None else row["contributions"] for row in scores)
    if old and new:  # without one of the two every component would be a change
        found += [Change(f"contribution {name}", old.get(name), new[name]) for name in new]
    found += [Change(name, *_cells(indicators, name)) for name in ("sources", "independent_sources", "tlp")]
    found += [
        Change(f"export {name}", *_cells(plans, name)) for name in ("state", "event", "score_band", "content_hash")
    ]
    return tuple(change for change in found if not _same(change.before, change.after))


def _cells(pair: Pair, name: str) -> tuple[Any, Any]:
    before, after = pair
    return (None if before is None else before[name]), (None if after is None else after[name])


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        return abs(before - after) < 1e-9  # recency of two days differs by far more; sums differ by rounding
    return bool(before == after)


def _plain(value: object) -> object:
    """JSON values: instants and days as ISO 8601, ids as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
