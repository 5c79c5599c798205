"""The command `intelsec`: registers the subcommands and turns known errors into one line and an exit code.

Exit codes: 0 done, 1 something is wrong in the data, 2 wrong use, 3 a part is not reachable.
"""

from __future__ import annotations

import sys

import typer

from intelsec_assets import logs
from intelsec_assets.commands import faces
from intelsec_assets.commands.alerts import alerts
from intelsec_assets.commands.audit import audit
from intelsec_assets.commands.canon import canon
from intelsec_assets.commands.dev import dev
from intelsec_assets.commands.doctor import doctor
from intelsec_assets.commands.explain import explain
from intelsec_assets.commands.feeds import feeds
from intelsec_assets.commands.lineage import lineage
from intelsec_assets.commands.quality import quality
from intelsec_assets.commands.rules import rules
from intelsec_assets.commands.run import backfill, run
from intelsec_assets.commands.sql import sql
from intelsec_assets.commands.status import status
from intelsec_assets.commands.tables import describe, tables
from intelsec_assets.commands.warehouse import warehouse
from intelsec_assets.detections.errors import DetectionError, UnknownRule
from intelsec_assets.feeds.catalogue import CatalogueError
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.locking import WarehouseBusy
from intelsec_assets.kpis.warehouse.postgresql_copy import ServerUnavailable
from intelsec_assets.resources.lake import LakeError
from intelsec_assets.resources.store import LockHeld, StoreError
from intelsec_assets.settings import SettingsError

app = typer.Typer(
    name="intelsec",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Threat intelligence and audit logs in; scored indicators, findings and alerts out. Exit codes: 0 done, "
    "1 something is wrong in the data, 2 wrong use, 3 a part is not reachable.",
)
for name, command in (
    ("run", run),
    ("backfill", backfill),
    ("status", status),
    ("quality", quality),
    ("explain", explain),
    ("canon", canon),
    ("sql", sql),
    ("tables", tables),
    ("describe", describe),
    ("lineage", lineage),
    ("doctor", doctor),
    ("dev", dev),
):
    app.command(name)(command)
app.add_typer(feeds, name="feeds")
app.add_typer(warehouse, name="warehouse")
app.add_typer(audit, name="audit")
app.add_typer(rules, name="rules")
app.add_typer(alerts, name="alerts")

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (CatalogueError, faces.WRONG_USE),
    (SettingsError, faces.WRONG_USE),
    (UnknownRule, faces.WRONG_USE),
    (DetectionError, faces.FOUND_SOMETHING),
    (LakeError, faces.FOUND_SOMETHING),
    (LockHeld, faces.NOT_REACHABLE),
    (StoreError, faces.NOT_REACHABLE),
    (WarehouseBusy, faces.NOT_REACHABLE),
    (ServerUnavailable, faces.NOT_REACHABLE),
    (WarehouseError, faces.FOUND_SOMETHING),
)


def main() -> None:
    """Entry point of the command."""
    try:
        logs.configure()
    except ValueError as error:
        faces.people.print(f"error: {error}", style="red", markup=False)
        sys.exit(faces.WRONG_USE)
    try:
        app()
    except Exception as error:
        for kind, code in _CODES:
            if isinstance(error, kind):
                faces.people.print(f"error: {faces.harmless(str(error))}", style="red", markup=False, soft_wrap=True)
                sys.exit(code)
        raise


if __name__ == "__main__":
    main()
