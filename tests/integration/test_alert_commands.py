"""`intelsec alerts` as people and scripts use it: what it prints, what it writes, and its exit codes.

The service behind it is in test_alert_service.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from intelsec_assets.commands.alerts import alerts
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.resources.store import Store
from tests.alert_findings import finding

Run = Callable[..., Result]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlertService:
    monkeypatch.setenv("INTELSEC_HOME", str(tmp_path / "home"))
    with Store.open(f"sqlite:///{tmp_path / 'home' / 'store.sqlite'}") as store:
        yield AlertService(store, lambda: datetime.now(UTC))


@pytest.fixture
def run(service: AlertService) -> Run:
    def call(*words: str, code: int = 0, given: str | None = None) -> Result:
        result = CliRunner().invoke(alerts, list(words), input=given)
        assert result.exit_code == code, result.output
        return result

    return call


def raised(service: AlertService, name: str = "f1", minutes_ago: float = 0, **given: Any) -> str:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    one = finding(name, dedup_key=name, first_event_time=at, last_event_time=at, **given)
    return service.take([one], raised_at=at).created[0]


def test_the_queue_shows_the_urgent_first_and_what_has_waited_too_long(run: Run, service: AlertService) -> None:
    raised(service, "a", rule_title="Mass object read", level="low")
    raised(service, "b", 25, rule_title="Root used", level="critical")
    raised(service, "c", rule_title="In test", mode="test")

    lines = run("list").output.splitlines()

    assert lines[1].split()[:4] == ["critical", "25", "min", "!"]
    assert "Root used" in lines[1]
    assert "Mass object read" in lines[2]
    assert lines[3] == "2 alerts. 1 waits longer than the target of 10 min (!)"
    assert "In test" in run("list", "--mode", "test").output
    assert "no alerts" in run("list", "--severity", "medium").output
    (first, _) = json.loads(run("list", "--json").output)
    assert (first["rule_title"], first["waiting"]["is_overdue"]) == ("Root used", True)


def test_what_waits_comes_before_what_is_judged_however_severe(run: Run, service: AlertService) -> None:
    judged = raised(service, "a", level="critical", rule_title="Judged")
    raised(service, "b", level="low", rule_title="Waits")
    run("triage", judged, "--verdict", "true_positive", "--reason", "INC-1")

    lines = run("list").output.splitlines()

    assert ["Waits" in lines[1], "Judged" in lines[2]] == [True, True]
    assert lines[-1].startswith("next        intelsec alerts show ")
    (only,) = run("list", "--state", "dispositioned").output.splitlines()[1:-2]
    assert "Judged" in only
    assert run("list", "--state", "dispositioned").output.splitlines()[-2:] == [
        "1 alert. 0 wait longer than the target of 10 min (!)",
        f"next        intelsec alerts close {judged[:8]}",  # nothing waits: what is judged can be closed
    ]


def test_every_command_that_show_offers_is_one_that_the_alert_takes(run: Run, service: AlertService) -> None:
    alert_id = raised(service)
    offered = {
        "created": {"ack", "triage"},
        "acknowledged": {"triage"},
        "triaged": {"triage"},
        "dispositioned": {"triage", "close"},
        "closed": {"triage", "reopen"},
        "reopened": {"ack", "triage"},
    }
    steps = (
        (), ("ack",), ("triage",), ("triage", "--verdict", "true_positive", "--reason", "x"), ("close",),
        ("reopen", "--reason", "y"),
    )  # fmt: skip
    for step, (state, commands) in zip(steps, offered.items(), strict=True):
        if step:
            run(step[0], alert_id, *step[1:])
        shown = run("show", alert_id).output
        assert service.get(alert_id).state == state
        assert {line.split()[2] for line in shown.splitlines() if "intelsec alerts" in line} == commands
    assert "state       reopened, before that true_positive; waits" in shown
    assert f"{alert_id[:8]}  reopened  IAM" not in shown
    assert "it is reopened since" in run("close", alert_id, code=1).output


def test_a_judgement_older_than_the_one_there_is_kept_and_said_to_change_nothing(
    run: Run, service: AlertService
) -> None:
    alert_id = raised(service, minutes_ago=60)
    run("triage", alert_id, "--verdict", "true_positive", "--reason", "x")
    earlier = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()

    told = run("triage", alert_id, "--verdict", "false_positive", "--reason", "y", "--at", earlier).output

    assert "kept, and the newer judgement stands: true_positive of " in told
    assert service.get(alert_id).verdict == "true_positive"


def test_show_prints_evidence_runbook_timeline_and_the_next_commands(run: Run, service: AlertService) -> None:
    alert_id = raised(service)
    raised(service, "f2", rule_id="r2")

    shown = run("show", alert_id[:8]).output

    for text in (
        "HIGH  IAM key created without ticket",
        "rule high (75) = 75: high",
        "requestParameters.userName = bob",
        "runbooks/key-without-ticket.md",
        "created",
        "1 more alert",
        f"intelsec alerts ack {alert_id[:8]}",
        f"intelsec alerts triage {alert_id[:8]} --verdict",
    ):
        assert text in shown
    said = json.loads(run("show", alert_id, "--json").output)
    assert (said["alert_id"], said["history"][0]["event"], len(said["others_of_group"])) == (alert_id, "created", 1)


def test_nothing_an_attacker_wrote_reaches_the_terminal_as_a_command(run: Run, service: AlertService) -> None:
    evil = "x\x1b[2J\x1b]0;owned\x07\u202e\r\nfake line"
    alert_id = raised(
        service, rule_title=evil, entity=evil, evidence={evil: evil}, resource=evil, source_address=evil, runbook=evil
    )
    run("triage", alert_id, "--reason", evil)

    for shown in (run("show", alert_id).output, run("list").output):
        assert not set(shown) & set("\x1b\x07\r\u202e")
        assert "\nfake line" not in run("list").output


def test_several_alerts_are_judged_at_once_and_what_is_refused_is_named(run: Run, service: AlertService) -> None:
    ids = [raised(service, f"f{n}", rule_id=f"r{n}") for n in range(3)]
    run("close", ids[0], "--verdict", "true_positive", "--reason", "x")

    result = run("ack", *ids, "ghost-alert", "--actor", "ann", code=1)

    assert f"{ids[1][:8]}  acknowledged" in result.output
    assert "cannot be acknowledged: it is closed as true_positive" in result.output
    assert "there is no alert 'ghost-alert'" in result.output
    assert service.get(ids[2]).state == "acknowledged"
    assert service.history(ids[2])[-1].actor == "ann"


def test_triage_acknowledges_judges_and_is_one_call_with_a_key(run: Run, service: AlertService) -> None:
    alert_id = raised(service, minutes_ago=30)
    at = (datetime.now(UTC) - timedelta(minutes=26)).isoformat()
    words = ("triage", alert_id, "--verdict", "false_positive", "--reason", "planned", "--at", at, "--request", "1")

    first = json.loads(run(*words, "--json").output)["alerts"][0]
    again = json.loads(run(*words, "--json").output)["alerts"][0]

    assert [event["event"] for event in first["written"]] == ["acknowledged", "triaged", "dispositioned"]
    assert (first["is_repeat"], again["is_repeat"]) == (False, True)
    assert len(service.history(alert_id)) == 4
    stats = json.loads(run("stats", "--json").output)
    assert stats["to_triage"]["plain"]["p50"] == pytest.approx(240, abs=2)
    assert "within 10 min 100%" in run("stats").output


def test_an_alert_is_closed_reopened_and_a_duplicate_of_another(run: Run, service: AlertService) -> None:
    one, two = raised(service, "a"), raised(service, "b")
    run("close", one, code=1)
    run("close", one, "--verdict", "duplicate", "--of", two[:8], "--reason", "same session")
    assert service.get(one).duplicate_of == two
    assert f"duplicates  {one[:8]}" in run("show", two).output
    run("reopen", one, "--reason", "another session")

    assert service.get(one).state == "reopened"
    assert "state       reopened, before that duplicate; waits" in run("show", one).output
    assert f"duplicate of {two[:8]}" in run("show", one).output  # in its history


@pytest.mark.parametrize(
    "words",
    [
        ("triage", "x" * 8, "--verdict", "maybe", "--reason", "x"),
        ("triage", "x" * 8, "--verdict", "false_positive"),
        ("ack", "x" * 8, "--note", "n" * 10_001),
        ("ack", "x" * 8, "--actor", "a\x1b"),
        ("ack", "x" * 8, "--at", "2026-03-02"),
        ("ack", "x" * 8, "--actor-kind", "robot"),
        ("list", "--state", "gone"),
        ("list", "--severity", "severe"),
        ("stats", "--since", "march"),
        ("import", "no/such/file.csv"),
        ("reopen", "x" * 8),
        ("ack",),
    ],
)
def test_wrong_use_is_said_and_is_exit_code_two(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words, code=2).output


def test_times_that_cannot_be_are_refused_and_those_an_hour_off_noted(run: Run, service: AlertService) -> None:
    alert_id = raised(service)
    soon = datetime.now(UTC) + timedelta(minutes=30)

    assert "in the future" in run("ack", alert_id, "--at", "2099-01-01T00:00:00Z", code=1).output
    assert "clock: " in run("ack", alert_id, "--at", soon.isoformat()).output
    assert service.get(alert_id).acknowledged_at <= datetime.now(UTC)  # type: ignore[operator]


def test_verdicts_are_brought_in_and_unknown_alerts_named_while_the_rest_is_applied(
    run: Run, service: AlertService, tmp_path: Path
) -> None:
    one, two = raised(service, "a", 60), raised(service, "b", 60)
    at = (datetime.now(UTC) - timedelta(minutes=55)).isoformat()
    file = tmp_path / "verdicts.csv"
    file.write_text(
        "alert_id,verdict,reason,actor,at\n"
        f"{one},false_positive,planned,soc,{at}\nghost-alert,false_positive,x,soc,\n{two},perhaps,x,soc,\n"
    )

    result = run("import", str(file), code=1)

    assert "1 verdict applied, 0 there before, 2 not usable" in result.output
    assert f"{file} line 3: there is no alert 'ghost-alert'" in result.output.replace("\n", "")
    assert "line 4: verdict 'perhaps' is unknown" in result.output
    assert (service.get(one).verdict, service.get(one).triaged_at) == (
        "false_positive",
        datetime.fromisoformat(at),
    )
    again = json.loads(run("import", str(file), "--json", code=1).output)
    assert (again["applied"], again["there_before"]) == (0, 1)
    assert len(service.history(one)) == 4
    given = json.dumps([{"alert_id": two, "verdict": "true_positive", "reason": "real"}])
    assert "1 verdict applied" in run("import", "-", given=given).output
