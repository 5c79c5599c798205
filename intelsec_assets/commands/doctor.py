"""`intelsec doctor`: what is installed, configured and reachable, what is not, and what to do about it.

Each look is a function that answers with a finding; nothing is changed.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

import httpx
import typer

from intelsec_assets.commands import doctor_detections
from intelsec_assets.commands.faces import DONE, NOT_REACHABLE, Data, Json, print_json, workspace_settings
from intelsec_assets.feeds.catalogue import CatalogueError
from intelsec_assets.indicators.matching.list_files import WarninglistError
from intelsec_assets.indicators.warninglists import load_lists
from intelsec_assets.kpis.warehouse.build import read_verdict
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import is_held
from intelsec_assets.kpis.warehouse.snapshots import published
from intelsec_assets.resources.lake import LakeError
from intelsec_assets.resources.store import StoreError
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import Settings

LEAST_FREE = 2 * 2**30  # bytes: a day of the real feeds writes 50 MB, a rebuild keeps old and new side by side
MISP_SECONDS = 10.0


@dataclass(frozen=True)
class Finding:
    """A look at one part. `state` is ok, missing (optional, not there) or broken (configured, does not work)."""

    part: str
    state: str
    found: str
    what_to_do: str = ""


def doctor(data: Data = None, json: Json = False) -> None:
    """What is installed, configured and reachable, what is not, and what to do about it.

    Exit code 3 when a configured part does not work. Example: intelsec doctor
    """
    settings = workspace_settings(data)
    findings = [*(look(settings) for look in LOOKS), *(Finding(*look) for look in doctor_detections.looks(settings))]
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        for f in findings:
            typer.echo(
                f"{f.state:<8} {f.part:<13} {f.found}" + (f"\n{'':<23}-> {f.what_to_do}" if f.what_to_do else "")
            )
    raise typer.Exit(NOT_REACHABLE if any(f.state == "broken" for f in findings) else DONE)


def _python(_: Settings) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("dagster", "duckdb", "pymisp"))
    return Finding("python", "ok", f"{version}; {packages}")


def _home(settings: Settings) -> Finding:
    folder = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    found = f"{settings.home}, {free // 2**20:,} MB free"
    if not os.access(folder, os.W_OK):
        return Finding(
            "home", "broken", f"{folder} cannot be written", "give the folder to this user or set INTELSEC_HOME"
        )
    if free < LEAST_FREE:
        return Finding("home", "broken", found, f"free some: at least {LEAST_FREE // 2**20:,} MB, or set INTELSEC_HOME")
    return Finding("home", "ok", found)


def _catalogue(settings: Settings) -> Finding:
    try:
        catalogue = Workspace.of(settings).catalogue()
    except CatalogueError as error:
        return Finding("catalogue", "broken", str(error), "correct the entry that the message names")
    found = f"{catalogue.path}: {len(catalogue.enabled_feeds)} feeds enabled, data from {settings.source_name}"
    return Finding("catalogue", "ok", found)


def _credentials(settings: Settings) -> Finding:
    try:
        feeds = Workspace.of(settings).catalogue().enabled_feeds
    except CatalogueError:
        return Finding("credentials", "missing", "unknown while the catalogue does not load")
    wanted = sorted({feed.credentials.env for feed in feeds if feed.credentials})
    unset = [name for name in wanted if not os.environ.get(name)]
    if unset and settings.data_root is None:
        return Finding("credentials", "broken", f"unset: {', '.join(unset)}", "set them, or disable their feeds")
    return Finding("credentials", "ok", f"{len(wanted) - len(unset)} of {len(wanted)} set" if wanted else "none needed")


def _warninglists(settings: Settings) -> Finding:
    root = settings.data_root or settings.home
    try:
        catalogue = Workspace.of(settings).catalogue()
        lists = load_lists(root, catalogue.warninglists, catalogue.protected)
    except CatalogueError:
        return Finding("warninglists", "missing", "unknown while the catalogue does not load")
    except WarninglistError as error:
        way_out = f"put one JSON file a list into {root / (catalogue.warninglists.local or '')} (README, Real feeds)"
        return Finding("warninglists", "broken", str(error), way_out)
    return Finding("warninglists", "ok", f"{len(lists)} lists below {root}, what is ours among them")


def _lake(settings: Settings) -> Finding:
    lake = Workspace.of(settings).lake()
    days = lake.days("daily_summary")
    if not days:
        return Finding("lake", "missing", f"{lake.root} is empty", "intelsec run")
    try:
        for asset in ("indicators", "indicator_scores", "export_plan", "daily_summary"):
            lake.read(asset, days[-1])
    except LakeError as error:
        return Finding("lake", "broken", str(error), f"intelsec run --day {days[-1]}")
    return Finding("lake", "ok", f"{len(days)} days, newest {days[-1]}, the files of that day are as they were written")


def _store(settings: Settings) -> Finding:
    try:
        with Workspace.of(settings).store() as store:
            return Finding("store", "ok", store.place)
    except StoreError as error:
        return Finding("store", "broken", str(error), "start the database, or correct INTELSEC_STORE_URL")


def _warehouse(settings: Settings) -> Finding:
    folder = WarehouseFolder(settings.home)
    try:
        now, verdict = published(folder), read_verdict(folder)
    except WarehouseError as error:
        return Finding("warehouse", "broken", str(error), "intelsec warehouse rollback, or intelsec warehouse build")
    if now is None:
        return Finding("warehouse", "missing", "nothing is published", "intelsec warehouse build")
    if is_held(folder):
        return Finding("warehouse", "ok", f"{now}; somebody builds or publishes at this moment")
    if verdict is not None and not verdict["passed"]:
        found = f"{now}; the last build is not published: {verdict['failed'][0]}"
        return Finding("warehouse", "broken", found, "intelsec warehouse status")
    return Finding("warehouse", "ok", str(now))


def misp_finding(settings: Settings) -> Finding:
    """Whether the configured server answers, by the same rules for certificates as the export."""
    if settings.misp_url is None:
        return Finding(
            "misp",
            "missing",
            "no server configured; the export plan stays open",
            "set INTELSEC_MISP_URL and INTELSEC_MISP_KEY",
        )
    key = os.environ.get(settings.misp_key_variable)
    if not key:
        return Finding("misp", "broken", f"{settings.misp_url}: no key", f"set {settings.misp_key_variable}")
    try:
        answer = httpx.get(
            f"{settings.misp_url.rstrip('/')}/servers/getVersion",
            headers={"Authorization": key, "Accept": "application/json", "Content-Type": "application/json"},
            timeout=MISP_SECONDS,
            verify=settings.misp_verify_tls,
        )
        answer.raise_for_status()
        return Finding("misp", "ok", f"{settings.misp_url}, MISP {answer.json()['version']}")
    except httpx.HTTPStatusError as error:
        return Finding(
            "misp", "broken", f"{settings.misp_url} answers {error.response.status_code}", "check the key and its role"
        )
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return Finding(
            "misp",
            "broken",
            f"{settings.misp_url}: {type(error).__name__}",
            "check the address, the server and its certificate",
        )


LOOKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _home,
    _catalogue,
    _credentials,
    _warninglists,
    _lake,
    _store,
    _warehouse,
    misp_finding,
)
