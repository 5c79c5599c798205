"""How long from the delivery of an event to its alert, through Dagster's daemon, the sensor and a run of its own.

    python -m benchmarks.event_to_alert [--quick]

A fresh workspace over a copy of the sample: the first look takes in its fourteen days, then events are delivered.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.children import answer
from intelsec_assets.detections.alerts.records import AlertFilter
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.resources.store import Store
from intelsec_assets.settings import REPOSITORY, SAMPLE_DATA, from_environment

_PATIENCE = 300  # seconds; five times the bar
_LOOK_EVERY = 0.2


def main() -> None:
    """Measure and print the seconds of each delivery."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    rounds = 1 if parser.parse_args().quick else 4
    # Dagster's code server may outlive its daemon by a moment, and write
    folder = tempfile.TemporaryDirectory(prefix="intelsec-bench-", ignore_cleanup_errors=True)
    with folder as work, _daemon(Path(work)) as (data, store):
        started = time.perf_counter()
        _wait(store, "arn:aws:iam::111122223333:user/mara")
        history = time.perf_counter() - started
        seconds = [_delivered(data, store, number) for number in range(rounds)]
    answer(seconds=seconds, history_seconds=history)


@contextmanager
def _daemon(work: Path) -> Iterator[tuple[Path, Store]]:
    from intelsec_jobs.instance import prepare_instance

    data = work / "data"
    shutil.copytree(SAMPLE_DATA, data)
    named = {
        "INTELSEC_HOME": str(work / "home"),
        "INTELSEC_DATA": str(data),
        "INTELSEC_AUTOMATION": "audit_log_arrivals",
    }
    settings = from_environment(named)
    prepare_instance(settings.dagster_home, settings.instance)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("INTELSEC_", "DAGSTER_"))} | named
    environment["DAGSTER_HOME"] = str(settings.dagster_home)
    command = [str(Path(sys.executable).with_name("dagster-daemon")), "run", "-w", str(REPOSITORY / "workspace.yaml")]
    daemon = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=(work / "daemon.log").open("w"), cwd=REPOSITORY
    )
    store = Store.open(settings.store_url)
    try:
        yield data, store
    finally:
        store.close()
        daemon.terminate()
        daemon.wait(timeout=60)


def _delivered(data: Path, store: Store, number: int) -> float:
    """Seconds from a file's delivery to the alert of its event."""
    now = datetime.now(UTC)
    who = f"arn:aws:iam::111122223333:user/measured-{number}"
    event = {
        "eventVersion": "1.09",
        "userIdentity": {"type": "IAMUser", "arn": who, "accountId": "111122223333", "userName": who.split("/")[1]},
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateAccessKey",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "192.0.2.77",
        "requestParameters": {"userName": "someone"},
        "eventID": f"measured-{number}",
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
    }
    folder = data / "audit/aws/AWSLogs/111122223333/CloudTrail/us-east-1" / f"{now:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{number}.part"
    hidden.write_bytes(gzip.compress(json.dumps({"Records": [event]}).encode()))
    started = time.perf_counter()
    hidden.rename(folder / f"111122223333_CloudTrail_us-east-1_{now:%Y%m%dT%H%MZ}_{number}.json.gz")
    _wait(store, who)
    return time.perf_counter() - started


def _wait(store: Store, entity: str) -> None:
    service = AlertService(store, lambda: datetime.now(UTC))
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if service.queue(AlertFilter(entity=entity), limit=1):
            return
        time.sleep(_LOOK_EVERY)
    raise TimeoutError(f"no alert about {entity} in {_PATIENCE} s; is the daemon running?")


if __name__ == "__main__":
    main()
