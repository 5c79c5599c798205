"""Two runs at the same time: the command gives way at once, and two of Dagster's own leave whole, equal files.

What a killed run leaves is in `test_faults`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workspaces import FIRST_DAY, Workspace, data_root, hosts, publish

DAY = FIRST_DAY

# Dagster's way without the command's lock, as two people who press Materialize at the same moment would have it.
MATERIALIZE = """
import sys
import dagster as dg
from intelsec_assets.settings import from_environment
from intelsec_jobs.definitions import build_defs

job = build_defs(settings=from_environment()).resolve_job_def("daily_intel")
print("ready", flush=True)
sys.stdin.readline()
quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
with dg.DagsterInstance.ephemeral() as instance:
    result = job.execute_in_process(
        partition_key=sys.argv[1], instance=instance, raise_on_error=False, run_config=quiet
    )
for event in result.all_events:
    if event.is_step_failure:
        print(event.step_key, event.step_failure_data.error.to_string())
sys.exit(not result.success)
"""


def small_data(folder: Path) -> Path:
    root = data_root(folder, [{"name": "alpha"}, {"name": "beta", "trust": "B"}])
    publish(root, "alpha", DAY, hosts("alpha", 3000))
    publish(root, "beta", DAY, hosts("alpha", 2000))
    return root


def test_a_second_run_ends_at_once_with_code_3_and_names_who_is_at_work(tmp_path: Path) -> None:
    workspace = Workspace(small_data(tmp_path / "data"), tmp_path / "home")
    with workspace.store() as store, store.lock("run"):
        before = workspace.content("lake")
        second = workspace.start("run", "--day", str(DAY))
        _, errors = second.communicate()
        assert second.returncode == 3
        assert f"run is being worked on by process {os.getpid()}" in errors
        assert "nothing was changed" in errors
        assert "Traceback" not in errors
        assert workspace.content("lake") == before == {}
        assert store.runs() == []
    (outcome,) = workspace.run(DAY)
    assert outcome.error is None


def test_two_dagster_runs_of_a_day_at_once_leave_whole_and_equal_files(tmp_path: Path) -> None:
    root = small_data(tmp_path / "data")
    alone = Workspace(root, tmp_path / "alone")
    (outcome,) = alone.run(DAY)
    assert outcome.error is None
    shared = Workspace(root, tmp_path / "shared")
    runs = [shared.start(str(DAY), script=MATERIALIZE) for _ in range(2)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.stdin.write("go\n")
        run.stdin.flush()
    said = [run.communicate()[0] for run in runs]
    # one may find the export folder in use and say so; what is there is whole either way
    refused = [text for run, text in zip(runs, said, strict=True) if run.returncode]
    assert all("another export writes to" in text for text in refused), said
    assert len(refused) < 2
    assert shared.content("lake", "exports") == alone.content("lake", "exports")
    assert shared.ledger() == alone.ledger()


@pytest.mark.slow
def test_two_dagster_runs_at_once_ten_times_over(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).mkdir()
        test_two_dagster_runs_of_a_day_at_once_leave_whole_and_equal_files(tmp_path / str(number))
