"""The lake's tables about detections over a span of days, on one connection: what judging the past reads.

What is concluded from them is `detections.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from intelsec_assets.days import previous_day
from intelsec_assets.detections.quality.rule_facts import facts_of, volume_of
from intelsec_assets.detections.quality.rule_quality import QualityPolicy, RuleQuality, rule_quality
from intelsec_assets.detections.quality.verdicts import new_name
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.resources.lake import Lake, LakeFile, OutdatedPartition
from intelsec_assets.tables import Table

if TYPE_CHECKING:  # pySigma takes its time to load
    from intelsec_assets.detections.sigma.rules import RuleSet

# without a row of context nothing is known of an event
_CONTEXT = ", ".join(
    f'coalesce(c."{column.name}", \'unknown\') as "{column.name}"'
    if column.name.endswith(".state")
    else f'c."{column.name}"'
    for column in AUDIT_CONTEXT.columns
    if column.name.startswith("context.")
)


@dataclass(frozen=True)
class History:
    """Tables of a lake as they stand at the end of the day `as_of`."""

    lake: Lake
    con: duckdb.DuckDBPyConnection
    as_of: date

    def files(self, table: Table, first: date | None = None, last: date | None = None) -> list[LakeFile]:
        """Partitions from `first` (default: the lake's first) to `last` (default: as of), proved unchanged."""
        days = [d for d in self.lake.days(table.name) if (first is None or first <= d) and d <= (last or self.as_of)]
        return [self.lake.read(table.name, day) for day in days]

    def table(self, table: Table, first: date | None = None, last: date | None = None) -> duckdb.DuckDBPyRelation:
        """Their rows; empty where there are none. Raises OutdatedPartition for a day from before a column of today."""
        files = self.files(table, first, last)
        if files:
            _refuse_outdated(table, files)
            columns = ", ".join(f'"{name}"' for name in table.column_names)
            return self.con.read_parquet([str(file.path) for file in files]).project(columns)
        name = new_name(table.name)
        self.con.execute(f"create temp table {name} ({table.ddl()})")
        return self.con.table(name)

    def events(self, first: date, last: date) -> duckdb.DuckDBPyRelation:
        """CLOUD_AUDIT_EVENTS with their context; of an event without one it is unknown."""
        events = self.table(CLOUD_AUDIT_EVENTS, first, last)
        context = self.table(AUDIT_CONTEXT, first, last).project(
            "day as on_day, provider as cloud, event_id as id, * exclude (day, provider, event_id)"
        )
        joined = events.set_alias("e").join(
            context.set_alias("c"), "e.day = c.on_day and e.provider = c.cloud and e.event_id = c.id", how="left"
        )
        return joined.project(f"e.*, {_CONTEXT}")

    def quality(
        self, rules: RuleSet, modes: Mapping[str, str], policy: QualityPolicy | None = None
    ) -> list[RuleQuality]:
        """Quality of every rule at the end of the day."""
        policy = policy or QualityPolicy()
        first, before = self._first(policy), previous_day(self.as_of)
        return rule_quality(
            self.con,
            facts_of(rules, modes),
            findings=self.table(SIGMA_FINDINGS, first),
            alerts=self.table(ALERTS, first),
            dispositions=self.table(ALERT_DISPOSITIONS),
            as_of=self.as_of,
            days=self.lake.days(SIGMA_FINDINGS.name),
            volume=volume_of(self._counted_events(first), first, self.as_of),
            previous=self.table(RULE_QUALITY, before, before),
            policy=policy,
        )

    def of_quality(self, policy: QualityPolicy | None = None) -> list[LakeFile]:
        """The partitions that quality is judged from."""
        first, before = self._first(policy or QualityPolicy()), previous_day(self.as_of)
        judged = [self.files(table, first) for table in (SIGMA_FINDINGS, ALERTS)]
        judged += [self.files(ALERT_DISPOSITIONS), self.files(RULE_QUALITY, before, before)]
        # a month of events is only counted: to prove it unchanged would take longer than all the rest
        return [file for files in [*judged, self._noted_events(first)] for file in files]

    def _counted_events(self, first: date) -> duckdb.DuckDBPyRelation:
        paths = [str(file.path) for file in self._noted_events(first)]
        return self.con.read_parquet(paths) if paths else self.table(CLOUD_AUDIT_EVENTS, first)

    def _noted_events(self, first: date) -> list[LakeFile]:
        days = [day for day in self.lake.days(CLOUD_AUDIT_EVENTS.name) if first <= day <= self.as_of]
        return [file for day in days if (file := self.lake.noted(CLOUD_AUDIT_EVENTS.name, day))]

    def _first(self, policy: QualityPolicy) -> date:
        return self.as_of - timedelta(days=policy.window_days - 1)


def _refuse_outdated(table: Table, files: list[LakeFile]) -> None:
    """Read as NULL, a column that a day does not have yet would keep rules silent and nobody would know."""
    lacking = {file.day: set(table.column_names) - set(pq.read_schema(file.path).names) for file in files}
    outdated = [day for day, columns in lacking.items() if columns]
    if not outdated:
        return
    missing = ", ".join(name for name in table.column_names if any(name in columns for columns in lacking.values()))
    first, last = outdated[0], outdated[-1]
    if first == last:
        days, again = str(first), f"Build it again: intelsec run --day {first}"
    else:
        days = f"{first} and {len(outdated) - 1:,} more up to {last}"
        again = f"Build them again: intelsec run --from {first} --to {last}"
    raise OutdatedPartition(f"{table.name} of {days} was built before its table had all columns: {missing}. {again}")
