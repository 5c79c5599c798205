"""Dagster's launcher of runs, with an answer to the daemon's question whether a started run is still alive.

Dagster's own launcher has none: a run of the command that was killed, or of a whole service that was, stays started for
ever, with its pool slot and its place among the runs that may run at once. With an answer the daemon's run monitoring
reports it as failed, and what it held is freed a moment later.
"""

from __future__ import annotations

import json

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, LaunchRunContext, WorkerStatus

from intelsec_jobs.run_processes import PLACE, here, is_gone

# Dagster's tag of a run: where the code server is that runs it
_CODE_SERVER = ".dagster/grpc_info"


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches as Dagster does, and tells the daemon which runs have lost their process."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch, and note where the run's process is, if it is here."""
        super().launch_run(context)
        instance: dg.DagsterInstance = self._instance
        run = instance.get_run_by_id(context.dagster_run.run_id)
        # a socket file: a code server that this service itself started; others may be anywhere
        if run is not None and "socket" in json.loads(run.tags.get(_CODE_SERVER, "{}")):
            instance.add_run_tags(run.run_id, {PLACE: here()})

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: `check_run_worker_health` answers."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed if the run's process is gone. What cannot be known counts as running: nothing living may be ended."""
        if is_gone(self._instance, run):
            return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone: it was killed, or its machine was")
        return CheckRunHealthResult(WorkerStatus.RUNNING)
