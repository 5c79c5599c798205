"""Notices for people: what went wrong or needs a decision, in the order in which it was noticed.

Sending them anywhere is the business of the sensors.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from intelsec_assets.records import Notice
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Database


class Notices:
    """Notices of a store."""

    _database: Database

    def add_notice(self, kind: str, subject: str, text: str, at: datetime) -> None:
        """Add a notice."""
        with self._database.writing() as con:
            con.execute(sa.insert(schema.notices).values(asdict(Notice(kind, subject, text, at))))

    def notices(self, limit: int = 20) -> list[Notice]:
        """The latest notices, newest first."""
        table = schema.notices
        newest = sa.select(*(c for c in table.columns if c.name != "seq")).order_by(table.c.seq.desc()).limit(limit)
        with self._database.reading() as con:
            return [Notice(**row) for row in con.execute(newest).mappings()]
