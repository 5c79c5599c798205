"""The lake's tables over a span of days, some of which may have been built before their table had all its columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.resources.detection_history import History
from intelsec_assets.resources.lake import Lake, OutdatedPartition
from intelsec_assets.tables import Column, Table

FIRST, SECOND, THIRD = (date(2026, 3, day) for day in (4, 5, 6))
TABLE = Table(
    "numbers",
    "a number",
    (Column("number", "BIGINT", "It."), Column("name", "VARCHAR", "Of it."), Column("tags", "VARCHAR[]", "On it.")),
    sort_by=("number",),
)
ALL = "1 as number, 'one' as name, ['a'] as tags"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with duckdb.connect() as con:
        yield History(Lake(tmp_path), con, THIRD)


def built(history: History, day: date, *columns: str) -> None:
    """A day as it was built when its table had these columns."""
    table = replace(TABLE, columns=tuple(column for column in TABLE.columns if column.name in columns))
    rows = history.con.sql(f"select {ALL}")
    history.lake.write(history.con, table, TABLE.name, day, rows, fingerprint="", inputs={})


@pytest.mark.parametrize("older", [FIRST, SECOND], ids=["the older first", "the newer first"])
def test_a_day_from_before_a_column_is_named_with_the_columns_it_lacks_and_the_command(
    history: History, older: date
) -> None:
    for day in (FIRST, SECOND):
        built(history, day, *(["number"] if day == older else TABLE.column_names))

    with pytest.raises(OutdatedPartition, match=rf"^numbers of {older} .*: name, tags\. .*intelsec run --day {older}$"):
        history.table(TABLE)


def test_several_days_from_before_a_column_are_built_again_with_one_command(history: History) -> None:
    built(history, FIRST, "number", "tags")
    built(history, SECOND, "number", "name")
    built(history, THIRD, *TABLE.column_names)

    with pytest.raises(OutdatedPartition, match=rf"name, tags.* --from {FIRST} --to {SECOND}$"):
        history.table(TABLE)


def test_days_that_have_a_column_more_are_read_as_the_table_is_now(history: History) -> None:
    old = replace(TABLE, columns=(Column("gone", "BIGINT", "No more."), *TABLE.columns))
    rows = history.con.sql(f"select 9 as gone, {ALL}")
    history.lake.write(history.con, old, TABLE.name, FIRST, rows, fingerprint="", inputs={})
    built(history, SECOND, *TABLE.column_names)

    found = history.table(TABLE)

    assert found.columns == TABLE.column_names
    assert found.fetchall() == [(1, "one", ["a"])] * 2


def test_a_span_without_days_has_the_columns_of_its_table(history: History) -> None:
    found = history.table(ALERT_DISPOSITIONS)

    assert found.columns == ALERT_DISPOSITIONS.column_names
    assert found.fetchall() == []
