"""CSV and TSV: headers (none, plain, commented), the columns a feed maps, and what their words mean.

How lines are cut into fields is `records`; the spelling of single words is `claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import claims
from intelsec_assets.feeds.formats.decoding import Lines, read_text, split_lines
from intelsec_assets.feeds.formats.json_documents import refuse_json
from intelsec_assets.feeds.formats.records import Dialect, Records, read_records, split_record
from intelsec_assets.feeds.formats.rows import (
    INSTANT,
    TAGS,
    Parsed,
    RawFile,
    Reject,
    RowList,
    UnusableFile,
    uniform_table,
    words,
)

_DELIMITERS = {"csv": ",", "tsv": "\t"}
_WORD_COLUMNS = ("campaign", "threat_type", "malware_family")


def parse(feed: Feed, files: Sequence[RawFile], day: date) -> Parsed:
    """A row a record. A mapped column that is missing makes the file unusable; columns nobody mapped do not matter."""
    options = feed.options
    dialect = Dialect(
        delimiter=options.get("delimiter", _DELIMITERS[feed.format]),
        comment=options.get("comment", "#") or None,
        skip_initial_space=options.get("skip_initial_space", False),
    )
    parsed = Parsed()
    for raw in files:
        expected = feed.format.upper()
        text = read_text(raw.content, raw.file.name, expected)
        refuse_json(text, expected)
        parsed.notes.extend(text.notes)
        if not text.data:
            continue  # an empty list; whether it may be empty is the contract's question
        lines = split_lines(text, dialect.comment)
        lines, header = _take_header(raw, lines, dialect, options)
        width = len(header) if header is not None else None
        records = read_records(lines, dialect, width, quoted=b'"' in text.data)
        places = _places(raw, options["columns"], header, records)
        parsed.tables += _tables(feed, raw, records, places, dialect, claims.latest_instant(day))
        refused = RowList(feed)
        for line in (*lines.refused, *records.refused):
            refused.reject(raw.file, line.number, line.raw, line.reject)
        parsed.tables.append(refused.table())
    return parsed


def _take_header(
    raw: RawFile, lines: Lines, dialect: Dialect, options: Mapping[str, Any]
) -> tuple[Lines, list[str] | None]:
    """The lines after the header, and its names; None where the feed has no header."""
    named = {name for name in options["columns"].values() if isinstance(name, str)}
    kind = options.get("header", bool(named))  # columns by name need a header, columns by position none
    if not kind:
        return lines, None
    candidates: list[tuple[int, list[str]]] = []
    for index, text in enumerate(lines.texts):  # an Arrow array is read lazily: the loop ends at the first data line
        line = text.as_py()
        if kind == "commented":
            if dialect.is_data(line):
                break
            if line.strip() and dialect.comment:
                candidates.append((index, split_record(line.lstrip()[len(dialect.comment) :].strip(), dialect)))
        elif dialect.is_data(line):
            candidates.append((index, split_record(line, dialect)))
            break
    # the banner above a commented header is comments too: the header is the one that names the columns, else the widest
    best = max(candidates, key=lambda entry: (len(named.intersection(entry[1])), len(entry[1])), default=None)
    if best is None:
        where = "above the first row, behind a comment sign" if kind == "commented" else "in the first line"
        raise UnusableFile(raw.file.name, f"no header; expected {', '.join(sorted(named))} {where}")
    index, header = best
    missing = sorted(named.difference(header))
    if missing:
        found = ", ".join(repr(name[:80]) for name in header[:40])
        raise UnusableFile(
            raw.file.name,
            f"column {', '.join(repr(name) for name in missing)} is not in the header of line "
            f"{lines.numbers[index].as_py()}: found {found}; map the column's new name in the catalogue",
        )
    return Lines(lines.numbers.slice(index + 1), lines.texts.slice(index + 1), lines.refused), header


def _places(
    raw: RawFile, columns: Mapping[str, str | int], header: list[str] | None, records: Records
) -> dict[str, int]:
    """Index of each mapped column."""
    names = header or []
    places = {name: names.index(column) if isinstance(column, str) else column for name, column in columns.items()}
    width = pc.list_value_length(records.fields[:1])[0].as_py() if len(records.fields) else None
    for name, place in places.items():
        if width is not None and place >= width:
            raise UnusableFile(
                raw.file.name, f"rows of {width} fields; expected at least {place + 1}, for column {place} holds {name}"
            )
    return places


@dataclass
class _Columns:
    """Columns of one file in the making, and the first defect of each record that has one (by index)."""

    fields: pa.Array
    places: Mapping[str, int]
    null_words: pa.Array
    defects: dict[int, Reject] = field(default_factory=dict)

    def read(self, name: str) -> pa.Array | None:
        """Trimmed words of a mapped column, null words as NULL; None if it is not mapped."""
        if name not in self.places:
            return None
        texts = pc.utf8_trim_whitespace(pc.list_element(self.fields, self.places[name]))
        return pc.if_else(pc.is_in(texts, self.null_words), pa.scalar(None, pa.string()), texts)

    def convert(self, texts: pa.Array, convert: Callable[[str], Any], kind: pa.DataType) -> pa.Array:
        """Each distinct word converted once; words that cannot be become defects of their records."""
        encoded = texts.dictionary_encode()
        results: list[Any] = []
        bad: dict[int, Reject] = {}
        for index, word in enumerate(encoded.dictionary.to_pylist()):
            try:
                results.append(convert(word))
            except claims.BadClaim as claim:
                results.append(None)
                bad[index] = claim.reject
        if bad:
            hit = pc.is_in(encoded.indices, pa.array(list(bad), encoded.indices.type))
            for row in pc.indices_nonzero(hit).to_pylist():
                self.defects.setdefault(row, bad[encoded.indices[row].as_py()])
        return pa.array(results, kind).take(encoded.indices)


def _tables(
    feed: Feed, raw: RawFile, records: Records, places: Mapping[str, int], dialect: Dialect, latest: datetime
) -> list[pa.Table]:
    options = feed.options
    columns = _Columns(records.fields, places, pa.array(sorted({"", *options.get("null", ())}), pa.string()))
    values = columns.read("value")
    assert values is not None  # the catalogue requires columns.value
    for row in pc.indices_nonzero(pc.is_null(values)).to_pylist():
        columns.defects[row] = Reject("no_value", f"column {options['columns']['value']!r} is empty")
    made = _claim_columns(feed, columns, latest)
    if not columns.defects:
        return [uniform_table(feed, raw.file, records.numbers, values, **made)]
    bad = sorted(columns.defects)
    good = pc.invert(pc.is_in(pc.indices_nonzero(pa.repeat(True, len(values))), pa.array(bad, pa.uint64())))
    kept = {name: column.filter(good) for name, column in made.items()}
    rejected = RowList(feed)
    for row in bad:
        raw_value = values[row].as_py() or dialect.delimiter.join(records.fields[row].as_py())
        rejected.reject(raw.file, records.numbers[row].as_py(), raw_value, columns.defects[row])
    return [
        uniform_table(feed, raw.file, records.numbers.filter(good), values.filter(good), **kept),
        rejected.table(),
    ]


def _claim_columns(feed: Feed, columns: _Columns, latest: datetime) -> dict[str, pa.Array]:
    """The mapped columns but the value, typed as feed rows have them; the feed's defaults where a word is missing."""
    options = feed.options
    made: dict[str, pa.Array] = {}
    if (texts := columns.read("type")) is not None:
        type_map = {str(word).lower(): kind for word, kind in options.get("type_map", {}).items()}
        made["indicator_type"] = words(
            columns.convert(texts, lambda word: claims.declared_type(word, type_map), pa.string())
        )
    time_format = options.get("time_format")
    for name in ("first_seen", "last_seen"):
        if (texts := columns.read(name)) is not None:
            made[name] = columns.convert(texts, lambda word: claims.instant(word, latest, time_format), INSTANT)
    if (texts := columns.read("tags")) is not None:
        separator = options.get("tags_separator", " ")
        given = pc.fill_null(texts, "")
        made["tags"] = columns.convert(given, lambda word: claims.labels(word.split(separator)), TAGS)
        made["tlp"] = words(
            columns.convert(
                given, lambda word: claims.strictest(feed.tlp, claims.marking(word.split(separator))), pa.string()
            )
        )
    for name in _WORD_COLUMNS:
        if (texts := columns.read(name)) is not None:
            default = getattr(feed, name)
            made[name] = words(texts if default is None else pc.fill_null(texts, default))
    if (texts := columns.read("confidence")) is not None:
        scale = float(options.get("confidence_scale", 1))
        made["confidence"] = columns.convert(texts, lambda word: claims.ratio(word, scale), pa.float64())
    if (texts := columns.read("listings")) is not None:
        counted = columns.convert(texts, claims.count, pa.int32())
        made["listings"] = pc.fill_null(counted, 1)
    return made
