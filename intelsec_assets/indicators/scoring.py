"""What an indicator is worth as of an instant, why, and whether it leaves the house: the model applied to the state.

`score_one` and `decide` are the reference for one indicator, `score` does the same for all of them in SQL; the numbers
are in `models`, which list an indicator is on is found by `warninglists`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import duckdb

from intelsec_assets.engine import read_sql, sql_text
from intelsec_assets.feeds.catalogue import TLP_LEVELS, TRUST_WEIGHTS, ExportPolicy
from intelsec_assets.indicators.copies import live_source_sets
from intelsec_assets.indicators.models import POLICIES, ScoringModel
from intelsec_assets.ordered import Amended
from intelsec_assets.tables import INDICATOR_SCORES

Trust = Mapping[str, tuple[str, float]]

# Sums of seven doubles differ in the last bits by how they are added up: 0.6 reached by 0.1 + 0.2 + 0.3 is reached
TOLERANCE = 1e-9

# A feed that was taken out of the catalogue still stands behind what it listed, but can no longer be judged
UNKNOWN_FEED = ("F", TRUST_WEIGHTS["F"])

_PACKAGE = "intelsec_assets.indicators"
_MICROSECONDS_A_DAY = 86_400_000_000
_USED = ("indicator_id", "indicator_type", "value", "last_seen", "independent_sources", "tlp")

# scores may be computed twice on one session, before the first result is read
_runs = count(1)


@dataclass(frozen=True)
class Contributions:
    """Points that each component adds; they sum to the score."""

    source_trust: float
    recency: float
    hit_rate: float
    cooccurrence: float
    sandbox: float
    warninglist: float
    clamp: float


@dataclass(frozen=True)
class Score:
    """Components as ratios 0 to 1, the points they add, and the score, 0 to 1."""

    source_trust: float
    recency: float
    hit_rate: float
    cooccurrence: float
    score: float
    contributions: Contributions


@dataclass(frozen=True)
class Hit:
    """The strictest list an indicator is on."""

    policy: str
    list: str
    entry: str


@dataclass(frozen=True)
class Decision:
    """What becomes of an indicator: export, hold or suppress, and why, in words."""

    decision: str
    reason: str


def source_trust(sources: Iterable[str], trust: Trust) -> float:
    """Highest trust among the sources, ratio 0 to 1; 0 without any. A feed that `trust` lacks cannot be judged: 0.5."""
    return max((trust.get(feed, UNKNOWN_FEED)[1] for feed in sources), default=0.0)


def score_one(
    model: ScoringModel,
    *,
    indicator_type: str,
    source_trust: float,
    last_seen: datetime,
    as_of: datetime,
    independent_sources: int,
    policy: str | None = None,
    sandbox: str = "unknown",
    true_positives: int = 0,
    dispositioned: int = 0,
) -> Score:
    """Score of one indicator: weighted components, plus sandbox and warninglist points, clamped to 0 to 1.

    `policy` is the strictest one of the lists it is on; `sandbox` is malicious, benign or unknown. A sighting after
    `as_of` counts as one at `as_of`.
    """
    age = max(as_of - last_seen, timedelta(0)) / timedelta(days=1)
    recency = 0.5 ** (age / model.half_life(indicator_type))
    prior_true, prior_false = model.hit_rate_prior
    hit_rate = (true_positives + prior_true) / (dispositioned + prior_true + prior_false)
    cooccurrence = 0.0 if policy in model.no_cooccurrence else 1.0 - 0.5 ** (max(independent_sources, 1) - 1)
    weights = model.weights
    points = (
        weights.source_trust * source_trust,
        weights.recency * recency,
        weights.hit_rate * hit_rate,
        weights.cooccurrence * cooccurrence,
        model.sandbox_points[sandbox],
        0.0 if policy is None else model.warninglist_points[policy],
    )
    total = 0.0
    for point in points:
        total += point
    score = max(0.0, min(1.0, total))
    return Score(source_trust, recency, hit_rate, cooccurrence, score, Contributions(*points, clamp=score - total))


def decide(
    model: ScoringModel,
    export: ExportPolicy,
    *,
    score: float,
    indicator_type: str,
    tlp: str | None,
    hit: Hit | None,
    value: str = "",
) -> Decision:
    """Suppress what is ours or blocked; hold what is of another type, too confidential, wide or low; else export.

    `value` is asked for the prefix length of a network; one without it is held. So is a TLP that nobody knows.
    """
    if hit is not None and hit.policy == "protect":
        return Decision("suppress", f"protected: entry {hit.entry} of list {hit.list}")
    if hit is not None and hit.policy == "block":
        return Decision("suppress", f"blocked by entry {hit.entry} of list {hit.list}")
    against = []
    if indicator_type not in export.types:
        against.append(f"type {indicator_type} is not exported")
    if tlp not in TLP_LEVELS or TLP_LEVELS.index(tlp) > TLP_LEVELS.index(export.max_tlp):
        against.append(f"TLP {tlp or 'unknown'} is above {export.max_tlp}")
    if indicator_type == "cidr":
        length, widest = value.partition("/")[2], export.widest_ipv6 if ":" in value else export.widest_ipv4
        if not length.isdigit() or int(length) < widest:
            against.append(f"network /{length} is wider than /{widest}")
    if score < export.threshold - TOLERANCE:
        penalty = 0.0 if hit is None else model.warninglist_points[hit.policy]
        because = (
            f", {penalty:.2f} of it by entry {hit.entry} of list {hit.list}" if hit is not None and penalty < 0 else ""
        )
        against.append(f"score {_shown(score)} is below {export.threshold:g}{because}")
    if against:
        return Decision("hold", "; ".join(against))
    return Decision(
        "export", f"score {_shown(score)} reaches {export.threshold:g}; TLP {tlp} is within {export.max_tlp}"
    )


def score(
    con: duckdb.DuckDBPyConnection,
    indicators: duckdb.DuckDBPyRelation,
    warninglist_hits: duckdb.DuckDBPyRelation | None,
    model: ScoringModel,
    trust: Trust,
    export: ExportPolicy,
    as_of: datetime,
    sandbox: duckdb.DuckDBPyRelation | None = None,
    outcomes: duckdb.DuckDBPyRelation | None = None,
) -> duckdb.DuckDBPyRelation:
    """INDICATOR_SCORES of the live indicators, in no order: `scores` as a plain relation."""
    return scores(con, indicators, warninglist_hits, model, trust, export, as_of, sandbox, outcomes).relation()


def scores(
    con: duckdb.DuckDBPyConnection,
    indicators: duckdb.DuckDBPyRelation,
    warninglist_hits: duckdb.DuckDBPyRelation | None,
    model: ScoringModel,
    trust: Trust,
    export: ExportPolicy,
    as_of: datetime,
    sandbox: duckdb.DuckDBPyRelation | None = None,
    outcomes: duckdb.DuckDBPyRelation | None = None,
) -> Amended:
    """INDICATOR_SCORES of the live indicators: those without further evidence in their order, amended by those with.

    Each row equals `score_one` and `decide` of its indicator. `trust` gives grade and weight (0 to 1) of each feed.
    `sandbox` (indicator_id, verdict) and `outcomes` (indicator_id, true_positives, dispositioned) hold one row an
    indicator at most; `warninglist_hits` has the columns of WARNINGLIST_HITS.
    """
    run = next(_runs)
    live = f"score_live_{run}"
    feeds = {feed for sources in live_source_sets(indicators) for feed in sources}
    trusted = _trust_sql({feed: trust.get(feed, UNKNOWN_FEED) for feed in feeds})
    indicators.project(f"{', '.join(_USED)}, {trusted} as source_trust").create_view(live)
    constants = _constants(model, export, as_of)
    con.execute(
        f"create temp table score_evidence_{run} as "
        + read_sql(_PACKAGE, "score_evidence").format(
            indicators=live,
            policies=str(list(POLICIES)),
            hits=_named(con, warninglist_hits, f"score_hits_{run}", "list varchar, policy varchar, entry varchar"),
            sandbox=_named(con, sandbox, f"score_sandbox_{run}", "verdict varchar"),
            outcomes=_named(con, outcomes, f"score_outcomes_{run}", "true_positives bigint, dispositioned bigint"),
        )
    )
    known_to_the_state = con.sql(
        "select *, null::varchar as policy, null::varchar as list, null::varchar as entry, "  # noqa: S608 - own names
        "'unknown' as sandbox, "
        f"0::bigint as true_positives, 0::bigint as dispositioned from {live}"
    )
    statement = read_sql(_PACKAGE, "score").format(source="{source}", **constants)
    return Amended(
        con, known_to_the_state, con.table(f"score_evidence_{run}"), INDICATOR_SCORES.sort_by, of_each=statement
    )


def _constants(model: ScoringModel, export: ExportPolicy, as_of: datetime) -> dict[str, object]:
    """Model and policy as SQL literals and expressions of score.sql."""
    return {
        "version": sql_text(model.version),
        "as_of": f"timestamptz {sql_text(as_of.isoformat())}",
        "microseconds_a_day": _MICROSECONDS_A_DAY,
        "half_life": _choice("indicator_type", model.half_life_days, model.default_half_life_days),
        "prior_true": _double(model.hit_rate_prior[0]),
        "prior_false": _double(model.hit_rate_prior[1]),
        "has_no_cooccurrence": _is_one_of("policy", model.no_cooccurrence),
        "weight_trust": _double(model.weights.source_trust),
        "weight_recency": _double(model.weights.recency),
        "weight_hit_rate": _double(model.weights.hit_rate),
        "weight_cooccurrence": _double(model.weights.cooccurrence),
        "sandbox_points": _choice("sandbox", model.sandbox_points, 0.0),
        "warninglist_points": _choice("warninglist", model.warninglist_points, 0.0),
        "is_exported_type": _is_one_of("indicator_type", export.types),
        "tlp_levels": str(list(TLP_LEVELS)),
        "max_tlp": sql_text(export.max_tlp),
        "max_tlp_rank": TLP_LEVELS.index(export.max_tlp) + 1,
        "widest_ipv4": export.widest_ipv4,
        "widest_ipv6": export.widest_ipv6,
        "threshold": _double(export.threshold),
        "threshold_text": f"{export.threshold:g}",
        "tolerance": _double(TOLERANCE),
        "score_text": f"format('{{:.3f}}', floor((score + {_double(TOLERANCE)}) * 1000) / 1000)",
    }


def _trust_sql(trust: Trust) -> str:
    """The greatest weight among `sources`: few distinct weights, tried from the highest, in place of a join."""
    by_weight: dict[float, list[str]] = {}
    for feed, (_, weight) in sorted(trust.items()):
        by_weight.setdefault(weight, []).append(feed)
    cases = [
        f"when list_has_any(sources, [{', '.join(map(sql_text, feeds))}]) then {_double(weight)}"
        for weight, feeds in sorted(by_weight.items(), reverse=True)
    ]
    return f"case {' '.join(cases)} else {_double(0)} end" if cases else _double(0)


def _choice(column: str, values: Mapping[str, float], otherwise: float) -> str:
    cases = " ".join(f"when {sql_text(key)} then {_double(value)}" for key, value in sorted(values.items()))
    return f"case {column} {cases} else {_double(otherwise)} end" if cases else _double(otherwise)


def _double(value: float) -> str:
    """A number as a DOUBLE literal, to the bit: a plain 0.4 would be a DECIMAL."""
    return f"{float(value)!r}::double"


def _is_one_of(column: str, values: Iterable[str]) -> str:
    cases = " ".join(f"when {sql_text(value)} then true" for value in values)
    return f"(case {column} {cases} else false end)" if cases else "false"


def _named(con: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation | None, name: str, columns: str) -> str:
    """Name under which SQL reads the rows; of a relation that is not there, an empty table with those columns."""
    if rows is None:
        con.execute(f"create temp table {name} (indicator_id uuid, {columns})")
    else:
        rows.create_view(name)
    return name


def _shown(score: float) -> str:
    """Three digits, cut and not rounded: 0.5999 must not read as 0.600 where it is held for being below 0.6."""
    return f"{math.floor((score + TOLERANCE) * 1000) / 1000:.3f}"
