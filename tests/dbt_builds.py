"""Builds of the dbt project for tests: private files made from a lake, one build after the other, and what differs.

What a build has to read is planned by the warehouse's own code; how a workspace is built, and what is claimed about the
tables, is tested elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.warehouse.project import Project, load_project
from intelsec_assets.kpis.warehouse.sources import plan_load, relation
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import TABLES
from tests.dbt_lakes import CHANGED, DAY, FIRST, LAST, broken, short_lived, with_another_day
from tests.dbt_orders import NodeResult, Order, carry_out
from tests.warehouses import published_sample
from tests.workspaces import once

EXPORT_THRESHOLD = 0.6
NO_UNIT_TESTS = ("--exclude", "resource_type:unit_test")


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
