"""A failed run leaves a notice in the operational store, where `intelsec status` shows it with its cause.

Sending it further (mail, chat) is not done here.
"""

import dagster as dg

from intelsec_assets.records import Notice
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_jobs.failures import reason

LONGEST_CAUSE = 2000  # characters; the whole trace stays in the run's page


def failure_notice(job: str, partition: str | None, run_id: str, cause: str) -> tuple[str, str]:
    """Subject and text of the notice about a failed run."""
    subject = f"{job} {partition}" if partition else job
    text = f"{cause.strip()[:LONGEST_CAUSE]}\nRun {run_id}. After mending the cause: intelsec run" + (
        f" --day {partition}" if partition else ""
    )
    return subject, text


def build_run_failure_sensor(*, running: bool) -> dg.SensorDefinition:
    """The sensor, running or stopped at first."""

    @dg.run_failure_sensor(
        name="run_failure_notice",
        description="Writes a notice with the cause of every failed run to the operational store.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
    def run_failure_notice(context: dg.RunFailureSensorContext, workspace: Workspace) -> None:
        run = context.dagster_run
        steps = [(event.step_key, event.step_failure_data) for event in context.get_step_failure_events()]
        causes = [f"{step}: {reason(failure)}" for step, failure in steps] or [context.failure_event.message or ""]
        subject, text = failure_notice(run.job_name, run.tags.get("dagster/partition"), run.run_id, "\n".join(causes))
        notice = Notice("run_failed", subject, text, system_clock())
        with workspace.store() as store:
            store.add_notice(notice.kind, notice.subject, notice.text, notice.at)

    return run_failure_notice
