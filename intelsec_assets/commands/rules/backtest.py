"""`intelsec rules backtest`: what a changed rule would have fired on the past, beside what the present one fires.

The comparison is `detections.quality.backtest`; the past is what the lake holds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Json,
    day_option,
    fail,
    harmless,
    people,
    print_json,
)
from intelsec_assets.commands.rules import past
from intelsec_assets.detections.quality.rule_quality import QualityPolicy

if TYPE_CHECKING:
    from intelsec_assets.detections.quality.backtest import Backtest
    from intelsec_assets.detections.sigma.rules import Rule, RuleSet

SHOWN = 20  # findings of a change; the rest is counted, --json has all


def backtest(
    rule: Annotated[str, typer.Argument(help="The rule, by name or id.")],
    rule_file: Annotated[
        Path | None,
        typer.Option("--rule-file", help="The changed rule. Default: the rule as it is, beside what the lake holds."),
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD. Default: 30 days back.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last day. Default: the newest with findings.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """What a changed rule would have fired on past events: added, removed and kept findings, by people's verdicts.

    Exit code 1 when a true positive would have been lost.
    Example: intelsec rules backtest iam-key-without-ticket --rule-file changed.yml
    """
    from intelsec_assets.detections.quality import replay

    end = day_option(last, "--to")
    with past.opened(data, None) as known:  # verdicts as they stand now, whatever days are asked about
        to = end or known.as_of
        since = day_option(first, "--from") or to - timedelta(days=QualityPolicy.window_days - 1)
        if since > to:
            fail(f"--from {since} is after --to {to}", WRONG_USE)
        if not known.has_events(since, to):
            fail(f"the lake holds no events from {since} to {to}. Next: intelsec run --day {to}", FOUND_SOMETHING)
        rules = known.rules()
        chosen = rules.rule(rule)
        changed = None if rule_file is None else _changed(rules, chosen, rule_file)
        with people.status(f"asking {chosen.name} about {since} to {to}"):
            test = replay.backtest(known.history.con, rules, chosen, changed, known.past(chosen, since, to))
    if json:
        print_json(test.to_json())
    else:
        _print(test, chosen.name, rule_file)
    raise typer.Exit(FOUND_SOMETHING if test.loses_true_positives else DONE)


def _changed(rules: RuleSet, rule: Rule, file: Path) -> RuleSet:
    """The rules with the one of the file in place of the present one; exceptions apply to both."""
    from intelsec_assets.detections.sigma.rules import load_any

    loaded = load_any([file])
    same = [one for one in loaded.rules if one.rule_id == rule.rule_id]
    if not same:
        ids = ", ".join(one.rule_id for one in loaded.rules)
        fail(f"{file} holds no rule with the id {rule.rule_id} of {rule.name}, but {ids}: keep the id", WRONG_USE)
    return replace(rules, rules=(same[0],))


def _print(test: Backtest, name: str, file: Path | None) -> None:
    against = "the findings of the lake beside the rule as it is" if file is None else f"the rule beside {file}"
    typer.echo(f"{name} from {test.first} to {test.last}: {against}")
    typer.echo(f"findings    {test.count('kept')} kept, {test.count('added')} added, {test.count('removed')} removed")
    for verdict, counts in test.alerts.items():
        if counts.kept or counts.lost:
            typer.echo(f"{'alerts':<12}{verdict.replace('_', ' ')}: {counts.kept} kept, {counts.lost} lost")
    if test.not_placed:
        typer.echo(f"{'':<12}{len(test.not_placed)} more have no finding in the lake any more: nothing is said of them")
    for who, days in (("present", test.flooded_present), ("changed", test.flooded_changed)):
        if days:
            typer.echo(f"flooded     the {who} rule on {_days(days)}: cut there, its counts are too low")
    typer.echo(f"{'day':<12}{'present':>8}{'changed':>8}{'kept':>8}{'added':>8}{'removed':>8}")
    for d in test.days:
        typer.echo(f"{d.day!s:<12}{d.present:>8}{d.changed:>8}{d.kept:>8}{d.added:>8}{d.removed:>8}")
    for change in ("removed", "added"):
        rows = [one for one in test.findings if one.change == change]
        for one in rows[:SHOWN]:
            of = f"alert {one.alert.alert_id[:8]}, {one.alert.verdict or 'not judged'}" if one.alert else "no alert"
            about = f"{one.finding.first_event_time:%Y-%m-%d %H:%M} {one.finding.entity or ''}"
            typer.echo(f"{change:<12}{harmless(about)}  ({harmless(of.replace('_', ' '))})")
        if len(rows) > SHOWN:
            typer.echo(f"{'':<12}and {len(rows) - SHOWN} more; all of them: --json")
    if test.loses_true_positives:
        typer.echo("verdict     true positives would have been lost")


def _days(days: tuple[date, ...]) -> str:
    return ", ".join(map(str, days))
