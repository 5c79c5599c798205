"""Dagster checks of the observations and the health of the feeds.

What they claim and how it is evaluated is in `invariants.py`.
"""

from intelsec_assets.feeds.invariants import OBSERVATION_INVARIANTS, STATUS_INVARIANTS
from intelsec_assets.resources.lake_checks import table_checks

OBSERVATION_CHECKS = table_checks("observations", OBSERVATION_INVARIANTS)
STATUS_CHECKS = table_checks("feed_status", STATUS_INVARIANTS)
