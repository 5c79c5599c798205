"""Whether the process of a Dagster run is still there, as far as that can be known from where one stands.

Dagster records the number of a run's process when it starts, but not on which machine: who starts a run tags it so.
What follows from a run whose process is gone is decided in `pool_slots` and `instance.launcher`.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

import dagster as dg
from dagster._core.storage.runs import SqliteRunStorage

# Tag of a run: where its process is. Numbers of processes mean something only to those who stand in the same place.
PLACE = "intelsec/place"

# A process born this much later than the run began only has its number. Less could be a clock that was set meanwhile,
# and a living run taken for dead is worse than a dead one taken for living.
_CLOCK_SET_SECONDS = 3600


@cache
def here() -> str:
    """This machine, its start, and the set of processes seen from here: `<host> <machine> <boot> <namespace>`."""
    return f"{_machine()} {_read('/proc/sys/kernel/random/boot_id') or '-'} {_namespace()}"


def is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool | None:
    """True if the run's process has ended, False if it lives, None if that cannot be known from here.

    A run without a tag is judged only where Dagster keeps its history in SQLite files, which means one machine.
    """
    there = run.tags.get(PLACE)
    if there is None:
        if not isinstance(instance.run_storage, SqliteRunStorage):
            return None
        there = here()
    if there != here():
        return True if _is_before_restart(there) else None
    started = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START)
    event = started[-1].dagster_event if started else None
    if event is None or event.pid is None:
        return None  # not begun: it holds nothing, and Dagster itself ends what does not start
    return not _lives(event.pid, started[-1].timestamp)


def _is_before_restart(there: str) -> bool:
    """The same machine, and another start of it: none of its processes of then can be left."""
    then, now = there.split(), here().split()
    if len(then) != len(now) or "-" in {*then[:3], *now[:3]}:  # some system does not say what it is
        return False
    return then[:2] == now[:2] and then[2] != now[2]


def _lives(pid: int, since: float) -> bool:
    """Whether the process that had the number at `since` (Unix seconds) has it still, and is more than a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and somebody else's
    status = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    boot = [line.split()[1] for line in _read("/proc/stat").splitlines() if line.startswith("btime ")]
    if not status or not boot:
        return True  # no /proc on this system: the number is all there is
    state, ticks = status[0], int(status[19])  # fields 3 and 22 of proc(5)
    born = int(boot[0]) + ticks / os.sysconf("SC_CLK_TCK")
    return state not in "ZX" and born <= since + _CLOCK_SET_SECONDS


def _machine() -> str:
    return f"{socket.gethostname()} {_read('/etc/machine-id') or '-'}"


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return "-"


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    return ""
