"""Audit logs of the sample through the whole chain: events, context, findings, alerts, the life of alerts, the sensor.

What the rules look for is tried on their own samples in tests/unit; here it is that they find it where it happened.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.commands.run import DETECTION_JOBS
from intelsec_assets.detections.alerts.records import HUMAN
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.sigma.scan import scanning
from intelsec_assets.detections.sigma.scan.firing import RuleFailure
from intelsec_assets.detections.tables import ALERTS, CLOUD_AUDIT_EVENTS, RULE_QUALITY, SIGMA_FINDINGS
from intelsec_assets.resources.workspace import Workspace as Resource
from intelsec_assets.settings import DETECTIONS
from intelsec_jobs.definitions import build_defs
from intelsec_jobs.runner import run_days
from sensors.audit_arrivals import build_audit_arrivals
from tests.warehouses import published_sample
from tests.workspaces import Workspace

STORY = date(2026, 3, 13)  # the intruder's busiest day
QUIET = date(2026, 3, 4)
TABLES = ("cloud_audit_events", "rejected_audit_records", "audit_context", "principal_asns", "sigma_findings", "alerts")
PLAN = ("IAM access key created without a change ticket", "Role assumed from a network new to the principal")
PLAN += ("Many distinct objects read by one principal", "Spike of KMS decryptions by one principal")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as opened:
        yield opened


def rows(con: duckdb.DuckDBPyConnection, workspace: Workspace, table: str) -> duckdb.DuckDBPyRelation:
    return con.read_parquet(str(workspace.home / "lake" / table / "*.parquet"))


def titles(con: duckdb.DuckDBPyConnection, workspace: Workspace, day: date) -> set[str]:
    found = rows(con, workspace, ALERTS.name).filter(f"day = date '{day}' and certainty = 'certain'")
    return {title for (title,) in found.project("rule_title").fetchall()}


def copied(built: Workspace, folder: Path) -> Workspace:
    """The workspace with data and home of its own."""
    shutil.copytree(built.data, folder / "data")
    shutil.copytree(built.home, folder / "home", symlinks=True)
    return Workspace(folder / "data", folder / "home")


def deliver(workspace: Workspace, name: str, *events: dict[str, Any], at: datetime) -> None:
    folder = workspace.data / "audit/aws/AWSLogs/111122223333/CloudTrail/eu-central-1" / f"{at:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"111122223333_CloudTrail_eu-central-1_{at:%Y%m%dT%H%MZ}_{name}.json.gz"
    file.write_bytes(gzip.compress(json.dumps({"Records": events}).encode(), mtime=0))


def detect(workspace: Workspace, first: date, last: date) -> None:
    """The job over a span of days, as the sensor asks for it."""
    span = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(settings=workspace.settings).resolve_job_def("cloud_detections")
        assert job.execute_in_process(instance=instance, tags=span).success


def key_created(event_id: str, at: datetime) -> dict[str, Any]:
    return {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLELATE00001",
            "arn": "arn:aws:iam::111122223333:user/late",
            "accountId": "111122223333",
            "userName": "late",
        },
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateAccessKey",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.77",
        "userAgent": "aws-cli/2.15",
        "requestParameters": {"userName": "someone"},
        "responseElements": {"accessKey": {"userName": "someone", "accessKeyId": "AKIAEXAMPLE000000001"}},
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
    }


def test_the_four_rules_of_the_plan_raise_alerts_on_the_days_of_the_story(
    built: Workspace, con: duckdb.DuckDBPyConnection
) -> None:
    assert set(PLAN) <= titles(con, built, STORY)
    assert not titles(con, built, QUIET)


def test_a_key_with_a_ticket_raises_nothing_beside_those_without(
    built: Workspace, con: duckdb.DuckDBPyConnection
) -> None:
    made = rows(con, built, CLOUD_AUDIT_EVENTS.name).filter(
        f"day = date '{STORY}' and event_name = 'CreateAccessKey' and error_code is null"
    )
    joined = con.sql(
        'select e.event_id, c."context.ticket.state" from made as e '
        f"join read_parquet('{built.home}/lake/audit_context/*.parquet') as c using (event_id)"
    )
    state = dict(joined.fetchall())
    accused = rows(con, built, SIGMA_FINDINGS.name).filter(f"rule_title = '{PLAN[0]}' and day = date '{STORY}'")
    events = {event for (ids,) in accused.project("event_ids").fetchall() for event in ids}

    assert "present" in state.values()
    assert events == {event for event, ticket in state.items() if ticket != "present"}
    assert made.aggregate("count(*)").fetchall()[0][0] == len(state)


def test_every_live_finding_is_in_an_alert_and_every_alert_has_its_finding(
    built: Workspace, con: duckdb.DuckDBPyConnection
) -> None:
    findings = {one for (one,) in rows(con, built, SIGMA_FINDINGS.name).project("finding_id").fetchall()}
    raised = {one for (one,) in rows(con, built, ALERTS.name).project("finding_id").fetchall()}
    with built.store() as store:
        service = AlertService(store, lambda: datetime.now(UTC))
        taken = {
            one.finding_id for alert in service.queue(limit=None) for one in store.findings_of(alert.alert_id, 10_000)
        }

    assert raised <= findings
    assert taken == findings


def test_a_second_run_changes_nothing(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    before = workspace.content("lake", "audit")

    outcomes = run_days(workspace.settings, [QUIET], job="backfill", spans=DETECTION_JOBS, after=())

    assert [outcome.error for outcome in outcomes] == [None] * 3
    after = workspace.content("lake", "audit")
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert not {path for path in changed if path.endswith(".parquet")}


@pytest.mark.parametrize(
    "first",
    [pytest.param(date(2026, 3, 2), id="all days", marks=pytest.mark.slow), pytest.param(STORY, id="the story")],
)
def test_the_chain_built_anew_gives_the_same_bytes(built: Workspace, tmp_path: Path, first: date) -> None:
    """From a day on, and from the logs: what was landed is gone too."""
    workspace = copied(built, tmp_path)
    before = workspace.content(*(f"lake/{table}" for table in TABLES))
    days = built.lake.days(ALERTS.name)
    assert first in days
    for table in TABLES:
        for path in (workspace.home / "lake" / table).iterdir():
            if path.name >= str(first):
                path.unlink()
    shutil.rmtree(workspace.home / "audit")

    detect(workspace, first, days[-1])

    assert workspace.content(*(f"lake/{table}" for table in TABLES)) == before


def test_late_events_land_in_their_own_day_and_only_what_they_touch_changes(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    instant = datetime(2026, 3, 4, 11, 0, tzinfo=UTC)
    deliver(workspace, "late", key_created("late-1", instant), at=instant + timedelta(days=5))
    before = workspace.content("lake/cloud_audit_events")

    detect(workspace, QUIET, QUIET)

    after = workspace.content("lake/cloud_audit_events")
    assert {path for path in before if before[path] != after[path] and path.endswith(".parquet")} == {
        f"lake/cloud_audit_events/{QUIET}.parquet"
    }
    with engine.quick_session() as con:
        assert titles(con, workspace, QUIET) == {PLAN[0]}


def test_a_damaged_part_of_the_landing_holds_up_no_day_and_its_files_are_taken_again(
    built: Workspace, tmp_path: Path
) -> None:
    workspace, after = copied(built, tmp_path), date(2026, 3, 5)
    before = workspace.content("lake/cloud_audit_events")
    for day in (QUIET, after):
        (workspace.home / f"lake/cloud_audit_events/{day}.parquet").unlink()
    part = next((workspace.home / "audit" / "events" / str(QUIET)).glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-100])

    detect(workspace, QUIET, after)

    assert workspace.content("lake/cloud_audit_events") == before
    with workspace.store() as store:
        (notice,) = [one for one in store.notices() if one.kind == "audit_part_damaged"]
    assert notice.subject == str(QUIET)
    assert str(part) in notice.text


def test_the_sensor_takes_what_arrives_once_and_its_run_raises_an_alert_of_now(
    built: Workspace, tmp_path: Path
) -> None:
    workspace = copied(built, tmp_path)
    sensor, resource = build_audit_arrivals(running=False), Resource.of(workspace.settings)
    definitions = build_defs(settings=workspace.settings)
    now = datetime.now(UTC).replace(microsecond=0)

    def look(instance: dg.DagsterInstance, cursor: str | None) -> Any:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
        return sensor(context, workspace=resource)

    with dg.DagsterInstance.ephemeral() as instance:
        first = look(instance, None)
        assert [request.tags["dagster/asset_partition_range_start"] for request in first.run_requests] == ["2026-03-02"]
        assert not look(instance, first.cursor).run_requests

        deliver(workspace, "now", key_created("now-1", now - timedelta(seconds=30)), at=now)
        second = look(instance, first.cursor)
        (request,) = second.run_requests
        assert request.partition_key == str(now.date())
        result = definitions.resolve_job_def("cloud_detections").execute_in_process(
            instance=instance,
            partition_key=request.partition_key,
            tags={**request.tags, "dagster/sensor_name": "audit_log_arrivals"},
        )
        assert result.success
        assert not look(instance, second.cursor).run_requests

    with workspace.store() as store:
        service = AlertService(store, lambda: datetime.now(UTC))
        (alert,) = [one for one in service.queue(limit=None) if one.entity == "arn:aws:iam::111122223333:user/late"]
        assert now <= alert.created_at <= datetime.now(UTC)
        # the register of the sample ends in March: nothing is known of tickets now
        assert alert.certainty == "context_unknown"


def test_a_look_that_finds_nothing_new_says_which_source_is_away(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    (workspace.data / "audit/azure").rename(workspace.data / "audit/moved")
    sensor = build_audit_arrivals(running=False)
    resource = Resource.of(workspace.settings)

    def look(cursor: str | None) -> dg.SensorExecutionData:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"workspace": resource})
            return sensor.evaluate_tick(context)

    again = look(look(None).cursor)

    assert again.skip_message is not None
    assert again.skip_message.startswith("0 files taken, no day has new events; azure-activity is away: ")


def test_verdicts_of_a_day_reach_quality_hit_rates_and_feeds_of_that_day(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, judged = copied(built, tmp_path), date(2026, 3, 15)
    at = datetime(2026, 3, 15, 9, 0, tzinfo=UTC)
    with workspace.store() as store:
        service = AlertService(store, lambda: datetime.now(UTC))
        alerts = [one for one in service.queue(limit=None) if one.indicator_ids and one.created_at < at]
        assert alerts
        for alert in alerts:
            service.triage(alert.alert_id, "mel", actor_kind=HUMAN, verdict="true_positive", note="the intruder", at=at)
    indicator = alerts[0].indicator_ids[0]

    def hit_rate() -> float:
        with engine.quick_session() as con:
            scores = con.read_parquet(str(workspace.lake.path("indicator_scores", judged)))
            return float(scores.filter(f"indicator_id = '{indicator}'").project("hit_rate").fetchall()[0][0])

    before = hit_rate()
    outcomes = run_days(workspace.settings, [judged], spans=("detection_outcomes",), after=())

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert hit_rate() > before
    with engine.quick_session() as con:
        counted = rows(con, workspace, RULE_QUALITY.name).filter(f"day = date '{judged}'")
        assert counted.aggregate("sum(true_positives)").fetchall()[0][0] == len(alerts)
    assert workspace.here(monkeypatch, "feeds", "accuracy", "--json") == 0
    (told, *_) = json.loads(capsys.readouterr().out)
    assert (told["accuracy"], told["false_positives"]) == (1.0, 0)
    assert told["true_positives"] <= len(alerts)


def test_an_unreadable_ticket_register_makes_rules_say_that_they_do_not_know(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    (workspace.data / "audit/tickets.csv").write_bytes(b"\xff\xfe not a register")

    detect(workspace, STORY, STORY)

    with engine.quick_session() as con:
        found = rows(con, workspace, SIGMA_FINDINGS.name).filter(f"day = date '{STORY}' and rule_title = '{PLAN[0]}'")
        assert {certainty for (certainty,) in found.project("certainty").fetchall()} == {"context_unknown"}


def evaluations(workspace: Workspace, day: date) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of a day's detections say in the UI, by `asset.check`."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(settings=workspace.settings).resolve_job_def("cloud_detections")
        result = job.execute_in_process(instance=instance, partition_key=str(day))
        assert result.success
        return {f"{e.asset_key.to_user_string()}.{e.check_name}": e for e in result.get_asset_check_evaluations()}


def test_what_could_not_be_read_or_asked_is_told_by_a_check_with_its_cause(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    (workspace.data / "audit/tickets.csv").write_bytes(b"\xff\xfe not a register")
    (workspace.data / "audit/azure").rename(workspace.data / "audit/moved")
    logs = workspace.data / "audit/aws/AWSLogs/111122223333/CloudTrail/eu-central-1" / f"{STORY:%Y/%m/%d}"
    (logs / f"111122223333_CloudTrail_eu-central-1_{STORY:%Y%m%d}T1000Z_broken.json.gz").write_bytes(b"not a log")
    shutil.copytree(DETECTIONS, tmp_path / "detections")
    (tmp_path / "detections/sigma/root-use/rule.yml").write_text("title: [never closed")
    ours = Workspace(workspace.data, workspace.home, {"INTELSEC_DETECTIONS": str(tmp_path / "detections")})

    said = evaluations(ours, STORY)

    for name, cause in (
        ("cloud_audit_events.sources_could_be_read", "azure-activity is away: "),
        ("rejected_audit_records.every_record_was_used", "1 record of 1 file: not_json 1"),
        ("audit_context.context_is_known", "tickets.csv cannot be read: "),
        ("sigma_findings.every_rule_was_asked", "1 left out, the first: "),
    ):
        assert not said[name].passed, name
        assert said[name].severity == dg.AssetCheckSeverity.WARN, name
        assert cause in str(said[name].metadata["found"].value), name
        assert said[name].metadata["day"].value == str(STORY), name
    assert said["sigma_findings.findings_name_their_events"].passed
    with ours.store() as store:
        kept = {f"{check.asset}.{check.check}": check.passed for check in store.latest_checks(STORY)}
    assert {name for name, passed in kept.items() if not passed} == {
        name for name, evaluation in said.items() if not evaluation.passed
    }


def test_a_check_can_be_executed_by_itself_and_is_then_about_the_newest_day(built: Workspace, tmp_path: Path) -> None:
    workspace = copied(built, tmp_path)
    check = dg.AssetCheckKey(dg.AssetKey("audit_context"), "context_is_known")
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = build_defs(settings=workspace.settings)
        only = dg.Definitions.merge(
            definitions, dg.Definitions(jobs=[dg.define_asset_job("one", dg.AssetSelection.checks(check))])
        )
        result = only.resolve_job_def("one").execute_in_process(instance=instance)

    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.check_name == "context_is_known"
    assert evaluation.metadata["day"].value == "2026-03-15"
    assert "the register says nothing after 2026-03-15 13:00 UTC" in str(evaluation.metadata["found"].value)


def test_a_rule_that_breaks_on_a_day_is_asked_again_the_next_time(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = copied(built, tmp_path)
    shutil.rmtree(workspace.home / "lake/sigma_findings")
    broken = RuleFailure("some-rule", "Some rule", "Out of Memory Error")

    whole = scanning.scan

    def with_failure(*given: Any, **more: Any) -> Any:
        return replace(whole(*given, **more), failures=(broken,))

    with monkeypatch.context() as patched:
        patched.setattr(scanning, "scan", with_failure)
        said = evaluations(workspace, QUIET)
    again = evaluations(workspace, QUIET)

    name = "sigma_findings.every_rule_was_asked"
    assert "Some rule was not asked: Out of Memory Error" in str(said[name].metadata["found"].value)
    assert again[name].passed
