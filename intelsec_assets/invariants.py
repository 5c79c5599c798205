"""What an invariant of a table is: its name, whether it blocks, how it is evaluated, what evidence it gives.

The invariants themselves lie in each domain's `invariants.py`; `checks.py` beside them shows them to Dagster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb

SAMPLE = 5  # rows of evidence: enough to find the cause, little enough to read


@dataclass(frozen=True)
class Verdict:
    """Outcome of an invariant: how many rows break it, a few of them, and the bound they were held against."""

    passed: bool
    count: int = 0
    sample: tuple[Mapping[str, Any], ...] = ()
    threshold: str = "0"
    found: str = ""


@dataclass(frozen=True)
class Day:
    """The tables an invariant may look at, as relations on one connection; `before` holds the day before.

    `note` is what the rows of the table that is judged cannot say: what could not be asked when it was made.
    """

    day: date
    con: duckdb.DuckDBPyConnection
    tables: Mapping[str, duckdb.DuckDBPyRelation]
    before: Mapping[str, duckdb.DuckDBPyRelation] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Invariant:
    """A claim about the table `asset`. A blocking one stops what is downstream, exports before all.

    What it `needs` must lie upstream of `asset`: what is downstream waits for the claim.
    """

    asset: str
    name: str
    claim: str
    evaluate: Callable[[Day], Verdict]
    what_to_do: str
    blocking: bool = True
    needs: tuple[str, ...] = ()  # further tables of the same day
    needs_before: tuple[str, ...] = ()  # tables of the day before, where there is one


# Every table has this one; the lake itself evaluates it when the file is opened.
AS_WRITTEN = "file_is_as_written"


def none_of(rows: duckdb.DuckDBPyRelation) -> Verdict:
    """Passed if the relation, the rows that break the claim, is empty."""
    count = int(rows.aggregate("count(*)").fetchall()[0][0])
    if count == 0:
        return Verdict(passed=True)
    few = rows.limit(SAMPLE)
    names = few.columns
    sample = tuple({n: _plain(v) for n, v in zip(names, row, strict=True)} for row in few.fetchall())
    return Verdict(passed=False, count=count, sample=sample)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
