"""Every figure of the kpi_ tables, counted again from the rows of lake and store by code that shares none of ours.

No SQL, no model and no function of the warehouse: Parquet files and the store's SQLite are read into Python.
"""

from __future__ import annotations

import math
import sqlite3
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from tests.warehouses import published_sample
from tests.workspaces import Workspace

DAY = timedelta(days=1)
A_HAIR = 1e-9  # scores are sums of doubles

Key = tuple[Any, ...]
Figures = dict[str, Any]


class Raw:
    """The sample's days as plain rows."""

    def __init__(self, workspace: Workspace) -> None:
        self.lake = workspace.home / "lake"
        self.days = sorted(date.fromisoformat(path.stem) for path in (self.lake / "indicators").glob("*.parquet"))
        catalogue = yaml.safe_load((workspace.data / "catalogue.yaml").read_text())
        self.threshold: float = catalogue["export"]["threshold"]
        self._store = workspace.home / "store.sqlite"

    def rows(self, table: str, day: date, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Cells of the day's rows; none if the day was never written."""
        path = self.lake / table / f"{day}.parquet"
        if path.exists():
            read = pq.read_table(path, columns=list(columns))
            yield from zip(*(read[column].to_pylist() for column in columns), strict=True)

    def ledger(self) -> set[tuple[str, str, str, date]]:
        """(target, indicator, state, day) as the store has confirmed."""
        con = sqlite3.connect(f"file:{self._store}?mode=ro", uri=True)
        try:
            found = con.execute("select target, indicator_id, state, day from intelsec_ledger").fetchall()
        finally:
            con.close()
        return {(target, indicator, state, date.fromisoformat(day)) for target, indicator, state, day in found}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


@pytest.fixture(scope="module")
def raw(workspace: Workspace) -> Raw:
    return Raw(workspace)


def published(workspace: Workspace, kpi: str, *dimensions: str) -> dict[Key, Figures]:
    """Rows of a kpi_ table by day and dimensions, as a reader of the file gets them."""
    with duckdb.connect(str(workspace.home / "warehouse" / "intelsec.duckdb"), read_only=True) as con:
        result = con.execute(f"select * from {kpi}")
        names = [column[0] for column in result.description]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    found = {tuple(row[name] for name in ("day", *dimensions)): row for row in rows}
    assert len(found) == len(rows), f"{kpi}: several rows of one key"
    return found


def figures(
    value: float | None,
    n: int,
    numerator: float,
    denominator: float,
    start: date,
    day: date,
    target: float | None,
) -> Figures:
    """What a row should say, from the counts."""
    if target is None:
        status = "none"
    elif value is None or n == 0:
        status = "insufficient"
    else:
        status = "met" if value >= target else "missed"
    return {
        "value": value,
        "n": n,
        "numerator": numerator,
        "denominator": denominator,
        "window_start": start,
        "window_end": day + DAY,
        "target": target,
        "comparator": ">=",
        "status": status,
        "as_of": datetime.combine(day + DAY, time(), UTC),
    }


def compare(told: dict[Key, Figures], counted: dict[Key, Figures]) -> None:
    """Every row is there, no other is, and every figure is the one that was counted."""
    assert told.keys() == counted.keys()
    for key, expected in counted.items():
        for name, figure in expected.items():
            found = told[key][name]
            same = (
                math.isclose(found, figure, abs_tol=A_HAIR) if isinstance(figure, float) and found else found == figure
            )
            assert same, f"{key} {name}: the table says {found}, counted {figure}"


def test_dedup_is_what_counting_the_accepted_rows_gives(workspace: Workspace, raw: Raw) -> None:
    listings: dict[tuple[date, str], int] = defaultdict(int)
    named: dict[tuple[date, str], set[tuple[str, str]]] = defaultdict(set)
    for day in raw.days:
        for feed, kind, value, times in raw.rows("observations", day, "feed", "indicator_type", "value", "listings"):
            for scope in ("", feed):
                listings[day, scope] += times
                named[day, scope].add((kind, value))

    counted: dict[Key, Figures] = {}
    for day in raw.days:
        feeds = [feed for (feed,) in raw.rows("feed_status", day, "feed")]
        for feed in ["", *feeds]:
            for window, length in (("day", 1), ("7d", 7)):
                span = [day - back * DAY for back in range(length)]
                total = sum(listings[d, feed] for d in span)
                distinct = len(set().union(*(named[d, feed] for d in span)))
                counted[day, "feed" if feed else "all", feed, window] = figures(
                    value=1 - distinct / total if total else None,
                    n=total,
                    numerator=float(total - distinct),
                    denominator=float(total),
                    start=span[-1],
                    day=day,
                    target=None if feed else 0.30,
                )

    assert len(counted) > 2 * len(raw.days)
    compare(published(workspace, "kpi_dedup", "scope", "feed", "window_name"), counted)


def test_feed_health_is_what_counting_held_days_gives(workspace: Workspace, raw: Raw) -> None:
    held = {
        (day, feed): bool(is_held) for day in raw.days for feed, is_held in raw.rows("feed_status", day, "feed", "held")
    }
    assert any(held.values())

    counted: dict[Key, Figures] = {}
    for day in raw.days:
        today = [is_held for (d, _), is_held in held.items() if d == day]
        windows = {("all", "", day): today}
        for feed in {feed for d, feed in held if d == day}:
            span = [day - back * DAY for back in range(7)]
            windows["feed", feed, span[-1]] = [held[d, feed] for d in span if (d, feed) in held]
        for (scope, feed, start), states in windows.items():
            healthy = states.count(False)
            counted[day, scope, feed] = figures(
                healthy / len(states), len(states), float(healthy), float(len(states)), start, day, 0.95
            )

    compare(published(workspace, "kpi_feed_health", "scope", "feed"), counted)


def test_the_score_distribution_is_what_counting_scores_gives(workspace: Workspace, raw: Raw) -> None:
    bounds = [low / 10 - A_HAIR for low in range(10)]
    counted: dict[Key, Figures] = {}
    for day in raw.days:
        found = Counter(
            (bisect_right(bounds, score) - 1, decision)
            for score, decision in raw.rows("indicator_scores", day, "score", "decision")
        )
        for low in range(10):
            for decision in ("export", "hold", "suppress"):
                number, live = float(found[low, decision]), found.total()
                counted[day, low / 10, (low + 1) / 10, decision] = figures(
                    number, live, number, float(live), day, day, None
                )
        assert found.total() == len(list(raw.rows("indicators", day, "indicator_id")))

    compare(published(workspace, "kpi_score_distribution", "bucket_low", "bucket_high", "decision"), counted)


def test_high_scores_exported_are_what_replaying_the_writes_gives(workspace: Workspace, raw: Raw) -> None:
    held: dict[str, set[str]] = {"files": set(), "misp": set()}
    counted: dict[Key, Figures] = {}
    for day in raw.days:
        scores = raw.rows("indicator_scores", day, "indicator_id", "score")
        high = {str(indicator) for indicator, score in scores if score >= raw.threshold - A_HAIR}
        told: dict[str, set[str]] = {"files": set(), "misp": set()}
        writes = raw.rows("export_writes", day, "seq", "target", "indicator_id", "action")
        for _, target, indicator, action in sorted(writes):
            if action == "withdraw":
                held[target].discard(str(indicator))
            else:
                held[target].add(str(indicator))
                told[target].add(str(indicator))
        for window, start, by_target, goal in (("day", day, told, None), ("to_date", raw.days[0], held, 100.0)):
            for target, indicators in {**by_target, "any": by_target["files"] | by_target["misp"]}.items():
                number = len(indicators & high)
                counted[day, target, window] = figures(
                    float(number),
                    len(high),
                    float(number),
                    float(len(high)),
                    start,
                    day,
                    goal if target == "any" else None,
                )

    compare(published(workspace, "kpi_high_score_exported", "target_system", "window_name"), counted)
    newest = raw.days[-1]
    active = {(target, indicator) for target, indicator, state, _ in raw.ledger() if state == "active"}
    assert active == {(target, indicator) for target, indicators in held.items() for indicator in indicators}
    assert counted[newest, "any", "to_date"]["value"] > 100
