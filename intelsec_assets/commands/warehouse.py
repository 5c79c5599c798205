"""`intelsec warehouse`: build and publish, look at what is published, go back to a snapshot, copy to PostgreSQL.

Asking it questions is `intelsec sql` and its neighbours; nothing is computed here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from intelsec_assets import progress
from intelsec_assets.commands.faces import (
    DONE,
    FOUND_SOMETHING,
    WRONG_USE,
    Data,
    Day,
    Json,
    day_option,
    fail,
    people,
    print_json,
    workspace_settings,
)
from intelsec_assets.days import parse_day
from intelsec_assets.kpis.warehouse import snapshots
from intelsec_assets.kpis.warehouse.build import read_verdict
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import is_held, warehouse_lock
from intelsec_assets.kpis.warehouse.manifest import Manifest
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import Settings

warehouse = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The DuckDB file that analysts open: build, publish, look, go back, copy to PostgreSQL.",
)


@warehouse.command("build")
def build(
    day: Day = None,
    anew: Annotated[bool, typer.Option("--anew", help="Forget the private build and make all of it again.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Bring the warehouse up to the lake, test it and publish it; nothing is written if nothing changed.

    Example: intelsec warehouse build
    """
    settings = workspace_settings(data)
    folder = WarehouseFolder(settings.home)
    asked = day_option(day) or _newest_day(settings)
    if anew:
        with warehouse_lock(folder):
            folder.build_file.unlink(missing_ok=True)
    with people.status("building the warehouse") as status, progress.listening(lambda r: status.update(r.outcome)):
        from intelsec_jobs.runner import run_days  # Dagster takes seconds to import

        (outcome,) = run_days(settings, [asked], job="warehouse_publish", after=[])
    if outcome.error:
        fail(f"the warehouse of {asked} was not published. {outcome.error}", FOUND_SOMETHING)
    now, verdict = snapshots.published(folder), read_verdict(folder)
    if now is None or verdict is None or (now.build != verdict["build"] and now.rolled_back_from is None):
        fail(f"the warehouse of {asked} was not published; see: intelsec warehouse status", FOUND_SOMETHING)
    _show(folder, json)


def _newest_day(settings: Settings) -> date:
    days = Workspace.of(settings).lake().days("daily_summary")
    if not days:
        fail(f"{settings.lake} holds no day yet. Next: intelsec run", WRONG_USE)
    return days[-1]


@warehouse.command("status")
def status(data: Data = None, json: Json = False) -> None:
    """What is published, how old it is, which snapshots there are, and how the last build ended.

    Exit code 1 if the last build could not be published. Example: intelsec warehouse status
    """
    settings = workspace_settings(data)
    folder = WarehouseFolder(settings.home)
    verdict = read_verdict(folder)
    days = Workspace.of(settings).lake().days("daily_summary")
    _show(folder, json, newest=days[-1] if days else None)
    raise typer.Exit(FOUND_SOMETHING if verdict is not None and not verdict["passed"] else DONE)


def _show(folder: WarehouseFolder, json: bool, newest: date | None = None) -> None:
    now, verdict = snapshots.published(folder), read_verdict(folder)
    there = snapshots.list_snapshots(folder)
    if json:
        print_json(
            {
                "published": now.as_json() if now else None,
                "newest_day": newest,
                "snapshots": [manifest.as_json() for manifest in there],
                "last_build": {key: verdict[key] for key in ("build", "day", "passed", "failed", "warned")}
                if verdict
                else None,
                "is_being_written": is_held(folder),
            }
        )
        return
    for line in _lines(folder, now, there, newest):
        typer.echo(line)
    if verdict and not verdict["passed"]:
        typer.echo(f"last build  of {verdict['day']} is not published:")
        for failed in verdict["failed"]:
            typer.echo(f"            {failed}")
    for warned in verdict["warned"] if verdict else []:
        typer.echo(f"look at     {warned}")
    typer.echo("next        " + ("intelsec tables" if now else "intelsec warehouse build"))


def _lines(folder: WarehouseFolder, now: Manifest | None, there: list[Manifest], newest: date | None) -> list[str]:
    if now is None:
        return ["published   nothing yet"]
    behind = (newest - now.day).days if newest else 0
    late = f"; the lake is at {newest}, {behind} day{'s' if behind > 1 else ''} later" if behind > 0 else ""
    back = f"; stands in for snapshot {now.rolled_back_from}" if now.rolled_back_from else ""
    counts = ", ".join(f"{name} {rows:,}" for name, rows in sorted(now.tables.items()))
    checks = ", ".join(f"{number:,} {outcome}" for outcome, number in now.checks.items())
    return [
        f"published   {now}{late}{back}",
        f"file        {folder.published} ({now.size / 2**20:,.1f} MB, DuckDB storage {now.storage_version})",
        f"rows        {counts}",
        f"checks      {checks}",
        "snapshots   " + ", ".join(f"{manifest.snapshot} of {manifest.day}" for manifest in there),
        *(["writing     somebody builds or publishes at this moment"] if is_held(folder) else []),
    ]


@warehouse.command("rollback")
def rollback(
    to: Annotated[
        str | None, typer.Option("--to", help="Number of a snapshot, or a day. Default: the one before.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Publish an earlier snapshot again; it stays until something new is built.

    Example: intelsec warehouse rollback
    """
    folder = WarehouseFolder(workspace_settings(data).home)
    back = snapshots.rollback(folder, _snapshot(to))
    if json:
        print_json(back.as_json())
    else:
        typer.echo(f"published   {back}; readers that had the other file open keep it until they open it again")


def _snapshot(text: str | None) -> int | date | None:
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    try:
        return parse_day(text)
    except ValueError:
        fail(f"--to {text}: expected the number of a snapshot (intelsec warehouse status) or a day", WRONG_USE)


@warehouse.command("serve")
def serve(data: Data = None, json: Json = False) -> None:
    """Copy what is published to PostgreSQL (INTELSEC_WAREHOUSE_URL) and put it in place in one transaction.

    Example: intelsec warehouse serve
    """
    from intelsec_assets.kpis.warehouse.serving import serve as copy
    from intelsec_assets.resources.serving import ServingDatabase

    settings = workspace_settings(data)
    database = ServingDatabase.of(settings)
    url = database.url()
    if url is None:
        fail(f"{database.url_variable} is not set; expected postgresql://user:password@host:5432/database", WRONG_USE)
    with people.status("copying") as shown:
        served = copy(
            WarehouseFolder(settings.home),
            url,
            schema=database.schema_name,
            reader=database.reader,
            progress=shown.update,
        )
    if json:
        print_json({"place": served.place, "is_new": served.is_new, "rows": served.rows, "notes": list(served.notes)})
        return
    typer.echo(f"{'copied' if served.is_new else 'unchanged':<11} {served.manifest} to {served.place}")
    for note in served.notes:
        typer.echo(f"note        {note}")
