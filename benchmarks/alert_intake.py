"""Findings taken in as alerts on a real PostgreSQL that writes to disk, in batches and with an intake that is killed.

    python -m benchmarks.alert_intake [--quick]

The server is started for this program with fsync on: what it confirmed would survive a power cut. Rows of the three
tables are counted afterwards; a count that is off is an error, not a figure.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.children import answer, arguments, watched
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.findings import Finding, finding_id
from intelsec_assets.resources.store import Store, schema
from tests import parts, postgresql

FINDINGS, QUICK_FINDINGS = 40_000, 400
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
RULES, ENTITIES = 57, 2_000  # as many rules as SigmaHQ has for CloudTrail


def findings(count: int, *, joining: bool) -> list[Finding]:
    """Findings over a day, each an alert of its own, or nine of ten joining one that is there."""
    made = []
    for n in range(count):
        same = n % (count // 10) if joining else n
        rule, entity = f"rule-{same % RULES}", f"arn:aws:iam::111122223333:user/u{same % ENTITIES}"
        at = BEGIN + timedelta(seconds=86_400 * n / count)
        made.append(
            Finding(
                finding_id=finding_id(rule, f"joining {joining}", str(n)),
                engine="sigma",
                rule_id=rule,
                rule_title=f"Rule number {same % RULES}",
                rule_digest="0" * 64,
                level="medium",
                kind="event",
                certainty="certain",
                mode="live",
                first_event_time=at,
                last_event_time=at,
                event_ids=(f"event-{n}",),
                event_count=1,
                group={},
                dedup_key=f"key {same}",
                entity=entity,
                account="111122223333",
                region="eu-central-1",
                source_address="198.51.100.7",
                resource=f"arn:aws:iam::111122223333:access-key/k{n}",
                attack=("attack.persistence", "attack.t1098.001"),
                runbook="runbooks/iam-key-without-ticket.md",
                suppression_seconds=86_400 if joining else 3600,
                noise_budget=count,
                evidence={"eventName": "CreateAccessKey", "userIdentity.arn": entity, "errorCode": None},
            )
        )
    return made


def taken(url: str, listed: list[Finding], server: int) -> dict[str, float]:
    """Seconds, CPU seconds of program and server, and counts of one intake of all of them."""
    with Store.open(url) as store:
        service = AlertService(store, lambda: BEGIN + timedelta(days=1))
        before = family_cpu_seconds(server)
        with watched() as figures:
            intake = service.take(listed)
        figures["server_cpu_seconds"] = family_cpu_seconds(server) - before
    return {**figures, "created": len(intake.created), "merged": len(intake.merged)}


def family_cpu_seconds(parent: int) -> float:
    """CPU seconds so far of a process and its living children."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(entry.name) == parent or int(fields[1]) == parent:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def killed(url: str, count: int, server: int) -> dict[str, int]:
    """An intake killed in its middle, and the next one with the same findings."""
    command = [sys.executable, "-m", "benchmarks.alert_intake", "--victim"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        victim.stdin.write(f"{url}\n{count}\n")
        victim.stdin.flush()
        confirmed = 0
        for line in victim.stdout:
            confirmed = int(line)
            if confirmed >= count // 2:
                break
        victim.send_signal(signal.SIGKILL)
        confirmed = max([confirmed, *(int(line) for line in victim.stdout if line.strip())])
    there = rows(url)["findings"]
    if there < confirmed:
        raise ValueError(f"{confirmed} findings were confirmed before the kill, {there} are there")
    intake = taken(url, findings(count, joining=False), server)
    found = rows(url)
    if found != {"alerts": count, "findings": count, "events": count}:
        raise ValueError(f"expected {count} of each after the second intake, found {found}")
    return {"confirmed": confirmed, "there": there, "taken_by_the_next": int(intake["created"])}


def rows(url: str) -> dict[str, int]:
    """Rows of the three tables."""
    with Store.open(url) as store, store._database.reading() as con:  # noqa: SLF001 - counted past the service
        tables = {"alerts": schema.alerts, "findings": schema.alert_findings, "events": schema.alert_events}
        return {name: con.scalar(sa.select(sa.func.count()).select_from(table)) for name, table in tables.items()}


def victim() -> None:
    """Take findings in batches and say after each how many are confirmed, until killed."""
    url, count = sys.stdin.readline().strip(), int(sys.stdin.readline())
    listed = findings(count, joining=False)
    with Store.open(url) as store:
        service = AlertService(store, lambda: BEGIN + timedelta(days=1))
        for start in range(0, count, 500):
            service.take(listed[start : start + 500])
            print(min(start + 500, count), flush=True)
    time.sleep(60)


def main() -> None:
    """Measure each way in a database of its own."""
    if "--victim" in sys.argv:
        victim()
        return
    wanted = arguments(__doc__)
    count = QUICK_FINDINGS if wanted.quick else FINDINGS
    programs = parts.find("postgresql")
    if programs is None:
        raise SystemExit(parts.missing(parts.PARTS["postgresql"]))
    ways = {}
    with postgresql.running(programs, durable=True) as server:
        for name, joining in (("every finding an alert", False), ("nine of ten join an alert", True)):
            with server.database() as database:
                ways[name] = taken(server.url(database), findings(count, joining=joining), server.process.pid)
                again = taken(server.url(database), findings(count, joining=joining), server.process.pid)
                if again["created"] or again["merged"]:
                    raise ValueError(f"{name}: the same findings again made {again}")
                ways[name] |= {"again_seconds": again["seconds"], "per_second": count / ways[name]["seconds"]}
        with server.database() as database:
            single = [replace(one, finding_id=f"single {n}") for n, one in enumerate(findings(count, joining=False))]
            some = single[: max(50, count // 100)]
            with Store.open(server.url(database)) as store:
                service = AlertService(store, lambda: BEGIN + timedelta(days=1))
                with watched() as figures:
                    for one in some:
                        service.take([one])
            per_second = len(some) / figures["seconds"]
        with server.database() as database:
            kill = killed(server.url(database), count, server.process.pid)
    answer(findings=count, ways=ways, one_at_a_time_per_second=per_second, killed=kill)


if __name__ == "__main__":
    main()
