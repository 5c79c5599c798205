"""`intelsec run` and `intelsec backfill`: days through all assets, with progress, ending in a summary.

The days run as Dagster jobs in this process (`intelsec_jobs.runner`); nothing is computed here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import structlog
import typer

from intelsec_assets import progress
from intelsec_assets.commands import detection_summary, summary_view
from intelsec_assets.commands.faces import (
    FOUND_SOMETHING,
    NOT_REACHABLE,
    WRONG_USE,
    Data,
    Day,
    Json,
    day_option,
    fail,
    people,
    print_json,
    workspace_settings,
)
from intelsec_assets.days import days_between, previous_day
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.feeds.available import local_days
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.snapshots import published
from intelsec_assets.records import UNAVAILABLE
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.settings import Settings
from intelsec_assets.wording import counted

DETECTION_JOBS = ("cloud_detections", "detection_outcomes")  # jobs over all days together, where there are audit logs

log = structlog.get_logger("intelsec.run")

FirstDay = Annotated[str | None, typer.Option("--from", help="First day of a span, YYYY-MM-DD.")]
LastDay = Annotated[str | None, typer.Option("--to", help="Last day of a span, YYYY-MM-DD.")]


Warehouse = Annotated[
    bool, typer.Option("--warehouse/--no-warehouse", help="Publish the warehouse at the end, or leave it as it is.")
]


def run(
    day: Day = None,
    first: FirstDay = None,
    last: LastDay = None,
    warehouse: Warehouse = True,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run the main job: feeds, indicators, scores, export, summary; audit logs, findings, alerts; warehouse.

    Without a day: every day the data holds. Example: intelsec run --day 2026-03-04
    """
    settings = workspace_settings(data)
    days = _span(settings, day_option(day), day_option(first, "--from"), day_option(last, "--to"))
    _run(settings, days, json, after=["export", *(["warehouse_publish"] if warehouse else [])])


def backfill(
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")],
    warehouse: Warehouse = True,
    data: Data = None,
    json: Json = False,
) -> None:
    """Build a span of days in order from stored snapshots, then the warehouse; no target is written to.

    Example: intelsec backfill --from 2026-03-02 --to 2026-03-08
    """
    settings = workspace_settings(data)
    days = _span(settings, None, day_option(first, "--from"), day_option(last, "--to"))
    _run(settings, days, json, job="backfill", after=["warehouse_publish"] if warehouse else [])


def _span(settings: Settings, day: date | None, first: date | None, last: date | None) -> list[date]:
    """The days asked for."""
    if day is not None and (first is not None or last is not None):
        fail("--day and --from/--to exclude each other", WRONG_USE)
    if day is not None:
        days = [day]
    elif first is not None and last is not None:
        days = days_between(first, last)
    else:
        held = _days_held(settings)
        days = days_between(first or held[0], last or held[-1])
    if not days:
        fail(f"--from {first} is after --to {last}", WRONG_USE)
    _refuse_days_outside(settings, days)
    return days


def _days_held(settings: Settings) -> list[date]:
    """First and last day of the data; of a source without dates, yesterday."""
    if settings.data_root is None:
        return [previous_day(system_clock().date())]
    days = local_days(Workspace.of(settings).catalogue(), settings.data_root)
    if not days:
        fail(f"{settings.data_root} holds no dated feed; name the day: --day YYYY-MM-DD", WRONG_USE)
    return [days[0], days[-1]]


def _refuse_days_outside(settings: Settings, days: Sequence[date]) -> None:
    """A folder of dated files says which days it can be asked for; so do the snapshots kept of it."""
    if settings.data_root is None:
        return
    workspace = Workspace.of(settings)
    known = sorted({*local_days(workspace.catalogue(), settings.data_root), *workspace.raw_store().days()})
    outside = [day for day in days if known and not known[0] <= day <= known[-1]]
    if outside:
        fail(
            f"{outside[0]} is outside the data: {settings.data_root} holds {known[0]} to {known[-1]}; "
            "name a day of those, or another folder with --data",
            WRONG_USE,
        )


