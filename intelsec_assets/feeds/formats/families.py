"""Family folders: a text file a malware family, its stem the family's name, its folder the kind of threat.

The values may be of any type, ports and paths among them: what they are is told from the value, later.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import PurePosixPath

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats.plain import refused_rows, value_lines
from intelsec_assets.feeds.formats.rows import Parsed, RawFile, UnusableFile, constant, uniform_table

_LISTS = ("", ".txt", ".list", ".lst")


def parse(feed: Feed, files: Sequence[RawFile], _day: date) -> Parsed:
    """A row a value line of every text file; files that are no lists (README.md, scripts) are noted and left aside."""
    parsed = Parsed()
    read = 0
    for raw in files:
        path = PurePosixPath(raw.file.name)
        if path.suffix not in _LISTS or path.name.startswith("."):
            parsed.notes.append(f"{raw.file.name}: no list of a family ({', '.join(filter(None, _LISTS))}), left aside")
            continue
        read += 1
        lines = value_lines(raw, parsed, expected="a list of a family", comment="#", inline=True)
        columns = {"malware_family": constant(path.stem, len(lines.texts))}
        if feed.options.get("threat_type_from_folder", False) and path.parent.name:
            columns["threat_type"] = constant(path.parent.name, len(lines.texts))
        parsed.tables.append(uniform_table(feed, raw.file, lines.numbers, lines.texts, **columns))
        parsed.tables += refused_rows(feed, raw.file, lines)
    if not read:
        names = ", ".join(raw.file.name for raw in files[:5])
        raise UnusableFile(names, "no list among the files; expected text files, one a malware family")
    return parsed
