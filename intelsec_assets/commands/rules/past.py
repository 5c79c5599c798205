"""What the commands about the past of rules share: the rules as they stand, and the lake's tables over some days.

What is concluded from them is `detections.quality`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from intelsec_assets import engine
from intelsec_assets.commands.faces import FOUND_SOMETHING, fail, workspace_settings
from intelsec_assets.days import days_between
from intelsec_assets.detections.quality.modes import MODES_FILE, modes_on, read_modes
from intelsec_assets.detections.quality.rule_facts import facts_of, volume_of
from intelsec_assets.detections.quality.rule_quality import QualityPolicy, RuleQuality, rule_quality
from intelsec_assets.detections.quality.verdicts import new_name, standing_verdicts
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERT_EVENTS,
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import DETECTIONS, REPOSITORY
from intelsec_assets.tables import Table

if TYPE_CHECKING:
    from intelsec_assets.detections.quality.replay import Past
    from intelsec_assets.detections.sigma.rules import Rule, RuleSet

RULES, MODES = DETECTIONS / "sigma", DETECTIONS / MODES_FILE

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
    """The lake's tables about detections, read over days."""

    lake: Lake
    con: duckdb.DuckDBPyConnection
    as_of: date

    def table(self, table: Table, first: date | None = None, last: date | None = None) -> duckdb.DuckDBPyRelation:
        """Rows of the days from `first` (default: the lake's first) to `last` (default: as of), empty without any."""
        days = [d for d in self.lake.days(table.name) if (first is None or first <= d) and d <= (last or self.as_of)]
        if days:
            return self.con.read_parquet([str(self.lake.read(table.name, day).path) for day in days])
        name = new_name(table.name)
        self.con.execute(f"create temp table {name} ({table.ddl()})")
        return self.con.table(name)

    def quality(self, rules: RuleSet, modes: Mapping[str, str], policy: QualityPolicy) -> list[RuleQuality]:
        """Quality of every rule at the end of the day."""
        first = self.as_of - timedelta(days=policy.window_days - 1)
        before = self.as_of - timedelta(days=1)
        return rule_quality(
            self.con,
            facts_of(rules, modes),
            findings=self.table(SIGMA_FINDINGS, first),
            alerts=self.table(ALERTS, first),
            dispositions=self.table(ALERT_DISPOSITIONS),
            events=self.table(ALERT_EVENTS),
            as_of=self.as_of,
            days=self.lake.days(SIGMA_FINDINGS.name),
            volume=volume_of(self.table(CLOUD_AUDIT_EVENTS, first), first, self.as_of),
            previous=self.table(RULE_QUALITY, before, before),
            policy=policy,
        )

    def past(self, rule: Rule, first: date, last: date) -> Past:
        """Events, findings and alerts of a rule; verdicts as they stand at the end of the day asked for."""
        from intelsec_assets.detections.quality.firings import fired, raised
        from intelsec_assets.detections.quality.replay import Past

        verdicts = standing_verdicts(self.con, self.table(ALERT_DISPOSITIONS), self.as_of, self.table(ALERT_EVENTS))
        return Past(
            first,
            last,
            self.events(first - (rule.window or timedelta(0)), last),
            tuple(fired(self.table(SIGMA_FINDINGS, first, last), rule.rule_id, first, last)),
            tuple(raised(self.table(ALERTS, first, last), verdicts, rule.rule_id, first, last)),
        )

    def events(self, first: date, last: date) -> duckdb.DuckDBPyRelation:
        """Events with their context; without one, it is unknown."""
        events = self.table(CLOUD_AUDIT_EVENTS, first, last)
        context = self.table(AUDIT_CONTEXT, first, last).project("event_id as id, * exclude (day, event_id)")
        joined = events.set_alias("e").join(context.set_alias("c"), "e.event_id = c.id", how="left")
        return joined.project(f"e.*, {_CONTEXT}")

    def observed(self, first: date, last: date) -> list[date]:
        """Days with events in the lake."""
        return [day for day in self.lake.days(CLOUD_AUDIT_EVENTS.name) if first <= day <= last]


@contextmanager
def opened(data: str | None, asked: date | None) -> Iterator[History]:
    """The history of a workspace as of a day (default: the newest with findings); an empty lake ends the command."""
    lake = Workspace.of(workspace_settings(data)).lake()
    days = lake.days(SIGMA_FINDINGS.name)
    if not days:
        fail(f"{lake.root} holds no findings yet. Next: intelsec run", FOUND_SOMETHING)
    with engine.session() as con:
        yield History(lake, con, asked or days[-1])


def rules_and_modes(as_of: date, *, with_samples: bool = False) -> tuple[RuleSet, dict[str, str]]:
    """The rules with the exceptions of the day, and the modes that rules are in on it. Raises RuleError."""
    from intelsec_assets.detections.sigma.rules import load_rules

    return load_rules(RULES, with_samples=with_samples, as_of=as_of), modes_on(read_modes(MODES), as_of)


def repository() -> Path:
    """What the files of proposals are relative to."""
    return REPOSITORY


def window(last: date, days: int) -> list[date]:
    """The last `days` days until `last`."""
    return days_between(last - timedelta(days=days - 1), last)
