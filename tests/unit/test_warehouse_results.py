"""Results written out: exact for programs, readable for people, harmless whatever a feed wrote."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from intelsec_assets.kpis.warehouse import results
from intelsec_assets.kpis.warehouse.reading import Result


@dataclass
class Rows:
    """What a result looks like to those who write it out."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    values: Sequence[tuple[Any, ...]]

    def batches(self) -> Iterator[list[tuple[Any, ...]]]:
        for row in self.values:
            yield [row]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        yield from self.values

    def arrow(self) -> Iterator[pa.RecordBatch]:
        arrays = [pa.array(list(column)) for column in zip(*self.values, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(self.columns))
        yield batch.slice(0, 0)
        yield batch


def result(columns: str, types: str, *values: tuple[Any, ...]) -> Result:
    return cast("Result", Rows(tuple(columns.split()), tuple(types.split()), values))


def as_csv(found: Result) -> str:
    out = io.StringIO()
    results.write_csv(found, out)
    return out.getvalue()


def shown(found: Result, **more: int) -> str:
    console = Console(file=io.StringIO(), width=200, no_color=True)
    console.print(results.as_table(found, **more))
    return cast("io.StringIO", console.file).getvalue()


# ---------------------------------------------------------------- CSV


def test_csv_tells_null_from_an_empty_text() -> None:
    assert as_csv(result("a b", "VARCHAR VARCHAR", (None, ""), ("x", None))) == 'a,b\n,""\nx,\n'


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_in_csv_begins_a_formula_and_numbers_stay_numbers(sign: str) -> None:
    found = result("a b c", "VARCHAR BIGINT DOUBLE", (f"{sign}cmd", -5, -0.5))
    ((text, whole, half),) = list(csv.reader(io.StringIO(as_csv(found).split("\n", 1)[1], newline="")))
    assert (text, whole, half) == (f"'{sign}cmd", "-5", "-0.5")


def test_a_column_named_like_a_formula_is_none() -> None:
    assert as_csv(cast("Result", Rows(("=1+1",), ("INTEGER",), [(2,)]))) == "'=1+1\n2\n"


@given(
    st.lists(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda t: t[0] not in "=+-@\t\r\n"), min_size=1)
)
def test_any_text_comes_back_out_of_csv(texts: list[str]) -> None:
    found = cast("Result", Rows(tuple("abcdefgh"[:1]), ("VARCHAR",), [(text,) for text in texts]))
    assert [row[0] for row in csv.reader(io.StringIO(as_csv(found), newline=""))][1:] == texts


def test_instants_are_written_in_utc_and_lists_as_json() -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    found = result("a b c d", "TIMESTAMPTZ DATE VARCHAR[] BOOLEAN", (moment, date(2026, 3, 1), ["x", "ü"], True))
    assert as_csv(found).split("\n")[1] == '2026-03-01 12:00:00Z,2026-03-01,"[""x"", ""ü""]",true'


# ---------------------------------------------------------------- JSON


def as_json(found: Result) -> Any:
    out = io.StringIO()
    written = results.write_json(found, out)
    rows = json.loads(out.getvalue())
    assert written == len(rows)
    return rows


def test_json_is_an_array_of_objects_a_line_each() -> None:
    out = io.StringIO()
    results.write_json(result("a b", "BIGINT VARCHAR", (1, "x"), (2, None)), out)
    assert out.getvalue() == '[\n{"a": 1, "b": "x"},\n{"a": 2, "b": null}\n]\n'


def test_no_rows_are_an_empty_array() -> None:
    assert as_json(result("a", "BIGINT")) == []


def test_json_has_every_kind_of_value() -> None:
    values = (
        datetime(2026, 3, 1, tzinfo=UTC),
        date(2026, 3, 1),
        UUID(int=7),
        Decimal("1.50"),
        Decimal(7),
        float("nan"),
        float("-inf"),
        b"\x00\xff",
        ["a", Decimal("0.5")],
        {"k": date(2026, 3, 2)},
        timedelta(days=1),
    )
    found = cast("Result", Rows(tuple("abcdefghijk"), ("X",) * 11, [values]))
    assert list(as_json(found)[0].values()) == [
        "2026-03-01T00:00:00Z",
        "2026-03-01",
        "00000000-0000-0000-0000-000000000007",
        1.5,
        7,
        None,
        None,
        "00ff",
        ["a", 0.5],
        {"k": "2026-03-02"},
        "1 day, 0:00:00",
    ]


def test_columns_of_one_name_are_told_apart() -> None:
    assert as_json(result("n n n_2 n", "A B C D", (1, 2, 3, 4))) == [{"n": 1, "n_2": 2, "n_2_2": 3, "n_3": 4}]


@given(st.lists(st.sampled_from(["n", "n_2", "n_3", "m", "n_2_2"])))
def test_names_that_are_told_apart_are_all_different(names: list[str]) -> None:
    told = results.distinct(names)
    assert len(set(told)) == len(names)
    assert results.distinct(told) == told


# ---------------------------------------------------------------- Parquet


def test_parquet_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.write_bytes(b"older")
    assert results.write_parquet(result("a a", "BIGINT VARCHAR", (1, "x"), (2, None)), path) == 2
    assert pq.read_table(path).to_pydict() == {"a": [1, 2], "a_2": ["x", None]}
    assert [file.name for file in tmp_path.iterdir()] == ["out.parquet"]


def test_a_result_that_breaks_off_leaves_the_older_file(tmp_path: Path) -> None:
    class Broken(Rows):
        def arrow(self) -> Iterator[pa.RecordBatch]:
            yield from super().arrow()
            raise RuntimeError

    path = tmp_path / "out.parquet"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError):
        results.write_parquet(cast("Result", Broken(("a",), ("BIGINT",), [(1,)])), path)
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["out.parquet"]


# ---------------------------------------------------------------- a table for people


def test_a_table_shows_null_and_cuts_what_is_long() -> None:
    text = shown(result("value n", "VARCHAR BIGINT", ("x" * 100, 7), (None, 1234)), cell=10)
    assert [line.rstrip() for line in text.splitlines()] == ["value          n", "xxxxxxxxx…     7", "NULL        1234"]


def test_a_terminal_obeys_nothing_that_stands_in_a_cell() -> None:
    evil = "\x1b[2J\x07a\u202eb\nc[bold]d[/bold]\x9b1m"
    text = shown(result("v", "VARCHAR", (evil,)))
    assert r"\x1b[2J\x07a\u202eb\nc[bold]d[/bold]\x9b1m" in text
    assert not any(sign in text for sign in "\x1b\x07\u202e\x9b")


@given(st.text(max_size=30))
def test_whatever_is_printed_is_printable(text: str) -> None:
    assert results.printable(text).isprintable()
