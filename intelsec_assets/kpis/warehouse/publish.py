"""The file analysts open: the day's tables in one DuckDB database, built aside and put in place whole.

Readers never meet a writer: the published file is only ever replaced. Which tables go in is the asset's business.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from intelsec_assets.engine import sql_text
from intelsec_assets.tables import Table

# Grafana's plugin and older clients carry DuckDB 1.x, which refuses the format that 2.0 writes by default
STORAGE_VERSION = "v1.4.0"


def publish(target: Path, tables: Mapping[Table, Sequence[Path]]) -> int:
    """Replace `target` by a database with one table each from its Parquet files; returns bytes written.

    Old or new, never between: a reader that has the old file open keeps it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            con.execute(f"attach {sql_text(building)} as published (storage_version '{STORAGE_VERSION}')")
            for table, files in tables.items():
                _load(con, table, files)
            con.execute("detach published")
        size = building.stat().st_size
        building.replace(target)
        return size
    finally:
        building.unlink(missing_ok=True)


def _load(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> None:
    con.execute(f"create table published.{table.name} ({table.ddl()})")
    if files:
        names = ", ".join(sql_text(path) for path in files)
        con.execute(f"insert into published.{table.name} select * from read_parquet([{names}])")  # noqa: S608  our own schema
    con.execute(f"comment on table published.{table.name} is {sql_text(table.grain)}")
    for column in table.columns:
        con.execute(f'comment on column published.{table.name}."{column.name}" is {sql_text(column.description)}')
