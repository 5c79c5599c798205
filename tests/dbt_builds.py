"""dbt by itself for tests: several orders in one child process, over a lake of Parquet files, on DuckDB or PostgreSQL.

What a build has to read is planned by the warehouse's own code; a workspace's builds, and what is claimed about their
tables, are tested elsewhere. A process of its own because dbt takes over logging and signals of whatever imports it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.project import PROJECT_FOLDER, Project, load_project
from intelsec_assets.kpis.warehouse.sources import plan_load, relation
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import TABLES
from tests.warehouses import published_sample
from tests.workspaces import days, once

EXPORT_THRESHOLD = 0.6
DAY = timedelta(days=1)
FIRST, LAST = date(2026, 3, 8), date(2026, 3, 15)
SPAN = days(FIRST, 8)
CHANGED = date(2026, 3, 10)
# in the sample nothing retires within two weeks: here what nobody listed for three days does
QUIET_DAYS = 2
NO_UNIT_TESTS = ("--exclude", "resource_type:unit_test")
_MODULE = "tests.dbt_builds"


@dataclass(frozen=True)
class Order:
    """One call of dbt: its arguments and vars; `parsed` is the project as it was parsed, None = parse it now."""

    arguments: tuple[str, ...]
    variables: Mapping[str, Any]
    parsed: Path | None
    target_path: Path


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or test."""

    name: str
    status: str
    message: str
    failures: int | None
    compiled: str | None


