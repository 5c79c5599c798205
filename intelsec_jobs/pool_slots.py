"""Freeing the pool slots of runs that can no longer live, so that a killed run keeps nobody waiting.

A step with `pool="warehouse"` claims the pool's only slot in Dagster's own database and gives it back when it ends. A
run killed with SIGKILL, by the kernel for want of memory or by a power cut gives back nothing: every later run waits
for the slot, for ever and in silence. Dagster's daemon frees slots of runs that have *ended*; a killed run has not, as
nobody is left to say so. Here is who says so: the command before it runs anything, `instance.launcher` for the daemon.

A slot only orders runs among themselves. What keeps two writers apart is the lock of the warehouse's folder
(`kpis.warehouse.locking`), which the kernel frees, and which a child that outlives a killed run still holds. So a slot
follows the process of its run and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg
import structlog

from intelsec_jobs.run_processes import is_gone

log = structlog.get_logger(__name__)


def free_dead_slots(instance: dg.DagsterInstance, cut_off: Collection[str] = ()) -> list[str]:
    """Free every slot, and every place in a queue for one, of a run that can no longer live; ids of those runs.

    `cut_off` are runs of which the caller knows it. A run that lives, or of which nothing can be known from here, keeps
    its slot; the latter is logged with the way out. What had not ended yet is reported as failed, for the UI to show.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return []
    freed = []
    for pool in sorted(storage.get_concurrency_keys()):
        info = storage.get_concurrency_info(pool)
        holders = {slot.run_id for slot in info.claimed_slots}
        for run_id in sorted(holders | {step.run_id for step in info.pending_steps}):
            run = instance.get_run_by_id(run_id)
            why = _why_dead(instance, run, cut_off, run_id)
            if why is not None:
                if run is not None and not run.is_finished:
                    instance.report_run_failed(run, f"The run was cut off: {why}.")
                storage.free_concurrency_slots_for_run(run_id)
                log.warning("pool slot freed", pool=pool, run=run_id, why=why)
                freed.append(run_id)
            elif run_id in holders and run is not None and is_gone(instance, run) is None:
                log.warning(
                    "pool slot held by a run that cannot be judged from here",
                    pool=pool,
                    run=run_id,
                    next="if it is dead, free it: Dagster UI, Deployment, Concurrency",
                )
    return freed


def _why_dead(
    instance: dg.DagsterInstance, run: dg.DagsterRun | None, cut_off: Collection[str], run_id: str
) -> str | None:
    """Why the run can no longer live, in words; None if it may."""
    if run is None:
        return "Dagster no longer knows it"
    if run_id in cut_off:
        return "whoever ran it is gone, as its lock is free"
    gone = is_gone(instance, run)
    if gone:
        return "its process is gone"
    if run.is_finished and gone is None:
        return "it has ended"
    return None
