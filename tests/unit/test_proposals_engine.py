"""Proposals proved through the real engine: over samples and past events, of single events and of bursts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.quality.applying import apply
from intelsec_assets.detections.quality.filter_search import EQUALS, STARTS_WITH, Condition
from intelsec_assets.detections.quality.proposals import Proposal, proposals
from intelsec_assets.detections.quality.replay import backtest, cases_of, fired_by, positive_events, prover
from intelsec_assets.detections.sigma.rules import RuleSet, load_any, load_rules
from tests.unit.detection_rows import quality
from tests.unit.quality_past import BURST, FIRST, ID, LAST, RULE, key, past_of, repository

ISSUER = "userIdentity.sessionContext.sessionIssuer.arn"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as con:
        yield con


def month(*sessions: str, calls: int = 1) -> list[dict[str, Any]]:
    """A call, or several within minutes, of each session, a day apart."""
    return [
        key(day * 10 + call, session, at=FIRST + timedelta(days=day, minutes=call), address=f"192.0.2.{day}")
        for day, session in enumerate(sessions, start=1)
        for call in range(calls)
    ]


def proposed(
    con: duckdb.DuckDBPyConnection, rules: RuleSet, events: list[dict[str, Any]], **said: str
) -> list[Proposal]:
    rule, past = past_of(con, rules, events, said)
    present = fired_by(con, rules, rule, past)
    return proposals(
        quality(day=LAST.date(), rule_id=ID),
        rule,
        cases_of(rule, past, present),
        positive_events(rule),
        prover(con, rules, rule, past, present),
    )


def test_runs_of_a_job_are_tuned_away_and_the_intruder_still_fires(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    events = month("deploy/run-1", "deploy/run-2", "deploy/run-3", "admin/eve", "deploy/new-7")

    (proposal,) = proposed(
        con, repository(tmp_path), events, **{"deploy/run": "false_positive", "admin": "true_positive"}
    )

    assert proposal.kind == "tune"
    assert proposal.selections == (
        (Condition("userIdentity.arn", STARTS_WITH, "arn:aws:sts::111122223333:assumed-role/deploy/run-"),),
    )
    assert {verdict: n for verdict, n in proposal.effect.removed.items() if n} == {"false_positive": 3}
    assert {verdict: n for verdict, n in proposal.effect.kept.items() if n} == {"true_positive": 1, "not_judged": 1}
    assert "all 3 positive samples still fire" in proposal.reason


def test_what_was_applied_is_no_longer_fired_nor_proposed_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = repository(tmp_path)
    events = month("deploy/run", "deploy/run", "deploy/run", "admin/eve")
    verdicts = {"deploy": "false_positive", "admin": "true_positive"}
    proposal, finer = proposed(con, rules, events, **verdicts)
    assert (proposal.kind, finer.kind) == ("suppress", "tune")

    apply(proposal, rules.rules[0], tmp_path / "detections", author="ana", day=LAST.date(), dry_run=False)

    after = load_rules(tmp_path / "detections" / "sigma", as_of=LAST.date())
    rule, past = past_of(con, rules, events, verdicts)
    assert [one.entity for one in fired_by(con, after, rule, past)] == [
        "arn:aws:sts::111122223333:assumed-role/admin/eve"
    ]
    present = fired_by(con, after, rule, past)
    again = proposals(
        quality(day=LAST.date(), rule_id=ID), rule, cases_of(rule, past, present), positive_events(rule),
        prover(con, after, rule, past, present),
    )  # fmt: skip
    assert again == []


def test_a_filter_of_bursts_takes_whole_bursts_away(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = repository(tmp_path, BURST, calls=3)
    events = month("deploy/run-1", "deploy/run-2", "admin/eve", calls=3)

    (proposal,) = proposed(con, rules, events, deploy="false_positive", admin="true_positive")

    assert proposal.kind == "tune"
    assert {verdict: n for verdict, n in proposal.effect.removed.items() if n} == {"false_positive": 2}
    assert {verdict: n for verdict, n in proposal.effect.kept.items() if n} == {"true_positive": 1}


def test_a_filter_that_would_break_a_positive_sample_is_refused_by_the_engine(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = repository(tmp_path)
    rule, past = past_of(con, rules, month("deploy/run-1"), {"deploy": "false_positive"})
    prove = prover(con, rules, rule, past, fired_by(con, rules, rule, past))

    breaking = prove([[Condition("sourceIPAddress", EQUALS, "203.0.113.66")]])
    harmless = prove([[Condition(ISSUER, EQUALS, "arn:aws:iam::111122223333:role/deploy")]])

    assert breaking.samples_lost == ("positive/0.json", "positive/1.json", "positive/2.json")
    assert not breaking.holds
    assert harmless.holds


def test_a_filter_takes_its_value_literally(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = repository(tmp_path)
    odd = ["a*", "a?c", "back\\slash", "per%cent%", "under_score", "quo'te", 'quo"te', "ünï"]
    others = ["axc", "abc-d", "per1cent2", "underXscore", "back/slash"]
    rule, past = past_of(
        con, rules, month(*(f"deploy/{name}" for name in (*odd, *others))), {"deploy": "false_positive"}
    )
    prove = prover(con, rules, rule, past, fired_by(con, rules, rule, past))

    values = [f"arn:aws:sts::111122223333:assumed-role/deploy/{name}" for name in odd]
    for kind in (EQUALS, STARTS_WITH):
        proof = prove([[Condition("userIdentity.arn", kind, value)] for value in values])
        assert sorted(lost.entity for lost in proof.past.lost) == sorted(values)


def test_backtesting_a_changed_file_tells_the_true_positive_it_would_lose(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = repository(tmp_path)
    rule, past = past_of(
        con,
        rules,
        month("deploy/run-1", "admin/eve", "ops/new"),
        {"deploy": "false_positive", "admin": "true_positive"},
    )
    changed = tmp_path / "changed.yml"
    changed.write_text(
        RULE.replace("condition: selection", f"mine: {{{ISSUER}|endswith: role/ops}}\n  condition: selection and mine")
    )

    test = backtest(con, rules, rule, load_any([changed]), past)

    assert (test.count("kept"), test.count("removed"), test.count("added")) == (1, 2, 0)
    assert test.loses_true_positives
    assert {alert.verdict for alert in test.lost} == {"true_positive", "false_positive"}
    assert [(day.present, day.changed) for day in test.days] == [(1, 0), (1, 0), (1, 1)]


def test_a_rule_that_is_wider_adds_findings_and_loses_none(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = repository(tmp_path)
    events = [*month("deploy/run-1"), key(77, "admin/eve", at=FIRST + timedelta(days=5), name="UpdateAccessKey")]
    rule, past = past_of(con, rules, events, {"deploy": "true_positive"})
    changed = tmp_path / "changed.yml"
    changed.write_text(RULE.replace("eventName: CreateAccessKey", "eventName: [CreateAccessKey, UpdateAccessKey]"))

    test = backtest(con, rules, rule, load_any([changed]), past)

    assert (test.count("kept"), test.count("removed"), test.count("added")) == (1, 0, 1)
    assert not test.loses_true_positives


def test_a_correlation_with_a_lower_threshold_keeps_its_bursts(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = repository(tmp_path, BURST, calls=3)
    events = [*month("deploy/run-1", calls=4), *month("x/1", "admin/two", calls=2)[2:]]
    rule, past = past_of(con, rules, events, {"deploy": "true_positive"})
    changed = tmp_path / "changed.yml"
    changed.write_text(BURST.replace("gte: 3", "gte: 2"))

    test = backtest(con, rules, rule, load_any([changed]), past)

    assert (test.count("kept"), test.count("removed"), test.count("added")) == (1, 0, 1)
    assert not test.loses_true_positives


def test_without_a_file_the_rule_is_compared_with_what_the_lake_holds(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = repository(tmp_path)
    _, past = past_of(con, rules, month("deploy/run-1", "admin/eve"), {"admin": "true_positive"})
    edited = load_any([_edited(tmp_path)])

    test = backtest(con, edited, edited.rule(ID), None, past)

    assert (test.count("kept"), test.count("removed")) == (1, 1)
    assert test.loses_true_positives


def _edited(root: Path) -> Path:
    file = root / "edited.yml"
    file.write_text(
        RULE.replace(
            "condition: selection", f"other: {{{ISSUER}|endswith: role/admin}}\n  condition: selection and not other"
        )
    )
    return file
