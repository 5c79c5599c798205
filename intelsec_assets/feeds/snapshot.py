"""A feed's snapshot of one day as a value, and the store of raw bytes by hash and of snapshots by feed and day.

Where the bytes come from is `fetch`; what they mean is `formats`.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import zstandard

READ, UNREADABLE, NOT_DUE = "read", "unreadable", "not_due"

_HASH = re.compile(r"[0-9a-f]{64}")
_FEED_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


class RawStoreError(Exception):
    """Raw bytes or a snapshot cannot be written, or are not what was written; the message names the file."""


@dataclass(frozen=True)
class SnapshotFile:
    """One file of a snapshot: its name inside the source, hash and size in bytes of the content as parsed."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Snapshot:
    """What a feed's source held on a day. A source that could not be read is `unreadable`, never empty.

    `status` is read, unreadable or not_due; `sha256` covers names and hashes of all files whatever their order, None
    unless read; `source` is free of secrets; `metadata` holds what the transport said (etag, last_modified,
    http_status, content_type, fetched_at) and never enters the lake.
    """

    feed: str
    day: date
    status: str
    files: tuple[SnapshotFile, ...] = ()
    sha256: str | None = None
    reason: str = ""
    source: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FetchState:
    """What the last good answer of a URL was, so that the next request can ask "only if changed"."""

    url: str
    etag: str | None
    last_modified: str | None
    files: tuple[SnapshotFile, ...]


def snapshot_hash(files: Iterable[SnapshotFile]) -> str:
    """One hash over names and content hashes, the same whatever the order of the files."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{len(file.name)}:{file.name}\0{file.sha256}\n".encode())
    return digest.hexdigest()


class RawStore:
    """Raw bytes by their hash and snapshots by feed and day, in one folder; safe under several writers at once.

    `<root>/ab/<sha256>.zst` holds bytes, `<root>/snapshots/<feed>/<day>.json` a snapshot that was read. One that could
    not be read lies beside it as `<day>.unreadable.json`, so that it can never take the place of a good one.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, content: bytes) -> str:
        """Keep bytes; answers their sha256. Bytes that are there and whole are not written again."""
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._content_path(sha256)
        if not path.exists() or not self._is_whole(sha256):
            _write_whole(path, zstandard.ZstdCompressor(level=6).compress(content))
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes with that hash. Raises RawStoreError if they are missing or are not those bytes any more."""
        path = self._content_path(sha256)
        try:
            content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        except FileNotFoundError:
            raise RawStoreError(f"{path}: no such raw file; fetch the feed's day again") from None
        except zstandard.ZstdError as error:
            raise RawStoreError(f"{path}: damaged ({error}); delete it and fetch the feed's day again") from None
        except OSError as error:
            raise RawStoreError(f"{path}: cannot be read: {error.strerror}") from None
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise RawStoreError(f"{path}: holds bytes of hash {found}; delete it and fetch the feed's day again")
        return content

    def save(self, snapshot: Snapshot) -> None:
        """Record a snapshot. One that equals the recorded one but for its metadata is not written again."""
        path = self._snapshot_path(snapshot.feed, snapshot.day, snapshot.status)
        with suppress(RawStoreError):  # a damaged record is replaced
            if _without_metadata(_read_snapshot(path)) == _without_metadata(snapshot):
                return
        record = {**asdict(snapshot), "day": snapshot.day.isoformat()}
        _write_whole(path, (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())

    def days(self) -> list[date]:
        """Days of which a good snapshot of any feed is kept, in order."""
        names = {path.stem for path in self.root.glob("snapshots/*/*.json") if not path.stem.endswith(".unreadable")}
        return sorted(date.fromisoformat(name) for name in names)

    def load(self, feed: str, day: date) -> Snapshot | None:
        """The day's snapshot: the good one if ever there was one, else the failed attempt, else None."""
        good = _read_snapshot(self._snapshot_path(feed, day, READ))
        return good or _read_snapshot(self._snapshot_path(feed, day, UNREADABLE))

    def contents(self, snapshot: Snapshot) -> tuple[tuple[SnapshotFile, bytes], ...]:
        """The files of a snapshot with their bytes, as parsers take them. Raises RawStoreError."""
        return tuple((file, self.get(file.sha256)) for file in snapshot.files)

    def _is_whole(self, sha256: str) -> bool:
        try:
            self.get(sha256)
        except RawStoreError:
            return False
        return True

    def _content_path(self, sha256: str) -> Path:
        if not _HASH.fullmatch(sha256):
            raise RawStoreError(f"{sha256!r} is not a sha256 in hex")
        return self.root / sha256[:2] / f"{sha256}.zst"

    def _snapshot_path(self, feed: str, day: date, status: str) -> Path:
        if not _FEED_NAME.fullmatch(feed):
            raise RawStoreError(f"{feed!r} is not the name of a feed")
        return self.root / "snapshots" / feed / (f"{day}.json" if status == READ else f"{day}.unreadable.json")


def _without_metadata(snapshot: Snapshot | None) -> dict[str, Any] | None:
    return None if snapshot is None else {key: item for key, item in asdict(snapshot).items() if key != "metadata"}


def _read_snapshot(path: Path) -> Snapshot | None:
    try:
        record = json.loads(path.read_bytes())
        files = tuple(SnapshotFile(**file) for file in record.pop("files"))
        return Snapshot(**{**record, "day": date.fromisoformat(record["day"]), "files": files})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RawStoreError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RawStoreError(f"{path}: not a snapshot record ({error}); delete it and fetch the day again") from None


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside, then rename: a reader or a full disk sees the old file or the new one, never a part."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".tmp", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise RawStoreError(f"{path}: cannot be written: {error.strerror}; what was there is untouched") from error
