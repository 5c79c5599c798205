"""What the commands that read the warehouse share: the published file of a workspace, and how old it is.

Queries of strangers go through `kpis.warehouse.reading.query`, which `sql` calls itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intelsec_assets.commands.faces import NOT_REACHABLE, fail, people
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.lineage import PartitionUnavailable
from intelsec_assets.kpis.warehouse.reading import NotPublished, connect
from intelsec_assets.resources.lake import Lake, LakeError
from intelsec_assets.settings import Settings

if TYPE_CHECKING:
    import duckdb

SnapshotDay = Annotated[
    str | None,
    typer.Option("--day", help="Ask the snapshot that was published of this day, YYYY-MM-DD. Default: the newest one."),
]


class LakePartitions:
    """The lake as `kpis.warehouse.lineage` asks for it."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def path(self, table: str, day: date) -> Path:
        """The partition's file, proved to be the one that was written. Raises PartitionUnavailable."""
        try:
            return self._lake.read(table, day).path
        except LakeError as error:
            raise PartitionUnavailable(str(error)) from error

    def stamps(self, table: str) -> Mapping[date, str]:
        """Content hash of every day that there is."""
        return self._lake.stamps(table)


@contextmanager
def opened(settings: Settings, day: date | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published file, or the snapshot of a day. Nothing published ends the command with how to do that."""
    try:
        with connect(WarehouseFolder(settings.home), day=day) as con:
            yield con
    except NotPublished as error:
        fail(str(error), NOT_REACHABLE)


def say_how_old(settings: Settings, shown: date, asked: date | None) -> None:
    """On standard error, if the lake has newer days than what is shown. Who asked for a day knows."""
    if asked is not None:
        return
    days = Lake(settings.lake).days("daily_summary")
    behind = [day for day in days if day > shown]
    if behind:
        people.print(
            f"the warehouse is as of {shown}; the lake has {len(behind)} newer day{'s' if len(behind) > 1 else ''}, up "
            f"to {behind[-1]}. Build and publish: intelsec run --day {behind[-1]}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
