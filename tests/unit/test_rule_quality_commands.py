"""`intelsec rules quality|proposals|backtest` over a lake: what they print, write, and leave with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from intelsec_assets import engine
from intelsec_assets.commands.rules import past
from intelsec_assets.commands.rules import rules as app
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.sigma.rules import load_rules
from intelsec_assets.detections.sigma.samples_run import land
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS, ALERTS, CLOUD_AUDIT_EVENTS, SIGMA_FINDINGS
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import from_environment
from intelsec_assets.tables import Table
from tests.alert_findings import finding
from tests.unit.detection_rows import relation
from tests.unit.quality_past import FIRST, ID, LAST, RULE, key, past_of, repository

VERDICTS = {"deploy": "false_positive", "admin": "true_positive"}


def write(lake: Lake, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows as partitions of their days."""
    for day in sorted({row["day"] for row in rows}):
        with engine.quick_session() as con:
            of_day = relation(con, table, [row for row in rows if row["day"] == day])
            lake.write(con, table, table.name, day, of_day, fingerprint="f", inputs={})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one rule and a lake of a month: a job's key each day, judged false, and an intruder's one."""
    root = tmp_path_factory.mktemp("built")
    rules = repository(root)
    events = [
        key(n, "deploy/run" if n != 4 else "admin/eve", at=FIRST + timedelta(days=n), address=f"192.0.2.{n}")
        for n in range(6)
    ]
    lake = Lake(root / "home" / "lake")
    with engine.quick_session() as con:
        _, past = past_of(con, rules, events, VERDICTS)
        land(con, rules.rules[0], [(events, {})])
        names = ", ".join(f'"{name}"' for name in CLOUD_AUDIT_EVENTS.column_names)
        found = con.sql(f"select {names} from sample_events")
        write(lake, CLOUD_AUDIT_EVENTS, [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()])
    write(lake, SIGMA_FINDINGS, [{**_row(f), "kind": f.kind, "event_ids": list(f.event_ids)} for f in past.stored])
    write(lake, ALERTS, [{**_row(f), "alert_id": f"A-{f.finding_id}"} for f in past.stored])
    said = [
        {
            "day": a.first_event_time.date(), "seq": n, "alert_id": a.alert_id, "rule_id": ID, "verdict": a.verdict,
            "reason": a.reason, "actor": "ana", "actor_kind": "human", "at": a.first_event_time,
        }
        for n, a in enumerate(past.alerts)
    ]  # fmt: skip
    write(lake, ALERT_DISPOSITIONS, said)
    return root


@pytest.fixture
def place(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the place that the commands speak about."""
    root = tmp_path / "place"
    shutil.copytree(built, root)
    for name, value in (("HOME", root / "home"), ("DATA", root), ("DETECTIONS", root / "detections")):
        monkeypatch.setenv(f"INTELSEC_{name}", str(value))
    return root


def _row(finding: Any) -> dict[str, Any]:
    names = ("finding_id", "rule_id", "day", "mode", "dedup_key", "first_event_time", "last_event_time", "entity")
    return {name: getattr(finding, name) for name in names}


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), catch_exceptions=False)


def test_quality_lists_every_rule_with_its_reason_and_leaves_with_one_if_a_rule_is_bad(place: Path) -> None:
    told = ask("quality")

    assert told.exit_code == 0  # six verdicts are not enough to call a rule bad
    assert "insufficient data key  [live] 6 alerts, 1.0 a day of 50; 83% false of 6" in told.output
    (row,) = json.loads(ask("quality", "--json").output)
    assert (row["name"], row["false_positives"], row["n"], row["status"]) == ("key", 5, 6, "insufficient_data")


def judge(*days: date) -> None:
    """A judgement in the store on each of the days, of an alert of its own."""
    with Workspace.of(from_environment()).store() as store:
        service = AlertService(store, lambda: datetime(2026, 6, 1, tzinfo=UTC))
        for number, day in enumerate(days):
            at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            one = finding(f"f{number}", dedup_key=f"k{number}", first_event_time=at, last_event_time=at)
            (alert_id,) = service.take([one], raised_at=at).created
            service.triage(alert_id, "ana", verdict="false_positive", note="agreed", at=at + timedelta(minutes=5))


def standing_at(monkeypatch: pytest.MonkeyPatch, today: date, newest_of_data: date | None) -> None:
    """What day it is, and where the data ends; None = it comes by itself."""
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    monkeypatch.setattr(past, "system_clock", lambda: noon)
    monkeypatch.setattr(past, "_newest_of_data", lambda workspace: newest_of_data)


