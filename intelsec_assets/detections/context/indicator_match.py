"""Whether the address of an event is an indicator: by the scores of the newest day before the event's own.

What an indicator is worth is `indicators.scoring`; whether a match is worth an alert is said by rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from intelsec_assets.detections.context.addresses import PACKAGE, covering, number_texts
from intelsec_assets.detections.errors import ContextError
from intelsec_assets.engine import read_sql

MATCH, NONE, UNKNOWN = "match", "none", "unknown"

# addresses of command-and-control servers live for weeks; older knowledge than three days is a feed run that stopped
MAX_AGE = timedelta(days=3)


@dataclass(frozen=True)
class IndicatorsOfDay:
    """INDICATORS and INDICATOR_SCORES as of the end of one day."""

    day: date
    scores: duckdb.DuckDBPyRelation
    indicators: duckdb.DuckDBPyRelation


def covers(known: IndicatorsOfDay | None, day: date) -> bool:
    """Whether these indicators can judge events of `day`: of an earlier day, at most MAX_AGE old.

    Raises ContextError for indicators of the day itself or later: they would know what came after the event.
    """
    if known is None:
        return False
    if known.day >= day:
        raise ContextError(
            f"indicators of {known.day} cannot judge events of {day}: pass those of the newest day before it"
        )
    return day - known.day <= MAX_AGE


def match_indicators(con: duckdb.DuckDBPyConnection, addresses: str, known: IndicatorsOfDay, target: str) -> None:
    """Table `target` (text, id, value, score, decision, campaign): the indicator of each address of `addresses`.

    ipv4, ipv6 and cidr indicators that are not suppressed. Of several an exported one comes first, then the narrowest,
    then the highest score.
    """
    known.scores.create_view("context_scores", replace=True)
    known.indicators.create_view("context_indicators", replace=True)
    listed = con.sql(
        "select value as text from context_scores "
        "where indicator_type in ('ipv4', 'ipv6', 'cidr') and decision <> 'suppress'"
    )
    number_texts(con, listed, "context_listed")
    con.execute(f"create or replace temp table context_threats as {read_sql(PACKAGE, 'indicator_networks')}")
    covering(con, addresses, "context_threats", "context_hits")
    con.execute(f"create or replace temp table {target} as {read_sql(PACKAGE, 'indicator_matches')}")
    con.execute("drop table context_hits; drop table context_threats; drop table context_listed")
    con.execute("drop view context_scores; drop view context_indicators")
