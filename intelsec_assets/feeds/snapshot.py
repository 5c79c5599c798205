"""A feed's snapshot of one day as a value, and the store that keeps raw bytes by their hash and snapshots by feed and day.

Where the bytes come from is `fetch`; what they mean is `formats`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date


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
    unless read; `source` is free of secrets; `metadata` holds what the transport said (etag, last_modified, http_status,
    content_type, fetched_at) and never enters the lake.
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
