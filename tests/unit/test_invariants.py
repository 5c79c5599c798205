"""Each invariant of the lake's tables: it holds for tables that are right and names the row that breaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.exports.invariants import PLAN_INVARIANTS
from intelsec_assets.feeds.invariants import OBSERVATION_INVARIANTS, STATUS_INVARIANTS
from intelsec_assets.indicators.invariants import INDICATOR_INVARIANTS, SCORE_INVARIANTS
from intelsec_assets.invariants import SAMPLE, Day, Verdict, none_of

DAY = date(2026, 3, 4)
ALL = (*OBSERVATION_INVARIANTS, *STATUS_INVARIANTS, *INDICATOR_INVARIANTS, *SCORE_INVARIANTS, *PLAN_INVARIANTS)
BY_NAME = {invariant.name: invariant for invariant in ALL}

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
NO_ROWS = "select * from (values (null)) t(x) where false"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as session:
        yield session


def rows(columns: str, *values: str) -> str:
    """A table as SQL: column names, then its rows."""
    return f"select * from (values {', '.join(f'({value})' for value in values)}) t({columns})"


def judged(
    con: duckdb.DuckDBPyConnection, name: str, tables: Mapping[str, str], before: Mapping[str, str] | None = None
) -> Verdict:
    now = {table: con.sql(sql) for table, sql in tables.items()}
    past = {table: con.sql(sql) for table, sql in (before or {}).items()}
    return BY_NAME[name].evaluate(Day(DAY, con, now, past))


STATUS = "feed, rows_in, rows_kept, rows_rejected, held, status, reason"
OBSERVED = "feed, file, line, snapshot_sha256"
HASH = "repeat('a', 64)"
INDICATORS = "indicator_id, indicator_type, value, observations, first_listed, last_listed"
LISTED = "date '2026-03-02', date '2026-03-04'"
SCORED = "indicator_id, value, decision, score, contributions"
PARTS = (
    "{{'source_trust': 0.4, 'recency': 0.3, 'hit_rate': {hit}, 'cooccurrence': 0.0, 'sandbox': 0.0, "
    "'warninglist': 0.0, 'clamp': 0.0}}"
)
PLANNED = "indicator_id, indicator_type, value, state, action"

CASES: list[Any] = [
    # name, tables that are right, tables that break it, what the evidence names
    (
        "rows_are_conserved",
        {
            "feed_status": rows(STATUS, "'a', 3, 2, 1, false, 'ok', ''"),
            "observations": rows(OBSERVED, f"'a', 'f', 1, {HASH}", f"'a', 'f', 2, {HASH}"),
            "rejected_observations": rows(OBSERVED, f"'a', 'f', 3, {HASH}"),
        },
        {
            "feed_status": rows(STATUS, "'a', 3, 2, 1, false, 'ok', ''", "'lost', 1, 0, 0, false, 'ok', ''"),
            "observations": rows(OBSERVED, f"'a', 'f', 1, {HASH}", f"'a', 'f', 2, {HASH}"),
            "rejected_observations": rows(OBSERVED, f"'a', 'f', 3, {HASH}"),
        },
        "lost",
    ),
    (
        "rows_are_traceable",
        {"observations": rows(OBSERVED, f"'a', 'f', 1, {HASH}")},
        {"observations": rows(OBSERVED, f"'a', 'f', 1, {HASH}", f"'b', 'g', 0, {HASH}")},
        "b",
    ),
    (
        "feeds_keep_their_contract",
        {"feed_status": rows(STATUS, "'a', 3, 2, 1, false, 'ok', ''")},
        {"feed_status": rows(STATUS, "'gone', 0, 0, 0, true, 'unreadable', 'no such file'")},
        "gone",
    ),
    (
        "few_rows_are_rejected",
        {"feed_status": rows(STATUS, "'a', 10, 8, 2, false, 'ok', ''")},
        {"feed_status": rows(STATUS, "'a', 10, 7, 3, false, 'ok', ''")},
        "",
    ),
    (
        "keys_are_unique",
        {"indicators": rows(INDICATORS, f"'{ONE}', 'domain', 'a.test', 1, {LISTED}")},
        {"indicators": rows(INDICATORS, *[f"'{ONE}', 'domain', 'a.test', 1, {LISTED}"] * 2)},
        ONE,
    ),
    (
        "every_indicator_is_scored",
        {
            "indicators": rows("indicator_id, value", f"'{ONE}', 'a.test'"),
            "indicator_scores": rows("indicator_id, score", f"'{ONE}', 0.7"),
        },
        {
            "indicators": rows("indicator_id, value", f"'{ONE}', 'a.test'", f"'{TWO}', 'b.test'"),
            "indicator_scores": rows("indicator_id, score", f"'{ONE}', 0.7"),
        },
        TWO,
    ),
    (
        "contributions_sum_to_score",
        {"indicator_scores": rows(SCORED, f"'{ONE}', 'a.test', 'export', 0.8, {PARTS.format(hit=0.1)}")},
        {"indicator_scores": rows(SCORED, f"'{ONE}', 'a.test', 'export', 0.8, {PARTS.format(hit=0.2)}")},
        "a.test",
    ),
    (
        "nothing_protected_is_exported",
        {
            "export_plan": rows(PLANNED, f"'{ONE}', 'domain', 'a.test', 'withdrawn', 'withdraw'"),
            "warninglist_hits": rows("indicator_id, list, policy, entry", f"'{ONE}', 'protected', 'protect', 'a.test'"),
        },
        {
            "export_plan": rows(PLANNED, f"'{ONE}', 'domain', 'a.test', 'active', 'hold'"),
            "warninglist_hits": rows("indicator_id, list, policy, entry", f"'{ONE}', 'protected', 'protect', 'a.test'"),
        },
        "a.test",
    ),
    (
        "active_rows_were_decided",
        {
            "export_plan": rows(
                PLANNED,
                f"'{ONE}', 'domain', 'a.test', 'active', 'add'",
                f"'{TWO}', 'domain', 'b.test', 'active', 'hold'",
            ),
            "indicator_scores": rows("indicator_id, decision", f"'{ONE}', 'export'", f"'{TWO}', 'hold'"),
        },
        {
            "export_plan": rows(PLANNED, f"'{ONE}', 'domain', 'a.test', 'active', 'keep'"),
            "indicator_scores": rows("indicator_id, decision", f"'{ONE}', 'hold'"),
        },
        "a.test",
    ),
    (
        "withdrawals_are_few",
        {"export_plan": "select 'withdraw' as action from range(99) union all select 'keep' from range(99)"},
        {"export_plan": "select 'withdraw' as action from range(99) union all select 'keep' from range(98)"},
        "",
    ),
]


@pytest.mark.parametrize(("name", "right", "wrong", "named"), CASES, ids=[case[0] for case in CASES])
def test_it_holds_for_what_is_right_and_names_what_breaks_it(
    con: duckdb.DuckDBPyConnection, name: str, right: dict[str, str], wrong: dict[str, str], named: str
) -> None:
    assert judged(con, name, right).passed
    verdict = judged(con, name, wrong)
    assert not verdict.passed
    assert verdict.count >= 1
    assert named in str(verdict.sample)


MERGED_BEFORE = rows(INDICATORS, f"'{ONE}', 'domain', 'a.test', 5, {LISTED}")
KEPT = rows(OBSERVED, f"'a', 'f', 1, {HASH}", f"'a', 'f', 2, {HASH}")


@pytest.mark.parametrize(("observations", "holds"), [(7, True), (6, False), (8, False)])
def test_what_was_carried_and_what_was_kept_is_what_is_there(
    con: duckdb.DuckDBPyConnection, observations: int, holds: bool
) -> None:
    now = rows(INDICATORS, f"'{ONE}', 'domain', 'a.test', {observations}, {LISTED}")
    verdict = judged(
        con, "observations_are_merged", {"indicators": now, "observations": KEPT}, {"indicators": MERGED_BEFORE}
    )
    assert verdict.passed is holds
    assert verdict.found == f"{observations} = 5 carried + 2 kept"


def test_an_indicator_that_comes_back_after_its_retirement_carries_nothing(con: duckdb.DuckDBPyConnection) -> None:
    again = rows(INDICATORS, f"'{ONE}', 'domain', 'a.test', 2, date '2026-03-04', date '2026-03-04'")
    verdict = judged(
        con, "observations_are_merged", {"indicators": again, "observations": KEPT}, {"indicators": MERGED_BEFORE}
    )
    assert verdict.passed


def test_an_indicator_may_leave_after_its_retirement_and_not_before(con: duckdb.DuckDBPyConnection) -> None:
    today = rows(INDICATORS, f"'{TWO}', 'domain', 'b.test', 1, {LISTED}")
    recent = judged(con, "no_indicator_is_lost", {"indicators": today}, {"indicators": MERGED_BEFORE})
    assert (recent.passed, recent.count) == (False, 1)
    assert "a.test" in str(recent.sample)
    old = MERGED_BEFORE.replace("2026-03-04", "2020-01-01")
    assert judged(con, "no_indicator_is_lost", {"indicators": today}, {"indicators": old}).passed
    assert judged(con, "no_indicator_is_lost", {"indicators": today}).passed  # a first day has nothing to lose


def test_a_small_plan_may_withdraw_all_of_it(con: duckdb.DuckDBPyConnection) -> None:
    assert judged(con, "withdrawals_are_few", {"export_plan": "select 'withdraw' as action from range(99)"}).passed


def test_evidence_is_a_count_and_a_few_rows(con: duckdb.DuckDBPyConnection) -> None:
    verdict = none_of(con.sql("select i as n, date '2026-03-04' as day from range(1000) r(i)"))
    assert (verdict.passed, verdict.count, len(verdict.sample)) == (False, 1000, SAMPLE)
    assert verdict.sample[0] == {"n": 0, "day": "2026-03-04"}
    assert none_of(con.sql(NO_ROWS)) == Verdict(passed=True)


def test_every_invariant_has_a_case_a_claim_and_something_to_do() -> None:
    tested = {case[0] for case in CASES} | {"observations_are_merged", "no_indicator_is_lost"}
    assert tested == set(BY_NAME)
    assert len(BY_NAME) == len(ALL)
    for invariant in ALL:
        assert invariant.claim.endswith("."), invariant.name
        assert invariant.what_to_do.endswith((".", "all.")), invariant.name
