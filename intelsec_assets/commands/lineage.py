"""`intelsec lineage`: a row of the published warehouse back to the feed lines it came from.

How it is followed is in `kpis.warehouse.lineage`; here its parts are laid out, and the answer is printed.
"""

from __future__ import annotations

from typing import Annotated

import typer

from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Json,
    day_option,
    fail,
    print_json,
    workspace_settings,
)
from intelsec_assets.commands.reading import LakePartitions, SnapshotDay, opened
from intelsec_assets.feeds.raw_lines import RawLines
from intelsec_assets.feeds.snapshot import RawStore
from intelsec_assets.kpis.warehouse.dictionary import UnknownTable
from intelsec_assets.kpis.warehouse.keys import UnclearKey, find_row
from intelsec_assets.kpis.warehouse.lineage import MOST_ROWS, Tracer, as_json
from intelsec_assets.kpis.warehouse.lineage_text import render
from intelsec_assets.resources.workspace import Workspace


def lineage(
    table: Annotated[str, typer.Argument(help="A table of the warehouse; intelsec tables lists them.")],
    key: Annotated[
        list[str] | None,
        typer.Argument(
            help="The row: values of its grain in order, or column=value. An indicator is named by its value, defanged "
            "or not; without a day it is the newest.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Rows shown of each step.")] = MOST_ROWS,
    day: SnapshotDay = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Where a figure comes from: what it was computed from, step by step, down to the lines of the feeds.

    Exit code 1 when a figure is not what its rows add up to, 2 for an unknown table or row, 3 when nothing is
    published.

    Example: intelsec lineage kpi_dedup scope=all window_name=7d
    """
    settings = workspace_settings(data)
    workspace = Workspace.of(settings)
    with opened(settings, day_option(day)) as con:
        try:
            found, row = find_row(con, table, key or [])
        except (UnknownTable, UnclearKey) as error:
            fail(str(error), WRONG_USE)
        lake, raw = LakePartitions(workspace.lake()), RawLines(RawStore(settings.raw))
        tracer = Tracer(con, lake, raw, workspace.catalogue().export.threshold)
        trace = tracer.trace(table, found, row, most=rows)
    if json:
        from intelsec_assets.kpis.warehouse.results import as_json as plain

        print_json(as_json(trace, plain))
    else:
        typer.echo(render(trace), nl=False)
    raise typer.Exit(FOUND_SOMETHING if trace.disagreements else DONE)
