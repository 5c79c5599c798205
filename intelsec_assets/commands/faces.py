"""What all subcommands share: exit codes, the workspace they speak about, how errors and JSON reach the terminal.

What a subcommand does lies in its own module.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from intelsec_assets import settings as settings_module
from intelsec_assets.days import parse_day
from intelsec_assets.settings import Settings

DONE, FOUND_SOMETHING, WRONG_USE, NOT_REACHABLE = 0, 1, 2, 3

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text.")]
Data = Annotated[
    str | None,
    typer.Option("--data", help="Folder with the feeds, or `online`. Default: INTELSEC_DATA, else the bundled sample."),
]
Day = Annotated[str | None, typer.Option("--day", help="A day, YYYY-MM-DD. Default: the newest there is.")]

people = Console(stderr=True, highlight=False)


def workspace_settings(data: str | None) -> Settings:
    """Settings of the workspace a command speaks about; `--data` wins over the environment.

    The choice is put into the environment too: Dagster loads its location from there.
    """
    if data is not None:
        os.environ["INTELSEC_DATA"] = data if data == settings_module.ONLINE else str(Path(data).expanduser().resolve())
    return settings_module.from_environment()


def day_option(text: str | None, name: str = "--day") -> date | None:
    """A day given on the command line, or None; wrong text ends the command with its reason."""
    if text is None or text == "":
        return None
    try:
        return parse_day(text)
    except ValueError as error:
        fail(f"{name}: {error}", WRONG_USE)


def fail(message: str, code: int) -> NoReturn:
    """Say what is wrong on standard error and leave."""
    people.print(f"[bold red]error[/]: {_escaped(message)}", soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def harmless(text: str) -> str:
    """Text of an error without what a terminal obeys: it may quote a feed, or somebody's query."""
    return "".join(sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text)


def one_line(text: str, most: int | None = None) -> str:
    """Text on one line, harmless, of at most so many characters; where it is cut it says so."""
    plain = harmless(" ".join(text.split()))
    return plain if most is None or len(plain) <= most else f"{plain[: most - 1]}…"


def _escaped(text: str) -> str:
    return harmless(text).replace("[", r"\[")
