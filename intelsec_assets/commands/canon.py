"""`intelsec canon`: the canonical form of values from a file or a pipe, a line in, a line out.

What the canonical form is lives in `indicators.canonical`; here are lines, their encoding, and bounded memory.
"""

from __future__ import annotations

import io
import json as jsons
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple

import typer

from intelsec_assets.commands.faces import DONE, FOUND_SOMETHING, WRONG_USE, Json, fail
from intelsec_assets.indicators.canonical import MAX_BYTES, TYPES, Canonical, canonical

# read at once; what a pipe holds is answered without waiting for more
_CHUNK = 1 << 18
# of a line longer than any value this much is shown
_SHOWN = 256
_LONGEST = MAX_BYTES + 2

# what would break the columns or the terminal, and lone surrogates: bytes that were not UTF-8
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\\\\u2028\u2029\udc80-\udcff]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r", "\\": r"\\"}


Source = Annotated[
    str,
    typer.Argument(metavar="[FILE|-]", help="File with a value a line; - reads standard input.", show_default=False),
]
Declared = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help=f"Type the values are declared as: {', '.join(TYPES)}.")
]


class Lines(NamedTuple):
    """Lines that were read together, without their ends, and the sizes of those that were cut (position -> bytes)."""

    lines: list[bytes]
    cut: dict[int, int]


def canon(
    source: Source = "-",
    declared: Declared = None,
    json: Json = False,
) -> None:
    r"""Canonical form of values: a line in, a line out, in the same order.

    Columns, separated by tabs: value as given, type, canonical value, rules applied (comma separated), error. In the
    first column tab, backslash and control characters are written \t, \\, \xNN, a line longer than a value can be is
    cut; with --json each line is an object with raw, type, value, rules, error and detail.

    Exit code 0 all have a canonical form, 1 some have none, 2 unknown type or no such file.

    Example: printf 'hxxp://Evil[.]example\n' | intelsec canon
    """
    if declared is not None and declared not in TYPES:
        fail(f"--type {declared!r} is unknown: expected one of {', '.join(TYPES)}", WRONG_USE)
    write = _as_json if json else _as_columns
    output = sys.stdout.buffer
    refused = False
    with _opened(source) as stream:
        try:
            for lines in read_lines(stream):
                forms = _forms(lines, declared)
                output.write(write(forms))
                output.flush()
                refused = refused or any(form.error is not None for form in forms)
        except BrokenPipeError:
            # the reader has seen enough (`| head`): nothing is left to be flushed at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(FOUND_SOMETHING if refused else DONE)


def read_lines(stream: BinaryIO) -> Iterator[Lines]:
    """The lines of a stream as it delivers them, a chunk in memory: of over-long lines only the beginning is kept."""
    read = stream.read1 if isinstance(stream, io.BufferedReader | io.BytesIO) else stream.read
    start = b""
    dropped = 0
    while chunk := read(_CHUNK):
        lines = chunk.split(b"\n")
        lines[0] = start + lines[0]
        cut = {0: len(lines[0]) + dropped} if dropped else {}
        start = lines.pop()
        if not lines:
            # still the same line
            dropped = dropped if len(start) <= _LONGEST else dropped + len(start) - _LONGEST
            start = start[:_LONGEST]
            continue
        dropped = max(0, len(start) - _LONGEST)
        start = start[:_LONGEST]
        yield Lines(lines, cut)
    if start:
        yield Lines([start], {0: len(start) + dropped} if dropped else {})


def _opened(source: str) -> BinaryIO:
    if source == "-":
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        fail(f"{source}: {error.strerror}: expected a file with a value a line, or - for standard input", WRONG_USE)


def _forms(lines: Lines, declared: str | None) -> list[Canonical]:
    forms = []
    for position, line in enumerate(lines.lines):
        size = lines.cut.get(position, len(line))
        if size > _LONGEST:
            forms.append(_too_long(line, size))
        else:
            forms.append(canonical(line.decode("utf-8", "surrogateescape").removesuffix("\r"), declared))
    return forms


def _too_long(line: bytes, size: int) -> Canonical:
    beginning = line[:_SHOWN].decode("utf-8", "replace") + "…"
    detail = f"found a line of {size} bytes; expected at most {MAX_BYTES}"
    return Canonical(beginning, None, None, (), "too_long", detail, None)


def _as_columns(forms: list[Canonical]) -> bytes:
    # asked once a chunk: most hold nothing to be escaped
    is_unsafe = _UNSAFE.search("".join([form.raw for form in forms])) is not None
    rows = [
        f"{_safe(raw) if is_unsafe else raw}\t{kind or ''}\t{value or ''}\t{','.join(rules)}\t{error or ''}\n"
        for raw, kind, value, rules, error, _, _ in forms
    ]
    return "".join(rows).encode()


def _as_json(forms: list[Canonical]) -> bytes:
    rows = [
        jsons.dumps(
            {
                # a byte that was not UTF-8 is written \xNN: a lone surrogate is no JSON that others read
                "raw": _NOT_UTF8.sub(_escaped, form.raw) if form.error == "invalid_utf8" else form.raw,
                "type": form.indicator_type,
                "value": form.value,
                "rules": form.rules,
                "error": form.error,
                "detail": form.detail,
            },
            ensure_ascii=False,
        )
        for form in forms
    ]
    return "".join([row + "\n" for row in rows]).encode()


def _safe(raw: str) -> str:
    return _UNSAFE.sub(_escaped, raw)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code > 0xFFF:
        return f"\\x{code - 0xDC00:02x}" if code >= 0xDC80 else f"\\u{code:04x}"
    return _NAMED.get(character, f"\\x{code:02x}")
