"""`intelsec rules proposals`: what could be done about rules, with reason and effect; written only with --apply.

What is proposed is decided in `detections.quality.proposals`, what is written in `applying`.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Day,
    Json,
    day_option,
    fail,
    harmless,
    print_json,
)
from intelsec_assets.commands.rules import past
from intelsec_assets.commands.rules.quality import Window
from intelsec_assets.detections.quality.filter_search import LEAST_COVERED
from intelsec_assets.detections.quality.rule_quality import QualityPolicy
from intelsec_assets.detections.quality.verdicts import FALSE_POSITIVE
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.wording import counted

if TYPE_CHECKING:
    from intelsec_assets.detections.quality.applying import Written
    from intelsec_assets.detections.quality.proposals import Proposal
    from intelsec_assets.detections.sigma.rules import Rule

NOTICE = "rule changed"  # kind of the notice that remembers who applied what

Apply = Annotated[str | None, typer.Option("--apply", metavar="ID", help="Write the file of this proposal.")]
Author = Annotated[str | None, typer.Option("--author", help="Who decides. Default: you, as the system knows you.")]


@dataclass(frozen=True)
class _Proposed:
    """A proposal with its rule and the text it would write."""

    proposal: Proposal
    rule: Rule
    folder: Path

    @property
    def path(self) -> Path:
        """The file it writes."""
        return self.folder / self.proposal.file

    def file(self, author: str, day: date, *, dry_run: bool) -> Written:
        """Write it, or only tell its text."""
        from intelsec_assets.detections.quality.applying import apply

        return apply(self.proposal, self.rule, self.folder, author=author, day=day, dry_run=dry_run)


def proposals(
    rule: Annotated[str | None, typer.Argument(help="Only about this rule, by name or id.")] = None,
    apply: Apply = None,
    author: Author = None,
    day: Day = None,
    window: Window = QualityPolicy.window_days,
    data: Data = None,
    json: Json = False,
) -> None:
    """What could be done about rules that cost more than they find: suppress, tune, hold in test mode, retire.

    Each is proved by the engine on samples and past alerts. Nothing is written without --apply, and rule.yml never.
    Exit code 1 when there are proposals. Example: intelsec rules proposals --apply 3f9c2b7a10
    """
    by = author or getpass.getuser()
    asked = day_option(day)
    with past.opened(data, asked) as known:
        waiting = known.waiting_verdicts(asked)
        found, as_of = _gather(known, rule, window), known.as_of
    if apply is not None:
        _apply(found, apply, by, as_of, known.workspace, json=json)
    elif json:
        print_json([_document(one, by, as_of) for one in found])
    else:
        _print(found, as_of)
    past.say_waiting(waiting)
    raise typer.Exit(FOUND_SOMETHING if found and apply is None else DONE)


def _gather(known: past.Known, name: str | None, window: int) -> list[_Proposed]:
    from intelsec_assets.detections.quality import proposals as proposing
    from intelsec_assets.detections.quality import replay

    rules, con = known.rules(), known.history.con
    wanted = {rules.rule(name).rule_id} if name else {one.rule_id for one in rules.rules}
    first = known.as_of - timedelta(days=window - 1)
    found: list[_Proposed] = []
    for quality in known.quality(rules, window):
        if quality.rule_id not in wanted:
            continue
        rule = rules.rule(quality.rule_id)
        of_rule = known.past(rule, first, known.as_of)
        # no filter comes of fewer than two false positives: the engine need not be asked
        has_pattern = sum(alert.verdict == FALSE_POSITIVE for alert in of_rule.alerts) >= LEAST_COVERED
        present = replay.fired_by(con, rules, rule, of_rule) if has_pattern else of_rule.stored
        found += [
            _Proposed(proposal, rule, known.folder)
            for proposal in proposing.proposals(
                quality,
                rule,
                replay.cases_of(rule, of_rule, present),
                replay.positive_events(rule),
                replay.prover(con, rules, rule, of_rule, present),
                QualityPolicy(window_days=window),
            )
        ]
    return found


def _apply(found: list[_Proposed], name: str, author: str, day: date, workspace: Workspace, *, json: bool) -> None:
    chosen = [one for one in found if one.proposal.proposal_id == name]
    if not chosen:
        there = ", ".join(one.proposal.proposal_id for one in found) or "none"
        fail(f"there is no proposal {name!r} as of {day}; there are: {there}", WRONG_USE)
    one = chosen[0]
    written = one.file(author, day, dry_run=False)
    text = f"{author} applied {one.proposal.kind} {name} until {one.proposal.expires}: {one.proposal.reason}"
    with workspace.store() as store:
        store.add_notice(NOTICE, one.rule.name, text, system_clock())
    if json:
        print_json({**one.proposal.to_json(), "written": str(written.path)})
    else:
        typer.echo(f"written     {written.path}")
        typer.echo(f"until       {one.proposal.expires}")
        typer.echo(f"next        intelsec rules test {one.rule.name} --as-of {day}, then commit the file")


def _document(one: _Proposed, author: str, day: date) -> dict[str, Any]:
    return {**one.proposal.to_json(), "file": str(one.path), "text": one.file(author, day, dry_run=True).text}


def _print(found: list[_Proposed], as_of: date) -> None:
    typer.echo(f"{counted(len(found), 'proposal')} as of the end of {as_of}")
    for one in found:
        proposal = one.proposal
        typer.echo(f"\n{proposal.proposal_id}  {proposal.kind} {harmless(proposal.rule_name)} until {proposal.expires}")
        typer.echo(f"    why       {harmless(proposal.reason)}")
        for conditions in proposal.selections:
            typer.echo(f"    not when  {harmless(' and '.join(map(str, conditions)))}")
        if proposal.mode:
            typer.echo(f"    mode      {proposal.mode}")
        typer.echo(f"    writes    {one.path}")
        typer.echo(f"    apply     intelsec rules proposals --apply {proposal.proposal_id}")
