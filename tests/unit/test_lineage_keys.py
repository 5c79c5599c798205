"""Which row of a table a person means: by its key in order, in pairs, by an indicator's value, or not clearly."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.indicators.identity import indicator_id
from intelsec_assets.kpis.warehouse.dictionary import UnknownTable, hint
from intelsec_assets.kpis.warehouse.keys import UnclearKey, find_row

GATE = indicator_id("domain", "lantern-gate.example")
OTHER = indicator_id("ipv4", "203.0.113.7")
MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file of two tables and two days."""
    with engine.quick_session() as con:
        con.execute(
            "create table about (table_name varchar, grain varchar, key_columns varchar, row_count bigint, "
            "newest_day date, description varchar)"
        )
        con.execute(
            "create table fct_indicator_day (day date, indicator_id uuid, indicator_type varchar, value varchar)"
        )
        con.execute("create table kpi_dedup (day date, scope varchar, feed varchar, window_name varchar, value double)")
        con.execute(
            "insert into about values ('fct_indicator_day', 'one', 'day, indicator_id', 3, '2026-03-03', 'one')"
        )
        con.execute(
            "insert into about values ('kpi_dedup', 'one', 'day, scope, feed, window_name', 4, '2026-03-03', 'one')"
        )
        for day in (MONDAY, TUESDAY):
            con.execute("insert into fct_indicator_day values (?, ?, 'domain', 'lantern-gate.example')", [day, GATE])
            con.execute(
                "insert into kpi_dedup values (?, 'all', '', 'day', 0.3), (?, 'feed', 'tally', 'day', 0)", [day, day]
            )
        con.execute("insert into fct_indicator_day values (?, ?, 'ipv4', '203.0.113.7')", [TUESDAY, OTHER])
        yield con


@pytest.mark.parametrize(
    "words",
    [
        ["2026-03-03", str(GATE)],
        ["2026-03-03", "lantern-gate.example"],
        ["indicator_id=lantern-gate[.]example"],
        ["indicator_id=Lantern-Gate[.]example", "day=2026-03-03"],
        ["value=LANTERN-GATE.example"],
    ],
)
def test_an_indicator_is_named_by_its_id_or_by_its_value_however_it_is_spelled(
    con: duckdb.DuckDBPyConnection, words: list[str]
) -> None:
    key, row = find_row(con, "fct_indicator_day", words)

    assert key == {"day": TUESDAY, "indicator_id": GATE}
    assert row["value"] == "lantern-gate.example"


def test_without_a_day_it_is_the_newest(con: duckdb.DuckDBPyConnection) -> None:
    assert find_row(con, "kpi_dedup", ["all"])[0]["day"] == TUESDAY
    assert find_row(con, "kpi_dedup", ["2026-03-02", "all"])[0]["day"] == MONDAY


def test_an_empty_word_is_a_value_too(con: duckdb.DuckDBPyConnection) -> None:
    key, _ = find_row(con, "kpi_dedup", ["2026-03-02", "all", "", "day"])

    assert key == {"day": MONDAY, "scope": "all", "feed": "", "window_name": "day"}


@pytest.mark.parametrize(
    ("table", "words", "message"),
    [
        (
            "kpi_dedup",
            ["2026-03-02"],
            "kpi_dedup: day=2026-03-02 means 2 rows; say which: scope=all feed=; scope=feed feed=tally",
        ),
        ("kpi_dedup", ["scope=host"], "kpi_dedup has no row with scope=host: there are 'feed', 'all'"),
        ("kpi_dedup", ["2026-04-01"], "no row with day=2026-04-01: there are '2026-03-03', '2026-03-02'"),
        ("kpi_dedup", ["all", "tally"], "has rows with each of scope=all and feed=tally, but none with all of them"),
        ("kpi_dedup", ["2026-03-02", "all", "", "day", "more"], "5 values for 4 columns"),
        ("fct_indicator_day", ["not an indicator"], "'not an indicator' is no indicator"),
    ],
)
def test_words_that_name_no_row_or_several_say_what_there_is(
    con: duckdb.DuckDBPyConnection, table: str, words: list[str], message: str
) -> None:
    with pytest.raises(UnclearKey) as raised:
        find_row(con, table, words)

    assert message in str(raised.value)


def test_an_unknown_table_says_which_comes_near(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UnknownTable, match="did you mean fct_indicator_day"):
        find_row(con, "fct_indicators", [])
    with pytest.raises(UnknownTable, match="there are kpi_dedup, fct_indicator_day"):
        find_row(con, "blueprints", [])


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select scor from kpi_dedup", "kpi_dedup has day, scope, feed, window_name, value"),
        ("select 1 from blueprints", "there are kpi_dedup, fct_indicator_day"),
        ("select 1 from kpi_dedupe", ""),  # DuckDB names it itself
        ("select", ""),
    ],
)
def test_errors_of_a_query_get_what_helps(con: duckdb.DuckDBPyConnection, sql: str, expected: str) -> None:
    with pytest.raises(duckdb.Error) as raised:
        con.execute(sql)

    assert hint(con, str(raised.value), sql) == expected
