"""One way of finding what Sigma rules find in a file of CloudTrail, measured in a process of its own.

    python -m benchmarks.sigma_scan {make,lake,files,sqlite,rsigma} RULES EVENTS

EVENTS is a file with an event a line; `make` makes it (AMOUNT in place of RULES) with the Parquet file of the same rows
beside it, as the lake holds them. The others print seconds and the matches of every rule.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import sigma_events
from benchmarks.children import answer, peak_gigabytes, watched

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.scan.scanning import ScanResult

MEMORY = "2GB"
INSTALL = "cargo install --locked --version 0.23.0 rsigma"
ROW_GROUP = 20_480  # of wide rows: a group of 122,880 events is 160 MB of JSON, and two threads hold two


def make(amount: int, events: Path) -> dict[str, Any]:
    """The events as NDJSON and as a Parquet file in the columns and the order of cloud_audit_events."""
    from datetime import UTC, datetime

    from intelsec_assets import engine
    from intelsec_assets.detections.audit.parts import with_parts
    from intelsec_assets.detections.audit.reading import batches
    from intelsec_assets.detections.audit.typed import SCHEMA, Delivery
    from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS as TABLE

    sigma_events.write(events, amount)
    delivery = Delivery("trail", "aws", events.name, datetime(2100, 1, 1, tzinfo=UTC))
    columns = ", ".join(f'"{name}"' for name in TABLE.column_names)
    with engine.session(memory="4GB") as con, events.open("rb") as stream:
        con.register("landing", SCHEMA.empty_table())
        con.execute("create temp table landed as select * from landing")
        for batch in batches(con, [(delivery, stream)]):
            con.register("landing", batch.rows.table)
            con.execute("insert into landed by name select * from landing")
            con.unregister("landing")
        with_parts(con.table("landed")).create_view("events")
        con.execute(
            f"copy (select {columns} from events order by event_time, event_id) to '{events.with_suffix('.parquet')}' "
            f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
        )
    return {"events": amount, "bytes": events.stat().st_size}


def lake(rules: Path, events: Path) -> dict[str, Any]:
    """The project's scan, from the lake's Parquet."""
    from intelsec_assets import engine
    from intelsec_assets.detections.sigma.rules import load_any
    from intelsec_assets.detections.sigma.scan.firing import prepare
    from intelsec_assets.detections.sigma.scan.scanning import scan

    with watched() as loading:
        prepared = prepare(load_any([rules]))
    parquet = str(events.with_suffix(".parquet"))
    with engine.session() as con:
        scan(con, prepared, con.read_parquet(parquet).limit(0))  # what is imported late is imported now
        with watched() as figures:
            found = scan(con, prepared, con.read_parquet(parquet))
    return _figures(figures, loading, found)


def files(rules: Path, events: Path) -> dict[str, Any]:
    """The project's scan, from NDJSON, as `intelsec rules run` does it."""
    from intelsec_assets import engine
    from intelsec_assets.detections.sigma.rules import load_any
    from intelsec_assets.detections.sigma.scan.files import scan_read
    from intelsec_assets.detections.sigma.scan.firing import prepare

    with watched() as loading:
        prepared = prepare(load_any([rules]))
    with engine.session(memory=MEMORY) as con, tempfile.NamedTemporaryFile(suffix=".json") as nothing:
        scan_read(con, prepared, [Path(nothing.name)])  # what is imported late is imported now
        with watched() as figures:
            found, _ = scan_read(con, prepared, [events])
    return _figures(figures, loading, found)


def _figures(figures: dict[str, float], loading: dict[str, float], found: ScanResult) -> dict[str, Any]:
    assert not found.failures, found.failures
    rows = found.findings.num_rows
    return {**figures, "rules_seconds": loading["seconds"], "findings": rows, "matches": dict(found.matches)}


def sqlite(rules: Path, events: Path) -> dict[str, Any]:
    """pySigma's SQLite backend in sqlite3: the fields that the rules read into a table, then a statement a rule."""
    from sigma.backends.sqlite import sqliteBackend
    from sigma.collection import SigmaCollection

    from intelsec_assets.detections.sigma.rules import load_any
    from intelsec_assets.detections.sigma.scan.firing import prepare

    with watched() as loading:
        collection = SigmaCollection.load_ruleset([str(rules)])
        statements = [(str(rule.id), sqliteBackend().convert_rule(rule)[0]) for rule in collection.rules]
    names = sorted({name for rule in prepare(load_any([rules])).events for name in rule.compiled.fields})
    with watched() as figures:
        con = sqlite3.connect(":memory:")
        con.create_function("REGEXP", 2, _regexp, deterministic=True)
        con.execute(f"create table logs ({', '.join(f'`{name}` collate nocase' for name in names)})")
        marks = ", ".join("?" * len(names))
        with events.open(encoding="utf-8") as lines:
            con.executemany(
                f"insert into logs values ({marks})",
                ([_field(event, name) for name in names] for event in map(json.loads, lines)),
            )
        started = time.perf_counter()
        matches = {
            rule_id: con.execute(
                statement.replace("<TABLE_NAME>", "logs").replace("SELECT *", "SELECT count(*)", 1)
            ).fetchone()[0]
            for rule_id, statement in statements
        }
        asking = time.perf_counter() - started
    return {**figures, "asking_seconds": asking, "rules_seconds": loading["seconds"], "matches": matches}


def _regexp(pattern: str, text: str | None) -> bool:
    import re

    return text is not None and re.search(pattern, text) is not None


def _field(event: Any, name: str) -> str | float | None:
    for step in name.split("."):
        event = event.get(step) if isinstance(event, dict) else None
    if event is None:
        return None
    if isinstance(event, bool):
        return "true" if event else "false"
    return json.dumps(event) if isinstance(event, (dict, list)) else event


def rsigma_binary() -> str | None:
    """RSigma, by INTELSEC_RSIGMA or the PATH: `cargo install --locked --version 0.23.0 rsigma`."""
    return os.environ.get("INTELSEC_RSIGMA") or shutil.which("rsigma")


def rsigma(rules: Path, events: Path) -> dict[str, Any]:
    """RSigma over the same files; its own seconds are those of its process."""
    program = rsigma_binary()
    if program is None:
        raise SystemExit(
            "RSigma is not there: cargo install --locked --version 0.23.0 rsigma, and name it in INTELSEC_RSIGMA"
        )
    output = events.with_suffix(".rsigma")
    command = [program, "--output-format", "ndjson", "engine", "eval", "-r", str(rules), "-e", f"@{events}"]
    with output.open("wb") as out:
        started = time.perf_counter()
        subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - started
    times = os.times()
    with output.open(encoding="utf-8") as lines:
        matches = Counter(json.loads(line)["rule_id"] for line in lines)
    output.unlink()
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return {
        "seconds": seconds,
        "cpu_seconds": times.children_user + times.children_system,
        "peak_gb": peak_gigabytes(),
        "matches": matches,
        "version": version,
    }


WAYS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "lake": lake,
    "files": files,
    "sqlite": sqlite,
    "rsigma": rsigma,
}


def main() -> None:
    """Run one way and print its figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("way", choices=["make", *WAYS])
    parser.add_argument("rules")
    parser.add_argument("events", type=Path)
    given = parser.parse_args()
    answer(
        **(
            make(int(given.rules), given.events)
            if given.way == "make"
            else WAYS[given.way](Path(given.rules), given.events)
        )
    )


if __name__ == "__main__":
    main()
