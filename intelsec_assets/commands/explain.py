"""`intelsec explain`: an indicator's whole story on a day: score, feed lines, lists, exports, what changed.

The story is told by `indicators.explain`; here the day's tables are laid out for it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import duckdb
import typer

from intelsec_assets import engine
from intelsec_assets.commands.faces import DONE, FOUND_SOMETHING, Data, Day, Json, day_option, fail, workspace_settings
from intelsec_assets.days import previous_day
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.indicators import explain as story
from intelsec_assets.indicators.explanation_text import render
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.workspace import Workspace

LOOK_BACK = timedelta(days=14)  # feed lines are looked for this far back: a daily list repeats itself anyway
STATE = ("indicators", "indicator_scores", "warninglist_hits", "feed_overlaps", "export_plan")
LINES = ("observations", "rejected_observations")


def explain(
    indicator: Annotated[str, typer.Argument(help="The value as you found it, defanged or not.")],
    kind: Annotated[str | None, typer.Option("--type", help="Its type, for values that could be several.")] = None,
    day: Day = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Why an indicator scores what it scores: the sum, feed lines behind it, lists, exports, changes since yesterday.

    Exit code 1 when it is not known. Example: intelsec explain 'hxxp://login.lantern[.]example/'
    """
    lake = Workspace.of(workspace_settings(data)).lake()
    days = lake.days("indicator_scores")
    if not days:
        fail(f"{lake.root} is empty. Next: intelsec run", FOUND_SOMETHING)
    asked = day_option(day) or days[-1]
    with engine.session() as con:
        tables = _state(lake, con, asked) | _lines(lake, con, asked) | _verdicts(lake, con, asked)
        before = previous_day(asked)
        previous = _state(lake, con, before) if before in days else None
        explanation = story.explain(con, indicator, asked, tables, previous, declared_type=kind)
    typer.echo(explanation.to_json() if json else render(explanation))
    raise typer.Exit(DONE if explanation.indicator else FOUND_SOMETHING)


def _state(lake: Lake, con: duckdb.DuckDBPyConnection, day: date) -> dict[str, duckdb.DuckDBPyRelation]:
    return {name: lake.relation(con, lake.read(name, day)) for name in STATE}


def _verdicts(lake: Lake, con: duckdb.DuckDBPyConnection, day: date) -> dict[str, duckdb.DuckDBPyRelation]:
    """Judgements of alerts until the day, if there are any yet."""
    name = ALERT_DISPOSITIONS.name
    paths = [str(lake.read(name, d).path) for d in lake.days(name) if d <= day]
    return {name: con.read_parquet(paths)} if paths else {}


def _lines(lake: Lake, con: duckdb.DuckDBPyConnection, day: date) -> dict[str, duckdb.DuckDBPyRelation]:
    """Observations and quarantine of the last days, as one relation each."""
    found = {}
    for name in LINES:
        paths = [str(lake.read(name, d).path) for d in lake.days(name) if day - LOOK_BACK < d <= day]
        found[name] = con.read_parquet(paths)
    return found
