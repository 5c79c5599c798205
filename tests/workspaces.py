"""Workspaces for tests: a data root written in a few lines, days run on it here or as the command, what lies on disk.

What is claimed about them is in the tests; nothing here knows what a day should come to.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from intelsec_assets.days import days_between
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.store import Store
from intelsec_assets.settings import SAMPLE_DATA, Settings, from_environment
from tests.forked import Forked

if TYPE_CHECKING:  # Dagster takes its time to load
    from intelsec_jobs.runner import DayOutcome

FIRST_DAY = date(2026, 3, 2)
COMMAND = """
import sys
from intelsec_assets.cli import main
sys.argv[0] = "intelsec"
main()
"""
# The store's file changes with every record of a run; what it says is compared by rows.
_NOT_CONTENT = {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "dagster", "locks"}


@dataclass(frozen=True)
class Workspace:
    """A data root and a home, and what else the environment says."""

    data: Path
    home: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """INTELSEC_* variables of this workspace."""
        return {"INTELSEC_DATA": str(self.data), "INTELSEC_HOME": str(self.home), **self.more}

    @property
    def settings(self) -> Settings:
        """The same as settings."""
        return from_environment(self.environment)

    @property
    def lake(self) -> Lake:
        """Its lake."""
        return Lake(self.home / "lake")

    def store(self) -> Store:
        """Its store, to be closed."""
        return Store.open(self.settings.store_url)

    def command(self, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`intelsec …` in a process of its own, to its end."""
        return subprocess.run(
            [intelsec(), *arguments],
            env=self._process_environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def here(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
        """Exit code of `intelsec …` run in this process, which saves its imports; capsys has what it printed."""
        from intelsec_assets import cli

        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["intelsec", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    def start(self, *arguments: str, script: str = COMMAND) -> Forked:
        """`intelsec …` (or another script) in a process of its own, just begun."""
        return Forked(script, *arguments, environment=self.environment)

    def run(self, *days: date, job: str = "daily_intel", last: str | None = None, **more: bool) -> list[DayOutcome]:
        """Days through a job in this process; quicker than the command by the seconds that imports take."""
        from intelsec_jobs.runner import run_days

        return run_days(self.settings, days, job=job, after=[last] if last else [], **more)

    def copy(self, home: Path, **more: str) -> Workspace:
        """The same, over a copy of its home, to be changed."""
        shutil.copytree(self.home, home, symlinks=True)
        return Workspace(self.data, home, {**self.more, **more})

    def content(self, *below: str) -> dict[str, str]:
        """Hash of every file of the home, or of these folders in it, by path; links are followed."""
        roots = [self.home / name for name in below] or [
            path for path in self.home.iterdir() if path.name not in _NOT_CONTENT
        ]
        found = {}
        for root in roots:
            for folder, _, names in os.walk(root, followlinks=True):
                if ".builds" in folder:
                    continue
                for name in names:
                    if name.startswith("."):  # locks, and what a killed write left behind
                        continue
                    path = Path(folder, name)
                    found[str(path.relative_to(self.home))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def ledger(self, target: str = "files") -> dict[str, tuple[str, str, str, date]]:
        """What a target has confirmed, by indicator: event, content, state, day."""
        with self.store() as store:
            confirmed = store.confirmed(target)
        return {i: (e.event, e.content_hash, e.state, e.day) for i, e in confirmed.items()}

    def _process_environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("INTELSEC_", "DAGSTER_"))}
        return clean | self.environment


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder that `build` has filled, the same for every process of this test session; nobody changes it after."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


def intelsec() -> str:
    """The installed command of this environment."""
    return str(Path(sys.executable).with_name("intelsec"))


def on_the_sample(home: Path, **more: str) -> Workspace:
    """A workspace over the bundled sample."""
    return Workspace(SAMPLE_DATA, home, more)


def data_root(folder: Path, feeds: Sequence[Mapping[str, object]], **sections: object) -> Path:
    """A data root whose catalogue holds these feeds; what an entry does not say is a plain daily list of domains."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        {
            "title": feed["name"],
            "publisher": "Tests",
            "licence": "CC0-1.0",
            "local": f"{feed['name']}/{{day}}.txt",
            "format": "plain",
            "trust": "A",
            "types": ["domain"],
            **feed,
        }
        for feed in feeds
    ]
    catalogue = {"version": 1, "first_day": str(FIRST_DAY), "feeds": entries, **sections}
    (folder / "catalogue.yaml").write_text(yaml.safe_dump(catalogue, sort_keys=False))
    return folder


def publish(root: Path, feed: str, day: date, content: str | bytes | Sequence[str]) -> Path:
    """What a plain feed shows on a day: bytes, text, or a value a line."""
    path = root / feed / f"{day}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str | bytes):
        content = "".join(f"{value}\n" for value in content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def hosts(stem: str, number: int) -> list[str]:
    """As many made-up domains."""
    return [f"{stem}-{n}.example" for n in range(number)]


def days(first: date, number: int) -> list[date]:
    """As many days from `first` on."""
    return days_between(first, first.fromordinal(first.toordinal() + number - 1))
