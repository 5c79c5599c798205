"""A run killed with SIGKILL at one point or another: the next run comes to the same bytes, and nothing stays locked.

What a full disk and bad input do is in `test_bad_input`; a server that is away in `test_faults_of_misp`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from intelsec_assets.resources.store import Store
from tests.doubles.misp_server import KEY, MispDouble, misp_double
from tests.forked import Forked
from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, once, publish

DAY, NEXT = days(FIRST_DAY, 2)
PROMPT = 180.0  # seconds in which a run gets anywhere, on a machine with other work


def small_data(folder: Path) -> Path:
    """Two feeds for two days; the second day lists more, and one indicator less."""
    root = data_root(folder, [{"name": "alpha", "campaign": "Lantern"}, {"name": "beta", "trust": "B"}])
    for feed in ("alpha", "beta"):
        publish(root, feed, DAY, hosts(feed, 60))
        publish(root, feed, NEXT, hosts(feed, 90)[1:])
    return root


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The first day, built and exported."""

    def build(folder: Path) -> None:
        outcomes = Workspace(small_data(folder / "data"), folder / "home").run(DAY, last="export")
        assert [outcome.error for outcome in outcomes] == [None, None]

    folder = once(tmp_path_factory, "faults-begun", build)
    return Workspace(folder / "data", folder / "home")


@pytest.fixture(scope="module")
def undisturbed(begun: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Both days, by runs that nobody disturbed."""

    def build(folder: Path) -> None:
        outcomes = begun.copy(folder / "home").run(NEXT, last="export")
        assert [outcome.error for outcome in outcomes] == [None, None]

    return Workspace(begun.data, once(tmp_path_factory, "faults-undisturbed", build) / "home")


def killed_when(workspace: Workspace, reached: Callable[[], bool]) -> None:
    """Start the command on the second day and kill it as soon as the point is reached."""
    running = workspace.start("run", "--day", str(NEXT))
    deadline = time.monotonic() + PROMPT
    while not reached():
        assert not running.ends(0.002), f"ended before the point: {running.communicate()}"  # or gives way for a moment
        assert time.monotonic() < deadline
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert running.returncode == -signal.SIGKILL


def status(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    workspace.here(monkeypatch, "status")
    return capsys.readouterr().out


POINTS: dict[str, Callable[[Path], bool]] = {
    "between two feeds": lambda home: (home / f"lake/feeds/alpha/{NEXT}.parquet").exists(),
    "after the indicators": lambda home: (home / f"lake/indicators/{NEXT}.parquet").exists(),
    "while files are exported": lambda home: any((home / "exports/.builds").glob("unfinished-*")),
}


@pytest.mark.parametrize(
    "point", [*(pytest.param(name, marks=pytest.mark.slow) for name in list(POINTS)[:-1]), list(POINTS)[-1]]
)
def test_a_killed_run_is_told_by_status_and_made_good_by_the_next(
    begun: Workspace,
    undisturbed: Workspace,
    point: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    workspace = begun.copy(tmp_path / "home")
    killed_when(workspace, lambda: POINTS[point](workspace.home))
    assert f"run daily_intel {NEXT} was cut off" in status(workspace, monkeypatch, capsys)
    outcomes = workspace.run(NEXT, last="export")
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert outcomes[0].changed > 0
    assert workspace.content("lake", "exports") == undisturbed.content("lake", "exports")
    assert workspace.ledger() == undisturbed.ledger()
    assert "cut off" not in status(workspace, monkeypatch, capsys)
    assert list((workspace.home / "exports/.builds").glob("unfinished-*")) == []


def test_a_run_killed_before_its_first_whole_day_is_told_too(
    begun: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = Workspace(begun.data, tmp_path / "home")
    workspace.home.mkdir()
    with workspace.store() as store:  # what a run leaves that was killed at once
        store.start_run("r1", "daily_intel", DAY, begun_at(begun))
    told = status(workspace, monkeypatch, capsys)
    assert "holds no day yet" in told
    assert f"run daily_intel {DAY} was cut off; run it again: intelsec run --day {DAY}" in told


def begun_at(workspace: Workspace) -> datetime:
    with workspace.store() as store:
        return store.runs(limit=1)[0].started_at


REQUEST_NUMBERS = [9, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 5, 7, 8, 10, 11, 12))]


@pytest.mark.parametrize("number", REQUEST_NUMBERS)
def test_a_push_killed_in_the_middle_is_finished_by_the_next_without_doubles(
    begun: Workspace, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELSEC_MISP_KEY", KEY)
    with misp_double() as server, misp_double() as calm:
        workspace = begun.copy(tmp_path / "home", INTELSEC_MISP_URL=server.url, INTELSEC_MISP_KEY=KEY)
        running = workspace.start("run", "--day", str(NEXT))
        kill_at(server, running, number)
        _, errors = running.communicate()
        assert running.returncode == -signal.SIGKILL, errors
        server.fault = lambda number, method, path: None
        (outcome,) = [o for o in workspace.run(NEXT, last="export") if o.job == "export"]
        assert outcome.error is None
        other = begun.copy(tmp_path / "calm", INTELSEC_MISP_URL=calm.url)
        assert not [o.error for o in other.run(NEXT, last="export") if o.error]
        assert held(server) == held(calm)
        assert workspace.ledger("misp") == other.ledger("misp")
        asked = len(server.requests)
        assert not [o.error for o in workspace.run(NEXT, last="export") if o.error]
        assert len(server.requests) == asked  # what is done costs no request


def kill_at(server: MispDouble, running: Forked, number: int) -> None:
    """Let the server carry a request out and the client die before it hears of it."""

    def fault(at: int, method: str, path: str) -> str | None:
        if at == number:
            os.kill(running.pid, signal.SIGKILL)
            return "cut after"
        return None

    server.fault = fault


def held(server: MispDouble) -> dict[str, list[tuple[str, str, bool]]]:
    """What a server holds, event by event; twice the same value would stand here twice."""
    return {
        event.info: sorted((a.type, a.value, a.deleted) for a in event.attributes.values())
        for event in server.misp.events.values()
    }


REPLACE_KILLS = """
import os, signal, sys
home, wanted, when = sys.argv[1], int(sys.argv[2]), sys.argv[3]
replace, count = os.replace, 0

def counted(source, target, **more):
    global count
    if str(target).startswith((home + "/lake", home + "/exports", home + "/raw")):
        count += 1
    if count == wanted and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target, **more)
    if count == wanted:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = counted
