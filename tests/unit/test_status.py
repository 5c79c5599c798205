"""`intelsec status`: what it calls a problem among the runs that the store keeps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from intelsec_assets.commands.quality import _print_check
from intelsec_assets.commands.status import _problems, _run_problems
from intelsec_assets.commands.summary_view import Summary, render
from intelsec_assets.records import FAILED, SUCCEEDED, CheckResult
from intelsec_assets.resources.store import Store

DAY = date(2026, 3, 15)
START = datetime(2026, 3, 16, 3, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/store.sqlite") as opened:
        yield opened


def ran(store: Store, *jobs: tuple[str, str | None]) -> None:
    """Runs of the day one after the other; with an error they failed."""
    for number, (job, error) in enumerate(jobs):
        at = START + timedelta(minutes=number)
        store.start_run(f"{job}-{number}", job, DAY, at)
        store.finish_run(f"{job}-{number}", FAILED if error else SUCCEEDED, at + timedelta(seconds=30), {}, error)


def test_a_failed_run_is_told_though_other_jobs_of_the_day_succeeded_after_it(store: Store) -> None:
    ran(
        store,
        ("daily_intel", None),
        ("cloud_detections", "alerts: asset_policy.yaml: line 3: not YAML"),
        ("detection_outcomes", None),
        ("export", None),
        ("warehouse_publish", None),
    )

    assert _run_problems(store) == [f"run cloud_detections {DAY} failed: alerts: asset_policy.yaml: line 3: not YAML"]


@pytest.mark.parametrize("again", ["daily_intel", "backfill"])
def test_a_failed_run_is_history_once_its_day_was_built(store: Store, again: str) -> None:
    ran(store, ("daily_intel", "the disk is full"), (again, None))

    assert _run_problems(store) == []


def test_nothing_that_a_check_quotes_reaches_the_terminal_as_a_command(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "AWSLogs/\x1b[2J\x1b]0;owned\x07\u202e\r\nfake line"
    evidence = {"found": evil, "sample": [{"file": evil}], "threshold": "0", "what to do": "nothing"}
    check = CheckResult(
        "rejected_audit_records", "every_record_was_used", DAY, False, "WARN", False, "v", "r", START, evidence
    )
    summary = Summary(DAY, [], {}, {}, {}, [], [check])
    store.add_notice("audit_source_away", evil, evil, START)

    _print_check(check)
    told = [capsys.readouterr().out, "\n".join(_problems(store, summary)), "\n".join(render(summary))]

    for text in told:
        assert "owned" in text
        assert not set(text) & set("\x1b\x07\r\u202e")
        assert "\nfake line" not in text
