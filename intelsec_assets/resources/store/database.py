"""A connection to the store's database: address, engine, transactions, bulk writes, and errors that say the way out.

What the rows mean is in the modules beside this one; versions of the schema are brought up by `versions`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from intelsec_assets.extras import installing

# Longer than any transaction of ours (100 k ledger rows: seconds), shorter than a person's patience.
BUSY_SECONDS = 30
_BATCH = 10_000
Types = Mapping[str, sa.types.TypeEngine[Any]]  # of columns by name

_SECRET_QUERY_KEYS = frozenset({"password", "sslpassword", "passfile"})


class StoreError(Exception):
    """Something is wrong with the operational store; the message names the store and the way out."""


class StoreUnavailable(StoreError):
    """The store cannot be opened or written now: not there, read-only, full, damaged, or not answering."""


class NewerSchema(StoreError):
    """The store was written by a newer version of intelsec than this one."""


class Database:
    """An open database: `place` names it for people, without secrets; `file` is set on SQLite only."""

    def __init__(self, engine: sa.Engine, place: str, file: Path | None) -> None:
        """Take an engine made by `connect`."""
        self.engine = engine
        self.place = place
        self.file = file

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the store."""
        with self._transaction("BEGIN") as con:
            yield con

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is written whole when the block ends, or not at all."""
        # on SQLite a reader that turns writer half-way fails at once if another wrote meanwhile; IMMEDIATE waits
        with self._transaction("BEGIN IMMEDIATE") as con:
            yield con

    @contextmanager
    def outside_transaction(self) -> Iterator[sa.Connection]:
        """For what a SQLite transaction does not allow: changing the journal."""
        with self._transaction("") as con:
            yield con

    @contextmanager
    def _transaction(self, sqlite_begin: str) -> Iterator[sa.Connection]:
        with (
            self.explaining(),
            self.engine.connect() as fresh,
            fresh.execution_options(sqlite_begin=sqlite_begin) as con,
            con.begin(),
        ):
            yield con

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Database errors of the block become StoreErrors."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise explained(error, self.place, self.file) from error.orig


@dataclass(frozen=True)
class Beside:
    """Rows for another table that follow from an upsert's: what `select` makes of them and of what is there before.

    `more` are columns that the given rows have beside those of the upsert's table. The selected columns have the names
    of the columns of `table`.
    """

    table: sa.Table
    more: Types
    select: Callable[[sa.FromClause], sa.Select[Any]]

    def insert(self, given: sa.FromClause) -> sa.Insert:
        """The statement."""
        rows = self.select(given)
        return sa.insert(self.table).from_select([column.name for column in rows.selected_columns], rows)


def upsert(con: sa.Connection, table: sa.Table, rows: Iterable[Mapping[str, Any]], beside: Beside | None = None) -> int:
    """Insert rows, or replace those whose primary key is there already; the last row of a key wins. Rows written."""
    keys = [column.name for column in table.primary_key]
    # PostgreSQL refuses a statement that touches a key twice
    latest = {tuple(row[key] for key in keys): row for row in rows}
    # in the order of the key, so that two writers meet each other's rows in one order and cannot deadlock
    ordered = [latest[key] for key in sorted(latest)]
    own = {column.name: column.type for column in table.columns}
    types = own if beside is None else {**own, **beside.more}
    if con.dialect.name == "postgresql":
        _execute(con, _upsert_arrays(table, types, beside), types, ordered)
        return len(latest)
    if beside is not None:
        given = sa.select(*(sa.bindparam(name, type_=type_).label(name) for name, type_ in types.items()))
        _execute(con, beside.insert(given.subquery()), types, ordered)
    _execute(con, _replacing(sqlite.insert(table)), own, ordered)
    return len(latest)


def append(con: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns, in their order; a key that is there already is an error."""
    if not rows:
        return
    types = {name: table.columns[name].type for name in rows[0]}
    if con.dialect.name == "postgresql":
        given = _unnested(types)
        _execute(con, postgresql.insert(table).from_select(list(types), sa.select(given)), types, rows)
    else:
        _execute(con, sqlite.insert(table).values({name: sa.bindparam(name) for name in types}), types, rows)


