"""Running days outside the Dagster UI: the same jobs, in this process, on the workspace's own Dagster instance.

What the command prints about it is in `intelsec_assets.commands`; what a job holds is in `jobs`.
"""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from intelsec_assets import policies, progress
from intelsec_assets.days import parse_day, previous_day
from intelsec_assets.kpis.warehouse.build import NOT_EVALUATED
from intelsec_assets.kpis.warehouse.dbt_call import dbt_loading
from intelsec_assets.records import FAILED, SUCCEEDED
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.store import StoreError
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.settings import Settings
from intelsec_jobs.definitions import build_defs
from intelsec_jobs.failures import is_failed_check, reason
from intelsec_jobs.instance import prepare_instance
from intelsec_jobs.instance.local_history import quick_history
from intelsec_jobs.pool_slots import free_dead_slots
from intelsec_jobs.run_processes import PLACE, here

# Dagster would print every event; the command reports progress itself, and the instance keeps the events.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_WAREHOUSE = "warehouse_publish"  # the job that asks dbt


class DayOutside(Exception):
    """A day that no run can be of: it lies before the calendar of partitions, or it is not over yet."""


class HistoryUnavailable(Exception):
    """Dagster's own record of runs and events cannot be written."""


@dataclass(frozen=True)
class DayOutcome:
    """What a day's run came to: how many partitions have other content than before, and the cause if it failed."""

    day: date
    job: str
    run_id: str
    changed: int
    error: str | None = None


def run_days(
    settings: Settings,
    days: Sequence[date],
    *,
    job: str = "daily_intel",
    spans: Sequence[str] = (),
    after: Sequence[str] = ("export",),
    from_stored: bool = False,
) -> list[DayOutcome]:
    """Bring every day up to date in order, the last one by `job`, then run the jobs `after` it for that day.

    The jobs of `spans` come between, each one run over all days together. The first failure of a day stops; one of
    `spans` or `after` does not keep the others from running: a target that is away catches up, and what people read
    does not wait for it. The days before the last build no files for targets: a target is told where things stand, not
    each day it missed. `from_stored` rebuilds from the snapshots stored of a day where there are some; else sources are
    read again.

    Raises DayOutside, and LockHeld when another process runs this workspace; neither has changed anything. Raises
    StoreError or HistoryUnavailable when what records the run cannot be written.
    """
    _refuse_days_outside(days)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    prepare_instance(settings.dagster_home, settings.instance)
    workspace = Workspace.of(settings)
    definitions = build_defs(settings=settings)
    snapshots = policies.STORED if from_stored else policies.SOURCES
    outcomes: list[DayOutcome] = []
    with (
        workspace.store() as store,
        store.lock("run"),
        _history(settings.dagster_home) as instance,
        ExitStack() as beside,
    ):
        if days:
            _refuse_gap(workspace.lake(), days)
            workspace.lake().begin(days[0])
        free_dead_slots(instance, store.unfinished_runs())  # with the lock held: of no run that lives
        for name, of_days in _plan(days, job, spans, after):
            run_id, day = str(uuid.uuid4()), of_days[-1]
            store.start_run(run_id, name, day, system_clock())
            try:
                outcome = _run(definitions, instance, name, of_days, run_id, snapshots)
            except BaseException as error:
                with suppress(StoreError):  # where the disk is full for one it may be full for both
                    store.finish_run(run_id, FAILED, system_clock(), {}, f"{type(error).__name__}: {error}")
                raise
            status = FAILED if outcome.error else SUCCEEDED
            store.finish_run(run_id, status, system_clock(), {"changed": outcome.changed}, outcome.error)
            if outcome.changed and _WAREHOUSE in after and not any(before.changed for before in outcomes):
                with suppress(OSError):  # it will be needed, and a second core has nothing to do
                    beside.enter_context(dbt_loading())
            outcomes.append(outcome)
            if outcome.error and name not in (*spans, *after):
                break
    return outcomes


@contextmanager
def _history(home: Path) -> Iterator[dg.DagsterInstance]:
    """The workspace's Dagster instance. What its database refuses inside the block leaves as HistoryUnavailable."""
    try:
        with quick_history(home), dg.DagsterInstance.get() as instance:
            yield instance
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        raise HistoryUnavailable(
            f"Dagster's history in {home} cannot be written ({cause}): free some space or mend the folder's rights, "
            "then run again; what was built is whole"
        ) from error


def _plan(
    days: Sequence[date], job: str, spans: Sequence[str], after: Sequence[str]
) -> list[tuple[str, Sequence[date]]]:
    """Jobs with their days, in order."""
    if not days:
        return []
    last = days[-1:]
    return [
        *(("backfill", [day]) for day in days[:-1]),
        (job, last),
        *((name, days) for name in spans),
        *((name, last) for name in after),
    ]


def _refuse_days_outside(days: Sequence[date]) -> None:
    outside = [day for day in days if not policies.DAILY.has_partition_key(str(day))]
    if outside:
        newest = policies.DAILY.get_last_partition_key()
        first = parse_day(policies.FIRST_PARTITION)
        way_out = (
            "; INTELSEC_FIRST_DAY opens older days" if outside[0] < first else "; a day can be run once it is over"
        )
        raise DayOutside(f"{outside[0]} is outside the calendar, which goes from {first} to {newest} (UTC){way_out}")


def _refuse_gap(lake: Lake, days: Sequence[date]) -> None:
    """Days before the first one of the lake must join it: each day is built on the one before."""
    origin = lake.origin()
    if origin is not None and days[-1] < previous_day(origin):
        raise DayOutside(
            f"{days[-1]} lies before the first day of this workspace, {origin}, and the days between are not there; "
            f"build them together: intelsec run --from {days[0]} --to {origin}"
        )


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    days: Sequence[date],
    run_id: str,
    snapshots: str,
) -> DayOutcome:
    first, day = days[0], days[-1]
    progress.report(job, str(day))
    span = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(day)}
    result = definitions.resolve_job_def(job).execute_in_process(
        partition_key=str(day) if len(days) == 1 else None,
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        run_config=_QUIET,
        tags={policies.SNAPSHOTS: snapshots, PLACE: here(), **(span if len(days) > 1 else {})},
    )
    changed = sum(
        bool(made.materialization.metadata.get("changed", dg.MetadataValue.bool(False)).value)
        for event in result.get_asset_materialization_events()
        for made in [event.step_materialization_data]
    )
    return DayOutcome(day, job, run_id, changed, None if result.success else _cause(result))


def _cause(result: dg.ExecuteInProcessResult) -> str:
    """The checks and steps that failed and why, a line each; the whole trace is in the run's page."""
    failed = [
        f"{e.asset_key.to_user_string()}: check {e.check_name} failed: {e.metadata['found'].value}"
        for e in result.get_asset_check_evaluations()
        if e.blocking
        and not e.passed
        and e.severity == dg.AssetCheckSeverity.ERROR
        # what waits for a model that failed says nothing: the model does
        and e.metadata["found"].value != NOT_EVALUATED
    ]
    failures = [(event.step_key, event.step_failure_data) for event in result.all_events if event.is_step_failure]
    causes = [f"{step}: {reason(failure)}" for step, failure in failures if not (failed and is_failed_check(failure))]
    return "\n".join([*failed, *causes]) or "the run failed before its first step"
