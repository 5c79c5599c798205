"""Sessions of the engine: private to who opens them and gone afterwards, also where they share one engine."""

from __future__ import annotations

import duckdb
import pytest

from intelsec_assets import engine


def test_quick_sessions_do_not_see_one_anothers_tables() -> None:
    with engine.quick_session() as one, engine.quick_session() as other:
        one.execute("create table numbers as select 1 as n")
        one.execute("create temp table scratch as select 2 as n")
        one.sql("select 3 as n").create_view("seen", replace=True)

        for name in ("numbers", "scratch", "seen"):
            with pytest.raises(duckdb.CatalogException, match=name):
                other.sql(f"select * from {name}")


def test_a_quick_session_leaves_nothing_behind() -> None:
    with engine.quick_session() as con:
        con.execute("create table numbers as select range as n from range(1000)")

    with engine.quick_session() as con:
        catalogues = con.sql("select database_name from duckdb_databases() where not internal").fetchall()

    assert len(catalogues) == 2  # the engine's own and this session's


def test_a_quick_session_that_fails_half_way_through_a_result_leaves_nothing_behind() -> None:
    def fail() -> None:
        with engine.quick_session() as con:
            con.execute("begin")
            con.execute("create table numbers as select range as n from range(100000)")
            con.execute("select * from numbers").fetchone()
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        fail()

    with engine.quick_session() as con:
        assert len(con.sql("select database_name from duckdb_databases() where not internal").fetchall()) == 2


def test_instants_are_utc_in_both_kinds_of_session() -> None:
    for opened in (engine.session, engine.quick_session):
        with opened() as con:
            assert con.sql("select current_setting('TimeZone')").fetchall() == [("UTC",)]
