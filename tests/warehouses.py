"""The bundled sample with its warehouse built and published, once for all tests of a session.

What is claimed about it is in the tests.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.workspaces import Workspace, on_the_sample, once

LAST_DAY = date(2026, 3, 15)


def published_sample(factory: pytest.TempPathFactory) -> Workspace:
    """All fourteen days and the published warehouse over them, by the command itself. Nobody changes it: copy it."""
    return on_the_sample(_run_on_the_sample(factory) / "home")


def printed_of_the_sample(factory: pytest.TempPathFactory) -> str:
    """What the command printed when it made the published sample."""
    return (_run_on_the_sample(factory) / "printed").read_text()


def _run_on_the_sample(factory: pytest.TempPathFactory) -> Path:
    def build(folder: Path) -> None:
        ran = on_the_sample(folder / "home").command("run", timeout=1200)
        assert ran.returncode == 0, ran.stderr
        (folder / "printed").write_text(ran.stdout)

    return once(factory, "published-sample", build)


def borrowed(workspace: Workspace, home: Path, *own: str) -> Workspace:
    """The same workspace in another home, where only what is `own` is a copy and can be changed."""
    home.mkdir()
    for path in workspace.home.iterdir():
        if path.name in own:
            shutil.copytree(path, home / path.name, symlinks=True)
        else:
            (home / path.name).symlink_to(path)
    return Workspace(workspace.data, home)
