"""`intelsec status`: where the workspace stands: newest day, targets, feeds held, failed checks, runs, notices.

Read from the lake and the store; nothing is run.
"""

from __future__ import annotations

from datetime import date
from typing import NoReturn

import typer

from intelsec_assets.commands import summary_view
from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    Data,
    Day,
    Json,
    day_option,
    one_line,
    print_json,
    workspace_settings,
)
from intelsec_assets.records import FAILED, RUNNING
from intelsec_assets.resources.store import LockHeld, Store
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import Settings
from intelsec_assets.wording import counted

RUNS_LOOKED_AT = 30  # a span of days is a run a day
_LONGEST = 200  # characters of a reason; the whole of it is in the run's page
_SAME_WORK = {"backfill": "daily_intel"}  # jobs that build the same of a day: the newer one replaces the older


def status(day: Day = None, data: Data = None, json: Json = False) -> None:
    """Where things stand: the newest day, what targets hold, what is wrong and what to do about it.

    Exit code 1 when something is wrong. Example: intelsec status --json
    """
    settings = workspace_settings(data)
    workspace = Workspace.of(settings)
    lake = workspace.lake()
    days = lake.days("daily_summary")
    asked = day_option(day) or (days[-1] if days else None)
    if asked is None:
        _status_of_nothing(settings, json)
    with workspace.store() as store:
        summary = summary_view.read_summary(
            lake,
            asked,
            workspace.catalogue(),
            summary_view.by_target(store.exports(day=asked)),
            store.latest_checks(asked),
        )
        problems = _problems(store, summary)
        if json:
            print_json(summary.to_json() | {"home": str(settings.home), "days": len(days), "problems": problems})
        else:
            _print(settings, summary, problems, f"{counted(len(days), 'day')}, {days[0]} to {days[-1]}")
    raise typer.Exit(FOUND_SOMETHING if problems else DONE)


def _status_of_nothing(settings: Settings, json: bool) -> NoReturn:
    """No day is whole yet; a run may have failed or been cut off on the way."""
    problems: list[str] = []
    if settings.home.exists():
        with Workspace.of(settings).store() as store:
            problems = _run_problems(store)
    if json:
        print_json({"home": str(settings.home), "days": 0, "problems": problems})
    else:
        typer.echo(f"{settings.home} holds no day yet. Next: intelsec run")
        for problem in problems:
            typer.echo(f"look at     {problem}")
    raise typer.Exit(FOUND_SOMETHING if problems else DONE)


def _problems(store: Store, summary: summary_view.Summary) -> list[str]:
    """What a person should look at, most pressing first."""
    checks = sorted((c for c in summary.checks if not c.passed), key=lambda check: not check.blocking)
    found = [
        f"check {c.asset}.{c.check} {'failed' if c.blocking else 'warns'}: {one_line(str(c.evidence.get('found', '')))}"
        for c in checks
    ]
    found += [f"feed {feed['feed']} is {feed['held']}" for feed in summary.feeds if feed["held"]]
    found += _run_problems(store)
    for notice in store.notices(limit=3):
        text = one_line((notice.text.splitlines() or [""])[0], _LONGEST)
        found.append(f"notice of {notice.at:%Y-%m-%d %H:%M} UTC: {one_line(notice.subject)}: {text}")
    return found


def _run_problems(store: Store) -> list[str]:
    """The newest run of each job and day, where it failed or was cut off: what came before it is history."""
    found = []
    seen: set[tuple[str, date | None]] = set()
    nobody_runs = _nobody_runs(store)
    for run in store.runs(limit=RUNS_LOOKED_AT):
        what = (_SAME_WORK.get(run.job, run.job), run.day)
        if what in seen:
            continue
        seen.add(what)
        if run.status == FAILED:
            reason = (run.error or "no reason was recorded").splitlines()[0]
            found.append(f"run {run.job} {run.day or ''} failed: {one_line(reason, _LONGEST)}")
        elif run.status == RUNNING and nobody_runs:
            found.append(f"run {run.job} {run.day or ''} was cut off; run it again: intelsec run --day {run.day}")
    return found


def _nobody_runs(store: Store) -> bool:
    try:
        with store.lock("run"):
            return True
    except LockHeld:
        return False


def _print(settings: Settings, summary: summary_view.Summary, problems: list[str], days: str) -> None:
    for line in summary_view.render(summary):
        typer.echo(line)
    typer.echo(f"workspace   {settings.home} ({days})")
    for problem in problems:
        typer.echo(f"look at     {problem}")
    typer.echo("next        " + ("intelsec doctor" if problems else "intelsec explain INDICATOR"))
