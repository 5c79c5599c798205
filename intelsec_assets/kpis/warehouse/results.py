"""A query's result for people and programs: a table for a terminal, CSV, JSON, Parquet.

What feeds wrote may stand in any cell: nothing of it is obeyed by a terminal or taken for a formula by a spreadsheet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

from rich.table import Table
from rich.text import Text

from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.reading import Result

if TYPE_CHECKING:
    import pyarrow as pa

CELL = 60  # characters of a value in a table: a URL is told by them, a line still holds several columns
NULL = "NULL"
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


def as_table(result: Result, *, cell: int = CELL) -> Table:
    """The rows as a table for a terminal; longer values are cut to `cell` characters and end in `…`."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    is_number = [type_.removeprefix("U").startswith(_NUMBERS) for type_ in result.types]
    for name, number in zip(result.columns, is_number, strict=True):
        table.add_column(Text(printable(name)), justify="right" if number else "left", overflow="fold")
    for row in result.rows():
        table.add_row(*(_cell(value, cell) for value in row))
    return table


def _cell(value: Any, width: int) -> Text:
    if value is None:
        return Text(NULL, style="dim")
    text = printable(_text(value))
    return Text(text if len(text) <= width else f"{text[: width - 1]}…")


def printable(text: str) -> str:
    """The text with everything that a terminal obeys, or that turns the reading direction, as its escape."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _text(value: Any) -> str:
    """One value as text, as exact as it is known; instants in UTC and ISO 8601."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ").replace("+00:00", "Z")
        case bytes():
            return value.hex()
        case list() | tuple() | dict():
            return json.dumps(as_json(value), ensure_ascii=False)
        case _:
            return str(value)


def write_csv(result: Result, out: TextIO) -> int:
    """Write CSV (UTF-8, LF, header): NULL is nothing, an empty text `""`, no text begins a formula. Rows written."""
    from intelsec_assets.exports.lists import safe_cell  # its module loads Arrow

    out.write(",".join(_quoted(safe_cell(name)) for name in result.columns) + "\n")
    written = 0
    for batch in result.batches():
        for row in batch:
            cells = (
                "" if value is None else _quoted(safe_cell(value) if isinstance(value, str) else _text(value))
                for value in row
            )
            out.write(",".join(cells) + "\n")
        written += len(batch)
    return written


def _quoted(text: str) -> str:
    if text and not any(sign in text for sign in ',"\n\r'):
        return text
    return '"' + text.replace('"', '""') + '"'


def write_json(result: Result, out: TextIO) -> int:
    """Write a JSON array, an object a row and line. NaN and infinities, which JSON has not, are null. Rows written."""
    names = distinct(result.columns)
    out.write("[")
    written = 0
    for row in result.rows():
        fields = {name: as_json(value) for name, value in zip(names, row, strict=True)}
        out.write(("," if written else "") + "\n" + json.dumps(fields, ensure_ascii=False, allow_nan=False))
        written += 1
    out.write("\n]\n" if written else "]\n")
    return written


def as_json(value: Any) -> Any:
    """A value of a row as JSON has it."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [as_json(item) for item in value]
        case dict():
            return {str(key): as_json(item) for key, item in value.items()}
        case UUID() | timedelta():
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def write_parquet(result: Result, path: Path) -> int:
    """Write a Parquet file, whole or not at all. Rows written."""
    import pyarrow.parquet as pq

    fresh = placing.unfinished(path.absolute().parent)
    writer: pq.ParquetWriter | None = None
    written = 0
    try:
        for batch in result.arrow():
            named = _renamed(batch, distinct(result.columns))
            writer = writer or pq.ParquetWriter(fresh, named.schema, compression="zstd")
            writer.write_batch(named)
            written += named.num_rows
        if writer is not None:
            writer.close()
            fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return written


def _renamed(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    return batch.rename_columns(list(names))


def distinct(names: Sequence[str]) -> list[str]:
    """Column names of which none comes twice: the second `n` is `n_2`."""
    taken: list[str] = []
    for name in names:
        number, free = 2, name
        while free in taken:
            number, free = number + 1, f"{name}_{number}"
        taken.append(free)
    return taken
