"""Records out of a file's bytes: lines, the `Records` wrapper, `value`, a bare list, one object; each as JSON text.

What a record means belongs to `typed`. Lines and lists without line breaks are cut without being parsed; `documents`
reads whatever else there is, one value after the other. Both give the same texts: slices of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pyarrow as pa

from intelsec_assets.detections.audit import documents
from intelsec_assets.detections.audit.unpacking import Cut

MAX_DOCUMENT = 256 * 2**20  # of a file that must be held whole; CloudTrail closes a file at 50 MB
MAX_EVENT = 4 * 2**20  # CloudTrail's largest event is 1 MB

_WRAPPER = re.compile(rb'\s*\{\s*"(Records|records|value)"\s*:\s*\[\s*')
_INNER = re.compile(rb'"(Records|records|value)"\s*:\s*\[')
_KEY = re.compile(rb'\{("[^"\\]+"):')
_DIGEST = re.compile(rb'\s*\{\s*"(?:awsAccountId|digest\w+)"\s*:')
_DIGEST_KEY = re.compile(
    r"awsAccountId|logFiles|(?:digest|previousDigest|newestEvent|oldestEvent|s3|hash)\w*", re.ASCII
)
_LINE = re.compile(rb"\s*+(\S[^\n]*+)\n\s*+\S")  # one that is not the only one
_HEAD = 24 * 2**20  # of a file, at most, to tell whether it holds a line an event
_BOM = b"\xef\xbb\xbf"
_TAILS = (b"}]}", b"}]")


@dataclass(frozen=True)
class Odd:
    """A record, or (record 0) a whole file, that could not be framed."""

    record: int
    reason: str
    detail: str
    raw: str | None = None


@dataclass
class Frame:
    """Records in the order of the file: their texts, and their places from 1 (blank lines are no records)."""

    events: pa.StringArray
    records: pa.Int64Array
    odd: list[Odd] = field(default_factory=list)
    # the texts were cut by a guess: if one of them is no JSON, the frame is to be read again by `documents`
    guessed_from: bytes | None = None
    # anomaly -> places of the records it was seen in
    anomalies: dict[str, set[int]] = field(default_factory=dict)
    is_digest: bool = False
    # the events as they stood in the file, if that is a line each; who has written them elsewhere takes it away
    block: bytes | None = None

    def lines(self) -> bytes:
        """The events as lines of UTF-8. No text holds a line break."""
        return self.block if self.block is not None else "".join(f"{one}\n" for one in self.events.to_pylist()).encode()


def frames(blocks: Iterable[bytes]) -> Iterator[Frame]:
    """Frames of a file's blocks (see `Unpacking.blocks`). A file without a record yields one frame that says so."""
    source = iter(blocks)
    first = next(source, b"").removeprefix(_BOM)
    while len(first) < _HEAD and not _LINE.match(first) and (more := next(source, b"")):
        first += more
    start = first.lstrip()[:1]
    if not start:
        yield _nothing("empty", "the file holds nothing; expected records as JSON")
        return
    if start not in (b"{", b"["):
        yield _nothing("not_json", f"the file starts with {_shown(first)!r}; expected {{ or [", _shown(first))
        return
    all_blocks = chain([first], source)
    if start == b"{" and is_lines(first):
        yield from _of_lines(all_blocks)
        return
    whole = _joined(all_blocks)
    if whole is None:
        limit = f"{MAX_DOCUMENT:,} bytes that one JSON document may have; deliver it as a line an event"
        yield _nothing("too_large", f"the file is larger than the {limit}", _shown(first))
        return
    if _is_digest(whole):
        yield Frame(pa.array([], pa.string()), pa.array([], pa.int64()), is_digest=True)
        return
    yield _split(whole) or of_documents(whole)


def of_documents(data: bytes, first_record: int = 1) -> Frame:
    """The same by reading value after value: any layout, also one that breaks off. Exact and slow."""
    texts, records, odd = [], [], []
    anomalies: dict[str, set[int]] = {}
    text, was_repaired = _decoded(data)
    at = first_record - 1
    for at, found in enumerate(documents.records(text), first_record):
        if isinstance(found, Cut):
            odd.append(Odd(at, found.reason, found.detail))
        elif len(found) > MAX_EVENT:
            odd.append(Odd(at, "too_large", _too_large(len(found)), found[:4096]))
        else:
            texts.append(_on_one_line(found))
            records.append(at)
            if was_repaired and "�" in found:
                anomalies.setdefault("invalid_utf8", set()).add(at)
    if at < first_record and not documents.is_wrapper(text):  # a trail in which nothing happened says so
        odd.append(Odd(0, "empty", "the file is JSON and holds no record"))
    return Frame(pa.array(texts, pa.string()), pa.array(records, pa.int64()), odd, anomalies=anomalies)


def _on_one_line(text: str) -> str:
    """The text without line breaks; the space before it says that it is to be written in the one way."""
    return " " + text.replace("\r", " ").replace("\n", " ") if "\n" in text or "\r" in text else text


