"""`intelsec rules package`: what a SIEM imports: rules in its own form, and look-ups from the lake.

The forms are `intelsec_assets.detections.sigma.siem.packages`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import WRONG_USE, Data, Day, Json, day_option, fail, print_json, workspace_settings
from intelsec_assets.detections.errors import DetectionError
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import EXPORT_PLAN


def package(
    siem: Annotated[str, typer.Argument(help="splunk, elastic, opensearch, sentinel or loki.")],
    out: Annotated[Path, typer.Option("--out", help="Folder the package is put into.")],
    day: Day = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Make the deploy package of a SIEM: rules, look-ups with exported indicators, and what to do with them.

    Exceptions of the day are in the queries. Writes a folder and an archive of it, the same bytes for the same rules
    and lake. Exit code 2 for an unknown SIEM or
    without the packages of the extra `siem`. Example: intelsec rules package splunk --out dist
    """
    from intelsec_assets.detections.audit.telemetry import load_telemetry
    from intelsec_assets.detections.sigma.rules import load_rules
    from intelsec_assets.detections.sigma.siem.compiling import compile_all
    from intelsec_assets.detections.sigma.siem.packages import lookups, making
    from intelsec_assets.detections.sigma.siem.targets import load_targets
    from intelsec_assets.resources.siem_lookups import read_lookups

    settings = workspace_settings(data)
    lake = Workspace.of(settings).lake()
    planned = lake.days(EXPORT_PLAN.name)
    asked = day_option(day) or (planned[-1] if planned else system_clock().date())
    try:
        form, targets = making.form(siem), load_targets()
        rules = load_rules(settings.detections / "sigma", with_samples=False, as_of=asked)
        compiled = compile_all(rules, targets, [form.target])
        telemetry = load_telemetry(settings.data_root)
        tables = read_lookups(lake, asked, telemetry, settings.data_root, system_clock())
    except DetectionError as error:
        fail(str(error), WRONG_USE)
    archive = making.write_package(siem, form.files(compiled, tables, targets), out)
    counts = {verdict: sum(one.verdict == verdict for one in compiled) for verdict in ("exact", "nearest", "none")}
    rows = {name: len(tables.rows.get(name, ())) for name in lookups.COLUMNS}
    if json:
        print_json({"archive": str(archive), "rules": counts, "lookups": rows, "notes": list(tables.notes)})
        return
    typer.echo(f"{archive}: " + ", ".join(f"{number} {verdict}" for verdict, number in counts.items()))
    typer.echo("look-ups: " + ", ".join(f"{name} {number}" for name, number in rows.items()))
    for note in tables.notes:
        typer.echo(f"note: {note}", err=True)
