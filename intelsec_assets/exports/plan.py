"""The export plan: what every target should hold as of a day, as a difference from the plan of the day before.

It is made from lake tables only, so a past day gives the same plan again; what a target confirmed is
the ledger's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from intelsec_assets import engine, tables

if TYPE_CHECKING:
    from intelsec_assets.feeds.catalogue import ExportPolicy

# The best grade of several sources is told. F, "cannot be judged", is neither good nor bad: it stands in the middle.
_GRADE_ORDER = "abcfde"


class PlanError(Exception):
    """Input from which no plan can be made; the message names the value and what is allowed."""


def build(
    con: duckdb.DuckDBPyConnection,
    scores: duckdb.DuckDBPyRelation,
    indicators: duckdb.DuckDBPyRelation,
    previous_plan: duckdb.DuckDBPyRelation | None,
    feed_status: duckdb.DuckDBPyRelation,
    day: date,
    policy: ExportPolicy,
    grades: Mapping[str, str],
) -> duckdb.DuckDBPyRelation:
    """EXPORT_PLAN of the day: one row an indicator that targets hold or should have withdrawn, by type and value.

    `scores`, `indicators`, `feed_status` are the day's tables; `previous_plan` the plan of the day before (None on the
    first day); `grades` the source grade A to F of each feed, in either case. The actions:

    - add, update, keep: decided to be exported; against the day before it is new or back, tells something else, or
      the same.
    - hold: no longer decided to be exported, but a feed that lists it is held today, so its silence means nothing.
      Never for what is suppressed (ours, or on a blocking list) or became stricter than the policy's TLP.
    - withdraw: not to be exported any more. gone: a tombstone of an earlier day; it leaves the plan
      `policy.tombstone_days` after the withdrawal.

    An indicator's TLP is the strictest that any of its feeds gave it, whatever the feed's grade (`state.amend`): a feed
    that marks `red` what others publish as `clear` withdraws it. That is chosen, confidentiality before completeness;
    against a feed that abuses it the catalogue has `enabled: false`.

    An indicator never leaves the event (`<campaign or theme>/<YYYY-MM>`) of its first export.
    Raises PlanError for a grade that is none.
    """
    inputs = {
        "scores": scores,
        "indicators": indicators,
        "feed_status": feed_status,
        "previous": previous_plan if previous_plan is not None else _empty_plan(con),
        "grades": con.from_arrow(_grades_table(grades)),
    }
    for name, relation in inputs.items():
        relation.create_view(f"export_plan_{name}", replace=True)
    # A table of its own name a day: the next day's plan reads this one while its inputs carry the same view names.
    result = f"export_plan_{day:%Y%m%d}"
    columns = ", ".join(f'cast("{c.name}" as {c.type}) as "{c.name}"' for c in tables.EXPORT_PLAN.columns)
    rows = engine.read_sql("intelsec_assets.exports", "plan")
    con.execute(
        f"create or replace temp table {result} as select {columns} from ({rows})",  # noqa: S608 - our own names only
        {"day": day, "tombstone_days": policy.tombstone_days, "max_tlp": policy.max_tlp},
    )
    for name in inputs:
        con.execute(f"drop view export_plan_{name}")
    return con.table(result).order("indicator_type, value")


def _empty_plan(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    con.execute(f"create or replace temp table export_plan_none ({tables.EXPORT_PLAN.ddl()})")
    return con.table("export_plan_none")


def _grades_table(grades: Mapping[str, str]) -> pa.Table:
    """feed, grade in lower case, rank (0 is best)."""
    for feed, grade in grades.items():
        if len(grade) != 1 or grade.lower() not in _GRADE_ORDER:
            raise PlanError(f"feed {feed}: {grade!r} is no source grade; expected a letter A to F (Admiralty code)")
    letters = [grade.lower() for grade in grades.values()]
    return pa.table(
        {
            "feed": pa.array(list(grades), pa.string()),
            "grade": pa.array(letters, pa.string()),
            "rank": pa.array([_GRADE_ORDER.index(letter) for letter in letters], pa.int32()),
        }
    )
