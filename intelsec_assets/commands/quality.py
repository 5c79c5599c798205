"""`intelsec quality`: what is wrong with a day now, dearest first, each with its next step; or one thing in full.

What is wrong and what it costs is judged in `feeds.quality`; here verdicts that are missing are made first, and shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Annotated, Any

import typer

from intelsec_assets import engine, progress
from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    NOT_REACHABLE,
    WRONG_USE,
    Data,
    Day,
    Json,
    day_option,
    fail,
    one_line,
    people,
    print_json,
    workspace_settings,
)
from intelsec_assets.feeds.catalogue import Catalogue
from intelsec_assets.feeds.quality.assets import gather
from intelsec_assets.feeds.quality.evaluation import QualityPartMissing, require_quality_part
from intelsec_assets.feeds.quality.report import Facts, Problem, problems, summary, tally
from intelsec_assets.records import CheckResult
from intelsec_assets.resources.feed_verdicts import bring_up_to_date, standing
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.store import Store
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import FEED_STATUS

WIDTH = 300  # characters of what was found: a line or two of a terminal
SHOWN_OF_A_KIND = 20  # problems; the rest is counted
DAYS_SHOWN = timedelta(days=14)  # before the day: two of each weekday

Evaluate = Annotated[
    bool | None,
    typer.Option(
        "--evaluate/--no-evaluate",
        help="Judge every feed anew, or none. Default: those without a verdict on what they hold now.",
    ),
]


@dataclass(frozen=True)
class _Asked:
    """A day of a workspace, and how the next commands name its data."""

    day: date
    newest: date
    suffix: str

    @property
    def age(self) -> str:
        """How old the data is, in words."""
        days = (system_clock().date() - self.newest).days
        old = "today's" if days <= 0 else "a day old" if days == 1 else f"{days:,} days old"
        return f"data is {old}" if self.day == self.newest else f"the newest day is {self.newest}, {old}"


def quality(
    what: Annotated[
        str | None, typer.Argument(help="A feed, a table, or TABLE.CHECK: everything that is known of it.")
    ] = None,
    day: Day = None,
    evaluate: Evaluate = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """What is wrong with the newest day, dearest first, each with its next step.

    Exit code 1 when something is wrong, 3 when feeds could not be judged. Example: intelsec quality foundry-c2
    """
    workspace = Workspace.of(workspace_settings(data))
    catalogue, lake = workspace.catalogue(), workspace.lake()
    days = lake.days(FEED_STATUS.name)
    if not days:
        fail(f"{lake.root} holds no day yet. Next: intelsec run", FOUND_SOMETHING)
    asked = _Asked(day_option(day) or days[-1], days[-1], f" --data {shlex.quote(data)}" if data else "")
    lake.read(FEED_STATUS.name, asked.day)  # a day that is not built is told before anything is evaluated
    with workspace.store() as store:
        unable = _evaluate(workspace, store, catalogue, asked.day, evaluate)
        facts = gather(lake, store, catalogue.enabled_feeds, asked.day)
    if what is not None:
        _print_one(what, facts, asked, _days_before(lake, what, asked.day), json)
    found = problems(facts)
    if json:
        print_json(_document(facts, found, asked, unable))
    else:
        _print(facts, found, asked, unable)
    is_wrong = any(problem.is_wrong for problem in found)
    raise typer.Exit(FOUND_SOMETHING if is_wrong else NOT_REACHABLE if unable else DONE)


def _evaluate(workspace: Workspace, store: Store, catalogue: Catalogue, day: date, evaluate: bool | None) -> str:
    """Make the verdicts that are missing (all, if asked for); why that could not be done, empty if it was."""
    if evaluate is False:
        return ""
    lake, feeds = workspace.lake(), catalogue.enabled_feeds
    known = standing(lake, store, feeds, day)
    waiting = [feed for feed in feeds if feed not in known.unbuilt] if evaluate else known.waiting
    if not waiting:
        return ""
    try:
        require_quality_part()
    except QualityPartMissing as missing:
        if evaluate:
            fail(str(missing), NOT_REACHABLE)
        return str(missing)
    with people.status(f"judging {len(waiting)} feeds of {day}") as shown:

        def show(report: progress.Report) -> None:
            shown.update(f"judging {report.asset.removeprefix('feeds/').removesuffix(' quality')} of {report.day}")

        with progress.listening(show):
            bring_up_to_date(lake, workspace.raw_store(), store, waiting, day, run_id=None, clock=system_clock)
    return ""


def _document(facts: Facts, found: Sequence[Problem], asked: _Asked, unable: str) -> dict[str, Any]:
    return {
        "day": str(facts.day),
        "newest_day": str(asked.newest),
        "age_days": (system_clock().date() - asked.newest).days,
        "problems": [{**problem.to_json(), "next": problem.next_step + asked.suffix} for problem in found],
        "verdicts": tally(facts.checks),
        "not_evaluated": list(facts.unjudged),
        "why_not": unable,
        "not_built": list(facts.unbuilt),
    }


def _print(facts: Facts, found: Sequence[Problem], asked: _Asked, unable: str) -> None:
    typer.echo(f"{facts.day}  {_headline(facts, found)}; {asked.age}")
    for rank, members in groupby(found, key=lambda problem: problem.rank):
        group = list(members)
        typer.echo(f"\n{rank.words} ({len(group)})")
        for problem in group[:SHOWN_OF_A_KIND]:
            typer.echo(f"  {one_line(problem.subject)}: {one_line(problem.found, WIDTH)}")
            typer.echo(f"      costs {problem.cost:,} {problem.unit}; next: {problem.next_step}{asked.suffix}")
        if len(group) > SHOWN_OF_A_KIND:
            typer.echo(f"  and {len(group) - SHOWN_OF_A_KIND} more; all of them: intelsec quality --json{asked.suffix}")
    if facts.unjudged:
        typer.echo(f"\nnot evaluated ({len(facts.unjudged)}): {one_line(', '.join(facts.unjudged), WIDTH)}")
        typer.echo(f"      {unable or f'next: intelsec quality --day {facts.day}{asked.suffix}'}")
    if facts.unbuilt:
        typer.echo(f"\nnot built ({len(facts.unbuilt)}): {one_line(', '.join(facts.unbuilt), WIDTH)}")
        typer.echo(f"      next: intelsec run --day {facts.day}{asked.suffix}")
    typer.echo(f"{'' if not found and not facts.unjudged else chr(10)}verdicts    {summary(facts)}")


def _headline(facts: Facts, found: Sequence[Problem]) -> str:
    if wrong := sum(problem.is_wrong for problem in found):
        return f"{wrong} problems" if wrong > 1 else "1 problem"
    return "nothing is wrong in what was evaluated" if facts.unjudged else "nothing is wrong"


def _days_before(lake: Lake, feed: str, day: date) -> list[str]:
    """Rows and status of a feed on the days before, for comparison."""
    days = [when for when in lake.days(FEED_STATUS.name) if day - DAYS_SHOWN <= when < day]
    if not days:
        return []
    paths = [str(lake.read(FEED_STATUS.name, when).path) for when in days]
    with engine.session() as con:
        found = con.execute(
            "select day, status, rows_in, rows_rejected from read_parquet(?) where feed = ? order by day", [paths, feed]
        ).fetchall()
    return [
        f"{'before' if number == 0 else '':<12}{when} {when:%a}  {rows:>9,} rows  {refused:>7,} rejected  {state}"
        for number, (when, state, rows, refused) in enumerate(found)
    ]


def _print_one(what: str, facts: Facts, asked: _Asked, before: Sequence[str], json: bool) -> None:
    """Everything that is known of a feed, a table or a single check of it."""
    chosen = [check for check in facts.checks if what in _names(check)]
    if not chosen:
        known = sorted({check.asset.removeprefix("feeds/") for check in facts.checks})
        fail(f"{what}: no verdict on {facts.day} about that; there are verdicts on {', '.join(known)}", WRONG_USE)
    held = [feed for feed in facts.held if feed.feed == what]
    if json:
        print_json(
            {
                "day": str(facts.day),
                "held": [f"{feed.status}: {feed.reason}" for feed in held],
                "verdicts": [
                    {"asset": c.asset, "check": c.check, "passed": c.passed, "severity": c.severity, **c.evidence}
                    for c in chosen
                ],
            }
        )
    else:
        typer.echo(f"{facts.day}  {what}; {asked.age}")
        for feed in held:
            typer.echo(f"held        {feed.status}: {one_line(feed.reason)}")
            typer.echo(
                f"            {feed.exported:,} exported indicators depend on it, {feed.only_here:,} on it alone"
            )
        for check in sorted(chosen, key=lambda one: one.passed):
            _print_check(check)
        for line in before:
            typer.echo(line)
    raise typer.Exit(FOUND_SOMETHING if held or not all(check.passed for check in chosen) else DONE)


def _names(check: CheckResult) -> set[str]:
    short = check.asset.removeprefix("feeds/")
    return {check.asset, short, f"{check.asset}.{check.check}", f"{short}.{check.check}"}


def _print_check(check: CheckResult) -> None:
    evidence = check.evidence
    outcome = evidence.get("outcome") or ("passed" if check.passed else "failed")
    typer.echo(f"{outcome.replace('_', ' '):<12}{check.check}: {one_line(str(evidence.get('found', '')), WIDTH)}")
    if check.passed:
        return
    typer.echo(f"{'':<12}expected: {evidence.get('threshold', '')}")
    for row in evidence.get("sample") or ():
        typer.echo(f"{'':<12}  {one_line(', '.join(f'{name} {value}' for name, value in row.items()), WIDTH)}")
    typer.echo(f"{'':<12}what to do: {evidence.get('what to do', '')}")
