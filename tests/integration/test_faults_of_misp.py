"""The push to MISP as an asset of a day: no server, a server that is away, one that says no, and one that has it all.

The push itself is tested in `test_misp_push`, kills in `test_faults`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.exports import misp_patience
from intelsec_assets.records import ExportRun
from tests.doubles.misp_server import KEY, MispDouble, misp_double
from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, once, publish

DAY, NEXT = days(FIRST_DAY, 2)
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A day built and exported to files, no server configured."""

    def build(folder: Path) -> None:
        root = data_root(folder / "data", [{"name": "alpha", "campaign": "Lantern"}])
        publish(root, "alpha", DAY, hosts("alpha", 40))
        publish(root, "alpha", NEXT, hosts("alpha", 60))
        outcomes = Workspace(root, folder / "home").run(DAY, last="export")
        assert [outcome.error for outcome in outcomes] == [None, None]

    folder = once(tmp_path_factory, "faults-of-misp", build)
    return Workspace(folder / "data", folder / "home")


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("INTELSEC_MISP_KEY", KEY)
    monkeypatch.setattr(misp_patience, "FIRST_WAIT_SECONDS", 0.0)  # how long it waits is tested with the push
    return KEY


def newest(workspace: Workspace) -> ExportRun:
    with workspace.store() as store:
        return store.exports(target="misp")[0]


def held(server: MispDouble) -> set[str]:
    events = server.misp.events.values()
    return {a.value for event in events for a in event.attributes.values() if not a.deleted}


def test_without_a_server_it_says_so_and_the_plan_stays_open(built: Workspace) -> None:
    record = newest(built)
    assert (record.status, record.added) == ("open", 0)
    assert "no server configured (INTELSEC_MISP_URL); 40 indicators wait in the plan" in record.detail
    assert built.ledger("misp") == {}
    assert len(built.ledger("files")) == 40


def test_a_server_that_is_away_leaves_the_ledger_open_and_the_next_run_catches_up(
    built: Workspace, tmp_path: Path, key: str
) -> None:
    away = built.copy(tmp_path / "home", INTELSEC_MISP_URL=NOBODY)
    day, export = away.run(NEXT, last="export")
    assert day.error is None
    assert "MISP did not answer" in (export.error or "")
    assert f"The files of {NEXT} are written; the ledger stays open" in (export.error or "")
    assert len((away.home / "exports/latest/lists/domain.txt").read_text().split()) == 60
    assert newest(away).status == "unavailable"
    assert away.ledger("misp") == {}
    with misp_double() as server:
        back = Workspace(away.data, away.home, {"INTELSEC_MISP_URL": server.url})
        _, export = back.run(NEXT, last="export")
        assert export.error is None
        assert held(server) == set(hosts("alpha", 60))
        assert (newest(back).status, newest(back).added) == ("succeeded", 60)
        assert len(back.ledger("misp")) == 60


def test_the_command_ends_with_code_3_for_a_server_that_is_away_and_the_summary_says_it(
    built: Workspace, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = built.copy(tmp_path / "home", INTELSEC_MISP_URL=NOBODY)
    assert away.here(monkeypatch, "run", "--day", str(DAY), "--no-warehouse") == 3
    printed, errors = capsys.readouterr()
    assert "misp        0 added" in printed
    assert "MISP did not answer" in printed
    assert "the ledger stays open" in errors


def test_a_second_run_asks_the_server_nothing(built: Workspace, tmp_path: Path, key: str) -> None:
    with misp_double() as server:
        workspace = built.copy(tmp_path / "home", INTELSEC_MISP_URL=server.url)
        assert [o.error for o in workspace.run(DAY, last="export")] == [None, None]
        assert held(server) == set(hosts("alpha", 40))
        asked = len(server.requests)
        day, export = workspace.run(DAY, last="export")
        assert (day.changed, export.changed, export.error) == (0, 0, None)
        assert len(server.requests) == asked
        assert (newest(workspace).unchanged, newest(workspace).added) == (40, 0)


def test_a_wrong_key_is_refused_in_words_and_changes_nothing(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELSEC_MISP_KEY", "not-the-key-0123456789")
    with misp_double() as server:
        workspace = built.copy(tmp_path / "home", INTELSEC_MISP_URL=server.url)
        day, export = workspace.run(DAY, last="export")
        assert day.error is None
        assert "INTELSEC_MISP_KEY" in (export.error or "")
        assert "not-the-key-0123456789" not in (export.error or "")
        assert newest(workspace).status == "refused"
        assert server.misp.events == {}
