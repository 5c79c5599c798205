"""Days scanned together: each finds what it finds alone, and a rule that breaks on one day costs only that day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.sigma.scan import scanning
from intelsec_assets.detections.sigma.scan.firing import Prepared, RuleFailure, prepare
from intelsec_assets.detections.tables import AUDIT_CONTEXT, CLOUD_AUDIT_EVENTS
from intelsec_assets.resources import detection_scans
from intelsec_assets.resources.detection_scans import AskedDay, DayScans
from intelsec_assets.resources.lake import ChangedFile, Lake
from tests.sigma_scans import correlation, event, landed, rule, rule_set

FIRST = date(2026, 3, 15)
DAYS = [FIRST + timedelta(days=number) for number in range(4)]
BROKEN = RuleFailure("some-rule", "Some rule", "Out of range")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as opened:
        yield opened


@pytest.fixture
def rules(tmp_path: Path) -> Prepared:
    by_user = {"group-by": ["userIdentity.arn"]}
    return prepare(
        rule_set(
            tmp_path / "rules",
            rule("read", {"eventName": "GetObject"}),
            rule("stop", {"eventName": "StopLogging"}),
            rule("start", {"eventName": "StartLogging"}),
            rule("no ticket", {"eventName": "GetObject", "context.ticket.state": "absent"}),
            correlation("many", ["read"], "event_count", **by_user, condition={"gte": 3}, generate=True),
            correlation("off", ["stop", "start"], "temporal", **by_user, condition="stop and not start"),
        )
    )


@pytest.fixture
def asked(con: duckdb.DuckDBPyConnection, tmp_path: Path, rules: Prepared) -> tuple[Lake, list[AskedDay]]:
    """Four days with bursts at midnight.

    Those of the third day have the ids of the first day's, and come from elsewhere. Logging is stopped on two evenings;
    of the second nothing on its day shows that it stayed so. An event's ticket is known on some days only.
    """
    midnights = [timedelta(days=number, hours=14) for number in range(4)]  # after START, 10 o'clock of FIRST
    afters = [midnight + timedelta(minutes=minute) for midnight in midnights[:3] for minute in (-3, -2, -1, 1)]
    events = [
        event(number % 8, "GetObject", source="s3", after=after, sourceIPAddress=f"198.51.100.{number // 8}")
        for number, after in enumerate(afters)
    ]
    events += [event(0, "GetObject", source="s3", after=timedelta(days=3))]
    events += [event(20, "StopLogging", after=timedelta(hours=13))]
    events += [event(21, "StopLogging", after=timedelta(days=1, hours=13, minutes=55))]
    lake, rows = Lake(tmp_path / "lake"), con.from_arrow(landed(con, events))
    files = {
        day: lake.write(
            con,
            CLOUD_AUDIT_EVENTS,
            CLOUD_AUDIT_EVENTS.name,
            day,
            rows.filter(f"day = date '{day}'"),
            fingerprint="",
            inputs={},
        )
        for day in DAYS
    }
    for day, state in zip(DAYS, ("absent", "present", "present", "absent"), strict=True):
        told = ", ".join(
            {"day": "day", "provider": "provider", "event_id": "event_id", "context.ticket.state": f"'{state}'"}.get(
                column.name, "'unknown'" if column.name.endswith(".state") else f"null::{column.type}"
            )
            + f' as "{column.name}"'
            for column in AUDIT_CONTEXT.columns
        )
        of_day = rows.filter(f"day = date '{day}'").project(told)
        lake.write(con, AUDIT_CONTEXT, AUDIT_CONTEXT.name, day, of_day, fingerprint="", inputs={})
    before = {day: [files[d] for d in (day - timedelta(days=1), day) if d in files] for day in DAYS}
    return lake, [AskedDay(day, rules, day - timedelta(days=1), before[day]) for day in DAYS]


class Scans:
    """Which days each scan was of; a scan with one of `bad` tells a rule that broke."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *bad: date) -> None:
        self.days: list[list[date]] = []
        whole = scanning.scan

        def scan(*given: Any, days: Sequence[date], **more: Any) -> Any:
            self.days.append(list(days))
            found = whole(*given, days=days, **more)
            return replace(found, failures=(*found.failures, BROKEN)) if {*days} & {*bad} else found

        monkeypatch.setattr(scanning, "scan", scan)


def found_by_day(
    con: duckdb.DuckDBPyConnection, lake: Lake, asked: Sequence[AskedDay], stale: Sequence[AskedDay]
) -> Mapping[date, Any]:
    scans = DayScans(lake, stale)
    return {one.day: scans.of(con, one) for one in asked}


def test_days_find_together_what_each_finds_alone(
    con: duckdb.DuckDBPyConnection, asked: tuple[Lake, list[AskedDay]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, days = asked
    scans = Scans(monkeypatch)
    together = found_by_day(con, lake, days, days)
    assert scans.days == [DAYS]
    alone = {one.day: DayScans(lake, [one]).of(con, one) for one in days}
    assert together == alone
    counts = [Counter(found.column("rule_title").to_pylist()) for found, _ in together.values()]
    assert counts == [
        {"read": 3, "no ticket": 3, "many": 1, "off": 1},
        {"read": 4, "many": 2},
        {"read": 4, "many": 2},
        {"read": 2, "no ticket": 2, "many": 1},
    ]
    ids = [name for found, _ in together.values() for name in found.column("finding_id").to_pylist()]
    assert len(ids) == len({*ids}) + 3, "the bursts over three midnights are told on both days, each under one name"


def test_a_rule_that_breaks_on_a_day_is_told_of_that_day_only(
    con: duckdb.DuckDBPyConnection, asked: tuple[Lake, list[AskedDay]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, days = asked
    scans = Scans(monkeypatch, DAYS[2])
    found = found_by_day(con, lake, days, days)
    assert {day: broken for day, (_, broken) in found.items() if broken} == {DAYS[2]: (BROKEN,)}
    assert scans.days == [DAYS, *([day] for day in DAYS)]


def test_a_file_that_is_damaged_spoils_the_days_that_look_at_it_only(
    con: duckdb.DuckDBPyConnection, asked: tuple[Lake, list[AskedDay]]
) -> None:
    lake, days = asked
    alone = {one.day: DayScans(lake, [one]).of(con, one) for one in days}
    lake.path(CLOUD_AUDIT_EVENTS.name, DAYS[3]).write_bytes(b"cut off")
    scans = DayScans(lake, days)
    for one in days[:3]:
        assert scans.of(con, one) == alone[one.day]
    with pytest.raises(ChangedFile, match=str(DAYS[3])):
        scans.of(con, days[3])


def test_only_days_in_a_row_of_the_same_rules_are_scanned_together(
    con: duckdb.DuckDBPyConnection,
    asked: tuple[Lake, list[AskedDay]],
    rules: Prepared,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake, (first, second, third, fourth) = asked
    scans = Scans(monkeypatch)
    other = replace(fourth, rules=replace(rules))
    found_by_day(con, lake, [first, third, other], [first, third, other])
    assert scans.days == [[first.day], [third.day], [other.day]]
    scans.days.clear()
    monkeypatch.setattr(detection_scans, "MOST_EVENTS", first.events + second.events)
    found_by_day(con, lake, [first, second, third, fourth], [first, second, third, fourth])
    assert scans.days == [[first.day, second.day], [third.day, fourth.day]]
