"""Running days outside the Dagster UI: the same jobs, in this process, on the workspace's own Dagster instance.

What the command prints about it is in `intelsec_assets.commands`; what a job holds is in `jobs`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from intelsec_assets import progress
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.settings import Settings
from intelsec_jobs.definitions import build_defs
from intelsec_jobs.instance import prepare_instance
from intelsec_jobs.instance.local_history import quick_history

# Dagster would print every event; the command reports progress itself, and the instance keeps the events.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class DayOutcome:
    """What a day's run came to: how many partitions have other content than before, and the cause if it failed."""

    day: date
    job: str
    run_id: str
    changed: int
    error: str | None = None


def run_days(
    settings: Settings, days: Sequence[date], *, job: str = "daily_intel", last: str | None = "export"
) -> list[DayOutcome]:
    """Run `job` for each day in order, then `last` for the last day; stops at the first day that fails.

    Raises LockHeld when another process runs this workspace.
    """
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    prepare_instance(settings.dagster_home, "embedded")
    workspace = Workspace.of(settings)
    lake = workspace.lake()
    if days and (lake.origin() is None or days[0] < (lake.origin() or days[0])):
        lake.begin(days[0])
    definitions = build_defs(settings=settings)
    outcomes = []
    with (
        workspace.store() as store,
        store.lock("run"),
        quick_history(settings.dagster_home),
        dg.DagsterInstance.get() as instance,
    ):
        for name, day in [(job, day) for day in days] + ([(last, days[-1])] if last and days else []):
            run_id = str(uuid.uuid4())
            store.start_run(run_id, name, day, system_clock())
            outcome = _run(definitions, instance, name, day, run_id)
            summary = {"changed": outcome.changed}
            status = "failed" if outcome.error else "succeeded"
            store.finish_run(run_id, status, system_clock(), summary, outcome.error)
            outcomes.append(outcome)
            if outcome.error:
                break
    return outcomes


def _run(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, day: date, run_id: str) -> DayOutcome:
    progress.report(job, str(day))
    result = definitions.resolve_job_def(job).execute_in_process(
        partition_key=str(day), instance=instance, run_id=run_id, raise_on_error=False, run_config=_QUIET
    )
    changed = sum(
        bool(made.materialization.metadata.get("changed", dg.MetadataValue.bool(False)).value)
        for event in result.get_asset_materialization_events()
        for made in [event.step_materialization_data]
    )
    return DayOutcome(day, job, run_id, changed, None if result.success else _cause(result))


def _cause(result: dg.ExecuteInProcessResult) -> str:
    """The step that failed and why, in one text; the whole trace is in the run's page."""
    causes = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            causes.append(f"{event.step_key}: {error.message.strip() if error else event.message}")
    failed = [
        f"{e.asset_key.to_user_string()}: check {e.check_name} failed: {e.metadata['found'].value}"
        for e in result.get_asset_check_evaluations()
        if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR
    ]
    return "\n".join([*failed, *causes]) or "the run failed before its first step"
