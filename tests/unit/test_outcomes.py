"""Verdicts on alerts flow back: into the hit rate of indicators, its explanation, and the accuracy of feeds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.feeds.catalogue import ExportPolicy
from intelsec_assets.indicators import scoring
from intelsec_assets.indicators.explain import explain
from intelsec_assets.indicators.explanation_text import render
from intelsec_assets.indicators.models import load_model
from intelsec_assets.indicators.outcomes import feed_accuracy, outcomes
from intelsec_assets.tables import INDICATORS
from tests.searching import examples
from tests.unit.detection_rows import TODAY, days_ago, disposition, relation

A, B = (str(UUID(int=number)) for number in (1, 2))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as con:
        yield con


def said(con: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> duckdb.DuckDBPyRelation:
    return relation(con, ALERT_DISPOSITIONS, rows)


def on(number: int, verdict: str, *indicators: str, **more: Any) -> dict[str, Any]:
    return disposition(number, verdict, indicator_ids=list(indicators), **more)


def listed(indicator: str, *feeds: str, since: int = 9, **more: Any) -> dict[str, Any]:
    records = [
        {
            "feed": feed,
            "first_listed": days_ago(since),
            "last_listed": TODAY,
            "last_seen": datetime(2026, 3, 30, tzinfo=UTC),
            "observations": 1,
        }
        for feed in feeds
    ]
    return {
        "indicator_id": indicator,
        "indicator_type": "ipv4",
        "value": f"192.0.2.{UUID(indicator).int}",
        "sources": list(feeds),
        "source_records": records,
        "last_seen": datetime(2026, 3, 30, tzinfo=UTC),
        "tlp": "green",
        **more,
    }


def test_true_positives_are_hits_false_ones_misses_and_benign_ones_neither(con: duckdb.DuckDBPyConnection) -> None:
    verdicts = said(
        con,
        on(1, "true_positive", A, B),
        on(2, "false_positive", A),
        on(3, "benign_true_positive", A),
        on(4, "duplicate", A),
        on(5, "true_positive"),
        on(6, "false_positive", A, actor_kind="automation"),
    )

    assert outcomes(con, verdicts, TODAY).fetchall() == [(UUID(A), 1, 2), (UUID(B), 1, 1)]


def test_who_reopens_an_alert_takes_its_verdict_out_of_the_hit_rate(con: duckdb.DuckDBPyConnection) -> None:
    judged = on(1, "true_positive", A, seq=1)
    withdrawn = {**judged, "verdict": "withdrawn", "seq": 2, "at": judged["at"] + timedelta(minutes=5)}
    judged_again = {**judged, "verdict": "false_positive", "seq": 3, "at": judged["at"] + timedelta(minutes=9)}

    assert outcomes(con, said(con, judged, withdrawn), TODAY).fetchall() == []
    assert outcomes(con, said(con, judged, withdrawn, judged_again), TODAY).fetchall() == [(UUID(A), 0, 1)]


def test_an_indicator_that_matched_twice_in_an_alert_counts_once(con: duckdb.DuckDBPyConnection) -> None:
    assert outcomes(con, said(con, on(1, "true_positive", A, A)), TODAY).fetchall() == [(UUID(A), 1, 1)]


def test_a_judgement_enters_on_the_day_it_was_given(con: duckdb.DuckDBPyConnection) -> None:
    verdicts = said(con, on(1, "false_positive", A, ago=3), on(1, "true_positive", A, ago=1))

    assert outcomes(con, verdicts, days_ago(4)).fetchall() == []
    assert outcomes(con, verdicts, days_ago(2)).fetchall() == [(UUID(A), 0, 1)]
    assert outcomes(con, verdicts, TODAY).fetchall() == [(UUID(A), 1, 1)]


def test_an_id_that_is_no_indicator_is_left_out(con: duckdb.DuckDBPyConnection) -> None:
    assert outcomes(con, said(con, on(1, "true_positive", "not an id", A)), TODAY).fetchall() == [(UUID(A), 1, 1)]


def test_the_score_follows_the_verdicts(con: duckdb.DuckDBPyConnection) -> None:
    indicators = relation(con, INDICATORS, [listed(A, "f"), listed(B, "f")])
    export = ExportPolicy(threshold=0.6, types=("ipv4",), max_tlp="amber", widest_ipv4=24, widest_ipv6=48)
    verdicts = said(con, on(1, "true_positive", A), on(2, "true_positive", A), on(3, "false_positive", B))
    as_of = datetime(2026, 4, 1, tzinfo=UTC)

    scored = scoring.score(
        con, indicators, None, load_model("v1"), {}, export, as_of, outcomes=outcomes(con, verdicts, TODAY)
    )

    rates = dict(scored.project("indicator_id, hit_rate").fetchall())
    assert rates == {UUID(A): pytest.approx(3 / 4), UUID(B): pytest.approx(1 / 3)}


def test_the_explanation_shows_the_verdicts_behind_the_hit_rate(con: duckdb.DuckDBPyConnection) -> None:
    tables = {
        "indicators": relation(con, INDICATORS, [listed(A, "f")]),
        "alert_dispositions": said(
            con,
            on(1, "true_positive", A, ago=2, reason="the host \x1b[31mbeaconed"),
            on(2, "false_positive", A),
            on(3, "benign_true_positive", A),
            on(4, "true_positive", B),
        ),
    }

    explanation = explain(con, "192.0.2.1", TODAY, tables)

    assert explanation.outcome == {"true_positives": 1, "false_positives": 1, "neither": 1}
    assert [row["alert_id"] for row in explanation.verdicts] == ["A2", "A3", "A1"]
    text = render(explanation)
    assert "verdicts    1 true and 1 false positives behind the hit rate; 1 benign or duplicate" in text
    assert f"{days_ago(2)} true positive by ana, alert A1 of rule R: the host \\x1b[31mbeaconed" in text


def test_without_verdicts_the_explanation_says_nothing_of_them(con: duckdb.DuckDBPyConnection) -> None:
    explanation = explain(con, "192.0.2.1", TODAY, {"indicators": relation(con, INDICATORS, [listed(A, "f")])})

    assert (explanation.outcome, explanation.verdicts) == (None, ())
    assert "verdicts" not in render(explanation)


def test_a_feed_is_as_accurate_as_the_alerts_on_what_it_lists(con: duckdb.DuckDBPyConnection) -> None:
    indicators = relation(con, INDICATORS, [listed(A, "good", "both"), listed(B, "both"), listed(B, "late", since=0)])
    verdicts = said(
        con,
        on(1, "true_positive", A, B),  # one alert, though two indicators of `both` matched
        on(2, "true_positive", A),
        on(3, "false_positive", B),
        on(4, "benign_true_positive", B),
    )

    found = {feed.feed: feed for feed in feed_accuracy(con, verdicts, indicators, TODAY)}

    assert {name: (f.true_positives, f.false_positives) for name, f in found.items()} == {
        "both": (2, 1),
        "good": (2, 0),
    }
    assert found["both"].accuracy == pytest.approx(2 / 3)
    assert found["both"].accuracy_low < 2 / 3 < found["both"].accuracy_high
    assert found["good"].accuracy_high == 1.0


_ROWS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(("true_positive", "benign_true_positive", "false_positive", "duplicate")),
        st.sampled_from(("human", "automation")),
        st.sets(st.sampled_from((A, B)), max_size=2),
        st.integers(0, 5),
    ),
    max_size=15,
)


@settings(examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_ROWS)
def test_outcomes_equal_a_plain_recount(con: duckdb.DuckDBPyConnection, rows: list[Any]) -> None:
    given_rows = [on(n, verdict, *ids, actor_kind=kind, ago=ago) for n, verdict, kind, ids, ago in rows]
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(given_rows, key=lambda r: (r["at"], r["seq"])):
        if row["actor_kind"] == "human":
            newest[row["alert_id"]] = row
    expected = []
    for indicator in (A, B):
        verdicts = [r["verdict"] for r in newest.values() if indicator in r["indicator_ids"]]
        hits, misses = verdicts.count("true_positive"), verdicts.count("false_positive")
        if hits + misses:
            expected.append((UUID(indicator), hits, hits + misses))

    assert outcomes(con, said(con, *given_rows), TODAY).fetchall() == expected
