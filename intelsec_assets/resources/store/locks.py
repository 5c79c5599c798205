"""Locks by name that die with their holder: flock on a file beside a SQLite store, an advisory lock on PostgreSQL.

They keep two runs of one thing apart across processes; rows are kept whole by transactions, not by these.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
import structlog

from intelsec_assets.resources.store.database import Database, StoreError, StoreUnavailable, dedicated

_POLL_SECONDS = 0.05
_APPLICATION_NAME_BYTES = 63  # PostgreSQL cuts longer ones

log = structlog.get_logger(__name__)


class LockHeld(StoreError):
    """Another process (or another part of this one) holds the lock; `owner` says which, as far as it is known."""

    def __init__(self, name: str, owner: str) -> None:
        """Name the lock and its owner."""
        super().__init__(f"{name} is being worked on by {owner}: wait until it ends, or end it; nothing was changed")
        self.name = name
        self.owner = owner


@contextmanager
def locked(database: Database, name: str) -> Iterator[None]:
    """Hold the lock while the block runs. Raises LockHeld at once, without waiting, if somebody else holds it."""
    with file_lock(database.file, name) if database.file else _advisory_lock(database, name):
        yield


@contextmanager
def file_lock(store_file: Path, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Hold `locks/<name>.lock` beside the store's file; the owner is written in it. Raises LockHeld after the wait.

    The file stays after release: removing it would let two holders lock two files of one name.
    """
    path = store_file.parent / "locks" / f"{_file_name(name)}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreUnavailable(
            f"store {store_file}: lock {path} cannot be made ({error.strerror}); give this user the right to write "
            "in that folder, or set INTELSEC_STORE_URL"
        ) from error
    try:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockHeld(name, os.pread(handle, 1000, 0).decode() or "another process") from None
                time.sleep(_POLL_SECONDS)
        os.ftruncate(handle, 0)
        with suppress(OSError):  # a full disk has no room for the name; the lock itself needs none
            os.pwrite(handle, _me().encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(handle, 0)
    finally:
        os.close(handle)


@contextmanager
def _advisory_lock(database: Database, name: str) -> Iterator[None]:
    key = lock_key(name)
    with dedicated(database, _me().encode()[:_APPLICATION_NAME_BYTES].decode(errors="ignore")) as con:
        if not con.scalar(sa.select(sa.func.pg_try_advisory_lock(key))):
            raise LockHeld(name, _advisory_owner(con, key))
        try:
            yield
        finally:
            try:
                con.execute(sa.select(sa.func.pg_advisory_unlock(key)))
            except sa.exc.DBAPIError:
                # the server freed it when the connection broke; what the block did stands by its own transactions
                log.warning("lock_lost", lock=name, store=database.place)


def one_at_a_time(con: sa.Connection, name: str) -> None:
    """Wait until no other transaction holds the name, and hold it to the end of this one.

    SQLite has one writer as it is: a transaction that writes has waited already.
    """
    if con.dialect.name == "postgresql":
        con.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(name))))


def _advisory_owner(con: sa.Connection, key: int) -> str:
    owner = con.execute(
        sa.text(
            "select a.application_name, a.pid from pg_locks l join pg_stat_activity a using (pid) "
            "where l.locktype = 'advisory' and l.granted and l.objsubid = 1 "
            "and l.database = (select oid from pg_database where datname = current_database()) "
            "and (l.classid::bigint << 32 | l.objid::bigint) = :key"
        ),
        {"key": key},
    ).first()
    return "another process" if owner is None else f"{owner.application_name} (server process {owner.pid})"


def lock_key(name: str) -> int:
    """The 64-bit signed number under which PostgreSQL knows the lock."""
    return int.from_bytes(hashlib.sha256(f"intelsec lock {name}".encode()).digest()[:8], "big", signed=True)


def _file_name(name: str) -> str:
    """The name as a file name. Where something had to go, a hash keeps two names two files."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:100]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"
