"""The schema on PostgreSQL that readers use: who may work on it, who may read it, and how it is swapped for a new one.

What its tables hold is the business of `postgresql_copy`, the order of the steps that of `serving`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors, sql

from intelsec_assets.kpis.warehouse.contents import OWN_TABLES
from intelsec_assets.kpis.warehouse.manifest import Manifest
from intelsec_assets.kpis.warehouse.postgresql_copy import ServingError

# Whoever waits for a lock makes readers wait behind it: shorter than the second after which the server looks for
# deadlocks and could end a reader instead of us, and tried again after a pause in which everybody gets through.
_LOCK_WAIT = "500ms"
_LOCK_TRIES = 20
_PAUSE_SECONDS = 0.2
_DROP_WAIT = "2s"


@dataclass(frozen=True)
class LiveSchema:
    """The schema `name` over an open connection; `reader` is the role that may read, `place` names it for people."""

    connection: Any
    name: str
    reader: str
    place: str

    @property
    def aside(self) -> str:
        """Where the next tables are made."""
        return f"{self.name}__next"

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor whose work is done whole when the block ends, or not at all."""
        self.connection.autocommit = False
        try:
            with self.connection.cursor() as cursor:
                yield cursor
            self.connection.commit()
        except BaseException:
            with suppress(psycopg2.Error):  # the connection may be what broke
                self.connection.rollback()
            raise
        finally:
            with suppress(psycopg2.Error):
                self.connection.autocommit = True

    def lock(self) -> None:
        """Be the only one who copies there, as long as the connection lives. Raises ServingError."""
        key = int.from_bytes(hashlib.sha256(f"intelsec serving {self.name}".encode()).digest()[:8], "big", signed=True)
        if not self._one("select pg_try_advisory_lock(%s)", key):
            raise ServingError(
                f"{self.place}: another copy is under way there; wait until it ends. Nothing was changed"
            )

    def manifest(self) -> Manifest | None:
        """What is served now; None if nothing is, or it is not ours."""
        place = sql.Identifier(self.name, "snapshot")
        try:
            return Manifest.of(json.loads(self._one(sql.SQL("select manifest from {}").format(place))))
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege):
            return None
        except (TypeError, ValueError, KeyError):
            return None

    def refuse_what_is_not_ours(self, now: Manifest | None) -> None:
        """Raise ServingError if something in the schema was put there by others: the swap would take it away."""
        found = self._all(
            "select relname from pg_class where relnamespace = to_regnamespace(quote_ident(%s)) "
            "and relkind in ('r', 'p', 'v', 'm', 'f', 'S') union "
            "select proname from pg_proc where pronamespace = to_regnamespace(quote_ident(%s))",
            self.name,
            self.name,
        )
        ours = {*OWN_TABLES, *now.tables} if now else set()
        if others := sorted(name for (name,) in found if name not in ours):
            raise ServingError(
                f"{self.place}: {', '.join(others[:5])} there was not put there by intelsec and would be lost: move it "
                "to a schema of its own, or choose another schema"
            )

    def ensure_reader(self) -> None:
        """The role that may read is there. Raises ServingError."""
        if self._all("select 1 from pg_roles where rolname = %s", self.reader):
            return
        name = sql.Identifier(self.reader)
        try:
            with self.transaction() as cursor:
                cursor.execute(sql.SQL("create role {} nologin").format(name))
        except errors.DuplicateObject:  # another copy, into another schema, was quicker
            pass
        except errors.InsufficientPrivilege as error:
            shown = name.as_string(self.connection)
            raise ServingError(
                f"{self.place}: there is no role {shown} and this user may not create it. Let an administrator run: "
                f"create role {shown} nologin"
            ) from error

    def begin_aside(self) -> None:
        """An empty schema for the next tables."""
        with self.transaction() as cursor:
            cursor.execute(sql.SQL("create schema {}").format(sql.Identifier(self.aside)))

    def grant(self) -> None:
        """Let the reader read what is served."""
        with self.transaction() as cursor:
            self._grant(cursor, self.name)

    def swap(self, tables: Collection[str], now: Manifest | None) -> list[str]:
        """Give the new tables the name under which they are read, with their grants; then drop the old ones.

        All old tables are locked for the moment of the swap, so that a reader who holds one sees none of the new before
        his transaction ends. If somebody holds one for long, names are changed all the same. Gives notes.
        """
        notes = []
        old = self._free_name(now)
        for attempt in range(_LOCK_TRIES + 1):
            is_locked = attempt < _LOCK_TRIES
            try:
                with self.transaction() as cursor:
                    if is_locked and old is not None:
                        self._lock_tables(cursor, attempt)
                    self._put_in_place(cursor, tables, old)
                break
            except (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected):
                if not is_locked:
                    raise
                time.sleep(_PAUSE_SECONDS)
        if not is_locked:
            notes.append("somebody has been reading for long: one transaction may have seen tables of both snapshots")
        return notes + (self._drop(old) if old else [])

    def remove_leftovers(self) -> list[str]:
        """Drop what earlier runs left: tables of a copy that was cut off, old ones that somebody still read. Notes."""
        left = re.compile(re.escape(self.name) + r"__(next|old_\d+(_\d+)?)")
        notes = []
        for (name,) in self._all("select nspname from pg_namespace order by nspname"):
            if left.fullmatch(name):
                notes += self._drop(name)
        return notes

    def _lock_tables(self, cursor: Any, attempt: int) -> None:
        """Have the old tables to ourselves until the transaction ends; in another order at each attempt.

        Who takes first what a reader takes second waits for him while he waits for us: only an order that begins with
        his first table lets him out, and nobody knows which that is.
        """
        names = [name for (name,) in self._tables(cursor, self.name)]
        names.sort(key=lambda name: hashlib.sha256(f"{attempt} {name}".encode()).digest())
        if names:
            tables = sql.SQL(", ").join(sql.Identifier(self.name, name) for name in names)
            cursor.execute("select set_config('statement_timeout', %s, true)", [_LOCK_WAIT])
            cursor.execute(sql.SQL("lock table {} in access exclusive mode").format(tables))
            cursor.execute("set local statement_timeout = 0")

    def _put_in_place(self, cursor: Any, tables: Collection[str], old: str | None) -> None:
        there = {name for (name,) in self._tables(cursor, self.aside)}
        if there != set(tables):
            raise ServingError(f"{self.place}: somebody changed {self.aside} during the copy; copy again")
        self._grant(cursor, self.aside)
        if old is not None:
            self._rename(cursor, self.name, old)
        self._rename(cursor, self.aside, self.name)

    @staticmethod
    def _rename(cursor: Any, schema: str, to: str) -> None:
        cursor.execute(sql.SQL("alter schema {} rename to {}").format(sql.Identifier(schema), sql.Identifier(to)))

    @staticmethod
    def _tables(cursor: Any, schema: str) -> list[tuple[str]]:
        cursor.execute("select tablename from pg_tables where schemaname = %s order by tablename", [schema])
        found: list[tuple[str]] = cursor.fetchall()
        return found

    def _grant(self, cursor: Any, schema: str) -> None:
        place, reader = sql.Identifier(schema), sql.Identifier(self.reader)
        for statement in (
            "grant usage on schema {} to {}",
            "grant select on all tables in schema {} to {}",
            "alter default privileges in schema {} grant select on tables to {}",
        ):
            cursor.execute(sql.SQL(statement).format(place, reader))
        cursor.execute(
            "select count(*) from pg_class where relnamespace = to_regnamespace(quote_ident(%s)) and relkind = 'r' "
            "and has_table_privilege(%s, oid, 'insert, update, delete, truncate')",
            [schema, self.reader],
        )
        if cursor.fetchone()[0]:
            raise ServingError(
                f"{self.place}: the role {self.reader} could write there, as a superuser or through another role it is "
                "member of: choose a role that only reads"
            )

    def _free_name(self, now: Manifest | None) -> str | None:
        """A name for the old schema; None if there is none."""
        names = {name for (name,) in self._all("select nspname from pg_namespace")}
        if self.name not in names:
            return None
        wanted = f"{self.name}__old_{now.snapshot if now else 0}"
        number, free = 1, wanted
        while free in names:
            number, free = number + 1, f"{wanted}_{number}"
        return free

    def _drop(self, schema: str) -> list[str]:
        """Drop a schema of ours without making readers wait for long. Gives a note if it has to stay for now."""
        try:
            with self.transaction() as cursor:
                cursor.execute("select set_config('lock_timeout', %s, true)", [_DROP_WAIT])
                for (name,) in self._tables(cursor, schema):
                    # not `cascade`: what others built on it is theirs
                    cursor.execute(sql.SQL("drop table {}").format(sql.Identifier(schema, name)))
                cursor.execute(sql.SQL("drop schema {}").format(sql.Identifier(schema)))
        except errors.LockNotAvailable:
            return [f"{schema} is still being read; the next copy removes it"]
        except errors.DependentObjectsStillExist as error:
            detail = (error.diag.message_detail or "").split("\n")[0]
            return [f"{schema} stays: {detail}; that shows an old snapshot until it is made anew"]
        return []

    def _one(self, statement: str | sql.Composable, *values: Any) -> Any:
        found = self._all(statement, *values)
        return found[0][0] if found else None

    def _all(self, statement: str | sql.Composable, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found
