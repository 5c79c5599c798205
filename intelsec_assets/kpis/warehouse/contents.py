"""What is in a published file: the marts, a view each for people, what they mean, and which snapshot it is.

Copying, numbering and putting in place is the business of `publish`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.docs import ModelDoc, sql_name
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import STORAGE_VERSION
from intelsec_assets.kpis.warehouse.manifest import Manifest

MARTS = "marts"


# the two tables that no model makes: what they are, and their columns
OWN_TABLES = {
    "about": (
        "One table that there is to read.",
        {
            "table_name": "its name, also of the view for people",
            "grain": "what one of its rows is",
            "key_columns": "the columns that make a row unique",
            "row_count": "how many rows it has",
            "newest_day": "last day it holds; of a table without days the day it is as of",
            "description": "what it tells",
        },
    ),
    "snapshot": (
        "One row: which snapshot this file is.",
        {
            "snapshot": "number, never given twice",
            "day": "last day of the lake that went in, UTC",
            "published_at": "when it was published",
            "build": "hash over the models and the partitions it was made from",
            "checks_passed": "tests of the models that passed",
            "checks_warned": "tests that failed without being reason enough not to publish",
            "manifest": "the manifest as JSON: sources with their days, rows of each table, warnings",
        },
    ),
}


class UnfitFile(WarehouseError):
    """A file is not what it should be at its step; the message says in what."""


def count_marts(
    con: duckdb.DuckDBPyConnection, build_file: Path, marts: Sequence[ModelDoc], said: Mapping[str, int]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Rows of each mart in the build, and tables that no model describes.

    Raises UnfitFile if they are not the rows that the verdict `said`: then it is not the build that was tested.
    """
    with _attached(con, build_file, "(read_only)"):
        there = _tables(con)
        described = {model.name for model in marts}
        if missing := sorted(described - there):
            raise UnfitFile(
                f"{build_file} lacks {', '.join(missing)}: it is not a build of this project. Build again: intelsec run"
            )
        rows = {name: _rows(con, name) for name in sorted(described)}
    for name, found in rows.items():
        if name in said and said[name] != found:
            raise UnfitFile(
                f"{build_file} is not the build that was tested: {name} has {found:,} rows, the verdict says "
                f"{said[name]:,}. Build again: intelsec run"
            )
    return rows, tuple(sorted(there - described))


def _tables(con: duckdb.DuckDBPyConnection) -> set[str]:
    found = con.execute(
        "select table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = ?", [MARTS]
    )
    return {name for (name,) in found.fetchall()}


