"""The ledger of what each export target has confirmed, the writes that led there, refusals, and attempts.

What must be sent is worked out in `exports` as the difference between a plan and this ledger.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date
from itertools import islice
from typing import Any

import sqlalchemy as sa

from intelsec_assets.records import ACTIVE, ADD, UPDATE, WITHDRAW, ExportRun, LedgerEntry, Refused, Write
from intelsec_assets.resources.store import schema
from intelsec_assets.resources.store.database import Beside, Database, upsert
from intelsec_assets.resources.store.locks import one_at_a_time

_IDS_A_STATEMENT = 500  # below the least limit of parameters a statement may have
_ROWS_A_FETCH = 10_000


class Ledger:
    """Confirmations, refusals and export attempts of a store."""

    _database: Database

    def confirmed(self, target: str) -> dict[str, LedgerEntry]:
        """Everything the target ever confirmed and holds or has withdrawn, by indicator_id, in its order."""
        table = schema.ledger
        rows = sa.select(
            table.c.indicator_id, table.c.event, table.c.content_hash, table.c.state, table.c.day, table.c.at
        )
        with self._database.reading() as con:
            found = con.execute(rows.where(table.c.target == target).order_by(table.c.indicator_id))
            return {row.indicator_id: LedgerEntry(*row) for row in found}

    def confirm(
        self,
        target: str,
        entries: Iterable[LedgerEntry],
        *,
        through: date | None = None,
        rewritten: Collection[str] = (),
    ) -> int:
        """Write what the target confirmed, all of it or nothing; rows of the ledger written.

        What differs from the ledger is a write and is logged with it. An entry that says what the ledger says is none,
        so that confirming again adds nothing; of `rewritten` it is one: the target had lost them and was told again.
        `through` says in the same transaction that the target now holds that day's plan in full.
        """
        again = frozenset(rewritten)
        # before the transaction: nobody waits for it
        rows = [{"target": target, **_row(entry), "again": entry.indicator_id in again} for entry in entries]
        with self._database.writing() as con:
            one_at_a_time(con, f"ledger {target}")  # what is a write follows from the entry before
            written = upsert(con, schema.ledger, rows, _LOGGED)
            if through is not None:
                known = _confirmed_day(con, target)
                upsert(con, schema.targets, [{"target": target, "confirmed_day": max(through, known or through)}])
        return written

    def writes(self, day: date) -> Iterator[Write]:
        """Every write for a day's plan, of all targets, in their order; read as they are asked for."""
        table = schema.writes
        found = sa.select(*table.columns).where(table.c.day == day).order_by(table.c.seq)
        with self._database.reading() as con:
            for row in con.execution_options(yield_per=_ROWS_A_FETCH).execute(found):
                yield Write(*row)

    def confirmed_day(self, target: str) -> date | None:
        """The last day whose plan the target holds in full; None if there is none."""
        with self._database.reading() as con:
            return _confirmed_day(con, target)

    def record_export(self, export: ExportRun) -> None:
        """Add an attempt."""
        with self._database.writing() as con:
            con.execute(sa.insert(schema.exports).values(asdict(export)))

    def exports(self, day: date | None = None, target: str | None = None, limit: int = 100) -> list[ExportRun]:
        """Attempts, newest first, of a day, of a target, or of all."""
        table = schema.exports
        found = sa.select(*(c for c in table.columns if c.name != "seq")).order_by(table.c.seq.desc()).limit(limit)
        if day is not None:
            found = found.where(table.c.day == day)
        if target is not None:
            found = found.where(table.c.target == target)
        with self._database.reading() as con:
            return [ExportRun(**row) for row in con.execute(found).mappings()]

    def days_told(self) -> set[date]:
        """Days whose plan somebody tried to tell a target."""
        with self._database.reading() as con:
            return set(con.scalars(sa.select(schema.exports.c.day).distinct()))

    def attempts(self, day: date) -> dict[int, ExportRun]:
        """Every attempt of a day by its number, in their order."""
        table = schema.exports
        found = sa.select(*table.columns).where(table.c.day == day).order_by(table.c.seq)
        with self._database.reading() as con:
            rows = [dict(row) for row in con.execute(found).mappings()]
        return {row.pop("seq"): ExportRun(**row) for row in rows}

    def quarantine(self, target: str, refused: Iterable[Refused]) -> None:
        """Write what the target refused; a later refusal of the same indicator replaces the earlier."""
        rows = [{"target": target, **_row(one)} for one in refused]
        with self._database.writing() as con:
            upsert(con, schema.quarantine, rows)

    def quarantined(self, target: str) -> dict[str, Refused]:
        """What the target refuses, by indicator_id, in its order."""
        table = schema.quarantine
        rows = sa.select(table.c.indicator_id, table.c.event, table.c.content_hash, table.c.reason, table.c.at)
        with self._database.reading() as con:
            found = con.execute(rows.where(table.c.target == target).order_by(table.c.indicator_id))
            return {row.indicator_id: Refused(*row) for row in found}

    def release(self, target: str, indicator_ids: Iterable[str]) -> int:
        """Take indicators out of quarantine, so that the next run tries them again; how many there were."""
        table, ids, released = schema.quarantine, iter(sorted(set(indicator_ids))), 0
        with self._database.writing() as con:
            while batch := list(islice(ids, _IDS_A_STATEMENT)):
                of_batch = (table.c.target == target) & table.c.indicator_id.in_(batch)
                released += con.execute(sa.delete(table).where(of_batch)).rowcount
        return released


def _writes_of(new: sa.FromClause) -> sa.Select[Any]:
    """Writes: of the entries to be, those that differ from the ledger as it is, and those told again."""
    known = schema.ledger
    action = sa.case((new.c.state != ACTIVE, WITHDRAW), (known.c.state == ACTIVE, UPDATE), else_=ADD)
    differs = (new.c[name] != known.c[name] for name in ("state", "event", "content_hash"))
    same = sa.and_(known.c.target == new.c.target, known.c.indicator_id == new.c.indicator_id)
    columns = [action.label("action") if c.name == "action" else new.c[c.name] for c in schema.writes.columns[1:]]
    found = sa.select(*columns).select_from(new.outerjoin(known, same)).order_by(new.c.indicator_id)
    return found.where(sa.or_(known.c.state.is_(None), *differs, new.c.again))


_LOGGED = Beside(schema.writes, {"again": sa.Boolean()}, _writes_of)


def _row(record: LedgerEntry | Refused) -> Mapping[str, Any]:
    # asdict copies deeply, which takes ten times as long for a hundred thousand rows of plain values
    return {name: getattr(record, name) for name in record.__slots__}


def _confirmed_day(con: sa.Connection, target: str) -> date | None:
    return con.scalar(sa.select(schema.targets.c.confirmed_day).where(schema.targets.c.target == target))
