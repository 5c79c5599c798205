"""What past days of a feed say: rows of its healthy days, and how they divided into kinds.

Read from the lake's files as they are handed in; what is usual follows in `anomalies`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

from intelsec_assets.feeds.catalogue_expectations import MIXES
from intelsec_assets.feeds.quality.anomalies import (
    LEAST_DAYS,
    LEAST_ROWS_OF_A_MIX,
    NONE,
    ColdStart,
    common_kinds,
    usual_mix,
    usual_volume,
)
from intelsec_assets.feeds.quality.batches import kind_of
from intelsec_assets.feeds.quality.expectations import Learnt, NotKnown


@dataclass(frozen=True)
class History:
    """A feed's healthy days before one: their rows, and their rows by kind for each column of MIXES that is asked for.

    `kinds` names the usual kinds, commonest first; others count together.
    """

    rows: Mapping[date, int] = field(default_factory=dict)
    mixes: Mapping[str, Mapping[date, Mapping[str, int]]] = field(default_factory=dict)
    kinds: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_history(
    con: duckdb.DuckDBPyConnection, rows: Mapping[date, int], files: Mapping[date, str], columns: Sequence[str]
) -> History:
    """The history from the rows of healthy days and the Parquet files of those days; `columns` are of MIXES."""
    days = {path: day for day, path in files.items() if day in rows}
    if len(days) < LEAST_DAYS:
        return History(dict(rows))
    mixes, kinds = {}, {}
    for column in columns:
        source = MIXES[column]
        kinds[column] = common_kinds(_counts(con, days, source).values())
        mixes[column] = _counts(con, days, source, kinds[column])
    return History(dict(rows), mixes, kinds)


def _counts(
    con: duckdb.DuckDBPyConnection, days: Mapping[str, date], source: str, kinds: Sequence[str] | None = None
) -> dict[date, dict[str, int]]:
    """Usable rows by day and kind; without `kinds` by what they say, a row with several tags once for each."""
    parameters: dict[str, Any] = {"paths": list(days)}
    if kinds is not None:
        kind, parameters["kinds"] = kind_of(source, "$kinds"), list(kinds)
    else:
        kind = "unnest(tags)" if source == "tags" else f"coalesce({source}, '{NONE}')"
    found = con.execute(
        f"select filename, {kind} as kind, count(*) from read_parquet($paths, filename = true, union_by_name = true) "  # noqa: S608 - names of our own
        "where reject_reason is null group by filename, kind",
        parameters,
    ).fetchall()
    counts: dict[date, dict[str, int]] = {}
    for path, name, count in found:
        counts.setdefault(days[path], {})[name] = count
    return counts


def figures(history: History, day: date, mix_rows: int) -> dict[str, Learnt | NotKnown]:
    """Figures of the placeholders that go with history, NotKnown while it is too short.

    `mix_rows` is how many usable rows of the day are looked at.
    """
    volume = usual_volume(history.rows, day)
    if isinstance(volume, ColdStart):
        names = ("rows_low", "rows_high", *MIXES, *(f"{column}_limit" for column in MIXES))
        return dict.fromkeys(names, NotKnown(str(volume)))
    found: dict[str, Learnt | NotKnown] = {
        "rows_low": Learnt(volume.low, volume.basis),
        "rows_high": Learnt(volume.high, volume.basis),
    }
    for column in MIXES:
        mix = usual_mix(history.mixes.get(column, {}), day, history.kinds.get(column, ()))
        if isinstance(mix, ColdStart):
            reason = f"{mix} with {LEAST_ROWS_OF_A_MIX} usable rows or more"
            found |= dict.fromkeys((column, f"{column}_limit"), NotKnown(reason))
        else:
            shares = {"values": list(mix.shares), "weights": list(mix.shares.values())}
            found[column] = Learnt(shares, mix.basis)
            found[f"{column}_limit"] = Learnt(mix.limit_for(max(mix_rows, 1)), mix.basis)
    return found
