"""Proposals: each proved or not made, with reason, effect and end; nothing is written unless a person says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.quality.applying import apply, exception_text
from intelsec_assets.detections.quality.backtest import compare
from intelsec_assets.detections.quality.filter_search import EQUALS, STARTS_WITH, Condition, Fields
from intelsec_assets.detections.quality.firings import Fired, Raised
from intelsec_assets.detections.quality.modes import read_modes
from intelsec_assets.detections.quality.proposals import Case, Proof, Proposal, proposals
from intelsec_assets.detections.sigma.rules import Rule, load_rules
from tests.unit.detection_rows import TODAY, quality

CI, EVE = "arn:aws:iam::1:user/ci", "arn:aws:iam::1:user/eve"
ID, BASE_ID = "0f6d5f0e-3a9c-4f3e-9a55-0c1f5b3c9d01", "0f6d5f0e-3a9c-4f3e-9a55-0c1f5b3c9d02"
META = """
intelsec:
  goal: Find access keys that somebody made for another user.
  triage: [Ask the owner., Look at the key's first use.]
  data_needed: [CloudTrail management events]
  blind_spots: Keys made before the trail began.
  runbook: runbooks/key.md
  entity: userIdentity.arn
  dedup: [userIdentity.arn]
  suppression: 1h
  noise_budget: 5
  mode: live
"""
RULE = f"""
title: Key made
id: {ID}
status: test
level: high
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventName: CreateAccessKey}}
  condition: selection
{META}
"""
CORRELATION = f"""
title: Key made, once
id: {BASE_ID}
name: key_made
status: test
level: low
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventName: CreateAccessKey}}
  condition: selection
