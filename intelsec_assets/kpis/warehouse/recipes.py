"""How rows of the marts are taken back to feed lines, as data: `lineage.yaml` read into values.

Following a recipe for one row is the business of `lineage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class Step:
    """Rows from which the row follows; the fields are explained at the top of `lineage.yaml`."""

    name: str
    says: str
    sql: str
    only: Mapping[str, Any]
    reads: Mapping[str, str]
    partitions: tuple[str, ...]
    adds_up: Mapping[str, str]
    lines: bool

    def is_taken(self, row: Mapping[str, Any]) -> bool:
        """Whether the step is one of this row's."""
        return all(row[column] == wanted for column, wanted in self.only.items())


@dataclass(frozen=True)
class Recipe:
    """The way from a mart's row to its feed lines."""

    table: str
    says: str
    steps: tuple[Step, ...]


@cache
def recipes() -> Mapping[str, Recipe]:
    """The recipe of every mart, by its name."""
    text = (files("intelsec_assets.kpis.warehouse") / "lineage.yaml").read_text(encoding="utf-8")
    return {
        table: Recipe(table, recipe["says"], tuple(_step(step) for step in recipe["steps"]))
        for table, recipe in yaml.safe_load(text)["marts"].items()
    }


def _step(said: Mapping[str, Any]) -> Step:
    return Step(
        name=said["name"],
        says=said["says"],
        sql=said["sql"].strip(),
        only=said.get("only", {}),
        reads=said.get("reads", {}),
        partitions=tuple(said.get("partitions", ())),
        adds_up=said.get("adds_up", {}),
        lines=said.get("lines", False),
    )
