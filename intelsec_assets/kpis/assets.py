"""Assets of the numbers: the summary of the day and the published warehouse file.

Definitions of figures are in the pure modules beside this one.
"""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from intelsec_assets import policies
from intelsec_assets.kpis import summary
from intelsec_assets.kpis.warehouse import publish
from intelsec_assets.resources.lake import Lake, LakeFile
from intelsec_assets.resources.partition import build, listing, materialized, partition_day
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.tables import (
    DAILY_SUMMARY,
    EXPORT_PLAN,
    FEED_OVERLAPS,
    FEED_STATUS,
    INDICATOR_SCORES,
    INDICATORS,
    OBSERVATIONS,
    REJECTED_OBSERVATIONS,
    WARNINGLIST_HITS,
)

STATE_TABLES = (INDICATORS, INDICATOR_SCORES, FEED_OVERLAPS, WARNINGLIST_HITS, EXPORT_PLAN)  # as of the day
DAY_TABLES = (OBSERVATIONS, REJECTED_OBSERVATIONS, FEED_STATUS, DAILY_SUMMARY)  # every day of the window


@dg.asset(
    deps=[FEED_STATUS.name, INDICATORS.name, INDICATOR_SCORES.name, EXPORT_PLAN.name],
    group_name="kpis",
    partitions_def=policies.DAILY,
    kinds={"duckdb", "parquet"},
    owners=[policies.DATA_TEAM],
    code_version="1",
    freshness_policy=policies.FRESH_DAILY,
    description=f"{DAILY_SUMMARY.grain.capitalize()}.\n\nWhat `intelsec run` prints and `intelsec status` shows.",
)
def daily_summary(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day = workspace.lake(), partition_day(context)
    status, live = lake.read(FEED_STATUS.name, day), lake.read(INDICATORS.name, day)
    scores, plan = lake.read(INDICATOR_SCORES.name, day), lake.read(EXPORT_PLAN.name, day)
    window = _window(lake, FEED_STATUS.name, day)
    built = build(
        lake,
        DAILY_SUMMARY,
        day,
        lambda con: summary.summarise(
            con,
            day,
            status=lake.relation(con, status),
            window_status=[lake.relation(con, file) for file in window],
            indicators=lake.relation(con, live),
            scores=lake.relation(con, scores),
            plan=lake.relation(con, plan),
        ),
        inputs=[*window, live, scores, plan],
        code_version="1",
    )
    return materialized(DAILY_SUMMARY, built)


@dg.asset(
    deps=[table.name for table in (*STATE_TABLES, *DAY_TABLES)],
    group_name="kpis",
    partitions_def=policies.DAILY,
    kinds={"duckdb"},
    owners=[policies.DATA_TEAM],
    code_version="1",
    pool="warehouse",
    description="One published DuckDB file as of the day: the live tables, and the last seven days of observations, "
    "quarantine, feed health and summaries.\n\nReplaced whole; readers are never locked out and lock nobody out.",
)
def warehouse_snapshot(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day = workspace.lake(), partition_day(context)
    files = {table: [lake.read(table.name, day)] for table in STATE_TABLES}
    files |= {table: _window(lake, table.name, day) for table in DAY_TABLES}
    target = Path(workspace.home) / "warehouse" / "intelsec.duckdb"
    size = publish.publish(target, {table: [file.path for file in found] for table, found in files.items()})
    rows = sum(file.rows for found in files.values() for file in found)
    hashes = "".join(file.sha256 for found in files.values() for file in found)
    versions = hashlib.sha256(hashes.encode()).hexdigest()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": rows,
            "dagster/uri": target.as_uri(),
            "bytes": size,
            **listing(
                [
                    {"table": table.name, "rows": sum(f.rows for f in found), "grain": table.grain}
                    for table, found in files.items()
                ],
                {"table": "table of the file", "rows": "how many it holds", "grain": "what one row is"},
            ),
        },
        data_version=dg.DataVersion(versions),
    )


def _window(lake: Lake, asset: str, day: date) -> list[LakeFile]:
    """Partitions of the summary's window that the lake has, `day` last."""
    return [lake.read(asset, d) for d in lake.days(asset) if summary.window_start(day) <= d <= day]
