"""Which columns a column of a model comes from, read from the model's compiled SQL.

One step back only: the tables are those the SQL names. Following it to the feed line is the business of `lineage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

_DIALECT = "duckdb"


def column_sources(sql: str, known: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[str, str]]]:
    """Pairs (table, column) for every column of the query, sorted; a column made from none has an empty list.

    `known` maps tables to their columns, so that bare names find their table. SQL that cannot be read gives {}: lineage
    is an aid for people, and what cannot be read here dbt reports when it runs.
    """
    try:
        query = sqlglot.parse_one(sql, dialect=_DIALECT)
        columns = lineage(None, query, schema=_schema(query, known), dialect=_DIALECT)
    except SqlglotError:
        return {}
    return {name: _origins(node) for name, node in columns.items() if name != "*"}


def _schema(query: exp.Expr, known: Mapping[str, Sequence[str]]) -> dict[str, dict[str, dict[str, dict[str, str]]]]:
    found: dict[str, dict[str, dict[str, dict[str, str]]]] = {}
    for table in query.find_all(exp.Table):
        if table.name in known and table.catalog:
            columns = dict.fromkeys(known[table.name], "unknown")
            found.setdefault(table.catalog, {}).setdefault(table.db, {})[table.name] = columns
    return found


def _origins(node: Node) -> list[tuple[str, str]]:
    found = {
        (leaf.expression.name, leaf.name.rpartition(".")[2].strip('"'))
        for leaf in node.walk()
        if not leaf.downstream and isinstance(leaf.expression, exp.Table)
    }
    return sorted((table, column) for table, column in found if column != "*")
