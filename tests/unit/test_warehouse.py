"""The published warehouse file: replaced whole, open to readers at any time, in a format that older clients read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.kpis.warehouse.publish import publish
from intelsec_assets.tables import Column, Table

NUMBERS = Table("numbers", "one 'number' of a day", (Column("n", "BIGINT", "it's the number"),), ("n",))


def parquet(folder: Path, name: str, first: int, last: int) -> Path:
    path = folder / f"{name}.parquet"
    with engine.session() as con:
        con.execute(f"copy (select i as n from range({first}, {last}) r(i)) to '{path}' (format parquet)")
    return path


def rows(target: Path) -> list[int]:
    with duckdb.connect(str(target), read_only=True) as con:
        return [n for (n,) in con.sql("select n from numbers order by n").fetchall()]


def test_the_days_of_a_table_come_together_in_one(tmp_path: Path) -> None:
    days = [parquet(tmp_path, "monday", 0, 3), parquet(tmp_path, "tuesday", 3, 5)]
    target = tmp_path / "warehouse" / "intelsec.duckdb"
    assert publish(target, {NUMBERS: days}) == target.stat().st_size
    assert rows(target) == [0, 1, 2, 3, 4]


def test_a_table_without_files_is_there_and_empty(tmp_path: Path) -> None:
    publish(tmp_path / "w.duckdb", {NUMBERS: []})
    assert rows(tmp_path / "w.duckdb") == []


def test_tables_and_columns_say_what_they_are(tmp_path: Path) -> None:
    publish(tmp_path / "w.duckdb", {NUMBERS: []})
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as con:
        assert con.sql("select comment from duckdb_tables()").fetchall() == [(NUMBERS.grain,)]
        assert con.sql("select comment from duckdb_columns() where not internal").fetchall() == [("it's the number",)]


def test_the_file_has_the_format_that_duckdb_1_reads(tmp_path: Path) -> None:
    publish(tmp_path / "w.duckdb", {NUMBERS: []})
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as con:
        ((tags,),) = con.sql("select tags from duckdb_databases() where database_name = 'w'").fetchall()
    assert tags["storage_version"].startswith("v1.4.0")


def test_a_reader_with_the_old_file_open_keeps_it_and_the_next_one_sees_the_new(tmp_path: Path) -> None:
    target = tmp_path / "w.duckdb"
    publish(target, {NUMBERS: [parquet(tmp_path, "old", 0, 2)]})
    with duckdb.connect(str(target), read_only=True) as reader:
        publish(target, {NUMBERS: [parquet(tmp_path, "new", 7, 9)]})
        assert reader.sql("select count(*), max(n) from numbers").fetchall() == [(2, 1)]
    assert rows(target) == [7, 8]


def test_a_publication_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "warehouse" / "w.duckdb"
    publish(target, {NUMBERS: [parquet(tmp_path, "old", 0, 2)]})
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(duckdb.Error, match=r"torn\.parquet"):
        publish(target, {NUMBERS: [tmp_path / "torn.parquet"]})
    assert rows(target) == [0, 1]
    assert [path.name for path in target.parent.iterdir()] == ["w.duckdb"]
