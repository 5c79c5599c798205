"""Plain lists: one value a line, comments and blank lines aside; also the lines that other list formats start from.

Hosts files, family folders and tables are modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats.decoding import Lines, Text, read_text, split_lines
from intelsec_assets.feeds.formats.json_documents import refuse_json
from intelsec_assets.feeds.formats.rows import Parsed, RawFile, RowList, uniform_table
from intelsec_assets.feeds.snapshot import SnapshotFile


def parse(feed: Feed, files: Sequence[RawFile], _day: date) -> Parsed:
    """A row a line that is neither blank nor a comment; types are left to be told from the value."""
    parsed = Parsed()
    for raw in files:
        lines = value_lines(
            raw,
            parsed,
            expected="a plain list",
            comment=feed.options.get("comment", "#"),
            inline=feed.options.get("inline_comment", False),
        )
        parsed.tables.append(uniform_table(feed, raw.file, lines.numbers, lines.texts))
        parsed.tables += refused_rows(feed, raw.file, lines)
    return parsed


def value_lines(raw: RawFile, parsed: Parsed, *, expected: str, comment: str | None, inline: bool) -> Lines:
    """Lines with a value, trimmed, comments cut. A comment within a line must follow white space: URLs hold # too."""
    text = read_text(raw.content, raw.file.name, expected)
    refuse_json(text, expected)
    parsed.notes.extend(text.notes)
    return data_lines(text, comment, inline=inline)


def data_lines(text: Text, comment: str | None, *, inline: bool) -> Lines:
    """The lines of a text that are neither blank nor comments, trimmed."""
    lines = split_lines(text, comment)
    texts = pc.utf8_trim_whitespace(lines.texts)
    keep = pc.not_equal(texts, "")
    if comment and comment.encode() in text.data:
        keep = pc.and_(keep, pc.invert(pc.starts_with(texts, comment)))
    numbers, texts = lines.numbers.filter(keep), texts.filter(keep)
    if comment and inline and comment.encode() in text.data:
        texts = pc.replace_substring_regex(texts, rf"\s+{re.escape(comment)}.*$", "")
    return Lines(numbers, texts, lines.refused)


def refused_rows(feed: Feed, file: SnapshotFile, lines: Lines) -> list[pa.Table]:
    """The refused lines as rejected rows: one table, or none at all."""
    if not lines.refused:
        return []
    rows = RowList(feed)
    for refused in lines.refused:
        rows.reject(file, refused.number, refused.raw, refused.reject)
    return [rows.table()]
