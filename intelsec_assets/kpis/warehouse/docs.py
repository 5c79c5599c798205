"""What the dbt project says of a model, as far as publishing needs it: grain, columns, which of them people see.

How it is read out of dbt's artefacts is the business of `project`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ColumnDoc:
    """A column of a model. `machine`: only programs need it, the views for people leave it out."""

    name: str
    type: str
    description: str
    machine: bool = False


@dataclass(frozen=True)
class ModelDoc:
    """A model: its description opens with the grain in words, `grain` names the columns that make a row unique."""

    name: str
    description: str
    grain: tuple[str, ...]
    columns: tuple[ColumnDoc, ...]

    @property
    def grain_in_words(self) -> str:
        """The description's first sentence, for example "One feed on a day"."""
        return self.description.strip().split(". ")[0].split("\n")[0].rstrip(".")


def sql_name(name: str) -> str:
    """A name of a table or column as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
