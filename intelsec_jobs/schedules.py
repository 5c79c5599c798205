"""Schedules: the fixed hours of the day, UTC. Each run is the partition of the day before.

Off unless the environment declares them on.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from intelsec_jobs import jobs

# Feeds that publish once a day have published by 02:00 UTC; MISP, the warehouse and the report on quality follow when
# the day is built.
_HOURS = (
    (jobs.DAILY_INTEL, 2, 30),
    (jobs.EXPORT, 4, 0),
    (jobs.WAREHOUSE, 4, 30),
    (jobs.QUALITY, 5, 0),
)


def build_schedules(on: Collection[str]) -> list[dg.UnresolvedPartitionedAssetScheduleDefinition]:
    """The daily schedules; those named in `on` start running."""
    return [
        dg.build_schedule_from_partitioned_job(
            job,
            hour_of_day=hour,
            minute_of_hour=minute,
            name=f"{job.name}_schedule",
            description=f"{job.description} At {hour:02}:{minute:02} UTC for the day before.",
            default_status=dg.DefaultScheduleStatus.RUNNING
            if f"{job.name}_schedule" in on
            else dg.DefaultScheduleStatus.STOPPED,
        )
        for job, hour, minute in _HOURS
    ]
