"""What the days of a run say of audit logs, findings and alerts: three lines for people, or a value for machines.

Figures are counted from the lake's partitions and the inbox of alerts; of the intelligence see `summary_view`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb

from intelsec_assets import engine
from intelsec_assets.detections.findings import LEVELS
from intelsec_assets.detections.tables import (
    ALERTS,
    CLOUD_AUDIT_EVENTS,
    REJECTED_AUDIT_RECORDS,
    SIGMA_FINDINGS,
)
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import Table
from intelsec_assets.wording import counted


@dataclass(frozen=True)
class DetectionFigures:
    """Counts over days; `raised` is alerts by severity, live ones only."""

    days: int
    events: int
    late: int
    rejected: int
    findings: int
    rules: int
    raised: Mapping[str, int]
    in_doubt: int  # findings whose context was unknown
    open: int

    def to_json(self) -> dict[str, Any]:
        """For machines; keys are stable."""
        return asdict(self)


def read_detections(lake: Lake, days: Collection[date], open_alerts: int) -> DetectionFigures | None:
    """Figures over those of the days that have been looked at; None if none has."""
    built = sorted(set(days) & set(lake.days(ALERTS.name)))
    if not built:
        return None
    with engine.session() as con:

        def ask(table: Table, what: str) -> tuple[Any, ...]:
            return _rows(con, lake, table, built).aggregate(what).fetchall()[0]

        events, late = ask(
            CLOUD_AUDIT_EVENTS, "count(*), count(*) filter ((delivered_at at time zone 'UTC')::date > day)"
        )
        (rejected,) = ask(REJECTED_AUDIT_RECORDS, "count(*)")
        findings, rules, in_doubt = ask(
            SIGMA_FINDINGS, "count(*), count(distinct rule_id), count(*) filter (certainty = 'context_unknown')"
        )
        live = _rows(con, lake, ALERTS, built).filter("mode = 'live'")
        raised = dict(live.aggregate("severity, count(*)").fetchall())
    by_severity = {level: raised[level] for level in reversed(LEVELS) if level in raised}
    return DetectionFigures(len(built), events, late, rejected, findings, rules, by_severity, in_doubt, open_alerts)


def _rows(con: duckdb.DuckDBPyConnection, lake: Lake, table: Table, days: Collection[date]) -> duckdb.DuckDBPyRelation:
    return con.read_parquet([str(lake.read(table.name, day).path) for day in days])


def render(figures: DetectionFigures) -> list[str]:
    """Lines for people."""
    raised = ", ".join(f"{number} {severity}" for severity, number in figures.raised.items()) or "none"
    doubt = f"; of {figures.in_doubt} the context was unknown" if figures.in_doubt else ""
    late = f"{figures.late:,} delivered on a later day, {counted(figures.rejected, 'record')} rejected"
    waiting = f"{figures.open:,} wait{'s' if figures.open == 1 else ''} for people: intelsec alerts list"
    return [
        f"audit       {counted(figures.events, 'event')} of {counted(figures.days, 'day')}; {late}",
        f"findings    {figures.findings:,} by {counted(figures.rules, 'rule')}{doubt}",
        f"alerts      {sum(figures.raised.values()):,} raised ({raised}); {waiting}",
    ]
