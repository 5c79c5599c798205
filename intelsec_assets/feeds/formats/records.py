"""Lines of a delimited file into records of equal width, whole columns at once where no quote is in sight.

Which column means what is decided in `delimited`; the csv module is the authority on quoting.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.feeds.formats.decoding import HEAD_CHARACTERS, Lines, RefusedLine
from intelsec_assets.feeds.formats.rows import Reject, printable

ROW = pa.list_(pa.string())


@dataclass(frozen=True)
class Dialect:
    """How a file is cut: one-character delimiter, comment sign (None = none), white space after delimiters skipped."""

    delimiter: str
    comment: str | None
    skip_initial_space: bool

    def is_data(self, line: str) -> bool:
        """True unless the line is blank or a comment."""
        start = line.lstrip()
        return bool(start) and not (self.comment and start.startswith(self.comment))


@dataclass
class Records:
    """Records of the same width: line of each (int64), fields (list of string), and the lines that are none."""

    numbers: pa.Array
    fields: pa.Array
    refused: list[RefusedLine] = field(default_factory=list)


def split_record(line: str, dialect: Dialect) -> list[str]:
    """Fields of one line, quotes resolved, for header lines; what is no valid CSV is cut at its delimiters."""
    try:
        fields = next(csv.reader([line], delimiter=dialect.delimiter, skipinitialspace=True), [])
    except csv.Error:
        fields = line.split(dialect.delimiter)
    return [field.strip() for field in fields]


def read_records(lines: Lines, dialect: Dialect, width: int | None, *, quoted: bool) -> Records:
    """Records of the data lines. `width` = fields of the header, None = what most records have; others are refused.

    `quoted` says whether a quote occurs in the file at all: without one no field spans lines: columns are cut whole.
    """
    if quoted:
        return _read_quoted(lines, dialect, width)
    texts = lines.texts
    starts = pc.utf8_ltrim_whitespace(texts)
    keep = pc.not_equal(starts, "")
    if dialect.comment:
        keep = pc.and_(keep, pc.invert(pc.starts_with(starts, dialect.comment)))
    numbers, texts = lines.numbers.filter(keep), texts.filter(keep)
    fields = pc.split_pattern(texts, pattern=dialect.delimiter)
    widths = pc.list_value_length(fields)
    if width is None:
        counted = {entry["values"].as_py(): entry["counts"].as_py() for entry in pc.value_counts(widths)}
        width = _usual_width(counted)
    good = pc.equal(widths, width)
    if pc.all(good).as_py() is not False:
        return Records(numbers, fields)
    bad = pc.invert(good)
    refused = [
        _ragged(number, text, found, width)
        for number, text, found in zip(
            numbers.filter(bad).to_pylist(), texts.filter(bad).to_pylist(), widths.filter(bad).to_pylist(), strict=True
        )
    ]
    return Records(numbers.filter(good), fields.filter(good), refused)


def _read_quoted(lines: Lines, dialect: Dialect, width: int | None) -> Records:
    numbers, texts = lines.numbers.to_pylist(), lines.texts.to_pylist()
    if width is None:
        width = _usual_width(
            Counter(len(fields) for _, fields in _records(texts, dialect, None) if isinstance(fields, list))
        )
    kept_numbers: list[int] = []
    kept: list[list[str]] = []
    refused: list[RefusedLine] = []
    for at, fields in _records(texts, dialect, width):
        if isinstance(fields, Reject):
            refused.append(RefusedLine(numbers[at], printable(texts[at][:HEAD_CHARACTERS]), fields))
        elif len(fields) != width:
            refused.append(_ragged(numbers[at], texts[at], len(fields), width))
        else:
            kept_numbers.append(numbers[at])
            kept.append(fields)
    return Records(pa.array(kept_numbers, pa.int64()), pa.array(kept, ROW), refused)


def _records(texts: Sequence[str], dialect: Dialect, width: int | None) -> Iterator[tuple[int, list[str] | Reject]]:
    """Each record with the index of its first line. A quote that swallows lines costs that line only, never the rest.

    A record over several lines must close and have the width of the others; else its first line is refused and reading
    goes on with the line after it, so that a truncated row or a stray quote hides no neighbour.
    """
    cursor = _Cursor(texts, dialect)
    reader = cursor.reader()
    while True:
        cursor.within_record = False
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield cursor.first, _quote_defect(error, spans=cursor.next - cursor.first)
            reader = cursor.restart_after(cursor.first)
            continue
        if cursor.next - cursor.first > 1 and width is not None and len(fields) != width:
            yield cursor.first, Reject("unterminated_quote", "a quote opened here closes in another row")
            reader = cursor.restart_after(cursor.first)
            continue
        yield cursor.first, fields


class _Cursor:
    """The lines as the csv reader pulls them; comments and blank lines count only inside a quoted field."""

    def __init__(self, texts: Sequence[str], dialect: Dialect) -> None:
        self._texts = texts
        self._dialect = dialect
        self.first = 0  # first line of the record being read
        self.next = 0
        self.within_record = False

    def reader(self) -> Iterator[list[str]]:
        return csv.reader(
            self._lines(),
            delimiter=self._dialect.delimiter,
            skipinitialspace=self._dialect.skip_initial_space,
            strict=True,  # the lenient reader takes the end of the file for a closing quote
        )

    def restart_after(self, line: int) -> Iterator[list[str]]:
        self.next = line + 1
        return self.reader()

    def _lines(self) -> Iterator[str]:
        texts = self._texts
        while self.next < len(texts):
            text = texts[self.next]
            self.next += 1
            if not self.within_record:
                if not self._dialect.is_data(text):
                    continue
                self.first = self.next - 1
                self.within_record = True
            yield text + "\n"


def _quote_defect(error: csv.Error, spans: int) -> Reject:
    message = str(error)
    if "unexpected end of data" in message:
        return Reject("unterminated_quote", "a quote opened here never closes; the file may be truncated")
    if "field limit" in message:
        if spans > 1:
            return Reject(
                "unterminated_quote", f"a quote opened here does not close within {csv.field_size_limit():,} characters"
            )
        return Reject("field_too_long", f"a field of over {csv.field_size_limit():,} characters")
    return Reject("bad_quoting", f"{message}; expected quotes doubled inside quoted fields")


def _usual_width(counted: dict[int, int] | Counter[int]) -> int:
    """The commonest width; of equally common ones the widest."""
    return max(counted, key=lambda width: (counted[width], width), default=0)


def _ragged(number: int, text: str, found: int, width: int) -> RefusedLine:
    detail = f"{found} fields; expected {width}"
    return RefusedLine(number, printable(text[:HEAD_CHARACTERS]), Reject("ragged_row", detail))
