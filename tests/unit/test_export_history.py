"""Writes and attempts of the store as rows of the lake: each column, and the hash that says whether they changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import pyarrow as pa

from intelsec_assets import engine
from intelsec_assets.exports.history import attempts_table, news, writes_table
from intelsec_assets.records import ExportRun, Write
from intelsec_assets.resources.partition import rows_hash
from intelsec_assets.tables import EXPORT_ATTEMPTS, EXPORT_WRITES, Table

DAY = date(2026, 3, 4)
AT = datetime(2026, 3, 5, 4, 0, 1, 5, tzinfo=UTC)
ID = UUID("6ba7b810-9dad-5bd1-80b4-00c04fd430c8")
WRITE = Write(7, "misp", str(ID), "add", "phishing/2026-03", "ab" * 32, DAY, AT)
ATTEMPT = ExportRun("misp", DAY, "run-1", "succeeded", 1, 2, 3, 4, 5, "11 requests, 2 events", AT)


def as_written(rows: pa.Table, table: Table) -> list[dict]:
    """The rows in the columns and types that the lake gives them."""
    columns = ", ".join(f'"{c.name}"::{c.type} as "{c.name}"' for c in table.columns)
    with engine.quick_session() as con:
        names = [column.name for column in table.columns]
        return [dict(zip(names, row, strict=True)) for row in con.from_arrow(rows).project(columns).fetchall()]


def test_a_write_is_a_row_with_its_number_and_when_it_was_confirmed() -> None:
    assert as_written(writes_table([WRITE]), EXPORT_WRITES) == [
        {
            "day": DAY,
            "seq": 7,
            "target": "misp",
            "indicator_id": ID,
            "action": "add",
            "event": "phishing/2026-03",
            "content_hash": "ab" * 32,
            "confirmed_at": AT,
        }
    ]


def test_an_attempt_is_a_row_and_what_was_quarantined_is_refused() -> None:
    assert as_written(attempts_table({3: ATTEMPT}), EXPORT_ATTEMPTS) == [
        {
            "day": DAY,
            "seq": 3,
            "target": "misp",
            "status": "succeeded",
            "added": 1,
            "updated": 2,
            "withdrawn": 3,
            "unchanged": 4,
            "refused": 5,
            "detail": "11 requests, 2 events",
            "attempted_at": AT,
        }
    ]


def test_a_day_on_which_nothing_was_told_is_an_empty_table() -> None:
    assert as_written(writes_table([]), EXPORT_WRITES) == []
    assert as_written(attempts_table({}), EXPORT_ATTEMPTS) == []


def test_many_writes_keep_their_order() -> None:
    rows = writes_table(replace(WRITE, seq=seq) for seq in range(25_000))
    assert rows["seq"].to_pylist() == list(range(25_000))


def test_the_hash_is_of_the_rows_and_changes_with_any_of_them() -> None:
    other = replace(WRITE, seq=8, action="update")
    hashes = {
        rows_hash(writes_table(writes))
        for writes in ([], [WRITE], [other], [WRITE, other], [other, WRITE], [replace(WRITE, at=AT.replace(minute=1))])
    }
    assert len(hashes) == 6
    assert rows_hash(writes_table([WRITE, other])) == rows_hash(writes_table(iter([WRITE, other])))


def test_an_attempt_that_finds_everything_as_the_one_before_left_it_is_no_news() -> None:
    told = replace(ATTEMPT, target="files", status="succeeded", added=3)
    again = replace(told, added=0, updated=0, withdrawn=0, quarantined=0, unchanged=3)
    waits = replace(again, target="misp", status="open")
    away = replace(waits, status="unavailable")

    assert list(news({1: told, 2: waits, 3: again, 4: waits, 5: away, 6: away, 7: waits})) == [1, 2, 5, 7]


def test_an_attempt_that_changed_something_is_always_news() -> None:
    told = replace(ATTEMPT, added=1, status="succeeded")

    assert list(news({1: told, 2: told})) == [1, 2]
