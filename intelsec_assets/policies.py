"""Dagster policies as tables: partitions, owners, retries, freshness. One place to see what holds for which asset.

No logic and no asset lives here.
"""

from __future__ import annotations

import os
from datetime import timedelta

import dagster as dg

# Before any catalogue's first day; older history is opened by INTELSEC_FIRST_DAY. Every day needs the day before it, so
# this is only how far back the calendar in the UI goes, not where a lake starts.
FIRST_PARTITION = os.environ.get("INTELSEC_FIRST_DAY", "2026-01-01")
DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION, timezone="UTC")
# What happens is judged as it is delivered, not when its day is over: detections have today's partition too.
LIVE = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION, timezone="UTC", end_offset=1)
YESTERDAY = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)

# Tag of a run: `stored` = a day whose snapshots are stored is rebuilt from them, else sources are read again.
SNAPSHOTS, STORED, SOURCES = "intelsec/snapshots", "stored", "sources"

# Tags that Dagster gives to runs that nobody started by hand.
AUTOMATIC_TAGS = frozenset({"dagster/sensor_name", "dagster/schedule_name"})

INTEL_TEAM = "team:intel"
SECOPS_TEAM = "team:secops"
DATA_TEAM = "team:data"

# A feed or a server that does not answer may answer in a minute; anything else fails the same way again.
RETRY_EDGES = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

# The daily run starts at 02:30 UTC and takes minutes: a table older than this missed a day.
FRESH_DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=28))
