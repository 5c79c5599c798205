"""Records that only a patient reader takes: what is odd in their text is put right and named, or it is no record.

Called for the few that DuckDB refuses or reads in its own way; all others never come here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from intelsec_assets.detections.audit.framing import MAX_EVENT

_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f]")
NON_FINITE, NUL, SURROGATE, CONTROL, DUPLICATE_KEY = (
    "non_finite_number",
    "nul_character",
    "lone_surrogate",
    "control_character",
    "duplicate_key",
)


@dataclass(frozen=True)
class Repaired:
    """A record as JSON that every reader takes, and what was put right."""

    text: str
    anomalies: frozenset[str]


@dataclass(frozen=True)
class Refused:
    """Why a record is none."""

    reason: str
    detail: str


def repaired(text: str) -> Repaired | Refused:
    """The record put right, or why it cannot be."""
    found: set[str] = set()

    def constant(_name: str) -> None:
        found.add(NON_FINITE)

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        kept = _first_of_each(pairs)
        if len(kept) < len(pairs):
            found.add(DUPLICATE_KEY)
        return kept

    try:
        value = json.loads(text, strict=False, parse_constant=constant, object_pairs_hook=members)
    except RecursionError:
        return Refused("malformed", "nested too deeply to be put right")
    except ValueError as error:
        return Refused("malformed", f"no JSON: {error}")
    if not isinstance(value, dict):
        return Refused("not_an_event", f"expected an object, found {json.dumps(value)[:80]}")
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in written:
        found.add(NUL)
        written = written.replace("\\u0000", "�")
    if _SURROGATES.search(written):
        found.add(SURROGATE)
        written = _SURROGATES.sub("�", written)
    if _CONTROL.search(text) and "\n" not in text:
        found.add(CONTROL)
    if len(written) > MAX_EVENT:
        return Refused("too_large", f"{len(written):,} characters; expected at most {MAX_EVENT:,} an event")
    return Repaired(written, frozenset(found))


def canonical(text: str) -> str:
    """The record with its keys in order: the same for every order in which a delivery writes them."""
    value = json.loads(text, strict=False, object_pairs_hook=_first_of_each)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which the first of two keys counts, as it does for DuckDB."""
    kept: dict[str, Any] = {}
    for key, value in pairs:
        kept.setdefault(key, value)
    return kept


def in_one_order(text: str) -> str:
    """`canonical`, and what cannot be put in order as it stands."""
    try:
        return canonical(text)
    except (ValueError, RecursionError):
        return text
