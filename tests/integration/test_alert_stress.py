"""Alerts when processes compete or are killed: no finding lost, none counted twice, no change made twice.

What becomes of findings and alerts otherwise is in test_alert_intake and test_alert_service.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from intelsec_assets.detections.alerts.records import AlertFilter
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.resources.store import Store, schema
from tests.alert_findings import Clock, finding
from tests.forked import Forked

ALL = AlertFilter(states=(), modes=("live", "test"))

_PRELUDE = """
import sys
from intelsec_assets.detections.alerts import service as service_module
from intelsec_assets.detections.alerts.lifecycle import Refused
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.resources.store import Store
from tests.alert_findings import Clock, finding

def findings(count):
    return [finding(f"f{n:05}", n / 10, dedup_key=f"k{n % 97}", entity=f"e{n % 7}") for n in range(count)]

store = Store.open(sys.argv[1])
service = AlertService(store, Clock())
print("ready", flush=True)
sys.stdin.readline()
"""


def started(script: str, url: str) -> Forked:
    process = Forked(_PRELUDE + script, url)
    assert process.stdout.readline() == "ready\n", process.errors()
    return process


def all_at_once(script: str, url: str, count: int) -> list[str]:
    """What as many processes said that did the same at the same time."""
    with ExitStack() as stack:
        processes = [started(script, url) for _ in range(count)]
        for process in processes:
            stack.callback(process.kill)
            process.stdin.write("go\n")
            process.stdin.flush()
        said = []
        for process in processes:
            out, err = process.communicate()
            assert process.returncode == 0, err
            said.append(out.strip())
        return said


def held(store: Store) -> Counter[str]:
    with store._database.reading() as con:
        return Counter(con.scalars(sa.select(schema.alert_findings.c.finding_id)))


def findings(count: int) -> list[object]:
    return [finding(f"f{n:05}", n / 10, dedup_key=f"k{n % 97}", entity=f"e{n % 7}") for n in range(count)]


def test_processes_that_take_the_same_findings_at_once_lose_and_double_nothing(store: Store, store_url: str) -> None:
    script = """
service_module.FINDINGS_A_TRANSACTION = 100
intake = service.take(findings(1500))
print(len(intake.created), len(intake.merged), len(intake.duplicates))
"""
    said = all_at_once(script, store_url, 3)

    created, merged, duplicates = (sum(int(line.split()[n]) for line in said) for n in range(3))
    assert (created, merged, duplicates) == (97, 1500 - 97, 2 * 1500)
    alerts = AlertService(store, Clock()).queue(ALL, None)
    assert held(store) == Counter(f"f{n:05}" for n in range(1500))
    assert sum(alert.findings for alert in alerts) == 1500
    assert len({alert.group_id for alert in alerts}) == 7
    with store._database.reading() as con:
        created_events = sa.select(sa.func.count()).where(schema.alert_events.c.event == "created")
        assert con.scalar(created_events) == 97


def test_processes_that_ask_the_same_of_an_alert_at_once_do_it_once(store: Store, store_url: str) -> None:
    AlertService(store, Clock()).take([finding()])
    script = """
(alert,) = service.queue()
try:
    service.acknowledge(alert.alert_id, "ann")
    print("done")
except Refused:
    print("refused")
for n in range(20):
    service.disposition(alert.alert_id, "ann", "false_positive", note="x", request=f"call {n}")
"""
    said = all_at_once(script, store_url, 3)

    assert sorted(said) == ["done", "refused", "refused"]
    (alert,) = AlertService(store, Clock()).queue()
    history = store.history(alert.alert_id)
    assert Counter(event.event for event in history) == {
        "created": 1,
        "acknowledged": 1,
        "triaged": 1,
        "dispositioned": 20,
    }


def test_people_and_intake_at_work_on_the_same_alerts_lose_nothing(store: Store, store_url: str) -> None:
    script = """
import random
service_module.FINDINGS_A_TRANSACTION = 25
mine = findings(600)
random.shuffle(mine)
for start in range(0, 600, 25):
    service.take(mine[start:start + 25])
    for alert in service.queue(limit=5):
        try:
            service.triage(alert.alert_id, "ann")
        except Refused:
            pass
"""
    all_at_once(script, store_url, 2)

    alerts = AlertService(store, Clock()).queue(ALL, None)
    assert held(store) == Counter(f"f{n:05}" for n in range(600))
    whole = [alert for alert in alerts if alert.duplicate_of is None]
    assert sum(alert.findings for alert in whole) == 600
    for alert in alerts:
        triaged = [event for event in store.history(alert.alert_id) if event.event == "triaged"]
        assert len(triaged) <= 1


@pytest.mark.parametrize("after_transactions", [0, 3])
def test_an_intake_that_is_killed_in_the_middle_is_finished_by_the_next_with_nothing_lost_or_doubled(
    store: Store, store_url: str, after_transactions: int
) -> None:
    """Killed with a transaction open, all its rows written and not yet committed."""
    script = f"""
import os, signal
from intelsec_assets.resources.store import alerts as store_alerts
service_module.FINDINGS_A_TRANSACTION = 100
write, done = store_alerts._IntakeTransaction.write, []
def writes(self, *given):
    write(self, *given)
    if len(done) == {after_transactions}:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(1)
store_alerts._IntakeTransaction.write = writes
service.take(findings(1000))
"""
    process = started(script, store_url)
    process.communicate("go\n")
    assert process.returncode == -signal.SIGKILL
    assert len(held(store)) == 100 * after_transactions

    intake = AlertService(store, Clock()).take(findings(1000))  # type: ignore[arg-type]

    assert len(intake.duplicates) == 100 * after_transactions
    assert held(store) == Counter(f"f{n:05}" for n in range(1000))
    alerts = AlertService(store, Clock()).queue(ALL, None)
    assert (len(alerts), sum(alert.findings for alert in alerts)) == (97, 1000)


def test_what_an_intake_said_is_taken_survives_its_death_at_any_moment(store: Store, store_url: str) -> None:
    script = """
for n in range(100_000):
    service.take([finding(f"f{n:05}", n, dedup_key=f"k{n}")])
    print(n, flush=True)
"""
    process = started(script, store_url)
    process.stdin.write("go\n")
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.stdout.readline() != "20\n":
        pass
    os.kill(process.pid, signal.SIGKILL)
    said = [int(line) for line in process.communicate()[0].split() if line]

    last = max([20, *said])
    there = held(store)
    assert set(there) >= {f"f{n:05}" for n in range(last + 1)}
    assert len(there) <= last + 2, "at most the one that was under way"
