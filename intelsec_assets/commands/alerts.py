"""`intelsec alerts`: the queue, one alert, and what people do with them: acknowledge, judge, close, reopen, bring in.

What is allowed and what follows is `detections.alerts`; how it looks is `alert_view`.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from intelsec_assets.commands import alert_view
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
    workspace_settings,
)
from intelsec_assets.days import day_end, day_start
from intelsec_assets.detections.alerts import lifecycle
from intelsec_assets.detections.alerts.brought_in import Judgement, parse_instant, read_judgements
from intelsec_assets.detections.alerts.queue import waiting
from intelsec_assets.detections.alerts.records import (
    ACTOR_KINDS,
    HUMAN,
    OPEN_STATES,
    REOPENED,
    STATES,
    AlertFilter,
    Change,
)
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.errors import AlertError
from intelsec_assets.detections.findings import LEVELS, LIVE, TEST
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.wording import counted

alerts = typer.Typer(
    name="alerts",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Alerts: the queue, one alert with its evidence, and what people do with them.",
)

Ids = Annotated[list[str], typer.Argument(metavar="ALERT...", help="Alerts, by id or by its first characters.")]
Verdict = Annotated[
    str | None, typer.Option("--verdict", help="true_positive, benign_true_positive, false_positive or duplicate.")
]
Reason = Annotated[str | None, typer.Option("--reason", "--note", help="Why, in words.")]
Of = Annotated[str | None, typer.Option("--of", help="The alert it is a duplicate of.")]
At = Annotated[
    str | None,
    typer.Option("--at", help="When it was done, if not now: 2026-03-02T12:05:00Z. Not in the future."),
]
Actor = Annotated[str | None, typer.Option("--actor", help="Who did it. Default: you, as the system knows you.")]
Kind = Annotated[str, typer.Option("--actor-kind", help="human or automation: only what people do is measured.")]
Request = Annotated[
    str | None, typer.Option("--request", help="Idempotency key: the same call again with it changes nothing.")
]


@contextmanager
def _service(data: str | None) -> Iterator[AlertService]:
    with Workspace.of(workspace_settings(data)).store() as store:
        yield AlertService(store, system_clock)


@alerts.command("list")
def list_alerts(
    state: Annotated[
        list[str] | None, typer.Option("--state", help=f"{', '.join(STATES)}; or open (default), all.")
    ] = None,
    severity: Annotated[list[str] | None, typer.Option("--severity", help=", ".join(LEVELS))] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="A rule's id, or part of its title.")] = None,
    entity: Annotated[str | None, typer.Option("--entity", help="Who or what they are about.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="Alerts of one group.")] = None,
    mode: Annotated[str, typer.Option("--mode", help="live, test or all.")] = LIVE,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """The queue: the most urgent first, with what each has waited against the target of ten minutes.

    What waits comes before what is judged and not closed; then severity, what is overdue, what is certain, what is
    older. Example: intelsec alerts list
    """
    wanted = AlertFilter(
        states=_states(state),
        modes=(LIVE, TEST) if mode == "all" else _of("--mode", [mode], (LIVE, TEST)),
        severities=_of("--severity", severity or [], LEVELS),
        rule=rule,
        entity=entity,
        group_id=group,
    )
    with _service(data) as service:
        found, counts = service.queue(wanted, limit), service.counts(wanted)
    now = system_clock()
    if json:
        print_json([alert_view.alert_json(alert, now) for alert in found])
        return
    if not found:
        typer.echo("no alerts" + ("" if state else ". Closed ones too: intelsec alerts list --state all"))
        return
    for text in alert_view.queue_lines(found, now):
        typer.echo(text)
    overdue = sum(1 for alert in found if waiting(alert, now).is_overdue)
    typer.echo(alert_view.queue_summary(len(found), counts, overdue))
    typer.echo(f"next        {alert_view.queue_next(found[0])}")


@alerts.command("show")
def show(
    alert: Annotated[str, typer.Argument(help="The alert, by id or by its first characters.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """One alert: why it is there, its evidence, runbook and timeline, and what can be done next."""
    with _service(data) as service:
        try:
            view = service.view(alert)
        except AlertError as error:
            fail(str(error), FOUND_SOMETHING)
    if json:
        print_json(alert_view.view_json(view, system_clock()))
        return
    for text in alert_view.view_lines(view, system_clock()):
        typer.echo(text)


@alerts.command("ack")
def ack(
    ids: Ids,
    note: Reason = None,
    at: At = None,
    actor: Actor = None,
    actor_kind: Kind = HUMAN,
    request: Request = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that you have seen them and look into them. Example: intelsec alerts ack 1f0c9a22 7be41d03"""
    who, when = _checked(actor, actor_kind, note, None, at)
    with _service(data) as service:
        _each(
            service,
            ids,
            lambda alert: service.acknowledge(alert, who, actor_kind=actor_kind, note=note, at=when, request=request),
            json,
        )


