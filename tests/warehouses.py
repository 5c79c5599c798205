"""The bundled sample with its warehouse built and published, once for all tests of a session.

What is claimed about it is in the tests.
"""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from intelsec_assets.days import days_between
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import publish_snapshot
from intelsec_assets.resources.warehouse import Warehouse
from intelsec_assets.resources.workspace import Workspace as ResourceWorkspace
from tests.workspaces import FIRST_DAY, Workspace, on_the_sample, once

LAST_DAY = date(2026, 3, 15)
PUBLISHED_AT = datetime(2026, 3, 16, 4, 30, tzinfo=UTC)


def published_sample(factory: pytest.TempPathFactory) -> Workspace:
    """All fourteen days, run as `make run` does, and the published warehouse over them. Nobody changes it: copy it."""

    def build(folder: Path) -> None:
        workspace = on_the_sample(folder / "home")
        outcomes = workspace.run(*days_between(FIRST_DAY, LAST_DAY), last="export")
        outcomes += workspace.run(LAST_DAY, job="warehouse_publish")
        assert [outcome.error for outcome in outcomes if outcome.error] == []
        # once more with a clock that stands still: what is told of the file is the same every time
        shutil.rmtree(WarehouseFolder(workspace.home).snapshots)
        WarehouseFolder(workspace.home).published.unlink()
        WarehouseFolder(workspace.home).published_manifest.unlink()
        publish(workspace, LAST_DAY)

    return on_the_sample(once(factory, "published-sample", build) / "home")


def publish(workspace: Workspace, day: date) -> None:
    """Bring the warehouse up to the lake and publish it, as of a moment that is always the same."""
    warehouse = Warehouse.of(workspace.home, workspace.lake)
    threshold = ResourceWorkspace.of(workspace.settings).catalogue().export.threshold
    outcome = warehouse.build([day], export_threshold=threshold)
    assert outcome is None or outcome.failed == []
    marts = [model.doc for model in warehouse.project.marts]
    publish_snapshot(warehouse.folder, marts, clock=lambda: PUBLISHED_AT)
