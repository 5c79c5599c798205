"""Scores and decisions: the scalar reference, the vectorised form against it, and the models they apply."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.engine import quick_session, session
from intelsec_assets.feeds.catalogue import INDICATOR_TYPES, TLP_LEVELS, TRUST_WEIGHTS, ExportPolicy
from intelsec_assets.indicators import scoring
from intelsec_assets.indicators.models import POLICIES, VERDICTS, ModelError, load_model, read_model
from intelsec_assets.indicators.scoring import Hit, Score, decide, score_one
from intelsec_assets.tables import INDICATOR_SCORES, INDICATORS, WARNINGLIST_HITS
from tests.searching import examples

AS_OF = datetime(2026, 3, 3, tzinfo=UTC)
V1 = load_model("v1")
EXPORT = ExportPolicy(threshold=0.6, max_tlp="green", types=("ipv4", "url", "cidr"))
TRUST = {f"feed-{grade.lower()}": (grade, weight) for grade, weight in TRUST_WEIGHTS.items()}


def _score(**changes: Any) -> Score:
    """An address that one feed of grade B lists, seen at the instant of scoring."""
    plain = {
        "indicator_type": "ipv4",
        "source_trust": 0.75,
        "last_seen": AS_OF,
        "as_of": AS_OF,
        "independent_sources": 1,
    }
    return score_one(V1, **{**plain, **changes})


def test_the_score_is_the_weighted_sum_of_its_components() -> None:
    found = _score(last_seen=AS_OF - timedelta(days=14), independent_sources=2)
    assert (found.source_trust, found.recency, found.hit_rate, found.cooccurrence) == (0.75, 0.5, 0.5, 0.5)
    assert found.score == pytest.approx(0.4 * 0.75 + 0.3 * 0.5 + 0.2 * 0.5 + 0.1 * 0.5)


def test_recency_halves_every_half_life_of_the_type() -> None:
    assert _score(last_seen=AS_OF - timedelta(days=28)).recency == 0.25
    assert _score(indicator_type="sha256", last_seen=AS_OF - timedelta(days=180)).recency == 0.5


def test_a_sighting_after_the_instant_of_scoring_is_not_fresher_than_fresh() -> None:
    assert _score(last_seen=AS_OF + timedelta(days=3)).recency == 1.0


def test_a_sandbox_verdict_moves_the_score_by_two_tenths() -> None:
    unknown = _score().score
    assert _score(sandbox="malicious").score == pytest.approx(unknown + 0.2)
    assert _score(sandbox="benign").score == pytest.approx(unknown - 0.2)


def test_without_outcomes_the_hit_rate_is_the_prior_and_outcomes_move_it() -> None:
    assert _score().hit_rate == 0.5
    assert _score(true_positives=3, dispositioned=3).hit_rate == 0.8
    assert _score(true_positives=0, dispositioned=8).hit_rate == 0.1


def test_one_source_is_no_corroboration_and_each_further_one_halves_what_is_missing() -> None:
    assert [_score(independent_sources=n).cooccurrence for n in (0, 1, 2, 3)] == [0.0, 0.0, 0.5, 0.75]


def test_a_known_scanner_pays_the_penalty_and_gets_no_bonus_however_many_list_it() -> None:
    found = _score(independent_sources=9, policy="penalise")
    assert (found.cooccurrence, found.contributions.cooccurrence, found.contributions.warninglist) == (0.0, 0.0, -0.2)


def test_a_list_that_only_annotates_changes_no_score() -> None:
    assert _score(independent_sources=3, policy="annotate") == _score(independent_sources=3)


def test_what_the_clamp_takes_away_is_a_contribution_of_its_own() -> None:
    found = _score(source_trust=1.0, independent_sources=9, sandbox="malicious", true_positives=99, dispositioned=99)
    assert found.score == 1.0
    assert found.contributions.clamp < 0


def test_trust_is_that_of_the_best_source_and_a_feed_that_left_the_catalogue_cannot_be_judged() -> None:
    assert scoring.source_trust(["feed-c", "feed-b"], TRUST) == 0.75
    assert scoring.source_trust(["feed-d", "gone"], TRUST) == 0.5
    assert scoring.source_trust([], TRUST) == 0.0


def _decision(**changes: Any) -> tuple[str, str]:
    plain: dict[str, Any] = {"score": 0.7, "indicator_type": "ipv4", "tlp": "clear", "hit": None}
    return dataclasses.astuple(decide(V1, EXPORT, **{**plain, **changes}))


def test_what_is_good_enough_is_exported() -> None:
    assert _decision() == ("export", "score 0.700 reaches 0.6; TLP clear is within green")
    assert _decision(score=0.1 + 0.2 + 0.3)[0] == "export"
    assert _decision(score=0.6 - 1e-12)[0] == "export"


def test_a_score_below_the_threshold_holds_and_does_not_read_as_if_it_reached_it() -> None:
    assert _decision(score=0.59999) == ("hold", "score 0.599 is below 0.6")


def test_a_penalty_is_named_with_its_list_and_entry() -> None:
    hit = Hit("penalise", "mass-scanner", "198.51.100.0/24")
    assert _decision(score=0.55, hit=hit) == (
        "hold",
        "score 0.550 is below 0.6, -0.20 of it by entry 198.51.100.0/24 of list mass-scanner",
    )


def test_every_ground_for_holding_is_named() -> None:
    assert _decision(score=0.2, tlp="amber", indicator_type="md5") == (
        "hold",
        "type md5 is not exported; TLP amber is above green; score 0.200 is below 0.6",
    )


def test_tlp_is_ordered_from_clear_to_red() -> None:
    assert [_decision(tlp=level)[0] for level in ("clear", "green", "amber", "amber+strict", "red")] == [
        "export",
        "export",
        "hold",
        "hold",
        "hold",
    ]


@pytest.mark.parametrize("tlp", ["purple", None])
def test_a_tlp_that_nobody_knows_is_held(tlp: str | None) -> None:
    assert _decision(tlp=tlp) == ("hold", f"TLP {tlp or 'unknown'} is above green")
    assert _vectorised({"tlp": tlp}) == _decision(tlp=tlp, score=_score().score)


def test_a_score_on_the_threshold_is_exported_in_both_forms() -> None:
    assert _score(last_seen=AS_OF - timedelta(days=14)).score == pytest.approx(0.55)
    lowest = _score(last_seen=AS_OF - timedelta(days=14)).score + scoring.TOLERANCE
    assert lowest - scoring.TOLERANCE == 0.55, "to the bit, where < and <= differ"
    for threshold in (0.55, lowest):
        export = dataclasses.replace(EXPORT, threshold=threshold)
        row = {"last_seen": AS_OF - timedelta(days=14)}
        scalar = decide(V1, export, score=_score(**row).score, indicator_type="ipv4", tlp="clear", hit=None)
        assert scalar.decision == "export"
        assert _vectorised(row, export) == dataclasses.astuple(scalar)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("8.0.0.0/6", "network /6 is wider than /12"),
        ("192.0.0.0/11", "network /11 is wider than /12"),
        ("0.0.0.0/0", "network /0 is wider than /12"),
        ("2a00::/19", "network /19 is wider than /20"),
    ],
)
def test_a_network_wider_than_the_policy_allows_is_held(value: str, reason: str) -> None:
    assert _decision(indicator_type="cidr", value=value) == ("hold", reason)


@pytest.mark.parametrize("value", ["192.0.0.0/12", "192.0.2.0/24", "2a00::/20"])
def test_a_network_up_to_the_widest_allowed_is_exported(value: str) -> None:
    assert _decision(indicator_type="cidr", value=value)[0] == "export"


def test_a_network_whose_width_is_not_told_is_held() -> None:
    assert _decision(indicator_type="cidr")[0] == "hold"


def test_what_is_ours_is_suppressed_whatever_its_score() -> None:
    assert _decision(score=1.0, hit=Hit("protect", "protected", "example.com")) == (
        "suppress",
        "protected: entry example.com of list protected",
    )


def test_what_a_list_blocks_is_suppressed_even_if_it_would_be_held() -> None:
    assert _decision(score=0.1, tlp="red", hit=Hit("block", "rfc1918", "10.0.0.0/8")) == (
        "suppress",
        "blocked by entry 10.0.0.0/8 of list rfc1918",
    )


def _vectorised(row: dict[str, Any], export: ExportPolicy = EXPORT) -> tuple[str, str]:
    """Decision and reason that SQL gives the address of `_score`, with these columns changed."""
    plain = {"indicator_type": "ipv4", "last_seen": AS_OF, "sources": ["feed-b"], "independent_sources": 1}
    with quick_session() as con:
        live = {**plain, "tlp": "clear", "hits": [], "sandbox": None, "outcomes": None, **row}
        scored = scoring.score(con, _inputs(con, [live])[0], None, V1, TRUST, export, AS_OF)
        ((decision, reason),) = scored.select("decision, reason").fetchall()
    return decision, reason


_HITS = st.lists(
    st.tuples(
        st.sampled_from(["lists/a", "it's", "{z}"]),
        st.sampled_from(POLICIES),
        st.sampled_from(["10.0.0.0/8", "é.example"]),
    ),
    max_size=3,
    unique_by=lambda hit: hit[0],
)
_LIVE = st.fixed_dictionaries(
    {
        "indicator_type": st.sampled_from(INDICATOR_TYPES),
        "last_seen": st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
        "sources": st.lists(st.sampled_from([*TRUST, "gone"]), unique=True, max_size=4),
        "independent_sources": st.integers(0, 6),
        "tlp": st.sampled_from([*TLP_LEVELS, "purple"]),
        "network": st.sampled_from([".0.0.0/12", ".0.0.0/11", ".0.0.0/0", "::/20", "::/19", "::/128", ""]),
        "hits": _HITS,
        "sandbox": st.none() | st.sampled_from(VERDICTS),
        "outcomes": st.none() | st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    }
)


def _value(number: int, one: dict[str, Any]) -> str:
    return f"{number:03}{one['network'] if one['indicator_type'] == 'cidr' else ''}"


def _inputs(con: duckdb.DuckDBPyConnection, live: Sequence[dict[str, Any]]) -> tuple[duckdb.DuckDBPyRelation, ...]:
    """INDICATORS, WARNINGLIST_HITS, sandbox verdicts and outcomes of the generated indicators, numbered from 0."""
    con.execute(f"create or replace table live ({INDICATORS.ddl()})")
    con.execute(f"create or replace table hits ({WARNINGLIST_HITS.ddl()})")
    con.execute("create or replace table verdicts (indicator_id uuid, verdict varchar)")
    con.execute("create or replace table outcomes (indicator_id uuid, true_positives bigint, dispositioned bigint)")
    for number, one in enumerate(live):
        key = uuid.UUID(int=number)
        columns = ("indicator_type", "last_seen", "sources", "independent_sources", "tlp")
        con.execute(
            f"insert into live (indicator_id, value, {', '.join(columns)}) values (?, ?, ?, ?, ?, ?, ?)",
            [key, _value(number, one), *(one[column] for column in columns)],
        )
        for hit in one["hits"]:
            con.execute("insert into hits values (?, ?, ?, ?)", [key, *hit])
        if one["sandbox"] is not None:
            con.execute("insert into verdicts values (?, ?)", [key, one["sandbox"]])
        if one["outcomes"] is not None:
            con.execute("insert into outcomes values (?, ?, ?)", [key, *one["outcomes"]])
    return tuple(con.table(name) for name in ("live", "hits", "verdicts", "outcomes"))


def _strictest(hits: Sequence[tuple[str, str, str]]) -> Hit | None:
    found = [Hit(policy, name, entry) for name, policy, entry in hits]
    return min(found, key=lambda hit: (-POLICIES.index(hit.policy), hit.list.encode()), default=None)


@examples(15)
@given(live=st.lists(_LIVE, max_size=8))
def test_the_vectorised_score_equals_the_scalar_one_on_every_row(live: list[dict[str, Any]]) -> None:
    with quick_session() as con:
        indicators, hits, verdicts, outcomes = _inputs(con, live)
        scored = scoring.score(con, indicators, hits, V1, TRUST, EXPORT, AS_OF, verdicts, outcomes)
        rows = scored.select(*INDICATOR_SCORES.column_names).order("value").fetchall()
    found = [dict(zip(INDICATOR_SCORES.column_names, row, strict=True)) for row in rows]
    assert len(found) == len(live)
    for one, row in zip(live, found, strict=True):
        hit = _strictest(one["hits"])
        positives, dispositioned = one["outcomes"] or (0, 0)
        expected = score_one(
            V1,
            indicator_type=one["indicator_type"],
            source_trust=scoring.source_trust(one["sources"], TRUST),
            last_seen=one["last_seen"],
            as_of=AS_OF,
            independent_sources=one["independent_sources"],
            policy=hit and hit.policy,
            sandbox=one["sandbox"] or "unknown",
            true_positives=positives,
            dispositioned=dispositioned,
        )
        for name in ("source_trust", "recency", "hit_rate", "cooccurrence", "score"):
            assert row[name] == pytest.approx(getattr(expected, name), abs=1e-12), name
        assert row["contributions"] == pytest.approx(dataclasses.asdict(expected.contributions), abs=1e-12)
        assert math.isclose(math.fsum(row["contributions"].values()), row["score"], abs_tol=1e-12)
        assert 0.0 <= row["score"] <= 1.0
        decided = decide(
            V1,
            EXPORT,
            score=expected.score,
            indicator_type=one["indicator_type"],
            tlp=one["tlp"],
            hit=hit,
            value=row["value"],
        )
        assert (row["decision"], row["reason"]) == (decided.decision, decided.reason)
        assert (row["warninglist"], row["sandbox"], row["model_version"]) == (
            hit and hit.policy,
            one["sandbox"] or "unknown",
            "v1",
        )


def test_scores_are_written_in_the_order_of_the_state_and_without_lists_verdicts_or_outcomes(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    with quick_session() as con:
        live = [
            {
                "indicator_type": "url",
                "last_seen": AS_OF,
                "sources": ["feed-b"],
                "independent_sources": 1,
                "tlp": "clear",
            }
        ] * 20
        indicators, hits, *_ = _inputs(
            con,
            [
                {**one, "hits": [("own", "protect", "x")] if n == 7 else [], "sandbox": None, "outcomes": None}
                for n, one in enumerate(live)
            ],
        )
        scoring.scores(con, indicators, hits, V1, TRUST, EXPORT, AS_OF).write(
            ", ".join(INDICATOR_SCORES.column_names), path
        )
        rows = con.read_parquet(str(path)).select("value, decision").fetchall()
        assert rows == [(f"{n:03}", "suppress" if n == 7 else "export") for n in range(20)]
        assert scoring.score(con, indicators, None, V1, TRUST, EXPORT, AS_OF).filter("decision = 'export'").shape == (
            20,
            14,
        )


def test_a_large_state_is_scored_in_its_order_by_any_number_of_threads(tmp_path: Path) -> None:
    with session(threads=4) as con:
        con.execute(
            "create table live as select md5(i::varchar)::uuid as indicator_id, 'url' as indicator_type, "
            "lpad(i::varchar, 7, '0') as value, timestamptz '2026-03-01 00:00:00+00' as last_seen, "
            "['feed-b'] as sources, 1 as independent_sources, 'clear' as tlp from range(400000) as t(i)"
        )
        hits = con.sql("select indicator_id, 'l' as list, 'block' as policy, 'e' as entry from live using sample 1%")
        path = tmp_path / "scores.parquet"
        scored = scoring.scores(con, con.table("live"), hits, V1, TRUST, EXPORT, AS_OF)
        scored.write(", ".join(INDICATOR_SCORES.column_names), path)
        values = con.read_parquet(str(path)).select("value").to_arrow_table()["value"].to_pylist()
    assert values == [f"{number:07}" for number in range(400000)]


def test_the_columns_are_those_of_the_table() -> None:
    with quick_session() as con:
        indicators, hits, *_ = _inputs(con, [])
        scored = scoring.score(con, indicators, hits, V1, TRUST, EXPORT, AS_OF)
        assert scored.columns == INDICATOR_SCORES.column_names
        assert pa.types.is_float64(scored.to_arrow_table().schema.field("score").type)


def test_a_model_that_is_not_there_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(ModelError, match="no scoring model 'v9'; allowed: v1"):
        load_model("v9")


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("recency: 0.3", "recency: 0.4", "weights: they sum to 1.1, expected 1"),
        ("  recency: 0.3", "  freshness: 0.3", "weights: .*freshness"),
        ("default_half_life_days: 14", "default_half_life_days: 0", "default_half_life_days: 0 is less than"),
        ("version: v1", "version: v2", "version: found 'v2', expected 'v1'"),
        ("penalise: -0.2", "penalise: 0.2", "warninglist_points.penalise: 0.2 is greater than"),
        ("cidr: 30", "asn: 30", "half_life_days: .*asn"),
    ],
)
def test_a_model_that_is_wrong_is_an_error_that_names_the_key(
    wrong: str, right: str, message: str, tmp_path: Path
) -> None:
    text = (Path(scoring.__file__).parent / "models" / "v1.yaml").read_text()
    assert wrong in text
    (tmp_path / "v1.yaml").write_text(text.replace(wrong, right))
    with pytest.raises(ModelError, match=message):
        read_model(tmp_path / "v1.yaml")
