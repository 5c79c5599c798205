"""`intelsec rules lint`: what is wrong with rules and exceptions, with line, severity and what to do.

The checks are in `intelsec_assets.detections.sigma.lint`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import FOUND_SOMETHING, WRONG_USE, Json, day_option, fail, harmless, print_json
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.wording import counted

AsOf = Annotated[str | None, typer.Option("--as-of", help="Day whose exceptions apply, YYYY-MM-DD. Default: today.")]


def lint(
    path: Annotated[Path | None, typer.Argument(help="Folder of rules, or of one rule. Default: all rules.")] = None,
    as_of: AsOf = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    json: Json = False,
) -> None:
    """Check rules: schema, ids, ATT&CK, fields, values, anchors, correlations, cost, runbooks, samples, exceptions.

    Exit code 1 when there is an error (with --strict: or a warning), 2 when there is no such folder.
    Example: intelsec rules lint detections/sigma/root-use
    """
    from intelsec_assets.detections.sigma.lint import lint as messages_of
    from intelsec_assets.settings import DETECTIONS, from_environment

    folder, only = rules_folder(path, from_environment().detections / "sigma")
    try:
        found = messages_of(
            folder, root=folder.resolve().parents[1], attack=DETECTIONS / "attack", as_of=day_or_today(as_of), only=only
        )
    except RuleError as error:
        fail(str(error), WRONG_USE)
    errors = sum(message.severity == "error" for message in found)
    if json:
        print_json([{**vars(message), "file": shown(message.file)} for message in found])
    else:
        for message in found:
            typer.echo(
                harmless(f"{shown(message.file)}:{message.line}: {message.severity}: {message.code}: {message.text}")
            )
            typer.echo(harmless(f"    {message.remedy}"))
        count = len({place.parent.name for place in folder.glob("*/rule.yml") if only in {None, place.parent.name}})
        said = f"{counted(errors, 'error')}, {counted(len(found) - errors, 'warning')}"
        typer.echo(f"{counted(count, 'rule')}: {said}", err=True)
    if errors or (strict and found):
        raise typer.Exit(FOUND_SOMETHING)


def rules_folder(path: Path | None, default: Path) -> tuple[Path, str | None]:
    """The content folder a path speaks of, and the one rule in it; None = all of them."""
    if path is None:
        return default, None
    place = path.expanduser().resolve()
    if place.is_file():
        place = place.parent
    if not place.is_dir():
        fail(f"{path}: there is no such folder", WRONG_USE)
    if (place / "rule.yml").is_file():
        return place.parent, place.name
    if not any(place.glob("*/rule.yml")):
        fail(f"{path}: no folder in it holds a rule.yml; rules from elsewhere run with `intelsec rules run`", WRONG_USE)
    return place, None


def shown(path: Path) -> str:
    """A path from where the command was started, if it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def day_or_today(text: str | None) -> date:
    """The day given, else today, UTC: exceptions end by the calendar."""
    return day_option(text, "--as-of") or datetime.now(UTC).date()
