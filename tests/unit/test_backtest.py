"""Backtesting: what a changed rule keeps, adds and removes, told by the verdicts of the alerts it concerns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.quality.backtest import ADDED, KEPT, REMOVED, AlertCounts, DayCounts, compare
from intelsec_assets.detections.quality.firings import Fired, Raised, alerts_of, fired, raised
from intelsec_assets.detections.quality.verdicts import standing_verdicts
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS, ALERTS, SIGMA_FINDINGS
from tests.unit.detection_rows import TODAY, alert, days_ago, disposition, finding, relation

START = datetime(2026, 3, 30, 9, tzinfo=UTC)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as con:
        yield con


def fire(name: str, *events: str, minute: float = 0, **more: Any) -> Fired:
    when = START + timedelta(minutes=minute)
    return Fired(
        **{
            "finding_id": name,
            "rule_id": "R",
            "day": when.date(),
            "kind": "event",
            "mode": "live",
            "dedup_key": "k",
            "first_event_time": when,
            "last_event_time": when,
            "event_ids": events or (f"E{name}",),
            "event_count": len(events) or 1,
            "suppression_seconds": 0,
            "entity": "eve",
            **more,
        }
    )


def raise_alert(of: Fired, verdict: str | None = None) -> Raised:
    return Raised(f"A{of.finding_id}", "R", of.dedup_key, of.mode, of.finding_id, of.first_event_time, "eve", verdict)


def compared(
    present: list[Fired], changed: list[Fired], alerts: list[Raised], stored: list[Fired] | None = None
) -> Any:
    return compare("R", "rule", present, changed, present if stored is None else stored, alerts, days_ago(9), TODAY)


def test_findings_are_kept_removed_or_added_and_counted_by_day() -> None:
    both, gone, new = fire("1"), fire("2"), fire("3", minute=24 * 60)

    test = compared([both, gone], [both, new], [])

    assert [(one.change, one.finding.finding_id) for one in test.findings] == [
        (KEPT, "1"),
        (REMOVED, "2"),
        (ADDED, "3"),
    ]
    assert test.days == (
        DayCounts(START.date(), present=2, changed=1, kept=1, added=0, removed=1),
        DayCounts(new.day, present=0, changed=1, kept=0, added=1, removed=0),
    )


def test_alerts_are_told_by_verdict_and_a_lost_true_positive_stands_out() -> None:
    findings = [fire(str(n)) for n in range(4)]
    verdicts = ["true_positive", "false_positive", "false_positive", None]
    alerts = [raise_alert(f, verdict) for f, verdict in zip(findings, verdicts, strict=True)]

    good, bad = compared(findings, [findings[0], findings[2]], alerts), compared(findings, findings[1:], alerts)

    assert good.alerts["false_positive"] == AlertCounts(kept=1, lost=1)
    assert good.alerts["not_judged"] == AlertCounts(kept=0, lost=1)
    assert not good.loses_true_positives
    assert bad.loses_true_positives
    assert [lost.alert_id for lost in bad.lost] == ["A0"]
    assert bad.to_json()["loses_true_positives"] is True


@pytest.mark.parametrize("verdict", ["benign_true_positive", "duplicate"])
def test_what_may_be_real_is_a_true_one_to_lose(verdict: str) -> None:
    only = fire("1")

    assert compared([only], [], [raise_alert(only, verdict)]).loses_true_positives


def test_an_alert_is_lost_only_if_none_of_its_findings_is_kept() -> None:
    first, second = fire("1", suppression_seconds=600), fire("2", minute=5, suppression_seconds=600)

    test = compared([first, second], [second], [raise_alert(first, "true_positive")])

    assert not test.loses_true_positives
    assert test.count(REMOVED) == 1


def test_a_burst_that_begins_elsewhere_is_still_the_same_burst() -> None:
    burst = fire(
        "old", "e1", "e2", "e3", kind="correlation", group={"arn": "eve"}, last_event_time=START + timedelta(minutes=9)
    )
    shorter = fire("new", "e7", minute=5, kind="correlation", group={"arn": "eve"})
    other = fire("other", "e8", minute=5, kind="correlation", group={"arn": "bob"})

    test = compared([burst], [shorter, other], [raise_alert(burst, "true_positive")])

    assert (test.count(KEPT), test.count(ADDED)) == (1, 1)
    assert not test.loses_true_positives


def test_an_alert_whose_finding_the_lake_lost_is_told_and_not_called_lost() -> None:
    old = fire("1")

    test = compared([], [], [raise_alert(old, "true_positive")], stored=[])

    assert [a.alert_id for a in test.not_placed] == ["A1"]
    assert (test.lost, test.loses_true_positives) == ((), False)


def test_a_flood_is_told_because_counts_are_cut_there() -> None:
    flood = fire("1", kind="flood")

    test = compared([fire("2")], [flood], [])

    assert (test.flooded_present, test.flooded_changed) == ((), (flood.day,))


def test_findings_join_the_alert_before_them_within_the_window_and_no_other() -> None:
    window = {"suppression_seconds": 600}
    findings = [
        fire("1", **window),
        fire("2", minute=9, **window),
        fire("3", minute=18, **window),  # within ten minutes of the one before, not of the first
        fire("4", minute=40, **window),  # over the budget: raised nothing
        fire("5", minute=60, **window),
        fire("6", minute=1, dedup_key="other", **window),
    ]
    alerts = [raise_alert(findings[0]), raise_alert(findings[4])]

    belongs = alerts_of(findings, alerts)

    assert {name: a.alert_id for name, a in belongs.items()} == {"1": "A1", "2": "A1", "3": "A1", "5": "A5"}


def test_a_finding_that_came_late_belongs_to_the_alert_after_it() -> None:
    late, first = fire("late", suppression_seconds=600), fire("1", minute=3, suppression_seconds=600)

    assert alerts_of([first, late], [raise_alert(first)])["late"].alert_id == "A1"


def test_the_lake_gives_the_findings_and_alerts_of_one_rule_in_the_days_asked_for(
    con: duckdb.DuckDBPyConnection,
) -> None:
    findings = relation(
        con,
        SIGMA_FINDINGS,
        [finding(1, group={"g": "x"}), finding(2, "other"), finding(3, ago=20), finding(4, ago=2)],
    )
    alerts = relation(con, ALERTS, [alert(1), alert(2, "other"), alert(3, ago=20), alert(4, ago=2)])
    said = standing_verdicts(
        con, relation(con, ALERT_DISPOSITIONS, [disposition(1, "false_positive", reason="the backup")]), TODAY
    )

    found = fired(findings, "R", days_ago(9), TODAY)
    rows = raised(alerts, said, "R", days_ago(9), TODAY)

    assert [(f.finding_id, f.event_ids, f.group) for f in found] == [("F4", ("E4",), {}), ("F1", ("E1",), {"g": "x"})]
    assert [(r.alert_id, r.verdict, r.reason) for r in rows] == [
        ("A4", None, None),
        ("A1", "false_positive", "the backup"),
    ]
