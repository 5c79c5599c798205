"""The store as one object: opened by URL, brought to the newest schema, closed at the end.

Each kind of row is read and written in a module of its own; here they are put together.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from intelsec_assets.resources.store.alerts import Alerts
from intelsec_assets.resources.store.checks import Checks
from intelsec_assets.resources.store.database import Database, connect
from intelsec_assets.resources.store.fetches import Fetches
from intelsec_assets.resources.store.ledger import Ledger
from intelsec_assets.resources.store.locks import locked
from intelsec_assets.resources.store.notices import Notices
from intelsec_assets.resources.store.runs import Runs
from intelsec_assets.resources.store.versions import migrate


class Store(Runs, Checks, Ledger, Fetches, Notices, Alerts):
    """The operational store. Safe for threads and for several processes at once; instants come back aware, in UTC."""

    def __init__(self, database: Database) -> None:
        """Take a database that is at the newest schema; `open` makes one."""
        self._database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """Open `sqlite:///<file>` or `postgresql://user:password@host:port/database`, made or migrated if need be.

        Raises StoreError for an address that cannot work, StoreUnavailable if the database cannot be reached, read or
        written, NewerSchema if a newer intelsec wrote it.
        """
        database = connect(url)
        try:
            migrate(database)
        except BaseException:
            database.engine.dispose()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self._database.engine.dispose()

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock while a block runs. Raises LockHeld at once if it is held; a holder that dies frees it."""
        return locked(self._database, name)

    @property
    def place(self) -> str:
        """Where the store is, without secrets."""
        return self._database.place

    def __repr__(self) -> str:
        """The store's place, without secrets."""
        return f"Store({self.place})"

    def __enter__(self) -> Self:
        """The store itself."""
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
