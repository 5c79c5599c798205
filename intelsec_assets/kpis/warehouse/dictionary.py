"""What there is to read in a published file, told by the file itself: tables, grain, columns with meaning, freshness.

It holds for past snapshots too, since nothing is looked up elsewhere; example queries are in `examples.yaml`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

import duckdb
import yaml

from intelsec_assets.kpis.warehouse.docs import sql_name as quoted
from intelsec_assets.kpis.warehouse.errors import WarehouseError

__all__ = [
    "Column",
    "Entry",
    "Example",
    "UnknownTable",
    "describe",
    "examples",
    "hint",
    "list_tables",
    "made_from",
    "quoted",
    "snapshot_day",
]


class UnknownTable(WarehouseError):
    """There is no such table; the message lists what comes near, or all there are."""


@dataclass(frozen=True)
class Column:
    """A column as the file explains it."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """A table: `key` is its grain as columns, `newest_day` None where it has no day and no rows."""

    name: str
    grain: str
    key: tuple[str, ...]
    rows: int
    newest_day: date | None
    meaning: str
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Example:
    """A question and the query that answers it."""

    question: str
    sql: str


def list_tables(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    """Every table without its columns: figures first, then facts, then dimensions; by name among themselves."""
    rows = con.execute(
        "select table_name, grain, key_columns, row_count, newest_day, description from main.about order by table_name"
    ).fetchall()
    found = [
        Entry(name, grain, tuple(key.split(", ")), rows, newest, meaning)
        for name, grain, key, rows, newest, meaning in rows
    ]
    order = {"kpi": 0, "fct": 1, "dim": 2}
    return sorted(found, key=lambda entry: (order.get(entry.name.split("_")[0], 3), entry.name))


def snapshot_day(con: duckdb.DuckDBPyConnection) -> date:
    """The newest day that the file holds."""
    ((day,),) = con.execute("select day from main.snapshot").fetchall()
    found: date = day
    return found


def describe(con: duckdb.DuckDBPyConnection, name: str) -> Entry:
    """A table with its columns. Raises UnknownTable."""
    tables = {entry.name: entry for entry in list_tables(con)}
    if name not in tables:
        raise UnknownTable(f"there is no table {name!r}: {did_you_mean(name, list(tables))}")
    rows = con.execute(
        "select column_name, data_type, comment from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'main' and table_name = ? order by column_index",
        [name],
    ).fetchall()
    columns = tuple(Column(column, type_, comment or "") for column, type_, comment in rows)
    entry = tables[name]
    return Entry(entry.name, entry.grain, entry.key, entry.rows, entry.newest_day, entry.meaning, columns)


def made_from(name: str) -> list[str]:
    """Tables of the lake that a table is made from, as the project has it today; empty if that cannot be read."""
    from intelsec_assets.kpis.warehouse.project import load_project

    try:
        project = load_project()
    except WarehouseError:
        return []
    return sorted(project.lake_tables_of(name)) if name in {model.name for model in project.models} else []


@cache
def examples() -> Mapping[str, Sequence[Example]]:
    """Example queries by table."""
    text = (files("intelsec_assets.kpis.warehouse") / "examples.yaml").read_text(encoding="utf-8")
    return {
        table: [Example(one["question"], one["sql"].strip()) for one in found]
        for table, found in yaml.safe_load(text).items()
    }


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The names that come near, else all of them."""
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    near += [other for other in known if name.lower() in other and other not in near]
    return f"did you mean {' or '.join(near[:3])}?" if near else f"there are {', '.join(known)}"


def hint(con: duckdb.DuckDBPyConnection, message: str, sql: str) -> str:
    """What helps with an error of DuckDB: near names for an unknown table, the columns there are for an unknown column.

    Empty where there is nothing to add.
    """
    tables = [entry.name for entry in list_tables(con)]
    unknown_table = re.search(r'Table with name "?([^\s"]+)"? does not exist', message)
    if unknown_table:
        found = re.search(r'Did you mean "([^"]+)"', message)
        is_told = found is not None and found[1].rpartition(".")[2] in tables
        return "" if is_told else did_you_mean(unknown_table[1].rpartition(".")[2], tables)
    if not re.search(r'column "?[^\s"]+"? not found|does not have a column named', message):
        return ""
    used = [name for name in tables if re.search(rf"\b{name}\b", sql)]
    return "; ".join(f"{name} has {', '.join(column.name for column in describe(con, name).columns)}" for name in used)
