"""`intelsec feeds`: what the catalogue holds, and whether a catalogue or a feed's file can be used.

Reading and judging are in `intelsec_assets.feeds`; nothing is written to the lake.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from intelsec_assets import engine
from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Day,
    Json,
    day_option,
    fail,
    print_json,
    workspace_settings,
)
from intelsec_assets.days import previous_day
from intelsec_assets.detections.tables import FEED_ACCURACY
from intelsec_assets.feeds import formats
from intelsec_assets.feeds.available import feed_of
from intelsec_assets.feeds.catalogue import Catalogue, Feed, load_catalogue
from intelsec_assets.feeds.local import read_local
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.feeds.transfer import FetchError, TransferLimits
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.wording import counted

SAMPLES = 3  # rejected rows shown a reason

feeds = typer.Typer(no_args_is_help=True, help="The feeds of the catalogue, and checking one before it is used.")


@feeds.command("list")
def list_feeds(data: Data = None, json: Json = False) -> None:
    """Every feed of the catalogue: format, mode, trust, TLP, where it comes from, whether it is enabled.

    Example: intelsec feeds list --data online
    """
    settings = workspace_settings(data)
    catalogue = Workspace.of(settings).catalogue()
    rows = [
        {
            "name": feed.name,
            "publisher": feed.publisher,
            "format": feed.format,
            "mode": feed.mode,
            "trust": feed.trust,
            "tlp": feed.tlp,
            "licence": feed.licence,
            "source": (feed.local if settings.data_root is not None and feed.local else feed.url) or "",
            "enabled": feed.enabled,
        }
        for feed in catalogue.feeds
    ]
    if json:
        print_json(rows)
        return
    typer.echo(f"{'feed':<28}{'format':<12}{'mode':<13}{'trust':<6}{'tlp':<7}{'':<9}source")
    for row in rows:
        state = "" if row["enabled"] else "disabled"
        typer.echo(
            f"{row['name']:<28}{row['format']:<12}{row['mode']:<13}{row['trust']:<6}{row['tlp']:<7}{state:<9}{row['source']}"
        )
    typer.echo(f"{len(rows)} feeds in {catalogue.path}")


@dataclass(frozen=True)
class Checked:
    """What a feed's file came to."""

    feed: str
    rows: int
    usable: int
    reasons: Counter[str]
    samples: dict[str, list[str]]
    error: str | None


@feeds.command("accuracy")
def accuracy(day: Day = None, data: Data = None, json: Json = False) -> None:
    """How often alerts on a feed's indicators turned out right, by people's verdicts, with a 95 % interval.

    Example: intelsec feeds accuracy --day 2026-03-15
    """
    lake = Workspace.of(workspace_settings(data)).lake()
    days = lake.days(FEED_ACCURACY.name)
    asked = day_option(day) or (days[-1] if days else None)
    if asked is None:
        fail("the lake holds no verdicts yet; next: intelsec run, then intelsec alerts triage", FOUND_SOMETHING)
    with engine.session() as con:
        table = lake.relation(con, lake.read(FEED_ACCURACY.name, asked)).order("accuracy, feed").to_arrow_table()
    rows = table.to_pylist()
    if json:
        print_json(rows)
        return
    typer.echo(f"{counted(len(rows), 'feed')} with judged alerts on their indicators until the end of {asked}")
    for row in rows:
        low, high = row["accuracy_low"], row["accuracy_high"]
        typer.echo(
            f"{row['feed']:<30}{row['accuracy']:>5.0%}  ({low:.0%} to {high:.0%})  "
            f"{row['true_positives']} right, {row['false_positives']} wrong"
        )


