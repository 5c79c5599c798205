"""The context of a day's audit events in one piece: tickets, networks and their novelty, indicators, one row an event.

Each source is read and matched in a module of its own; here is only how they meet.
"""

from __future__ import annotations

from datetime import date

import duckdb

from intelsec_assets.detections.context import indicator_match, principals, ticket_match
from intelsec_assets.detections.context.addresses import PACKAGE, next_number, number_texts
from intelsec_assets.detections.context.asn import AsnPrefixes, load_prefixes, look_up
from intelsec_assets.detections.context.indicator_match import IndicatorsOfDay
from intelsec_assets.detections.context.principals import LEARNING, Learning
from intelsec_assets.detections.context.tickets import TicketReading
from intelsec_assets.engine import read_sql

_COLUMNS = (
    *("event_id", "event_time", "provider", "event_name", "actor_arn", "actor_user", "actor_issuer_arn", "principal"),
    *("account", "actor_account"),
    *("source_text", "source_address", "source_service"),
)


def build_context(
    con: duckdb.DuckDBPyConnection,
    day: date,
    events: duckdb.DuckDBPyRelation,
    *,
    tickets: TicketReading,
    asn: AsnPrefixes | None,
    history_before: duckdb.DuckDBPyRelation | None,
    known: IndicatorsOfDay | None,
    learning: Learning = LEARNING,
) -> duckdb.DuckDBPyRelation:
    """AUDIT_CONTEXT of the events of `day` (CLOUD_AUDIT_EVENTS): exactly one row an event, in a table of the session.

    `tickets` is what the register said of the day, `asn` the prefixes (None = none configured), `history_before` is
    PRINCIPAL_ASNS of the day before (None = origin: everybody is in cold start), `known` the indicators of the newest
    day before (None = there are none yet). What a source cannot say is `unknown`, never `absent`, `new` or `none`.
    Raises ContextError for indicators of the day itself or later.
    """
    judged = indicator_match.covers(known, day)
    number = next_number()
    calls, result = f"context_calls_{number}", f"audit_context_{number}"
    events.create_view("context_day", replace=True)
    con.execute(f"create temp table {calls} as select {', '.join(_COLUMNS)} from context_day")  # noqa: S608
    sources = con.sql(f"select distinct source_address as text from {calls} where source_address is not null")  # noqa: S608
    number_texts(con, sources, "context_addresses")
    look_up(con, "context_addresses", asn or load_prefixes(), "context_holders")
    con.execute(
        "create or replace temp table context_pairs as "  # noqa: S608
        f"select distinct principal, asn from {calls} join context_holders on text = source_address"
    )
    principals.judge(con, day, "context_pairs", history_before, "context_states", learning)
    if judged and known is not None:
        indicator_match.match_indicators(con, "context_addresses", known, "context_matches")
    else:
        con.execute(f"create or replace temp table context_matches as {_NO_MATCHES}")
    ticket_match.match_tickets(con, calls, "context_day", tickets, "context_covered")
    sql = read_sql(PACKAGE, "audit_context").replace("{calls}", calls)
    sql = sql.replace("{ticket_state}", ticket_match.state_sql(tickets, "t.ticket_id", "c.event_time"))
    con.execute(f"create temp table {result} as {sql}", {"day": day, "judged": judged})
    for table in ("addresses", "holders", "pairs", "states", "matches", "covered"):
        con.execute(f"drop table context_{table}")
    con.execute(f"drop table {calls}; drop view context_day")
    return con.table(result)


def with_context(
    con: duckdb.DuckDBPyConnection, events: duckdb.DuckDBPyRelation, context: duckdb.DuckDBPyRelation
) -> duckdb.DuckDBPyRelation:
    """Events joined with their context: the columns of CLOUD_AUDIT_EVENTS and the dotted ones of AUDIT_CONTEXT."""
    number = next_number()
    events.create_view(f"context_events_{number}")
    context.create_view(f"context_rows_{number}")
    return con.sql(
        f"select e.*, c.* exclude (day, provider, event_id) from context_events_{number} as e "  # noqa: S608 - own names
        f"join context_rows_{number} as c using (provider, event_id)"
    )


_NO_MATCHES = (
    "select null::varchar as text, null::varchar as id, null::varchar as value, null::double as score, "
    "null::varchar as decision, null::varchar as campaign where false"
)
