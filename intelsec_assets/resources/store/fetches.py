"""What a feed's publisher last answered, so that the next request asks only for what changed.

The bytes themselves are kept by the raw store of `feeds`.
"""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from intelsec_assets.feeds.snapshot import FetchState, SnapshotFile
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Database, upsert


class Fetches:
    """Fetch states of a store."""

    _database: Database

    def fetch_state(self, feed: str) -> FetchState | None:
        """The last good answer of the feed's publisher, None before the first."""
        with self._database.reading() as con:
            row = con.execute(sa.select(schema.fetches).where(schema.fetches.c.feed == feed)).one_or_none()
        if row is None:
            return None
        return FetchState(row.url, row.etag, row.last_modified, tuple(SnapshotFile(**file) for file in row.files))

    def save_fetch_state(self, feed: str, state: FetchState) -> None:
        """Replace the feed's state."""
        with self._database.writing() as con:
            upsert(con, schema.fetches, [{"feed": feed, **asdict(state)}])
