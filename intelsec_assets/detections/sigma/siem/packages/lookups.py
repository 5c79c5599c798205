"""Look-ups for SIEMs: exported indicators, change tickets, networks and the history of principals, as safe CSV.

Which rule joins which is said by the targets. Every table has its header even without rows: a SIEM refuses a search
over a look-up that is not there.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from intelsec_assets.detections.audit.telemetry import Telemetry
from intelsec_assets.detections.context.principals import LEARNING
from intelsec_assets.detections.context.tickets import CsvTickets
from intelsec_assets.exports.lists import safe_cell, safe_label

INDICATORS, TICKETS, ASN, PRINCIPALS_ASN, PRINCIPALS = (
    "intelsec_indicators",
    "intelsec_tickets",
    "intelsec_asn",
    "intelsec_principal_asns",
    "intelsec_principals",
)
COLUMNS: dict[str, tuple[str, ...]] = {
    INDICATORS: ("value", "indicator_type", "indicator_id", "score", "decision", "campaign", "tlp", "first_exported"),
    TICKETS: ("action", "requester", "target", "account", "ticket", "ticket_id", "valid_from", "valid_to"),
    ASN: ("prefix", "asn", "org", "country"),
    PRINCIPALS_ASN: ("principal_asn", "principal", "asn", "last_seen"),
    PRINCIPALS: ("principal", "first_seen", "days_seen"),
}
# CloudTrail names addresses: other kinds of indicators cannot match there
_ADDRESSES = ("ipv4", "ipv6", "ip", "cidr", "ipv4_cidr", "ipv6_cidr")
_TICKETS_AHEAD = timedelta(days=30)


@dataclass(frozen=True)
class Lookups:
    """Rows of each look-up by its name, columns as in COLUMNS; `notes` say what could not be filled and why."""

    rows: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """The look-up as CSV: UTF-8, LF, header; no cell that a spreadsheet takes for a formula."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS[name])
        for row in self.rows.get(name, ()):
            writer.writerow([safe_cell(safe_label(cell) if "|" not in cell else cell) for cell in row])
        return out.getvalue()

    def mappings(self, name: str) -> list[dict[str, str]]:
        """The look-up's rows by column."""
        return [dict(zip(COLUMNS[name], row, strict=True)) for row in self.rows.get(name, ())]


def indicator_rows(
    con: duckdb.DuckDBPyConnection, plan: duckdb.DuckDBPyRelation, scores: duckdb.DuckDBPyRelation
) -> list[tuple[str, ...]]:
    """INDICATORS of a day's plan of exports and its scores."""
    plan.create_view("siem_plan", replace=True)
    scores.create_view("siem_scores", replace=True)
    found = con.execute(
        """
        select p.value, p.indicator_type, p.indicator_id::varchar, coalesce(round(s.score, 4), 0)::varchar, 'export',
               coalesce(p.campaign, ''), p.tlp, p.first_exported::varchar
        from siem_plan as p left join siem_scores as s using (indicator_id)
        where p.state = 'active' and list_contains($types, p.indicator_type)
        order by p.value
        """,
        {"types": list(_ADDRESSES)},
    ).fetchall()
    return [tuple(map(str, row)) for row in found]


def principal_rows(
    con: duckdb.DuckDBPyConnection, history: duckdb.DuckDBPyRelation, day: date
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Systems that count as known, and principals seen long enough to be judged, as the project learns them."""
    history.create_view("siem_history", replace=True)
    known = con.execute(
        "select principal || '|' || asn, principal, asn::varchar, last_seen::varchar from siem_history "
        "where days_seen >= $days order by all",
        {"days": LEARNING.known_after_days},
    ).fetchall()
    warm = con.execute(
        "select principal, min(first_seen)::varchar, sum(days_seen)::varchar from siem_history group by principal "
        "having min(first_seen) <= $before and sum(days_seen) >= $days order by all",
        {"before": datetime.combine(day, time(), UTC) - LEARNING.cold_age, "days": LEARNING.cold_days},
    ).fetchall()
    return [tuple(map(str, row)) for row in known], [tuple(map(str, row)) for row in warm]


def ticket_rows(
    telemetry: Telemetry, data_root: Path | None, day: date, now: datetime
) -> tuple[list[tuple[str, ...]], Sequence[str]]:
    """Approved tickets valid on the day or within a month after it."""
    if telemetry.tickets_csv is None or data_root is None:
        return [], ("no register of tickets is configured: every change counts as one without a ticket",)
    start = datetime.combine(day, time(), UTC)
    reading = CsvTickets(data_root / telemetry.tickets_csv, now).tickets(start, start + _TICKETS_AHEAD)
    if reading.reason is not None:
        return [], (f"tickets: {reading.reason}",)
    rows = []
    for ticket in reading.tickets:
        if not ticket.is_approved or ticket.system not in {"aws", "*"}:
            continue
        begin, end = (str(int(instant.timestamp())) for instant in (ticket.valid_from, ticket.valid_to))
        identity = ticket.ticket_id.replace("|", "/")
        rows.append(
            (
                *(ticket.action, ticket.requester or "*", ticket.target or "*", ticket.account or "*"),
                *(f"{begin}|{end}|{identity}", identity, ticket.valid_from.isoformat(), ticket.valid_to.isoformat()),
            )
        )
    return sorted(rows), ()


def network_rows(telemetry: Telemetry, data_root: Path | None) -> tuple[list[tuple[str, ...]], Sequence[str]]:
    """Prefixes of the CSV files; an MMDB has too many for a look-up."""
    if not telemetry.asn_csv or data_root is None:
        return [], ("no prefixes of autonomous systems are configured as CSV: no call counts as from a new one",)
    rows, notes = [], []
    for name in telemetry.asn_csv:
        try:
            text = (data_root / name).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            notes.append(f"{name} cannot be read: {error}")
            continue
        rows += _prefixes(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    return sorted(set(rows)), tuple(notes)


def _prefixes(lines: Iterable[dict[str, str]]) -> list[tuple[str, ...]]:
    def first(row: dict[str, str], *names: str) -> str:
        return next((row[name].strip() for name in names if row.get(name)), "")

    rows: list[tuple[str, ...]] = []
    for row in lines:
        prefix = first(row, "network", "prefix", "cidr")
        asn = first(row, "asn", "autonomous_system_number", "as_number").upper().removeprefix("AS")
        if prefix and asn.isdigit():
            rows.append((prefix, asn, first(row, "org", "as_name", "name"), first(row, "country", "country_code")))
    return rows
