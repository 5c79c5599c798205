"""`intelsec tables` and `intelsec describe`: what there is to ask in the published warehouse, and what it means.

All of it is told by the published file itself, so it holds for past snapshots too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from intelsec_assets.commands.faces import WRONG_USE, Data, Json, day_option, fail, print_json, workspace_settings
from intelsec_assets.commands.reading import SnapshotDay, opened, say_how_old
from intelsec_assets.kpis.warehouse import dictionary
from intelsec_assets.kpis.warehouse.dictionary import Entry, Example, UnknownTable

_WIDTH = 118


def tables(day: SnapshotDay = None, data: Data = None, json: Json = False) -> None:
    """The tables of the published warehouse: what a row is, how many there are, up to which day.

    Exit code 3 when nothing is published. Example: intelsec tables
    """
    settings, pinned = workspace_settings(data), day_option(day)
    with opened(settings, pinned) as con:
        entries = dictionary.list_tables(con)
        newest = dictionary.snapshot_day(con)
    if json:
        print_json([_as_json(entry) for entry in entries])
    else:
        typer.echo(f"{'table':<25}{'rows':>10}  {'newest day':<12}a row is")
        for entry in entries:
            typer.echo(f"{entry.name:<25}{entry.rows:>10,}  {entry.newest_day or ''!s:<12}{_first_line(entry.grain)}")
    say_how_old(settings, newest, pinned)


def describe(
    table: Annotated[str, typer.Argument(help="A table; intelsec tables lists them.")],
    day: SnapshotDay = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """One table: its grain, columns with types and meaning, freshness, where it comes from, queries to begin with.

    Exit code 2 for an unknown table, 3 when nothing is published. Example: intelsec describe fct_indicator_day
    """
    settings, pinned = workspace_settings(data), day_option(day)
    with opened(settings, pinned) as con:
        try:
            entry = dictionary.describe(con, table)
            newest = dictionary.snapshot_day(con)
        except UnknownTable as error:
            fail(str(error), WRONG_USE)
    found = dictionary.examples().get(entry.name, ())
    sources = dictionary.made_from(entry.name)
    if json:
        print_json(_as_json(entry) | {"made_from": sources, "examples": [asdict(example) for example in found]})
    else:
        for line in _lines(entry, sources, found):
            typer.echo(line)
    say_how_old(settings, newest, pinned)


def _as_json(entry: Entry) -> dict[str, Any]:
    fields = asdict(entry)
    return fields if entry.columns else {name: value for name, value in fields.items() if name != "columns"}


def _first_line(grain: str) -> str:
    return textwrap.shorten(grain, _WIDTH - 49, placeholder=" …")


def _lines(entry: Entry, sources: Sequence[str], examples: Sequence[Example]) -> Iterator[str]:
    newest = f", newest day {entry.newest_day}" if entry.newest_day else ""
    yield entry.name
    yield from _part("a row is", textwrap.wrap(entry.meaning, _WIDTH - 12))
    yield from _part("key", [", ".join(entry.key)])
    yield from _part("rows", [f"{entry.rows:,}{newest}"])
    yield from _part("made from", textwrap.wrap(f"{', '.join(sources)} (tables of the lake)", _WIDTH - 12))
    name_width = max(len(column.name) for column in entry.columns) + 2
    type_width = max(len(_type(column.type)) for column in entry.columns) + 2
    columns = []
    for column in entry.columns:
        first, *more = textwrap.wrap(column.meaning, _WIDTH - 12 - name_width - type_width) or [""]
        columns.append(f"{column.name:<{name_width}}{_type(column.type):<{type_width}}{first}")
        columns += [" " * (name_width + type_width) + line for line in more]
    yield from _part("columns", columns)
    for example in examples:
        yield ""
        yield from _part("ask", [example.question, *(f"  {line}" for line in example.sql.splitlines())])
    yield ""
    yield from _part(
        "a figure", [f"intelsec lineage {entry.name} {' '.join(entry.key).upper()}: back to its feed lines"]
    )


def _part(name: str, lines: Sequence[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield f"{name if at == 0 else '':<12}{line}"


def _type(name: str) -> str:
    return name.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
