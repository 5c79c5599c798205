"""The notebook of the docs runs from top to bottom on the published sample; its outputs are those it came with.

After a change of the sample, the models or the notebook: INTELSEC_WRITE_GOLDEN=1 writes its outputs anew.
"""

from __future__ import annotations

import os
import re
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from intelsec_assets.kpis.warehouse.project import load_project
from intelsec_assets.settings import REPOSITORY
from tests.warehouses import published_sample
from tests.workspaces import Workspace

NOTEBOOK = REPOSITORY / "docs" / "first-hour.ipynb"
RENEWS = "INTELSEC_WRITE_GOLDEN" in os.environ  # read before the fixture that clears the environment


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


def outputs(notebook: Any) -> list[tuple[str, Any]]:
    return [(cell.id, cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook_runs_and_shows_what_it_showed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELSEC_HOME", str(workspace.home))
    committed = nbformat.read(NOTEBOOK, as_version=4)
    ran = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(
        ran, timeout=120, record_timing=False, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    ).execute()
    if RENEWS:
        ran.metadata = committed.metadata  # the version of this Python is nobody's business
        nbformat.write(ran, NOTEBOOK)
        committed = ran

    assert outputs(ran) == outputs(committed)
    assert all(shown for _, shown in outputs(committed))


def test_the_notebook_reads_the_tables_that_dbt_says_it_reads() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    (exposure,) = [one for one in load_project().exposures if one.name == "first_hour"]

    assert set(re.findall(r"\b(?:fct|dim|kpi)_[a-z_]+", code)) == set(exposure.models)
