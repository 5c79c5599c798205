"""The analyst guide is true: every query in it is asked of the published sample, every answer is the one shown.

After a change of the sample, the models or the guide: INTELSEC_WRITE_GOLDEN=1 writes the answers anew.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from intelsec_assets.commands.sql import write_table
from intelsec_assets.kpis.warehouse.dictionary import examples, list_tables
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.reading import connect, query
from intelsec_assets.settings import REPOSITORY
from tests.warehouses import published_sample
from tests.workspaces import Workspace

GUIDE = REPOSITORY / "docs" / "analyst-guide.md"
RENEWS = bool(os.environ.get("INTELSEC_WRITE_GOLDEN"))  # asked at import: a test sees no settings of the machine
ASKED = re.compile(r"^```sql\n(.*?)^```\n\n^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


@dataclass(frozen=True)
class Answered:
    """An answer of this process, where `query` starts one a question."""

    relation: duckdb.DuckDBPyRelation
    manifest = None
    is_cut = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.relation.columns)

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(map(str, self.relation.types))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        yield from self.relation.fetchall()


def shown(result: Any) -> str:
    out = io.StringIO()
    write_table(result, out)
    return out.getvalue()


def test_every_query_of_the_guide_answers_what_is_shown(workspace: Workspace) -> None:
    text = GUIDE.read_text()
    with connect(WarehouseFolder(workspace.home)) as con:
        renewed = ASKED.sub(
            lambda block: f"```sql\n{block[1]}```\n\n```text\n{shown(Answered(con.sql(block[1])))}```", text
        )
    if RENEWS:
        GUIDE.write_text(renewed)

    assert renewed == GUIDE.read_text()


def test_the_command_answers_as_this_process_does(workspace: Workspace) -> None:
    asked = [sql for sql, _ in ASKED.findall(GUIDE.read_text())]
    longest = max(asked, key=len)
    for sql in (asked[0], longest):
        with connect(WarehouseFolder(workspace.home)) as con, query(WarehouseFolder(workspace.home), sql) as result:
            assert shown(result) == shown(Answered(con.sql(sql)))


def test_the_guide_has_its_questions_in_order_each_with_a_query_that_finds_something() -> None:
    text = GUIDE.read_text()
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. .+\?", text, re.MULTILINE)]
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]

    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 28
    for section in sections:
        found = ASKED.findall(section)
        assert found, section
        assert all(len(shown.splitlines()) >= 2 for _, shown in found), section
    assert len(ASKED.findall(text)) == text.count("```sql")


def test_the_guide_names_every_table(workspace: Workspace) -> None:
    asked = " ".join(sql for sql, _ in ASKED.findall(GUIDE.read_text()))

    assert [name for name in marts(workspace) if not re.search(rf"\b{name}\b", asked)] == []


def test_every_table_has_examples_and_each_of_them_finds_rows(workspace: Workspace) -> None:
    assert sorted(examples()) == marts(workspace)
    with connect(WarehouseFolder(workspace.home)) as con:
        for table, found in examples().items():
            assert 2 <= len(found) <= 3, table
            for example in found:
                assert table in example.sql
                assert con.execute(example.sql).fetchall(), example


def marts(workspace: Workspace) -> list[str]:
    with connect(WarehouseFolder(workspace.home)) as con:
        return sorted(entry.name for entry in list_tables(con))
