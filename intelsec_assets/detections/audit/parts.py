"""What was asked of a service and what it answered, cut out of an event's JSON into columns of their own.

Most fields that rules look up in JSON stand in there. It is a fifth of an event, so a scan that reads these columns
leaves the rest of the JSON unread (a million events of 57 rules: 1.9 s of CPU in place of 0.6).
"""

# ruff: noqa: S608 - paths and names of our own
from __future__ import annotations

import duckdb

from intelsec_assets.detections.audit import fields
from intelsec_assets.engine import sql_text


def with_parts(rows: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Rows of events with the columns of `fields.PARTS` behind their own: valid JSON, or NULL where nothing is."""
    cut = " ".join(
        f"when {sql_text(provider)} then "
        f"json_extract(event, [{', '.join(sql_text(fields.json_path(path)) for path in parts.values())}])"
        for provider, parts in fields.PARTS.items()
    )
    columns = ", ".join(
        f"nullif(parts[{place}]::varchar, 'null') as {fields.quoted(name)}"
        for place, name in enumerate(fields.PART_COLUMNS, 1)
    )
    found = rows.project(f"*, case provider {cut} end as parts").query(
        "events", f"select * exclude (parts), {columns} from events"
    )
    assert found is not None  # a query gives rows
    return found