def _of_lines(blocks: Iterable[bytes]) -> Iterator[Frame]:
    seen = 0
    for block in blocks:
        frame = _lines(block, seen + 1)
        seen += len(frame.events) + len(frame.odd)
        yield frame


def _lines(block: bytes, first_record: int) -> Frame:
    """A block of whole lines."""
    has_returns = b"\r" in block
    if has_returns:
        block = block.replace(b"\r\n", b"\n")
        has_returns = b"\r" in block
    if not block.endswith(b"\n"):
        block += b"\n"
    ends = np.fromiter(_places(block), np.int64)
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    text = block.replace(b"\n", b"")
    array = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(text))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:  # not UTF-8
        return _lines_one_by_one(block, first_record)
    lengths = np.diff(offsets)
    last = np.frombuffer(block, np.uint8)[ends - 1]
    if lengths.max(initial=0) > MAX_EVENT or not lengths.all() or (last == 0x20).any() or has_returns:
        return _lines_one_by_one(block, first_record)
    records = pa.array(np.arange(first_record, first_record + len(ends), dtype=np.int64))
    return Frame(array, records, block=block)


def _places(block: bytes) -> Iterator[int]:
    """Where the lines end. Looking for one after the other is twice as fast as comparing every byte."""
    find = block.find
    at = find(b"\n")
    while at >= 0:
        yield at
        at = find(b"\n", at + 1)


def _lines_one_by_one(block: bytes, first_record: int) -> Frame:
    """Lines of a block in which some are blank, too long or not UTF-8."""
    texts, records, odd = [], [], []
    anomalies: dict[str, set[int]] = {}
    lines = (line for line in block.split(b"\n") if line.strip())
    for record, line in enumerate(lines, first_record):
        if len(line) > MAX_EVENT:
            odd.append(Odd(record, "too_large", _too_large(len(line)), line[:4096].decode("utf-8", "replace")))
            continue
        text, was_repaired = _decoded(line)
        if was_repaired:
            anomalies.setdefault("invalid_utf8", set()).add(record)
        texts.append(text.replace("\r", " "))
        records.append(record)
    return Frame(pa.array(texts, pa.string()), pa.array(records, pa.int64()), odd, anomalies=anomalies)


def _split(whole: bytes) -> Frame | None:
    """A list of objects without line breaks, cut before the key each of them starts with; None if it must be read.

    Inside of a text a quote is escaped, so the cut can only fall between two objects. If it falls between two that are
    part of an event, the pieces are no JSON, which shows when they are read.
    """
    body = whole.strip()
    head = _WRAPPER.match(body)
    start = head.end() if head else 1 if body.startswith(b"[") else 0
    tail = next((t for t in _TAILS if body.endswith(t)), None)
    if not start or tail != _TAILS[0 if head else 1] or b"\n" in body:
        return None
    key = _KEY.match(body, start)
    if key is None:
        return None
    events = body[start : -len(tail) + 1]
    frame = _lines(events.replace(b"},{" + key[1] + b":", b"}\n{" + key[1] + b":"), 1)
    if frame.odd:  # a piece that is too large may be many events that were not cut
        return None
    frame.guessed_from = whole
    return frame


def is_lines(first: bytes) -> bool:
    """Whether a file that starts with an object holds a line an object, by its first bytes."""
    if _WRAPPER.match(first) or _DIGEST.match(first):
        return False
    found = _LINE.match(first)
    # a single line may be an event or a wrapper that starts with something else: `documents` looks
    if found is None or not found[1].rstrip().endswith(b"}"):
        return False
    return not (_INNER.search(found[1]) and documents.is_wrapper(_decoded(found[1])[0]))


def _is_digest(whole: bytes) -> bool:
    """Whether a file is CloudTrail's list of log files and their hashes, and nothing else."""
    if not _DIGEST.match(whole[:200]) or b'"digestS3Object"' not in whole:
        return False
    try:
        found = json.loads(whole)
    except (ValueError, RecursionError):
        return False
    files = found.get("logFiles", [])
    listed = found.keys() | {key for file in files for key in file} if _are_objects(files) else {""}
    return all(_DIGEST_KEY.fullmatch(key) for key in listed)


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _joined(blocks: Iterable[bytes]) -> bytes | None:
    held, size = [], 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > MAX_DOCUMENT:
            return None
    return b"".join(held)


def _decoded(data: bytes) -> tuple[str, bool]:
    """Text, and whether bytes had to be replaced: what a machine wrote badly must still be seen by rules."""
    try:
        return data.decode("utf-8"), False
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace"), True


def _nothing(reason: str, detail: str, raw: str | None = None) -> Frame:
    return Frame(pa.array([], pa.string()), pa.array([], pa.int64()), [Odd(0, reason, detail, raw)])


def _too_large(size: int) -> str:
    return f"{size:,} bytes; expected at most {MAX_EVENT:,} an event"


def _shown(data: bytes) -> str:
    return data[:80].decode("utf-8", "replace")