@alerts.command("triage")
def triage(
    ids: Ids,
    verdict: Verdict = None,
    reason: Reason = None,
    of: Of = None,
    at: At = None,
    actor: Actor = None,
    actor_kind: Kind = HUMAN,
    request: Request = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say that you have looked into them, and with --verdict and --reason what they are. Acknowledges them if need be.

    Example: intelsec alerts triage 1f0c9a22 --verdict false_positive --reason "planned rotation, CHG-1042"
    """
    who, when = _checked(actor, actor_kind, reason, verdict, at)
    said: dict[str, Any] = {
        "actor_kind": actor_kind,
        "verdict": verdict,
        "note": reason,
        "at": when,
        "request": request,
    }
    with _service(data) as service:
        said["duplicate_of"] = _other(service, of)
        _each(service, ids, lambda alert: service.triage(alert, who, **said), json)


@alerts.command("close")
def close(
    ids: Ids,
    verdict: Verdict = None,
    reason: Reason = None,
    of: Of = None,
    at: At = None,
    actor: Actor = None,
    actor_kind: Kind = HUMAN,
    request: Request = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Close them: they must be judged, before or with --verdict and --reason."""
    who, when = _checked(actor, actor_kind, reason, verdict, at)
    said: dict[str, Any] = {
        "actor_kind": actor_kind,
        "verdict": verdict,
        "note": reason,
        "at": when,
        "request": request,
    }
    with _service(data) as service:
        said["duplicate_of"] = _other(service, of)
        _each(service, ids, lambda alert: service.close(alert, who, **said), json)


@alerts.command("reopen")
def reopen(
    ids: Ids,
    reason: Annotated[str, typer.Option("--reason", "--note", help="Why, in words.")],
    at: At = None,
    actor: Actor = None,
    actor_kind: Kind = HUMAN,
    request: Request = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Open closed alerts again, with the reason; they wait from then on."""
    who, when = _checked(actor, actor_kind, reason, None, at)
    with _service(data) as service:
        _each(
            service,
            ids,
            lambda alert: service.reopen(alert, who, actor_kind=actor_kind, note=reason, at=when, request=request),
            json,
        )


@alerts.command("stats")
def stats(
    since: Annotated[str | None, typer.Option("--since", help="Alerts created from this day on, YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Alerts created up to this day, included.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """How long people took to acknowledge and to triage: p50, p90 and the share within ten minutes, open ones counted.

    Live alerts only. Example: intelsec alerts stats --since 2026-03-01
    """
    first, last = day_option(since, "--since"), day_option(until, "--until")
    begins = None if first is None else day_start(first)
    ends = None if last is None else day_end(last)
    with _service(data) as service:
        times = service.triage_times(begins, ends)
        counts = service.counts(AlertFilter(states=(), created_from=begins, created_until=ends))
    if json:
        print_json({**asdict(times), "alerts": [{"severity": s, "state": t, "n": n} for (s, t), n in counts.items()]})
        return
    for text in alert_view.stats_lines(times, counts):
        typer.echo(text)


@alerts.command("import")
def import_verdicts(
    file: Annotated[str, typer.Argument(help="A CSV or JSON file of verdicts; - is standard input.")],
    actor: Actor = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Bring in verdicts given elsewhere: alert_id, verdict, reason; and actor, actor_kind, at, duplicate_of if need be.

    Every row is tried; those that cannot be used are named and the exit code is 1. The same file again changes nothing.
    """
    content, name = _content(file)
    try:
        judgements, problems = read_judgements(content, name, actor or _me())
    except AlertError as error:
        fail(str(error), WRONG_USE)
    applied = repeated = 0
    remarks: list[str] = []
    with _service(data) as service:
        for judgement in judgements:
            try:
                change = _apply(service, judgement)
            except AlertError as error:
                problems.append(f"{judgement.place}: {error}")
                continue
            applied, repeated = applied + (not change.is_repeat), repeated + change.is_repeat
            remarks += [f"{judgement.place}: {remark}" for remark in change.remarks]
    if json:
        print_json({"applied": applied, "there_before": repeated, "problems": problems, "remarks": remarks})
    else:
        said = f"{counted(applied, 'verdict')} applied, {repeated:,} there before, {len(problems):,} not usable"
        typer.echo(f"{name}: {said}")
        _say(remarks, "yellow")
        _say(problems, "red")
    raise typer.Exit(FOUND_SOMETHING if problems else DONE)


def _apply(service: AlertService, judgement: Judgement) -> Change:
    return service.disposition(
        service.resolve(judgement.alert_id),
        judgement.actor,
        judgement.verdict,
        note=judgement.reason,
        actor_kind=judgement.actor_kind,
        duplicate_of=judgement.duplicate_of and service.resolve(judgement.duplicate_of),
        at=judgement.at,
        request=judgement.request,
    )


def _each(service: AlertService, ids: Sequence[str], ask: Callable[[str], Change], json: bool) -> NoReturn:
    """Ask something of every alert; what is refused is said and holds the others up in nothing."""
    done: list[dict[str, Any]] = []
    refused: list[str] = []
    for given in dict.fromkeys(ids):
        try:
            change = ask(service.resolve(given))
        except AlertError as error:
            refused.append(str(error))
            continue
        done.append(
            {
                **alert_view.alert_json(change.alert, system_clock()),
                "written": [alert_view.event_json(event) for event in change.events],
                "is_repeat": change.is_repeat,
                "remarks": list(change.remarks),
            }
        )
        if not json:
            alert = change.alert
            verdict = f" as {alert.verdict}" if alert.verdict and alert.state != REOPENED else ""
            again = " (this request was served before: nothing changed)" if change.is_repeat else ""
            typer.echo(f"{alert.alert_id[:8]}  {alert.state}{verdict}{again}  {alert_view.line(alert.rule_title)}")
            _say(change.remarks, "yellow")
    if json:
        print_json({"alerts": done, "refused": refused})
    else:
        _say(refused, "red")
    raise typer.Exit(FOUND_SOMETHING if refused else DONE)


def _say(texts: Sequence[str], style: str) -> None:
    for text in texts:
        people.print(harmless(text), style=style, markup=False, soft_wrap=True)


def _checked(
    actor: str | None, actor_kind: str, note: str | None, verdict: str | None, at: str | None
) -> tuple[str, datetime | None]:
    """Who and when; words that cannot be used end the command."""
    who = actor or _me()
    _of("--actor-kind", [actor_kind], ACTOR_KINDS)
    try:
        lifecycle.checked_words(who, actor_kind, note, verdict)
        return who, None if at is None else parse_instant(at)
    except AlertError as error:
        fail(str(error), WRONG_USE)


def _other(service: AlertService, of: str | None) -> str | None:
    try:
        return None if of is None else service.resolve(of)
    except AlertError as error:
        fail(f"--of: {error}", FOUND_SOMETHING)


def _states(given: list[str] | None) -> tuple[str, ...]:
    if not given or given == ["open"]:
        return OPEN_STATES
    return () if "all" in given else _of("--state", given, STATES)


def _of(option: str, given: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    for value in given:
        if value not in allowed:
            fail(f"{option} {value}: expected one of {', '.join(allowed)}", WRONG_USE)
    return tuple(given)


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        fail("the system has no name for you: say who you are with --actor", WRONG_USE)


def _content(file: str) -> tuple[bytes, str]:
    if file == "-":
        return sys.stdin.buffer.read(), "standard input"
    try:
        return Path(file).read_bytes(), file
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", WRONG_USE)
