"""What people's verdicts on alerts say of the indicators that matched, and of the feeds that list them.

Which verdict of an alert stands is `detections.quality.verdicts`; what a hit rate is worth in a score is `scoring`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date

import duckdb
import pyarrow as pa

from intelsec_assets.detections.quality.intervals import wilson
from intelsec_assets.detections.quality.verdicts import new_name, standing_verdicts
from intelsec_assets.detections.tables import FEED_ACCURACY
from intelsec_assets.engine import read_sql

_PACKAGE = "intelsec_assets.indicators"

Relation = duckdb.DuckDBPyRelation


@dataclass(frozen=True)
class FeedAccuracy:
    """Alerts on indicators a feed lists, judged true or false; accuracy with its Wilson 95 % interval, ratios."""

    feed: str
    true_positives: int
    false_positives: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


def outcomes(con: duckdb.DuckDBPyConnection, dispositions: Relation, as_of: date) -> Relation:
    """Verdicts by indicator, cumulative to the end of the day `as_of`: what `scoring.scores` takes as `outcomes`.

    Columns indicator_id (UUID), true_positives, dispositioned; one row an indicator that alerts were judged on, by id.
    `dispositions` has the columns of ALERT_DISPOSITIONS. A true positive is a hit, a false positive a miss. A benign
    true positive is neither: the rule was right and the deed was allowed, which says nothing of the indicator. A
    duplicate speaks through the alert it repeats. Automation does not count: a playbook that judges by the score must
    not raise it.
    """
    return con.sql(read_sql(_PACKAGE, "outcomes").format(verdicts=_verdicts(con, dispositions, as_of)))


def feed_accuracy(
    con: duckdb.DuckDBPyConnection,
    dispositions: Relation,
    indicators: Relation,
    as_of: date,
) -> list[FeedAccuracy]:
    """Accuracy of every feed that lists an indicator with a judged alert: true positives over true and false ones.

    `indicators` has the columns of INDICATORS, of the day or of all the days until `as_of`: a feed answers for what it
    lists or listed there. An alert counts once a feed, and for every feed that lists one of its indicators: copies
    share praise and blame. Feeds without a judged alert are left out: nothing is known of them.
    """
    view = new_name("indicators")
    indicators.project("indicator_id, source_records").create_view(view)
    statement = read_sql(_PACKAGE, "feed_accuracy").format(
        verdicts=_verdicts(con, dispositions, as_of), indicators=view
    )
    return [
        FeedAccuracy(feed, true, false, true / (true + false), *wilson(true, true + false))
        for feed, true, false in con.sql(statement).fetchall()
    ]


def accuracy_relation(
    con: duckdb.DuckDBPyConnection, dispositions: Relation, indicators: Relation, as_of: date
) -> Relation:
    """The same as FEED_ACCURACY of the day `as_of`."""
    found = [{"day": as_of, **asdict(one)} for one in feed_accuracy(con, dispositions, indicators, as_of)]
    columns = {c.name: [row[c.name] for row in found] for c in FEED_ACCURACY.columns}
    typed = ", ".join(f'"{c.name}"::{c.type} as "{c.name}"' for c in FEED_ACCURACY.columns)
    return con.from_arrow(pa.table(columns)).project(typed)


def _verdicts(con: duckdb.DuckDBPyConnection, dispositions: Relation, as_of: date) -> str:
    view = new_name("verdicts")
    standing_verdicts(con, dispositions, as_of).create_view(view)
    return view
