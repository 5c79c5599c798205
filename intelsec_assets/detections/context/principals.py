"""From which autonomous systems a principal calls: what was learnt until yesterday, and whether today's is new.

Who holds an address is `asn`; how the state is kept by days belongs to the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb

from intelsec_assets.detections.context.addresses import PACKAGE, next_number
from intelsec_assets.detections.tables import PRINCIPAL_ASNS
from intelsec_assets.engine import read_sql

NEW, KNOWN, COLD_START, UNKNOWN = "new", "known", "cold_start", "unknown"


@dataclass(frozen=True)
class Learning:
    """When a system counts as known, and when it is forgotten.

    A verdict looks at what was known when its day began: nothing that happens on a day makes that day's calls known.
    """

    # an attacker's first visit must not make the second one known: a system is known after two days with a call that
    # succeeded, so that a stolen session is new on two days and two days of alerts were there to be seen
    known_after_days: int = 2
    # someone seen for less than five days, or on fewer than three, has not shown yet from where they work
    cold_age: timedelta = timedelta(days=5)
    cold_days: int = 3
    # people travel and change providers: a system used once is forgotten after 47 days (1 * 0.5 ** (47 / 14) < 0.1),
    # one used every day after 90
    half_life: timedelta = timedelta(days=14)
    least_weight: float = 0.1
    max_age: timedelta = timedelta(days=90)

    def __post_init__(self) -> None:
        """Refuse what would make every call known, or none."""
        if self.known_after_days < 1 or self.half_life <= timedelta(0) or self.max_age <= timedelta(0):
            raise ValueError(f"{self}: known_after_days must be 1 or more, half_life and max_age longer than nothing")


LEARNING = Learning()


def build_principal_asns(
    con: duckdb.DuckDBPyConnection,
    day: date,
    events_with_asn: duckdb.DuckDBPyRelation,
    before: duckdb.DuckDBPyRelation | None,
    learning: Learning = LEARNING,
) -> duckdb.DuckDBPyRelation:
    """PRINCIPAL_ASNS as of the end of `day`, from the day's events and the newest state before it (None = origin).

    `events_with_asn` are CLOUD_AUDIT_EVENTS of the day joined with their AUDIT_CONTEXT (`with_context`). A call teaches
    nothing if it failed, or if its address is an exported indicator: who guesses passwords or is known to be hostile
    does not make himself at home. Weights halve every `half_life`; what is light or old is forgotten.
    """
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    events_with_asn.create_view("context_taught", replace=True)
    _known(con, before).create_view("context_before", replace=True)
    result = f"principal_asns_{next_number()}"
    con.execute(
        f"create temp table {result} as {read_sql(PACKAGE, 'principal_asns')}",
        {
            "day": day,
            "decay": 0.5 ** (timedelta(days=1) / learning.half_life),
            "least_weight": learning.least_weight,
            "oldest": end - learning.max_age,
        },
    )
    con.execute("drop view context_taught; drop view context_before")
    return con.table(result)


def judge(
    con: duckdb.DuckDBPyConnection,
    day: date,
    calls: str,
    before: duckdb.DuckDBPyRelation | None,
    target: str,
    learning: Learning = LEARNING,
) -> None:
    """Table `target` (principal, asn, state): new, known or cold_start, of each pair of the table `calls`.

    `before` is PRINCIPAL_ASNS of the day before; None at the origin, where everybody is in cold start. A role's session
    with a source identity that has too little history is judged by the history of the role, all identities together.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    _known(con, before).create_view("context_before", replace=True)
    con.execute(
        f"create or replace temp table {target} as {read_sql(PACKAGE, 'asn_states').replace('{calls}', calls)}",
        {
            "known_after_days": learning.known_after_days,
            "warm_before": start - learning.cold_age,
            "cold_days": learning.cold_days,
        },
    )
    con.execute("drop view context_before")


def _known(con: duckdb.DuckDBPyConnection, before: duckdb.DuckDBPyRelation | None) -> duckdb.DuckDBPyRelation:
    if before is not None:
        return before
    columns = ", ".join(f'null::{column.type} as "{column.name}"' for column in PRINCIPAL_ASNS.columns)
    return con.sql(f"select {columns} where false")