def _in_main(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """What dbt may have put where the views for people go."""
    return con.execute(
        "select 'view', view_name from duckdb_views() where database_name = 'warehouse' and schema_name = 'main' "
        "and not internal union all "
        "select 'table', table_name from duckdb_tables() where database_name = 'warehouse' and schema_name = 'main'"
    ).fetchall()


def _rows(con: duckdb.DuckDBPyConnection, table: str) -> int:
    ((rows,),) = con.execute(f"select count(*) from {MARTS}.{sql_name(table)}").fetchall()  # noqa: S608
    return int(rows)


def strip_and_explain(
    con: duckdb.DuckDBPyConnection, file: Path, marts: Sequence[ModelDoc], manifest: Manifest
) -> None:
    """Make a copy of the build what people open: only the marts, with views, comments, `about` and `snapshot`."""
    with _attached(con, file):
        con.execute("begin")  # one commit, not one a comment
        schemas = con.execute(
            "select schema_name from duckdb_schemas() where database_name = 'warehouse' and not internal "
            "and schema_name not in ('main', ?)",
            [MARTS],
        ).fetchall()
        for (schema,) in schemas:
            con.execute(f"drop schema {sql_name(schema)} cascade")
        for kind, name in _in_main(con):
            con.execute(f"drop {kind} main.{sql_name(name)}")
        for table in _tables(con) - {model.name for model in marts}:
            con.execute(f"drop table {MARTS}.{sql_name(table)}")
        for model in marts:
            _explain(con, model)
        _about(con, marts, manifest)
        con.execute("commit")
        con.execute("checkpoint warehouse")


def _explain(con: duckdb.DuckDBPyConnection, model: ModelDoc) -> None:
    """The view for people, and every comment: on it and on the table behind it."""
    table, view = f"{MARTS}.{sql_name(model.name)}", f"main.{sql_name(model.name)}"
    shown = [column for column in model.columns if not column.machine]
    columns = ", ".join(sql_name(column.name) for column in shown)
    # without the catalogue's name: the file is opened under others, and views must hold there too
    con.execute(f"create view {view} as select {columns} from {table}")  # noqa: S608  names of our own models
    con.execute(f"comment on table {table} is {sql_text(model.description)}")
    con.execute(f"comment on view {view} is {sql_text(model.description)}")
    for column in model.columns:
        con.execute(f"comment on column {table}.{sql_name(column.name)} is {sql_text(column.description)}")
    for column in shown:
        con.execute(f"comment on column {view}.{sql_name(column.name)} is {sql_text(column.description)}")


def _about(con: duckdb.DuckDBPyConnection, marts: Sequence[ModelDoc], manifest: Manifest) -> None:
    """What there is to read (`about`), and which snapshot this is (`snapshot`)."""
    con.execute(
        "create table main.about (table_name varchar, grain varchar, key_columns varchar, row_count bigint, "
        "newest_day date, description varchar)"
    )
    for model in marts:
        has_day = any(column.name == "day" for column in model.columns)
        newest = f"(select max(day) from {MARTS}.{sql_name(model.name)})" if has_day else "?::date"  # noqa: S608
        con.execute(
            f"insert into main.about select ?, ?, ?, ?, {newest}, ?",
            [
                model.name,
                model.grain_in_words,
                ", ".join(model.grain),
                manifest.tables[model.name],
                *([] if has_day else [manifest.day]),
                model.description,
            ],
        )
    con.execute(
        "create table main.snapshot as select $snapshot::bigint as snapshot, $day::date as day, "
        "$published_at::timestamptz as published_at, $build::varchar as build, "
        "$passed::bigint as checks_passed, $warned::bigint as checks_warned, $manifest::varchar as manifest",
        {
            "snapshot": manifest.snapshot,
            "day": manifest.day,
            "published_at": manifest.published_at,
            "build": manifest.build,
            "passed": manifest.checks.get("passed"),
            "warned": manifest.checks.get("warned"),
            "manifest": json.dumps(manifest.inside()),
        },
    )
    for table, (description, columns) in OWN_TABLES.items():
        con.execute(f"comment on table main.{table} is {sql_text(description)}")
        for column, meaning in columns.items():
            con.execute(f"comment on column main.{table}.{column} is {sql_text(meaning)}")


def verify(con: duckdb.DuckDBPyConnection, file: Path, marts: Sequence[ModelDoc], manifest: Manifest) -> None:
    """Open it as a reader does. Raises UnfitFile if it is not what the build was."""
    with _attached(con, file, "(read_only)"):
        ((tags,),) = con.execute("select tags from duckdb_databases() where database_name = 'warehouse'").fetchall()
        if not tags["storage_version"].startswith(STORAGE_VERSION):
            raise UnfitFile(
                f"the build has storage version {tags['storage_version']}, expected {STORAGE_VERSION}, which older "
                "clients read: delete the build file and build again: intelsec run"
            )
        for model in marts:
            if (found := _rows(con, model.name)) != manifest.tables[model.name]:
                raise UnfitFile(
                    f"the copy of {model.name} has {found:,} rows, the build {manifest.tables[model.name]:,}: the disk "
                    "or somebody changed it. Publish again"
                )
            con.execute(f"select * from main.{sql_name(model.name)} limit 1").fetchall()  # noqa: S608


@contextmanager
def _attached(con: duckdb.DuckDBPyConnection, file: Path, how: str = "") -> Iterator[None]:
    # as `warehouse`, the name under which dbt built it
    con.execute(f"attach {sql_text(file)} as warehouse {how}")
    con.execute("use warehouse")
    try:
        yield
    finally:
        with suppress(duckdb.TransactionException):  # none is open, unless the block broke off in one
            con.execute("rollback")
        con.execute("use memory")
        con.execute("detach warehouse")
