"""The portable models on another engine: a real PostgreSQL gives the rows of DuckDB, and Spark can read their SQL.

The rows of the staging views are copied over; everything above them is dbt's work there as here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pytest
import sqlglot
from psycopg2 import sql
from sqlglot import exp

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.dbt_process import PARSED
from intelsec_assets.kpis.warehouse.project import Project, load_project
from tests.dbt_builds import Built, Sequel, bad, built_once, tables
from tests.dbt_lakes import DAY, LAST
from tests.dbt_orders import carry_out

A_HAIR = 1e-9  # engines add doubles up in another order

# how PostgreSQL calls DuckDB's types
TYPES = {
    "VARCHAR": "text",
    "DOUBLE": "double precision",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "HUGEINT": "numeric",
}
NOTHING = "\\N"  # NULL in the files between the engines


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built_once(tmp_path_factory)


def environment(url: str) -> dict[str, str]:
    """What libpq and the profile read."""
    parts = urlsplit(url)
    assert parts.hostname
    return {
        "PGHOST": parts.hostname,
        "PGPORT": str(parts.port),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": parts.path.lstrip("/"),
    }


class Postgres:
    """The other warehouse: the rows of the staging views are loaded into it, dbt makes the rest of them."""

    def __init__(self, url: str, project: Project, built: Built, folder: Path) -> None:
        """`built` is where its rows come from, and what it is compared with."""
        self.url, self.project, self.built, self.folder = url, project, built, folder
        folder.mkdir()
        self._load([model.name for model in project.models if model.schema == "staging"])

    def carry_out(self, command: str, *until: date) -> None:
        """Have dbt `run` or `test` what is portable, once for the days up to each of these."""
        sequel = Sequel(self.project, self.folder)
        orders = [sequel.order(self.built.lake, until=day) for day in until]
        parsed = sequel.folder / "dbt" / PARSED  # by the first order: the adapter's macros are part of it
        orders = [
            replace(
                order,
                arguments=(command, "--target", "postgres", "--select", "tag:portable"),
                variables={key: value for key, value in order.variables.items() if key not in {"lake", "build_file"}},
                parsed=None if order is orders[0] else parsed,
            )
            for order in orders
        ]
        assert [bad(results) for results in carry_out(*orders, environment=environment(self.url))] == [[]] * len(orders)

    def _load(self, names: list[str]) -> None:
        con = psycopg2.connect(self.url)
        with engine.session() as duck, con, con.cursor() as cursor:
            duck.execute(f"attach {sql_text(self.built.whole)} as built (read_only)")
            cursor.execute("create schema staging")
            for name in names:
                file, table = self.folder / f"{name}.csv", sql.Identifier("staging", name)
                columns = duck.sql(f"describe built.staging.{name}").fetchall()
                duck.execute(
                    f"copy built.staging.{name} to {sql_text(file)} (format csv, header false, nullstr '{NOTHING}')"
                )
                spelled = ", ".join(f'"{column}" {TYPES.get(type_, type_)}' for column, type_, *_ in columns)
                cursor.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(spelled)))
                copy = sql.SQL("copy {} from stdin (format csv, null {})").format(table, sql.Literal(NOTHING))
                with file.open() as stream:
                    cursor.copy_expert(copy, stream)
                cursor.execute(sql.SQL("analyze {}").format(table))
        con.close()

    def differences(self) -> dict[str, tuple[int, int, list[object]]]:
        """By portable table: rows here, rows that differ, the first few of them. Doubles may differ by a hair."""
        found = {}
        con = psycopg2.connect(self.url)
        with engine.session() as duck, con.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
            duck.execute(f"attach {sql_text(self.built.whole)} as built (read_only)")
            for name in tables(duck, "built", ("intermediate", "marts")):
                schema, table = name.split(".")
                grain = next(model.doc.grain for model in self.project.models if model.name == table)
                columns = {column: type_ for column, type_, *_ in duck.sql(f"describe built.{name}").fetchall()}
                file = self.folder / f"{table}.csv"
                listed = sql.SQL(", ").join(map(sql.Identifier, columns))
                select = sql.SQL("copy (select {} from {}) to stdout (format csv, null {})").format(
                    listed, sql.Identifier(schema, table), sql.Literal(NOTHING)
                )
                with file.open("w") as stream:
                    cursor.copy_expert(select, stream)
                found[table] = _compare(duck, f"built.{name}", file, columns, grain)
        con.close()
        return found


def _compare(
    duck: duckdb.DuckDBPyConnection, table: str, file: Path, columns: dict[str, str], grain: tuple[str, ...]
) -> tuple[int, int, list[object]]:
    there = (
        f"read_csv({sql_text(file)}, header = false, nullstr = '{NOTHING}', allow_quoted_nulls = false, "
        f"auto_detect = false, columns = {columns!r})"
    )
    same = " and ".join(f'h."{column}" = t."{column}"' for column in grain)
    differs = " or ".join(
        f'(h."{c}" is null) <> (t."{c}" is null) or abs(h."{c}" - t."{c}") > {A_HAIR}'
        if type_ == "DOUBLE"
        else f'h."{c}" is distinct from t."{c}"'
        for c, type_ in columns.items()
    )
    rows = duck.sql(f"select h, t from {table} as h full outer join {there} as t on {same} where {differs}")
    return len(duck.sql(f"from {table}")), len(rows), rows.limit(3).fetchall()


@pytest.mark.needs("postgresql")
@pytest.mark.parametrize(
    "until",
    [
        pytest.param([LAST], id="a full build"),
        pytest.param([LAST - DAY, LAST], id="an increment", marks=pytest.mark.slow),
    ],
)
def test_postgresql_gives_the_rows_of_duckdb_after(
    project: Project, built: Built, postgresql_url: str, tmp_path: Path, until: list[date]
) -> None:
    postgres = Postgres(postgresql_url, project, built, tmp_path / "postgres")
    postgres.carry_out("run", *until)
    found = postgres.differences()
    assert found.keys() == {model.name for model in project.models if "portable" in model.tags}
    assert {table: rest for table, (_, differing, rest) in found.items() if differing} == {}
    assert all(rows for rows, *_ in found.values())


@pytest.mark.slow
@pytest.mark.needs("postgresql")
def test_data_tests_and_unit_tests_hold_on_postgresql_too(
    project: Project, built: Built, postgresql_url: str, tmp_path: Path
) -> None:
    postgres = Postgres(postgresql_url, project, built, tmp_path / "postgres")
    postgres.carry_out("run", LAST)
    postgres.carry_out("test", LAST)


def test_every_portable_model_is_sql_that_spark_can_read(project: Project, built: Built) -> None:
    read = set()
    portable = {model.name for model in project.models if "portable" in model.tags}
    for path in built.compiled.rglob("models/*/*.sql"):
        if path.stem not in portable:
            continue
        (query,) = sqlglot.parse(path.read_text(), read="spark")
        assert query is not None
        assert not list(query.find_all(exp.Command)), path.name  # what sqlglot hands on without having read it
        sqlglot.transpile(path.read_text(), read="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)
        read.add(path.stem)
    assert read == portable
