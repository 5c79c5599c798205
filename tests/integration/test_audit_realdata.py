"""Real CloudTrail, read as delivered: every event is a row, and what the log holds is what is known of it.

Made-up events are in tests/unit/test_audit_*.py.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets.detections.audit.ad_hoc import read_events
from intelsec_assets.detections.audit.days import build_events
from intelsec_assets.detections.audit.fields import column
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.taking import Intake, take
from intelsec_assets.detections.audit.telemetry import AuditSource

pytestmark = pytest.mark.needs("realdata")

EVENTS = {"invictus": 2900, "stratus": 310, "otrf": 103}


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Intake, list[dict[str, Any]]]:
    from tests import parts

    realdata = parts.find("realdata")
    assert realdata is not None
    landing = Landing(tmp_path_factory.mktemp("audit"))
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        source = AuditSource("trail", "aws", "cloudtrail")
        intake = take(con, landing, source, realdata, clock=lambda: datetime.now(UTC))
        rows = [
            row
            for day in landing.days()
            for row in build_events(con, landing.landed(day).parts, day).to_arrow_table().to_pylist()
        ]
    return intake, rows


def test_every_event_is_a_row_and_nothing_is_rejected(landed: tuple[Intake, list[dict[str, Any]]]) -> None:
    intake, rows = landed

    assert (intake.files, intake.events, intake.rejected) == (91, sum(EVENTS.values()), 0)
    assert Counter(row["file"].split("/")[0].split("_")[0] for row in rows) == EVENTS
    assert len({row["event_id"] for row in rows}) == len(rows)


def test_the_attack_lies_in_its_hour(landed: tuple[Intake, list[dict[str, Any]]]) -> None:
    _, rows = landed

    times = [row["event_time"] for row in rows if row["file"].startswith("invictus")]

    assert {time.date() for time in times} == {date(2023, 7, 10)}
    assert (max(times) - min(times)).total_seconds() < 2 * 3600


def test_the_traps_are_counted(landed: tuple[Intake, list[dict[str, Any]]]) -> None:
    _, rows = landed

    assert Counter(name for row in rows for name in row["anomalies"]) == {
        "service_as_address": 358,
        "invalid_address": 107,
        "other_time_field": 103,
        "no_arn": 82,
        "no_type": 42,
    }
    assert sum(row["source_address"] is not None for row in rows) == len(rows) - 358 - 107
    assert {row["source_service"] for row in rows if row["source_text"] == "AWS Internal"} == {"AWS Internal"}


def test_files_in_place_hold_the_same_events(landed: tuple[Intake, list[dict[str, Any]]], realdata: Path) -> None:
    _, rows = landed
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        read = read_events(con, [realdata / "cloudtrail"], columns=["eventName", "userIdentity.arn"])
        asked = ", ".join(column(name) for name in ("eventName", "userIdentity.arn"))
        found = con.sql(f"select event_id, event_time, {asked} from {read.table}").fetchall()

    assert read.rejected == ()
    assert sorted(found, key=str) == sorted(
        ((row["event_id"], row["event_time"], row["event_name"], row["actor_arn"]) for row in rows), key=str
    )
