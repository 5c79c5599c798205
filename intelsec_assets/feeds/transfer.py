"""What every way of fetching shares: limits, the tree of failures, and decompression that cannot be made to explode.

Folders are `local`, http is `web`; both hand whole bytes to `fetch`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

Progress = Callable[[str, int], None]  # name of the file, bytes of it so far


class FetchError(Exception):
    """A source could not be read; the message says why, free of secrets and of paths outside the data root."""


class PermanentFetchError(FetchError):
    """Trying again would not help: no such file, refused address, 404, failed TLS, over a limit."""


class TransientFetchError(FetchError):
    """Trying again may help; `retry_after` is what the server asked for, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class TransferLimits:
    """Caps of one feed's fetch: sizes in bytes after decompression, times in seconds."""

    max_file_bytes: int = 256_000_000  # the largest public list in use, a full URL dump, has some 150 MB
    max_total_bytes: int = 512_000_000
    max_files: int = 5_000
    max_ratio: int = 200  # text lists compress 3 to 20 times; a gzip bomb some 1,000 times
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 600.0  # for everything a feed needs: files, pages, redirects, retries
    attempts: int = 4
    max_redirects: int = 5
    max_retry_after: float = 120.0


class SizedBuffer:
    """Collects the bytes of one file. Raises PermanentFetchError as soon as they exceed the cap."""

    def __init__(self, name: str, limits: TransferLimits, budget: int) -> None:
        self._name, self._cap = name, min(limits.max_file_bytes, budget)
        self._per_file = limits.max_file_bytes
        self._parts: list[bytes] = []
        self.size = 0

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._cap - self.size

    def add(self, part: bytes) -> None:
        """Take some bytes more."""
        self.size += len(part)
        if self.size > self._cap:
            limit = "a file" if self._cap == self._per_file else "the rest of a feed"
            raise PermanentFetchError(f"{self._name}: larger than the {self._cap:,} bytes allowed for {limit}")
        self._parts.append(part)

    def content(self) -> bytes:
        """All bytes."""
        return b"".join(self._parts)


class GunzipStream:
    """Undoes gzip piece by piece into a buffer, capped in size and in ratio of expansion (RFC 1952, all members)."""

    _STEP = 1 << 18  # at most so much is expanded before the caps are looked at

    def __init__(self, name: str, buffer: SizedBuffer, limits: TransferLimits) -> None:
        self._name, self._buffer, self._max_ratio = name, buffer, limits.max_ratio
        self._member = zlib.decompressobj(wbits=31)
        self._taken = 0
        self._in_member = False

    def feed(self, data: bytes) -> None:
        """Take some compressed bytes. Raises PermanentFetchError for what is not gzip or expands too far."""
        self._taken += len(data)
        while data:
            if not self._in_member:
                data = self._next_member(data)
                continue
            try:
                self._keep(self._member.decompress(data, self._STEP))
            except zlib.error as error:
                raise PermanentFetchError(f"{self._name}: damaged gzip: {error}") from None
            if self._member.eof:
                self._in_member, data = False, self._member.unused_data
            else:
                data = self._member.unconsumed_tail

    def finish(self) -> None:
        """Say that no more bytes come. Raises PermanentFetchError if the last member is not whole."""
        if self._in_member or self._taken == 0:
            found = f"{self._taken:,} compressed and {self._buffer.size:,} expanded bytes"
            raise PermanentFetchError(f"{self._name}: truncated gzip: it ends after {found} without its end mark")

    def _next_member(self, data: bytes) -> bytes:
        data = data.lstrip(b"\0") if self._buffer.size else data  # tape padding after a member is allowed
        if data:
            self._member, self._in_member = zlib.decompressobj(wbits=31), True
        return data

    def _keep(self, expanded: bytes) -> None:
        self._buffer.add(expanded)
        # small files may repeat themselves at will; the ratio counts once there is a megabyte of output
        if self._buffer.size > 1_000_000 and self._buffer.size > self._taken * self._max_ratio:
            found = f"{self._taken:,} bytes expand to more than {self._buffer.size:,}"
            raise PermanentFetchError(f"{self._name}: gzip bomb: {found}, over {self._max_ratio} times")


def gunzip(name: str, data: bytes, limits: TransferLimits, budget: int) -> bytes:
    """The content of a whole gzip file. Raises PermanentFetchError for truncated or damaged files and for bombs."""
    buffer = SizedBuffer(name, limits, budget)
    stream = GunzipStream(name, buffer, limits)
    stream.feed(data)
    stream.finish()
    return buffer.content()