@feeds.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A catalogue (.yaml), or a file as a feed publishes it.")],
    feed: Annotated[
        str | None, typer.Option("--feed", help="Read it as this feed; not needed where the catalogue names the file.")
    ] = None,
    day: Day = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Check a catalogue, or a feed's file: rows, what would be quarantined and why. Nothing is written.

    Exit code 1 when something would be quarantined. Example: intelsec feeds check list.txt --feed urlhaus
    """
    if not file.exists():
        fail(f"{file}: no such file", WRONG_USE)
    if file.suffix in (".yaml", ".yml"):
        catalogue = load_catalogue(file)
        if json:
            print_json({"catalogue": str(file), "feeds": len(catalogue.feeds), "enabled": len(catalogue.enabled_feeds)})
        else:
            typer.echo(f"{file}: {len(catalogue.feeds)} feeds, {len(catalogue.enabled_feeds)} enabled, nothing wrong")
        raise typer.Exit(DONE)
    settings = workspace_settings(data)
    named = _feed(Workspace.of(settings).catalogue(), settings.data_root, file.resolve(), feed)
    checked = _check_file(named[0], file.resolve(), day_option(day) or named[1] or previous_day(system_clock().date()))
    if json:
        print_json({**vars(checked), "reasons": dict(checked.reasons)})
    else:
        _print(checked, file)
    raise typer.Exit(FOUND_SOMETHING if checked.error or checked.reasons else DONE)


def _feed(catalogue: Catalogue, data_root: Path | None, path: Path, name: str | None) -> tuple[Feed, date | None]:
    """The feed asked for, else the one whose entry names this file, with the day of the file's name."""
    found = feed_of(catalogue, data_root, path) if data_root is not None else None
    if name is None:
        if found is not None:
            return found
        names = ", ".join(feed.name for feed in catalogue.feeds)
        fail(f"name the feed that the file belongs to: --feed NAME, one of {names}", WRONG_USE)
    for feed in catalogue.feeds:
        if feed.name == name:
            return feed, found[1] if found is not None else None
    fail(f"--feed {name}: not in {catalogue.path}; see intelsec feeds list", WRONG_USE)


def _check_file(feed: Feed, path: Path, day: date) -> Checked:
    try:
        contents = read_local(replace(feed, local=path.name), day, path.parent, TransferLimits())
    except FetchError as error:
        return Checked(feed.name, 0, 0, Counter(), {}, str(error))
    files = [
        (SnapshotFile(name, hashlib.sha256(content).hexdigest(), len(content)), content)
        for name, content in contents.items()
    ]
    parsed = formats.parse(feed, files, day)
    reasons: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    columns = ["line", "raw_value", "indicator_type", "reject_reason", "reject_detail"]
    for row in parsed.rows.select(columns).to_pylist():
        reason, detail = _refusal(feed, row)
        if reason:
            reasons[reason] += 1
            kept = samples.setdefault(reason, [])
            if len(kept) < SAMPLES:
                kept.append(f"line {row['line']}: {str(row['raw_value'])[:80]!r}: {detail}")
    usable = parsed.rows.num_rows - reasons.total()
    return Checked(feed.name, parsed.rows.num_rows, usable, reasons, samples, parsed.error)


def _refusal(feed: Feed, row: dict[str, Any]) -> tuple[str | None, str | None]:
    """Why a row would be quarantined; dates aside, which depend on the day it is run for."""
    if row["reject_reason"]:
        return row["reject_reason"], row["reject_detail"]
    form = canonical(row["raw_value"], row["indicator_type"])
    if form.error:
        return form.error, form.detail
    if form.indicator_type not in feed.types:
        return "unexpected_type", f"{form.indicator_type}; the catalogue expects {', '.join(feed.types)}"
    return None, None


def _print(checked: Checked, path: Path) -> None:
    if checked.error:
        typer.echo(f"{path} cannot be used as {checked.feed}: {checked.error}")
    typer.echo(f"{path} as {checked.feed}: {checked.rows:,} rows, {checked.usable:,} usable")
    for reason, count in checked.reasons.most_common():
        typer.echo(f"  {count:>8,} {reason}")
        for sample in checked.samples[reason]:
            typer.echo(f"           {sample}")
