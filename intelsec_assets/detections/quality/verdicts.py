"""Which judgement of an alert stands as of a day: the newest of a person, until the alert is reopened.

What is concluded from it (rule quality, hit rate of indicators) is computed by who asks.
"""

from __future__ import annotations

from datetime import date
from itertools import count

import duckdb

from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.engine import read_sql, sql_text
from intelsec_assets.tables import Table

TRUE_POSITIVE, BENIGN_TRUE_POSITIVE = "true_positive", "benign_true_positive"
FALSE_POSITIVE, DUPLICATE = "false_positive", "duplicate"
# a benign true positive says that the rule was right; what a duplicate repeats is not kept with it, it may be real
MAY_BE_REAL = frozenset({TRUE_POSITIVE, BENIGN_TRUE_POSITIVE, DUPLICATE})

PACKAGE = "intelsec_assets.detections.quality"

Relation = duckdb.DuckDBPyRelation

# a session may ask several times before the first answer is read
_names = count(1)


def standing_verdicts(con: duckdb.DuckDBPyConnection, dispositions: Relation, as_of: date) -> Relation:
    """The verdict that stands of each judged alert at the end of the day `as_of`, read lazily, in no order.

    Columns alert_id, rule_id, entity, indicator_ids, verdict, reason, actor, at; one row an alert. `dispositions` has
    the columns of ALERT_DISPOSITIONS; who reopens an alert takes its verdict back, which is a row of them too.
    """
    return con.sql(
        read_sql(PACKAGE, "standing_verdicts").format(
            dispositions=named(con, dispositions, ALERT_DISPOSITIONS),
            as_of=f"date {sql_text(str(as_of))}",
        )
    )


def named(con: duckdb.DuckDBPyConnection, rows: Relation | None, table: Table) -> str:
    """Name under which SQL reads the rows; of a relation that is not there, of an empty table with those columns."""
    name = new_name(table.name)
    if rows is None:
        con.execute(f"create temp table {name} ({table.ddl()})")
    else:
        rows.create_view(name)
    return name


def new_name(of: str) -> str:
    """A name for a view that this session does not have yet."""
    return f"quality_{of}_{next(_names)}"
