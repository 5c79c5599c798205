"""From the private build to a snapshot that readers open: copied, stripped of what is private, explained, verified.

Which snapshots there are and which one is published is the business of `snapshots`. Readers never meet a writer: a
published file never changes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from intelsec_assets import engine
from intelsec_assets.days import parse_day
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.build import read_verdict
from intelsec_assets.kpis.warehouse.contents import UnfitFile, count_marts, strip_and_explain, verify
from intelsec_assets.kpis.warehouse.docs import ModelDoc
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import STORAGE_VERSION, WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import warehouse_lock
from intelsec_assets.kpis.warehouse.manifest import Manifest, source_days
from intelsec_assets.kpis.warehouse.snapshots import (
    DamagedSnapshot,
    heal,
    keep_manifest,
    list_snapshots,
    next_number,
    prune,
    published,
    put_in_place,
    snapshot_file,
)

KEEP = 7  # snapshots: a week of days to go back to
_READ_ONLY = 0o444  # whoever opens it for writing would lock every reader out

Clock = Callable[[], datetime]


class NotPublishable(WarehouseError):
    """The build is not fit to be published: it was cut off, or a blocking test failed."""


class PublicationFailed(WarehouseError):
    """The snapshot could not be made; what was published before still is."""


@dataclass(frozen=True)
class Published:
    """What came of a publication. `is_new` is False if there was nothing new to publish; `said` tells it in a sentence.

    `removed` are numbers of snapshots whose time was over, `left_out` tables of the build that no model describes.
    """

    manifest: Manifest
    is_new: bool
    said: str
    removed: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()


def publish_snapshot(
    folder: WarehouseFolder,
    marts: Sequence[ModelDoc],
    *,
    clock: Clock,
    keep: int = KEEP,
    progress: Callable[[str], None] = lambda _text: None,
) -> Published:
    """Publish the last build if it passed; `keep` snapshots stay. Takes the lock of the folder.

    Killed at any point, readers have the old file or the new one, and the next publication heals the rest. Raises
    NotPublishable, PublicationFailed, WarehouseBusy.
    """
    with warehouse_lock(folder):
        verdict = read_verdict(folder)
        if verdict is None or verdict.get("complete") is not True or verdict.get("passed") is not True:
            raise NotPublishable(_why_not(folder, verdict))
        try:
            before = heal(folder)
            if before is not None and (same := _already(folder, before, verdict["build"])) is not None:
                return same
            manifest, left_out = _make(folder, verdict, marts, clock().astimezone(UTC), progress)
            put_in_place(folder, manifest)
            keep_manifest(folder, manifest)
            in_use = {manifest.snapshot, before.snapshot if before else 0}
            removed = prune(folder, keep, in_use)
        except (OSError, duckdb.Error, UnfitFile) as error:
            raise PublicationFailed(_what_failed(folder, error)) from error
    return Published(manifest, True, f"{manifest} is what readers get now", removed, left_out)


def _why_not(folder: WarehouseFolder, verdict: Mapping[str, Any] | None) -> str:
    stays = _what_stays(folder, verdict)
    if verdict is None:
        return f"nothing was built yet in {folder.build_file.parent}, so nothing can be published. {stays}"
    failed = list(verdict.get("failed", []))
    shown = "; ".join(failed[:3]) + (f"; and {len(failed) - 3} more" if len(failed) > 3 else "")
    reason = shown or "it did not end"
    return f"the build of {verdict.get('day')} is not published: {reason}. {stays}"


def _what_stays(folder: WarehouseFolder, verdict: Mapping[str, Any] | None) -> str:
    try:
        now = published(folder)
    except DamagedSnapshot as error:
        return str(error)
    way_out = "Mend what failed (`intelsec quality` shows the rows) and build again: intelsec run"
    if now is None:
        return f"Nothing was published before. {way_out}"
    behind = (parse_day(verdict["day"]) - now.day).days if verdict and verdict.get("day") else 0
    age = f", {behind} day{'s' if behind > 1 else ''} behind this build" if behind > 0 else ""
    return f"Readers keep {now}{age}. {way_out}"


def _already(folder: WarehouseFolder, now: Manifest, build: str) -> Published | None:
    """Equal build, equal tables: nothing to do if it is published, or was published and rolled back."""
    if now.build == build:
        return Published(now, False, f"nothing changed: {now} holds this build")
    for newer in list_snapshots(folder):
        if newer.snapshot > now.snapshot and newer.build == build:
            return Published(
                now,
                False,
                f"nothing changed since {newer}, which was rolled back: readers keep {now}. "
                f"To publish it all the same: intelsec warehouse rollback --to {newer.snapshot}",
            )
    return None


def _what_failed(folder: WarehouseFolder, error: Exception) -> str:
    usage = shutil.disk_usage(folder.root)
    needed = folder.build_file.stat().st_size if folder.build_file.exists() else 0
    return (
        f"the snapshot could not be made in {folder.snapshots}: {error}. A snapshot takes about {needed >> 20} MB, "
        f"{usage.free >> 20} MB are free there. {_what_stays(folder, None)}"
    )


def _make(
    folder: WarehouseFolder,
    verdict: Mapping[str, Any],
    marts: Sequence[ModelDoc],
    now: datetime,
    progress: Callable[[str], None],
) -> tuple[Manifest, tuple[str, ...]]:
    """The next snapshot, whole under its number. Gives its manifest and the tables that were left out."""
    _room_for(folder)
    with engine.session() as con:
        _checkpoint(con, folder.build_file)
        rows, left_out = count_marts(con, folder.build_file, marts, verdict["models"])
        manifest = _manifest(folder, verdict, rows, now)
        fresh = placing.unfinished(folder.snapshots)
        place = snapshot_file(folder, manifest.snapshot)
        try:
            fresh.mkdir()
            file = fresh / place.name
            # as a file, not table by table: 2 GB take 2 to 4 s in place of 41 s. The space of what is dropped comes
            # along unused; the private file uses its own again at the next build, so it does not grow by the day
            placing.copy(folder.build_file, file, lambda done: progress(f"copied {done:.0%}"))
            progress("explaining")
            strip_and_explain(con, file, marts, manifest)
            progress("verifying")
            verify(con, file, marts, manifest)
            file.chmod(_READ_ONLY)
            placing.sync(file)
            manifest = replace(manifest, sha256=placing.sha256_of(file), size=file.stat().st_size)
            placing.replace(fresh, place.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return manifest, left_out


def _manifest(folder: WarehouseFolder, verdict: Mapping[str, Any], rows: Mapping[str, int], now: datetime) -> Manifest:
    return Manifest(
        snapshot=next_number(folder),
        day=parse_day(verdict["day"]),
        published_at=now.replace(microsecond=0),
        build=verdict["build"],
        storage_version=STORAGE_VERSION,
        sources=source_days(verdict["sources"]),
        tables=rows,
        checks=verdict["checks"],
        warnings=tuple(verdict["warned"]),
    )


def _room_for(folder: WarehouseFolder) -> None:
    """Better not begun than broken off: a full disk stops everybody else's work too."""
    needed, free = folder.build_file.stat().st_size, shutil.disk_usage(folder.snapshots).free
    if free < needed:
        raise OSError(f"no space for a copy of {folder.build_file.name}")


def _checkpoint(con: duckdb.DuckDBPyConnection, build_file: Path) -> None:
    """What the build wrote last may still lie beside the file."""
    if not build_file.with_name(f"{build_file.name}.wal").exists():
        return
    con.execute(f"attach {sql_text(build_file)} as warehouse")
    con.execute("checkpoint warehouse")
    con.execute("detach warehouse")