sys.argv = ["intelsec", *sys.argv[4:]]
from intelsec_assets.cli import main
main()
"""


@pytest.mark.slow
def test_killed_before_or_after_every_third_file_it_puts_in_place_a_run_converges(
    begun: Workspace, undisturbed: Workspace, tmp_path: Path
) -> None:
    number, killed = 1, 0
    while True:
        workspace = begun.copy(tmp_path / f"home-{number}")
        when = ("before", "after")[number % 2]
        point = (str(workspace.home), str(number), when)
        running = workspace.start(*point, "run", "--day", str(NEXT), "--no-warehouse", script=REPLACE_KILLS)
        _, errors = running.communicate()
        if running.returncode == 0:
            break
        assert running.returncode == -signal.SIGKILL, errors
        killed += 1
        outcomes = workspace.run(NEXT, last="export")
        assert [outcome.error for outcome in outcomes] == [None, None], number
        assert workspace.content("lake", "exports") == undisturbed.content("lake", "exports"), number
        assert workspace.ledger() == undisturbed.ledger(), number
        number += 3
    assert killed >= 10


def test_no_lock_outlives_its_holder(begun: Workspace, tmp_path: Path) -> None:
    workspace = begun.copy(tmp_path / "home")
    url = workspace.settings.store_url
    program = (
        "import sys, time; from intelsec_assets.resources.store import Store\n"
        "with Store.open(sys.argv[1]) as store, store.lock('run'):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    holder = workspace.start(url, script=program)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with Store.open(url) as store, store.lock("run"):
        pass
