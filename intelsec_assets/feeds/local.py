"""Feeds read from the data root: one file, a folder or a glob, never anything outside of it.

Which files make up a feed depends on its format; what they say is `formats`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path, PurePosixPath

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.catalogue_rules import path_defects
from intelsec_assets.feeds.misp_manifest import MANIFEST, event_names
from intelsec_assets.feeds.transfer import PermanentFetchError, Progress, TransferLimits, gunzip

_FOLDER_FORMATS = {"misp_feed": "*.json", "misp_event": "*.json", "taxii": "*.json", "families": "**/*.txt"}
_ONLY_FOLDERS = ("misp_feed", "families")


def expand(text: str, day: date) -> str:
    """A catalogue path or URL with the day in place of its placeholders."""
    values = {"day": day.isoformat(), "yyyymmdd": f"{day:%Y%m%d}", "yyyy": f"{day:%Y}", "mm": f"{day:%m}"}
    for name, value in {**values, "dd": f"{day:%d}"}.items():
        text = text.replace("{" + name + "}", value)
    return text


def read_local(
    feed: Feed, day: date, data_root: Path, limits: TransferLimits, progress: Progress | None = None
) -> dict[str, bytes]:
    """Content of the feed's files by name, gzip undone. Raises PermanentFetchError that names the path below the root.

    A single file has its own name, files of a folder or glob their path below the last folder without wildcard.
    """
    path = expand(feed.local or "", day)
    for defect in path_defects(path):
        raise PermanentFetchError(defect)
    root = data_root.resolve()
    contents: dict[str, bytes] = {}
    budget = limits.max_total_bytes
    for published, file in _files(feed, day, root, path, limits).items():
        content = _read(root, file, limits, budget)
        name = published.removesuffix(".gz")
        if name in contents:
            raise PermanentFetchError(f"{path}: {name} is there twice, plain and compressed; keep one")
        contents[name] = content
        budget -= len(content)
        if progress is not None:
            progress(name, len(content))
    return contents


def _files(feed: Feed, day: date, root: Path, path: str, limits: TransferLimits) -> dict[str, Path]:
    """Files of the feed by name, in the order of their names."""
    if any(mark in path for mark in "*?["):
        found = _named(_fixed_folder(root, path), root.glob(path))
    else:
        target = root / path
        _check_inside(root, target, path)
        if target.is_dir():
            found = _folder(feed, day, root, target, path, limits)
        elif feed.format in _ONLY_FOLDERS and target.exists():
            raise PermanentFetchError(f"{path}: is a file; a feed of format {feed.format} is a folder")
        else:
            found = {target.name: target}
    if not found:
        raise PermanentFetchError(f"{path}: no such file")
    if len(found) > limits.max_files:
        raise PermanentFetchError(f"{path}: {len(found):,} files, more than the {limits.max_files:,} allowed")
    return found


def _folder(feed: Feed, day: date, root: Path, folder: Path, path: str, limits: TransferLimits) -> dict[str, Path]:
    pattern = _FOLDER_FORMATS.get(feed.format)
    if pattern is None:
        raise PermanentFetchError(f"{path}: is a folder; a feed of format {feed.format} is a file")
    if feed.format != "misp_feed":
        return _named(folder, folder.glob(pattern))
    manifest = _read(root, folder / MANIFEST, limits, limits.max_total_bytes)
    try:
        names = event_names(manifest, day if feed.options.get("events") == "day" else None)
    except (ValueError, RecursionError):
        # the parser says what is wrong with it
        return {MANIFEST: folder / MANIFEST}
    return {name: folder / name for name in (MANIFEST, *names)}


def _named(folder: Path, paths: Iterable[Path]) -> dict[str, Path]:
    files = {path.relative_to(folder).as_posix(): path for path in paths if not path.is_dir()}
    return dict(sorted((name, path) for name, path in files.items() if not _is_hidden(name)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _fixed_folder(root: Path, pattern: str) -> Path:
    folder = root
    for part in pattern.split("/")[:-1]:
        if any(mark in part for mark in "*?["):
            break
        folder = folder / part
    return folder


def _check_inside(root: Path, file: Path, name: str) -> None:
    try:
        inside = file.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        inside = False
    if not inside:
        raise PermanentFetchError(f"{name}: a link that leads out of the data root")


def _read(root: Path, file: Path, limits: TransferLimits, budget: int) -> bytes:
    name = file.relative_to(root).as_posix()
    _check_inside(root, file, name)
    if not file.exists():
        raise PermanentFetchError(f"{name}: no such file")
    if file.is_dir():
        raise PermanentFetchError(f"{name}: is a folder; expected a file")
    if not file.is_file():
        raise PermanentFetchError(f"{name}: is no regular file")
    cap = min(limits.max_file_bytes, budget)
    try:
        with file.open("rb") as stream:
            content = stream.read(cap + 1)
    except OSError as error:
        raise PermanentFetchError(f"{name}: cannot be read: {error.strerror}") from None
    if len(content) > cap:
        raise PermanentFetchError(f"{name}: larger than the {cap:,} bytes allowed")
    return gunzip(name, content, limits, budget) if file.suffix == ".gz" else content