def _unnested(types: Types) -> sa.FromClause:
    """Rows given as one array a column."""
    # one dimension: a JSON list is a value, not a row of an array of arrays
    arrays = (sa.cast(sa.bindparam(name), postgresql.ARRAY(type_, dimensions=1)) for name, type_ in types.items())
    unnested: sa.FromClause = sa.func.unnest(*arrays).table_valued(*types).render_derived()
    return unnested


def _upsert_arrays(table: sa.Table, types: Types, beside: Beside | None) -> postgresql.Insert:
    """One array a column instead of one parameter a value: 100 k rows take a second in place of eight.

    What goes beside is part of the statement: the rows travel once, and both parts see the tables as they were before.
    """
    unnested = _unnested(types)
    given = sa.select(*(unnested.c[name] for name in types)).cte("given")
    names = [column.name for column in table.columns]
    insert = _replacing(postgresql.insert(table).from_select(names, sa.select(*(given.c[name] for name in names))))
    return insert if beside is None else insert.add_cte(beside.insert(given).cte("beside"))


def _execute(con: sa.Connection, statement: sa.Insert, types: Types, rows: Iterable[Mapping[str, Any]]) -> None:
    """Execute for all rows, past SQLAlchemy's way of binding value by value, which takes longer than all the rest."""
    compiled = statement.compile(dialect=con.dialect)
    constants = {name: value for name, value in compiled.params.items() if name not in types}
    waiting = iter(rows)
    while batch := list(islice(waiting, _BATCH)):
        values = _ready(con.dialect, types, batch)
        if con.dialect.name == "postgresql":
            arrays = {name: _array(column) for name, column in values.items()}
            con.exec_driver_sql(compiled.string, arrays | constants)
        else:
            # text compiled for SQLite has a place a value, in an order of its own
            wanted = compiled.positiontup or ()
            columns = [values[name] if name in types else repeat(constants[name], len(batch)) for name in wanted]
            con.exec_driver_sql(compiled.string, list(zip(*columns, strict=True)))


def _array(values: Sequence[Any]) -> str:
    """The text of a PostgreSQL array: one constant, which the server reads far faster than an expression a value."""
    known = {value: _element(value) for value in set(values)}
    return "{" + ",".join([known[value] for value in values]) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bool):
        return "t" if value else "f"
    return f'"{value}"'


