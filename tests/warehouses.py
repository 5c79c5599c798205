"""The bundled sample with its warehouse built and published, once for all tests of a session.

What is claimed about it is in the tests.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from intelsec_assets.commands.run import DETECTION_JOBS
from intelsec_assets.days import days_between
from tests.workspaces import FIRST_DAY, Workspace, on_the_sample, once

LAST_DAY = date(2026, 3, 15)


def published_sample(factory: pytest.TempPathFactory) -> Workspace:
    """All fourteen days, run as `make run` does, and the published warehouse over them. Nobody changes it: copy it."""

    def build(folder: Path) -> None:
        from intelsec_jobs.runner import run_days  # Dagster takes its time to load

        settings = on_the_sample(folder / "home").settings
        days = days_between(FIRST_DAY, LAST_DAY)
        outcomes = run_days(settings, days, spans=DETECTION_JOBS, after=["export", "warehouse_publish"])
        assert [outcome.error for outcome in outcomes if outcome.error] == []

    return on_the_sample(once(factory, "published-sample", build) / "home")


def borrowed(workspace: Workspace, home: Path, *own: str) -> Workspace:
    """The same workspace in another home, where only what is `own` is a copy and can be changed."""
    home.mkdir()
    for path in workspace.home.iterdir():
        if path.name in own:
            shutil.copytree(path, home / path.name, symlinks=True)
        else:
            (home / path.name).symlink_to(path)
    return Workspace(workspace.data, home)
