"""The shape of a feed's source: its columns or keys in order, how often each is there, of what kind its values are.

Read from the head of the raw files, bounded and the same every time. What two shapes differ in is `schema_drift`; what
a column means to us is the catalogue's business and `feeds.formats`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats.decoding import Lines, read_text, split_lines
from intelsec_assets.feeds.formats.json_documents import load
from intelsec_assets.feeds.formats.misp import MANIFEST
from intelsec_assets.feeds.formats.records import Dialect, read_records, split_record
from intelsec_assets.feeds.formats.rows import UnusableFile
from intelsec_assets.feeds.snapshot import SnapshotFile

HEAD_BYTES = 4 << 20  # of a text file: its columns are those of its first 50,000 lines
MOST_JSON_BYTES = 32 << 20  # of all JSON files: as Python objects five times that
MOST_RECORDS = 5_000  # of all files together
MOST_FILES = 50

NUMBER, INSTANT, TRUTH, TEXT, NUMBER_TEXT = "numbers", "instants", "true or false", "text", "numbers as text"
LIST, OBJECT = "lists", "objects"

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[-+]\d{2}:?\d{2}| UTC)?)?")
_SEPARATORS = (",", ";", "\t", "|")
_DELIMITERS = {"csv": ",", "tsv": "\t"}


@dataclass(frozen=True)
class Field:
    """A column or key: in how many of the records looked at it is, and how many of its values are of which kind."""

    name: str
    seen: int
    kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Records of one sort: the rows of a table, or the objects of a type; `fields` in the order of the source."""

    records: int
    fields: tuple[Field, ...]

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return [one.name for one in self.fields]


@dataclass(frozen=True)
class Shape:
    """Groups by name (`row` for tables and lists). `is_table` = every record has every column, in this order."""

    groups: Mapping[str, Group]
    is_table: bool


def shape_of(feed: Feed, files: Sequence[tuple[SnapshotFile, bytes]]) -> Shape:
    """The shape of a snapshot. Raises UnusableFile for content that is not what the format says."""
    ordered = sorted(files, key=lambda pair: pair[0].name)[:MOST_FILES]
    if feed.format in ("misp_feed", "misp_event", "taxii", "stix"):
        return Shape(_json_groups(feed, ordered), is_table=False)
    return Shape(_table_groups(feed, ordered), is_table=True)


class _Tally:
    """Fields in the making: order of first sight, how often seen, kinds of values."""

    def __init__(self) -> None:
        self.records = 0
        self._seen: Counter[str] = Counter()
        self._kinds: dict[str, Counter[str]] = {}

    def add(self, record: Iterable[tuple[str, str | None]]) -> None:
        """One record: names and kinds of values; a kind of None = nothing there."""
        self.records += 1
        for name, kind in record:
            self._seen[name] += 1
            kinds = self._kinds.setdefault(name, Counter())
            if kind is not None:
                kinds[kind] += 1

    def group(self) -> Group:
        """The group so far."""
        fields = tuple(Field(name, seen, dict(sorted(self._kinds[name].items()))) for name, seen in self._seen.items())
        return Group(self.records, fields)


def _table_groups(feed: Feed, files: Sequence[tuple[SnapshotFile, bytes]]) -> dict[str, Group]:
    tally = _Tally()
    for file, content in files:
        for names, record in _rows(feed, file, content[:HEAD_BYTES]):
            if tally.records >= MOST_RECORDS:
                break
            tally.add(zip(names, record, strict=True))
    return {"row": tally.group()} if tally.records else {}


def _rows(feed: Feed, file: SnapshotFile, content: bytes) -> Iterator[tuple[Sequence[str], list[str | None]]]:
    """Names of the columns and kinds of the values, record by record."""
    text = read_text(content, file.name, feed.format)
    if not text.data:
        return
    options = feed.options
    dialect = Dialect(
        options.get("delimiter", _DELIMITERS.get(feed.format, ",")),
        options.get("comment", "#") or None,
        options.get("skip_initial_space", False),
    )
    lines = split_lines(text, dialect.comment)
    nothing = {"", *options.get("null", ())}
    if feed.format in _DELIMITERS:
        header, start = _header(lines, dialect, options)
        lines = _first(lines, start)
        records = read_records(lines, dialect, len(header) if header else None, quoted=b'"' in text.data)
        for values in records.fields.slice(0, MOST_RECORDS).to_pylist():
            yield header or _numbered(len(values)), [_text_kind(value.strip(), nothing) for value in values]
        return
    listed = [line.strip() for line in _first(lines, 0).texts.to_pylist() if dialect.is_data(line)]
    split, width = _list_columns(listed, feed.format)
    for line in listed:
        values = split(line)
        if len(values) == width:
            yield _numbered(width), [_text_kind(value.strip(), nothing) for value in values]


