"""What an environment has declared on: schedules and sensors run only where INTELSEC_AUTOMATION names them.

Dagster's own toggle in the UI overrules this for good once used; here is only what a fresh instance starts with.
"""

from __future__ import annotations

from collections.abc import Collection

from intelsec_assets.settings import SettingsError

AUTOMATION = frozenset(
    {
        "daily_intel_schedule",
        "export_schedule",
        "warehouse_publish_schedule",
        "quality_schedule",
        "cloud_detections_schedule",
        "detection_outcomes_schedule",
        "audit_log_arrivals",
        "run_failure_notice",
        "score_automation",
    }
)


class UnknownAutomation(SettingsError):
    """INTELSEC_AUTOMATION names something that does not exist."""


def declared_on(names: Collection[str]) -> frozenset[str]:
    """The names as a set; `all` stands for every one. Raises UnknownAutomation that lists what is allowed."""
    if set(names) == {"all"}:
        return AUTOMATION
    unknown = sorted(set(names) - AUTOMATION)
    if unknown:
        allowed = ", ".join(sorted(AUTOMATION))
        raise UnknownAutomation(f"INTELSEC_AUTOMATION: unknown {', '.join(unknown)}; allowed are {allowed}, or all")
    return frozenset(names)
