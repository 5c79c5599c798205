"""A real PostgreSQL for tests: a server of its own in a temporary folder, on a free loopback port, with a password.

Where the programs are found is in `parts`; the fixtures are in conftest.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
from psycopg2 import sql

USER = "intelsec"
_PREFIX = "intelsec-postgresql-"
_START_SECONDS = 60
_PR_SET_PDEATHSIG = 1
_MEMORY_BYTES = 4 << 30  # several servers of some hundred megabytes each, and as much again


@dataclass(frozen=True)
class Server:
    """A running server and the process that the tests started for it."""

    port: int
    password: str
    process: subprocess.Popen[bytes]
    version: int = 0  # as libpq numbers it

    def url(self, database: str) -> str:
        """The store URL of a database."""
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, like: str = "template0") -> Iterator[str]:
        """A new database, empty or a copy of another, dropped at the end whoever is still connected; its name."""
        name = f"t_{uuid.uuid4().hex}"
        # copied file by file it takes two thirds of the time that it takes through the log
        strategy = sql.SQL("strategy file_copy" if self.version >= 150000 else "")
        made = sql.SQL("create database {} template {} {}")
        self.execute(made.format(sql.Identifier(name), sql.Identifier(like), strategy))
        try:
            yield name
        finally:
            self.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def execute(self, statement: str | sql.Composed) -> None:
        """Run a statement about the server, from the maintenance database."""
        con = psycopg2.connect(self.url("postgres"))
        try:
            con.autocommit = True
            con.cursor().execute(statement)
        finally:
            con.close()


@contextmanager
def running(programs: Path, *, durable: bool = False) -> Iterator[Server]:
    """A server that lives as long as the block, and never longer than this process; durable = it waits for the disk."""
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=None if durable else _in_memory()))
    try:
        if account:
            shutil.chown(folder, account)
        password = _make_cluster(programs, folder, account)
        server = _start(programs, folder, account, password, durable=durable)
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended, nothing is left behind
            server.process.wait(_START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> Path | None:
    """Where files are kept in memory, if there is room: a database is three hundred files, made and deleted a test."""
    place = Path("/dev/shm")
    if not os.access(place, os.W_OK) or shutil.disk_usage(place).free < _MEMORY_BYTES:
        return None
    for left in place.glob(f"{_PREFIX}*"):  # by tests that were killed; their servers ended with them
        with suppress(FileNotFoundError):  # another process ends a server just now
            if time.time() - left.stat().st_mtime > _START_SECONDS and not _is_running(left):
                shutil.rmtree(left, ignore_errors=True)
    return place


def _is_running(folder: Path) -> bool:
    try:
        os.kill(int((folder / "data" / "postmaster.pid").read_text().split()[0]), 0)
    except (OSError, ValueError):
        return False
    return True


def _account() -> str | None:
    """PostgreSQL refuses to run as root, as in CI containers; then the package's own account runs it."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


def _make_cluster(programs: Path, folder: Path, account: str | None) -> str:
    password, word = secrets.token_hex(8), folder / "password"
    word.write_text(password)
    if account:
        shutil.chown(word, account)
    subprocess.run(
        [
            programs / "initdb",
            f"--pgdata={folder / 'data'}",
            f"--username={USER}",
            f"--pwfile={word}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        **_as(account),
    )
    return password


def _start(programs: Path, folder: Path, account: str | None, password: str, *, durable: bool = False) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": folder,
        # the machine does not crash in a test; the server may be killed and stays whole
        "fsync": "on" if durable else "off",
        "max_connections": 50,
        "max_wal_size": "256MB",  # it may lie in memory
        "shared_buffers": "32MB",
        "autovacuum": "off",  # databases live for seconds
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                programs / "postgres",
                f"-D{folder / 'data'}",
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, which takes no lock a thread may hold
            **_as(account),
        )
    server = Server(port, password, process)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            con = psycopg2.connect(server.url("postgres"), connect_timeout=2)
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}") from None
            time.sleep(0.05)
        else:
            con.close()
            return replace(server, version=con.server_version)


def _as(account: str | None) -> dict[str, object]:
    return {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []} if account else {}


def _end_with_parent() -> None:
    """If the tests are killed, the kernel ends the server."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
