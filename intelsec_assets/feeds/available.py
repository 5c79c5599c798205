"""Which days a data root holds: read from the names of its files by the catalogue's templates.

Only names are looked at; whether a file can be used is for fetching and parsing.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from intelsec_assets.feeds.catalogue import Catalogue, Feed

_FIELDS = {
    "{day}": r"(?P<day>\d{4}-\d{2}-\d{2})",
    "{yyyymmdd}": r"(?P<yyyymmdd>\d{8})",
    "{yyyy}": r"(?P<yyyy>\d{4})",
    "{mm}": r"(?P<mm>\d{2})",
    "{dd}": r"(?P<dd>\d{2})",
    "*": r"[^/]*",
}
_FIELD = re.compile("|".join(re.escape(field) for field in _FIELDS))


def local_days(catalogue: Catalogue, data_root: Path) -> list[date]:
    """Days from the catalogue's first on for which any enabled feed has a dated file or folder, in order."""
    days: set[date] = set()
    for feed in catalogue.enabled_feeds:
        if feed.local and "{" in feed.local:
            days.update(_days_of(feed.local, data_root))
    return sorted(day for day in days if day >= catalogue.first_day)


def feed_of(catalogue: Catalogue, data_root: Path, path: Path) -> tuple[Feed, date | None] | None:
    """The feed whose template names this file or folder, and the day its name tells; None if there is none."""
    if not path.is_relative_to(data_root):
        return None
    name = path.relative_to(data_root).as_posix()
    for feed in catalogue.feeds:
        shape = (feed.local or "").rstrip("/")
        match = re.fullmatch(_pattern(shape), name) if shape else None
        if match:
            return feed, _day(match.groupdict()) if "{" in shape else None
    return None


def _days_of(template: str, data_root: Path) -> set[date]:
    # the dated part of the path decides; what lies below a dated folder needs no look
    parts = template.split("/")
    dated = max(n for n, part in enumerate(parts) if "{" in part) + 1
    shape = "/".join(parts[:dated])
    pattern = re.compile(_pattern(shape))
    found = set()
    for path in data_root.glob(_FIELD.sub("*", shape)):
        match = pattern.fullmatch(path.relative_to(data_root).as_posix())
        day = _day(match.groupdict()) if match else None
        if day is not None:
            found.add(day)
    return found


def _pattern(shape: str) -> str:
    seen: set[str] = set()
    out, at = [], 0
    for match in _FIELD.finditer(shape):
        out.append(re.escape(shape[at : match.start()]))
        field = match.group(0)
        # a field that stands twice must hold the same text twice
        out.append(f"(?P={field.strip('{}')})" if field in seen else _FIELDS[field])
        if field != "*":
            seen.add(field)
        at = match.end()
    return "".join(out) + re.escape(shape[at:])


def _day(fields: dict[str, str]) -> date | None:
    text = fields.get("day") or fields.get("yyyymmdd") or "-".join(fields.get(f, "") for f in ("yyyy", "mm", "dd"))
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
