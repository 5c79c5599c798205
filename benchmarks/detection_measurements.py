"""Measurements of detections: audit logs taken in, rules over them beside the peers, alerts, and the way between.

The programs are the modules beside this one; how results are shown is `report`.
"""

from __future__ import annotations

from statistics import median

from benchmarks.measured import Measured, at_least, at_most, program
from benchmarks.sigma_measurements import FEW, RSIGMA_ELSEWHERE

# events/s, alerts/s, seconds: bars of the issue that asked for them
INGEST, INTAKE, EVENT_TO_ALERT = 200_000, 2_000, 60
OVER_PEER = INGEST / RSIGMA_ELSEWHERE


def audit_ingest(*, quick: bool) -> Measured:
    """NDJSON.gz of CloudTrail to typed rows, to the landing, to the lake."""
    found = program("audit_ingest", quick=quick)
    rate, peer = found["rows"] / found["rows_seconds"], found.get("peer_per_second")
    middle, turns = found["rows"] / found["rows_seconds_median"], found["turns"]
    steps = (("gzip to typed rows", "rows", "rows"), ("the same, landed", "landed", "landed"))
    rows = [
        [
            name,
            f"{found[count]:,}",
            f"{found[f'{key}_seconds']:.1f}",
            f"{found[count] / found[f'{key}_seconds']:,.0f}",
            f"{found[f'{key}_cpu_seconds']:.1f}",
            f"{found[f'{key}_peak_gb']:.2f} GB",
        ]
        for name, key, count in steps
    ]
    rows.append(
        [
            f"{found['fields']} fields of plain NDJSON, for `rules run`",
            f"{found['read']:,}",
            f"{found['fields_seconds']:.1f}",
            f"{found['read'] / found['fields_seconds']:,.0f}",
            f"{found['fields_cpu_seconds']:.1f}",
            f"{found['fields_peak_gb']:.2f} GB",
        ]
    )
    return Measured(
        "Audit logs taken in",
        "CloudTrail as NDJSON.gz, recorded attack data repeated beside generated calls: unpacked, every event typed, "
        "its whole text kept, odd values named.",
        ["step", "events", "seconds", "events/s", "CPU seconds", "peak memory"],
        rows,
        [
            at_least("events a second to typed rows", rate, INGEST, ",.0f"),
            # the bar is of a machine on which the peer is faster, too
            *(
                [at_least("times RSigma's events a second, where it is measured", rate / peer, OVER_PEER, ".2f")]
                if peer
                else []
            ),
        ],
        [
            f"To typed rows: the quickest of {turns} turns, as of RSigma; the middle one has {middle:,.0f} events/s.",
            f"A landed day into the lake, sorted and compressed: {found['lake_seconds']:.1f} s.",
            f"RSigma takes {peer:,.0f} events/s here with {FEW} rules and {RSIGMA_ELSEWHERE:,} where the bar was set, "
            f"which is {OVER_PEER:.2f} times that."
            if peer
            else "RSigma is not there: how fast this machine is beside others is not known.",
        ],
    )


def alert_intake(*, quick: bool) -> Measured:
    """Findings taken in as alerts on PostgreSQL."""
    found = program("alert_intake", quick=quick)
    kill, count = found["killed"], found["findings"]
    return Measured(
        "Intake of alerts on PostgreSQL",
        f"{count:,} findings of 57 rules taken in by one process in transactions of a thousand, on a server of its own "
        "with fsync on. Rows of all three tables are counted afterwards; taking the same findings again makes nothing.",
        ["findings", "seconds", "findings/s", "CPU seconds, program", "CPU seconds, server", "the same again, seconds"],
        [
            [
                name,
                f"{one['seconds']:.1f}",
                f"{one['per_second']:,.0f}",
                f"{one['cpu_seconds']:.1f}",
                f"{one['server_cpu_seconds']:.1f}",
                f"{one['again_seconds']:.2f}",
            ]
            for name, one in found["ways"].items()
        ],
        [
            at_least("alerts a second, durable", found["ways"]["every finding an alert"]["per_second"], INTAKE, ",.0f"),
            at_most("findings lost by kill -9", kill["confirmed"] - min(kill["there"], kill["confirmed"]), 0, "d"),
        ],
        [
            f"One finding a transaction: {found['one_at_a_time_per_second']:,.0f}/s.",
            f"Killed at {kill['confirmed']:,} confirmed: {kill['there']:,} there; {kill['taken_by_the_next']:,} later",
        ],
    )


def event_to_alert(*, quick: bool) -> Measured:
    """From the delivery of a log file to the alert, through daemon, sensor and run."""
    found = program("event_to_alert", quick=quick)
    seconds = found["seconds"]
    return Measured(
        "From an event's delivery to its alert",
        "Dagster's daemon with the sensor `audit_log_arrivals` on: a CloudTrail file is delivered, the sensor sees it "
        "(it looks every 15 s), a run of its own builds the day's events, context, findings and alerts.",
        ["delivery", "seconds"],
        [[str(number), f"{one:.1f}"] for number, one in enumerate(seconds, start=1)],
        [at_most("seconds from delivery to alert, the longest", max(seconds), EVENT_TO_ALERT, ".1f")],
        [
            f"Median {median(seconds):.1f} s.",
            f"Fourteen days of the sample at once: {found['history_seconds']:.0f} s from the daemon's start.",
        ],
    )
