"""Running days outside the UI: which are refused, in what order they run, what is recorded of them.

What comes of the days is tested in the integration tests.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from intelsec_assets.records import FAILED, SUCCEEDED, RunRecord
from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, publish

DAY, NEXT = days(FIRST_DAY, 2)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = data_root(tmp_path / "data", [{"name": "list"}])
    for day in (DAY, NEXT):
        publish(root, "list", day, hosts("a", 25))
    return Workspace(root, tmp_path / "home")


def recorded(workspace: Workspace) -> list[RunRecord]:
    with workspace.store() as store:
        return store.runs()[::-1]


@pytest.mark.parametrize(
    ("day", "says"),
    [
        (
            date(2001, 1, 1),
            "2001-01-01 is outside the calendar, which goes from .* INTELSEC_FIRST_DAY opens older days",
        ),
        (date.max - timedelta(days=365), "a day can be run once it is over"),
    ],
)
def test_a_day_outside_the_calendar_is_refused_before_anything_is_touched(
    workspace: Workspace, day: date, says: str
) -> None:
    from intelsec_jobs.runner import DayOutside

    with pytest.raises(DayOutside, match=says):
        workspace.run(DAY, day)
    assert not workspace.home.exists()


def test_the_days_before_the_last_are_built_and_only_the_last_reaches_targets(workspace: Workspace) -> None:
    outcomes = workspace.run(DAY, NEXT, last="export")
    assert [(o.job, o.day, o.error) for o in outcomes] == [
        ("backfill", DAY, None),
        ("daily_intel", NEXT, None),
        ("export", NEXT, None),
    ]
    assert workspace.lake.days("export_plan") == [DAY, NEXT]
    assert sorted(path.name for path in (workspace.home / "exports").iterdir() if path.is_symlink()) == [
        str(NEXT),
        "latest",
    ]
    assert [(run.job, run.status, run.day) for run in recorded(workspace)] == [
        ("backfill", SUCCEEDED, DAY),
        ("daily_intel", SUCCEEDED, NEXT),
        ("export", SUCCEEDED, NEXT),
    ]


def test_no_days_are_no_runs(workspace: Workspace) -> None:
    assert workspace.run() == []
    assert recorded(workspace) == []
    assert workspace.lake.origin() is None


def test_it_stops_at_the_first_day_that_fails_and_says_why_in_plain_words(workspace: Workspace) -> None:
    workspace.run(DAY)
    gone = workspace.lake.path("indicators", DAY)
    gone.unlink()
    (outcome,) = workspace.run(NEXT, last="export")
    assert outcome.error is not None
    assert outcome.error.startswith(f"indicators: {gone} was deleted. Build it again: intelsec run --day {DAY}")
    assert "intelsec_assets" not in outcome.error
    assert recorded(workspace)[-1].status == FAILED
    assert recorded(workspace)[-1].error == outcome.error


def test_a_run_that_breaks_off_with_an_error_is_recorded_as_failed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intelsec_jobs import runner

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workspace.run(DAY)
    (run,) = recorded(workspace)
    assert (run.status, run.error) == (FAILED, "KeyboardInterrupt: ")


def test_a_lake_that_is_being_built_by_another_keeps_its_first_day(workspace: Workspace) -> None:
    from intelsec_assets.resources.store import LockHeld

    workspace.run(NEXT)
    with workspace.store() as store, store.lock("run"), pytest.raises(LockHeld):
        workspace.run(DAY)
    assert workspace.lake.origin() == NEXT


def test_a_home_that_cannot_be_made_is_an_error_of_settings(workspace: Workspace, tmp_path: Path) -> None:
    from intelsec_assets.settings import SettingsError

    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SettingsError, match=r"cannot be made or written .*INTELSEC_HOME"):
        Workspace(workspace.data, tmp_path / "file").run(DAY)


def test_the_error_of_a_failed_check_names_asset_check_and_evidence(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from intelsec_assets import invariants
    from intelsec_assets.resources import lake_checks

    broken = invariants.Verdict(passed=False, count=3, found="3 against it, first: value a.test")
    judge = lake_checks._judge
    monkeypatch.setattr(
        lake_checks, "_judge", lambda *args: broken if args[3].name == "keys_are_unique" else judge(*args)
    )
    (outcome,) = workspace.run(DAY)
    assert outcome.error == "indicators: check keys_are_unique failed: 3 against it, first: value a.test"
    assert not workspace.lake.path("export_plan", DAY).exists()
