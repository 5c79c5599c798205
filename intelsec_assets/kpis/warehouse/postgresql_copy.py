"""One mart copied to PostgreSQL: its columns in that server's types, its rows as a stream, its key and its comments.

In which schema it is made, and when readers see it, is decided in `serving`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from intelsec_assets.kpis.warehouse.docs import sql_name
from intelsec_assets.kpis.warehouse.errors import WarehouseError

if TYPE_CHECKING:  # only who serves needs them
    import pyarrow as pa

# DuckDB's type -> PostgreSQL's; those with parts are looked at one by one
_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "UTINYINT": "smallint",
    "SMALLINT": "smallint",
    "USMALLINT": "integer",
    "INTEGER": "integer",
    "UINTEGER": "bigint",
    "BIGINT": "bigint",
    "UBIGINT": "numeric(20)",
    "HUGEINT": "numeric(39)",
    "UHUGEINT": "numeric(39)",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "VARCHAR": "text",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "UUID": "uuid",
    "JSON": "jsonb",
}
# what Arrow writes into CSV just as PostgreSQL reads it; the rest goes as DuckDB's text (Arrow knows no infinite date)
_SAME_TEXT = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "FLOAT", "VARCHAR")
_BATCH = 10_000  # rows, some megabytes: memory does not grow with the table
_BUFFER = 1 << 20
NUL_SIGN = "␀"  # U+2400: PostgreSQL's text holds every character but NUL
# a row's key must fit a third of an 8 kB page, or the index refuses the row
LONGEST_KEY = 2600


class ServingError(WarehouseError):
    """The copy to PostgreSQL did not come about; what was there before still is."""


class ServerUnavailable(ServingError):
    """The server does not answer, refuses, or went away in the middle: trying again later may help."""


class UnservableColumn(ServingError):
    """A column has a type for which PostgreSQL has none here."""


@dataclass(frozen=True)
class MartColumn:
    """A column: its type in DuckDB's words, and what it says."""

    name: str
    type: str
    comment: str | None

    @property
    def postgresql_type(self) -> str | None:
        """Its type there; None if there is none."""
        if self.type.startswith("DECIMAL("):
            return self.type.lower().replace("decimal", "numeric")
        return "text" if self.type.startswith("ENUM(") else _TYPES.get(self.type)


@dataclass(frozen=True)
class Mart:
    """A table of the published file; `key` are the columns that make a row unique, none if nobody said so."""

    schema: str
    name: str
    rows: int
    key: tuple[str, ...]
    comment: str | None
    columns: tuple[MartColumn, ...]

    @property
    def sql_name(self) -> str:
        """Its name in the published file."""
        return f"intelsec.{sql_name(self.schema)}.{sql_name(self.name)}"


def marts_of(con: duckdb.DuckDBPyConnection) -> list[Mart]:
    """The tables of a published file that `con` has attached as `intelsec`, `about` and `snapshot` among them.

    Raises UnservableColumn.
    """
    keys = dict(con.execute("select table_name, key_columns from intelsec.main.about").fetchall())
    tables = con.execute(
        "select schema_name, table_name, comment from duckdb_tables() where database_name = 'intelsec' order by 2"
    ).fetchall()
    marts = []
    for schema, name, comment in tables:
        described = con.execute(
            "select column_name, data_type, comment from duckdb_columns() "
            "where database_name = 'intelsec' and schema_name = ? and table_name = ? order by column_index",
            [schema, name],
        ).fetchall()
        columns = tuple(MartColumn(*column) for column in described)
        for column in columns:
            if column.postgresql_type is None:
                raise UnservableColumn(
                    f"{name}.{column.name} has the type {column.type}, which is not copied to PostgreSQL: "
                    "cast it in the model (a list or struct to text)"
                )
        rows = con.execute(f"select count(*) from {sql_name(schema)}.{sql_name(name)}").fetchall()[0][0]  # noqa: S608
        key = tuple(keys[name].split(", ")) if keys.get(name) else ()
        marts.append(Mart(schema, name, rows, key, comment, columns))
    return marts


def create(cursor: Any, schema: str, mart: Mart) -> None:
    """Make the empty table."""
    from psycopg2 import sql

    columns = [
        sql.SQL("{} " + str(column.postgresql_type)).format(sql.Identifier(column.name)) for column in mart.columns
    ]
    cursor.execute(
        sql.SQL("create table {} ({})").format(sql.Identifier(schema, mart.name), sql.SQL(", ").join(columns))
    )


