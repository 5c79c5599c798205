"""The queries of Athena, run on DuckDB with Athena's functions over a table shaped as AWS documents it.

What Athena itself does is not tested here: no Athena can be started. What its functions do is stated as macros below.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.sigma.samples import POSITIVE
from intelsec_assets.detections.sigma.siem.compiling import EXACT, Compiled, compile_rule
from intelsec_assets.detections.sigma.siem.targets import load_targets
from tests.repository_rules import RULES

_ISSUER = "struct(type varchar, principalid varchar, arn varchar, accountid varchar, username varchar)"
_IDENTITY = (
    "struct(type varchar, principalid varchar, arn varchar, accountid varchar, invokedby varchar, accesskeyid varchar, "
    "username varchar, sessioncontext struct(attributes struct(mfaauthenticated varchar, creationdate varchar), "
    f"sessionissuer {_ISSUER}, ec2roledelivery varchar))"
)
_TEXTS = (
    *("eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent"),
    *("errorCode", "errorMessage", "requestID", "eventID", "eventType", "apiVersion", "readOnly", "recipientAccountId"),
    *("sharedEventID", "vpcEndpointId", "eventCategory"),
)
_JSON = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
# what is known of an event of which a sample says nothing
_CONTEXT = {
    "context.ticket.state": "unknown",
    "context.asn.state": "unknown",
    "context.asn.number": None,
    "context.indicator.state": "unknown",
    "context.indicator.decision": None,
}
# a path of Athena, $["a"]["b"], as DuckDB writes it
_PATH = """replace(replace(p, '["', '."'), '"]', '"')"""
_SCALAR = f"case when json_type(j, {_PATH}) in ('OBJECT', 'ARRAY') then null else json_extract_string(j, {_PATH}) end"
_MACROS = (
    f"create macro json_extract_scalar(j, p) as {_SCALAR}",
    f"create macro athena_json_extract(j, p) as json_extract(j, {_PATH})",
    "create macro regexp_like(s, p) as regexp_matches(s, p)",
    "create macro json_format(j) as j::varchar",
    "create macro is_finite(x) as isfinite(x)",
    "create macro from_iso8601_timestamp(t) as t::timestamptz",
    "create macro cardinality(l) as len(l)",
    "create macro array_distinct(l) as list_distinct(l)",
)


def compiled(name: str) -> Compiled:
    targets = load_targets()
    return compile_rule(RULES, RULES.rule(name), targets.target("athena"), targets)


def runnable(query: str) -> str:
    """The query for DuckDB: a macro cannot have the name of the function it calls."""
    return query.replace("JSON_EXTRACT(", "athena_json_extract(")


NAMES = [rule.name for rule in RULES.rules if rule.logsource.get("product") == "aws"]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session with Athena's functions and its tables: CloudTrail's by AWS's own statement, and the lake's context."""
    with engine.session() as opened:
        for macro in _MACROS:
            opened.execute(macro)
        names = ", ".join(f"{name.lower()} varchar" for name in (*_TEXTS, *_JSON))
        opened.execute(f"create table cloudtrail_logs ({names}, useridentity {_IDENTITY})")
        opened.execute(
            'create table audit_context (provider varchar, event_id varchar, "context.ticket.state" varchar, '
            '"context.asn.state" varchar, '
            '"context.asn.number" bigint, "context.indicator.state" varchar, "context.indicator.decision" varchar)'
        )
        yield opened


def deliver(con: duckdb.DuckDBPyConnection, events: list[dict[str, Any]], context: dict[str, Any]) -> None:
    """Let the tables hold these events and what is known of them, and nothing else."""
    given = {name: [_text(event.get(name)) for event in events] for name in _TEXTS}
    given |= {name: [_dumped(event.get(name)) for event in events] for name in _JSON}
    given["identity"] = [json.dumps(_lowered(event.get("userIdentity") or {})) for event in events]
    con.register("delivered", _texts(given))
    known = {field: [told.get(field, unsaid) for told in context.values()] for field, unsaid in _CONTEXT.items()}
    known = {name: [None if value is None else str(value) for value in values] for name, values in known.items()}
    con.register("known", _texts({"event_id": list(context), **known}))
    con.execute("truncate cloudtrail_logs")
    con.execute(
        f"insert into cloudtrail_logs select {', '.join((*_TEXTS, *_JSON))}, from_json(identity::json, ?) "
        "from delivered",
        [json.dumps(_structure())],
    )
    con.execute("truncate audit_context")
    con.execute("insert into audit_context select 'aws', * from known")


