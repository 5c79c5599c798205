"""Dagster checks of the tables of detections: every one of them has some.

What they claim and how it is evaluated is in `invariants.py`; what a run learns of its sources is told in `assets.py`.
"""

from intelsec_assets.detections.invariants import (
    ACCURACY_INVARIANTS,
    ALERT_INVARIANTS,
    CONTEXT_INVARIANTS,
    DISPOSITION_INVARIANTS,
    EVENT_INVARIANTS,
    EVENTS_OF_ALERTS_INVARIANTS,
    FINDING_INVARIANTS,
    NETWORK_INVARIANTS,
    QUALITY_INVARIANTS,
    REJECTED_INVARIANTS,
)
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERT_EVENTS,
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    FEED_ACCURACY,
    PRINCIPAL_ASNS,
    REJECTED_AUDIT_RECORDS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.resources.lake_checks import table_checks

EVENT_CHECKS = table_checks(CLOUD_AUDIT_EVENTS.name, EVENT_INVARIANTS)
REJECTED_CHECKS = table_checks(REJECTED_AUDIT_RECORDS.name, REJECTED_INVARIANTS)
CONTEXT_CHECKS = table_checks(AUDIT_CONTEXT.name, CONTEXT_INVARIANTS)
NETWORK_CHECKS = table_checks(PRINCIPAL_ASNS.name, NETWORK_INVARIANTS)
FINDING_CHECKS = table_checks(SIGMA_FINDINGS.name, FINDING_INVARIANTS)
ALERT_CHECKS = table_checks(ALERTS.name, ALERT_INVARIANTS)
EVENTS_OF_ALERTS_CHECKS = table_checks(ALERT_EVENTS.name, EVENTS_OF_ALERTS_INVARIANTS)
DISPOSITION_CHECKS = table_checks(ALERT_DISPOSITIONS.name, DISPOSITION_INVARIANTS)
QUALITY_CHECKS = table_checks(RULE_QUALITY.name, QUALITY_INVARIANTS)
ACCURACY_CHECKS = table_checks(FEED_ACCURACY.name, ACCURACY_INVARIANTS)
