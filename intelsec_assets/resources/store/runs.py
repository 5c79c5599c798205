"""Run records: which job ran for which day, how it ended and what it summed up to.

Dagster keeps its own history of steps; this is the one that survives a change of Dagster's storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from intelsec_assets.records import RUNNING, RunRecord
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Database, StoreError, upsert


class Runs:
    """Run records of a store."""

    _database: Database

    def start_run(self, run_id: str, job: str, day: date | None, at: datetime) -> None:
        """Record that a run began. A run that starts again under its old id begins anew."""
        with self._database.writing() as con:
            upsert(con, schema.runs, [asdict(RunRecord(run_id, job, day, RUNNING, at))])

    def finish_run(
        self, run_id: str, status: str, at: datetime, summary: Mapping[str, Any] | None = None, error: str | None = None
    ) -> None:
        """Record how a run ended (`succeeded` or `failed`). Raises StoreError for a run that was never started."""
        ended = {"status": status, "finished_at": at, "summary": dict(summary or {}), "error": error}
        with self._database.writing() as con:
            changed = con.execute(sa.update(schema.runs).where(schema.runs.c.run_id == run_id).values(ended)).rowcount
        if not changed:
            raise StoreError(f"store {self._database.place} knows no run {run_id!r}: start_run records it first")

    def runs(self, limit: int = 20) -> list[RunRecord]:
        """The latest runs, newest first."""
        newest = sa.select(schema.runs).order_by(schema.runs.c.started_at.desc(), schema.runs.c.run_id).limit(limit)
        with self._database.reading() as con:
            return [RunRecord(**row) for row in con.execute(newest).mappings()]

    def unfinished_runs(self) -> frozenset[str]:
        """Ids of the runs that never ended. To who holds the lock `run` they are those that were killed."""
        unfinished = sa.select(schema.runs.c.run_id).where(schema.runs.c.status == RUNNING)
        with self._database.reading() as con:
            return frozenset(con.scalars(unfinished))
