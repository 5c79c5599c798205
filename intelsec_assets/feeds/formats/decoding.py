"""Bytes as published into text: encodings, line ends, over-long lines, and content that is no such text at all.

What the lines mean is decided by the formats; nothing here knows a column or a comment sign but by argument.
"""

from __future__ import annotations

import codecs
import re
import struct
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.feeds.formats.rows import Reject, UnusableFile, printable

MAX_LINE_BYTES = 1 << 20  # no indicator is longer; a line above it is a broken file, and it must not reach the lake
MAX_TEXT_BYTES = (1 << 31) - 1  # offsets of an Arrow string column
HEAD_CHARACTERS = 4096  # what quarantine keeps of a row

# UTF-32 before UTF-16: its little-endian mark begins with the other's
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MAGIC = (
    (b"\x1f\x8b", "gzip archive"),
    (b"PK\x03\x04", "zip archive"),
    (b"PK\x05\x06", "empty zip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ\x00", "xz archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (b"%PDF-", "PDF document"),
    (b"\x89PNG", "PNG image"),
    (b"\x7fELF", "ELF binary"),
    (b"SQLite format 3\x00", "SQLite database"),
)
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b") + b"\x7f"
_SAMPLE = 1 << 16
_HTML = re.compile(rb"\s*(?:<!--.{0,2000}?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(rb"<title[^>]*>(.{0,200}?)</title>", re.IGNORECASE | re.DOTALL)
_XML = re.compile(rb"\s*<(?:\?xml\b|error>)", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """Content as UTF-8 with line feeds as line ends and without byte order mark; `notes` says what was not UTF-8."""

    file: str
    data: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RefusedLine:
    """A line that no format gets to see: too long, or with NUL bytes. `raw` holds its head."""

    number: int
    raw: str
    reject: Reject


@dataclass(frozen=True)
class Lines:
    """Lines of a text: numbers from 1 (int64) and texts without line end (string), plus those refused."""

    numbers: pa.Array
    texts: pa.Array
    refused: tuple[RefusedLine, ...] = ()


def read_text(content: bytes, file: str, expected: str) -> Text:
    """Decode a file that should hold `expected` (in words, for the message).

    UTF-8, UTF-16 and UTF-32 with byte order mark, UTF-16 without one by its NUL pattern; otherwise each line that is
    not UTF-8 is read as latin-1 and noted. Raises UnusableFile for archives, binary content, HTML and XML pages.
    """
    _refuse_magic(content, file, expected)
    encoding, start = _encoding(content)
    notes: tuple[str, ...] = ()
    if encoding != "utf-8":
        data = content[start:].decode(encoding, "replace").encode()
    else:
        data = content[start:] if start else content
    if len(data) > MAX_TEXT_BYTES:
        raise UnusableFile(
            file, f"{len(data):,} bytes of text; expected {expected} of at most {MAX_TEXT_BYTES:,} bytes"
        )
    is_utf8 = _is_utf8(data)
    _refuse_binary(data, file, expected, is_utf8=is_utf8)
    _refuse_markup(data, file, expected)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not is_utf8:
        data, latin1_lines = _latin1_by_line(data)
        shown = ", ".join(str(number) for number in latin1_lines[:5])
        more = f" and {len(latin1_lines) - 5:,} more" if len(latin1_lines) > 5 else ""
        notes = (f"{file}: line {shown}{more} is not UTF-8 and was read as latin-1",)
    return Text(file, data, notes)


def split_lines(text: Text, comment: str | None = None) -> Lines:
    """Lines of a text, blank ones too. Lines over MAX_LINE_BYTES or with NUL bytes are refused, unless comments."""
    data = text.data
    whole = pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, len(data))), pa.py_buffer(data))
    texts = pc.split_pattern(whole, pattern="\n").flatten()
    numbers = pa.arange(1, len(texts) + 1)
    lengths = pc.binary_length(texts)
    has_nul = b"\0" in data
    if not has_nul and pc.max(lengths).as_py() <= MAX_LINE_BYTES:
        return Lines(numbers, texts)
    too_long = pc.greater(lengths, MAX_LINE_BYTES)
    bad = pc.or_(too_long, pc.match_substring(texts, "\0")) if has_nul else too_long
    refused = []
    for index in pc.indices_nonzero(bad).to_pylist():
        start = memoryview(texts[index].as_buffer())[: 4 * HEAD_CHARACTERS]  # the line may be tens of megabytes
        head = bytes(start).decode("utf-8", "ignore")[:HEAD_CHARACTERS]
        if not (comment and head.lstrip().startswith(comment)):
            refused.append(RefusedLine(index + 1, printable(head), _line_defect(lengths[index].as_py())))
    good = pc.invert(bad)
    return Lines(numbers.filter(good), texts.filter(good), tuple(refused))


