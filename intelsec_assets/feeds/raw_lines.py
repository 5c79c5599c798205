"""The line of a stored raw file that a feed row came from, as its publisher wrote it.

What the line means is decided in `formats`; that the stored bytes are those that were read is proved by `snapshot`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intelsec_assets.feeds.formats.decoding import read_text
from intelsec_assets.feeds.formats.rows import UnusableFile
from intelsec_assets.feeds.snapshot import RawStore, RawStoreError

MOST_CHARACTERS = 4096  # of a line or element; whoever needs all of it has the hash of the file


@dataclass(frozen=True)
class RawLine:
    """The text as published, cut to MOST_CHARACTERS; None where it is not to be had, and then `note` says why."""

    text: str | None
    note: str = ""


class RawLines:
    """Lines out of a raw store; each file is read once."""

    def __init__(self, store: RawStore) -> None:
        self._store = store
        self._files: dict[str, bytes | str] = {}  # what could not be read is remembered by its reason

    def line(self, sha256: str, file: str, number: int, raw_value: str) -> RawLine:
        """The line of a text file; of a JSON document, where `number` counts rows, the element that holds the value."""
        content = self._content(sha256)
        if isinstance(content, str):
            return RawLine(None, content)
        try:
            text = read_text(content, file, "a feed's file").data.decode("utf-8", "replace")
        except UnusableFile as error:
            return RawLine(None, str(error))
        if text.lstrip()[:1] in {"{", "["}:
            return _element(text, raw_value)
        lines = text.split("\n")
        if not 1 <= number <= len(lines):
            return RawLine(None, f"{file} has {len(lines):,} lines, none of number {number:,}")
        return RawLine(_cut(lines[number - 1]))

    def _content(self, sha256: str) -> bytes | str:
        if sha256 not in self._files:
            try:
                self._files[sha256] = self._store.get(sha256)
            except RawStoreError as error:
                self._files[sha256] = str(error)
        return self._files[sha256]


def _element(text: str, raw_value: str) -> RawLine:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return RawLine(None, f"not JSON that can be read: {error}")
    found = [json.dumps(element, ensure_ascii=False) for element in _holding(document, raw_value)]
    if not found:
        return RawLine(None, "no element of the document holds the value in one piece")
    note = f"the first of {len(found)} elements that hold the value" if len(found) > 1 else ""
    return RawLine(_cut(found[0]), note)


def _holding(value: Any, wanted: str) -> Iterator[dict[str, Any]]:
    """The innermost objects with a text of their own in which the value stands, in document order."""
    if isinstance(value, dict):
        if any(isinstance(item, str) and wanted in item for item in value.values()):
            yield value
            return
        for item in value.values():
            yield from _holding(item, wanted)
    elif isinstance(value, list):
        for item in value:
            yield from _holding(item, wanted)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
