"""Asset of the numbers: the summary of the day. The warehouse has its own, in `warehouse.assets`.

Definitions of figures are in the pure modules beside this one.
"""

from datetime import date
from typing import Any

import dagster as dg

from intelsec_assets import policies
from intelsec_assets.kpis import summary
from intelsec_assets.resources.lake import Lake, LakeFile
from intelsec_assets.resources.partition import build, materialized, partition_day
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.tables import DAILY_SUMMARY, EXPORT_PLAN, FEED_STATUS, INDICATOR_SCORES, INDICATORS


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


def _window(lake: Lake, asset: str, day: date) -> list[LakeFile]:
    """Partitions of the summary's window that the lake has, `day` last."""
    return [lake.read(asset, d) for d in lake.days(asset) if summary.window_start(day) <= d <= day]
