"""A trace as text for a terminal: the row, what adds up, and each step with its first rows, down to the feed lines.

What it says is gathered in `lineage`; JSON for machines is `lineage.as_json`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from intelsec_assets.indicators.explanation_text import defang, shown
from intelsec_assets.kpis.warehouse.lineage import Partition, Sum, Taken, Trace

_MARGIN = 12
_INDENT = " " * _MARGIN
_PARTITIONS_SHOWN = 7  # a week of days; the rest is counted
_VALUES = {"value", "raw_value", "entry"}  # what could be clicked
_TELLING = {"reason", "detail"}  # sentences in which such a value may stand
# of a feed line, shown in front of the rest or by the line itself
_TOLD = {"day", "feed", "file", "line", "raw_value", "snapshot_sha256", "indicator_type", "value", "reason"}
_RAW_SHOWN = 160  # characters of a line as published: a CSV row is whole, of a JSON object the place of the value


def render(trace: Trace) -> str:
    """The trace in lines of text, ending in a newline. Values are defanged, nothing in it is obeyed by a terminal."""
    return "\n".join(_lines(trace)) + "\n"


def _lines(trace: Trace) -> Iterator[str]:
    yield f"{trace.table}  {_cells(trace.key)}"
    told = {name: cell for name, cell in trace.row.items() if name not in trace.key}
    width = max(map(len, told)) + 2
    yield from _part("row", [f"{name:<{width}}{_cell(name, cell)}" for name, cell in told.items()])
    yield from _part("made of", [trace.says])
    for number, taken in enumerate(trace.steps, start=1):
        yield ""
        yield from _step(number, taken)
    wrong = trace.disagreements
    if trace.changed:
        yield ""
        yield from _part("note", [f"changed in the lake since this was published: {', '.join(trace.changed)}"])
    if wrong:
        yield ""
        yield from _part(
            "WRONG",
            [f"{s.column}: the row says {_number(s.stated)}, its rows come to {_number(s.found)}" for s in wrong],
        )


def _step(number: int, taken: Taken) -> Iterator[str]:
    rows = f"{taken.total:,} row{'' if taken.total == 1 else 's'}"
    cut = f", the first {len(taken.rows)} shown" if taken.total > len(taken.rows) else ""
    yield f"{number}. {taken.step.name}: {rows}{cut}; {taken.step.says}"
    if taken.problem:
        yield from _part("not there", [taken.problem])
    if taken.sums:
        yield from _part("adds up", [_sum(found) for found in taken.sums])
    if taken.step.lines:
        yield from _part("lines", _feed_lines(taken))
    elif taken.rows:
        yield from _part("rows", [_cells(row) for row in taken.rows])
    if taken.total > len(taken.rows):
        yield from _part("all of it", taken.sql.splitlines())
    if taken.partitions:
        yield from _part("lake", _partitions(taken.partitions))


def _part(name: str, lines: Sequence[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield f"{(name if at == 0 else ''):<{_MARGIN}}{line}".rstrip()


def _sum(found: Sum) -> str:
    sign = "=" if found.agrees else "is NOT"
    return f"{found.column} {_number(found.stated)} {sign} {_number(found.found)}"


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _text(value)


def _feed_lines(taken: Taken) -> list[str]:
    lines = []
    for row, raw in zip(taken.rows, taken.raw, strict=True):
        known = f"{row['indicator_type']} {_value(row['value'])}" if "value" in row else f"{row['reason']}"
        more = {name: cell for name, cell in row.items() if name not in _TOLD and not _says_nothing(name, cell)}
        place = f"{row['day']} {row['feed']} {shown(row['file'])}:{row['line']}  {known}"
        lines.append(f"{place}, {_cells(more)}" if more else place)
        note = f"  ({shown(raw.note)})" if raw.note else ""
        said = _value(_around(raw.text, row["raw_value"])) if raw.text is not None else "not to be had"
        lines.append(f"  > {said}{note}  [{row['snapshot_sha256'][:12]}]")
    return lines


def _around(text: str, value: str) -> str:
    """The line, or the piece of a long one in which the value stands."""
    if len(text) <= _RAW_SHOWN:
        return text
    start = max(0, min(text.find(value) - _RAW_SHOWN // 3, len(text) - _RAW_SHOWN))
    end = start + _RAW_SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"


def _partitions(partitions: Sequence[Partition]) -> list[str]:
    by_table: dict[str, list[Partition]] = {}
    for partition in partitions:
        by_table.setdefault(partition.table, []).append(partition)
    lines = []
    for table, found in by_table.items():
        days = ", ".join(f"{p.day} {p.sha256[:12] if p.sha256 else 'gone'}" for p in found[:_PARTITIONS_SHOWN])
        more = f", {len(found) - _PARTITIONS_SHOWN} more days" if len(found) > _PARTITIONS_SHOWN else ""
        lines.append(f"{table}@{days}{more}")
    return lines


def _cells(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(name, cell)}" for name, cell in row.items())


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str) and name in _VALUES:
        return _value(value)
    if isinstance(value, str) and name in _TELLING:
        return shown(value.replace("http", "hxxp"))
    return _text(value)


def _value(text: str) -> str:
    return shown(defang(text))


def _text(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"
        case datetime():
            return value.isoformat(sep=" ").replace("+00:00", "Z")
        case date() | int():
            return str(value)
        case _:
            text = shown(str(value))
            return text or "''"


def _says_nothing(name: str, cell: object) -> bool:
    """Empty, or one listing: what nearly every line has."""
    return cell is None or cell == "" or (name == "listings" and cell == 1)
