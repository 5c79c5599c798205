"""The figures of a day and the lines that people see of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from intelsec_assets import engine
from intelsec_assets.commands.summary_view import MOST_FEED_ROWS, Summary, by_target, grouped, render
from intelsec_assets.kpis.summary import summarise, window_start
from intelsec_assets.records import CheckResult, ExportRun

DAY = date(2026, 3, 8)
NOW = datetime(2026, 3, 9, 4, tzinfo=UTC)
STATUS = "feed, rows_in, rows_kept, rows_rejected, distinct_indicators, listings, held"


def table(columns: str, *rows: str) -> str:
    return f"select * from (values {', '.join(f'({row})' for row in rows)}) t({columns})"


@pytest.fixture(scope="module")
def figures() -> dict[tuple[str, str, str], float]:
    """Two feeds: one repeats itself, one is an aggregator whose rows stand for three lists each."""
    today = table(STATUS, "'posts', 10, 8, 2, 6, 8, false", "'tally', 5, 5, 0, 5, 15, true")
    monday = table(STATUS, "'posts', 4, 4, 0, 4, 4, false")
    listed = ", ".join(["date '2026-03-08'"] * 9 + ["date '2026-03-02'"] * 3 + ["date '2026-03-01'"] * 2)
    with engine.session() as con:
        rows = summarise(
            con,
            DAY,
            status=con.sql(today),
            window_status=[con.sql(monday), con.sql(today)],
            indicators=con.sql(f"select unnest([{listed}]) as last_listed"),
            scores=con.sql("select unnest(['export', 'export', 'hold']) as decision"),
            plan=con.sql("select unnest(['add', 'add', 'gone']) as action"),
        ).fetchall()
    return {(section, name, metric): value for _, section, name, metric, value in rows}


def test_merged_rows_are_those_that_repeat_an_indicator_within_their_feed(figures) -> None:
    assert figures["feed", "posts", "rows_merged"] == 2
    assert figures["feed", "tally", "rows_merged"] == 0
    assert (figures["feed", "posts", "held"], figures["feed", "tally", "held"]) == (0, 1)


def test_a_duplicate_ratio_counts_list_memberships_not_rows(figures) -> None:
    assert figures["feed", "tally", "dedup_ratio"] == pytest.approx(1 - 5 / 15)
    assert figures["dedup", "day", "listings"] == 23
    assert figures["dedup", "day", "dedup_ratio"] == pytest.approx(1 - 9 / 23)


def test_the_window_is_seven_days_with_today(figures) -> None:
    assert window_start(DAY) == date(2026, 3, 2)
    assert figures["dedup", "window_7d", "listings"] == 27
    assert figures["dedup", "window_7d", "distinct_indicators"] == 12  # those of 1 March are outside
    assert figures["dedup", "live", "indicators"] == 14


def test_what_did_not_happen_counts_zero(figures) -> None:
    assert [figures["decision", name, "indicators"] for name in ("export", "hold", "suppress")] == [2, 1, 0]
    actions = ("add", "update", "keep", "hold", "withdraw", "gone")
    assert [figures["plan", name, "indicators"] for name in actions] == [2, 0, 0, 0, 0, 1]


def feed(name: str, publisher: str = "", rows: int = 10, held: str = "") -> dict[str, Any]:
    counts = {"rows_in": rows, "rows_kept": rows - 1, "rows_merged": 0, "rows_rejected": 1}
    return {"feed": name, "publisher": publisher or name, **counts, "dedup_ratio": 0.0, "held": held}


def summary(feeds: list[dict[str, Any]], targets: list[ExportRun], checks: list[CheckResult]) -> Summary:
    return Summary(DAY, feeds, {}, {"export": 3}, {"add": 3}, targets, checks)


def check(name: str, *, passed: bool, blocking: bool = True) -> CheckResult:
    return CheckResult("plan", name, DAY, passed, "ERROR", blocking, "v", "r", NOW, {"found": "7 against it"})


def exported(target: str, run_id: str = "r", **counts: Any) -> ExportRun:
    figures = {"added": 0, "updated": 0, "withdrawn": 0, "unchanged": 0, "quarantined": 0, "detail": ""}
    return ExportRun(target, DAY, run_id, "succeeded", **{**figures, **counts}, at=NOW)


@pytest.mark.parametrize("below", [4, 7])
@pytest.mark.parametrize("publishers", [1, 8, 11, 12, 60])
def test_with_the_lines_below_it_fits_in_25_however_many_feeds_there_are(publishers: int, below: int) -> None:
    feeds = [feed(f"feed-{n}", f"publisher {n % publishers}", rows=n) for n in range(60)]
    checks = [check(f"check-{n}", passed=False) for n in range(9)]
    lines = render(summary(feeds, [exported("files"), exported("misp", detail="first\nsecond " * 40)], checks), below)
    assert len(lines) + below <= 25
    assert sum("plan.check-" in line for line in lines) == 3
    assert all("\n" not in line and len(line) <= 160 for line in lines)


def test_no_row_is_lost_by_grouping() -> None:
    feeds = [feed(f"feed-{n}", f"publisher {n % 20}", rows=n) for n in range(60)]
    rows = grouped(feeds)
    assert len(rows) == MOST_FEED_ROWS
    assert sum(row["rows_in"] for row in rows) == sum(range(60))
    assert rows[-1]["feed"] == "10 further publishers"


def test_a_held_feed_is_named_even_in_a_group() -> None:
    feeds = [feed(f"small-{n}", rows=n) for n in range(20)] + [feed("big", "p"), feed("bad", "p", held="shrunk")]
    feeds[3]["held"] = "empty"
    assert {row["held"] for row in grouped(feeds)} == {"", "bad shrunk", "small-3 empty"}


def test_few_feeds_have_a_row_each() -> None:
    lines = render(summary([feed("one", "p"), feed("two", "p", rows=12345, held="stale")], [], []))
    assert lines[1].split() == ["one", "10", "9", "0", "1"]
    assert lines[2].split() == ["two", "12,345", "12,344", "0", "1", "held:", "stale"]


def test_a_failed_check_says_what_it_found_and_a_warning_is_no_failure() -> None:
    lines = render(
        summary([], [], [check("a", passed=True), check("b", passed=False), check("c", passed=False, blocking=False)])
    )
    assert "checks      1 passed, 1 failed, 1 warned" in lines
    assert "            plan.b: 7 against it" in lines


def test_a_target_gets_the_sum_of_the_runs_that_are_asked_about() -> None:
    newest_first = [exported("files", "b", added=1, detail="now"), exported("files", "a", added=2, withdrawn=3)]
    older = exported("files", "x", added=99)
    (total,) = by_target([*newest_first, older], {"a", "b"})
    assert (total.added, total.withdrawn, total.detail) == (3, 3, "now")


def test_json_has_every_feed_and_only_failed_checks_with_their_evidence() -> None:
    checks = [check("a", passed=True), check("b", passed=False)]
    told = summary([feed(f"f{n}") for n in range(40)], [exported("files", added=4)], checks).to_json()
    assert len(told["feeds"]) == 40
    assert told["targets"][0]["added"] == 4
    assert told["checks"] == {"passed": 1, "failed": [{"asset": "plan", "check": "b", "found": "7 against it"}]}


def test_checks_that_are_not_shown_are_told_of_and_what_is_cut_says_so() -> None:
    failed = [check(f"check-{n}", passed=False) for n in range(4)]
    lines = render(summary([], [exported("misp", detail="long " * 60)], failed))
    assert "checks      0 passed, 4 failed, 0 warned; all of them: intelsec status --day 2026-03-08" in lines
    assert next(line for line in lines if line.startswith("misp")).endswith("…")
