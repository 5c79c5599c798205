"""`intelsec feeds`: what the catalogue holds, and whether a catalogue or a feed's file can be used.

Reading and judging are in `intelsec_assets.feeds`; nothing is written to the lake.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

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
    print_json,
    workspace_settings,
)
from intelsec_assets.feeds import formats
from intelsec_assets.feeds.catalogue import Catalogue, Feed, load_catalogue
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.resources.workspace import Workspace, system_clock

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


@feeds.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A catalogue (.yaml), or a file as a feed publishes it.")],
    feed: Annotated[str | None, typer.Option("--feed", help="Read the file as this feed of the catalogue.")] = None,
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
    catalogue = Workspace.of(workspace_settings(data)).catalogue()
    checked = _check_file(_feed(catalogue, feed), file, day_option(day) or system_clock().date())
    if json:
        print_json({**vars(checked), "reasons": dict(checked.reasons)})
    else:
        _print(checked, file)
    raise typer.Exit(FOUND_SOMETHING if checked.error or checked.reasons else DONE)


def _feed(catalogue: Catalogue, name: str | None) -> Feed:
    names = ", ".join(feed.name for feed in catalogue.feeds)
    if name is None:
        fail(f"name the feed that the file belongs to: --feed NAME, one of {names}", WRONG_USE)
    for feed in catalogue.feeds:
        if feed.name == name:
            return feed
    fail(f"--feed {name}: not in {catalogue.path}; there are {names}", WRONG_USE)


def _check_file(feed: Feed, path: Path, day: date) -> Checked:
    paths = [p for p in sorted(path.rglob("*")) if p.is_file()] if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    contents = []
    for each in paths:
        content = each.read_bytes()
        name = each.relative_to(root).as_posix()
        contents.append((SnapshotFile(name, hashlib.sha256(content).hexdigest(), len(content)), content))
    parsed = formats.parse(feed, contents, day)
    reasons: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    for row in parsed.rows.select(
        ["line", "raw_value", "indicator_type", "reject_reason", "reject_detail"]
    ).to_pylist():
        reason, detail = _refusal(feed, row)
        if reason:
            reasons[reason] += 1
            kept = samples.setdefault(reason, [])
            if len(kept) < SAMPLES:
                kept.append(f"line {row['line']}: {str(row['raw_value'])[:80]!r}: {detail}")
    return Checked(
        feed.name, parsed.rows.num_rows, parsed.rows.num_rows - reasons.total(), reasons, samples, parsed.error
    )


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
