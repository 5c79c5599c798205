"""The two engines of the comparison: our SQL in DuckDB and the sqlite backend's in sqlite3, over the same events.

Events are dictionaries of field to text or None; every field is a text column, which is what Sigma compares.
"""

import json
import re
import sqlite3
from datetime import UTC, datetime

import duckdb
import re2
from sigma.backends.duckdb import DuckDBBackend, compile_ruleset
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

_CONNECTION = duckdb.connect()
_CONNECTION.execute("SET TimeZone = 'America/St_Johns'")  # no result may depend on the session's zone


def rule(detection, condition="selection", title="rule"):
    """A detection rule as YAML would have it."""
    return {
        "title": title,
        "name": title,
        "logsource": {"product": "test"},
        "detection": {**detection, "condition": condition},
    }


def parsed(*documents):
    """The collection of some rules."""
    return SigmaCollection.from_dicts([json.loads(json.dumps(document)) for document in documents])


def columns_of(events):
    """All fields of the events."""
    return sorted({field for event in events for field in event} | {"event"})


def relation(events, columns):
    """(SQL of a relation with the events, its parameters)."""
    rows = [{column: event.get(column) for column in columns} for event in events]
    # the rows travel as JSON: a parameter cannot be a list of structs with only NULLs in a field
    shape = json.dumps([dict.fromkeys(columns, "VARCHAR")]).replace("'", "''")
    return f"(SELECT unnest(from_json(?::JSON, '{shape}'), recursive := true))", [json.dumps(rows)]


def duckdb_matches(rules, events):
    """For each rule the list of booleans over the events."""
    compiled = [compile_ruleset(parsed(one), DuckDBBackend()).rules[0] for one in rules]
    columns = sorted({*columns_of(events), *(field for rule in compiled for field in rule.fields)})
    source, parameters = relation(
        [{**event, "place": str(place)} for place, event in enumerate(events)], [*columns, "place"]
    )
    conditions = ", ".join(rule.condition for rule in compiled)
    rows = _CONNECTION.execute(f"SELECT {conditions} FROM {source} ORDER BY place::INT", parameters).fetchall()
    return [list(results) for results in zip(*rows, strict=True)] if rows else [[] for _ in compiled]


def _regexp(pattern, text):
    return text is not None and re2.search(pattern, str(text)) is not None


def sqlite_database(events, columns):
    """A sqlite3 database with the table `logs`: text columns that ignore case, as the backend's README has it."""
    connection = sqlite3.connect(":memory:")
    connection.create_function("REGEXP", 2, _regexp, deterministic=True)
    quoted = ", ".join(f"`{column.replace('`', '``')}` TEXT COLLATE NOCASE" for column in columns)
    connection.execute(f"CREATE TABLE logs ({quoted})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(
        f"INSERT INTO logs VALUES ({marks})", [[event.get(column) for column in columns] for event in events]
    )
    return connection


def sqlite_matches(rules, events, **options):
    """As `duckdb_matches`; keywords search the values joined by line ends."""
    columns = sorted(
        {
            *columns_of(events),
            *(f for one in rules for f in re.findall(r'"(f[a-z0-9_]*)[|"]', json.dumps(one))),
            "place",
            "fulltext",
        }
    )
    rows = [{**event, "place": str(place), "fulltext": fulltext(event)} for place, event in enumerate(events)]
    connection = sqlite_database(rows, columns)
    results = []
    for one in rules:
        query = sqliteBackend(fulltext_field="fulltext", **options).convert(parsed(one))[0]
        found = {int(row[columns.index("place")]) for row in connection.execute(query)}
        results.append([place in found for place in range(len(events))])
    return results


def fulltext(event):
    """The values of an event, one a line."""

    def scalars(value):
        if isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                yield from scalars(inner)
        elif value is not None:
            yield str(value).lower() if isinstance(value, bool) else str(value)

    if event.get("event") is None:
        return ""
    try:
        return "\n".join(scalars(json.loads(event["event"])))
    except ValueError:
        return event["event"]


def instant(seconds):
    """Time of an event as text; 0 is midnight of a day."""
    return datetime.fromtimestamp(1_700_006_400 + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duckdb_bursts(rules, events):
    """Rows of the last rule's statement (group_values, first, last, event_ids, count, value); events have `id`, `t`."""
    columns = sorted({*columns_of(events), "id", "t"})
    source, parameters = relation([{**event, "t": instant(event["t"])} for event in events], columns)
    _CONNECTION.execute(
        "CREATE OR REPLACE TEMP TABLE events AS "
        f"SELECT * EXCLUDE (t, id), t::TIMESTAMPTZ AS event_time, id AS event_id FROM {source}",
        parameters,
    )
    queries = DuckDBBackend().convert(parsed(*rules))
    return _CONNECTION.execute(queries[-1]).fetchall()


def sqlite_alerts(rules, events):
    """(group values in order of group-by, start, end, set of event ids) of each window."""
    columns = sorted({*columns_of(events), "id", "timestamp"})
    rows = [{**event, "timestamp": instant(event["t"])} for event in events]
    connection = sqlite_database(rows, columns)
    query = sqliteBackend(event_id_field="id").convert(parsed(*rules))[-1]
    alerts = []
    for row in connection.execute(query):
        ids = {identity.split(":", 1)[1] for identity in json.loads(row[8])}
        alerts.append(
            (tuple(json.loads(row[1]).values()), round(row[3]) - 1_700_006_400, round(row[4]) - 1_700_006_400, ids)
        )
    return alerts
