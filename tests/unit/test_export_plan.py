"""The export plan: what is added, updated, kept, held, withdrawn, and remembered, from one day to the next."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.exports import plan
from intelsec_assets.feeds.catalogue import ExportPolicy
from intelsec_assets.tables import EXPORT_PLAN, FEED_STATUS, INDICATOR_SCORES, INDICATORS, Table
from tests.searching import examples

DAY = date(2026, 3, 30)
POLICY = ExportPolicy(tombstone_days=3)
GRADES = {"good": "A", "fair": "C", "unknown": "F", "poor": "E"}
Row = dict[str, Any]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as session:
        yield session


def seen(value: str, *, score: float = 0.9, decision: str = "export", **fields: Any) -> Row:
    """An indicator of the day and its score in one; `decision` None = it is no longer in the day's state."""
    return {
        "indicator_id": uuid.uuid5(uuid.NAMESPACE_DNS, value),
        "indicator_type": "domain",
        "value": value,
        "score": score,
        "decision": decision,
        "reason": f"score {score} and so on",
        "sources": ["good"],
        "campaigns": [],
        "families": [],
        "threat_types": ["phishing"],
        "tlp": "clear",
        "first_seen": datetime(2026, 3, 1, tzinfo=UTC),
        **fields,
    }


def relation(con: duckdb.DuckDBPyConnection, table: Table, rows: Sequence[Row]) -> duckdb.DuckDBPyRelation:
    """Rows as a lake table; what a row does not name is NULL."""
    name = f"given_{table.name}_{uuid.uuid4().hex}"
    con.execute(f"create temp table {name} ({table.ddl()})")
    for row in rows:
        cells = [row.get(column) for column in table.column_names]
        con.execute(f"insert into {name} values ({', '.join('?' * len(cells))})", cells)
    return con.table(name)


def planned(
    con: duckdb.DuckDBPyConnection,
    rows: Sequence[Row],
    previous: Sequence[Row] | None = None,
    *,
    day: date = DAY,
    held: dict[str, str] | None = None,
    policy: ExportPolicy = POLICY,
) -> dict[str, Row]:
    """The plan by value. `held`: feeds held today, with the reason."""
    status = [
        {"day": day, "feed": feed, "status": "unreadable", "held": True, "reason": reason}
        for feed, reason in (held or {}).items()
    ]
    built = plan.build(
        con,
        relation(con, INDICATOR_SCORES, rows),
        relation(con, INDICATORS, rows),
        None if previous is None else relation(con, EXPORT_PLAN, previous),
        relation(con, FEED_STATUS, status),
        day,
        policy,
        GRADES,
    )
    assert built.columns == EXPORT_PLAN.column_names
    return {row["value"]: row for row in built.to_arrow_table().to_pylist()}


def after(
    con: duckdb.DuckDBPyConnection, before: Sequence[Row], rows: Sequence[Row], held: dict[str, str] | None = None
) -> tuple[Row, Row]:
    """The only row of the first day's plan, and of the next day's, made from `before` and then `rows`."""
    first = planned(con, before)
    second = planned(con, rows, list(first.values()), day=DAY + timedelta(days=1), held=held)
    return next(iter(first.values())), next(iter(second.values()))


def test_only_what_is_decided_to_be_exported_is_planned(con: duckdb.DuckDBPyConnection) -> None:
    rows = [seen("a.example"), seen("b.example", decision="hold"), seen("c.example", decision="suppress")]
    assert {v: (r["action"], r["state"]) for v, r in planned(con, rows).items()} == {"a.example": ("add", "active")}


def test_the_event_is_campaign_else_threat_type_else_unattributed_with_the_month_of_first_export(
    con: duckdb.DuckDBPyConnection,
) -> None:
    rows = [
        seen("a.example", campaigns=["Oper\u00e4tion  X!", "Zeta"]),
        seen("b.example"),
        seen("c.example", threat_types=[]),
        seen("d.example", campaigns=["\u4e2d\u6587"], threat_types=[]),
    ]
    events = {value: row["event"] for value, row in planned(con, rows).items()}
    assert events == {
        "a.example": "operation-x/2026-03",
        "b.example": "phishing/2026-03",
        "c.example": "unattributed/2026-03",
        "d.example": "unattributed/2026-03",
    }


def test_an_indicator_never_leaves_the_event_of_its_first_export(con: duckdb.DuckDBPyConnection) -> None:
    rows = list(planned(con, [seen("a.example")]).values())
    later = planned(con, [seen("a.example", campaigns=["New"])], rows, day=date(2026, 5, 2))
    assert later["a.example"]["event"] == "phishing/2026-03"
    assert later["a.example"]["action"] == "update"


