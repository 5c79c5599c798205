"""Feeds that fail from one day to the next: what they listed is held, never withdrawn; what is ours goes at once.

How health and plan are judged is tested with `feeds.status` and `exports.plan`; here whole days run.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, once, publish

CALM, SAME, BAD, LATER = days(FIRST_DAY, 4)
HTML = "<!DOCTYPE html><html><head><title>503</title></head></html>"
OURS = "ours.example"
# An indicator of grade A scores 0.8 on the day it is listed and less on every later one: without a feed that still
# lists it, it is to be withdrawn on the very next day, if its feed can be believed.
EXPORT = {"threshold": 0.795, "max_tlp": "green", "tombstone_days": 90}


def feed(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "contract": {"min_rows": 1, "max_shrink": 0.5}, **more}


FEEDS = [
    feed("healthy"),
    feed("unreadable"),
    feed("gone"),
    feed("empty"),
    feed("shrunk"),
    feed("stale", contract={"min_rows": 1, "max_unchanged_days": 1}),
]
# What each feed shows on the bad day, in place of forty names. The healthy one drops ten of them.
BAD_DAY = {
    "healthy": hosts("healthy", 30),
    "unreadable": HTML,
    "empty": "# nothing today\n",
    "shrunk": hosts("shrunk", 5),
    "stale": [*hosts("stale", 40), OURS, f"www.{OURS}"],
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two calm days, then every feed but one fails in its own way. Two of our names are listed from the start."""

    def build(folder: Path) -> None:
        protected = {"domains": [OURS], "networks": []}
        root = data_root(folder / "data", FEEDS, protected=protected, export=EXPORT)
        for name in ("healthy", "unreadable", "gone", "empty", "shrunk", "stale"):
            for day in (CALM, SAME):
                publish(root, name, day, [*hosts(name, 40), OURS, f"www.{OURS}"])
        for name, content in BAD_DAY.items():
            publish(root, name, BAD, content)
        outcomes = Workspace(root, folder / "home").run(CALM, SAME, BAD)
        assert [outcome.error for outcome in outcomes] == [None, None, None]

    folder = once(tmp_path_factory, "faults-of-feeds", build)
    return Workspace(folder / "data", folder / "home")


def plan(workspace: Workspace, day: date = BAD) -> dict[str, tuple[str, str, str]]:
    """Value -> state, action, reason."""
    with duckdb.connect() as con:
        path = workspace.lake.read("export_plan", day).path
        found = con.sql(f"select value, state, action, reason from '{path}'").fetchall()
    return {value: (state, action, reason) for value, state, action, reason in found}


def exported(workspace: Workspace) -> set[str]:
    """Domains that a puller of the plain list sees."""
    return set((workspace.home / "exports/latest/lists/domain.txt").read_text().split())


@pytest.mark.parametrize("name", ["unreadable", "gone", "empty", "shrunk"])
def test_what_a_failing_feed_listed_is_held_and_stays_exported(workspace: Workspace, name: str) -> None:
    planned = plan(workspace)
    silent = set(hosts(name, 40)) - set(BAD_DAY.get(name, []) if name == "shrunk" else [])
    status = "unreadable" if name == "gone" else name
    for value in silent:
        state, action, reason = planned[value]
        assert (state, action) == ("active", "hold"), value
        assert f"feed {name} is {status}" in reason
    assert silent <= exported(workspace)


def test_a_healthy_feeds_silence_withdraws(workspace: Workspace) -> None:
    planned = plan(workspace)
    dropped = set(hosts("healthy", 40)) - set(hosts("healthy", 30))
    assert {planned[value][:2] for value in dropped} == {("withdrawn", "withdraw")}
    assert exported(workspace).isdisjoint(dropped)
    assert set(hosts("healthy", 30)) <= exported(workspace)


def test_a_stale_feed_is_held_too(workspace: Workspace) -> None:
    with duckdb.connect() as con:
        path = workspace.lake.read("feed_status", BAD).path
        held = dict(con.sql(f"select feed, status from '{path}' where held").fetchall())
    assert held == {
        "unreadable": "unreadable",
        "gone": "unreadable",
        "empty": "empty",
        "shrunk": "shrunk",
        "stale": "stale",
    }


def test_nothing_of_ours_is_exported_whatever_six_feeds_say(workspace: Workspace) -> None:
    with duckdb.connect() as con:
        path = workspace.lake.read("indicator_scores", CALM).path
        found = con.sql(f"select decision, warninglist from '{path}' where value like '%{OURS}'").fetchall()
    assert found == [("suppress", "protect")] * 2
    for day in (CALM, BAD):
        assert not [value for value in plan(workspace, day) if value.endswith(OURS)]
    assert OURS not in (workspace.home / "exports/latest/stix/bundle.json").read_text()
    assert OURS not in "".join(p.read_text() for p in (workspace.home / "exports/latest/misp").glob("*.json"))


def test_what_becomes_ours_is_withdrawn_at_once_even_from_a_feed_that_is_held(
    workspace: Workspace, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    catalogue = yaml.safe_load((workspace.data / "catalogue.yaml").read_text())
    catalogue["protected"]["domains"].append("unreadable-7.example")
    (root / "catalogue.yaml").write_text(yaml.safe_dump(catalogue))
    for name in ("healthy", "unreadable", "gone", "empty", "shrunk", "stale"):
        publish(root, name, LATER, HTML)  # not one feed can be read
    changed = Workspace(root, workspace.copy(tmp_path / "home").home)
    (outcome,) = changed.run(LATER)
    assert outcome.error is None
    planned = plan(changed, LATER)
    assert planned["unreadable-7.example"][:2] == ("withdrawn", "withdraw")
    assert planned["unreadable-8.example"][:2] == ("active", "hold")
    assert [value for value, (_, action, _) in planned.items() if action == "withdraw"] == ["unreadable-7.example"]
    assert "unreadable-7.example" not in exported(changed)
    assert changed.ledger()[withdrawn_id(changed)][2] == "withdrawn"


def withdrawn_id(workspace: Workspace) -> str:
    with duckdb.connect() as con:
        path = workspace.lake.read("export_plan", LATER).path
        ((found,),) = con.sql(
            f"select indicator_id::varchar from '{path}' where value = 'unreadable-7.example'"
        ).fetchall()
    return str(found)


def test_status_names_every_feed_that_is_held(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workspace.copy(tmp_path / "home").here(monkeypatch, "status") == 1
    said = capsys.readouterr().out
    for name in ("unreadable", "empty", "shrunk", "stale"):
        assert f"feed {name} is {name}" in said


def test_a_catalogue_whose_feeds_are_all_switched_off_builds_a_day_without_indicators(tmp_path: Path) -> None:
    """Who has audit logs only disables the feeds."""
    off = Workspace(data_root(tmp_path / "data", [feed("alpha", enabled=False)]), tmp_path / "home")

    (outcome,) = off.run(CALM)

    assert outcome.error is None
    for table in ("observations", "indicators", "indicator_scores"):
        assert duckdb.read_parquet(str(off.lake.path(table, CALM))).shape[0] == 0, table