def _first(lines: Lines, start: int) -> Lines:
    """The lines from `start` on, as many as are looked at."""
    return Lines(lines.numbers.slice(start, MOST_RECORDS * 2), lines.texts.slice(start, MOST_RECORDS * 2))


def _header(lines: Lines, dialect: Dialect, options: Mapping[str, Any]) -> tuple[list[str] | None, int]:
    """Names of the header and the index of the line after it, found as the parser of tables finds it."""
    named = {name for name in options["columns"].values() if isinstance(name, str)}
    kind = options.get("header", bool(named))
    if not kind:
        return None, 0
    candidates: list[tuple[int, list[str]]] = []
    for index, text in enumerate(lines.texts):
        line = text.as_py()
        is_data = dialect.is_data(line)
        if kind == "commented" and not is_data and line.strip() and dialect.comment:
            candidates.append((index, split_record(line.lstrip()[len(dialect.comment) :].strip(), dialect)))
        elif is_data:
            if kind != "commented":
                candidates.append((index, split_record(line, dialect)))
            break
    best = max(candidates, key=lambda entry: (len(named.intersection(entry[1])), len(entry[1])), default=None)
    return (best[1], best[0] + 1) if best else (None, 0)


def _list_columns(lines: Sequence[str], format_name: str) -> tuple[Any, int]:
    """How lines of a list are cut, and into how many: by the separator that most of them have, if any."""
    if format_name == "hosts":
        return str.split, _usual(len(line.split()) for line in lines)
    widths = {sign: _usual(line.count(sign) + 1 for line in lines) for sign in _SEPARATORS}
    sign = max(widths, key=lambda one: widths[one])
    return (lambda line: line.split(sign)) if widths[sign] > 1 else (lambda line: [line]), max(widths[sign], 1)


def _usual(widths: Iterable[int]) -> int:
    counted = Counter(widths)
    return max(counted, key=lambda width: (counted[width], width), default=1)


def _numbered(width: int) -> list[str]:
    return [f"column {number}" for number in range(width)]


def _text_kind(text: str, nothing: set[str]) -> str | None:
    if text in nothing:
        return None
    if _NUMBER.fullmatch(text):
        return NUMBER
    if _INSTANT.fullmatch(text):
        return INSTANT
    return TRUTH if text.lower() in ("true", "false") else TEXT


def _json_groups(feed: Feed, files: Sequence[tuple[SnapshotFile, bytes]]) -> dict[str, Group]:
    tallies: dict[str, _Tally] = {}
    left, total = MOST_JSON_BYTES, 0
    for file, content in files:
        left -= len(content)
        if not content or file.name.rpartition("/")[2] == MANIFEST:
            continue
        if left < 0 or total >= MOST_RECORDS:
            break
        document = load(content, file.name, feed.format).value
        objects = _misp_objects(document) if feed.format.startswith("misp") else _stix_objects(document)
        for name, entry in objects:
            total += 1
            tallies.setdefault(name, _Tally()).add((key, _json_kind(v)) for key, v in entry.items() if "\0" not in key)
    return {name: tallies[name].group() for name in sorted(tallies)}


def _misp_objects(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Attributes, objects and events, wherever they are."""
    if isinstance(document, dict) and "response" in document:
        document = document["response"]
    for entry in document if isinstance(document, list) else [document]:
        event = entry.get("Event", entry) if isinstance(entry, dict) else None
        if not isinstance(event, dict):
            continue
        yield "Event", event
        containers = _dicts(event.get("Object"))
        for container in containers:
            yield "Object", container
        for holder in (event, *containers):
            yield from (("Attribute", attribute) for attribute in _dicts(holder.get("Attribute")))


def _stix_objects(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    objects = document.get("objects") if isinstance(document, dict) else document
    for entry in _dicts(objects):
        yield str(entry.get("type")), entry


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _json_kind(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return TRUTH
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, list):
        return LIST
    if isinstance(value, dict):
        return OBJECT
    kind = _text_kind(str(value), set())
    return {NUMBER: NUMBER_TEXT, TRUTH: TEXT}.get(kind or "", kind)


def read_shape(feed: Feed, files: Sequence[tuple[SnapshotFile, bytes]]) -> Shape | str:
    """The shape, or in words why the files have none."""
    try:
        shape = shape_of(feed, files)
    except UnusableFile as unusable:
        return f"the source is not what its format says: {unusable}"
    return shape if shape.groups else "the source holds no record"
