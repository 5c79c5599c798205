"""JSON as feeds publish it: bounded in size and depth, strict about NaN, with duplicate keys in view.

What the documents mean belongs to the MISP and STIX modules.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn

from intelsec_assets.feeds.formats.decoding import HEAD_CHARACTERS, Text, read_text
from intelsec_assets.feeds.formats.rows import Reject, UnusableFile

MAX_JSON_BYTES = 128 << 20  # as Python objects about five times that; the whole run has 1 GB
_DUPLICATES = "\0duplicate keys"  # no JSON key that anyone reads
_NOT_JSON_WORD = re.compile(r"[\[:,]\s*(NaN|-?Infinity)\b")
_LOOKS_LIKE_JSON = re.compile(rb"\s*[\[{]")


class _NotANumber(ValueError):
    pass


@dataclass(frozen=True)
class Document:
    """A parsed JSON file. Objects with a key twice are marked: ask `duplicate_keys`."""

    value: Any
    notes: tuple[str, ...]


def load(content: bytes, file: str, expected: str) -> Document:
    """Parse a JSON file that should hold `expected`. Raises UnusableFile naming position and cause."""
    if len(content) > MAX_JSON_BYTES:
        raise UnusableFile(file, f"{len(content):,} bytes of JSON; expected {expected} of at most {MAX_JSON_BYTES:,}")
    text = read_text(content, file, expected)
    return Document(_loads(text.data.decode(), file, expected), text.notes)


def _loads(text: str, file: str, expected: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise UnusableFile(file, f"JSON nested too deep to be {expected}") from None
    except _NotANumber as word:
        found = _NOT_JSON_WORD.search(text)
        where = f" at character {found.start(1):,}" if found else ""
        raise UnusableFile(file, f"{word}{where} is not JSON; expected {expected}") from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        hint = "; the file ends too early, it looks truncated" if cut else ""
        where = f"line {error.lineno} column {error.colno} (character {error.pos:,} of {len(text):,})"
        raise UnusableFile(file, f"not JSON: {error.msg} at {where}{hint}; expected {expected}") from None
    except ValueError as error:  # a number of thousands of digits
        raise UnusableFile(file, f"not JSON that can be read: {error}; expected {expected}") from None


def refuse_json(text: Text, expected: str) -> None:
    """Raise UnusableFile when a text that should hold `expected` is one whole JSON document, an error answer mostly."""
    data = text.data
    if not _LOOKS_LIKE_JSON.match(data) or len(data) > MAX_JSON_BYTES or data.rstrip()[-1:] not in b"]}":
        return
    try:
        json.loads(data)
    except RecursionError:
        pass
    except ValueError:
        return
    start = " ".join(data[:200].decode("utf-8", "ignore").split())
    raise UnusableFile(text.file, f"JSON document instead of {expected}: {start}")


def duplicate_keys(value: object) -> list[str]:
    """Keys that an object names twice, at its own level."""
    return list(value.get(_DUPLICATES, ())) if isinstance(value, dict) else []


def duplicate_defect(*values: object) -> Reject | None:
    """The defect of an element in which one of the objects names a key twice: no saying which value was meant."""
    keys = [key for value in values for key in duplicate_keys(value)]
    if not keys:
        return None
    return Reject(
        "duplicate_key", f"key {', '.join(repr(key[:80]) for key in keys)} twice in one object; expected each once"
    )


def refuse_duplicates(file: str, value: object, what: str) -> None:
    """Raise UnusableFile when the object that holds everything names a key twice."""
    keys = duplicate_keys(value)
    if keys:
        raise UnusableFile(
            file, f"{what} names {', '.join(repr(key[:80]) for key in keys)} twice; expected each key once"
        )


def excerpt(value: object) -> str:
    """An element as JSON text, cut to what quarantine keeps."""
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != _DUPLICATES}
    try:
        return json.dumps(value, ensure_ascii=False)[:HEAD_CHARACTERS]
    except RecursionError:  # just shallow enough to be read is too deep to be written
        return "(nested too deep to show)"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        value[_DUPLICATES] = sorted(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise _NotANumber(word)
