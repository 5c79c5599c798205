"""What starts work by itself: schedules for the day before, a notice of every failed run, scores after their inputs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import from_environment
from intelsec_jobs.definitions import build_defs
from sensors.run_failures import build_run_failure_sensor, failure_notice


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.of(from_environment({"INTELSEC_HOME": str(tmp_path)}))


@pytest.mark.parametrize("name", ["daily_intel_schedule", "export_schedule", "warehouse_publish_schedule"])
def test_a_schedule_asks_for_the_day_before(name: str) -> None:
    schedule = build_defs().resolve_schedule_def(name)
    context = dg.build_schedule_context(scheduled_execution_time=dt.datetime(2026, 3, 5, 4, 30, tzinfo=dt.UTC))
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == ["2026-03-04"]


def test_a_failed_run_leaves_a_notice_with_its_cause(workspace: Workspace) -> None:
    @dg.op
    def breaks() -> None:
        raise RuntimeError("the disk is on fire")

    @dg.job
    def nightly() -> None:
        breaks()

    day = {"dagster/partition": "2026-03-04"}
    with dg.DagsterInstance.ephemeral() as instance:
        result = nightly.execute_in_process(instance=instance, raise_on_error=False, tags=day)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failure_notice",
            dagster_event=next(event for event in result.all_events if event.is_job_failure),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        build_run_failure_sensor(running=False)(context, workspace=workspace)
    with workspace.store() as store:
        (notice,) = store.notices()
    assert notice.subject == "nightly 2026-03-04"
    assert "the disk is on fire" in notice.text
    assert "intelsec run --day 2026-03-04" in notice.text


def test_a_notice_is_bounded_and_names_the_run() -> None:
    subject, text = failure_notice("daily_intel", None, "abc", "x" * 100_000)
    assert subject == "daily_intel"
    assert len(text) < 2_200
    assert "Run abc" in text


def test_scores_follow_only_inputs_whose_blocking_checks_passed() -> None:
    condition = build_defs().resolve_asset_graph().get(dg.AssetKey("indicator_scores")).automation_condition
    assert condition == dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()


def test_no_other_asset_starts_by_itself() -> None:
    conditioned = [spec.key for spec in build_defs().resolve_all_asset_specs() if spec.automation_condition]
    assert conditioned == [dg.AssetKey("indicator_scores")]
