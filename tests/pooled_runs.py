"""Runs of a tiny job inside the pool `warehouse`, in processes of their own that can be killed.

The processes come from a fork server that has loaded Dagster once; what is claimed about them is in the tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import dagster as dg

from intelsec_assets import policies
from tests.forked import SERVER

PROMPT = 60  # seconds in which a process gets anywhere, on a machine with other work
DAY = date(2026, 3, 2)

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Running:
    """A run in a process of its own: what it says, and how it is told to go on."""

    process: BaseProcess
    said: Connection

    def says(self) -> Any:
        """The next thing it says: the run's id once it is in its step, then whether it succeeded."""
        assert self.said.poll(PROMPT), "nothing was heard of it"
        return self.said.recv()

    def goes_on(self) -> None:
        """Let it leave its step, or end."""
        self.said.send("go")

    def is_killed(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.join(PROMPT)

    def ends(self) -> None:
        """Wait until it has ended."""
        self.process.join(PROMPT)
        assert self.process.exitcode == 0


def definitions(said: Connection, *, waits: bool) -> dg.Definitions:
    """A job named as the command's, whose one step says that it is in the pool, and waits there if it should."""

    @dg.asset(pool="warehouse", partitions_def=policies.DAILY)
    def guarded(context) -> None:
        said.send(context.run.run_id)
        if waits:
            said.recv()

    job = dg.define_asset_job("daily_intel", [guarded], executor_def=dg.in_process_executor)
    return dg.Definitions([guarded], jobs=[job])


def by_the_command(said: Connection, waits: bool, environment: Mapping[str, str]) -> None:
    """As `intelsec run` does it."""
    from intelsec_assets.settings import from_environment
    from intelsec_jobs import runner

    os.environ.update(environment)
    runner.build_defs = lambda **_: definitions(said, waits=waits)  # type: ignore[assignment]
    (outcome,) = runner.run_days(from_environment(), [DAY], after=())
    said.send(outcome.error is None)


def by_something_else(said: Connection, waits: bool, home: str, tags: Mapping[str, str]) -> None:
    """As the UI or a schedule does it, without the command's lock."""
    with dg.DagsterInstance.from_config(home) as instance:
        job = definitions(said, waits=waits).resolve_job_def("daily_intel")
        run = job.execute_in_process(partition_key=str(DAY), instance=instance, tags=dict(tags), run_config=_QUIET)
    said.send(run.success)


@contextmanager
def running(way: Callable[..., None], *arguments: Any, waits: bool = False) -> Iterator[Running]:
    """A run of the tiny job by one of the ways above; it does not outlive the block."""
    here, there = SERVER.Pipe()
    process = SERVER.Process(target=way, args=(there, waits, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield Running(process, here)
    finally:
        process.kill()
        process.join(PROMPT)
