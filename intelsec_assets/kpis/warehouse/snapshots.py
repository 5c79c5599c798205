"""Published snapshots: which there are, which one readers get, the way back to an earlier one, how long they stay.

How a snapshot is made is in `publish`. Whatever changes the folder holds the lock of `locking`.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import warehouse_lock
from intelsec_assets.kpis.warehouse.manifest import Manifest

_NAME = re.compile(r"(\d{6,})\.(?:duckdb|json)")


class UnknownSnapshot(WarehouseError):
    """There is no such snapshot; the message lists those there are."""


class DamagedSnapshot(WarehouseError):
    """A file is not a snapshot that was published."""


def snapshot_file(folder: WarehouseFolder, number: int) -> Path:
    """Where the snapshot of a number lies."""
    return folder.snapshots / f"{number:06}.duckdb"


def list_snapshots(folder: WarehouseFolder) -> list[Manifest]:
    """Snapshots that were published and are still there, in that order."""
    if not folder.snapshots.is_dir():
        return []
    found = (_read(path) for path in folder.snapshots.glob("*.json") if _NAME.fullmatch(path.name))
    there = (manifest for manifest in found if manifest and snapshot_file(folder, manifest.snapshot).exists())
    return sorted(there, key=lambda manifest: manifest.snapshot)


def snapshot_of_day(folder: WarehouseFolder, day: date) -> Manifest:
    """The published snapshot if it is of that day, else the last one of that day. Raises UnknownSnapshot."""
    now = published(folder)
    if now is not None and now.day == day:
        return now
    of_day = [manifest for manifest in list_snapshots(folder) if manifest.day == day]
    if not of_day:
        raise UnknownSnapshot(f"there is no snapshot of {day} in {folder.snapshots}: {_what_is_there(folder)}")
    return of_day[-1]


def published(folder: WarehouseFolder) -> Manifest | None:
    """The manifest of what readers get at this moment; None if nothing is published.

    It comes out of the published file itself and so never speaks of another one: `intelsec.json` is replaced a moment
    after the file, or only by the next publication if a kill came between. Raises DamagedSnapshot.
    """
    if (inside := manifest_inside(folder.published)) is None:
        return None
    beside = _read(folder.published_manifest)
    whole = beside if beside and beside.snapshot == inside.snapshot else None
    own = _read(snapshot_file(folder, inside.snapshot).with_suffix(".json")) or whole or inside
    return standing_in(own, beside)


def manifest_inside(file: Path) -> Manifest | None:
    """What a published file says of itself; None if there is no file. Raises DamagedSnapshot."""
    if not file.exists():
        return None
    try:
        with engine.session(threads=1) as con:
            con.execute(f"attach {sql_text(file)} as intelsec (read_only)")
            ((text,),) = con.execute("select manifest from intelsec.main.snapshot").fetchall()
        return Manifest.of(json.loads(text))
    except (duckdb.Error, ValueError, KeyError, TypeError) as error:
        raise DamagedSnapshot(
            f"{file} is not a snapshot that was published: {error}. Go back to one that is: intelsec warehouse "
            "rollback; or build and publish again: intelsec run"
        ) from error


def standing_in(wanted: Manifest, beside: Manifest | None) -> Manifest:
    """The manifest as that of what is published in place of what was: newer ones stay rolled back."""
    newest = _newest(beside)
    return replace(wanted, rolled_back_from=newest if newest > wanted.snapshot else None)


def rollback(folder: WarehouseFolder, to: int | date | None = None) -> Manifest:
    """Publish an earlier snapshot again: the one before what is published, or that of a number or day.

    Readers get the old file or the new one. It stays until something else than what was rolled back is built and
    published. A number also leads forward again. Raises UnknownSnapshot or DamagedSnapshot; nothing is changed then.
    """
    with warehouse_lock(folder):
        heal(folder)
        beside = _read(folder.published_manifest)
        wanted = _wanted(folder, to, beside)
        file = snapshot_file(folder, wanted.snapshot)
        if placing.sha256_of(file) != wanted.sha256:
            raise DamagedSnapshot(
                f"{file} is not the file that was published, its sha256 is another than in its manifest; "
                f"choose another one: {_what_is_there(folder)}"
            )
        back = standing_in(wanted, beside)
        put_in_place(folder, back)
    return back


def _wanted(folder: WarehouseFolder, to: int | date | None, now: Manifest | None) -> Manifest:
    there = list_snapshots(folder)
    if isinstance(to, date):
        there = [manifest for manifest in there if manifest.day == to]
    elif to is not None:
        there = [manifest for manifest in there if manifest.snapshot == to]
    elif now is not None:
        there = [manifest for manifest in there if manifest.snapshot < now.snapshot]
    if not there:
        asked = f"before what is published ({now})" if to is None else f"of {to}" if isinstance(to, date) else f"{to}"
        raise UnknownSnapshot(f"there is no snapshot {asked} in {folder.snapshots}: {_what_is_there(folder)}")
    return there[-1]


def _what_is_there(folder: WarehouseFolder) -> str:
    there = ", ".join(f"{manifest.snapshot} ({manifest.day})" for manifest in list_snapshots(folder))
    return f"there are {there}" if there else "none was published yet; `intelsec run` builds and publishes"


def put_in_place(folder: WarehouseFolder, manifest: Manifest) -> None:
    """Make a snapshot the published one: its bytes replace `intelsec.duckdb` in one step, then `intelsec.json` follows.

    The caller holds the lock.
    """
    fresh = placing.unfinished(folder.root)
    try:
        placing.share(snapshot_file(folder, manifest.snapshot), fresh)
        placing.replace(fresh, folder.published)
    finally:
        fresh.unlink(missing_ok=True)
    _write(folder.published_manifest, manifest)


def keep_manifest(folder: WarehouseFolder, manifest: Manifest) -> None:
    """Write the manifest beside a snapshot, which says that it was published. The caller holds the lock."""
    _write(snapshot_file(folder, manifest.snapshot).with_suffix(".json"), replace(manifest, rolled_back_from=None))


def next_number(folder: WarehouseFolder) -> int:
    """One more than any number that something here remembers. No clock is asked, so none can bring disorder."""
    names = (_NAME.fullmatch(path.name) for path in folder.snapshots.glob("*"))
    return max([_newest(_read(folder.published_manifest)), *(int(name[1]) for name in names if name)]) + 1


def _newest(beside: Manifest | None) -> int:
    """The highest number that was ever published, as `intelsec.json` knows it."""
    return max(beside.snapshot, beside.rolled_back_from or 0) if beside else 0


def prune(folder: WarehouseFolder, keep: int, now: Manifest) -> tuple[int, ...]:
    """Remove all but the last `keep` snapshots and the published one. Whoever has one open goes on reading it."""
    numbers = [manifest.snapshot for manifest in list_snapshots(folder)]
    old = tuple(number for number in numbers[: max(len(numbers) - keep, 0)] if number != now.snapshot)
    for number in old:
        snapshot_file(folder, number).with_suffix(".json").unlink(missing_ok=True)
        snapshot_file(folder, number).unlink(missing_ok=True)
    return old


def heal(folder: WarehouseFolder) -> Manifest | None:
    """Bring a folder in which a process was killed, or somebody deleted a file, back to where all of it agrees.

    Gives the manifest of what is published then; None if nothing is, or it is damaged. The caller holds the lock.
    """
    folder.snapshots.mkdir(parents=True, exist_ok=True)
    placing.sweep(folder.root)
    placing.sweep(folder.snapshots)
    beside = _read(folder.published_manifest)
    try:
        now = published(folder)
    except DamagedSnapshot:
        now = None
    else:
        now = _restored(folder, beside) if now is None else _agreed(folder, now, beside)
    _tidy(folder)
    return now


def _tidy(folder: WarehouseFolder) -> None:
    """A file without its manifest: one that was published is described anew, any other goes."""
    described = {manifest.snapshot for manifest in list_snapshots(folder)}
    newest = _newest(_read(folder.published_manifest))
    for path in folder.snapshots.glob("*"):
        name = _NAME.fullmatch(path.name)
        if name is None or int(name[1]) in described:
            continue
        inside = _inside_or_none(path) if path.suffix == ".duckdb" and int(name[1]) <= newest else None
        if inside is None or inside.snapshot != int(name[1]):
            path.unlink(missing_ok=True)
        else:
            keep_manifest(folder, replace(inside, sha256=placing.sha256_of(path), size=path.stat().st_size))


def _inside_or_none(file: Path) -> Manifest | None:
    try:
        return manifest_inside(file)
    except DamagedSnapshot:
        return None


def _agreed(folder: WarehouseFolder, now: Manifest, beside: Manifest | None) -> Manifest:
    """What is published is among the snapshots, and both manifests say so."""
    file = snapshot_file(folder, now.snapshot)
    if not file.exists():
        fresh = placing.unfinished(folder.snapshots)
        placing.share(folder.published, fresh)
        placing.replace(fresh, file)
    if _read(file.with_suffix(".json")) is None:
        now = replace(now, sha256=placing.sha256_of(file), size=file.stat().st_size)
        keep_manifest(folder, now)
    if beside != now:
        _write(folder.published_manifest, now)
    return now


def _restored(folder: WarehouseFolder, beside: Manifest | None) -> Manifest | None:
    """The published file is gone: the snapshot it shared its bytes with takes its place."""
    if beside is None:
        return None
    file = snapshot_file(folder, beside.snapshot)
    if not file.exists() or placing.sha256_of(file) != beside.sha256:
        return None
    put_in_place(folder, beside)
    return beside


def _write(path: Path, manifest: Manifest) -> None:
    placing.replace_text(path, json.dumps(manifest.as_json(), indent=1) + "\n")


def _read(path: Path) -> Manifest | None:
    """None for a manifest that is not there, or is none."""
    try:
        return Manifest.of(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
