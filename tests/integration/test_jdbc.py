"""The published warehouse as a JDBC client sees it: DBeaver and its kin, with the DuckDB driver that they bring along.

The client is tests/jdbc/ReadWarehouse.java; what it reads is compared with what Python reads from the same file.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from intelsec_assets.settings import REPOSITORY
from tests import parts
from tests.warehouses import published_sample
from tests.workspaces import Workspace, once

# the oldest that must read what is published: its storage version is v1.4.0 for clients that carry DuckDB 1.4 and 1.5
DRIVER = "1.4.4.0"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JAVA = {
    "VARCHAR": "String",
    "BIGINT": "Long",
    "INTEGER": "Integer",
    "DOUBLE": "Double",
    "BOOLEAN": "Boolean",
    "DATE": "LocalDate",
    "UUID": "UUID",
    "TIMESTAMP WITH TIME ZONE": "OffsetDateTime",
}

pytestmark = pytest.mark.needs("java")


class Column(NamedTuple):
    """A column as the client found it: Java class and number of its values, the largest of them as text."""

    java: str
    filled: int
    largest: str


class Seen(NamedTuple):
    """What the client printed."""

    version: str
    schemas: set[str]
    relations: Mapping[tuple[str, str], tuple[str, str]]  # (schema, name) -> (type, remarks)
    columns: Mapping[tuple[str, str, str], tuple[str, str]]  # (schema, relation, name) -> (type, remarks)
    rows: Mapping[tuple[str, str], int]
    values: Mapping[tuple[str, str, str], Column]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


@pytest.fixture(scope="module")
def seen(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The published file through JDBC, by a client in another time zone."""
    file = workspace.home / "warehouse" / "intelsec.duckdb"
    ran = subprocess.run(
        ["java", "-cp", driver(tmp_path_factory), REPOSITORY / "tests" / "jdbc" / "ReadWarehouse.java", file],
        env=os.environ | {"TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line.split("\t") for line in ran.stdout.splitlines()]

    def told(kind: str) -> list[list[str]]:
        return [[_unescaped(cell) for cell in cells] for name, *cells in lines if name == kind]

    return Seen(
        version=told("driver")[0][0],
        schemas={name for (name,) in told("schema")},
        relations={(schema, name): (kind, said) for schema, name, kind, said in told("relation")},
        columns={(schema, table, name): (kind, said) for schema, table, name, kind, said in told("column")},
        rows={(schema, name): int(number) for schema, name, number in told("rows")},
        values={
            (schema, table, name): Column(java, int(filled), largest)
            for schema, table, name, java, filled, largest in told("values")
        },
    )


def driver(factory: pytest.TempPathFactory) -> Path:
    """The driver's jar, fetched by Maven into the folder of tools, where the next session finds it."""
    tools = REPOSITORY / ".tools" / "jdbc"
    jar = tools / f"duckdb_jdbc-{DRIVER}.jar"

    def fetch(folder: Path) -> None:
        if jar.exists():
            return
        arguments = [f"-Dartifact=org.duckdb:duckdb_jdbc:{DRIVER}", f"-DoutputDirectory={folder}"]
        fetched = subprocess.run(
            ["mvn", "-B", "-q", f"{_MAVEN_PLUGIN}:copy", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode != 0:
            (folder / "failed").write_text(fetched.stdout[-2000:])
            return
        tools.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / jar.name, jar)

    failed = once(factory, "jdbc-driver", fetch) / "failed"
    if failed.exists():
        reason = f"Maven cannot fetch org.duckdb:duckdb_jdbc:{DRIVER}: {failed.read_text()}"
        if parts.is_required(parts.PARTS["java"], os.environ.get("INTELSEC_REQUIRE", "")):
            pytest.fail(reason)
        pytest.skip(reason)
    return jar


def _unescaped(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r").replace("\\\\", "\\")


def in_python(workspace: Workspace, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(workspace.home / "warehouse" / "intelsec.duckdb"), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        return con.execute(query).fetchall()


def written(value: Any) -> str:
    """A value as the client writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str((value - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    return str(value)


def test_the_driver_is_the_one_that_older_clients_bring(seen: Seen) -> None:
    assert seen.version == f"v{DRIVER.rpartition('.')[0]}"


def test_the_tree_of_schemas_holds_the_views_for_people_and_the_tables_behind_them(seen: Seen) -> None:
    views = {name for (schema, name), (kind, _) in seen.relations.items() if (schema, kind) == ("main", "VIEW")}
    marts = {name for (schema, name), _ in seen.relations.items() if schema == "marts"}

    assert seen.schemas == {"main", "marts"}
    assert len(views) == 14
    assert views == marts


def test_every_table_and_column_says_what_it_is(seen: Seen) -> None:
    silent = [name for name, (_, remarks) in seen.relations.items() if not remarks]
    silent_columns = [
        name for name, (_, remarks) in seen.columns.items() if not remarks and name[1] not in {"about", "snapshot"}
    ]

    assert silent == []
    assert silent_columns == []
    assert seen.relations["main", "fct_observation"][1].startswith("One accepted feed row of a day")
    assert seen.columns["main", "fct_observation", "day"][1].startswith("UTC day")


def test_the_views_hide_what_only_machines_need(seen: Seen) -> None:
    assert ("marts", "fct_observation", "snapshot_sha256") in seen.columns
    assert ("main", "fct_observation", "snapshot_sha256") not in seen.columns


def test_every_row_of_every_view_is_what_python_reads(seen: Seen, workspace: Workspace) -> None:
    types = {kind for kind, _ in seen.columns.values()}
    assert {"DATE", "UUID", "DOUBLE", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"} <= types

    for (schema, table), number in seen.rows.items():
        columns = [column for s, t, column in seen.values if (s, t) == (schema, table)]
        kinds = [seen.columns[schema, table, column][0] for column in columns]
        asked = ", ".join(
            f'count("{column}"), max("{column}"{"::varchar" if kind == "UUID" else ""})'
            for column, kind in zip(columns, kinds, strict=True)
        )
        ((rows, *expected),) = in_python(workspace, f"select count(*), {asked} from {schema}.{table}")
        assert number == rows, table
        for column, kind, filled, largest in zip(columns, kinds, expected[::2], expected[1::2], strict=True):
            found = seen.values[schema, table, column]
            assert found.filled == filled, f"{table}.{column}"
            if filled:
                assert (found.java, found.largest) == (_JAVA[kind], written(largest)), f"{table}.{column} is {kind}"


def test_an_instant_is_the_same_moment_in_another_time_zone(seen: Seen, workspace: Workspace) -> None:
    ((newest,),) = in_python(workspace, "select max(as_of) from kpi_dedup")

    assert newest == datetime(2026, 3, 16, tzinfo=UTC)
    assert seen.values["main", "kpi_dedup", "as_of"].largest == written(newest)