def _run(
    settings: Settings, days: Sequence[date], json: bool, *, job: str = "daily_intel", after: Sequence[str]
) -> None:
    spans = DETECTION_JOBS if Workspace.of(settings).detection_sources().telemetry().audit else ()
    with _progress(days):
        # the location and Dagster take seconds to import: only when something is to be run
        from intelsec_jobs.runner import DayOutside, HistoryUnavailable, run_days

        try:
            outcomes = run_days(settings, days, job=job, spans=spans, after=after, from_stored=job == "backfill")
        except DayOutside as error:
            fail(str(error), WRONG_USE)
        except HistoryUnavailable as error:
            fail(str(error), NOT_REACHABLE)
    errors = [f"{outcome.job} of {outcome.day} failed. {outcome.error}" for outcome in outcomes if outcome.error]
    built = [outcome.day for outcome in outcomes if not outcome.error]
    changed = sum(outcome.changed for outcome in outcomes)
    summary = _summary(settings, built[-1], {outcome.run_id for outcome in outcomes}) if built else None
    seen = _detections(settings, built) if spans and built else None
    if json:
        told = summary.to_json() if summary else {"day": None}
        print_json(told | {"detections": seen and seen.to_json(), "changed": changed, "errors": errors})
    elif summary:
        below = [
            *(detection_summary.render(seen) if seen else []),
            *_closing(settings, built, changed, has_alerts=seen is not None),
        ]
        for line in [*summary_view.render(summary, len(below)), *below]:
            typer.echo(line)
    if errors:
        away = summary is not None and any(target.status == UNAVAILABLE for target in summary.targets)
        fail("\n".join(errors), NOT_REACHABLE if away else FOUND_SOMETHING)


def _summary(settings: Settings, day: date, run_ids: set[str]) -> summary_view.Summary:
    workspace = Workspace.of(settings)
    with workspace.store() as store:
        targets = summary_view.by_target(store.exports(day=day), run_ids)
        return summary_view.read_summary(
            workspace.lake(), day, workspace.catalogue(), targets, store.latest_checks(day)
        )


def _detections(settings: Settings, days: Sequence[date]) -> detection_summary.DetectionFigures | None:
    workspace = Workspace.of(settings)
    with workspace.store() as store:
        waiting = sum(alert.is_waiting for alert in AlertService(store, system_clock).queue(limit=None))
    return detection_summary.read_detections(workspace.lake(), days, waiting)


def _closing(settings: Settings, built: Sequence[date], changed: int, *, has_alerts: bool) -> list[str]:
    days = f"{len(set(built))} days, {built[0]} to {built[-1]}" if built[0] != built[-1] else str(built[0])
    news = f"{counted(changed, 'partition')} written" if changed else "nothing changed, nothing written"
    queue = "intelsec alerts list; " if has_alerts else ""
    return [
        f"run         {days}: {news}",
        f"files       {settings.exports / 'latest'}",
        f"warehouse   {_warehouse(settings, built[-1])}",
        f"next        {queue}intelsec explain INDICATOR (why it scores so); intelsec tables; make dev",
    ]


def _warehouse(settings: Settings, day: date) -> str:
    folder = WarehouseFolder(settings.home)
    now = published(folder)
    if now is None:
        return "not published yet: intelsec warehouse build"
    rows = f"{sum(now.tables.values()):,} rows in {len(now.tables)} tables"
    late = f"; of {day} it is not: intelsec warehouse build" if now.day < day else ""
    return f"{folder.published}  snapshot {now.snapshot} of {now.day}, {rows}{late}"


@contextmanager
def _progress(days: Sequence[date]) -> Iterator[None]:
    """What is running, on standard error: a line that changes for a person, an event a day for a log."""
    started = time.monotonic()
    seen: list[str] = []

    def show(report: progress.Report) -> None:
        if report.day not in seen:
            seen.append(report.day)
            if not people.is_terminal:
                log.info("day begins", day=report.day, number=len(seen), of=len(days))
        text = f"day {len(seen)}/{len(days)}  {report.day}  {report.asset}  {report.outcome}"
        status.update(f"{text}  [dim]{time.monotonic() - started:.0f} s[/]")

    with people.status("starting") as status, progress.listening(show):
        yield
