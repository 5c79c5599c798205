"""The bytes of a delivered file: gzip or plain, within bounds, whole lines at a time.

What the lines say belongs to `framing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from isal import igzip_lib, isal_zlib

MAX_BYTES = 4 * 2**30  # of one file, unpacked; CloudTrail closes a file at 50 MB
MAX_RATIO = 250  # audit logs pack 10 to 30 times, the densest that zlib can is 1,032 times
RATIO_FROM = 16 * 2**20  # a small file may pack as well as it likes
BLOCK = 4 * 2**20  # unpacked bytes handled at once

_READ = 2**20
# so small that memory of one piece is used for the next, and that what is left of a slice is cheap to carry over
_SLICE = 2**16
_AT_ONCE = 2 * _SLICE  # unpacked bytes
_GZIP = b"\x1f\x8b"


class Readable(Protocol):
    """What bytes are read from: an open file, or the body of an S3 object."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


@dataclass(frozen=True)
class Cut:
    """Why the rest of a file could not be read. What came before it was."""

    reason: str
    detail: str


class Unpacking:
    """One pass over a delivered file. What it says of the file (`size`, `cut`) stands once it was read."""

    def __init__(self, stream: Readable, *, max_bytes: int = MAX_BYTES, max_ratio: int = MAX_RATIO) -> None:
        """Read from `stream`; unpacked bytes and ratio are bounded."""
        self._stream = stream
        self._max_bytes, self._max_ratio = max_bytes, max_ratio
        self._held = memoryview(b"")  # read and not handed out yet
        self.size = 0  # bytes as delivered
        self.unpacked = 0  # bytes handed out
        self.cut: Cut | None = None

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Unpacked bytes in pieces of about `size`, cut after a line's end where there is one."""
        kept: list[bytes] = []
        held = 0
        for piece in self._pieces():
            held += len(piece)
            end = piece.rfind(b"\n") + 1 if held >= size else 0
            if not end:
                kept.append(piece)
                continue
            yield b"".join((*kept, memoryview(piece)[:end]))
            kept, held = [piece[end:]], len(piece) - end
        rest = b"".join(kept)
        if rest:
            yield rest

    def _pieces(self) -> Iterator[bytes]:
        first = self._read()
        for piece in self._unzipped(first) if first.startswith(_GZIP) else self._plain(first):
            self.unpacked += len(piece)
            if self.unpacked > self._max_bytes:
                self.cut = Cut("too_large", f"more than {self._max_bytes:,} bytes unpacked; what follows was not read")
            elif self.unpacked > RATIO_FROM and self.unpacked > self.size * self._max_ratio:
                self.cut = Cut(
                    "bomb", f"unpacks to more than {self._max_ratio} times its size; nothing after it was read"
                )
            if self.cut is not None:
                return
            yield piece

    def _plain(self, first: bytes) -> Iterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = self._read()

    def _unzipped(self, first: bytes) -> Iterator[bytes]:
        member, packed = isal_zlib.decompressobj(31), first
        while True:
            try:
                piece = member.decompress(packed, _AT_ONCE)
            except igzip_lib.IsalError as error:  # type: ignore[misc]  # its stub calls it an object
                self.cut = Cut("damaged_gzip", f"{error} after {self.unpacked:,} unpacked bytes")
                return
            if piece:
                yield piece
            packed = member.unconsumed_tail
            if member.eof:
                # members may follow each other, and zeros may pad the last
                packed = (member.unused_data or self._read()).lstrip(b"\0")
                while not packed and (more := self._read()):
                    packed = more.lstrip(b"\0")
                if not packed:
                    return
                member = isal_zlib.decompressobj(31)
            elif not packed and len(piece) < _AT_ONCE:  # a full piece may have more behind it
                packed = self._read()
                if not packed:
                    detail = f"the file ends within its gzip stream, after {self.unpacked:,} unpacked bytes"
                    self.cut = Cut("truncated", detail)
                    return

    def _read(self) -> bytes:
        """The next slice of what was read: of more at once, or a dense start would be held against itself alone."""
        if not self._held:
            self._held = memoryview(self._stream.read(_READ))
            self.size += len(self._held)
        piece, self._held = bytes(self._held[:_SLICE]), self._held[_SLICE:]
        return piece
