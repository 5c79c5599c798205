"""Each invariant of the tables of detections: it holds for tables that are right and names what breaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.detections import invariants
from intelsec_assets.detections.gaps import rules_asked, sources_read
from intelsec_assets.detections.tables import DETECTION_TABLES
from intelsec_assets.invariants import Day, Invariant, Verdict
from tests.unit.detection_rows import NOON, TODAY, relation

Rows = Sequence[Mapping[str, Any]]
YESTERDAY = NOON - timedelta(days=1)
ALL = {
    one.name: one
    for group in vars(invariants).values()
    if isinstance(group, tuple)
    for one in group
    if isinstance(one, Invariant)
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as session:
        yield session


def judged(
    con: duckdb.DuckDBPyConnection, name: str, tables: Mapping[str, Rows], before: Rows | None = None, note: str = ""
) -> Verdict:
    now = {table: relation(con, DETECTION_TABLES[table], rows) for table, rows in tables.items()}
    asset = ALL[name].asset
    past = {} if before is None else {asset: relation(con, DETECTION_TABLES[asset], before)}
    return ALL[name].evaluate(Day(TODAY, con, now, past, note))


EVENT = {"event_id": "e1", "provider": "aws", "event_time": NOON, "delivered_at": NOON}
KNOWN = {
    "provider": "aws", "event_id": "e1", "context.ticket.state": "absent", "context.indicator.state": "none",
}  # fmt: skip
FINDING = {"finding_id": "f1", "rule_title": "Root used", "kind": "event", "event_ids": ["e1"], "event_count": 1}
NETWORK = {"principal": "ada", "asn": 64500, "first_seen": YESTERDAY, "last_seen": NOON}
FEED = {
    "feed": "tally", "true_positives": 3, "false_positives": 1, "accuracy": 0.75, "accuracy_low": 0.3,
    "accuracy_high": 0.95,
}  # fmt: skip

CASES: list[Any] = [
    # name, tables that are right, tables that break it, what the evidence names
    (
        "events_are_of_the_day",
        {"cloud_audit_events": [EVENT]},
        {"cloud_audit_events": [EVENT, {**EVENT, "event_id": "late", "event_time": YESTERDAY}]},
        "late",
    ),
    (
        "an_event_is_there_once",
        {"cloud_audit_events": [EVENT, {**EVENT, "provider": "gcp"}]},
        {"cloud_audit_events": [EVENT, EVENT]},
        "e1",
    ),
    (
        "events_come_in_time",
        {"cloud_audit_events": [EVENT]},
        {"cloud_audit_events": [{**EVENT, "delivered_at": NOON + timedelta(hours=7)}]},
        "1 of 1 events came over 6 hours late",
    ),
    (
        "every_record_was_used",
        {"rejected_audit_records": []},
        {
            "rejected_audit_records": [
                {"source": "trail", "file": "a.gz", "record": 0, "reason": "truncated"},
                {"source": "trail", "file": "a.gz", "record": 7, "reason": "truncated"},
                {"source": "trail", "file": "b.gz", "record": 0, "reason": "not_json"},
            ]
        },
        "3 records of 2 files: truncated 2, not_json 1",
    ),
    (
        "every_event_has_one_context",
        {"cloud_audit_events": [EVENT], "audit_context": [KNOWN]},
        {"cloud_audit_events": [EVENT, {**EVENT, "event_id": "bare"}], "audit_context": [KNOWN]},
        "bare",
    ),
    (
        "context_is_known",
        {"audit_context": [KNOWN]},
        {"audit_context": [{**KNOWN, "context.ticket.state": "unknown"}]},
        "tickets unknown for 1 event",
    ),
    (
        "a_network_is_there_once",
        {"principal_asns": [NETWORK, {**NETWORK, "principal": "bo"}]},
        {"principal_asns": [NETWORK, NETWORK]},
        "ada",
    ),
    (
        "networks_were_seen_in_order",
        {"principal_asns": [NETWORK]},
        {"principal_asns": [{**NETWORK, "first_seen": NOON, "last_seen": YESTERDAY}]},
        "ada",
    ),
    (
        "findings_name_their_events",
        {"cloud_audit_events": [EVENT], "sigma_findings": [FINDING]},
        {"cloud_audit_events": [EVENT], "sigma_findings": [{**FINDING, "event_ids": ["gone"]}]},
        "Root used",
    ),
    (
        "no_rule_floods",
        {"sigma_findings": [FINDING]},
        {"sigma_findings": [{**FINDING, "kind": "flood", "event_count": 5000}]},
        "Root used",
    ),
    (
        "alerts_have_their_finding",
        {"sigma_findings": [FINDING], "alerts": [{"alert_id": "a1", "finding_id": "f1", "engine": "sigma"}]},
        {"sigma_findings": [], "alerts": [{"alert_id": "a1", "finding_id": "f1", "engine": "sigma"}]},
        "a1",
    ),
    (
        "changes_are_of_the_day",
        {"alert_events": [{"alert_id": "a1", "at": NOON}]},
        {"alert_events": [{"alert_id": "a1", "at": YESTERDAY}]},
        "a1",
    ),
    (
        "judgements_are_of_the_day",
        {"alert_dispositions": [{"alert_id": "a1", "at": NOON}]},
        {"alert_dispositions": [{"alert_id": "a1", "at": YESTERDAY}]},
        "a1",
    ),
    (
        "judgements_give_a_reason",
        {"alert_dispositions": [{"alert_id": "a1", "reason": "CHG-1"}]},
        {"alert_dispositions": [{"alert_id": "a1", "reason": " "}]},
        "a1",
    ),
    (
        "accuracy_follows_from_verdicts",
        {"feed_accuracy": [FEED]},
        {"feed_accuracy": [{**FEED, "accuracy": 0.5}]},
        "tally",
    ),
    (
        "no_rule_is_silent",
        {"rule_quality": [{"rule_title": "Root used", "mode": "live", "last_finding": NOON - timedelta(days=29)}]},
        {"rule_quality": [{"rule_title": "Root used", "mode": "live", "last_finding": NOON - timedelta(days=31)}]},
        "Root used",
    ),
]


@pytest.mark.parametrize(("name", "right", "wrong", "named"), CASES, ids=[case[0] for case in CASES])
def test_it_holds_for_what_is_right_and_names_what_breaks_it(
    con: duckdb.DuckDBPyConnection, name: str, right: dict[str, Rows], wrong: dict[str, Rows], named: str
) -> None:
    assert judged(con, name, right).passed
    verdict = judged(con, name, wrong)
    assert not verdict.passed
    assert verdict.count >= 1
    assert named in f"{verdict.found} {verdict.sample}"


def test_a_day_of_a_fifth_of_the_day_before_is_unusual_and_a_small_one_is_chance(
    con: duckdb.DuckDBPyConnection,
) -> None:
    def of(now: int, before: int) -> Verdict:
        days = [[{**EVENT, "event_id": str(n)} for n in range(number)] for number in (now, before)]
        return judged(con, "volume_is_usual", {"cloud_audit_events": days[0]}, days[1])

    assert of(20, 100).passed
    assert not of(19, 100).passed
    assert of(1, 99).passed
    assert judged(con, "volume_is_usual", {"cloud_audit_events": []}).passed  # a first day has no day before


def test_context_that_is_unknown_tells_why(con: duckdb.DuckDBPyConnection) -> None:
    note = "tickets: the register says nothing after 2026-03-31 13:00 UTC\ntickets: 1 row cannot be used\nindicators: x"
    unknown = {**KNOWN, "context.ticket.state": "unknown"}

    verdict = judged(con, "context_is_known", {"audit_context": [unknown]}, note=note)

    assert verdict.found == (
        "tickets unknown for 1 event, indicators for 0; the register says nothing after 2026-03-31 13:00 UTC"
    )
    assert judged(con, "context_is_known", {"audit_context": [KNOWN]}, note=note).passed


def test_networks_that_cannot_be_told_are_no_silence_of_the_rules(con: duckdb.DuckDBPyConnection) -> None:
    verdict = judged(con, "context_is_known", {"audit_context": [KNOWN]}, note="networks: asn.csv cannot be read")

    assert not verdict.passed
    assert verdict.found == "known for every event; asn.csv cannot be read"


def test_a_rule_that_was_left_out_is_named(con: duckdb.DuckDBPyConnection) -> None:
    assert judged(con, "every_rule_was_asked", {"sigma_findings": [FINDING]}).passed

    verdict = rules_asked("root-use/rule.yml:3: not YAML\nKMS spike was not asked: out of memory")

    assert (verdict.passed, verdict.count) == (False, 2)
    assert verdict.found == "2 left out, the first: root-use/rule.yml:3: not YAML"
    assert verdict.sample[1] == {"left out": "KMS spike was not asked: out of memory"}


def test_sources_that_are_away_and_files_that_cannot_be_read_are_named() -> None:
    assert sources_read({}, []).passed

    verdict = sources_read({"lost": "no such folder"}, [("trail", "a.gz", "cannot be read: Permission denied")])

    assert (verdict.passed, verdict.count) == (False, 2)
    assert verdict.found == (
        "lost is away: no such folder; "
        "1 file could not be read, the first: trail a.gz: cannot be read: Permission denied"
    )


def test_every_invariant_has_a_case_a_claim_and_something_to_do() -> None:
    tested = {case[0] for case in CASES} | {"volume_is_usual", "every_rule_was_asked"}
    assert tested == set(ALL)
    for one in ALL.values():
        assert one.claim.endswith("."), one.name
        assert one.what_to_do, one.name


def test_every_table_of_detections_has_an_invariant() -> None:
    assert {one.asset for one in ALL.values()} == set(DETECTION_TABLES)
