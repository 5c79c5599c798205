"""`intelsec rules explain`: what a rule looks for in words, and what each part of it says to events of a file.

The explanation is made in `intelsec_assets.detections.sigma.explain`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from intelsec_assets.commands.faces import FOUND_SOMETHING, WRONG_USE, Json, fail, harmless, print_json
from intelsec_assets.commands.rules.lint import AsOf, day_or_today, rules_folder
from intelsec_assets.detections.errors import DetectionError

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.explain import EventVerdict, Explanation

_MOST_SHOWN = 20  # events shown one by one; the JSON has all


def explain(
    rule: Annotated[str, typer.Argument(help="A rule by name or id.")],
    event: Annotated[
        Path | None, typer.Option("--event", help="File with events: a sample, or as a provider delivers them.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--rules", help="Folder of rules. Default: detections/sigma.")] = None,
    sql: Annotated[bool, typer.Option("--sql", help="Show the SQL as well.")] = False,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Say what a rule looks for, as a tree in words, and the data it needs; with --event why it fires or does not.

    Exit code 1 when the rule does not fire on the events given, 2 for an unknown rule or a file that cannot be read.
    Example: intelsec rules explain root-use --event detections/sigma/root-use/negative/administrator.json
    """
    from intelsec_assets.detections.sigma import explain as explaining
    from intelsec_assets.detections.sigma.rules import load_rules
    from intelsec_assets.engine import session
    from intelsec_assets.settings import from_environment

    place, _ = rules_folder(folder, from_environment().detections / "sigma")
    fired: bool | None = None
    verdicts: list[EventVerdict] = []
    try:
        rules = load_rules(place, with_samples=False, as_of=day_or_today(as_of))
        told = explaining.explain(rules, rule)
        if event is not None:
            events, context = explaining.read_events(event)
            with session() as con:
                fired, verdicts = explaining.judge(con, rules, told, events, context)
    except DetectionError as error:
        fail(str(error), WRONG_USE)
    if json:
        print_json({**_as_json(told), "fired": fired, "events": [_event_json(verdict) for verdict in verdicts]})
    else:
        for line in _lines(told, sql=sql):
            typer.echo(harmless(line))
        for line in _event_lines(verdicts, fired=fired) if fired is not None else ():
            typer.echo(harmless(line))
    if fired is False:
        raise typer.Exit(FOUND_SOMETHING)


def _lines(told: Explanation, *, sql: bool) -> Iterable[str]:
    rule = told.rule
    yield f"{rule.title}  [{rule.level}, {rule.meta.mode}]  {rule.name}  {rule.rule_id}"
    yield f"goal          {rule.meta.goal}"
    if told.when:
        yield f"fires         {told.when}"
    for part in told.parts:
        yield f"{'counts' if told.when else 'looks for':<14}{part.title}"
        for condition in part.conditions:
            yield from ("              " + "  " * depth + node.words for depth, node in condition.flat())
    for label, values in (
        ("data needed", rule.meta.data_needed),
        ("ATT&CK", rule.attack),
        ("harmless", rule.falsepositives),
        ("blind spots", (rule.meta.blind_spots,)),
        ("triage", rule.meta.triage),
        ("runbook", (rule.meta.runbook or "none",)),
    ):
        for position, value in enumerate(values):
            yield f"{label if position == 0 else '':<14}{value}"
    if sql:
        for part in told.parts:
            yield f"-- {part.title}: true where an event matches"
            yield part.sql
        if told.when:
            yield "-- the correlation, over matches of the above"
            yield told.sql


def _event_lines(verdicts: list[EventVerdict], *, fired: bool) -> Iterable[str]:
    yield f"{'FIRES' if fired else 'DOES NOT FIRE'} on these events"
    for verdict in verdicts[:_MOST_SHOWN]:
        yield f"event {verdict.event_id}: {verdict.part}: {'matches' if verdict.matches else 'does not match'}"
        for node in verdict.verdicts:
            seen = "" if node.field is None else f"   ({'missing' if node.seen is None else _short(node.seen)})"
            yield f"  {'yes' if node.holds else 'NO ':<4}{'  ' * node.depth}{node.words}{seen}"
        for reason in verdict.reasons:
            yield f"  because {reason}"
    if len(verdicts) > _MOST_SHOWN:
        matching = sum(verdict.matches for verdict in verdicts)
        yield f"… {len(verdicts) - _MOST_SHOWN} more; {matching} of {len(verdicts)} match"


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."


def _as_json(told: Explanation) -> dict[str, Any]:
    rule = told.rule
    return {
        "rule": rule.name,
        "rule_id": rule.rule_id,
        "title": rule.title,
        "level": rule.level,
        "mode": rule.meta.mode,
        "goal": rule.meta.goal,
        "fires": told.when,
        "parts": [
            {
                "title": part.title,
                "rule_id": part.rule_id,
                "condition": [
                    {"depth": depth, "words": node.words} for tree in part.conditions for depth, node in tree.flat()
                ],
                "sql": part.sql,
            }
            for part in told.parts
        ],
        "data_needed": rule.meta.data_needed,
        "blind_spots": rule.meta.blind_spots,
        "falsepositives": rule.falsepositives,
        "attack": rule.attack,
        "triage": rule.meta.triage,
        "runbook": rule.meta.runbook,
        "sql": told.sql,
    }


def _event_json(verdict: EventVerdict) -> dict[str, Any]:
    return {
        "event_id": verdict.event_id,
        "part": verdict.part,
        "matches": verdict.matches,
        "nodes": [vars(node) for node in verdict.verdicts],
        "reasons": verdict.reasons,
    }
