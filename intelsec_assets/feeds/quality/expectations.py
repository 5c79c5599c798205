"""What an expectation is, and how one that goes with the day or with history gets its figures.

Which expectations a feed has is `suites`; how they are evaluated is `evaluation`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from intelsec_assets.days import day_end, day_start
from intelsec_assets.feeds.catalogue_expectations import PLACEHOLDER


@dataclass(frozen=True)
class Expectation:
    """A claim about the rows of a feed's day, in Great Expectations' words.

    `kwargs` may hold placeholders: `{day_end}`, `{day_start - 3 days}` or a figure of history, such as `{rows_low}`.
    `by_column` states the same of several columns, each with what is its own. Below `least_rows` usable rows the claim
    says nothing.
    """

    name: str
    claim: str
    gx_type: str
    kwargs: Mapping[str, Any]
    severity: str
    what_to_do: str
    by_column: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    least_rows: int = 0
    basis: str = ""  # once bound: which days taught its figures

    def parts(self) -> tuple[Mapping[str, Any], ...]:
        """The arguments of each expectation that Great Expectations is asked; the claim holds if all of them do."""
        if not self.by_column:
            return (self.kwargs,)
        return tuple({"column": column, **own, **self.kwargs} for column, own in self.by_column.items())


@dataclass(frozen=True)
class NotKnown:
    """A figure that history cannot give, and why."""

    reason: str


@dataclass(frozen=True)
class Learnt:
    """A figure that history gave, and which days of it."""

    value: Any
    basis: str


# figures of a day by placeholder
Figures = Mapping[str, Any]


def day_figures(day: date) -> dict[str, datetime]:
    """What goes with the day alone."""
    return {"day_start": day_start(day), "day_end": day_end(day)}


def bind(expectation: Expectation, figures: Figures) -> Expectation | NotKnown:
    """The expectation with figures in place of placeholders; NotKnown if one of them cannot be told.

    Raises KeyError for a placeholder that nobody knows.
    """
    missing: list[NotKnown] = []
    bases: list[str] = []

    def filled(value: Any) -> Any:
        found = PLACEHOLDER.match(value) if isinstance(value, str) else None
        if found is None:
            return value
        figure = figures[found["name"]]
        if isinstance(figure, NotKnown):
            missing.append(figure)
        elif isinstance(figure, Learnt):
            bases.append(figure.basis)
            figure = figure.value
        return figure - timedelta(days=int(found["days"])) if found["days"] else figure

    kwargs = {key: filled(value) for key, value in expectation.kwargs.items()}
    if missing:
        return missing[0]
    return replace(expectation, kwargs=kwargs, basis=", ".join(dict.fromkeys(bases)))


def digest(suite: Iterable[Expectation]) -> str:
    """Short hash over what a suite states: a verdict under another suite is not this one's."""
    text = json.dumps([asdict(expectation) for expectation in suite], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
