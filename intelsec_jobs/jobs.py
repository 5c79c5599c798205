"""Jobs: which assets run together. Everything here is a selection; order comes from the asset graph.

When a job runs is in `schedules` and `sensors`.
"""

from __future__ import annotations

import dagster as dg

from intelsec_assets import policies
from intelsec_assets.feeds.quality.checks import QUALITY_CHECKS

_STATE = dg.AssetSelection.groups("feeds", "indicators") | dg.AssetSelection.assets(
    "alert_dispositions", "export_plan", "daily_summary"
)
_FILES = dg.AssetSelection.assets("export_files")
_MISP = dg.AssetSelection.assets("misp_export")

# One process a run: steps are short and share nothing but files, a process each would cost seconds a step.
_TOGETHER = dg.in_process_executor


def _job(
    name: str, selection: dg.AssetSelection, description: str, snapshots: str = policies.SOURCES
) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=selection,
        executor_def=_TOGETHER,
        description=description,
        # what failed in a step fails again; steps that may recover have their own retry policy
        tags={"dagster/retry_on_asset_or_op_failure": "false", policies.SNAPSHOTS: snapshots},
    )


DAILY_INTEL = _job(
    "daily_intel",
    (_STATE | _FILES) - QUALITY_CHECKS,
    "A day from feeds to plan, exported files and summary. Reaches no other system than the feeds.",
)
EXPORT = _job("export", _MISP, "A day's plan to MISP. Refuses unless the day's checks passed.")
BACKFILL = _job(
    "backfill",
    _STATE - QUALITY_CHECKS,
    "Rebuild a past day from its stored snapshots. Writes to no target.",
    policies.STORED,
)
SUMMARY = _job("summary", dg.AssetSelection.assets("daily_summary"), "The figures of a day again.")
WAREHOUSE = _job(
    "warehouse_publish",
    dg.AssetSelection.groups("warehouse", "warehouse_staging", "warehouse_intermediate")
    | dg.AssetSelection.assets("export_writes", "export_attempts"),
    "Bring the warehouse up to the lake, test it, and replace the file that analysts open.",
)
DETECTIONS = _job(
    "cloud_detections",
    dg.AssetSelection.groups("detections"),
    "Days of audit logs from events to findings to alerts. Asks no one to do anything.",
)
DETECTION_OUTCOMES = _job(
    "detection_outcomes",
    dg.AssetSelection.assets("alert_events", "rule_quality", "feed_accuracy"),
    "What became of alerts, and what that says of the rules.",
)
QUALITY = _job(
    "quality",
    QUALITY_CHECKS | dg.AssetSelection.assets("quality_report"),
    "Put the expectations of every feed to a day, and report what is wrong by what it costs.",
)

JOBS = (DAILY_INTEL, EXPORT, BACKFILL, SUMMARY, WAREHOUSE, DETECTIONS, DETECTION_OUTCOMES, QUALITY)