def test_the_same_again_is_kept_though_score_and_last_seen_moved_a_little(con: duckdb.DuckDBPyConnection) -> None:
    first, second = after(con, [seen("a.example", score=0.95)], rows=[seen("a.example", score=0.81)])
    assert (second["action"], second["changed_on"]) == ("keep", first["changed_on"])
    assert second["content_hash"] == first["content_hash"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"score": 0.7}, "score high to medium"),
        ({"sources": ["fair", "good"]}, "feeds"),
        ({"sources": ["fair"]}, "source grade a to c"),
        ({"tlp": "green"}, "TLP clear to green"),
        ({"campaigns": ["New"]}, "campaign"),
        ({"families": ["emotet"]}, "malware families"),
        ({"threat_types": ["c2"]}, "threat types"),
    ],
)
def test_a_change_of_what_is_told_is_an_update_that_says_what_changed(
    con: duckdb.DuckDBPyConnection, change: Row, named: str
) -> None:
    first, second = after(con, [seen("a.example")], rows=[seen("a.example", **change)])
    assert (second["action"], second["changed_on"]) == ("update", DAY + timedelta(days=1))
    assert named in second["reason"]
    assert second["content_hash"] != first["content_hash"]


def test_first_seen_stays_what_targets_were_told(con: duckdb.DuckDBPyConnection) -> None:
    earlier = datetime(2020, 1, 1, tzinfo=UTC)
    first, second = after(con, [seen("a.example")], rows=[seen("a.example", first_seen=earlier)])
    assert second["first_seen"] == first["first_seen"]
    assert second["action"] == "keep"


def test_a_campaign_stays_the_one_told_while_feeds_still_name_it(con: duckdb.DuckDBPyConnection) -> None:
    _, second = after(
        con, [seen("a.example", campaigns=["Zeta"])], rows=[seen("a.example", campaigns=["Alpha", "Zeta"])]
    )
    assert (second["campaign"], second["action"]) == ("Zeta", "keep")


def test_the_best_grade_of_its_feeds_is_told(con: duckdb.DuckDBPyConnection) -> None:
    rows = [
        seen("a.example", sources=["fair", "good", "poor"]),
        seen("b.example", sources=["poor", "unknown"]),
        seen("c.example", sources=["never heard of"]),
    ]
    assert [row["admiralty"] for row in planned(con, rows).values()] == ["a", "f", "f"]


@pytest.mark.parametrize(
    ("score", "band"), [(0.8, "high"), (0.1 + 0.7, "high"), (0.79, "medium"), (0.6, "medium"), (0.4, "low")]
)
def test_score_bands_hold_at_their_bounds(con: duckdb.DuckDBPyConnection, score: float, band: str) -> None:
    assert planned(con, [seen("a.example", score=score)])["a.example"]["score_band"] == band


