"""A process that takes audit logs is killed, or two take at once: nothing is lost and nothing counted twice.

What one undisturbed process does is in tests/unit/test_audit_landing.py.
"""

from __future__ import annotations

import os
import signal
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.detections.audit.days import build_events
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.taking import take
from intelsec_assets.detections.audit.telemetry import AuditSource
from tests.audit_logs import event, wrapped
from tests.forked import Forked

DAY = date(2026, 8, 20)
FILES = 12
EVENTS = 20

# takes with small landings, and stops for good at the given point
PROGRAM = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from intelsec_assets.detections.audit import reading, taking
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.register import Register
from intelsec_assets.detections.audit.telemetry import AuditSource

root, point, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
taking.LAND_ROWS = 40
calls = 0

def killing(function, before):
    def called(*args, **kwargs):
        global calls
        calls += 1
        if calls == at and before:
            os.kill(os.getpid(), signal.SIGKILL)
        found = function(*args, **kwargs)
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return called

if point == "land":
    Landing.land = killing(Landing.land, False)
if point == "replace":
    Path.replace = killing(Path.replace, True)
if point == "note":
    Register.note = killing(Register.note, False)
real = reading.batches
taking.batches = lambda con, files: real(con, files, together=20)
with duckdb.connect() as con:
    con.execute("set timezone = 'UTC'")
    taking.take(
        con, Landing(root / "audit"), AuditSource("trail", "aws", "logs"), root, clock=lambda: datetime.now(UTC)
    )
"""


def delivered(root: Path) -> None:
    (root / "logs").mkdir()
    for number in range(FILES):
        path = root / "logs" / f"{number:02}.json"
        path.write_bytes(wrapped([event(number * EVENTS + step) for step in range(EVENTS)]))
        at = datetime(2026, 8, 20, 13, number, tzinfo=UTC).timestamp()
        os.utime(path, (at, at))


def started(root: Path, point: str = "", at: int = 0) -> Forked:
    # who is killed takes nothing away: what it had open stays with the test
    return Forked(PROGRAM, str(root), point, str(at), environment={"TMPDIR": str(root)})


def events(root: Path) -> list[tuple[str, str, int]]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        found = build_events(con, Landing(root / "audit").landed(DAY).parts, DAY)
        return found.project("event_id, file, record").order("event_id").fetchall()


def taken_undisturbed(root: Path) -> list[tuple[str, str, int]]:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        landing = Landing(root / "audit")
        take(con, landing, AuditSource("trail", "aws", "logs"), root, clock=lambda: datetime.now(UTC))
    return events(root)


EXPECTED = [
    (event(number * EVENTS + step)["eventID"], f"{number:02}.json", step + 1)
    for number in range(FILES)
    for step in range(EVENTS)
]


@pytest.mark.parametrize(("point", "at"), [("replace", 1), ("land", 1), ("land", 3), ("note", 1), ("note", 2)])
def test_killed_where_landing_and_register_touch_nothing_is_lost_or_doubled(
    tmp_path: Path, point: str, at: int
) -> None:
    delivered(tmp_path)

    process = started(tmp_path, point, at)
    assert process.wait() == -signal.SIGKILL
    before = len(Landing(tmp_path / "audit").register.files())

    assert before < FILES
    assert taken_undisturbed(tmp_path) == EXPECTED
    assert len(Landing(tmp_path / "audit").register.files()) == FILES
    assert events(tmp_path) == EXPECTED


def test_two_processes_that_take_at_once_do_not_double_anything(tmp_path: Path) -> None:
    delivered(tmp_path)

    processes = [started(tmp_path), started(tmp_path)]

    assert [process.wait() for process in processes] == [0, 0]
    assert events(tmp_path) == EXPECTED
    assert [file.events for file in Landing(tmp_path / "audit").register.files()] == [EVENTS] * FILES
