"""Files put in place whole: copied, linked, seen onto the disk and moved to their name in one step.

What the files are belongs to the callers.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

UNFINISHED = ".unfinished-"  # what a killed process leaves behind begins so
_CHUNK = 64 << 20  # bytes between two reports of progress
# what a file system answers that cannot copy inside the kernel: then through our own hands
_NOT_HERE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM}


def unfinished(folder: Path) -> Path:
    """A name nobody else has, for a file that is not finished."""
    return folder / f"{UNFINISHED}{uuid.uuid4().hex}"


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished. Only for who is alone in the folder."""
    for left in folder.glob(f"{UNFINISHED}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def copy(source: Path, target: Path, progress: Callable[[float], None] = lambda _share: None) -> None:
    """Copy a file's bytes, by the file system itself where it can share them; `progress` hears a ratio 0 to 1."""
    with source.open("rb") as read, target.open("wb") as write:
        size = os.fstat(read.fileno()).st_size
        done = 0
        while done < size and (moved := _move(read.fileno(), write.fileno(), min(_CHUNK, size - done))):
            done += moved
            progress(done / size)


def _move(read: int, write: int, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(read, write, count)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
    data = os.read(read, count)
    written = 0
    while written < len(data):
        written += os.write(write, memoryview(data)[written:])
    return written


def link(place: Path, target: str) -> None:
    """Make `place` a link to `target` (relative to it) in one step, whatever was there before."""
    fresh = unfinished(place.parent)
    try:
        fresh.symlink_to(target)
        os.replace(fresh, place)  # noqa: PTH105  the step at which tests kill
        sync(place.parent)
    finally:
        fresh.unlink(missing_ok=True)


def replace(fresh: Path, place: Path) -> None:
    """Give a finished file or folder its name. Readers find the old one or the new one; a power cut loses neither."""
    sync(fresh)
    os.replace(fresh, place)  # noqa: PTH105  the step at which tests kill
    sync(place.parent)


def replace_text(place: Path, text: str) -> None:
    """Write a small file whole."""
    fresh = unfinished(place.parent)
    try:
        fresh.write_text(text)
        replace(fresh, place)
    finally:
        fresh.unlink(missing_ok=True)


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(path: Path) -> None:
    """See a file, or the names in a folder, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
