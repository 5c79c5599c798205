"""Which row of a published table somebody means: grain columns in order, `column=value` pairs, an indicator's value.

What is done with the row is the business of `lineage`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from intelsec_assets.days import parse_day
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.kpis.warehouse.dictionary import Entry, describe, quoted
from intelsec_assets.kpis.warehouse.errors import WarehouseError

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHOWN = 8  # values or keys that a message lists
_MOST = 1000  # rows that are counted to say how many the words mean


class UnclearKey(WarehouseError):
    """The words name no row, or several; the message says what there is."""


@dataclass
class _Wanted:
    """Conditions in the making: each with its words for a message, its SQL and its values."""

    table: str
    conditions: list[tuple[str, str, list[Any]]] = field(default_factory=list)

    def add(self, said: str, sql: str, *values: Any) -> None:
        self.conditions.append((said, sql, list(values)))

    def where(self) -> tuple[str, list[Any]]:
        found = [sql for _, sql, _ in self.conditions] or ["true"]
        return " and ".join(found), [value for _, _, values in self.conditions for value in values]


def find_row(
    con: duckdb.DuckDBPyConnection, table: str, words: Sequence[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """(key, row) that the words mean in a table of the published file.

    Without a day it is the newest one. Raises UnknownTable or UnclearKey.
    """
    entry = describe(con, table)
    given = _given(entry, words)
    wanted = _Wanted(table)
    for column, word in given.items():
        _want(entry, wanted, column, word)
    where, values = wanted.where()
    if "day" in entry.key and "day" not in given:
        where = f"{where} and day = (select max(day) from {quoted(table)} where {where})"  # noqa: S608  names of the file
        values = values * 2
    result = con.execute(f"select * from {quoted(table)} where {where} limit {_MOST}", values)  # noqa: S608
    names = [name for name, *_ in result.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    if not rows:
        raise UnclearKey(_nothing(con, entry, wanted))
    if len(rows) > 1:
        raise UnclearKey(_several(entry, wanted, rows))
    (row,) = rows
    return {column: row[column] for column in entry.key}, row


def _given(entry: Entry, words: Sequence[str]) -> dict[str, str]:
    """The words by column: pairs as they say, the others in the order of the grain, a day left out where it may be."""
    columns = {column.name for column in entry.columns}
    pairs = [word.partition("=") for word in words]
    given = {name: value for name, sign, value in pairs if sign and name in columns}
    rest = [word for word, (name, sign, _) in zip(words, pairs, strict=True) if not (sign and name in columns)]
    places = [column for column in entry.key if column not in given]
    if places[:1] == ["day"] and rest and not _is_day(rest[0]):
        places = places[1:]
    if len(rest) > len(places):
        raise UnclearKey(
            f"{entry.name}: {len(rest)} values for {len(places)} columns ({', '.join(places) or 'none is left'}); "
            f"its key is {', '.join(entry.key)}: give its values in that order, or as column=value"
        )
    return given | dict(zip(places, rest, strict=False))


def _is_day(word: str) -> bool:
    try:
        parse_day(word)
    except ValueError:
        return False
    return True


def _want(entry: Entry, wanted: _Wanted, column: str, word: str) -> None:
    names = {c.name: c.type for c in entry.columns}
    if column in {"indicator_id", "value"} and {"indicator_type", "value"} <= set(names) and not _UUID.fullmatch(word):
        form = canonical(word)
        if form.error is not None:
            raise UnclearKey(f"{word!r} is no indicator: {form.detail}; give a value as a feed has it, or its UUID")
        wanted.add(f"value={form.value}", "value = ? and indicator_type = ?", form.value, form.indicator_type)
        return
    wanted.add(f"{column}={word}", f"{quoted(column)} = try_cast(? as {names[column]})", word)


def _nothing(con: duckdb.DuckDBPyConnection, entry: Entry, wanted: _Wanted) -> str:
    """Why there is no row: the first condition that no row meets, with what there is instead."""
    for said, sql, values in wanted.conditions:
        name = said.partition("=")[0]
        ((found,),) = con.execute(f"select count(*) from {quoted(entry.name)} where {sql}", values).fetchall()  # noqa: S608
        if found:
            continue
        known = con.execute(
            f"select distinct {quoted(name)} from {quoted(entry.name)} order by 1 desc limit {_SHOWN + 1}"  # noqa: S608
        ).fetchall()
        listed = ", ".join(repr(str(value)) for (value,) in known[:_SHOWN])
        more = ", …" if len(known) > _SHOWN else ""
        there = f"there are {listed}{more}" if known else "the table is empty"
        return f"{entry.name} has no row with {said}: {there}"
    said = " and ".join(words for words, _, _ in wanted.conditions)
    return f"{entry.name} has rows with each of {said}, but none with all of them"


def _several(entry: Entry, wanted: _Wanted, rows: Sequence[Mapping[str, Any]]) -> str:
    differing = [column for column in entry.key if len({row[column] for row in rows}) > 1]
    shown = "; ".join(" ".join(f"{column}={row[column]}" for column in differing) for row in rows[:_SHOWN])
    more = f"; and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    number = f"{len(rows):,} rows" if len(rows) < _MOST else f"{_MOST:,} rows or more"
    said = " and ".join(words for words, _, _ in wanted.conditions) or "nothing given"
    return f"{entry.name}: {said} means {number}; say which: {shown}{more}"
