"""Whether a network is new for who calls from it, and how that is learnt, forgotten and kept from being taught.

Which network an address belongs to is in test_context_asn.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.context.asn import AsnPrefixes, load_prefixes
from intelsec_assets.detections.context.audit_context import build_context, with_context
from intelsec_assets.detections.context.principals import LEARNING, Learning, build_principal_asns
from intelsec_assets.detections.context.tickets import NO_REGISTER
from intelsec_assets.detections.tables import PRINCIPAL_ASNS
from tests.searching import examples
from tests.unit.audit_calls import DAY, NOON, Row, call, calls, context, indicators, session

ANA = call()["principal"]
HOME, AWAY = 64496, 64510
HOME_ADDRESS, AWAY_ADDRESS = "198.51.100.7", "203.0.113.7"
ONE_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def asn(tmp_path_factory: pytest.TempPathFactory) -> AsnPrefixes:
    path: Path = tmp_path_factory.mktemp("asn") / "prefixes.csv"
    path.write_text(f"network,asn\n198.51.100.0/24,{HOME}\n203.0.113.0/24,{AWAY}\n")
    return load_prefixes([path])


def state(event: Row, asn: AsnPrefixes, before: list[tuple[Any, ...]] | None) -> str:
    return str(context([event], asn=asn, before=before)["e1"]["context.asn.state"])


SETTLED = (ANA, HOME, 30, 20)  # principal, asn, days since first seen, days seen


def test_a_network_never_seen_is_new_for_someone_who_is_settled_elsewhere(asn: AsnPrefixes) -> None:
    away = call(source_address=AWAY_ADDRESS)
    assert state(away, asn, [SETTLED]) == "new"
    assert state(call(), asn, [SETTLED]) == "known"
    assert state(away, asn, [SETTLED, (ANA, AWAY, 9, 2)]) == "known"


def test_another_principals_network_is_still_new_for_this_one(asn: AsnPrefixes) -> None:
    assert state(call(source_address=AWAY_ADDRESS), asn, [SETTLED, ("ben", AWAY, 30, 20)]) == "new"


def test_the_second_call_of_the_same_day_is_as_new_as_the_first(asn: AsnPrefixes) -> None:
    rows = [
        call(event_id=f"e{n}", source_address=AWAY_ADDRESS, event_time=NOON + n * timedelta(minutes=1))
        for n in range(9)
    ]
    found = context(rows, asn=asn, before=[SETTLED])
    assert {row["context.asn.state"] for row in found.values()} == {"new"}


def test_one_day_does_not_make_a_network_known(asn: AsnPrefixes) -> None:
    assert state(call(source_address=AWAY_ADDRESS), asn, [SETTLED, (ANA, AWAY, 1, 1)]) == "new"


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (None, "nothing was learnt before the origin"),
        ([], "nobody knows this principal"),
        ([(ANA, HOME, 3, 3)], "seen for less than five days"),
        ([(ANA, HOME, 30, 2)], "seen on two days only"),
    ],
)
def test_someone_with_too_little_history_is_in_cold_start_and_never_new(
    asn: AsnPrefixes, before: list[tuple[Any, ...]] | None, why: str
) -> None:
    assert state(call(source_address=AWAY_ADDRESS), asn, before) == "cold_start", why


ROLE = "arn:aws:iam::111122223333:role/operations"


@pytest.mark.parametrize("principal", [f"{ROLE}#nobody-knows", ROLE])
def test_a_source_identity_never_heard_of_is_judged_by_the_history_of_the_role(
    asn: AsnPrefixes, principal: str
) -> None:
    settled = [(f"{ROLE}#ana", HOME, 30, 9), (f"{ROLE}#ben", HOME, 20, 9)]
    away = call(principal=principal, source_address=AWAY_ADDRESS)
    assert state(away, asn, settled) == "new"
    assert state(call(principal=principal), asn, settled) == "cold_start", "where the role is at home"
    assert state(away, asn, [(f"{ROLE}#ana", HOME, 3, 3)]) == "cold_start", "the role is young itself"
    assert state(away, asn, [("arn:aws:iam::111122223333:role/operations2", HOME, 30, 9)]) == "cold_start"


def test_two_identities_on_one_day_do_not_make_a_network_the_roles_own(asn: AsnPrefixes) -> None:
    before = [(f"{ROLE}#ana", HOME, 30, 9), *((f"{ROLE}#{name}", AWAY, 1, 1) for name in ("x", "y"))]
    assert state(call(principal=f"{ROLE}#z", source_address=AWAY_ADDRESS), asn, before) == "new"


def test_without_a_table_of_networks_nothing_is_new() -> None:
    assert context([call()], before=[SETTLED])["e1"]["context.asn.state"] == "unknown"


# --- learning
def learn(
    days: dict[date, list[Row]], asn: AsnPrefixes, learning: Learning = LEARNING, listed: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """PRINCIPAL_ASNS after the days, built one upon the other."""
    with session() as con:
        before: duckdb.DuckDBPyRelation | None = None
        for day, rows in sorted(days.items()):
            events = calls(con, [row | {"day": day} for row in rows])
            known = None if listed is None else indicators(con, listed, day - ONE_DAY)
            built = build_context(
                con, day, events, tickets=NO_REGISTER, asn=asn, history_before=before, known=known, learning=learning
            )
            state = build_principal_asns(con, day, with_context(con, events, built), before, learning)
            names = ", ".join(f'"{name}"' for name in PRINCIPAL_ASNS.column_names)
            con.execute(f"create or replace temp table kept as select {names} from ({state.sql_query()})")
            before = con.table("kept")
        return con.sql("select * exclude (day) from kept order by principal, asn").fetchall()


def at(days: int, **said: Any) -> Row:
    return call(**{"event_id": f"e{days}", "event_time": NOON + days * ONE_DAY} | said)


def test_a_day_adds_one_day_seen_and_its_calls_to_the_halved_weight(asn: AsnPrefixes) -> None:
    later = DAY + 14 * ONE_DAY
    quiet = {DAY + n * ONE_DAY: [] for n in range(1, 14)}
    first = [call(event_id="a"), call(event_id="b"), call(event_id="c"), call(event_id="d")]
    ((principal, number, first_seen, last_seen, days_seen, weight),) = learn(
        {DAY: first, **quiet, later: [at(14)]}, asn
    )
    assert (principal, number, days_seen) == (ANA, HOME, 2)
    assert (first_seen, last_seen) == (NOON, NOON + 14 * ONE_DAY)
    assert weight == pytest.approx(4 / 2 + 1)


@pytest.mark.parametrize(
    "failed",
    [
        {"error_code": "AccessDenied"},
        {"error_message": "Failed authentication"},
        {"ocsf_status": "Failure"},
        {"principal": None},
        {"source_address": "192.0.2.1"},
        {"source_address": None, "source_service": "ec2.amazonaws.com"},
    ],
)
def test_calls_that_failed_or_came_from_nowhere_teach_nothing(asn: AsnPrefixes, failed: dict[str, Any]) -> None:
    assert learn({DAY: [call(**failed)]}, asn) == []


def test_calls_from_an_exported_indicator_teach_nothing(asn: AsnPrefixes) -> None:
    day = {DAY: [call(source_address=AWAY_ADDRESS)]}
    assert learn(day, asn, listed=[("ipv4", AWAY_ADDRESS, 0.9, "export")]) == []
    assert len(learn(day, asn, listed=[("ipv4", AWAY_ADDRESS, 0.5, "hold")])) == 1


def test_a_network_used_once_is_forgotten_before_one_used_daily(asn: AsnPrefixes) -> None:
    learning = Learning(half_life=ONE_DAY)
    days: dict[date, list[Row]] = {DAY + n * ONE_DAY: [] for n in range(5)}
    days[DAY] = [call(event_id="a", source_address=AWAY_ADDRESS), *(call(event_id=f"b{n}") for n in range(20))]
    assert [row[1] for row in learn(days, asn, learning)] == [HOME]


def test_a_network_is_forgotten_by_age_however_often_it_was_used(asn: AsnPrefixes) -> None:
    learning = Learning(max_age=timedelta(days=2), half_life=timedelta(days=1000))
    days: dict[date, list[Row]] = {DAY + n * ONE_DAY: [] for n in range(3)}
    days[DAY] = [call(event_id=f"a{n}") for n in range(50)]
    assert learn({day: rows for day, rows in days.items() if day < DAY + 2 * ONE_DAY}, asn, learning)
    assert learn(days, asn, learning) == []


def test_a_policy_that_would_make_everything_known_is_refused() -> None:
    with pytest.raises(ValueError, match="known_after_days"):
        Learning(known_after_days=0)


CALLS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["ana", "ben"]), st.sampled_from([HOME, AWAY]), st.booleans()),
    max_size=14,
)
SPAN = 3


def taught(drawn: list[tuple[int, str, int, bool]]) -> list[tuple[Any, ...]]:
    """PRINCIPAL_ASNS after SPAN days of calls (day, principal, network, failed) whose network is known already."""
    with session() as con:
        con.execute(
            "create table taught (event_time timestamptz, principal varchar, error_code varchar, "
            'error_message varchar, ocsf_status varchar, "context.asn.number" bigint, '
            '"context.indicator.state" varchar, '
            '"context.indicator.decision" varchar)'
        )
        before: duckdb.DuckDBPyRelation | None = None
        for offset in range(SPAN):
            con.execute("delete from taught")
            for day, who, network, fails in drawn:
                if day == offset:
                    row = [NOON + day * ONE_DAY, who, "AccessDenied" if fails else None, network]
                    con.execute("insert into taught values (?, ?, ?, null, null, ?, 'none', null)", row)
            before = build_principal_asns(con, DAY + offset * ONE_DAY, con.table("taught"), before)
        assert before is not None
        return before.order("principal, asn").fetchall()


@examples(12)
@given(drawn=CALLS, seed=st.integers(0, 99))
def test_the_order_in_which_events_arrive_does_not_matter(drawn: list[tuple[int, str, int, bool]], seed: int) -> None:
    shuffled = list(drawn)
    random.Random(seed).shuffle(shuffled)
    assert taught(drawn) == taught(shuffled)


@examples(12)
@given(drawn=CALLS)
def test_the_state_is_what_a_plain_count_says(drawn: list[tuple[int, str, int, bool]]) -> None:
    succeeded = [(day, who, network) for day, who, network, fails in drawn if not fails]
    expected = {}
    for pair in {(who, network) for _, who, network in succeeded}:
        days = [day for day, *found in succeeded if tuple(found) == pair]
        weight = sum(0.5 ** ((SPAN - 1 - day) / 14) for day in days)
        expected[pair] = (len(set(days)), pytest.approx(weight))
    assert {(row[1], row[2]): (row[5], row[6]) for row in taught(drawn)} == expected


def test_a_day_built_twice_is_the_same_day(asn: AsnPrefixes) -> None:
    days = {DAY: [call()], DAY + ONE_DAY: [at(1), at(1, event_id="x", source_address=AWAY_ADDRESS)]}
    assert learn(days, asn) == learn(days, asn)
