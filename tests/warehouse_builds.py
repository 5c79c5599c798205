"""Builds of a warehouse in miniature: what dbt leaves behind, with two marts whose rows all carry the build's number.

What is claimed about their publication is in the tests.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from intelsec_assets.kpis.warehouse.docs import ColumnDoc, ModelDoc
from intelsec_assets.kpis.warehouse.folder import STORAGE_VERSION, WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import Published, publish_snapshot

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)

LEFT = ModelDoc(
    "fct_left",
    "One 'left' thing on a day. Its build is that of the right ones.",
    ("day", "n"),
    (
        ColumnDoc("day", "DATE", "the day, UTC"),
        ColumnDoc("n", "BIGINT", "which one it's"),
        ColumnDoc("build", "BIGINT", "number of the build"),
        ColumnDoc("digest", "VARCHAR", "for machines", machine=True),
    ),
)
RIGHT = ModelDoc(
    "dim_right",
    "One right thing.",
    ("name",),
    (ColumnDoc("name", "VARCHAR", "its name"), ColumnDoc("build", "BIGINT", "number of the build")),
)
MARTS = (LEFT, RIGHT)


def write_build(
    folder: WarehouseFolder, number: int, *, day: date = DAY, rows: int = 3, more: str = "", **verdict: Any
) -> None:
    """A build that passed, of a day; `more` is SQL over it, `verdict` what its verdict says otherwise."""
    folder.build_file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"attach '{folder.build_file}' as warehouse (storage_version '{STORAGE_VERSION}')")
        con.execute("use warehouse")
        con.execute("begin")
        for schema in ("staging", "intermediate", "marts", "machine"):
            con.execute(f"create schema if not exists {schema}")
        con.execute(
            f"create or replace table marts.fct_left as select date '{day}' as day, n, {number}::bigint as build, "
            f"'x' as digest from range({rows}) r(n)"
        )
        con.execute(f"create or replace table marts.dim_right as select 'it' as name, {number}::bigint as build")
        con.execute("create or replace table intermediate.int_left as from marts.fct_left")
        con.execute("create or replace view staging.stg_left as from intermediate.int_left")
        con.execute("create or replace table machine.loaded as select 1 as x")
        if more:
            con.execute(more)
        con.execute("commit")
    write_verdict(folder, number, day, {"models": {"fct_left": rows, "dim_right": 1}, **verdict})


def write_verdict(folder: WarehouseFolder, number: int, day: date, more: Mapping[str, Any]) -> None:
    verdict = {
        "build": f"build-{number}",
        "day": str(day),
        "complete": True,
        "passed": True,
        "failed": [],
        "warned": ["test assert_little: 1 against it"],
        "sources": {f"observations@{day}": f"{number:064x}", "observations@2026-03-01": "0" * 64},
        "checks": {"passed": 7, "failed": 0, "warned": 1},
        **more,
    }
    folder.verdict_file.write_text(json.dumps(verdict))


def at(moment: datetime = NOON) -> Callable[[], datetime]:
    """A clock that stands still."""
    return lambda: moment


def published_build(folder: WarehouseFolder, number: int, **more: Any) -> Published:
    """Build and publish."""
    write_build(folder, number, **more)
    return publish_snapshot(folder, MARTS, clock=at())


@cache
def _template(builds: int) -> Path:
    """A home with the builds 1 to `builds` published, made once a process."""
    home = Path(tempfile.mkdtemp(prefix="intelsec-warehouse-builds-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    for number in range(1, builds + 1):
        published_build(WarehouseFolder(home), number)
    return home


def with_published(home: Path, builds: int) -> WarehouseFolder:
    """A warehouse in which the builds 1 to `builds` were published, to be changed."""
    shutil.copytree(_template(builds), home, symlinks=True, dirs_exist_ok=True)
    return WarehouseFolder(home)


def build_seen(file: Path) -> int:
    """Number of the build in a published file, whose tables must agree on it."""
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute(f"attach '{file}' as intelsec (read_only)")
        found = con.execute(
            "select build from intelsec.main.fct_left union all select build from intelsec.marts.dim_right "
            "union all select replace(build, 'build-', '')::bigint from intelsec.main.snapshot"
        ).fetchall()
    numbers = {number for (number,) in found}
    assert len(numbers) == 1, numbers
    return int(numbers.pop())
