"""Where audit logs are delivered: a folder or an S3 prefix, listed and opened the same way.

Which of the listed files are new is decided here from what is known of them; what is in them belongs to `reading`.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from intelsec_assets.detections.audit.telemetry import AuditSource
from intelsec_assets.detections.errors import EventError
from intelsec_assets.extras import installing

_SPOOLED = 64 * 2**20  # of an S3 object this much is held in memory, the rest in a temporary file


class InboxError(EventError):
    """A place of delivery cannot be reached now; nothing is known of what lies there, so nothing is concluded."""


@dataclass(frozen=True)
class Listed:
    """A file as a listing shows it. `version` changes whenever its content may have."""

    key: str  # path below the folder or prefix, with forward slashes; bytes that are no UTF-8 are written \xff
    size: int
    version: str
    modified: datetime
    path: Path | None = field(default=None, compare=False)  # of a file on disk: what it is opened by

    @property
    def is_readable(self) -> bool:
        """Whether it is a file that can be looked at; opening another says why not."""
        return self.version != ""


@dataclass(frozen=True)
class Arrivals:
    """What a listing holds that was not taken yet, and what was taken in another version; each by key."""

    new: tuple[Listed, ...]
    changed: tuple[Listed, ...]

    @property
    def all(self) -> tuple[Listed, ...]:
        """New and changed files in order of their keys, which is the order they are read in."""
        return tuple(sorted((*self.new, *self.changed), key=lambda file: file.key))


def arrivals(listing: Iterable[Listed], known: Mapping[str, str]) -> Arrivals:
    """What has arrived; `known` is key -> version of everything taken. Late keys in old folders are arrivals too."""
    new, changed = [], []
    for file in listing:
        before = known.get(file.key)
        if before is None:
            new.append(file)
        elif before != file.version:
            changed.append(file)
    return Arrivals(tuple(new), tuple(changed))


class Inbox(Protocol):
    """A place of delivery."""

    def listing(self) -> Iterator[Listed]:
        """Every file there is. Raises InboxError."""
        ...

    @contextmanager
    def opened(self, file: Listed) -> Iterator[BinaryIO]:
        """A file's bytes as delivered, seekable. Raises InboxError."""
        ...


def inbox(source: AuditSource, data_root: Path | None, *, client: Any = None) -> Inbox:
    """The place of a source. `client` is a boto3 S3 client; by default one as the environment configures it.

    Raises InboxError where a folder is asked for and there is no data root.
    """
    if source.is_s3:
        return S3Inbox(source.bucket, source.prefix, client)
    if data_root is None:
        raise InboxError(f"audit source {source.name}: {source.location} lies below a data root, and none is set")
    return FolderInbox(data_root / source.location, data_root)


