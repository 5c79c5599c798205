"""The canonical form of a whole table equals the canonical form of each of its values."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intelsec_assets.engine import quick_session
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.canonicalise import canonicalise
from tests.searching import examples
from tests.unit.canonical_values import declared_types, names, real_values, texts, urls

Values = list[tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def con():
    with quick_session() as connection:
        yield connection


def relation(con: duckdb.DuckDBPyConnection, values: Values) -> duckdb.DuckDBPyRelation:
    raw, declared = [value for value, _ in values], [kind for _, kind in values]
    return con.from_arrow(
        pa.table({"raw_value": pa.array(raw, pa.string()), "indicator_type": pa.array(declared, pa.string())})
    )


def assert_equals_scalar(con: duckdb.DuckDBPyConnection, values: Values) -> None:
    rows = canonicalise(con, relation(con, values)).to_arrow_table().to_pylist()
    assert len(rows) == len({(row["raw_value"], row["declared_type"]) for row in rows}) == len(set(values))
    assert {(row["raw_value"], row["declared_type"]) for row in rows} == set(values)
    for row in rows:
        form = canonical(row["raw_value"] or "", row["declared_type"])
        assert (row["indicator_type"], row["value"], tuple(row["canon_rules"])) == form[1:4]
        assert (row["error"], row["detail"]) == form[4:6]


# lone surrogates cannot reach a table
utf8 = st.one_of(texts, names, urls).map(lambda text: text.encode("utf-8", "replace").decode())


@examples(15)
@given(st.lists(st.tuples(utf8, declared_types), max_size=30))
@example(
    [("1.2.3.4", None), ("1.2.3.4", "domain"), ("1.2.3.4", "ipv4"), ("http://a.com", None), ("http://a.com", "domain")]
)
@example([("a" * 63, None), ("a" * 60 + ".com", None), ("http://" + "a" * 59 + ".com", None), ("é" * 5000, None)])
def test_a_table_gives_for_each_distinct_value_and_type_what_the_function_gives(values):
    with quick_session() as con:
        assert_equals_scalar(con, values)


def test_a_value_listed_often_is_one_row_and_a_null_value_is_an_empty_one(con):
    values: Values = [("a.com", None)] * 3 + [(None, None)] * 2
    rows = canonicalise(con, relation(con, values)).order("raw_value").to_arrow_table().to_pylist()
    assert [(row["raw_value"], row["error"]) for row in rows] == [("a.com", None), (None, "empty")]


def test_a_result_stays_valid_after_a_second_call_on_the_same_connection(con):
    first = canonicalise(con, relation(con, [("A.com", None)]))
    canonicalise(con, relation(con, [("B.com", None)]))
    assert first.to_arrow_table()["value"].to_pylist() == ["a.com"]


def test_an_oversize_value_is_refused_without_leaving_the_engine(con):
    rows = canonicalise(con, relation(con, [("x" * 5_000_000, None)])).to_arrow_table().to_pylist()
    assert rows[0]["detail"] == "found 5000000 bytes; expected at most 8192" == canonical("x" * 5_000_000).detail


@pytest.mark.needs("realdata")
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_table_of_real_values_gives_what_the_function_gives(con, realdata: Path, every: int):
    assert_equals_scalar(con, real_values(realdata)[::every])