@pytest.mark.parametrize("rows", [[seen("a.example", decision="hold")], [seen("a.example", decision="suppress")], []])
def test_what_is_no_longer_exported_or_vanished_is_withdrawn(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    first, second = after(con, [seen("a.example")], rows=rows)
    assert (second["action"], second["state"]) == ("withdraw", "withdrawn")
    assert second["changed_on"] == DAY + timedelta(days=1)
    assert second["reason"]
    assert second["content_hash"] == first["content_hash"]


@pytest.mark.parametrize("rows", [[seen("a.example", decision="hold", sources=["fair", "good"])], []])
def test_the_silence_of_a_held_feed_withdraws_nothing(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    first, second = after(con, [seen("a.example")], rows=rows, held={"good": "0 rows, 100 expected"})
    assert (second["action"], second["state"], second["changed_on"]) == ("hold", "active", first["changed_on"])
    assert "good is unreadable (0 rows, 100 expected)" in second["reason"]


def test_the_silence_of_a_held_feed_that_joined_only_today_withdraws_nothing(con: duckdb.DuckDBPyConnection) -> None:
    rows = [seen("a.example", decision="hold", sources=["fair"])]
    _, second = after(con, [seen("a.example", sources=["good"])], rows=rows, held={"fair": "stale"})
    assert (second["action"], second["state"]) == ("hold", "active")


def test_another_feeds_trouble_holds_nothing(con: duckdb.DuckDBPyConnection) -> None:
    _, second = after(con, [seen("a.example")], rows=[], held={"fair": "stale"})
    assert second["action"] == "withdraw"


def test_what_is_suppressed_leaves_at_once_whatever_feed_is_held(con: duckdb.DuckDBPyConnection) -> None:
    rows = [seen("a.example", decision="suppress", reason="protected: our own domain")]
    _, second = after(con, [seen("a.example")], rows=rows, held={"good": "stale"})
    assert (second["action"], second["state"]) == ("withdraw", "withdrawn")
    assert "protected" in second["reason"]


def test_what_became_stricter_than_allowed_leaves_at_once_whatever_feed_is_held(con: duckdb.DuckDBPyConnection) -> None:
    rows = [seen("a.example", decision="hold", tlp="amber")]
    _, second = after(con, [seen("a.example")], rows=rows, held={"good": "stale"})
    assert second["action"] == "withdraw"


@pytest.mark.parametrize("tlp", ["purple", None])
def test_what_got_a_marking_nobody_knows_leaves_at_once(con: duckdb.DuckDBPyConnection, tlp: str | None) -> None:
    rows = [seen("a.example", decision="hold", tlp=tlp)]
    _, second = after(con, [seen("a.example")], rows=rows, held={"good": "stale"})
    assert second["action"] == "withdraw"


def test_an_indicator_that_comes_back_is_added_again_as_the_same(con: duckdb.DuckDBPyConnection) -> None:
    first = planned(con, [seen("a.example")])
    gone = planned(con, [], list(first.values()), day=DAY + timedelta(days=1))
    back = planned(con, [seen("a.example")], list(gone.values()), day=DAY + timedelta(days=2))["a.example"]
    assert (back["action"], back["state"], back["changed_on"]) == ("add", "active", DAY + timedelta(days=2))
    assert (back["event"], back["first_exported"]) == ("phishing/2026-03", DAY)


def test_a_tombstone_stays_as_long_as_the_policy_says_and_then_vanishes(con: duckdb.DuckDBPyConnection) -> None:
    rows = list(planned(con, [seen("a.example")]).values())
    story = []
    for n in range(1, 7):
        rows = list(planned(con, [], rows, day=DAY + timedelta(days=n)).values())
        story.append([row["action"] for row in rows])
    assert story == [["withdraw"], ["gone"], ["gone"], ["gone"], [], []]


def test_a_tombstone_keeps_the_reason_and_the_day_of_its_withdrawal(con: duckdb.DuckDBPyConnection) -> None:
    first = planned(con, [seen("a.example")])
    gone = planned(con, [], list(first.values()), day=DAY + timedelta(days=1))
    later = planned(con, [], list(gone.values()), day=DAY + timedelta(days=2))["a.example"]
    assert (later["reason"], later["changed_on"]) == (gone["a.example"]["reason"], DAY + timedelta(days=1))


def test_a_grade_that_is_none_is_refused_by_name(con: duckdb.DuckDBPyConnection) -> None:
    empty = relation(con, INDICATOR_SCORES, []), relation(con, INDICATORS, []), None, relation(con, FEED_STATUS, [])
    with pytest.raises(plan.PlanError, match="feed x: 'Z'"):
        plan.build(con, *empty, DAY, POLICY, {"x": "Z"})


_DAYS = st.lists(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.tuples(st.sampled_from([0.5, 0.7, 0.9]), st.sampled_from(["export", "hold", "suppress"])),
    ),
    min_size=2,
    max_size=6,
)


@examples(6)  # up to twelve plans each
@given(days=_DAYS, held=st.lists(st.booleans(), min_size=6, max_size=6))
def test_laws_of_a_plan_over_any_history(days: list[dict[str, tuple[float, str]]], held: list[bool]) -> None:
    with engine.quick_session() as con:
        previous: dict[str, Row] = {}
        for n, decisions in enumerate(days):
            day = DAY + timedelta(days=n)
            rows = [seen(value, score=score, decision=decision) for value, (score, decision) in decisions.items()]
            trouble = {"good": "stale"} if held[n] else {}
            now = planned(con, rows, list(previous.values()), day=day, held=trouble)
            again = planned(con, rows[::-1], list(previous.values())[::-1], day=day, held=trouble)
            assert now == again, "the order of the rows says nothing"
            for value, row in now.items():
                decision = decisions.get(value, (0, None))[1]
                if decision == "export":
                    assert row["state"] == "active"
                if decision == "suppress":
                    assert row["state"] == "withdrawn"
                if value in previous:
                    assert row["event"] == previous[value]["event"]
                    changed = (row["state"], row["content_hash"]) != (
                        previous[value]["state"],
                        previous[value]["content_hash"],
                    )
                    assert (row["changed_on"] == day) == changed
            lost = previous.keys() - now.keys()
            assert all(previous[value]["state"] == "withdrawn" for value in lost)
            assert {v for v, (_, decision) in decisions.items() if decision == "export"} <= now.keys()
            previous = now