def _texts(columns: dict[str, list[str | None]]) -> pa.Table:
    return pa.table(columns, pa.schema([(name, pa.string()) for name in columns]))


def _structure() -> dict[str, Any]:
    issuer = dict.fromkeys(("type", "principalid", "arn", "accountid", "username"), "VARCHAR")
    attributes = dict.fromkeys(("mfaauthenticated", "creationdate"), "VARCHAR")
    session = {"attributes": attributes, "sessionissuer": issuer, "ec2roledelivery": "VARCHAR"}
    return {**issuer, "invokedby": "VARCHAR", "accesskeyid": "VARCHAR", "sessioncontext": session}


def _lowered(value: Any) -> Any:
    return {key.lower(): _lowered(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_tells_the_samples_apart_as_the_rule_does(name: str, con: duckdb.DuckDBPyConnection) -> None:
    rule, one = RULES.rule(name), compiled(name)
    for sample in rule.samples:
        events, context = [], {}
        for number, event in enumerate(sample.events):
            changed = copy.deepcopy(dict(event))
            context[str(number)] = sample.context.get(str(event.get("eventID")), {})
            changed["eventID"] = str(number)
            events.append(changed)
        deliver(con, events, context)
        assert con.execute("select count(*) from cloudtrail_logs").fetchall() == [(len(events),)]
        fired = len(con.execute(runnable(one.text)).fetchall()) > 0
        if one.verdict == EXACT or {d.code for d in one.deviations} == {"context.lookup"}:
            assert fired == (sample.kind == POSITIVE), sample.name
        elif sample.kind == POSITIVE:
            assert fired, sample.name  # a nearest query finds at least what the rule finds


def test_a_count_slides_over_the_border_of_any_window(con: duckdb.DuckDBPyConnection) -> None:
    """Half of the events in the last minutes of an hour, half in the first of the next: tumbling windows miss them."""
    rule = RULES.rule("mass-object-read")
    sample = next(sample for sample in rule.samples if sample.kind == POSITIVE)
    base = dict(sample.events[0])
    events = []
    for number in range(100):
        minute, hour = (56 + number // 25, 9) if number < 50 else (2 + (number - 50) // 25, 10)
        event = copy.deepcopy(base) | {"eventID": str(number), "eventTime": f"2025-10-21T{hour:02}:{minute:02}:00Z"}
        event["requestParameters"]["key"] = f"object-{number}"
        events.append(event)
    deliver(con, events, {})
    assert con.execute(runnable(compiled("mass-object-read").text)).fetchall()
    windows = con.execute(
        "select count(distinct json_extract_string(requestparameters, '$.key')) from cloudtrail_logs "
        "group by time_bucket(interval 10 minute, eventtime::timestamptz)"
    ).fetchall()
    assert max(count for (count,) in windows) < 100


def test_an_event_that_was_delivered_twice_is_counted_once(con: duckdb.DuckDBPyConnection) -> None:
    """CloudTrail delivers at least once: two calls in four records are no three calls."""
    rule = RULES.rule("secrets-retrieved-by-batch")
    sample = next(sample for sample in rule.samples if sample.kind == POSITIVE)
    calls = [
        copy.deepcopy(dict(sample.events[0])) | {"eventID": str(number), "eventTime": f"2025-10-21T09:0{number}:00Z"}
        for number in range(3)
    ]
    query = runnable(compiled("secrets-retrieved-by-batch").text)
    deliver(con, [*calls[:2], *calls[:2]], {})
    assert con.execute(query).fetchall() == []
    deliver(con, [*calls, *calls], {})
    assert len(con.execute(query).fetchall()) == 1
