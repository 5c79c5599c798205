"""dbt in a process of its own: reads its orders from a socket, its standard input; answers with a JSON line an event.

Run as `python -m intelsec_assets.kpis.warehouse.dbt_process` by `build` and `project`. A process of its own because dbt
replaces log handlers, working folder and warnings of whatever imports it, and because a build must be killable.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
_AT_ONCE, _MOST_DESCRIPTORS = 2**16, 8  # bytes read at once; descriptors that may come with them
PARSED = "partial_parse.msgpack"  # dbt's own form of a parsed project, written into its target path


def main() -> int:
    """Carry out the orders one after another until one fails; 0 if dbt ended by itself, whatever it found."""
    _end_with_parent()
    # dbt prints where it likes: standard output belongs to the answers
    answers, sys.stdout = sys.stdout, sys.stderr

    from dbt.adapters import duckdb as _adapter  # noqa: F401 - loaded now, the orders may not be there yet
    from dbt.cli.main import dbtRunner

    asked = _orders()
    for order in asked["orders"]:
        # each on the project as it was parsed: dbt leaves what it compiled in the one it is given
        manifest = _parsed(Path(asked["parsed"])) if asked.get("parsed") else None
        runner = dbtRunner(manifest=manifest, callbacks=[lambda event: _tell_progress(answers, event)])
        outcome = runner.invoke([*asked["arguments"], *order["arguments"], "--vars", json.dumps(order["vars"])])
        results = getattr(outcome.result, "results", None)
        _tell(
            answers,
            {
                "event": "end",
                "error": None if outcome.exception is None else str(outcome.exception),
                "results": None if results is None else [_result(result) for result in results],
            },
        )
        if not outcome.success:
            break
    return 0


def _orders() -> dict[str, Any]:
    """What is asked for; the descriptors that come with it stay open."""
    with socket.socket(fileno=sys.stdin.fileno()) as given:
        first, _kept, _flags, _address = socket.recv_fds(given, _AT_ONCE, _MOST_DESCRIPTORS)
        pieces = [first, *iter(lambda: given.recv(_AT_ONCE), b"")]
    asked: dict[str, Any] = json.loads(b"".join(pieces))
    return asked


def _end_with_parent() -> None:
    """Be killed when the process that asked is: dbt would wait for ever to tell it something, with the lock held."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() == 1:  # it was gone before this was said
            os._exit(1)


def _parsed(file: Path) -> Any:
    """The project as it was parsed: with it a build starts in a moment, whatever its variables are."""
    from dbt.contracts.graph.manifest import Manifest

    manifest: Any = Manifest.from_msgpack(file.read_bytes())
    manifest.build_flat_graph()  # what macros see as `graph`; it is not part of the file
    return manifest


def _tell_progress(answers: TextIO, event: Any) -> None:
    if event.info.name == "LogStartLine":
        data = event.data
        _tell(answers, {"event": "node", "name": data.node_info.node_name, "number": data.index, "of": data.total})
    elif event.info.level == "error":
        _tell(answers, {"event": "error", "text": event.info.msg})


def _result(result: Any) -> dict[str, Any]:
    return {
        "unique_id": result.node.unique_id,
        "status": str(result.status),
        "message": result.message,
        "failures": result.failures,
        "seconds": result.execution_time,
        "compiled": getattr(result.node, "compiled_code", None),
    }


def _tell(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
