"""Declarative automation, scoped: scores follow their inputs once the blocking checks of these passed.

One sensor for named assets, so that no other asset is ever started by a condition nobody watches.
"""

from __future__ import annotations

import dagster as dg


def build_score_automation(*, running: bool) -> dg.AutomationConditionSensorDefinition:
    """The sensor, running or stopped at first."""
    return dg.AutomationConditionSensorDefinition(
        name="score_automation",
        description="Scores a day again when its indicators or list hits changed and their blocking checks passed.",
        target=dg.AssetSelection.assets("indicator_scores"),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
