"""Amending a sorted table without sorting it: the same rows, in the same order, in the same bytes."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import ordered
from intelsec_assets.engine import session
from intelsec_assets.ordered import ROW_GROUP, Amended, OrderError
from tests.searching import examples

KEYS = st.dictionaries(
    st.tuples(st.sampled_from(["ipv4", "url"]), st.text("abé", max_size=3)), st.integers(0, 9), max_size=20
)


def _relation(con: duckdb.DuckDBPyConnection, name: str, rows: dict[tuple[str, str], int]) -> duckdb.DuckDBPyRelation:
    con.execute(f"create or replace table {name} (kind varchar, value varchar, id uuid, notes varchar[])")
    for (kind, value), note in sorted(rows.items(), key=lambda row: tuple(part.encode() for part in row[0])):
        con.execute(f"insert into {name} values (?, ?, md5(?)::uuid, [?])", [kind, value, value, str(note)])
    return con.table(name)


@examples(15)
@given(base=KEYS, changes=KEYS)
def test_amended_rows_are_the_base_with_the_changes_in_key_order(
    base: dict[tuple[str, str], int], changes: dict[tuple[str, str], int]
) -> None:
    with session(threads=1) as con, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "ROW_GROUP", 7)
        patch.setattr(ordered, "_SPLICE_SHARE", 1000.0)
        amended = Amended(con, _relation(con, "base", base), _relation(con, "changes", changes), ("kind", "value"))
        with amended._stream() as (_, batches):
            sizes, rows = [], []
            for batch in ordered._in_row_groups(batches):
                sizes.append(batch.num_rows)
                rows += [(row["kind"], row["value"], int(row["notes"][0])) for row in batch.to_pylist()]
        expected = sorted((base | changes).items(), key=lambda row: tuple(part.encode() for part in row[0]))
        assert rows == [(kind, value, note) for (kind, value), note in expected]
        assert all(size == 7 for size in sizes[:-1])
        assert sorted(rows) == sorted(amended.relation().select("kind, value, notes[1]::int").fetchall())


def _large(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> Amended:
    """Three row groups, of which every hundredth row is replaced, and as many are added."""
    path = tmp_path / "base.parquet"
    con.execute(
        "copy (select 'k' as kind, lpad(i::varchar, 7, '0') as value, md5(i::varchar)::uuid as id, ['old'] as notes "
        f"from range({3 * ROW_GROUP}) as t(i) order by value) to '{path}' (format parquet, row_group_size {ROW_GROUP})"
    )
    changes = con.sql(
        "select 'k' as kind, lpad((i * 100)::varchar, 7, '0') || if(i % 2 = 0, '', 'x') as value, "
        "md5('z' || i)::uuid as id, ['new'] as notes "
        f"from range({3 * ROW_GROUP // 100}) as t(i)"
    )
    return Amended(con, con.read_parquet(str(path)), changes, ("kind", "value"))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_splicing_writes_the_very_bytes_that_sorting_writes_whatever_the_threads(threads: int, tmp_path: Path) -> None:
    spliced, again = tmp_path / "spliced.parquet", tmp_path / "sorted.parquet"
    with session(threads=threads) as con:
        _large(con, tmp_path).write("kind, value, id, notes", spliced)
    with session(threads=1) as con, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ordered, "_SPLICE_SHARE", 0.0)
        _large(con, tmp_path).write("kind, value, id, notes", again)
    assert spliced.read_bytes() == again.read_bytes()


def test_a_base_out_of_order_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with session() as con:
        base = con.sql("from (values ('k', 'a'), ('k', 'c'), ('k', 'b'), ('k', 'd')) as t(kind, value)")
        change = con.sql("select 'k' as kind, 'e' as value")
        with pytest.raises(OrderError, match="rows near 'k:a' are not in key order"):
            Amended(con, base, change, ("kind", "value")).write("kind, value", tmp_path / "out.parquet")
        assert con.sql("select 1").fetchall() == [(1,)]


def test_without_a_base_the_changes_are_all_there_is(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with session() as con:
        Amended(con, None, con.sql("select 'k' as kind, unnest(['b', 'a']) as value"), ("kind", "value")).write(
            "kind, value", path
        )
        assert con.read_parquet(str(path)).fetchall() == [("k", "a"), ("k", "b")]