def _ready(dialect: sa.Dialect, types: Types, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Values a column as the driver takes them. What repeats, as days, targets and events do, is made ready once."""
    ready = {}
    for name, type_ in types.items():
        values = [row[name] for row in rows]
        process = type_.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            try:
                known = {value: process(value) for value in set(values)}
                values = [known[value] for value in values]
            except TypeError:  # JSON: lists and dicts
                values = [process(value) for value in values]
        ready[name] = values
    return ready


_Insert = TypeVar("_Insert", sqlite.Insert, postgresql.Insert)


def _replacing(insert: _Insert) -> _Insert:
    table = insert.table
    keys = [column.name for column in table.primary_key]
    others = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=others)


def connect(url: str) -> Database:
    """The database of a URL, `sqlite:///<file>` or `postgresql://…`. Nothing is read yet, the file's folder is made.

    Raises StoreError for an address that cannot work; it never repeats the password.
    """
    address = _address(url)
    place = masked(address)
    if address.drivername == "postgresql+psycopg2":
        return Database(_postgresql(address), place, None)
    file = Path(address.database or "").absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"store {file}: its folder cannot be made ({error.strerror}); "
            "set INTELSEC_STORE_URL to a place that can be written"
        ) from error
    return Database(_sqlite(address.set(database=str(file))), str(file), file)


def masked(address: sa.URL) -> str:
    """The address without its password, wherever it stands."""
    shown = {key: "***" if key in _SECRET_QUERY_KEYS else value for key, value in address.query.items()}
    return address.set(query=shown).render_as_string(hide_password=True)


def _address(url: str) -> sa.URL:
    wanted = "expected sqlite:////absolute/path/store.sqlite or postgresql://user:password@host:5432/database"
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # the text is not shown: what cannot be split into its parts may hold a password anywhere
        raise StoreError(
            f"the store's URL (INTELSEC_STORE_URL) is not an address: {wanted}; "
            "characters such as @ : / in a password are written %40 %3A %2F"
        ) from None
    if address.drivername in {"postgres", "postgresql"}:
        address = address.set(drivername="postgresql+psycopg2")
    if address.drivername not in {"sqlite", "postgresql+psycopg2"}:
        raise StoreError(f"store URL {masked(address)}: {address.drivername} is not supported; {wanted}")
    if address.drivername == "sqlite" and address.database in {None, "", ":memory:"}:
        raise StoreError(f"store URL {masked(address)} names no file; {wanted}")
    return address


def _sqlite(address: sa.URL) -> sa.Engine:
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, DDL included
        connection.execute("PRAGMA foreign_keys = ON")
        # FULL, not NORMAL: a confirmation lost in a power cut would leave an indicator at a target that nobody
        # withdraws. There are few transactions a run, so the fsync does not show.
        connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def begin(con: sa.Connection) -> None:
        if statement := con.get_execution_options()["sqlite_begin"]:
            con.exec_driver_sql(statement)

    return engine


def _postgresql(address: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(
            address,
            pool_pre_ping=True,  # the server may have been restarted between two days
            hide_parameters=True,
            connect_args={"connect_timeout": 10, "options": "-c timezone=utc", "application_name": "intelsec"},
        )
    except ModuleNotFoundError as error:
        raise StoreError(f"store {masked(address)} needs the package {error.name}; {installing('postgres')}") from error


@contextmanager
def dedicated(database: Database, application_name: str) -> Iterator[sa.Connection]:
    """A PostgreSQL connection of its own, for session locks: it commits each statement and is closed at the end."""
    with database.explaining(), database.engine.connect() as pooled:
        con = pooled.execution_options(isolation_level="AUTOCOMMIT")
        con.execute(sa.select(sa.func.set_config("application_name", application_name, False)))
        try:
            yield con
        finally:
            con.invalidate()  # not back to the pool, where it would keep its name and its locks


# what SQLite says -> what it means for the store at `file`, and the way out
_SQLITE_CAUSES = {
    "readonly": "is read-only: give this user the right to write the file and its folder, or set INTELSEC_STORE_URL",
    "disk is full": "does not fit: the disk is full. Nothing was changed; free some space and run again",
    "disk i/o error": "cannot be written: the disk refuses (full, quota, or broken). Nothing was changed; free space",
    "not a database": "is not a SQLite database: move it away and restore it from a backup, or start without it",
    "malformed": "is damaged: move it away and restore it from a backup (`sqlite3 <file> .recover` saves what it can)",
    "unable to open": "cannot be opened: look at the rights of the file and its folder, or set INTELSEC_STORE_URL",
    "locked": f"is held by another process for more than {BUSY_SECONDS} s: wait for it, or end it if it hangs",
}


def explained(error: sa.exc.DBAPIError, place: str, file: Path | None) -> StoreError:
    """The database's error as one that names the store, what happened and what to do."""
    said = " ".join(str(error.orig).split())
    if file is not None:
        for sign, meaning in _SQLITE_CAUSES.items():
            if sign in said.lower():
                return StoreUnavailable(f"store {place} {meaning} ({said})")
        return StoreError(f"store {place}: {said}")
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        return StoreUnavailable(
            f"store {place} does not answer or refuses: {said}. Is the server running, are user, password and "
            "database in INTELSEC_STORE_URL right, has its disk space? `intelsec doctor` looks"
        )
    return StoreError(f"store {place}: {said}")
