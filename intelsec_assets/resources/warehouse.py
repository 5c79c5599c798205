"""The warehouse of a workspace: the lake on one side, the private dbt build on the other, under one lock.

How a build is planned, run and published is in `kpis.warehouse`; here these parts meet the lake.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import structlog

from intelsec_assets import engine
from intelsec_assets.kpis.warehouse.build import Outcome, build, made_by, read_loaded, read_verdict
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import warehouse_lock
from intelsec_assets.kpis.warehouse.project import Project, load_project
from intelsec_assets.kpis.warehouse.sources import Load, batches, plan_load, relation
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import TABLES

# observations and indicators in one go of dbt: more are loaded in parts, so that memory does not grow with history
MOST_ROWS = 1_500_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse folder fed from a lake."""

    folder: WarehouseFolder
    lake: Lake
    project: Project

    @classmethod
    def of(cls, home: Path, lake: Lake) -> Warehouse:
        """The warehouse below a workspace's home. Raises DbtError if the project cannot be parsed."""
        return cls(WarehouseFolder(home), lake, load_project())

    def plan(
        self, asked: date, *, export_threshold: float, starts_anew: bool = False, again: Collection[date] = ()
    ) -> Load:
        """What the next build would read. Raises DayNotWhole."""
        loaded = read_loaded(self.folder)
        if loaded.problem:
            log.warning("warehouse_made_anew", reason=loaded.problem)
        stamps = {table: self.lake.stamps(table) for table in self.project.lake_tables}
        starts_anew = starts_anew or loaded.made_by != made_by(self.project, export_threshold)
        return plan_load(stamps, asked, loaded.partitions, starts_anew=starts_anew, again=again)

    def build(
        self,
        days: Sequence[date],
        *,
        export_threshold: float,
        models: Sequence[str] = (),
        starts_anew: bool = False,
        progress: Callable[[str], None] = lambda _text: None,
    ) -> Outcome | None:
        """Bring the private file up to the lake; None if it is there already and its tests passed.

        `models` restricts to some, which are built again for `days`. Raises WarehouseError, and LakeError for a
        partition that is not the one that was written.
        """
        with warehouse_lock(self.folder) as descriptor:
            again = days if models else ()
            load = self.plan(max(days), export_threshold=export_threshold, starts_anew=starts_anew, again=again)
            verdict = read_verdict(self.folder)
            if not load.is_needed:
                if verdict is not None and verdict["passed"]:
                    return None
                # the tables are as they were when the last build did not end well: nothing says which rows to mend
                load = self.plan(max(days), export_threshold=export_threshold, starts_anew=True)
            parts = batches(load, self._rows(load.days), MOST_ROWS)
            return build(
                self.folder,
                self.project,
                load,
                [(part, self._relations(part)) for part in parts],
                export_threshold=export_threshold,
                models=models,
                progress=lambda name, number, of: progress(f"{number}/{of} {name}"),
                inherited=[descriptor],
            )

    def _rows(self, days: Collection[date]) -> dict[date, int]:
        """Rows of each day's largest tables."""
        return {day: sum(self.lake.rows(table, day) for table in ("observations", "indicators")) for day in days}

    def _relations(self, load: Load) -> dict[str, str]:
        """By table the query over the partitions to read, each proved to be the file that was written."""
        with engine.session() as con:
            return {
                table: relation(con, TABLES[table], [self.lake.read(table, day).path for day in days])
                for table, days in load.read.items()
            }
