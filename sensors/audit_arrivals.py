"""New audit logs wake the detections of just the days they hold, today's and long past ones alike.

How logs are taken in is `detections.audit`; what runs for a day is the job `cloud_detections`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import dagster as dg

from intelsec_assets import policies
from intelsec_assets.days import days_between, previous_day
from intelsec_assets.detections.gaps import sources_read
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.wording import counted
from intelsec_jobs.jobs import DETECTIONS

# Files of a source that one look takes: at 200,000 events a second a look ends long before Dagster's patience of 60 s.
MOST_FILES = 500
EVERY = timedelta(seconds=15)  # an event is an alert within a minute of its delivery


def days_to_judge(landed: Mapping[date, str], seen: Mapping[str, str], lookback: timedelta, newest: date) -> list[date]:
    """Days whose findings may have changed, in order.

    `landed` is the version of each day's events now, `seen` what the sensor saw last, by day. An event can complete a
    burst that ends on a later day: `lookback` is how far correlations reach. Days after `newest` have not begun.
    """
    reach = -(-lookback // timedelta(days=1))
    changed = [day for day, version in landed.items() if seen.get(str(day)) != version]
    touched = {later for day in changed for later in days_between(day, day + timedelta(days=reach))}
    return sorted(day for day in touched if day in landed and day <= newest)


def spans(days: Sequence[date]) -> list[tuple[date, date]]:
    """First and last day of each stretch without a gap: a run takes it in order, each day after the one before."""
    found: list[tuple[date, date]] = []
    for day in days:
        if found and found[-1][1] == previous_day(day):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def known(landed: Mapping[date, str], seen: Mapping[str, str], asked: Collection[date]) -> dict[str, str]:
    """What was seen after a look: a day that could not be asked for yet stays unseen, lest it be forgotten."""
    return {str(day): version for day, version in landed.items() if day in asked or seen.get(str(day)) == version}


def build_audit_arrivals(*, running: bool) -> dg.SensorDefinition:
    """The sensor, running or stopped at first."""

    @dg.sensor(
        name="audit_log_arrivals",
        job=DETECTIONS,
        description="Takes in audit logs that have arrived and asks for the detections of the days they hold.",
        minimum_interval_seconds=int(EVERY.total_seconds()),
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
    def audit_log_arrivals(context: dg.SensorEvaluationContext, workspace: Workspace) -> dg.SensorResult:
        """Looks once."""
        sources, now = workspace.detection_sources(), system_clock()
        if not sources.telemetry().audit:
            return dg.SensorResult(skip_reason="telemetry.yaml names no audit logs")
        arrived = sources.take(system_clock, max_files=MOST_FILES)
        state = json.loads(context.cursor or "{}")
        seen, away = state.get("days", {}), state.get("away", {})
        with workspace.store() as store:
            for source, why in arrived.away.items():
                if away.get(source) != why:  # once a cause, not every 15 seconds
                    store.add_notice("audit_source_away", source, f"{why}. Other sources were read.", now)
        reading = sources_read(arrived.away, arrived.not_read)
        if not reading.passed:
            context.log.error("%s; tried again at the next look (intelsec audit status)", reading.found)
        landed = sources.landing().versions()
        days = days_to_judge(landed, seen, sources.prepared(now.date()).lookback, now.date())
        within = [day for day in days if policies.LIVE.has_partition_key(str(day))]
        if outside := sorted(set(days) - set(within)):
            context.log.warning(
                "events of %d days before the calendar, %s to %s, were taken in and are not judged; "
                "INTELSEC_FIRST_DAY opens older days",
                *(len(outside), outside[0], outside[-1]),
            )
        files = counted(sum(intake.files for intake in arrived.taken), "file")
        missed = "" if reading.passed else f"; {reading.found}"
        return dg.SensorResult(
            run_requests=[_request(first, last, landed) for first, last in spans(within)],
            cursor=json.dumps({"days": known(landed, seen, within), "away": dict(arrived.away)}),
            skip_reason=None if within else f"{files} taken, no day has new events{missed}",
        )

    return audit_log_arrivals


def _request(first: date, last: date, landed: Mapping[date, str]) -> dg.RunRequest:
    versions = "".join(landed.get(day, "") for day in days_between(first, last))
    key = f"{first}-{last}-{hashlib.sha256(versions.encode()).hexdigest()[:16]}"
    if first == last:
        return dg.RunRequest(run_key=key, partition_key=str(first))
    span = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return dg.RunRequest(run_key=key, tags=span)
