"""The lock of the warehouse folder: one process builds, publishes or rolls back at a time; a dead one blocks nobody.

Dagster's pool orders runs among themselves; this lock is what keeps two writers apart whoever started them.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder

# A day's build takes seconds; somebody who waits longer than this should know for whom.
WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


class WarehouseBusy(WarehouseError):
    """Another process builds or publishes; `owner` says which, as far as it is known."""

    def __init__(self, owner: str, waited: float) -> None:
        """Name the owner."""
        super().__init__(
            f"the warehouse is written by {owner}; waited {waited:.0f} s. Wait until it ends, or end it: the lock "
            "is free the moment its process is gone, and what is published stays as it is"
        )
        self.owner = owner


@contextmanager
def warehouse_lock(folder: WarehouseFolder, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[int]:
    """Hold the lock while the block runs; gives the open file's descriptor, which a child may keep open.

    The kernel frees the lock when the last process that has the file open ends: a child that inherited it keeps others
    out even if its parent was killed. Raises WarehouseBusy after the wait.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise WarehouseError(
            f"{folder.root} cannot be written ({error.strerror}); give the folder to this user, or set INTELSEC_HOME"
        ) from error
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    owner = os.pread(handle, 1000, 0).decode(errors="replace") or "another process"
                    raise WarehouseBusy(owner, wait_seconds) from None
                time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # a full disk has no room for the name; the lock itself needs none
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def is_held(folder: WarehouseFolder) -> bool:
    """Whether some process builds or publishes at this moment."""
    try:
        with warehouse_lock(folder, wait_seconds=0):
            return False
    except WarehouseBusy:
        return True