@pytest.mark.parametrize(
    ("days", "said", "run"),
    [
        ((12,), "1 verdict of 2026-03-12 is not counted: it waits for its day to be built", "--day 2026-03-12"),
        (
            (12, 13),
            "2 verdicts of 2026-03-12 to 2026-03-13 are not counted: they wait for their day to be built",
            "--from 2026-03-12 --to 2026-03-13",
        ),
    ],
)
def test_verdicts_that_no_built_day_covers_are_said_to_wait_with_what_builds_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, days: tuple[int, ...], said: str, run: str
) -> None:
    assert ask("quality").stderr == ""
    judge(*(date(2026, 3, day) for day in days))
    standing_at(monkeypatch, date(2026, 3, 20), None)

    for command in ("quality", "proposals"):
        assert ask(command).stderr == f"{said}. Next: intelsec run {run}\n"
    assert json.loads(ask("quality", "--json").stdout)  # a pipe gets the rows alone
    assert ask("quality", "--day", str(FIRST.date())).stderr == ""  # a past day knows nothing of what came later


@pytest.mark.parametrize(
    ("newest_of_data", "said"),
    [
        (None, "2026-03-12 is built once it is over: intelsec run --day 2026-03-12, or the schedules of the night"),
        (date(2026, 3, 7), "The data ends on 2026-03-07: tell when they were given, with --at"),
    ],
)
def test_verdicts_of_a_day_that_no_run_can_build_yet_are_said_to_wait_for_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, newest_of_data: date | None, said: str
) -> None:
    judge(date(2026, 3, 12))
    standing_at(monkeypatch, date(2026, 3, 12), newest_of_data)

    assert said in ask("quality").stderr


def test_quality_of_an_earlier_day_knows_nothing_of_later_ones(place: Path) -> None:
    (row,) = json.loads(ask("quality", "--json", "--day", str(FIRST.date() + timedelta(days=1))).output)

    assert (row["n"], row["alerts"]) == (2, 2)


def test_proposals_are_shown_and_nothing_is_written(place: Path) -> None:
    told = ask("proposals")

    assert told.exit_code == 1
    assert "suppress key until" in told.output
    assert "not when  userIdentity.arn is arn:aws:sts::111122223333:assumed-role/deploy/run" in told.output
    assert not (place / "detections" / "exceptions").exists()
    for document in json.loads(ask("proposals", "--json").output):
        assert "intelsec:" in document["text"]


def test_an_applied_proposal_is_written_noted_and_gone_from_the_list(place: Path) -> None:
    document, _ = json.loads(ask("proposals", "--json").output)

    done = ask("proposals", "--apply", document["proposal_id"], "--author", "ana")

    assert done.exit_code == 0
    day = FIRST.date() + timedelta(days=5)
    (exception,) = load_rules(place / "detections" / "sigma", as_of=day).exceptions
    assert exception.expires == day + timedelta(days=14)
    with Workspace.of(from_environment()).store() as store:
        (notice,) = store.notices()
    assert (notice.kind, notice.subject) == ("rule changed", "key")
    assert notice.text.startswith(f"ana applied suppress {document['proposal_id']} until")
    assert ask("proposals").exit_code == 0


def test_an_unknown_proposal_is_wrong_use_and_names_those_there_are(place: Path) -> None:
    told = ask("proposals", "--apply", "nope")

    assert told.exit_code == 2
    assert not (place / "detections" / "exceptions").exists()


def test_backtest_leaves_with_one_if_a_true_positive_would_be_lost(place: Path) -> None:
    changed = place / "changed.yml"
    issuer = "userIdentity.sessionContext.sessionIssuer.arn"
    for role, code in (("deploy", 0), ("admin", 1)):
        changed.write_text(
            RULE.replace(
                "condition: selection",
                f"other: {{{issuer}|endswith: role/{role}}}\n  condition: selection and not other",
            )
        )
        told = ask("backtest", "key", "--rule-file", str(changed))
        assert told.exit_code == code, told.output
        assert ("true positives would have been lost" in told.output) is (role == "admin")
    document = json.loads(ask("backtest", "key", "--rule-file", str(changed), "--json").output)
    assert document["findings"] == {"kept": 5, "added": 0, "removed": 1}
    assert document["alerts"]["true_positive"] == {"kept": 0, "lost": 1}


def test_backtest_refuses_a_file_with_another_rule_and_days_without_events(place: Path) -> None:
    other = place / "other.yml"
    other.write_text(RULE.replace(ID, "0f6d5f0e-3a9c-4f3e-9a55-0c1f5b3c9d09"))

    assert ask("backtest", "key", "--rule-file", str(other)).exit_code == 2
    assert ask("backtest", "key", "--from", str(LAST.date()), "--to", str(LAST.date())).exit_code == 1
    assert ask("backtest", "key", "--from", str(LAST.date()), "--to", str(date(2026, 1, 1))).exit_code == 2


@pytest.mark.parametrize(
    ("telemetry", "said"),
    [
        (None, "Name audit logs in telemetry.yaml of the data root first"),
        ("version: 1\naudit: [{name: t, provider: aws, location: logs}]\n", "Next: intelsec run"),
    ],
)
def test_an_empty_lake_says_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, telemetry: str | None, said: str
) -> None:
    monkeypatch.setenv("INTELSEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INTELSEC_DATA", str(tmp_path))
    if telemetry:
        (tmp_path / "telemetry.yaml").write_text(telemetry)

    told = ask("quality")

    assert told.exit_code == 1
    assert f"holds no findings yet. {said}" in told.stderr
