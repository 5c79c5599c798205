"""Dagster checks of the indicators and their scores.

What they claim and how it is evaluated is in `invariants.py`.
"""

from intelsec_assets.indicators.invariants import INDICATOR_INVARIANTS, SCORE_INVARIANTS
from intelsec_assets.resources.lake_checks import table_checks

INDICATOR_CHECKS = table_checks("indicators", INDICATOR_INVARIANTS)
SCORE_CHECKS = table_checks("indicator_scores", SCORE_INVARIANTS)