---
title: Keys made
id: {ID}
status: test
level: high
correlation:
  type: event_count
  rules: [key_made]
  group-by: [userIdentity.arn]
  timespan: 10m
  condition: {{gte: 3}}
{META}
"""


@pytest.fixture
def rule(tmp_path: Path) -> Rule:
    return written(tmp_path, RULE)


def written(root: Path, text: str) -> Rule:
    """The rule of a repository with only this one in it."""
    folder = root / "detections" / "sigma" / "key"
    folder.mkdir(parents=True)
    (folder / "rule.yml").write_text(text)
    return load_rules(folder.parent, with_samples=False).rules[0]


def call(arn: str = CI, **more: str) -> dict[str, str]:
    return {"eventName": "CreateAccessKey", "userIdentity.arn": arn, **more}


def case(number: int, verdict: str | None, event: Fields | None = None, **more: Any) -> Case:
    event = event or call()
    when = datetime(2026, 3, 30, 9, tzinfo=UTC) + timedelta(hours=number)
    raised = {"alert_id": f"A{number}", "entity": event["userIdentity.arn"], "verdict": verdict, "reason": None, **more}
    covered = raised.pop("is_covered", False)
    alert = Raised(rule_id=ID, dedup_key="k", mode="live", finding_id=f"F{number}", first_event_time=when, **raised)
    return Case(alert, (event,), is_covered=covered)


def engine_of(cases: Sequence[Case], samples: Sequence[Fields]) -> Callable[[Any], Proof]:
    """An engine that takes conditions at their word: the real one is asked in test_proposals_engine."""
    present = [
        Fired(
            c.alert.finding_id, ID, c.alert.first_event_time.date(), "event", "live", "k", c.alert.first_event_time,
            c.alert.first_event_time, (c.alert.finding_id,), 1, 0, c.alert.entity,
        )
        for c in cases
    ]  # fmt: skip

    def prove(selections: Sequence[Sequence[Condition]]) -> Proof:
        def passes(event: Fields) -> bool:
            return not any(all(c.holds(event) for c in conditions) for conditions in selections)

        changed = [f for f, c in zip(present, cases, strict=True) if any(map(passes, c.events))]
        lost = tuple(str(at) for at, sample in enumerate(samples) if not passes(sample))
        past = compare(ID, "t", present, changed, present, [c.alert for c in cases], TODAY - timedelta(30), TODAY)
        return Proof(lost, len(samples) - len(lost), past)

    return prove


def proposed(rule: Rule, cases: list[Case], samples: Sequence[Fields] = (call(EVE),), **more: Any) -> list[Proposal]:
    return proposals(quality(rule_id=ID, **more), rule, cases, samples, engine_of(cases, samples))


def test_three_false_positives_about_one_entity_propose_to_suppress_it_for_a_fortnight(rule: Rule) -> None:
    cases = [case(n, "false_positive", reason="the deploy job") for n in range(3)] + [
        case(3, None),
        case(4, "true_positive", call(EVE)),
    ]

    (proposal,) = proposed(rule, cases)

    assert (proposal.kind, proposal.rule_name) == ("suppress", "key")
    assert proposal.selections == ((Condition("userIdentity.arn", EQUALS, CI),),)
    assert proposal.expires == TODAY + timedelta(days=14)
    assert proposal.proposed_from == ("A0", "A1", "A2")
    assert dict(proposal.effect.removed) | {"duplicate": 0} == {
        "true_positive": 0,
        "benign_true_positive": 0,
        "false_positive": 3,
        "duplicate": 0,
        "not_judged": 1,
    }
    assert (
        '3 alerts where userIdentity.arn is arn:aws:iam::1:user/ci were judged false ("the deploy job")'
        in proposal.reason
    )
    assert (
        "would have removed 4 of 5 alerts (3 false positive, 1 not judged); kept 1 (1 true positive)" in proposal.reason
    )
    assert "all 1 positive samples still fire" in proposal.reason


def test_an_entity_with_a_true_positive_is_not_suppressed_but_a_finer_filter_is_proposed(rule: Rule) -> None:
    at_home = {"sourceIPAddress": "192.0.2.7"}
    cases = [case(n, "false_positive", call(**at_home)) for n in range(3)]
    cases.append(case(3, "true_positive", call(sourceIPAddress="203.0.113.9")))

    (proposal,) = proposed(rule, cases)

    assert proposal.kind == "tune"
    assert proposal.selections == (
        (Condition("sourceIPAddress", EQUALS, "192.0.2.7"), Condition("userIdentity.arn", EQUALS, CI)),
    )
    assert proposal.expires == TODAY + timedelta(days=90)


@pytest.mark.parametrize("verdict", ["benign_true_positive", "duplicate"])
def test_what_may_be_real_protects_its_events_too(rule: Rule, verdict: str) -> None:
    cases = [case(n, "false_positive") for n in range(3)] + [case(3, verdict)]

    assert proposed(rule, cases) == []


def test_a_filter_that_the_engine_says_loses_a_positive_sample_is_not_proposed(rule: Rule) -> None:
    cases = [case(n, "false_positive") for n in range(3)]

    assert proposed(rule, cases, samples=(call(CI),)) == []


def test_what_an_exception_in_force_takes_away_already_is_no_evidence(rule: Rule) -> None:
    cases = [case(n, "false_positive", is_covered=True) for n in range(3)]

    assert proposed(rule, cases) == []


def test_two_false_positives_are_enough_to_tune_and_too_few_to_suppress(rule: Rule) -> None:
    plain, placed = call(), call(sourceIPAddress="192.0.2.7")

    assert proposed(rule, [case(n, "false_positive", plain) for n in range(2)]) == []
    assert [p.kind for p in proposed(rule, [case(n, "false_positive", placed) for n in range(2)])] == ["tune"]


def test_a_rule_to_hold_is_proposed_for_test_mode(rule: Rule) -> None:
    (proposal,) = proposed(rule, [case(0, None), case(1, "true_positive", call(EVE))], status="hold")

    assert (proposal.kind, proposal.mode, proposal.file) == ("hold", "test", "modes.yml")
    assert "because of what was counted; would have removed 2 of 2 alerts" in proposal.reason
    assert proposed(rule, [case(0, None)], status="hold", mode="test") == []


def test_a_rule_to_retire_is_proposed_unless_nobody_else_covers_its_technique(rule: Rule) -> None:
    cases = [case(0, "false_positive")]

    assert [p.kind for p in proposed(rule, cases, status="retire")] == ["retire"]
    assert proposed(rule, cases, status="retire", is_sole_coverage=True) == []
    assert proposed(rule, cases, status="retire", mode="retired") == []


def test_silence_retires_a_rule_only_after_a_month_with_events_of_its_source(rule: Rule) -> None:
    silent = {"status": "never_fired", "events_seen": 1000}

    assert [p.kind for p in proposed(rule, [], **silent)] == ["retire"]
    assert proposed(rule, [], **silent | {"events_seen": 0}) == []
    assert proposed(rule, [], **silent | {"events_seen": None}) == []
    assert proposed(rule, [], **silent | {"window_days": 12}) == []
    assert proposed(rule, [], **silent | {"is_sole_coverage": True}) == []


def test_the_same_proposal_has_the_same_name_on_another_day(rule: Rule) -> None:
    cases = [case(n, "false_positive") for n in range(3)]

    one, other = proposed(rule, cases)[0], proposed(rule, [*cases, case(9, None)], day=date(2026, 4, 9))[0]

    assert one.proposal_id == other.proposal_id
    assert one.expires != other.expires


def test_a_dry_run_writes_nothing(rule: Rule, tmp_path: Path) -> None:
    (proposal,) = proposed(rule, [case(n, "false_positive") for n in range(3)])

    shown = apply(proposal, rule, tmp_path / "detections", author="ana", day=TODAY)

    assert not shown.is_written
    assert not (tmp_path / "detections" / "exceptions").exists()


def test_an_applied_filter_is_an_exception_that_the_loader_takes_until_its_last_day(rule: Rule, tmp_path: Path) -> None:
    before = rule.path.read_bytes()
    (proposal,) = proposed(rule, [case(n, "false_positive") for n in range(3)])

    written = apply(proposal, rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False)

    assert written.path == tmp_path / "detections" / "exceptions" / f"key-{proposal.proposal_id}.yml"
    loaded = load_rules(tmp_path / "detections" / "sigma", with_samples=False, as_of=proposal.expires)
    (exception,) = loaded.exceptions
    assert (exception.rules, exception.expires, exception.proposed_from) == (
        (ID,),
        proposal.expires,
        ("A0", "A1", "A2"),
    )
    late = load_rules(tmp_path / "detections" / "sigma", with_samples=False, as_of=proposal.expires + timedelta(days=1))
    assert (late.exceptions, len(late.expired)) == ((), 1)
    assert rule.path.read_bytes() == before
    assert apply(proposal, rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False).text == written.text


def test_another_text_in_the_place_is_not_overwritten(rule: Rule, tmp_path: Path) -> None:
    (proposal,) = proposed(rule, [case(n, "false_positive") for n in range(3)])
    path = apply(proposal, rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False).path
    path.write_text(path.read_text() + "# edited by hand\n")

    with pytest.raises(RuleError, match="another text"):
        apply(proposal, rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False)


def test_the_filter_of_a_correlation_names_the_rule_that_it_counts(tmp_path: Path) -> None:
    counting = written(tmp_path, CORRELATION)
    (proposal,) = proposed(counting, [case(n, "false_positive") for n in range(3)])

    apply(proposal, counting, tmp_path / "detections", author="ana", day=TODAY, dry_run=False)

    (exception,) = load_rules(tmp_path / "detections" / "sigma", with_samples=False, as_of=TODAY).exceptions
    assert exception.rules == (BASE_ID,)


def test_values_from_events_stay_values(rule: Rule, tmp_path: Path) -> None:
    odd = ("a*b?\\c", "true", "2026-01-01", "x: [y", "\x1b[31m", "%name%")
    for value in odd:
        proposal = replace(
            proposed(rule, [case(n, "false_positive") for n in range(3)])[0],
            selections=((Condition("userAgent", STARTS_WITH, value), Condition("userIdentity.arn", EQUALS, CI)),),
        )
        document = yaml.safe_load(exception_text(proposal, rule, "ana", TODAY))
        escaped = "".join("\\" + sign if sign in "\\*?" else sign for sign in value)
        assert document["filter"]["selection_1"]["userAgent|startswith"] == escaped
        assert document["filter"]["condition"] == "not (selection_1)"


def test_a_mode_is_written_beside_those_that_are_there_and_not_into_the_rule(rule: Rule, tmp_path: Path) -> None:
    before = rule.path.read_bytes()
    hold = proposed(rule, [], status="hold")[0]
    apply(replace(hold, rule_id="another"), rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False)

    apply(hold, rule, tmp_path / "detections", author="ana", day=TODAY, dry_run=False)

    modes = read_modes(tmp_path / "detections" / "modes.yml")
    assert set(modes) == {ID, "another"}
    assert (modes[ID].mode, modes[ID].expires, modes[ID].author) == ("test", hold.expires, "ana")
    assert modes[ID].proposal == hold.proposal_id
    assert rule.path.read_bytes() == before
