"""What the commands about the past of rules share: the lake as of a day, rules and modes of that day, one rule's past.

What is concluded from them is `detections.quality`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from intelsec_assets import engine
from intelsec_assets.commands.faces import FOUND_SOMETHING, WRONG_USE, fail, people, workspace_settings
from intelsec_assets.detections.quality.rule_quality import QualityPolicy, RuleQuality
from intelsec_assets.detections.quality.verdicts import standing_verdicts
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERTS,
    CLOUD_AUDIT_EVENTS,
    SIGMA_FINDINGS,
)
from intelsec_assets.feeds.available import local_days
from intelsec_assets.resources.detection_history import History
from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.wording import counted

if TYPE_CHECKING:
    from intelsec_assets.detections.quality.replay import Past
    from intelsec_assets.detections.sigma.rules import Rule, RuleSet


@dataclass(frozen=True)
class Known:
    """A workspace as of the end of a day."""

    workspace: Workspace
    history: History

    @property
    def as_of(self) -> date:
        """The day."""
        return self.history.as_of

    @property
    def folder(self) -> Path:
        """Where rules, exceptions and modes lie."""
        return Path(self.workspace.detections)

    def sources(self) -> DetectionSources:
        """Rules and modes of any day."""
        return self.workspace.detection_sources()

    def rules(self) -> RuleSet:
        """Every rule, with its samples and the exceptions of the day. Raises RuleError."""
        return self.sources().all_rules(self.as_of)

    def quality(self, rules: RuleSet, window: int) -> list[RuleQuality]:
        """Quality of every rule over the days before."""
        return self.history.quality(rules, self.sources().modes(self.as_of), QualityPolicy(window_days=window))

    def past(self, rule: Rule, first: date, last: date) -> Past:
        """Events, findings and alerts of a rule; verdicts as they stand at the end of the day asked for."""
        from intelsec_assets.detections.quality.firings import fired, raised
        from intelsec_assets.detections.quality.replay import Past

        table = self.history.table
        verdicts = standing_verdicts(self.history.con, table(ALERT_DISPOSITIONS), self.as_of)
        return Past(
            first,
            last,
            self.history.events(first - (rule.window or timedelta(0)), last),
            tuple(fired(table(SIGMA_FINDINGS, first, last), rule.rule_id, first, last)),
            tuple(raised(table(ALERTS, first, last), verdicts, rule.rule_id, first, last)),
        )

    def waiting_verdicts(self, asked: date | None) -> str | None:
        """What of people's verdicts is not in the lake yet, up to the day asked for, and what brings it there."""
        lake = self.history.lake
        with self.workspace.store() as store:
            given = store.judgement_days()
        behind = {
            day: number - lake.rows(ALERT_DISPOSITIONS.name, day)
            for day, number in given.items()
            if (asked is None or day <= asked) and number > lake.rows(ALERT_DISPOSITIONS.name, day)
        }
        if not behind:
            return None
        first, last = min(behind), max(behind)
        number = sum(behind.values())
        of = f"of {first}" if first == last else f"of {first} to {last}"
        waits = "is not counted: it waits for its" if number == 1 else "are not counted: they wait for their"
        return f"{counted(number, 'verdict')} {of} {waits} day to be built. {_way_in(self.workspace, first, last)}"

    def has_events(self, first: date, last: date) -> bool:
        """Whether the lake holds events of any of the days."""
        return any(first <= day <= last for day in self.history.lake.days(CLOUD_AUDIT_EVENTS.name))


def say_waiting(waiting: str | None) -> None:
    """Tell of verdicts that are not counted, beside the answer: a pipe still gets the rows alone."""
    if waiting is not None:
        people.print(waiting, style="yellow", markup=False, soft_wrap=True)


def _way_in(workspace: Workspace, first: date, last: date) -> str:
    """How verdicts of these days come into the lake."""
    today = system_clock().date()
    newest = _newest_of_data(workspace)
    if newest is not None and last > newest:
        return f"The data ends on {newest}: tell when they were given, with --at"
    if last >= today:
        return f"{today} is built once it is over: intelsec run --day {today}, or the schedules of the night"
    return f"Next: intelsec run {f'--day {last}' if first == last else f'--from {first} --to {last}'}"


def _newest_of_data(workspace: Workspace) -> date | None:
    """Last day that a folder of dated files can be run for; None where days come by themselves."""
    if workspace.data is None:
        return None
    days = [*local_days(workspace.catalogue(), workspace.data), *workspace.raw_store().days()]
    return max(days, default=None)


@contextmanager
def opened(data: str | None, asked: date | None) -> Iterator[Known]:
    """A workspace as of a day (default: the newest with findings or verdicts); an empty lake ends the command."""
    workspace = Workspace.of(workspace_settings(data))
    lake = workspace.lake()
    days = lake.days(SIGMA_FINDINGS.name)
    if not days:
        is_watched = bool(workspace.detection_sources().telemetry().audit)
        way_out = "Next: intelsec run" if is_watched else "Name audit logs in telemetry.yaml of the data root first"
        fail(f"{lake.root} holds no findings yet. {way_out}", FOUND_SOMETHING)
    if asked is not None and asked not in {*days, *lake.days(ALERT_DISPOSITIONS.name)}:
        fail(f"no findings of {asked} in the lake, which has {days[0]} to {days[-1]}", WRONG_USE)
    with engine.session() as con:
        yield Known(workspace, History(lake, con, asked or max([*days, *lake.days(ALERT_DISPOSITIONS.name)])))
