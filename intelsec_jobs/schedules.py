"""Schedules: the fixed hours of the day, UTC. Each run is of the day before.

Off unless the environment declares them on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import dagster as dg

from intelsec_assets.days import previous_day
from intelsec_jobs import jobs

# Feeds that publish once a day have published by 02:00 UTC; MISP, the warehouse and the report on quality follow when
# the day is built.
_HOURS = (
    (jobs.DAILY_INTEL, 2, 30),
    (jobs.EXPORT, 4, 0),
    (jobs.WAREHOUSE, 4, 30),
    (jobs.QUALITY, 5, 0),
)


# What people did with alerts until midnight is written down after it; the day's late events are waited for first.
_DETECTION_HOURS = ((jobs.DETECTIONS, 3, 30), (jobs.DETECTION_OUTCOMES, 3, 45))


def build_schedules(
    on: Collection[str],
) -> Sequence[dg.UnresolvedPartitionedAssetScheduleDefinition | dg.ScheduleDefinition]:
    """The daily schedules; those named in `on` start running."""
    return [
        *(
            dg.build_schedule_from_partitioned_job(
                job,
                hour_of_day=hour,
                minute_of_hour=minute,
                name=f"{job.name}_schedule",
                description=_description(job, hour, minute),
                default_status=_status(job, on),
            )
            for job, hour, minute in _HOURS
        ),
        *(_of_yesterday(job, hour, minute, on) for job, hour, minute in _DETECTION_HOURS),
    ]


def _of_yesterday(
    job: dg.UnresolvedAssetJobDefinition, hour: int, minute: int, on: Collection[str]
) -> dg.ScheduleDefinition:
    """Of assets that have today's partition too, which Dagster's own daily schedule would take."""

    def requests(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = str(previous_day(context.scheduled_execution_time.date()))
        return dg.RunRequest(run_key=day, partition_key=day)

    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone="UTC",
        execution_fn=requests,
        description=_description(job, hour, minute),
        default_status=_status(job, on),
    )


def _description(job: dg.UnresolvedAssetJobDefinition, hour: int, minute: int) -> str:
    return f"{job.description} At {hour:02}:{minute:02} UTC for the day before."


def _status(job: dg.UnresolvedAssetJobDefinition, on: Collection[str]) -> dg.DefaultScheduleStatus:
    return dg.DefaultScheduleStatus.RUNNING if f"{job.name}_schedule" in on else dg.DefaultScheduleStatus.STOPPED
