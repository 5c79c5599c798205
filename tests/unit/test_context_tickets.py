"""Change tickets: how a register is read, which events a ticket covers, and what is said when it cannot be known.

Whether a rule fires on it is tested with the rules.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.context.audit_context import build_context, with_context
from intelsec_assets.detections.context.tickets import (
    CLOCK_TOLERANCE,
    CsvTickets,
    RowProblem,
    Ticket,
    TicketReading,
    parse_tickets,
)
from tests.searching import examples
from tests.unit.audit_calls import ACCOUNT, DAY, NOON, Row, call, calls, context, session

HEADER = "ticket_id,system,requester,target,action,valid_from,valid_to,status\n"
GOOD = "CHG-1,aws,ana,batch,CreateAccessKey,2026-03-13T11:00:00Z,2026-03-13T13:00:00Z,approved\n"
HOUR = timedelta(hours=1)
START = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
DAY_END = START + timedelta(days=1)


def ticket(**said: object) -> Ticket:
    usual: dict[str, object] = {
        "ticket_id": "CHG-1",
        "system": "aws",
        "requester": "ana",
        "target": "batch",
        "action": "CreateAccessKey",
        "valid_from": NOON - HOUR,
        "valid_to": NOON + HOUR,
        "status": "approved",
    }
    return Ticket(**(usual | said))  # type: ignore[arg-type]


def state(event: Row, *tickets: Ticket, until: datetime | None = DAY_END) -> str:
    reading = TicketReading(tickets, covers_until=until)
    return str(context([event], tickets=reading)[event["event_id"]]["context.ticket.state"])


def read(text: str, written: datetime = DAY_END, now: datetime | None = None) -> TicketReading:
    return parse_tickets(text, "tickets.csv", written=written, now=now or written, max_age=HOUR)


# --- which event a ticket covers
def test_an_approved_ticket_of_that_actor_target_action_and_hour_covers_the_event() -> None:
    found = context([call()], tickets=TicketReading((ticket(),), covers_until=DAY_END))["e1"]
    assert (found["context.ticket.state"], found["context.ticket.id"]) == ("present", "CHG-1")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"status": "rejected"}, "nobody said yes"),
        ({"status": "cancelled"}, "taken back"),
        ({"status": "requested"}, "not yet approved"),
        ({"target": "reports"}, "another user's key"),
        ({"target": "bat"}, "a part of a name is another name"),
        ({"requester": "ben"}, "another actor"),
        ({"action": "DeleteAccessKey"}, "another action"),
        ({"system": "gcp"}, "another cloud"),
        ({"target": "b_tch"}, "an underscore is no wildcard"),
        ({"target": "%"}, "a percent sign is no wildcard"),
    ],
)
def test_a_ticket_for_something_else_does_not_count(said: dict[str, object], why: str) -> None:
    assert state(call(), ticket(**said)) == "absent", why


@pytest.mark.parametrize(
    "said",
    [
        {"requester": None},
        {"target": None},
        {"requester": f"arn:aws:iam::{ACCOUNT}:user/ana"},
        {"requester": "*:user/ANA"},
        {"target": "BATCH"},
        {"target": "ba*"},
        {"action": "*AccessKey"},
        {"action": "*"},
        {"system": "*"},
        {"status": "implemented"},
    ],
)
def test_patterns_and_other_spellings_of_the_same_thing_count(said: dict[str, object]) -> None:
    assert state(call(), ticket(**said)) == "present"


@pytest.mark.parametrize(
    ("off", "expected"),
    [
        (-HOUR - CLOCK_TOLERANCE, "present"),
        (-HOUR - CLOCK_TOLERANCE - timedelta(seconds=1), "absent"),
        (HOUR + CLOCK_TOLERANCE, "present"),
        (HOUR + CLOCK_TOLERANCE + timedelta(seconds=1), "absent"),
        (HOUR + HOUR, "absent"),
    ],
)
def test_clocks_may_disagree_by_minutes_but_not_by_an_hour(off: timedelta, expected: str) -> None:
    assert state(call(event_time=NOON + off), ticket()) == expected


def test_a_key_for_oneself_names_nobody_so_its_actor_is_the_target() -> None:
    own = call(target=None)
    assert state(own, ticket(target="ana")) == "present"
    assert state(own, ticket(target="batch")) == "absent"


def test_a_session_is_known_by_its_role_and_by_neither_the_identity_nor_the_name_its_caller_chose() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/operations"
    session = {"actor_arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/operations/ben", "actor_user": None}
    event = call(**session, actor_issuer_arn=role, principal=f"{role}#ana")
    assert state(event, ticket(requester=role)) == "present"
    for name in ("ana", "ben", f"{role}#ana", "*ana"):
        assert state(event, ticket(requester=name)) == "absent", name
    own = event | {"event": "{}"}
    assert state(own, ticket(requester=role, target="ana")) == "absent"


@pytest.mark.parametrize(
    ("kind", "actor"),
    [("role", "assumed-role/operations/ana"), ("login", "federated-user/ana")],
)
def test_no_pattern_fits_the_name_of_a_session_for_its_caller_chose_it(kind: str, actor: str) -> None:
    arn = f"arn:aws:sts::{ACCOUNT}:{actor}"
    issuer = f"arn:aws:iam::{ACCOUNT}:role/operations" if kind == "role" else None
    event = call(actor_arn=arn, actor_user=None, actor_issuer_arn=issuer, principal=issuer or arn)
    own = event | {"event": "{}"}
    for pattern in ("*/ana", "*ana", "*:*/an*", f"arn:aws:sts::{ACCOUNT}:{actor[:-1]}*"):
        assert state(event, ticket(requester=pattern)) == "absent", pattern
        assert state(own, ticket(requester=None, target=pattern)) == "absent", pattern
        named = call(json={"requestParameters": {"resourceArn": arn}})
        assert state(named, ticket(requester=None, target=pattern, action="*")) == "absent", pattern
    assert state(call(json={"requestParameters": {"resourceArn": arn}}), ticket(requester=None)) == "absent"
    assert state(event, ticket(requester=arn)) == "present", "written out, whoever wrote the ticket meant this session"


@pytest.mark.parametrize(
    "pattern", ["*:role/operations", "*/operations", "*:assumed-role/operations/*", f"*::{ACCOUNT}:assumed-role/oper*"]
)
def test_a_pattern_may_name_the_role_of_a_session(pattern: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/operations"
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/operations/ana"
    event = call(actor_arn=arn, actor_user=None, actor_issuer_arn=role, principal=role)
    assert state(event, ticket(requester=pattern)) == "present"


def test_a_user_of_another_account_needs_a_ticket_that_names_that_account() -> None:
    stranger = call(account=ACCOUNT, actor_account="666666666666", actor_arn="arn:aws:iam::666666666666:user/ana")
    stranger["principal"] = stranger["actor_arn"]
    for name in ("ana", "an*", "*:user/ana"):
        assert state(stranger, ticket(requester=name)) == "absent", name
        assert state(call(account=ACCOUNT, actor_account=ACCOUNT), ticket(requester=name)) == "present", name
    for name in (stranger["actor_arn"], "*:666666666666:user/*"):
        assert state(stranger, ticket(requester=name)) == "present", name
    unsaid = stranger | {"actor_account": None}
    assert state(unsaid, ticket(requester="ana")) == "absent", "its ARN says the account"


def test_a_ticket_of_an_account_covers_that_name_in_no_other() -> None:
    here, elsewhere = (call(account=account, actor_account=account) for account in (ACCOUNT, "666666666666"))
    for said in ({}, {"requester": None}, {"requester": "an*"}, {"target": None}):
        assert state(here, ticket(account=ACCOUNT, **said)) == "present", said
        assert state(elsewhere, ticket(account=ACCOUNT, **said)) == "absent", said
        assert state(elsewhere, ticket(**said)) == "present", f"{said}: no account said, any account"


def test_a_call_that_says_no_account_is_covered_by_no_ticket_of_one() -> None:
    assert state(call(account=None), ticket(account=ACCOUNT)) == "absent"


def test_the_account_of_another_cloud_is_a_project_or_a_subscription_in_any_case() -> None:
    event = call(provider="azure", account="0A1B-C2", actor_arn="ana@example.org", actor_user="ana")
    found = event | {"event": '{"resourceId": "batch"}'}
    assert state(found, ticket(system="azure", account="0a1b-c2")) == "present"
    assert state(found, ticket(system="azure", account="0a1b-c3")) == "absent"


@pytest.mark.parametrize(
    "said",
    [
        {"userName": "reports", "name": "batch"},
        {"userName": "reports", "roleName": "batch"},
        {"UserName": "reports"},
        {"trailARN": "reports"},
    ],
)
@pytest.mark.parametrize("target", ["batch", "ana"])
def test_a_credential_is_of_the_user_that_the_request_names_and_of_nothing_beside(
    said: dict[str, str], target: str
) -> None:
    assert state(call(json={"requestParameters": said}), ticket(target=target)) == "absent"


def test_of_a_user_and_a_name_the_user_is_the_target() -> None:
    event = call(event_name="PutUserPolicy", json={"requestParameters": {"userName": "reports", "name": "batch"}})
    assert state(event, ticket(action="*", target="batch")) == "absent"
    assert state(event, ticket(action="*", target="reports")) == "present"


def test_a_key_of_ones_own_is_named_by_its_id_alone() -> None:
    own = call(event_name="UpdateAccessKey", json={"requestParameters": {"accessKeyId": "AKIA", "status": "Inactive"}})
    assert state(own, ticket(action="*", target="ana")) == "present"


def test_an_event_of_another_provider_with_the_same_id_does_not_lend_its_ticket() -> None:
    azure = call(provider="azure", actor_arn="helper@example.org", principal="helper@example.org", actor_user=None)
    with session() as con:
        events = calls(con, [call(), azure])
        reading = TicketReading((ticket(system="azure", requester="helper*", target=None),), covers_until=DAY_END)
        built = build_context(con, DAY, events, tickets=reading, asn=None, history_before=None, known=None)
        joined = with_context(con, events, built)
        found = joined.project('provider, "context.ticket.state"').order("provider").fetchall()
    assert found == [("aws", "absent"), ("azure", "present")]


def test_a_free_text_of_the_request_cannot_stand_in_for_its_target() -> None:
    request = {"userName": "reports", "description": "batch", "tags": [{"key": "for", "value": "batch"}]}
    assert state(call(json={"requestParameters": request}), ticket()) == "absent"


def test_resources_are_targets_by_their_arn_and_by_its_last_part() -> None:
    trail = f"arn:aws:cloudtrail:eu-central-1:{ACCOUNT}:trail/staging"
    event = call(event_name="StopLogging", json={"requestParameters": {"name": trail}})
    for target in (trail, "staging", "*:trail/staging"):
        assert state(event, ticket(action="StopLogging", target=target)) == "present"


def test_the_narrowest_of_several_tickets_is_named() -> None:
    wide = ticket(ticket_id="A-WIDE", valid_from=START, valid_to=DAY_END)
    found = context([call()], tickets=TicketReading((wide, ticket(ticket_id="Z-NARROW")), covers_until=DAY_END))
    assert found["e1"]["context.ticket.id"] == "Z-NARROW"


# --- what is not known
def test_a_register_that_cannot_be_read_leaves_every_event_unknown(tmp_path: Path) -> None:
    reading = CsvTickets(tmp_path / "missing.csv", NOON).tickets(START, DAY_END)
    assert reading.reason is not None
    assert "missing.csv" in reading.reason
    assert context([call()], tickets=reading)["e1"]["context.ticket.state"] == "unknown"


def test_what_happens_after_the_register_was_last_written_is_unknown_and_not_absent() -> None:
    event = call(target="other")
    assert state(event, ticket(), until=NOON) == "absent"
    assert state(event, ticket(), until=NOON - timedelta(seconds=1)) == "unknown"


def test_what_a_register_cannot_say_of_a_day_is_told_in_words() -> None:
    whole = TicketReading((ticket(),), START, DAY_END)
    assert whole.gaps(START, DAY_END) == ()
    bad = replace(whole, covers_until=NOON, problems=(RowProblem("t.csv", 7, "valid_to 'soon' is no instant"),))
    assert bad.gaps(START, DAY_END) == (
        f"the register says nothing after {NOON:%Y-%m-%d %H:%M} UTC",
        "1 row cannot be used, the first: t.csv:7: valid_to 'soon' is no instant",
    )
    assert replace(bad, reason="t.csv cannot be read").gaps(START, DAY_END) == ("t.csv cannot be read",)


def test_a_ticket_that_is_there_counts_even_where_the_register_covers_no_more() -> None:
    assert state(call(), ticket(), until=NOON - HOUR) == "present"


def test_a_file_that_stopped_being_written_covers_until_its_age(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(HEADER + GOOD)
    os.utime(path, times=(NOON.timestamp(), NOON.timestamp()))
    reading = CsvTickets(path, NOON, max_age=HOUR).tickets(START, DAY_END)
    assert reading.covers(NOON + HOUR)
    assert not reading.covers(NOON + HOUR + timedelta(seconds=1))


def written_at(folder: Path, written: datetime, now: datetime, text: str = HEADER + GOOD) -> TicketReading:
    path = folder / "tickets.csv"
    path.write_text(text)
    os.utime(path, times=(written.timestamp(), written.timestamp()))
    return CsvTickets(path, now, max_age=HOUR).tickets(START, DAY_END)


@pytest.mark.parametrize("ahead", [timedelta(hours=3), timedelta(days=400), timedelta(days=365 * 70)])
def test_a_file_of_the_future_says_nothing_for_it_would_count_as_fresh_until_then(
    tmp_path: Path, ahead: timedelta
) -> None:
    reading = written_at(tmp_path, NOON + ahead, NOON)
    assert reading.reason is not None
    assert "tickets.csv was written in the future" in reading.reason
    assert f"{NOON:%Y-%m-%d %H:%M}" in reading.reason
    assert not reading.covers(NOON)
    assert written_at(tmp_path, NOON + ahead, NOON + timedelta(minutes=1)).digest == reading.digest


def test_clocks_that_disagree_by_an_hour_make_no_file_one_of_the_future(tmp_path: Path) -> None:
    for off in (HOUR, -HOUR):
        reading = written_at(tmp_path, NOON + off, NOON)
        assert reading.reason is None
        assert reading.covers(NOON)


def test_a_file_that_says_when_it_was_exported_may_have_any_time_stamp(tmp_path: Path) -> None:
    text = f"# as_of: 2026-03-13T11:30:00Z\n{HEADER}{GOOD}"
    for off in (timedelta(days=400), -timedelta(days=400)):
        reading = written_at(tmp_path, NOON + off, NOON, text)
        assert reading.reason is None
        assert reading.covers_until == NOON + timedelta(minutes=30)


def test_a_file_that_says_it_was_exported_in_the_future_says_nothing(tmp_path: Path) -> None:
    text = f"# as_of: 2026-03-13T15:00:00Z\n{HEADER}{GOOD}"
    for written in (NOON, NOON + timedelta(hours=3)):
        reading = written_at(tmp_path, written, NOON, text)
        assert reading.reason is not None
        assert "as_of" in reading.reason


def test_what_the_file_says_of_itself_goes_before_its_time_stamp() -> None:
    reading = read(f"# as_of: 2026-03-13T06:00:00Z\n# since: 2026-03-01T00:00:00+01:00\n{HEADER}{GOOD}")
    assert reading.covers_until == datetime(2026, 3, 13, 7, tzinfo=UTC)
    assert not reading.covers(datetime(2026, 2, 28, 22, tzinfo=UTC))
    assert not reading.problems


def test_a_register_written_again_later_gives_an_old_day_the_same_reading(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    digests = set()
    later = "CHG-2,aws,ben,mail,CreateAccessKey,2026-03-20T11:00:00Z,2026-03-20T13:00:00Z,approved\n"
    for text, written in ((HEADER + GOOD, DAY_END), (HEADER + GOOD + later, DAY_END + timedelta(days=9))):
        path.write_text(text)
        os.utime(path, times=(written.timestamp(), written.timestamp()))
        digests.add(CsvTickets(path, written).tickets(START, DAY_END).digest)
    assert len(digests) == 1


# --- how a register is read
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GOOD.replace("2026-03-13T13:00:00Z", "next Tuesday"), "valid_to 'next Tuesday' is no instant"),
        (GOOD.replace("2026-03-13T13:00:00Z", "2026-03-13 13:00"), "time zone"),
        (GOOD.replace("2026-03-13T13:00:00Z", "2026-03-12T13:00:00Z"), "lies before valid_from"),
        (GOOD.replace("approved", "yes"), "status 'yes' is unknown"),
        (GOOD.replace("ana,batch", ",*"), "would cover everybody"),
        (GOOD.replace("ana,batch", "**,batch"), "requester '**' fits nearly everybody"),
        (GOOD.replace("ana,batch", "ana,*:*/*"), "target '*:*/*' fits nearly everybody"),
        (GOOD.replace("ana,batch", "*a*,batch"), "requester '*a*' fits nearly everybody"),
        (GOOD.replace("CHG-1", ""), "ticket_id is empty"),
        ("CHG-1,aws,ana\n", "the row ends before target"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_its_line_and_the_others_stay(row: str, said: str) -> None:
    reading = read(f"# as_of: 2026-03-13T23:00:00Z\n{HEADER}{GOOD}{row}{GOOD.replace('CHG-1', 'CHG-3')}")
    assert [t.ticket_id for t in reading.tickets] == ["CHG-1", "CHG-3"]
    (problem,) = reading.problems
    assert str(problem).startswith("tickets.csv:4: ")
    assert said in problem.text
    assert reading.reason is None


@pytest.mark.parametrize("sign", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"], ids=ascii)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=ascii)
def test_only_the_ends_of_lines_end_a_row(sign: str, end: str) -> None:
    summary = f"new key{sign}for the batch"
    rows = [HEADER.replace("status", "status,summary"), *(f"{GOOD.rstrip()},{text}\n" for text in (summary, "plain"))]
    reading = read("".join([f"# as_of: 2026-03-13T23:00:00Z{sign}\n", *rows, "CHG-1,aws,ana\n"]).replace("\n", end))
    assert [one.ticket_id for one in reading.tickets] == ["CHG-1", "CHG-1"]
    assert [problem.line for problem in reading.problems] == [5]


def test_a_quoted_cell_may_hold_line_breaks_and_lines_are_counted_on() -> None:
    rows = [HEADER.replace("status", "status,summary"), f'{GOOD.rstrip()},"new\nkey\r\nnow"\n', "CHG-1,aws,ana\n"]
    reading = read("".join(rows))
    assert len(reading.tickets) == 1
    assert [problem.line for problem in reading.problems] == [5]


ACCOUNTED = HEADER.replace("status", "status,account")


def with_account(account: str) -> str:
    return GOOD.rstrip() + f",{account}\n"


def test_a_register_may_say_the_account_of_each_ticket() -> None:
    rows = [ACCOUNT, "", "*"]
    reading = read(ACCOUNTED + "".join(map(with_account, rows)))
    assert [one.account for one in reading.tickets] == [ACCOUNT, None, None]
    assert [one.account for one in read(HEADER + GOOD).tickets] == [None]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (with_account("11122223333"), "account '11122223333' is no account of AWS: expected 12 digits"),
        (with_account("1.11122E+11"), "expected 12 digits"),
        (with_account("11112222*").replace(",aws,", ",*,"), "account '11112222*' is no single account"),
        (GOOD, "the row ends before account"),
    ],
)
def test_a_row_whose_account_is_none_is_named_and_covers_nothing(row: str, said: str) -> None:
    reading = read(ACCOUNTED + with_account(ACCOUNT) + row)
    assert len(reading.tickets) == 1
    assert said in reading.problems[0].text


def test_a_ticket_counts_everywhere_if_it_names_no_account_in_any_way() -> None:
    assert ticket().counts_everywhere
    assert not ticket(account=ACCOUNT).counts_everywhere
    assert not ticket(requester=f"arn:aws:iam::{ACCOUNT}:user/ana").counts_everywhere


def with_status(status: str, ticket_id: str = "CHG-1") -> str:
    return GOOD.replace("approved", status).replace("CHG-1", ticket_id)


@pytest.mark.parametrize("taken_back", ["cancelled", "rejected", "Cancelled"])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_ticket_that_was_taken_back_in_any_row_covers_nothing_and_is_named(taken_back: str, is_first: bool) -> None:
    both = [with_status(taken_back), GOOD] if is_first else [GOOD, with_status(taken_back)]
    reading = read(HEADER + "".join(both) + with_status("approved", "CHG-3"))
    approved, other = (3, 2) if is_first else (2, 3)
    assert [one.ticket_id for one in reading.tickets if one.is_approved] == ["CHG-3"]
    (problem,) = reading.problems
    assert str(problem).startswith(f"tickets.csv:{approved}: ticket CHG-1 is approved here")
    assert f"{taken_back.lower()} in line {other}" in problem.text
    assert "give it one status" in problem.text
    assert reading.reason is None


def test_every_row_of_a_ticket_that_was_taken_back_is_named_and_they_break_no_register() -> None:
    rows = [GOOD, with_status("cancelled"), with_status("implemented"), GOOD, with_status("rejected", "chg-1"), GOOD]
    reading = read(HEADER + "".join(rows))
    assert not any(one.is_approved for one in reading.tickets)
    assert [problem.line for problem in reading.problems] == [2, 4, 5, 7]
    assert all("cancelled in line 3 and rejected in line 6" in problem.text for problem in reading.problems)
    assert reading.reason is None


def test_a_ticket_is_taken_back_by_a_row_that_cannot_be_used_otherwise() -> None:
    reading = read(HEADER + GOOD + with_status("cancelled").replace("2026-03-13T13:00:00Z", ""))
    assert not any(one.is_approved for one in reading.tickets)
    assert [problem.line for problem in reading.problems] == [2, 3]


def test_a_ticket_that_was_taken_back_outside_the_day_covers_nothing_on_it(tmp_path: Path) -> None:
    later = with_status("cancelled").replace("2026-03-13", "2026-06-13")
    reading = written_at(tmp_path, DAY_END, DAY_END, HEADER + GOOD + later)
    assert reading.tickets == ()


def test_a_draft_or_request_beside_an_approval_is_a_usual_history() -> None:
    reading = read(HEADER + with_status("draft") + GOOD + with_status("requested") + with_status("implemented"))
    assert [one.status for one in reading.tickets if one.is_approved] == ["approved", "implemented"]
    assert reading.problems == ()


def test_a_file_of_mostly_bad_rows_is_a_file_that_cannot_be_read() -> None:
    rows = "".join(GOOD.replace("2026-03-13T11:00:00Z", "13/03/2026 11:00") for _ in range(5))
    reading = read(HEADER + rows + GOOD)
    assert reading.tickets == ()
    assert reading.reason is not None
    assert "5 of 6 rows" in reading.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER.replace("status", "status,requester") + GOOD,
        HEADER.replace("status", "status,account,account") + GOOD,
        f"# as_of: 2026-03-15T01:00:00Z\n{HEADER}{GOOD}",
        f"# as_of: 9999-12-31T23:59:59Z\n{HEADER}{GOOD}",
        "ticket,who\n1,ana\n",
        HEADER + '"never closed\n',
        f"# as_of: yesterday\n{HEADER}{GOOD}",
    ],
)
def test_what_is_no_register_says_why(text: str) -> None:
    reading = read(text)
    assert reading.reason is not None
    assert not reading.covers(NOON)


def test_an_age_beyond_the_calendar_is_a_reason_and_no_crash() -> None:
    reading = read(HEADER + GOOD, written=datetime.max.replace(tzinfo=UTC))
    assert reading.reason is not None
    assert "no age can be added" in reading.reason


def test_a_file_in_another_encoding_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(HEADER.encode("utf-16"))
    assert CsvTickets(tmp_path / "t.csv", NOON).tickets(START, DAY_END).reason is not None


NAMES = st.sampled_from(["ana", "ben", "batch", "mail", "*", "b*", None])
TICKETS = st.builds(
    lambda requester, target, action, start, hours, status: ticket(
        requester=requester,
        target=target if requester or target else "batch",
        action=action,
        valid_from=START + timedelta(hours=start),
        valid_to=START + timedelta(hours=start + hours),
        status=status,
    ),
    NAMES,
    NAMES,
    st.sampled_from(["CreateAccessKey", "*Key", "*", "AssumeRole"]),
    st.integers(0, 23),
    st.integers(0, 6),
    st.sampled_from(["approved", "rejected", "implemented"]),
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["ana", "ben"]), st.sampled_from(["batch", "mail", None]), st.integers(0, 1439)),
    max_size=6,
)


def fits(pattern: str | None, texts: list[str]) -> bool:
    if pattern is None or pattern == "*":
        return True
    return any(text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern for text in texts)


@examples(15)
@given(tickets=st.lists(TICKETS, max_size=5), events=EVENTS, seed=st.integers(0, 9))
def test_the_match_of_all_events_is_the_match_of_each_in_any_order(
    tickets: list[Ticket], events: list[tuple[str, str | None, int]], seed: int
) -> None:
    rows = [
        call(event_id=f"e{n}", user=user, target=target, event_time=START + timedelta(minutes=minute))
        for n, (user, target, minute) in enumerate(events)
    ]
    expected = {
        f"e{n}": "present"
        if any(
            t.is_approved
            and t.action in ("CreateAccessKey", "*Key", "*")
            and fits(t.requester, [user])
            and fits(t.target, [target or user])
            and t.valid_from - CLOCK_TOLERANCE <= START + timedelta(minutes=minute) <= t.valid_to + CLOCK_TOLERANCE
            for t in tickets
        )
        else "absent"
        for n, (user, target, minute) in enumerate(events)
    }
    shuffled = list(tickets)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(rows)
    found = context(rows, tickets=TicketReading(tuple(shuffled), covers_until=DAY_END))
    assert {name: row["context.ticket.state"] for name, row in found.items()} == expected
