"""What is wrong with a day comes in the order of what it costs, each thing once, each with a command."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.quality.report import (
    Facts,
    HeldFeed,
    Problem,
    Rank,
    Refusal,
    markdown,
    problems,
    summary,
    tally,
)
from intelsec_assets.records import CheckResult

REPOSITORY = Path(__file__).resolve().parents[2]
PURE = [
    path
    for path in sorted((REPOSITORY / "intelsec_assets/feeds/quality").glob("[a-z]*.py"))
    if path.stem not in ("assets", "checks")
]
DAY = date(2026, 3, 10)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)


def check(
    asset: str, name: str, *, passed: bool = False, severity: str = "WARN", blocking: bool = False, **evidence: Any
) -> CheckResult:
    return CheckResult(asset, name, DAY, passed, severity, blocking, "v", "r", NOON, evidence)


def line(number: int) -> dict[str, Any]:
    return {"file": "a.csv", "line": number, "raw_value": "x"}


WARNING = check("feeds/a", "volume_is_usual", outcome="failed", found="80 rows")
CRITICAL = check("feeds/a", "confidence_is_a_ratio", severity="ERROR", outcome="failed", count=3, sample=[line(7)])
ERROR = check("feeds/b", "volume_is_usual", severity="ERROR", outcome="error", found="could not be evaluated: boom")
BLOCKING = check("fct_observation", "keys_are_unique", severity="ERROR", blocking=True, count=2)
GATE = check("indicators", "keys_are_unique", severity="ERROR", blocking=True, found="2 against it", count=2)
REFUSED = Refusal("indicators", "keys_are_unique", "check keys_are_unique of indicators did not pass")
HELD = HeldFeed("c", "shrunk", "80 rows", exported=209, only_here=4)
CONTRACT = check("feed_status", "feeds_keep_their_contract", found="1 against it")
ALL = Facts(
    DAY,
    [WARNING, CRITICAL, ERROR, BLOCKING, GATE, CONTRACT, check("feeds/a", "lines", passed=True, outcome="passed")],
    [REFUSED],
    waiting=156,
    held=[HELD],
    rows={"feeds/a": 80, "feeds/b": 5000},
)


def test_the_dearest_comes_first():
    found = [(problem.rank, problem.subject, problem.cost) for problem in problems(ALL)]

    assert found == [
        (Rank.EXPORTS_BLOCKED, "indicators.keys_are_unique", 156),
        (Rank.BLOCKING_FAILED, "fct_observation.keys_are_unique", 2),
        (Rank.FEED_HELD, "c", 209),
        (Rank.NOT_EVALUATED, "b.volume_is_usual", 5000),
        (Rank.CRITICAL, "a.confidence_is_a_ratio", 3),
        (Rank.WARNING, "a.volume_is_usual", 80),
    ]


def test_of_equal_rank_what_concerns_more_comes_first():
    small, large = HeldFeed("a", "empty", "0 rows", 1, 0), HeldFeed("z", "stale", "the same bytes", 1000, 1000)

    assert [problem.subject for problem in problems(Facts(DAY, held=[small, large]))] == ["z", "a"]


@given(st.randoms())
def test_the_order_in_which_facts_are_known_does_not_matter(drawn: random.Random):
    checks = list(ALL.checks)
    drawn.shuffle(checks)

    assert problems(Facts(DAY, checks, ALL.refusals, ALL.waiting, ALL.held, ALL.rows)) == problems(ALL)


def test_a_held_feed_and_a_refusing_gate_are_told_once():
    subjects = [problem.subject for problem in problems(ALL)]

    assert "feed_status.feeds_keep_their_contract" not in subjects
    assert subjects.count("indicators.keys_are_unique") == 1
    assert "did not pass: 2 against it" in problems(ALL)[0].found


def test_the_contract_is_told_by_its_check_where_no_feed_is_known_to_be_held():
    assert [problem.subject for problem in problems(Facts(DAY, [CONTRACT]))] == [
        "feed_status.feeds_keep_their_contract"
    ]


def test_every_problem_has_a_command_that_names_the_day():
    for problem in problems(ALL):
        assert problem.next_step.startswith("intelsec ")
        assert problem.next_step.endswith(" --day 2026-03-10")


def test_a_day_with_nothing_wrong_says_so():
    facts = Facts(DAY, [check("feeds/a", "x", passed=True, outcome="passed")])

    assert problems(facts) == []
    assert markdown(facts, []) == ("**2026-03-10**: 1 passed, 0 failed, 0 could not be evaluated\n\nNothing is wrong.")
    assert "in what was evaluated" in markdown(Facts(DAY, unjudged=["a"]), [])


def test_what_is_only_to_be_known_is_nothing_wrong():
    (known,) = problems(Facts(DAY, [WARNING]))
    (told,) = problems(Facts(DAY, [replace(WARNING, evidence={"outcome": "failed", "severity": "info"})]))

    assert (known.is_wrong, told.is_wrong, told.rank) == (True, False, Rank.INFORMATION)
    assert "Nothing is wrong." in markdown(Facts(DAY), [told])


def test_verdicts_are_counted_by_outcome_and_plain_checks_by_whether_they_passed():
    cold = check("feeds/a", "volume_is_usual", passed=True, outcome="no_verdict")

    assert tally([*ALL.checks, cold]) == {"passed": 1, "failed": 5, "error": 1, "no_verdict": 1}
    assert summary(Facts(DAY, [cold])).endswith("1 without a verdict (cold start, or nothing to judge)")


def test_what_a_feed_publishes_cannot_break_the_table():
    nasty = Problem(Rank.WARNING, 1, "rows", "a.x", "first: a|b\n<script>", "intelsec quality a")
    row = markdown(ALL, [nasty]).splitlines()[-1]

    assert row.count(" | ") == 3
    assert "<script" not in row
    assert "\n" not in row


def test_expectations_are_read_and_bound_without_loading_what_evaluates_them():
    """The library takes seconds to load; who runs no check must not pay for it."""
    modules = ", ".join(f"intelsec_assets.feeds.quality.{path.stem}" for path in PURE)
    code = (
        f"import sys, intelsec_assets.resources.feed_verdicts, {modules}\n"
        "intelsec_assets.feeds.quality.evaluation.require_quality_part()\n"
        "print([name for name in ('great_expectations', 'pandas', 'dagster') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_no_module_of_the_project_loads_them_when_it_is_imported():
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for package in ("intelsec_assets", "intelsec_jobs", "sensors")
        for path in (REPOSITORY / package).rglob("*.py")
        for statement in ast.parse(path.read_bytes()).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        and ast.unparse(statement).split()[1].split(".")[0] in ("great_expectations", "pandas")
    }

    assert found == set()
