"""Pool slots after a kill: the next run begins within seconds, and no living run loses its slot.

Real processes on a real Dagster instance, with a job of one step in place of the location's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from structlog.testing import capture_logs

from intelsec_jobs import run_processes
from intelsec_jobs.instance import prepare_instance
from intelsec_jobs.pool_slots import free_dead_slots
from intelsec_jobs.run_processes import PLACE, here, is_gone
from tests.pooled_runs import PROMPT, by_something_else, by_the_command, running
from tests.workspaces import Workspace, data_root

SECONDS = 30  # within which the next run is in its step, on a machine with other work; without healing it never is


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    """DAGSTER_HOME of the embedded instance; each test leaves its pool free."""
    home = str(prepare_instance(tmp_path_factory.mktemp("pool-slots") / "dagster", "embedded").parent)
    # two processes that make Dagster's database at once write its version twice, and nobody can open it again
    with opened(home) as instance:
        instance.get_runs_count()
        instance.event_log_storage.get_concurrency_info("warehouse")
    return home


@contextmanager
def opened(home: str) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(home) as instance:
        yield instance


def holders(instance: dg.DagsterInstance) -> list[str]:
    info = instance.event_log_storage.get_concurrency_info("warehouse")
    return [slot.run_id for slot in info.claimed_slots]


def queue(instance: dg.DagsterInstance) -> set[str]:
    return {step.run_id for step in instance.event_log_storage.get_concurrency_info("warehouse").pending_steps}


def health(instance: dg.DagsterInstance, run_id: str) -> WorkerStatus:
    """What the daemon is told of a run."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return instance.run_launcher.check_run_worker_health(run).status


def test_after_a_command_was_killed_inside_a_pooled_step_the_next_begins_within_seconds(tmp_path: Path) -> None:
    workspace = Workspace(data_root(tmp_path / "data", [{"name": "alpha"}]), tmp_path / "home")
    with running(by_the_command, workspace.environment, waits=True) as first:
        run_id = first.says()
        first.is_killed()
    with opened(str(workspace.home / "dagster")) as instance:
        assert holders(instance) == [run_id]
        assert health(instance, run_id) is WorkerStatus.FAILED
        begun = time.monotonic()
        with running(by_the_command, workspace.environment) as second:
            assert second.says() != run_id
            assert time.monotonic() - begun < SECONDS
            assert second.says() is True
            second.ends()
        assert holders(instance) == []
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.FAILURE


def test_the_slot_of_a_living_run_stays_and_goes_with_its_process(home: str) -> None:
    tags = {PLACE: here()}
    with running(by_something_else, home, tags, waits=True) as inside, opened(home) as instance:
        run_id = inside.says()
        with running(by_something_else, home, tags) as waiting:
            deadline = time.monotonic() + PROMPT
            while len(queue(instance)) < 2:  # the holder, and who waits for it
                waiting.process.join(0.05)
                assert time.monotonic() < deadline
            assert free_dead_slots(instance) == []
            assert holders(instance) == [run_id]
            assert health(instance, run_id) is WorkerStatus.RUNNING
            waiting.is_killed()
        (gave_up,) = free_dead_slots(instance)
        assert gave_up != run_id
        assert (holders(instance), queue(instance)) == ([run_id], {run_id})
        inside.is_killed()
        assert health(instance, run_id) is WorkerStatus.FAILED
        with capture_logs() as logs:
            assert free_dead_slots(instance) == [run_id]
        assert [(log["event"], log["pool"], log["run"]) for log in logs] == [("pool slot freed", "warehouse", run_id)]
        assert (holders(instance), queue(instance)) == ([], set())
        assert free_dead_slots(instance) == []


def test_what_cannot_be_judged_from_here_is_left_alone_and_told(home: str) -> None:
    tags = {PLACE: "otherhost 0123 0b00 pid:[1]"}
    with running(by_something_else, home, tags, waits=True) as inside, opened(home) as instance:
        run_id = inside.says()
        inside.is_killed()
        with capture_logs() as logs:
            assert free_dead_slots(instance) == []
        assert [log["event"] for log in logs] == ["pool slot held by a run that cannot be judged from here"]
        assert health(instance, run_id) is WorkerStatus.RUNNING
        assert holders(instance) == [run_id]
        assert free_dead_slots(instance, cut_off={run_id}) == [run_id]  # unless the caller knows better
        assert holders(instance) == []


def test_a_run_without_a_tag_is_judged_where_the_history_is_of_one_machine(home: str) -> None:
    with running(by_something_else, home, {}, waits=True) as inside, opened(home) as instance:
        run_id = inside.says()
        assert free_dead_slots(instance) == []
        inside.is_killed()
        assert free_dead_slots(instance) == [run_id]


def test_a_slot_of_a_run_that_has_ended_or_is_unknown_is_freed(home: str) -> None:
    with running(by_something_else, home, {PLACE: here()}) as ended:
        run_id = ended.says()
        assert ended.says() is True
        ended.ends()
    with opened(home) as instance:
        for holder in (run_id, "a run that was deleted"):
            instance.event_log_storage.claim_concurrency_slot("warehouse", holder, "guarded")
            assert holders(instance) == [holder]
            assert free_dead_slots(instance) == [holder]
        assert holders(instance) == []


@pytest.mark.slow
def test_the_daemon_frees_the_slot_of_a_killed_command_within_a_minute(home: str, tmp_path: Path) -> None:
    (tmp_path / "nothing.py").write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    program = [Path(sys.executable).with_name("dagster-daemon"), "run", "-f", tmp_path / "nothing.py"]
    with (
        (tmp_path / "daemon.log").open("w") as log,
        subprocess.Popen(
            program, env=os.environ | {"DAGSTER_HOME": home}, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT
        ) as daemon,
        opened(home) as instance,
    ):
        try:
            until(lambda: "Instance is configured with the following daemons" in _read(tmp_path / "daemon.log"), daemon)
            with running(by_something_else, home, {PLACE: here()}, waits=True) as inside:
                run_id = inside.says()
                inside.is_killed()
                killed_at = time.monotonic()
            until(lambda: not holders(instance), daemon)
            assert time.monotonic() - killed_at < 60
            run = instance.get_run_by_id(run_id)
            assert run is not None
            assert run.status is dg.DagsterRunStatus.FAILURE
        finally:
            daemon.terminate()


def until(reached: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    """Look again and again, as long as the process lives."""
    deadline = time.monotonic() + 2 * PROMPT
    while not reached():
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.2)
        assert running.poll() is None
        assert time.monotonic() < deadline


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("there", "gone"),
    [
        ("host m1 boot2 pid:[1]", None),  # here, and not begun: nothing is known
        ("host m1 boot1 pid:[1]", True),  # the machine was started again since
        ("host m2 boot1 pid:[1]", None),
        ("other m1 boot1 pid:[1]", None),
        ("host m1 boot2 pid:[9]", None),  # another container: its numbers mean nothing here
        ("host m1 - pid:[1]", None),
        ("host - boot1 pid:[1]", None),
        ("nonsense", None),
    ],
)
def test_a_run_of_an_earlier_start_of_this_machine_is_gone(
    there: str, gone: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_processes, "here", lambda: "host m1 boot2 pid:[1]")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.job(name="j")(lambda: None), tags={PLACE: there})
        assert is_gone(instance, run) is gone
