"""Processes for tests that compete or are killed: forked from one that has loaded what they need, which saves seconds.

What they do is the tests'.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "tests.pooled_runs",
        "intelsec_jobs.runner",
        "tests.alert_findings",
        "intelsec_assets.resources.store",
        "intelsec_assets.detections.alerts.service",
        "intelsec_assets.detections.audit.taking",
        "sqlalchemy.dialects.postgresql.psycopg2",
        "sqlalchemy.dialects.sqlite",
    ]
)
PROMPT = 120.0  # seconds in which a process gets anywhere, on a machine with other work


class Forked:
    """A process that runs a script, as `subprocess.Popen` would have it: standard input and output are pipes."""

    def __init__(self, script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it; the script finds its arguments in `sys.argv[1:]`."""
        its_input, given = SERVER.Pipe(duplex=False)
        said, its_output = SERVER.Pipe(duplex=False)
        self._errors = tempfile.NamedTemporaryFile(mode="r", encoding="utf-8")  # noqa: SIM115 - as long as the process
        ends = (its_input, its_output, self._errors.name)
        run = (*ends, script, arguments, dict(environment or {}))
        self._process = SERVER.Process(target=_run, args=run, daemon=True)
        self._process.start()
        its_input.close()
        its_output.close()
        self.stdin = os.fdopen(os.dup(given.fileno()), "w", encoding="utf-8")
        self.stdout = os.fdopen(os.dup(said.fileno()), "r", encoding="utf-8")
        given.close()
        said.close()

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or the signal that ended it below 0; None as long as it runs."""
        return self._process.exitcode

    def errors(self) -> str:
        """What it wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it, if it still runs."""
        self._process.kill()

    def ends(self, within: float) -> bool:
        """Whether it has ended within so many seconds."""
        self._process.join(within)
        return self.returncode is not None

    def wait(self, timeout: float = PROMPT) -> int:
        """Exit code, once it has ended."""
        self._process.join(timeout)
        assert self.returncode is not None, "it did not end"
        return self.returncode

    def communicate(self, text: str = "") -> tuple[str, str]:
        """Give it the text, wait for its end; what it said and its errors."""
        with suppress(BrokenPipeError):  # it was killed
            self.stdin.write(text)
            self.stdin.flush()
        with suppress(BrokenPipeError):
            self.stdin.close()
        said = self.stdout.read()
        self.wait()
        return said, self.errors()


def _run(
    given: Connection, said: Connection, errors: str, script: str, arguments: Sequence[str], environment: Any
) -> None:
    """In the child: the script, with pipes and a file as standard streams, ended as Python would end it."""
    file = os.open(errors, os.O_WRONLY)
    for number, stream in enumerate((given.fileno(), said.fileno(), file)):
        os.dup2(stream, number)
    given.close()
    said.close()
    os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in enumerate("rww"))
    for name in [name for name in os.environ if name.startswith(("INTELSEC_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    code: Any = 0
    try:
        exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:  # noqa: BLE001 - whatever it is, the test is told
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