class FolderInbox:
    """All files below a folder. Hidden files are being written, links out of the data root lead where nobody looked.

    A link to a file of the data root is that file. Other links, pipes and the like are listed and never opened: to open
    them tells why.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        """Files below `folder`, which must stay below `root` when links are followed."""
        self.folder = folder
        self._root = (root or folder).resolve()

    def listing(self) -> Iterator[Listed]:
        """Every file, in order of the paths. Raises InboxError."""
        if not self.folder.is_dir():
            raise InboxError(f"{self.folder}: no such folder; create it, or correct the location of the audit source")
        if not self.folder.resolve().is_relative_to(self._root):
            raise InboxError(f"{self.folder} leads out of {self._root}; audit logs must lie below the data root")
        try:
            found = sorted(self._found(self.folder), key=lambda file: (file.key, os.fsencode(str(file.path))))
        except OSError as error:
            raise InboxError(f"{self.folder}: cannot be listed: {error.strerror}") from error
        same = 1  # files of one key: a name may hold the very signs that bytes of another are written as
        for before, file in zip([None, *found], found, strict=False):
            same = same + 1 if before is not None and before.key == file.key else 1
            yield file if same == 1 else replace(file, key=f"{file.key}~{same}")

    def _found(self, folder: Path) -> Iterator[Listed]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = Path(entry.path)
                try:
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._found(path)
                    elif entry.is_file() and path.resolve().is_relative_to(self._root):
                        yield self._listed(path, entry.stat())
                    else:
                        entry.stat(follow_symlinks=False)  # raises if it is gone
                        yield self._unreadable(path)
                except FileNotFoundError:  # taken away while it was looked at
                    continue
                except OSError:
                    yield self._unreadable(path)

    def _listed(self, path: Path, state: os.stat_result) -> Listed:
        modified = datetime.fromtimestamp(state.st_mtime, UTC)
        return Listed(self._key(path), state.st_size, f"{state.st_mtime_ns}-{state.st_size}", modified, path)

    def _unreadable(self, path: Path) -> Listed:
        return Listed(self._key(path), 0, "", datetime.fromtimestamp(0, UTC), path)  # opening it says why

    def _key(self, path: Path) -> str:
        return os.fsencode(path.relative_to(self.folder).as_posix()).decode("utf-8", "backslashreplace")

    @contextmanager
    def opened(self, file: Listed) -> Iterator[BinaryIO]:
        """The file. Raises InboxError if it is gone, is none, or may not be read."""
        try:
            path = file.path or self.folder / file.key
            if (why := self._refused(path)) is not None:
                raise InboxError(f"{self.folder / file.key}: {why}")
            if path.is_dir():
                next(path.iterdir(), None)  # its error is the reason it stands for a file
            stream = path.open("rb")
        except OSError as error:
            raise InboxError(f"{self.folder / file.key}: cannot be read: {error.strerror}") from error
        with stream:
            yield stream

    def _refused(self, path: Path) -> str | None:
        """Why a path must not be opened; a pipe would wait until somebody writes into it. Raises OSError."""
        if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(self._root)):
            return "a link, which is not followed: deliver the file itself below the data root, or take the link away"
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return "not a regular file, and not opened: deliver a file in its place, or take it away"
        return None


class S3Inbox:
    """All objects below a prefix. Every listing sees them all: a key that comes late may sort before those taken."""

    def __init__(self, bucket: str, prefix: str, client: Any = None) -> None:
        """Objects of `bucket` below `prefix`, which is taken for a folder: `logs` does not hold `logs-old/…`."""
        self.bucket, self.prefix = bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else ""
        self._client = client

    @property
    def client(self) -> Any:
        """The S3 client, made when it is first needed."""
        if self._client is None:
            try:
                import boto3
            except ModuleNotFoundError:
                raise InboxError(f"s3://{self.bucket}/{self.prefix} needs boto3; {installing('s3')}") from None
            self._client = boto3.client("s3")
        return self._client

    def listing(self) -> Iterator[Listed]:
        """Every object, page by page. Raises InboxError."""
        client = self.client  # first: without its package there are no exceptions of it either
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                for found in page.get("Contents", ()):
                    if found["Key"].endswith("/"):  # what consoles make to show an empty folder
                        continue
                    key = found["Key"].removeprefix(self.prefix)
                    tag = found["ETag"].strip('"')
                    yield Listed(key, found["Size"], f"{tag}-{found['Size']}", found["LastModified"].astimezone(UTC))
        except (BotoCoreError, ClientError) as error:
            raise InboxError(f"s3://{self.bucket}/{self.prefix}: cannot be listed: {error}") from error

    @contextmanager
    def opened(self, file: Listed) -> Iterator[BinaryIO]:
        """The object, fetched whole first: a connection that breaks off must not look like a file that does."""
        client = self.client
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        with tempfile.SpooledTemporaryFile(_SPOOLED) as spooled:
            try:
                body = client.get_object(Bucket=self.bucket, Key=self.prefix + file.key)["Body"]
                for piece in body.iter_chunks(2**20):
                    spooled.write(piece)
            except (BotoCoreError, ClientError, HTTPError, OSError) as error:
                raise InboxError(f"s3://{self.bucket}/{self.prefix}{file.key}: cannot be fetched: {error}") from error
            spooled.seek(0)
            yield cast(BinaryIO, spooled)  # it reads and seeks as a file does
