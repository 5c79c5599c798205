"""What MISP still has to be told, and whether an attribute it holds is as it should be: both without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.exports.content import PlanRow
from intelsec_assets.exports.misp_compare import Held, differences, upsert, withdrawal
from intelsec_assets.exports.misp_content import attribute, tags
from intelsec_assets.exports.misp_delta import misp_delta, rows_of
from intelsec_assets.records import ACTIVE, WITHDRAWN, LedgerEntry, Refused
from tests.plans import DAY, plan_row, plan_table

AT = datetime(2026, 3, 6, tzinfo=UTC)
NOW = int(AT.timestamp())


def entry(row: PlanRow, state: str = ACTIVE, **fields: Any) -> LedgerEntry:
    return replace(LedgerEntry(row.indicator_id, row.event, row.content_hash, state, DAY, AT), **fields)


def ledger(*entries: LedgerEntry) -> dict[str, LedgerEntry]:
    return {one.indicator_id: one for one in entries}


def answer(row: PlanRow, **fields: Any) -> dict[str, Any]:
    """A row as restSearch shows it once it is stored."""
    told = attribute(row)
    return {
        **told,
        "first_seen": row.first_seen.isoformat(timespec="microseconds"),
        "timestamp": str(NOW),
        "deleted": False,
        "Event": {"uuid": "e"},
        "Tag": [{"name": name, "local": False} for name in tags(row)],
        **fields,
    }


def test_what_the_ledger_holds_costs_nothing() -> None:
    row = plan_row("a.example.org")
    delta = misp_delta(plan_table([row]), ledger(entry(row)), {})
    assert (delta.events, delta.unchanged) == ((), 1)


@pytest.mark.parametrize(
    "known",
    [
        [],
        [entry(plan_row("a.example.org"), WITHDRAWN)],
        [entry(plan_row("a.example.org"), content_hash="other")],
    ],
)
def test_new_changed_and_returning_rows_are_open(known: list[LedgerEntry]) -> None:
    row = plan_row("a.example.org")
    (event,) = misp_delta(plan_table([row]), ledger(*known), {}).events
    assert (event.upserts, event.withdrawals) == ({row.indicator_id}, [])


def test_tombstones_and_what_vanished_from_the_plan_are_withdrawn_once() -> None:
    stays, tombstone, vanished = (plan_row(f"{name}.example.org") for name in "abc")
    known = ledger(entry(stays), entry(tombstone), entry(vanished))
    plan = plan_table([stays, replace(tombstone, state="withdrawn")])
    (event,) = misp_delta(plan, known, {}).events
    assert {one.indicator_id for one in event.withdrawals} == {tombstone.indicator_id, vanished.indicator_id}
    done = ledger(entry(stays), entry(tombstone, WITHDRAWN), entry(vanished, WITHDRAWN))
    assert misp_delta(plan, done, {}).events == ()


def test_a_tombstone_that_was_never_held_there_is_nothing_to_tell() -> None:
    assert misp_delta(plan_table([plan_row("a.example.org", state="withdrawn")]), {}, {}).events == ()


def test_what_moves_to_another_event_leaves_the_old_one_first() -> None:
    row = plan_row("a.example.org", event="aaa/2026-06")
    first, second = misp_delta(plan_table([row]), ledger(entry(row, event="zzz/2026-01")), {}).events
    assert (first.event, len(first.withdrawals)) == ("zzz/2026-01", 1)
    assert (second.event, second.upserts) == ("aaa/2026-06", {row.indicator_id})


def test_a_quarantined_row_is_skipped_until_its_content_changes() -> None:
    row = plan_row("localhost")
    refused = {row.indicator_id: Refused(row.indicator_id, row.event, row.content_hash, "no", AT)}
    delta = misp_delta(plan_table([row]), {}, refused)
    assert (delta.events, delta.skipped) == ((), 1)
    changed = plan_row("localhost", tlp="green")
    assert misp_delta(plan_table([changed]), {}, refused).events[0].upserts == {row.indicator_id}
    assert misp_delta(plan_table([]), {}, refused).released == (row.indicator_id,)


def test_a_value_held_under_another_spelling_is_not_open() -> None:
    first, second = (
        plan_row("http://c.example/A", "url"),
        plan_row("http://c.example/a", "url", first_exported=DAY + timedelta(1)),
    )
    delta = misp_delta(plan_table([first, second]), ledger(entry(first)), {})
    assert (delta.events, delta.merged) == ((), 1)


def test_to_verify_opens_every_row() -> None:
    row = plan_row("a.example.org")
    (event,) = misp_delta(plan_table([row]), ledger(entry(row)), {}, verify=True).events
    assert event.upserts == {row.indicator_id}


def test_rows_of_an_event_are_its_active_ones() -> None:
    mine, gone = plan_row("a.example.org"), plan_row("b.example.org", state="withdrawn")
    other = plan_row("c.example.org", event="c2/2026-03")
    assert list(rows_of(plan_table([mine, gone, other]), mine.event)) == [mine]
    assert list(rows_of(plan_table([mine]), mine.event, set())) == []


_STATES = st.dictionaries(st.integers(0, 5), st.tuples(st.sampled_from("xyz"), st.booleans()))


@given(plan=_STATES, known=_STATES)
def test_carrying_out_a_delta_leaves_none(
    plan: dict[int, tuple[str, bool]], known: dict[int, tuple[str, bool]]
) -> None:
    rows = [
        plan_row(f"h{n}.example.org", content_hash=digest, state="active" if live else "withdrawn")
        for n, (digest, live) in plan.items()
    ]
    before = ledger(
        *(
            entry(plan_row(f"h{n}.example.org", content_hash=digest), ACTIVE if live else WITHDRAWN)
            for n, (digest, live) in known.items()
        )
    )
    after = dict(before)
    for event in misp_delta(plan_table(rows), before, {}).events:
        for one in event.withdrawals:
            after[one.indicator_id] = replace(one, state=WITHDRAWN)
        for row in rows_of(plan_table(rows), event.event, event.upserts):
            after[row.indicator_id] = entry(row)
    assert misp_delta(plan_table(rows), after, {}).events == ()
    assert {i for i, one in after.items() if one.state == ACTIVE} == {r.indicator_id for r in rows if r.is_active}


def test_an_attribute_held_as_told_lacks_nothing() -> None:
    row = plan_row("a.example.org", families=("emotet",))
    assert differences(row, Held.of(answer(row))) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"deleted": True}, "deleted"),
        ({"value": "b.example.org"}, "value"),
        ({"type": "hostname"}, "type"),
        ({"to_ids": False}, "to_ids"),
        ({"comment": "other"}, "comment"),
        ({"first_seen": None}, "first_seen"),
        ({"Tag": []}, "tag tlp:clear is missing"),
    ],
)
def test_every_field_that_differs_is_named(change: dict[str, Any], word: str) -> None:
    row = plan_row("a.example.org")
    assert word in "; ".join(differences(row, Held.of(answer(row, **change))))


def test_case_that_the_server_changes_is_no_difference() -> None:
    row = plan_row("X@Bad.example.org", "email")
    assert differences(row, Held.of(answer(row, value="x@bad.example.org"))) == []


def test_tags_of_others_are_neither_missed_nor_taken_off() -> None:
    row = plan_row("a.example.org")
    more = [*answer(row)["Tag"], {"name": "workflow:done", "local": True}, {"name": 'intelsec:score="low"'}]
    held = Held.of(answer(row, Tag=more))
    assert differences(row, held) == ['tag intelsec:score="low" is left']
    assert upsert(row, held, NOW)["Tag"] == [{"name": 'intelsec:score="low"', "deleted": True}]


def test_an_edit_is_always_newer_than_what_is_held() -> None:
    row = plan_row("a.example.org")
    ahead = Held.of(answer(row, timestamp=str(NOW + 500)))
    assert upsert(row, ahead, NOW)["timestamp"] == withdrawal(ahead, NOW)["timestamp"] == str(NOW + 501)
    assert upsert(row, None, NOW)["timestamp"] == str(NOW)


def test_a_deleted_attribute_is_brought_back_by_name() -> None:
    row = plan_row("a.example.org")
    assert upsert(row, Held.of(answer(row, deleted=True)), NOW)["deleted"] is False
    assert "deleted" not in upsert(row, Held.of(answer(row)), NOW)
