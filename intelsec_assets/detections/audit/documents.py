"""JSON values one after the other out of a text, as slices of it: any layout, any depth, also one that breaks off.

Only where a value starts and ends is decided here; a value that cannot be parsed is handed on all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator

from intelsec_assets.detections.audit.unpacking import Cut

WRAPPERS = ("Records", "records", "value")

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[\s,\x1e]*")
# what matters for finding the end of a value: brackets, and texts as a whole, one without end to the end of all
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
# a list that is not empty, as far as a look can tell
_LISTS = re.compile(r"\[\s*[{\[]")
_SCALAR = re.compile(r"[^\s,\[\]{}]+")


def records(text: str) -> Iterator[str | Cut]:
    """Records of a text: elements of lists and of wrappers' lists, objects by themselves, a Cut where it breaks.

    After a value that has no end nothing can be told, so the Cut is the last.
    """
    at = _skip_space(text, 0)
    while at < len(text):
        if text[at] == "[":
            at = yield from _elements(text, at)
        elif text[at] == "{" and (inner := _wrapped(text, at)) is not None:
            before = text[at:inner]
            at = yield from _elements(text, inner)
            if at < len(text):
                at = yield from _rest(text, at)
            if _LISTS.search(before):
                yield Cut("beside_the_records", "a list that holds something stands before the list of records")
        else:
            end = end_of(text, at)
            if end is None:
                yield _broken(text, at)
                return
            yield text[at:end]
            at = end
        at = _skip_space(text, at)


def is_wrapper(text: str) -> bool:
    """Whether the text starts with an object that wraps a list of records."""
    at = _skip_space(text, 0)
    return text.startswith("{", at) and _wrapped(text, at) is not None


def end_of(text: str, start: int) -> int | None:
    """Where the value that starts at `start` ends; None if it does not."""
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return _end_by_brackets(text, start)


def _end_by_brackets(text: str, start: int) -> int | None:
    """The same without parsing: brackets and texts only, at any depth."""
    if text[start] not in "{[":
        scalar = _SCALAR.match(text, start)
        return scalar.end() if scalar else None
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
            if depth == 0:
                return token.end()
    return None


def _elements(text: str, start: int) -> Generator[str | Cut, None, int]:
    """Elements of the list at `start`; returns the place after it."""
    at = _skip_space(text, start + 1)
    while at < len(text) and text[at] != "]":
        end = end_of(text, at)
        if end is None:
            yield _broken(text, at)
            return len(text)
        yield text[at:end]
        at = _skip_space(text, end)
    if at >= len(text):
        yield Cut("truncated", "the file ends within its list of records")
        return len(text)
    return at + 1


def _wrapped(text: str, start: int) -> int | None:
    """Where the list of a wrapper starts whose object starts at `start`; None if the object is none."""
    at = _skip_space(text, start + 1)
    while at < len(text) and text[at] == '"':
        end = end_of(text, at)
        if end is None:
            return None
        key = text[at + 1 : end - 1]
        colon = _skip_space(text, end)
        if not text.startswith(":", colon):
            return None
        value = _skip_space(text, colon + 1)
        if key in WRAPPERS and text.startswith("[", value):
            return value
        after = end_of(text, value) if value < len(text) else None
        if after is None:
            return None
        at = _skip_space(text, after)
    return None


def _rest(text: str, start: int) -> Generator[Cut, None, int]:
    """What follows the list of records in its object, by name if it may hold records; returns the place after it."""
    at = _skip_space(text, start)
    while at < len(text) and text[at] != "}":
        end = end_of(text, at) if text[at] == '"' else None
        value = len(text) if end is None else _skip_space(text, end)
        value = _skip_space(text, value + 1) if text.startswith(":", value) else len(text)
        after = end_of(text, value) if value < len(text) else None
        if after is None:
            yield Cut("truncated", f"what follows the list of records has no end: {text[at : at + 60]!r}…")
            return len(text)
        if text[value] in "{[" and _skip_space(text, value + 1) < after - 1:
            yield Cut("beside_the_records", f"{text[at:end]} stands behind the list of records and was not read")
        at = _skip_space(text, after)
    return min(at + 1, len(text))


def _skip_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _broken(text: str, at: int) -> Cut:
    return Cut("truncated", f"the record that starts at character {at:,} has no end: {text[at : at + 60]!r}…")
