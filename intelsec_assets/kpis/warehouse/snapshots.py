"""Published snapshots: which there are, which one readers get, the way back to an earlier one, how long they stay.

How a snapshot is made is in `publish`. Whatever changes the folder holds the lock of `locking`.

A snapshot's file never changes and never moves, and what readers open is a link to one. A file that is itself replaced
would not do: DuckDB 2.0 opens a database twice, first for its headers, then for its blocks, and a replacement between
the two makes it read the blocks of one by the header of the other (seen once in some thousand reads beside a writer:
tables missing, without an error). A link it follows once, before it opens anything; so does 1.5.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection
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

_NAME = re.compile(r"\d{6,}")
_FILE = "intelsec.duckdb"  # in every snapshot: DuckDB names the catalogue after it


class UnknownSnapshot(WarehouseError):
    """There is no such snapshot; the message lists those there are."""


class DamagedSnapshot(WarehouseError):
    """A file is not a snapshot that was published."""


def snapshot_file(folder: WarehouseFolder, number: int) -> Path:
    """Where the snapshot of a number lies."""
    return folder.root / _place(number)


def _place(number: int) -> str:
    return f"snapshots/{number:06}/{_FILE}"


def _manifest_file(folder: WarehouseFolder, number: int) -> Path:
    return snapshot_file(folder, number).with_suffix(".json")


def list_snapshots(folder: WarehouseFolder) -> list[Manifest]:
    """Snapshots that were published and are still there, in that order."""
    found = (_read(_manifest_file(folder, number)) for number in _numbers(folder))
    there = (manifest for manifest in found if manifest and snapshot_file(folder, manifest.snapshot).exists())
    return sorted(there, key=lambda manifest: manifest.snapshot)


def _numbers(folder: WarehouseFolder) -> list[int]:
    """Every number that something lies under."""
    return sorted(int(path.name) for path in folder.snapshots.glob("*") if _NAME.fullmatch(path.name))


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

    It goes by the link that readers follow: `intelsec.json` is replaced a moment after it, or only by the next
    publication if a kill came between. Raises DamagedSnapshot.
    """
    number = _linked(folder)
    if number is None:  # nothing, or a file put there by hand
        own = manifest_inside(folder.published)
    elif snapshot_file(folder, number).exists():
        own = _read(_manifest_file(folder, number)) or manifest_inside(snapshot_file(folder, number))
    else:
        own = None
    return None if own is None else standing_in(own, _read(folder.published_manifest))


def _linked(folder: WarehouseFolder) -> int | None:
    """Number of the snapshot that readers are led to; None if there is no link."""
    try:
        return int(folder.published.readlink().parent.name)
    except (OSError, ValueError):
        return None


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
    """Make a snapshot the published one: the link of readers leads to it in one step, then `intelsec.json` follows.

    The caller holds the lock.
    """
    placing.link(folder.published, _place(manifest.snapshot))
    _write(folder.published_manifest, manifest)


def keep_manifest(folder: WarehouseFolder, manifest: Manifest) -> None:
    """Write the manifest beside a snapshot, which says that it was published. The caller holds the lock."""
    _write(_manifest_file(folder, manifest.snapshot), replace(manifest, rolled_back_from=None))


def next_number(folder: WarehouseFolder) -> int:
    """One more than any number that something here remembers. No clock is asked, so none can bring disorder."""
    return max([_newest(_read(folder.published_manifest)), _linked(folder) or 0, *_numbers(folder)]) + 1


def _newest(beside: Manifest | None) -> int:
    """The highest number that was ever published, as `intelsec.json` knows it."""
    return max(beside.snapshot, beside.rolled_back_from or 0) if beside else 0


def prune(folder: WarehouseFolder, keep: int, in_use: Collection[int]) -> tuple[int, ...]:
    """Remove all but the last `keep` snapshots and those `in_use`. Whoever has one open goes on reading it.

    The one that was published until now is in use for a moment more: a reader may have followed the link to it and
    not yet opened it.
    """
    numbers = [manifest.snapshot for manifest in list_snapshots(folder)]
    old = tuple(number for number in numbers[: max(len(numbers) - keep, 0)] if number not in in_use)
    for number in old:
        _remove(folder, number)
    return old


def _remove(folder: WarehouseFolder, number: int) -> None:
    _manifest_file(folder, number).unlink(missing_ok=True)
    shutil.rmtree(snapshot_file(folder, number).parent, ignore_errors=True)


def heal(folder: WarehouseFolder) -> Manifest | None:
    """Bring a folder in which a process was killed, or somebody deleted a file, back to where all of it agrees.

    Gives the manifest of what is published then; None if nothing is, or it is damaged. The caller holds the lock.
    """
    folder.snapshots.mkdir(parents=True, exist_ok=True)
    for place in (folder.root, folder.snapshots, *folder.snapshots.glob("[0-9]*")):
        placing.sweep(place)
    try:
        now = published(folder)
    except DamagedSnapshot:
        now = None
    if now is not None:
        now = _agreed(folder, now)
    elif (beside := _read(folder.published_manifest)) and snapshot_file(folder, beside.snapshot).exists():
        put_in_place(folder, beside)  # the link is gone
        now = beside
    _tidy(folder)
    is_whole = now is not None and snapshot_file(folder, now.snapshot).stat().st_size == now.size
    return now if is_whole else None


def _agreed(folder: WarehouseFolder, now: Manifest) -> Manifest:
    """What is published is among the snapshots, and both manifests say so."""
    file = snapshot_file(folder, now.snapshot)
    if not file.exists():  # a file put there by hand, out of a backup for example
        file.parent.mkdir(exist_ok=True)
        placing.copy(folder.published, file)
        placing.sync(file)
    if _read(_manifest_file(folder, now.snapshot)) is None:
        now = _described(file, now)
        keep_manifest(folder, now)
    if _linked(folder) != now.snapshot or _read(folder.published_manifest) != now:
        put_in_place(folder, now)
    return now


def _tidy(folder: WarehouseFolder) -> None:
    """A file without its manifest: one that was published is described anew, any other goes."""
    whole = {manifest.snapshot for manifest in list_snapshots(folder)}
    newest = _newest(_read(folder.published_manifest))
    for number in _numbers(folder):
        if number in whole:
            continue
        file = snapshot_file(folder, number)
        try:
            inside = manifest_inside(file) if number <= newest else None
        except DamagedSnapshot:
            inside = None
        if inside is not None and inside.snapshot == number:
            keep_manifest(folder, _described(file, inside))
        else:
            _remove(folder, number)


def _described(file: Path, manifest: Manifest) -> Manifest:
    return replace(manifest, sha256=placing.sha256_of(file), size=file.stat().st_size)


def _write(path: Path, manifest: Manifest) -> None:
    placing.replace_text(path, json.dumps(manifest.as_json(), indent=1) + "\n")


def _read(path: Path) -> Manifest | None:
    """None for a manifest that is not there, or is none."""
    try:
        return Manifest.of(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
