"""Quality of rules: counted as a plain recount does, judged only with enough verdicts, with its reason in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.detections.quality.intervals import wilson
from intelsec_assets.detections.quality.rule_facts import RuleFacts, sole_coverage, techniques, volume_of
from intelsec_assets.detections.quality.rule_quality import QualityPolicy, RuleQuality, quality_relation, rule_quality
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERTS,
    CLOUD_AUDIT_EVENTS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from tests.searching import examples
from tests.unit.detection_rows import TODAY, alert, days_ago, disposition, finding, relation

MONTH = [days_ago(n) for n in range(30)]
RULE = RuleFacts("R", "title of R", noise_budget=5.0, techniques=frozenset({"T1098"}))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as con:
        yield con


def judged(
    con: duckdb.DuckDBPyConnection,
    *,
    rules: tuple[RuleFacts, ...] = (RULE,),
    alerts: list[dict[str, Any]],
    dispositions: list[dict[str, Any]] = [],  # noqa: B006  read only
    findings: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, RuleQuality]:
    """Quality by rule id; findings that a test does not give are those that raised the alerts."""
    if findings is None:
        findings = [finding(int(a["alert_id"][1:]), a["rule_id"]) | {"day": a["day"]} for a in alerts]
    rows = rule_quality(
        con,
        rules,
        findings=relation(con, SIGMA_FINDINGS, findings),
        alerts=relation(con, ALERTS, alerts),
        dispositions=relation(con, ALERT_DISPOSITIONS, dispositions),
        **{"as_of": TODAY, "days": MONTH, **more},
    )
    return {row.rule_id: row for row in rows}


def verdicts(
    false: int, true: int, rule: str = "R", start: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Alerts, one a day at most five, and their verdicts: first the false ones."""
    said = ["false_positive"] * false + ["true_positive"] * true
    numbers = range(start, start + len(said))
    return (
        [alert(n, rule, ago=1 + (n - start) // 4) for n in numbers],
        [disposition(n, verdict, rule) for n, verdict in zip(numbers, said, strict=True)],
    )


def test_the_newest_verdict_of_a_person_counts_and_automation_and_duplicates_stay_apart(
    con: duckdb.DuckDBPyConnection,
) -> None:
    row = judged(
        con,
        alerts=[alert(n) for n in range(5)],
        dispositions=[
            disposition(0, "false_positive", hour=10),
            disposition(0, "true_positive", hour=11),  # thought again
            disposition(1, "benign_true_positive"),
            disposition(2, "duplicate"),
            disposition(3, "false_positive", actor_kind="automation", actor="playbook"),
            disposition(4, "false_positive", hour=8),
            disposition(4, "true_positive", hour=12, actor_kind="automation", actor="playbook"),
        ],
    )["R"]

    assert (row.true_positives, row.benign_true_positives, row.false_positives, row.n) == (1, 1, 1, 3)
    assert row.alerts == 5
    assert row.fp_rate == pytest.approx(1 / 3)
    assert "1 duplicate and 1 judged by automation alone left out" in row.reason


def test_a_verdict_imported_late_does_not_replace_a_newer_one(con: duckdb.DuckDBPyConnection) -> None:
    row = judged(
        con,
        alerts=[alert(1, ago=3)],
        dispositions=[disposition(1, "true_positive", ago=1, seq=1), disposition(1, "false_positive", ago=2, seq=2)],
    )["R"]

    assert (row.true_positives, row.false_positives) == (1, 0)


def test_who_reopens_an_alert_takes_its_verdict_back(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = [alert(1), alert(2)], [disposition(1, "false_positive"), disposition(2, "false_positive")]
    reopened = disposition(1, "withdrawn", ago=0, hour=12)
    again = disposition(1, "true_positive", ago=0, hour=13)

    assert judged(con, alerts=alerts, dispositions=[*said, reopened])["R"].n == 1
    assert judged(con, alerts=alerts, dispositions=[*said, reopened, again])["R"].true_positives == 1


def test_what_was_said_after_the_day_is_not_known_on_it(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = [alert(1, ago=5)], [disposition(1, "false_positive", ago=0)]

    assert judged(con, alerts=alerts, dispositions=said, as_of=days_ago(1))["R"].n == 0
    assert judged(con, alerts=alerts, dispositions=said)["R"].n == 1


def test_alerts_before_the_window_do_not_count(con: duckdb.DuckDBPyConnection) -> None:
    row = judged(
        con,
        alerts=[alert(1, ago=29), alert(2, ago=30)],
        dispositions=[disposition(1, "false_positive"), disposition(2, "false_positive")],
    )["R"]

    assert (row.alerts, row.n) == (1, 1)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 20), (10, 20), (19, 20), (137, 1000)])
def test_the_interval_ends_where_the_share_is_just_not_refuted(k: int, n: int) -> None:
    low, high = wilson(k, n)

    for end in (low, high):  # the definition: both ends solve |k/n - p| = z * sqrt(p (1 - p) / n)
        assert abs(k / n - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / n), abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1


def test_the_interval_of_ten_in_a_hundred_is_the_published_one() -> None:
    assert wilson(10, 100) == pytest.approx((0.0552, 0.1744), abs=5e-5)
    with pytest.raises(ValueError, match="at least one"):
        wilson(0, 0)


def test_under_twenty_verdicts_nothing_is_concluded_from_the_rate(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = verdicts(false=19, true=0)
    assert judged(con, alerts=alerts, dispositions=said)["R"].status == "insufficient_data"

    alerts, said = verdicts(false=20, true=0)
    other = RuleFacts("S", "another", techniques=RULE.techniques)
    assert judged(con, rules=(RULE, other), alerts=alerts, dispositions=said)["R"].status == "retire"


@pytest.mark.parametrize(
    ("false", "true", "status"),
    [(2, 30, "keep"), (10, 20, "tune"), (30, 10, "hold"), (38, 2, "retire")],
)
def test_the_status_follows_from_the_rate_and_its_interval(
    con: duckdb.DuckDBPyConnection, false: int, true: int, status: str
) -> None:
    alerts, said = verdicts(false, true)
    other = RuleFacts("S", "another", techniques=RULE.techniques)

    row = judged(con, rules=(RULE, other), alerts=alerts, dispositions=said)["R"]

    assert row.status == status
    assert f"{false} of {false + true} judged alerts false" in row.reason


def test_the_only_rule_for_a_technique_is_tuned_and_neither_held_nor_retired(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = verdicts(false=38, true=2)

    row = judged(con, alerts=alerts, dispositions=said)["R"]

    assert (row.is_sole_coverage, row.status) == (True, "tune")
    assert "the only rule for T1098" in row.reason


def test_coverage_counts_live_rules_only() -> None:
    a = RuleFacts("a", "", techniques=frozenset({"T1", "T2"}))
    b = RuleFacts("b", "", techniques=frozenset({"T2"}), mode="test")
    c = RuleFacts("c", "", techniques=frozenset({"T3"}), mode="test")

    assert sole_coverage([a, b, c]) == {"a": ("T1", "T2"), "b": (), "c": ("T3",)}


def test_techniques_are_read_from_tags_and_tactics_are_not() -> None:
    assert techniques(["attack.t1078.004", "T1098", "attack.persistence", "cve.2024-1"]) == {"T1078.004", "T1098"}


def test_a_day_over_the_budget_is_flagged_and_three_are_held(con: duckdb.DuckDBPyConnection) -> None:
    one_day = [alert(n, ago=1) for n in range(6)]
    three_days = [alert(10 * day + n, ago=day) for day in (1, 2, 3) for n in range(6)]

    flagged, held = judged(con, alerts=one_day)["R"], judged(con, alerts=three_days)["R"]

    assert (flagged.is_over_budget, flagged.status) == (True, "insufficient_data")
    assert (held.is_over_budget, held.status) == (True, "hold")
    assert "over its budget of 5 alerts a day on 3 days of 30" in held.reason


def test_a_budget_of_less_than_one_a_day_allows_a_day_with_one(con: duckdb.DuckDBPyConnection) -> None:
    rule = RuleFacts("R", "", noise_budget=0.5)
    one_a_week = [alert(ago, ago=ago) for ago in (1, 8, 15, 22)]
    one_a_day = [alert(ago, ago=ago) for ago in range(20)]

    assert not judged(con, rules=(rule,), alerts=one_a_week)["R"].is_over_budget
    assert judged(con, rules=(rule,), alerts=one_a_day)["R"].status == "hold"


def test_a_flood_is_over_any_budget(con: duckdb.DuckDBPyConnection) -> None:
    rule = RuleFacts("R", "no budget given")
    floods = [finding(n, ago=n, kind="flood") for n in (1, 2, 3)]

    row = judged(con, rules=(rule,), alerts=[], findings=floods)["R"]

    assert (row.is_over_budget, row.status) == (True, "hold")


def test_alerts_a_day_are_counted_over_the_days_that_were_looked_at(con: duckdb.DuckDBPyConnection) -> None:
    row = judged(con, alerts=[alert(n) for n in range(4)], days=[*MONTH[:2], days_ago(400)])["R"]

    assert (row.window_days, row.alerts_per_day) == (2, 2.0)


def test_the_trend_compares_the_newer_half_with_the_older(con: duckdb.DuckDBPyConnection) -> None:
    alerts = [alert(n, ago=25 - n) for n in range(20)]
    said = [disposition(n, "false_positive" if n < 10 else "true_positive") for n in range(20)]

    better = judged(con, alerts=alerts, dispositions=said)["R"]
    unknown = judged(con, alerts=alerts, dispositions=said[:19])["R"]

    assert better.precision_trend == 1.0
    assert "precision rose by 100%" in better.reason
    assert unknown.precision_trend is None


def test_a_rule_that_never_fired_says_whether_its_source_was_silent_too(con: duckdb.DuckDBPyConnection) -> None:
    rules = (
        RuleFacts("aws", "", provider="aws", services=frozenset({"kms.amazonaws.com"})),
        RuleFacts("gcp", "", provider="gcp"),
        RuleFacts("other", ""),
    )
    volume = {("aws", "kms.amazonaws.com"): 1200, ("aws", "s3.amazonaws.com"): 9}

    rows = judged(con, rules=rules, alerts=[], volume=volume)

    assert {row.status for row in rows.values()} == {"never_fired"}
    assert "quiet, none of 1,200 events of its source matched" in rows["aws"].reason
    assert "its source delivered no events" in rows["gcp"].reason
    assert "not known" in rows["other"].reason


def test_events_are_counted_by_provider_and_service(con: duckdb.DuckDBPyConnection) -> None:
    rows = [
        {"event_id": "1", "provider": "aws", "event_source": "iam.amazonaws.com"},
        {"event_id": "2", "provider": "aws", "event_source": "iam.amazonaws.com", "day": days_ago(40)},
        {"event_id": "3", "provider": "gcp"},
    ]

    volume = volume_of(relation(con, CLOUD_AUDIT_EVENTS, rows), days_ago(29), TODAY)

    assert volume == {("aws", "iam.amazonaws.com"): 1, ("gcp", None): 1}


def test_a_rule_that_fired_before_the_window_is_quiet_and_has_not_never_fired(con: duckdb.DuckDBPyConnection) -> None:
    before = judged(con, alerts=[], findings=[finding(1, ago=40)], as_of=days_ago(39), days=[days_ago(40)])
    previous = quality_relation(con, list(before.values()))

    row = judged(con, alerts=[], previous=previous)["R"]

    assert row.last_finding is not None
    assert row.last_finding.date() == days_ago(40)
    assert row.status == "insufficient_data"
    assert f"quiet since {days_ago(40)}" in row.reason


def test_alerts_of_a_rule_that_is_gone_are_told_as_of_a_retired_one(con: duckdb.DuckDBPyConnection) -> None:
    row = judged(con, alerts=[alert(1, "gone")], dispositions=[disposition(1, "false_positive", "gone")])["gone"]

    assert (row.mode, row.status, row.rule_title) == ("retired", "retire", "title of gone")


def test_no_verdict_at_all_leaves_the_rate_open(con: duckdb.DuckDBPyConnection) -> None:
    row = judged(con, alerts=[alert(1)])["R"]

    assert (row.n, row.fp_rate, row.fp_low, row.fp_high) == (0, None, None, None)


def test_the_relation_has_the_columns_of_the_table(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = verdicts(3, 4)
    made = quality_relation(con, list(judged(con, alerts=alerts, dispositions=said).values()))

    assert made.columns == RULE_QUALITY.column_names
    assert [str(kind).replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for kind in made.types] == [
        column.type for column in RULE_QUALITY.columns
    ]
    assert quality_relation(con, []).fetchall() == []


def test_policy_moves_the_lines(con: duckdb.DuckDBPyConnection) -> None:
    alerts, said = verdicts(false=2, true=4)

    row = judged(con, alerts=alerts, dispositions=said, policy=QualityPolicy(min_sample=5, tune_above=0.1))["R"]

    assert row.status == "tune"


_VERDICTS = ("true_positive", "benign_true_positive", "false_positive", "duplicate")
_SAID = st.tuples(
    st.integers(0, 7),  # alert
    st.sampled_from(_VERDICTS),
    st.sampled_from(("human", "automation")),
    st.integers(0, 9),  # days ago
    st.integers(0, 23),  # hour
)


@settings(examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.lists(_SAID, max_size=25), reopened=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), max_size=4)
)
def test_counts_equal_a_plain_recount(
    con: duckdb.DuckDBPyConnection,
    said: list[tuple[int, str, str, int, int]],
    reopened: list[tuple[int, int]],
) -> None:
    alerts = [alert(n, "R" if n < 5 else "S", ago=9) for n in range(8)]
    rule_of = {a["alert_id"]: a["rule_id"] for a in alerts}
    rows = [
        disposition(n, verdict, rule_of[f"A{n}"], ago=ago, hour=hour, actor_kind=kind)
        for n, verdict, kind, ago, hour in said
    ]
    half_past = timedelta(minutes=30)
    changes = [disposition(n, "withdrawn", rule_of[f"A{n}"], ago=ago, hour=12) for n, ago in reopened]
    changes = [change | {"at": change["at"] + half_past} for change in changes]

    counted = judged(con, rules=(RULE, RuleFacts("S", "")), alerts=alerts, dispositions=[*rows, *changes])

    for rule in ("R", "S"):
        tally = dict.fromkeys(_VERDICTS, 0)
        for alert_id in (a for a, r in rule_of.items() if r == rule):
            human = [r for r in rows if r["alert_id"] == alert_id and r["actor_kind"] == "human"]
            if not human:
                continue
            newest = max(human, key=lambda r: (r["at"], r["seq"]))
            if any(c["alert_id"] == alert_id and c["at"] > newest["at"] for c in changes):
                continue
            tally[newest["verdict"]] += 1
        row = counted[rule]
        assert (row.true_positives, row.benign_true_positives, row.false_positives) == tuple(
            tally[v] for v in _VERDICTS[:3]
        )
        assert row.n == sum(tally[v] for v in _VERDICTS[:3])
        assert row.duplicates == tally["duplicate"]