def fill(
    cursor: Any, schema: str, con: duckdb.DuckDBPyConnection, mart: Mart, progress: Callable[[int], None]
) -> tuple[int, int]:
    """Copy the rows into the table, which was made in this transaction. Rows written, and texts that held NUL.

    Exact: NULL is NULL and '' is '', doubles come back bit by bit, instants in UTC. `progress` hears rows.
    """
    from psycopg2 import sql

    texts = [column for column in mart.columns if column.type == "VARCHAR"]
    with_nul = _count_nul(con, mart, texts)
    own = con.cursor()  # a result that is streamed owns its connection; settings do not come along
    own.execute("set timezone = 'UTC'")
    own.execute("set enable_progress_bar = false")
    batches = own.sql(_query(mart, clean=with_nul > 0)).to_arrow_reader(_BATCH)
    # frozen: nobody else sees the table before it is finished, and no vacuum has to write every row again
    statement = sql.SQL("copy {} from stdin (format csv, freeze)").format(sql.Identifier(schema, mart.name))
    stream = io.BufferedReader(_Csv(iter(batches), progress), _BUFFER)
    cursor.copy_expert(statement, stream, size=_BUFFER)
    return int(cursor.rowcount), with_nul


def finish(cursor: Any, schema: str, con: duckdb.DuckDBPyConnection, mart: Mart) -> str | None:
    """Key, comments and statistics. Gives a note if there can be no key."""
    from psycopg2 import sql

    table = sql.Identifier(schema, mart.name)
    note = None
    if mart.key:
        if (longest := _longest_key(con, mart)) > LONGEST_KEY:
            note = f"{mart.name} has no key there: one takes {longest:,} bytes, an index holds {LONGEST_KEY:,}"
        else:
            names = sql.SQL(", ").join(map(sql.Identifier, mart.key))
            cursor.execute(sql.SQL("alter table {} add primary key ({})").format(table, names))
    if mart.comment:
        cursor.execute(sql.SQL("comment on table {} is %s").format(table), [mart.comment])
    for column in mart.columns:
        if column.comment:
            place = sql.Identifier(schema, mart.name, column.name)
            cursor.execute(sql.SQL("comment on column {} is %s").format(place), [column.comment])
    cursor.execute(sql.SQL("analyze {}").format(table))
    return note


def _query(mart: Mart, *, clean: bool) -> str:
    return f"select {', '.join(_read(column, clean=clean) for column in mart.columns)} from {mart.sql_name}"  # noqa: S608


def _read(column: MartColumn, *, clean: bool) -> str:
    name = sql_name(column.name)
    if column.type == "VARCHAR" and clean:
        return f"replace({name}, chr(0), '{NUL_SIGN}') as {name}"
    return name if column.type in _SAME_TEXT else f"{name}::varchar as {name}"


def _count_nul(con: duckdb.DuckDBPyConnection, mart: Mart, texts: list[MartColumn]) -> int:
    if not texts:
        return 0
    held = " + ".join(f"count(*) filter (where contains({sql_name(text.name)}, chr(0)))" for text in texts)
    return int(con.execute(f"select {held} from {mart.sql_name}").fetchall()[0][0])  # noqa: S608


def _longest_key(con: duckdb.DuckDBPyConnection, mart: Mart) -> int:
    types = {column.name: column.type for column in mart.columns}
    texts = [sql_name(name) for name in mart.key if types.get(name) == "VARCHAR"]
    if not texts:
        return 0
    size = " + ".join(f"coalesce(octet_length(encode({name})), 0)" for name in texts)
    return int(con.execute(f"select coalesce(max({size}), 0) from {mart.sql_name}").fetchall()[0][0])  # noqa: S608


class _Csv(io.RawIOBase):
    """Arrow batches as the CSV that PostgreSQL reads, made as fast as it takes them.

    A text stands in quotes even if it is empty, NULL never does: that is how the two are told apart.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], progress: Callable[[int], None]) -> None:
        self._batches = batches
        self._progress = progress
        self._left = memoryview(b"")
        self._rows = 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        import pyarrow.csv as pa_csv

        while not self._left:
            batch = next(self._batches, None)
            if batch is None:
                return 0
            text = io.BytesIO()
            pa_csv.write_csv(batch, text, pa_csv.WriteOptions(include_header=False))
            self._left = text.getbuffer()
            self._rows += batch.num_rows
            self._progress(self._rows)
        size = min(len(into), len(self._left))
        into[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
