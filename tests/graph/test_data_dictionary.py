"""The data dictionary is that of the dbt project as it is, and leaves nothing unsaid."""

from __future__ import annotations

import re

import pytest

from docs.write_data_dictionary import PAGE, page
from intelsec_assets.kpis.warehouse.project import Project, load_project


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project()


def test_the_data_dictionary_is_the_project_as_it_is(project: Project) -> None:
    """To write it anew: python docs/write_data_dictionary.py"""
    assert PAGE.read_text() == page(project)


def test_every_column_of_a_mart_says_what_it_means_and_what_it_is_made_from(project: Project) -> None:
    written = page(project)
    rows = [
        line.strip("| ").split(" | ")
        for line in re.findall(r"^\| `.+$", written.split("## Intermediate")[0], re.MULTILINE)
    ]
    columns = [row for row in rows if len(row) >= 3]

    assert len(columns) >= sum(len(mart.doc.columns) for mart in project.marts)
    assert [row for row in columns if not row[2].strip()] == []


def test_every_mart_is_read_by_somebody(project: Project) -> None:
    read = {name for exposure in project.exposures for name in exposure.models}

    assert {mart.name for mart in project.marts} <= read
