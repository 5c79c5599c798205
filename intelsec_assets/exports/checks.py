"""Dagster checks of the export plan.

What they claim and how it is evaluated is in `invariants.py`.
"""

from intelsec_assets.exports.invariants import PLAN_INVARIANTS
from intelsec_assets.resources.lake_checks import table_checks

PLAN_CHECKS = table_checks("export_plan", PLAN_INVARIANTS)