def _line_defect(length: int) -> Reject:
    if length > MAX_LINE_BYTES:
        return Reject(
            "line_too_long",
            f"a line of {length:,} bytes; expected at most {MAX_LINE_BYTES:,}; only its head is kept here",
        )
    return Reject("nul_byte", "the line holds NUL bytes, shown as \u2400")


def _encoding(content: bytes) -> tuple[str, int]:
    """Encoding and length of its mark. Western text in UTF-16 has a NUL in every second byte, always on one side."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, len(mark)
    sample = content[:4096]
    if len(sample) >= 8:
        half = len(sample) // 2
        even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
        if odd > 0.6 and even < 0.05:
            return "utf-16-le", 0
        if even > 0.6 and odd < 0.05:
            return "utf-16-be", 0
    return "utf-8", 0


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    whole = pa.StringArray.from_buffers(1, pa.py_buffer(struct.pack("<ii", 0, len(data))), pa.py_buffer(data))
    try:
        whole.validate(full=True)  # checks in place; bytes.decode would hold the text a second and third time
    except pa.ArrowInvalid:
        return False
    return True


def _latin1_by_line(data: bytes) -> tuple[bytes, list[int]]:
    lines = data.split(b"\n")
    latin1 = []
    for index, line in enumerate(lines):
        try:
            line.decode()
        except UnicodeDecodeError:
            lines[index] = line.decode("latin-1").encode()
            latin1.append(index + 1)
    return b"\n".join(lines), latin1


def _refuse_magic(content: bytes, file: str, expected: str) -> None:
    for magic, what in _MAGIC:
        if content.startswith(magic):
            raise UnusableFile(
                file,
                f"{what} instead of {expected}: starts with {content[:8].hex(' ')}; unpack it before it is read",
            )


def _refuse_binary(data: bytes, file: str, expected: str, *, is_utf8: bool) -> None:
    sample = data[:_SAMPLE]
    controls = len(sample) - len(sample.translate(None, _CONTROL))
    # text that is valid UTF-8 may well have a few broken lines; random bytes are 11 % control characters
    if sample and controls / len(sample) >= (0.3 if is_utf8 else 0.05):
        share = f"{controls / len(sample):.0%} control characters in the first {len(sample):,} bytes"
        raise UnusableFile(file, f"binary content instead of {expected}: {share}, starts with {data[:8].hex(' ')}")


def _refuse_markup(data: bytes, file: str, expected: str) -> None:
    head = data[:_SAMPLE]
    if _HTML.match(head):
        title = _TITLE.search(head)
        named = f" titled {_one_line(title[1])!r}" if title else ""
        raise UnusableFile(file, f"HTML page{named} instead of {expected}: starts with {_one_line(head[:80])!r}")
    if _XML.match(head):
        raise UnusableFile(file, f"XML document instead of {expected}: starts with {_one_line(head[:120])!r}")


def _one_line(data: bytes) -> str:
    return " ".join(data.decode("utf-8", "replace").split())
