"""Versions of the store's schema: which one a database has, which one this code needs, and the way between them.

The steps themselves are in `migrations/versions`; a step is never changed once released.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from intelsec_assets.resources.store.database import Database, NewerSchema, StoreUnavailable
from intelsec_assets.resources.store.locks import LockHeld, file_lock, one_at_a_time
from intelsec_assets.resources.store.schema import NEWEST, VERSION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")
_WAIT_SECONDS = 60.0


def migrate(database: Database) -> None:
    """Bring the database to the newest schema. Two processes may do so at once: one works, the other finds it done.

    Raises NewerSchema if the database is ahead of this code.
    """
    with _alone(database):
        with database.reading() as con:
            if _found(con) == NEWEST:
                return
        if database.file is not None:
            # readers and the writer do not wait for each other; the mode stays with the file
            with database.outside_transaction() as con:
                con.exec_driver_sql("PRAGMA journal_mode = WAL")
        with database.writing() as con:
            one_at_a_time(con, "schema")
            _upgrade(con, database)


def _found(con: sa.Connection) -> str | None:
    """The version in the version table, None in an empty database."""
    if not sa.inspect(con).has_table(VERSION_TABLE):
        return None
    return con.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))


def _upgrade(con: sa.Connection, database: Database) -> None:
    # Alembic takes a third of a second to load, and a store is opened far more often than migrated
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    found = _found(con)
    script = ScriptDirectory(str(MIGRATIONS))
    if found is not None and found not in {step.revision for step in script.walk_revisions()}:
        raise NewerSchema(
            f"store {database.place} has schema {found!r}, this intelsec knows schemas up to {NEWEST!r}: a newer "
            "version wrote it. Use that version, or point INTELSEC_STORE_URL at a store of this one"
        )
    config = Config(attributes={"connection": con})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")


@contextmanager
def _alone(database: Database) -> Iterator[None]:
    """One process at a time prepares a SQLite file; on PostgreSQL the lock is taken in the transaction."""
    if database.file is None:
        yield
        return
    try:
        with file_lock(database.file, f"{database.file.name}.schema", wait_seconds=_WAIT_SECONDS):
            yield
    except LockHeld as held:
        raise StoreUnavailable(
            f"store {database.place} is being prepared by {held.owner} for more than {_WAIT_SECONDS:.0f} s: "
            "wait for it, or end it if it hangs"
        ) from held
