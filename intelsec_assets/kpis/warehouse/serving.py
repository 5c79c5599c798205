"""The published marts on PostgreSQL, for many readers at once: copied aside, then put in place in one transaction.

How one table is copied is in `postgresql_copy`, how readers come to see it in `postgresql_schema`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from intelsec_assets.extras import installing
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.manifest import Manifest
from intelsec_assets.kpis.warehouse.postgresql_copy import (
    Mart,
    ServerUnavailable,
    ServingError,
    create,
    fill,
    finish,
    marts_of,
)
from intelsec_assets.kpis.warehouse.reading import connect

if TYPE_CHECKING:  # the driver is an extra, and only who serves needs it
    import duckdb

    from intelsec_assets.kpis.warehouse.postgresql_schema import LiveSchema

SCHEMA = "intelsec"
READER = "intelsec_reader"

_CONNECT_SECONDS = 10
_MEMORY = "200MB"  # every row is read once: a cache would be of no use
_LONGEST_NAME = 40  # bytes: PostgreSQL cuts names beyond 63, and ours get endings


@dataclass(frozen=True)
class Served:
    """What is on the server now. `is_new` is False if it was there already; `notes` are what somebody should know."""

    manifest: Manifest
    is_new: bool
    place: str
    rows: dict[str, int]
    notes: tuple[str, ...]


def serve(
    folder: WarehouseFolder,
    url: str,
    *,
    schema: str = SCHEMA,
    reader: str = READER,
    progress: Callable[[str], None] = lambda _text: None,
) -> Served:
    """Make the tables in `schema` of the database those of the published snapshot; the role `reader` may read them.

    Readers see the old tables or the new ones. Server and client may go away at any point: the old tables stay, and
    the next run removes what was left. Raises ServingError, ServerUnavailable, and NotPublished if nothing is.
    """
    address = _address(url)
    _check_name("schema", schema)
    _check_name("role", reader)
    _require_driver()
    from intelsec_assets.kpis.warehouse.postgresql_schema import LiveSchema

    place = f"{address.host or 'this machine'}:{address.port or 5432}/{address.database}, schema {schema}"
    with connect(folder, memory=_MEMORY) as con, _explained(place), _connected(address) as connection:
        target = LiveSchema(connection, schema, reader, place)
        _refuse_encoding(target)
        target.lock()
        notes = target.remove_leftovers()
        target.ensure_reader()
        published, served = _manifest(con), target.manifest()
        if served is not None and served.inside() == published.inside():
            target.grant()
            return Served(published, False, place, dict(published.tables), tuple(notes))
        target.refuse_what_is_not_ours(served)
        marts = marts_of(con)
        notes += _copy(con, target, marts, progress)
        progress("putting in place")
        notes += target.swap([mart.name for mart in marts], served)
        return Served(published, True, place, dict(published.tables), tuple(notes))


def _copy(
    con: duckdb.DuckDBPyConnection, target: LiveSchema, marts: Sequence[Mart], progress: Callable[[str], None]
) -> list[str]:
    """All marts into the schema aside, a transaction each. Gives notes."""
    notes = []
    target.begin_aside()
    for mart in marts:
        with target.transaction() as cursor:
            create(cursor, target.aside, mart)
            told = _told(progress, mart)
            rows, with_nul = fill(cursor, target.aside, con, mart, told)
            if rows != mart.rows:
                raise ServingError(
                    f"{target.place}: {rows:,} of {mart.rows:,} rows of {mart.name} arrived; copy again. The tables "
                    "that were there before still are"
                )
            note = finish(cursor, target.aside, con, mart)
        notes += [note] if note else []
        if with_nul:
            notes.append(f"{mart.name}: {with_nul:,} texts hold NUL, which PostgreSQL has not: it stands there as ␀")
    return notes


def _told(progress: Callable[[str], None], mart: Mart) -> Callable[[int], None]:
    return lambda rows: progress(f"{mart.name} {rows:,} of {mart.rows:,}")


def _manifest(con: duckdb.DuckDBPyConnection) -> Manifest:
    ((text,),) = con.execute("select manifest from intelsec.main.snapshot").fetchall()
    return Manifest.of(json.loads(text))


def _address(url: str) -> sa.URL:
    wanted = "expected postgresql://user:password@host:5432/database; @ : / in a password are written %40 %3A %2F"
    try:
        address = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # the text is not shown: what cannot be split into its parts may hold a password anywhere
        raise ServingError(f"the URL of the server is not an address: {wanted}") from None
    if address.get_backend_name() not in {"postgresql", "postgres"}:
        raise ServingError(f"{address.drivername} is no PostgreSQL: {wanted}")
    if not address.database:
        raise ServingError(f"the URL of the server at {address.host} names no database: {wanted}")
    return address


def _check_name(kind: str, name: str) -> None:
    if not name or "\x00" in name or len(name.encode()) > _LONGEST_NAME:
        raise ServingError(f"{kind} {name!r}: expected 1 to {_LONGEST_NAME} bytes without NUL")
    if name.startswith("pg_") or name in {"public", "information_schema"}:
        raise ServingError(f"{kind} {name!r} belongs to PostgreSQL or to everybody: choose one for intelsec alone")


def _require_driver() -> None:
    try:
        import psycopg2  # noqa: F401
    except ModuleNotFoundError as error:
        raise ServingError(f"PostgreSQL needs the package psycopg2; {installing('postgres')}") from error


@contextmanager
def _connected(address: sa.URL) -> Iterator[Any]:
    try:
        import psycopg2
    except ModuleNotFoundError as error:
        raise ServingError(f"PostgreSQL needs the package psycopg2; {installing('postgres')}") from error
    said = address.translate_connect_args(username="user", database="dbname")
    connection = psycopg2.connect(
        **{"connect_timeout": _CONNECT_SECONDS, "application_name": "intelsec serving", **said, **address.query}
    )
    try:
        connection.autocommit = True
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            # a server's own limits on statements are for its readers; waiting for a lock has one all the same
            cursor.execute(
                "set timezone = 'UTC'; set datestyle = 'ISO'; set statement_timeout = 0; set lock_timeout = '10s'"
            )
        yield connection
    finally:
        connection.close()


def _refuse_encoding(target: LiveSchema) -> None:
    with target.connection.cursor() as cursor:
        cursor.execute("show server_encoding")
        (encoding,) = cursor.fetchone()
    if encoding != "UTF8":
        raise ServingError(
            f"{target.place}: the database is encoded in {encoding}, which has not every character of a feed: create "
            "one with encoding 'UTF8'"
        )


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """The driver's errors, as ones that say where it was and that nothing is lost. They never hold the password."""
    import psycopg2

    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise ServerUnavailable(
            f"{place}: the server does not answer, refuses, or went away: {_one_line(error)}. The tables that were "
            "there before still are; is it running, has its disk space, are user and password right? Then copy again"
        ) from error
    except psycopg2.Error as error:
        raise ServingError(
            f"{place}: {_one_line(error)}. The tables that were there before still are; the next copy removes the rest"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
