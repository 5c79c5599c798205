"""The entries of lists as Arrow columns, ready to be joined to indicators in DuckDB.

Reading list files is `list_files`, the joins are `sql/warninglist_*.sql`. Each list becomes columns as soon as it is
read: as Python objects the 530,000 entries of the public lists would take 160 MB more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from intelsec_assets.indicators.matching.list_files import ListContent

GRAM = 4  # shorter pieces meet too many values, longer ones leave short entries without a piece

NETWORKS = pa.schema(
    [("entry", pa.string()), ("family", pa.uint8()), ("hi", pa.uint64()), ("lo", pa.uint64()), ("length", pa.uint8())]
)
NAMES = pa.schema([("entry", pa.string()), ("key", pa.string()), ("reach", pa.string())])
SUBSTRINGS = pa.schema([("entry", pa.string()), ("key", pa.string()), ("gram", pa.string())])


@dataclass(frozen=True, slots=True)
class ListColumns:
    """One list: what `ListContent` says of it, its entries as tables of the schemas NETWORKS, NAMES and SUBSTRINGS.

    `patterns` are (entry, RE2 pattern), `unreadable` are (line, text).
    """

    title: str
    sha256: str
    types: tuple[str, ...]
    size: int
    networks: pa.Table
    names: pa.Table
    substrings: pa.Table
    patterns: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[int, str], ...]


def list_columns(content: ListContent) -> ListColumns:
    """A list's entries as columns."""
    return ListColumns(
        title=content.title,
        sha256=content.sha256,
        types=content.types,
        size=content.size,
        networks=table([(entry, *network) for entry, network in content.networks], NETWORKS),
        names=table(content.names, NAMES),
        substrings=table(_with_grams(content.substrings), SUBSTRINGS),
        patterns=tuple(content.patterns),
        unreadable=tuple(content.unreadable),
    )


def numbered(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Tables of the same schema as one, with a first column `list_no`: the position of the table a row is from."""
    schema = schema.insert(0, pa.field("list_no", pa.uint32()))
    parts = [t.add_column(0, "list_no", pa.repeat(pa.scalar(no, pa.uint32()), len(t))) for no, t in enumerate(tables)]
    return pa.concat_tables([schema.empty_table(), *parts])


def table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pa.table([pa.array(column, f.type) for column, f in zip(columns, schema, strict=True)], schema=schema)


def _with_grams(entries: Sequence[tuple[str, str]]) -> list[tuple[str, str, str | None]]:
    """Substrings with a piece of four characters that any value holding them must hold too; None when shorter than it.

    Testing every pair would take minutes for the 8,201 disposable mail domains; joined on the rarest piece of each it
    takes a tenth of a second.
    """
    frequency = Counter(gram for _, key in entries for gram in set(_grams(key)))
    return [
        (entry, key, min(_grams(key), key=lambda gram: (frequency[gram], gram), default=None)) for entry, key in entries
    ]


def _grams(key: str) -> Iterator[str]:
    return (key[start : start + GRAM] for start in range(len(key) - GRAM + 1))
