"""Plain forms of the plan: one CSV for people and look-up tables, and one list a type for devices that block.

Both hold active indicators only. The lists are bare, a value a line: devices differ in which comments they bear.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.exports.content import active, iso_seconds, rows
from intelsec_assets.exports.errors import ExportError

CSV_COLUMNS = (
    "indicator_type",
    "value",
    "score_band",
    "admiralty",
    "tlp",
    "campaign",
    "threat_types",
    "families",
    "sources",
    "first_seen",
    "first_exported",
    "changed_on",
    "event",
    "indicator_id",
)
# A spreadsheet reads a cell that begins with one of these as a formula and may run it (CWE-1236).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


# What a terminal obeys and what turns the reading direction: a feed's label may hold any of it.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_LONGEST_LABEL = 255  # characters; a longer name of a family or campaign is an accident or an attack


def safe_cell(text: str) -> str:
    """A CSV cell no spreadsheet takes for a formula: a leading apostrophe before what could begin one."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def safe_label(text: str) -> str:
    """A feed's word as one harmless line: nothing a terminal obeys, no separator of ours, at most 255 characters."""
    return _UNSEEN.sub(" ", text).replace("|", "/").strip()[:_LONGEST_LABEL]


def write_csv(plan: pa.Table, path: Path) -> int:
    """Write active indicators as CSV (UTF-8, LF, header; several values in a cell joined by `|`). Returns the rows."""
    written = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        for row in rows(active(plan)):
            cells = (
                row.indicator_type,
                row.value,
                row.score_band,
                row.admiralty,
                row.tlp,
                safe_label(row.campaign or ""),
                "|".join(map(safe_label, row.threat_types)),
                "|".join(map(safe_label, row.families)),
                "|".join(row.sources),
                iso_seconds(row.first_seen),
                row.first_exported.isoformat(),
                row.changed_on.isoformat(),
                row.event,
                row.indicator_id,
            )
            writer.writerow([safe_cell(cell) for cell in cells])
            written += 1
    return written


def write_lists(plan: pa.Table, folder: Path, types: Sequence[str]) -> dict[str, int]:
    """Write `<type>.txt` for every type, also those without a value: a device that fetches an address must find it.

    Returns the values a type. Raises ExportError for a value that would break into two lines.
    """
    live = active(plan).select(["indicator_type", "value"])
    written: dict[str, int] = {}
    for indicator_type in types:
        values = live.filter(pc.equal(live["indicator_type"], indicator_type))["value"]
        with (folder / f"{indicator_type}.txt").open("w", encoding="utf-8", newline="\n") as out:
            for chunk in values.chunks:
                for value in chunk.to_pylist():
                    if "\n" in value or "\r" in value:
                        raise ExportError(
                            f"{indicator_type} {value!r} holds a line break and would become two entries of a list; "
                            "no canonical value does: look at the rows of this value in `observations`"
                        )
                    out.write(value + "\n")
        written[indicator_type] = len(values)
    return written
