"""The look-ups of a deploy package, read from a lake and its telemetry as of the end of a day.

What the tables hold and how they are written is `detections.sigma.siem.packages.lookups`.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from intelsec_assets import engine
from intelsec_assets.detections.audit.telemetry import Telemetry
from intelsec_assets.detections.sigma.siem.packages import lookups
from intelsec_assets.detections.sigma.siem.packages.lookups import Lookups
from intelsec_assets.detections.tables import PRINCIPAL_ASNS
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import EXPORT_PLAN, INDICATOR_SCORES


def read_lookups(lake: Lake, day: date, telemetry: Telemetry, data_root: Path | None, now: datetime) -> Lookups:
    """Look-ups as of the end of a day, of tickets as of `now`; `notes` say what the lake does not hold of it."""
    rows: dict[str, list[tuple[str, ...]]] = {name: [] for name in lookups.COLUMNS}
    notes = []
    with engine.session() as con:
        if day in lake.days(EXPORT_PLAN.name):
            plan, scores = (lake.relation(con, lake.read(t.name, day)) for t in (EXPORT_PLAN, INDICATOR_SCORES))
            rows[lookups.INDICATORS] = lookups.indicator_rows(con, plan, scores)
        else:
            notes.append(f"no plan of exports of {day} in the lake: no indicators. Next: intelsec run")
        if day in lake.days(PRINCIPAL_ASNS.name):
            history = lake.relation(con, lake.read(PRINCIPAL_ASNS.name, day))
            known, warm = lookups.principal_rows(con, history, day)
            rows[lookups.PRINCIPALS_ASN], rows[lookups.PRINCIPALS] = known, warm
        else:
            notes.append(f"no history of principals of {day} in the lake: everyone counts as too new to judge")
    rows[lookups.TICKETS], ticket_notes = lookups.ticket_rows(telemetry, data_root, day, now)
    rows[lookups.ASN], asn_notes = lookups.network_rows(telemetry, data_root)
    return Lookups(rows, (*notes, *ticket_notes, *asn_notes))
