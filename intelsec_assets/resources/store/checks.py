"""Check results: what every check found on every partition, each time it ran, with the evidence.

Whether a result lets an export go on is decided in `exports`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date

import sqlalchemy as sa

from intelsec_assets.records import CheckResult
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Database


class Checks:
    """Check results of a store."""

    _database: Database

    def record_checks(self, results: Iterable[CheckResult]) -> None:
        """Add results; earlier ones of the same check and partition are kept as history."""
        rows = [asdict(result) for result in results]
        if rows:
            with self._database.writing() as con:
                con.execute(sa.insert(schema.checks), rows)

    def latest_checks(self, day: date, assets: Iterable[str] | None = None) -> list[CheckResult]:
        """The last recorded result of each check on the day's partition, by asset and check. `assets` None = all."""
        table = schema.checks
        latest = sa.select(sa.func.max(table.c.seq)).where(table.c.day == day).group_by(table.c.asset, table.c.check)
        if assets is not None:
            latest = latest.where(table.c.asset.in_(sorted(assets)))
        found = sa.select(*(c for c in table.columns if c.name != "seq")).where(table.c.seq.in_(latest))
        with self._database.reading() as con:
            rows = [CheckResult(**row) for row in con.execute(found).mappings()]
        return sorted(rows, key=lambda result: (result.asset, result.check))
