"""The export folder of a day: every file of the plan, built aside and put in place in one step, or not at all.

What the files say belongs to `misp_feed`, `stix_bundle` and `lists`; here is how they come to be there whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from intelsec_assets.exports.errors import ExportBusy, ExportError
from intelsec_assets.exports.lists import write_csv, write_lists
from intelsec_assets.exports.misp_content import ATTRIBUTE_TYPES
from intelsec_assets.exports.misp_feed import write_feed
from intelsec_assets.exports.stix_bundle import write_bundle

SUMS = "SHA256SUMS"
LATEST = "latest"
# Finished folders live here under day and content; `<day>` is a link to one. A link can be replaced in one step, a
# folder that is not empty cannot: between removing the old and renaming the new a reader would find nothing.
_BUILDS = ".builds"
_UNFINISHED = "unfinished-"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class ExportedFile:
    """One file of the folder: path inside it, size in bytes, SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ExportedFiles:
    """What a day's folder holds. `is_new` is False when the very same content was there and nothing was written."""

    folder: Path
    is_new: bool
    files: tuple[ExportedFile, ...]
    events: int
    active: int
    tombstones: int

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


def write_export(plan: pa.Table, day: date, out_root: Path) -> ExportedFiles:
    """Put the files of a plan (EXPORT_PLAN, sorted) under `out_root/<day>`; `out_root/latest` names the newest day.

    `misp/` is a MISP feed folder, `stix/bundle.json` a STIX 2.1 bundle, `csv/indicators.csv` a table,
    `lists/<type>.txt` a list a type, SHA256SUMS their hashes. Killed or out of space at any point, a reader finds the
    old folder or the new one, whole. Raises ExportBusy when another process writes there, ExportError when the disk
    refuses.
    """
    try:
        out_root.mkdir(parents=True, exist_ok=True)
        with _alone(out_root):
            return _write(plan, day, out_root)
    except OSError as error:
        raise ExportError(
            f"export of {day} to {out_root}: {error.strerror or error} ({error.filename or 'while writing'}); what was "
            "there before is untouched. Free some space or mend the folder's rights, then run the export again"
        ) from error


def _write(plan: pa.Table, day: date, out_root: Path) -> ExportedFiles:
    builds = out_root / _BUILDS
    builds.mkdir(exist_ok=True)
    _remove(path for path in builds.iterdir() if path.name.startswith(_UNFINISHED))  # of runs that were killed
    aside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=builds))
    try:
        events = _render(plan, aside)
        files = _seal(aside)
        folder = out_root / str(day)
        is_new = not _holds(folder, files)
        if is_new:
            _put_in_place(aside, out_root, day, files)
        _point_latest(out_root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    in_use = {path.readlink().name for path in out_root.iterdir() if path.is_symlink()}
    _remove(path for path in builds.iterdir() if path.name not in in_use)
    active = plan["state"].to_pylist().count("active")
    return ExportedFiles(folder, is_new, files, events, active, plan.num_rows - active)


def _render(plan: pa.Table, folder: Path) -> int:
    """Write every file. Returns the number of MISP events."""
    for name in ("misp", "stix", "csv", "lists"):
        (folder / name).mkdir()
    events = write_feed(plan, folder / "misp")
    write_bundle(plan, folder / "stix" / "bundle.json")
    write_csv(plan, folder / "csv" / "indicators.csv")
    write_lists(plan, folder / "lists", tuple(ATTRIBUTE_TYPES))
    return events


def _seal(folder: Path) -> tuple[ExportedFile, ...]:
    """Write SHA256SUMS, open the folder to readers and see everything onto the disk."""
    files = tuple(_described(folder, path) for path in sorted(folder.rglob("*")) if path.is_file())
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in files)
    (folder / SUMS).write_text(sums, encoding="utf-8", newline="\n")
    files = (*files, _described(folder, folder / SUMS))
    folder.chmod(0o755)  # mkdtemp makes it ours alone; web servers and pullers read it
    for path in (*folder.rglob("*"), folder):
        _sync(path)
    return files


def _described(folder: Path, path: Path) -> ExportedFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ExportedFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest)


def _holds(folder: Path, files: tuple[ExportedFile, ...]) -> bool:
    """True if the folder has exactly these files with this content, whatever its SHA256SUMS claims."""
    if not folder.is_dir():
        return False
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return found.keys() == {file.name for file in files} and all(
        _described(folder, found[file.name]) == file for file in files
    )


def _put_in_place(aside: Path, out_root: Path, day: date, files: tuple[ExportedFile, ...]) -> None:
    content = hashlib.sha256("".join(file.sha256 + file.name for file in files).encode()).hexdigest()
    build = aside.with_name(f"{day}-{content[:16]}")
    if build.exists():  # the same content, but damaged by hand: it is what `day` points to, so it is replaced, not kept
        build = aside.with_name(f"{day}-{content[:16]}-{os.getpid()}")
    aside.replace(build)
    _sync(build.parent)
    _link(out_root / str(day), f"{_BUILDS}/{build.name}")


def _point_latest(out_root: Path) -> None:
    days = sorted(path.name for path in out_root.iterdir() if _DAY.fullmatch(path.name))
    latest = out_root / LATEST
    if not latest.is_symlink() or latest.readlink().name != days[-1]:
        _link(latest, days[-1])


def _link(path: Path, target: str) -> None:
    """Make `path` a link to `target` in one step. Raises ExportError where something else has that name."""
    if path.exists() and not path.is_symlink():
        raise ExportError(f"{path} is not a link that an export made; move it away, then run the export again")
    fresh = path.with_name(f".{path.name}.link")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(folders: Iterator[Path]) -> None:
    for folder in list(folders):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(out_root: Path) -> Iterator[None]:
    """Hold the folder's lock; the system frees it when the process dies."""
    with (out_root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportBusy(f"another export writes to {out_root} now; wait for it, then run this one again") from None
        yield
