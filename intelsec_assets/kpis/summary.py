"""The day in figures: rows a feed, dedup ratios with their window, decisions, planned changes.

Figures only; how they are shown to people belongs to the command.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce

import duckdb

from intelsec_assets.engine import read_sql, sql_text

# A dedup ratio means nothing without its window: one day of real lists repeats 15 to 30 %, a week of them 67 to 99 %.
WINDOW = timedelta(days=7)


def window_start(day: date) -> date:
    """First day of the window that ends with `day`."""
    return day - WINDOW + timedelta(days=1)


def summarise(
    con: duckdb.DuckDBPyConnection,
    day: date,
    *,
    status: duckdb.DuckDBPyRelation,
    window_status: Sequence[duckdb.DuckDBPyRelation],
    indicators: duckdb.DuckDBPyRelation,
    scores: duckdb.DuckDBPyRelation,
    plan: duckdb.DuckDBPyRelation,
) -> duckdb.DuckDBPyRelation:
    """Rows of DAILY_SUMMARY. `window_status` is FEED_STATUS of every day of the window there is, `day` among them.

    A dedup ratio is 1 - distinct indicators / listings: a row of an aggregator stands for as many listings as it says.
    """
    status.create_view("summary_status", replace=True)
    reduce(lambda a, b: a.union(b), window_status).create_view("summary_window", replace=True)
    indicators.create_view("summary_indicators", replace=True)
    scores.create_view("summary_scores", replace=True)
    plan.create_view("summary_plan", replace=True)
    sql = read_sql("intelsec_assets.kpis", "summary")
    literals = {"$day": f"date {sql_text(str(day))}", "$window_start": f"date {sql_text(str(window_start(day)))}"}
    for name in sorted(literals, key=len, reverse=True):
        sql = sql.replace(name, literals[name])
    return con.sql(sql)
