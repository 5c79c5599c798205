"""Dagster checks of the tables of detections.

What they claim and how it is evaluated is in `invariants.py`.
"""

from intelsec_assets.detections.invariants import (
    ALERT_INVARIANTS,
    CONTEXT_INVARIANTS,
    EVENT_INVARIANTS,
    FINDING_INVARIANTS,
    QUALITY_INVARIANTS,
)
from intelsec_assets.detections.tables import ALERTS, AUDIT_CONTEXT, CLOUD_AUDIT_EVENTS, RULE_QUALITY, SIGMA_FINDINGS
from intelsec_assets.resources.lake_checks import table_checks

EVENT_CHECKS = table_checks(CLOUD_AUDIT_EVENTS.name, EVENT_INVARIANTS)
CONTEXT_CHECKS = table_checks(AUDIT_CONTEXT.name, CONTEXT_INVARIANTS)
FINDING_CHECKS = table_checks(SIGMA_FINDINGS.name, FINDING_INVARIANTS)
ALERT_CHECKS = table_checks(ALERTS.name, ALERT_INVARIANTS)
QUALITY_CHECKS = table_checks(RULE_QUALITY.name, QUALITY_INVARIANTS)