def carry_out(*orders: Order, environment: Mapping[str, str] | None = None) -> list[list[NodeResult]]:
    """The results of each order, carried out one after the other; an order that could not run at all is an error."""
    told = [
        {
            "arguments": [
                "--quiet",
                "--no-use-colors",
                *order.arguments,
                *("--project-dir", str(PROJECT_FOLDER), "--profiles-dir", str(PROJECT_FOLDER)),
                *("--target-path", str(order.target_path), "--log-path", str(order.target_path)),
                *("--vars", json.dumps(order.variables)),
            ],
            "parsed": None if order.parsed is None else str(order.parsed),
        }
        for order in orders
    ]
    done = subprocess.run(
        [sys.executable, "-m", _MODULE],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_FOLDER.parent,
        env=os.environ | {"DO_NOT_TRACK": "1"} | dict(environment or {}),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answers = json.loads(done.stdout)
    problems = [answer["error"] for answer in answers if answer["error"]]
    assert not problems, problems
    return [[NodeResult(**result) for result in answer["results"]] for answer in answers]


def bad(results: Sequence[NodeResult]) -> list[str]:
    """What did not go well, a line each."""
    return [
        f"{result.name}: {result.status} {result.message}"
        for result in results
        if result.status not in {"success", "pass", "no-op"}
    ]


@dataclass
class Sequel:
    """Builds of one private file, one after the other, over a lake that grows and changes between them."""

    project: Project
    folder: Path
    loaded: dict[str, str] = field(default_factory=dict)
    last: Order | None = None

    @property
    def file(self) -> Path:
        """The file that dbt builds."""
        return self.folder / "warehouse.duckdb"

    def order(self, lake: Lake, *arguments: str, until: date) -> Order:
        """The order that brings the file up to the lake; it is taken for carried out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stamps = {table: lake.stamps(table) for table in self.project.lake_tables}
        stamps = {table: {day: stamp for day, stamp in days.items() if day <= until} for table, days in stamps.items()}
        load = plan_load(stamps, until, self.loaded)
        with engine.session() as con:
            relations = {
                table: relation(con, TABLES[table], [lake.path(table, day) for day in days])
                for table, days in load.read.items()
            }
        self.loaded = dict(load.versions)
        self.last = Order(
            arguments,
            {
                "build_file": str(self.file),
                "lake": relations,
                "days": [str(day) for day in load.days],
                "window_days": [str(day) for day in load.window_days],
                "past_changed": load.past_changed,
                "export_threshold": EXPORT_THRESHOLD,
            },
            self.project.parsed,
            self.folder / "dbt",
        )
        return self.last

    def again(self, *arguments: str) -> Order:
        """Another order with the vars of the last one."""
        assert self.last is not None
        return replace(self.last, arguments=arguments)


def rewrite(lake: Lake, table: str, day: date, select: str) -> None:
    """Write a partition of the lake anew, with its stamp: `select` reads it under the name `stored`."""
    with engine.session() as con:
        con.read_parquet(str(lake.path(table, day))).create_view("stored")
        con.execute(f"create temp table anew as {select}")  # read before the file is replaced
        lake.write(con, TABLES[table], table, day, con.table("anew"), fingerprint="test", inputs={})


def short_lived(sample: Lake, root: Path) -> Lake:
    """Some days of the sample's lake in which indicators retire early, leave and come back."""
    lake = Lake(root)
    for table in (path.name for path in sample.root.iterdir() if path.is_dir()):
        (root / table).mkdir(parents=True)
        for day in SPAN:
            for path in (sample.root / table).glob(f"{day}.*"):
                shutil.copy(path, root / table)
    before = None
    for day in SPAN:
        listed_since = day - timedelta(days=QUIET_DAYS)
        came = "first_listed"
        if before is not None:
            lived = f"indicator_id in (select indicator_id from read_parquet({sql_text(before)}))"
            came = f"case when {lived} or first_listed = last_listed then first_listed else last_listed end"
        kept = f"from stored where last_listed >= date '{listed_since}'"
        rewrite(lake, "indicators", day, f"select * replace ({came} as first_listed) {kept}")
        before = lake.path("indicators", day)
        for table in ("indicator_scores", "warninglist_hits", "export_plan", "export_writes"):
            live = f"select indicator_id from read_parquet({sql_text(before)})"
            rewrite(lake, table, day, f"from stored where indicator_id in ({live})")
    return lake


def with_another_day(lake: Lake, day: date, root: Path) -> Lake:
    """A copy in which a day is other than it was: rows gone, scores moved, other terms, an indicator that never was."""
    shutil.copytree(lake.root, root)
    other = Lake(root)
    some = "hash(indicator_id) % 7 <> 0"
    strange = "uuid '00000000-0000-5000-8000-00000000000f'"
    named = f"{strange} as indicator_id, 'domain' as indicator_type, 'never-was.example' as value"
    rewrite(
        other,
        "indicators",
        day,
        f"select * replace (confidence + 0.01 as confidence) from stored where {some} or last_listed = date '{day}' "
        f"union all by name (select * replace ({named}, 'never-was.example' as host) from stored limit 1)",
    )
    rewrite(
        other,
        "indicator_scores",
        day,
        "select * replace (score / 2 as score, struct_update(contributions, clamp := contributions.clamp - score / 2) "
        "as contributions) from stored "
        f"where indicator_id in (select indicator_id from read_parquet({sql_text(other.path('indicators', day))})) "
        f"union all by name (select * replace ({named}) from stored order by indicator_id limit 1)",
    )
    rewrite(other, "warninglist_hits", day, "from stored limit 1")
    rewrite(
        other,
        "feed_terms",
        day,
        "select * replace ('E' as trust, 0.2 as trust_weight) from stored where feed <> 'tally-list'",
    )
    rewrite(other, "feed_status", day, "select * replace (not held as held) from stored")
    rewrite(other, "export_writes", day, "select * replace ('withdraw' as action) from stored where seq % 2 = 0")
    return other


def broken(lake: Lake, root: Path) -> Lake:
    """A copy of the last two days, the last of which breaks a rule in each of five ways."""
    shutil.copytree(
        lake.root, root, ignore=lambda _, names: [n for n in names if n[:10] in {str(d) for d in SPAN[:-2]}]
    )
    other = Lake(root)
    rewrite(
        other,
        "indicator_scores",
        LAST,
        "select * replace (case when value = '203.0.113.17' then score - 0.125 else score end as score) from stored",
    )
    strayed = "case when feed = 'summit-stix' and line = 2 then date '2026-03-14' else day end as day"
    first = "line = (select min(line) from stored where feed = 'quay-hosts')"
    twice = f"select * from stored where feed = 'quay-hosts' and {first}"
    rewrite(other, "observations", LAST, f"select * replace ({strayed}) from stored union all ({twice})")
    one_more = "case when feed = 'tally-list' then rows_in + 1 else rows_in end as rows_in"
    rewrite(other, "feed_status", LAST, f"select * replace ({one_more}) from stored")
    scores = f"read_parquet({sql_text(other.path('indicator_scores', LAST))})"
    ours = f"select indicator_id from {scores} where decision = 'suppress' order by value limit 1"
    told = f"({ours}) as indicator_id, 'add' as action, 1000000 as seq"
    rewrite(
        other,
        "export_writes",
        LAST,
        f"from stored union all by name (select * replace ({told}) from stored where target = 'files' limit 1)",
    )
    return other


@dataclass(frozen=True)
class Built:
    """What was built once for all: a lake in which indicators come and go, and private files made from it.

    `step` by increments over a lake that changed meanwhile, `whole` at once, `damaged` from rows that break rules.
    """

    folder: Path

    @property
    def lake(self) -> Lake:
        """The lake of `step` and `whole`, eight days of the sample."""
        return Lake(self.folder / "lake")

    @property
    def step(self) -> Path:
        """Built by increments."""
        return self.folder / "step" / "warehouse.duckdb"

    @property
    def whole(self) -> Path:
        """Built at once; its staging views read every day of the lake."""
        return self.folder / "whole" / "warehouse.duckdb"

    @property
    def damaged(self) -> Path:
        """The last two days of the lake, broken."""
        return self.folder / "damaged" / "warehouse.duckdb"

    @property
    def compiled(self) -> Path:
        """Folder of the SQL by which `whole` was built."""
        return self.folder / "whole" / "dbt" / "compiled"

    def results(self, order: str) -> list[NodeResult]:
        """What became of the models or tests of one of the orders."""
        told = json.loads((self.folder / "results.json").read_text())
        return [NodeResult(**result) for result in told[order]]


def built_once(factory: pytest.TempPathFactory) -> Built:
    """The same for every test of a session; nobody changes it. One child process carries out all orders."""

    def build(folder: Path) -> None:
        lake = short_lived(published_sample(factory).lake, folder / "lake")
        past_differs = with_another_day(lake, CHANGED, folder / "lake-past-differs")
        for path in past_differs.root.rglob(f"{FIRST}.*"):
            path.unlink()
        project = load_project()
        step, whole = Sequel(project, folder / "step"), Sequel(project, folder / "whole")
        damaged = Sequel(project, folder / "damaged")
        orders = {
            "first days": step.order(past_differs, "run", until=LAST - 3 * DAY),
            "appended days": step.order(past_differs, "run", until=LAST - DAY),
            "changed past": step.order(lake, "run", until=LAST),  # a new first day, another past day and a new one
            "whole": whole.order(lake, "run", until=LAST),
            "unit tests": whole.again("test", "--select", "resource_type:unit_test"),
            "damaged": damaged.order(broken(lake, folder / "lake-broken"), "run", until=LAST),
            "tests of the damaged": damaged.again("test", *NO_UNIT_TESTS),
        }
        results = dict(zip(orders, carry_out(*orders.values()), strict=True))
        told = {order: [asdict(result) for result in found] for order, found in results.items()}
        (folder / "results.json").write_text(json.dumps(told))

    return Built(once(factory, "dbt-builds", build))


def differences(one: Path, other: Path, schemas: Sequence[str] = ("marts",)) -> list[str]:
    """Rows that only one of two built files has, table by table: a line each, the first few in words."""
    found = []
    with engine.session() as con:
        for name, file in (("one", one), ("other", other)):
            con.execute(f"attach {sql_text(file)} as {name} (read_only)")
        assert tables(con, "one", schemas) == tables(con, "other", schemas)
        for table in tables(con, "one", schemas):
            for here, there in (("one", "other"), ("other", "one")):
                rows = con.sql(f"select * from {here}.{table} except all select * from {there}.{table}")
                number, first = len(rows), rows.limit(3).fetchall()
                if number:
                    found.append(f"{table}: {number} rows only in {here}, such as {first}")
    return found


def tables(con: duckdb.DuckDBPyConnection, database: str, schemas: Sequence[str]) -> list[str]:
    """`schema.table` of the attached database, sorted."""
    rows = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = ? and list_contains(?, schema_name)",
        [database, list(schemas)],
    ).fetchall()
    return sorted(name for (name,) in rows)


def _serve() -> None:
    """In the child: carry out the orders of standard input."""
    orders = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr  # dbt prints where it likes

    from dbt.cli.main import dbtRunner

    from intelsec_assets.kpis.warehouse.dbt_process import _parsed

    told = []
    for order in orders:
        manifest = None if order["parsed"] is None else _parsed(Path(order["parsed"]))
        outcome = dbtRunner(manifest=manifest).invoke(order["arguments"])
        results = getattr(outcome.result, "results", None) or []
        told.append(
            {
                "error": None if outcome.exception is None else str(outcome.exception),
                "results": [
                    {
                        "name": result.node.name,
                        "status": str(result.status),
                        "message": result.message or "",
                        "failures": result.failures,
                        "compiled": getattr(result.node, "compiled_code", None),
                    }
                    for result in results
                ],
            }
        )
    json.dump(told, answers)


if __name__ == "__main__":
    _serve()
