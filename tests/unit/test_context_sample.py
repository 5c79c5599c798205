"""The sample's story in audit logs, read as delivered and joined with its context: what the rules will see.

Which rule fires is tested with the rules; that the files are current is in test_sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets.detections.audit.inbox import FolderInbox
from intelsec_assets.detections.audit.reading import batches
from intelsec_assets.detections.audit.telemetry import load_telemetry
from intelsec_assets.detections.audit.typed import Delivery
from intelsec_assets.detections.context.asn import load_prefixes
from intelsec_assets.detections.context.audit_context import build_context, with_context
from intelsec_assets.detections.context.principals import build_principal_asns
from intelsec_assets.detections.context.tickets import CsvTickets
from tests.unit.audit_calls import indicators, session

DATA = Path(__file__).parents[2] / "samples" / "data"
DAYS = [date(2026, 3, 2) + timedelta(days=n) for n in range(14)]
ATTACKER = "203.0.113.119"
LISTED = [("ipv4", ATTACKER, 0.9, "export"), ("ipv4", "203.0.113.17", 0.9, "export")]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def story() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session with the table `story`: all events of the sample with their context."""
    telemetry = load_telemetry(DATA)
    assert telemetry.tickets_csv is not None
    tickets = CsvTickets(DATA / telemetry.tickets_csv, datetime.now(UTC))
    prefixes = load_prefixes([DATA / path for path in telemetry.asn_csv])
    assert prefixes.problems == prefixes.reasons == ()
    with session() as con:
        for number, source in enumerate(telemetry.audit):
            inbox = FolderInbox(DATA / source.location)
            now = datetime(2026, 3, 16, tzinfo=UTC)
            files = (
                (Delivery(source.name, source.provider, f.key, now), (inbox.folder / f.key).open("rb"))
                for f in inbox.listing()
            )
            for batch in batches(con, files):
                con.register("batch", batch.rows.table)
                con.execute("create table read as from batch" if not number else "insert into read from batch")
                con.unregister("batch")
        con.execute(
            "create table events as from read qualify row_number() over (partition by event_id order by file) = 1"
        )
        before = None
        for number, day in enumerate(DAYS):
            start = datetime(day.year, day.month, day.day, tzinfo=UTC)
            events = con.sql(f"from events where day = date '{day}'")
            known = indicators(con, LISTED, day - timedelta(days=1)) if day > date(2026, 3, 11) else None
            built = build_context(
                con,
                day,
                events,
                tickets=tickets.tickets(start, start + timedelta(days=1)),
                asn=prefixes,
                history_before=before,
                known=known,
            )
            joined = with_context(con, events, built)
            con.execute(f"{'insert into story' if number else 'create table story as'} {joined.sql_query()}")
            before = build_principal_asns(con, day, joined, before)
        yield con


def told(story: duckdb.DuckDBPyConnection, columns: str, where: str) -> Rows:
    return story.sql(f"select {columns} from story where {where} order by event_time").fetchall()


def test_a_key_without_a_ticket_stands_beside_keys_with_one(story: duckdb.DuckDBPyConnection) -> None:
    columns = "day(event_time), json_extract_string(event, '$.requestParameters.userName'), \"context.ticket.state\""
    assert told(story, columns, "event_name = 'CreateAccessKey' and error_code is null") == [
        (4, "svc-backup", "present"),
        (9, "svc-mailer", "present"),  # three minutes early
        (10, "svc-batch", "absent"),  # an hour late
        (13, "svc-reports", "absent"),  # its ticket was rejected
        (13, None, "absent"),  # a key for herself
        (13, "svc-etl", "present"),
        (15, "svc-mailer", "unknown"),  # after the register was last written
    ]


def test_roles_are_taken_from_a_new_network_by_the_intruder_and_by_one_traveller(
    story: duckdb.DuckDBPyConnection,
) -> None:
    where = "event_name like 'AssumeRole%' and \"context.asn.state\" = 'new'"
    assert told(story, 'day(event_time), actor_user, "context.asn.number"', where) == [
        (9, "priya", 65536),
        (12, "mara", 64510),
        (13, "mara", 64510),
        (14, "svc-reports", 64510),
    ]


def test_the_traveller_is_known_after_two_days_and_the_new_colleague_in_cold_start(
    story: duckdb.DuckDBPyConnection,
) -> None:
    states = 'day(event_time), "context.asn.state"'
    assert told(story, states, "event_name = 'AssumeRole' and source_address = '203.0.113.231'") == [
        (9, "new"),
        (11, "known"),
    ]
    of_lena = told(story, states, "actor_user = 'lena' and source_address is not null")
    assert sorted(set(of_lena)) == [(11, "cold_start"), (12, "cold_start"), (13, "known")]


def test_sign_ins_without_a_second_factor_from_a_new_network_are_the_intruders(
    story: duckdb.DuckDBPyConnection,
) -> None:
    where = "event_name = 'ConsoleLogin' and ocsf_status = 'Success' and contains(event, '\"MFAUsed\":\"No\"')"
    found = told(story, 'day(event_time), source_address, "context.asn.state"', f"{where} and actor_user = 'mara'")
    assert found == [(12, "198.51.100.131", "known"), (12, ATTACKER, "new"), (13, ATTACKER, "new")]


def most_in_ten_minutes(story: duckdb.DuckDBPyConnection, counted: str, where: str) -> dict[str, int]:
    rows = story.sql(
        f"select principal, max(n) from (select principal, {counted} over (partition by principal order by event_time "
        f"range between interval 10 minutes preceding and current row) as n from story where {where}) group by all"
    ).fetchall()
    return {principal.rpartition("/")[2]: most for principal, most in rows}


def test_the_intruder_reads_and_decrypts_in_ten_minutes_more_than_anyone(story: duckdb.DuckDBPyConnection) -> None:
    reads = most_in_ten_minutes(story, "count(distinct resource)", "event_name = 'GetObject'")
    assert reads.pop("operations#mara") == 240
    assert reads.pop("backup-nightly#svc-backup") == 40
    assert max(reads.values()) < 10
    decrypts = most_in_ten_minutes(story, "count(*)", "event_name = 'Decrypt' and actor_invoked_by is null")
    assert decrypts.pop("operations#mara") == 160
    assert max(decrypts.values()) < 5


def test_calls_from_an_indicator_are_the_intruders_and_none_before(story: duckdb.DuckDBPyConnection) -> None:
    rows = told(
        story, "distinct on (source_address) source_address, day(event_time)", "\"context.indicator.state\" = 'match'"
    )
    assert rows == [(ATTACKER, 12), ("203.0.113.17", 14)]


def test_deliveries_that_go_wrong_are_in_the_sample(story: duckdb.DuckDBPyConnection) -> None:
    twice = story.sql("select event_id from read group by all having count(distinct file) > 1").fetchall()
    assert twice
    ((late,),) = told(story, "file", "event_name = 'StopLogging' and day = date '2026-03-07'")
    assert "/2026/03/09/" in late


def test_services_and_impossible_addresses_have_no_network_and_are_not_new(story: duckdb.DuckDBPyConnection) -> None:
    where = "source_address is null or starts_with(source_address, '10.')"
    assert {row[0] for row in told(story, '"context.asn.state"', where)} == {"unknown"}
    assert told(story, "day(event_time)", "source_text = '198.51.100.299'") == [(3,)]


def test_each_event_has_one_context(story: duckdb.DuckDBPyConnection) -> None:
    ((rows, ids),) = story.sql("select count(*), count(distinct event_id) from story").fetchall()
    ((events,),) = story.sql("select count(*) from events").fetchall()
    assert rows == ids == events
