"""Canonical form of file digests: lower-case hexadecimal, the algorithm by the number of digits.

Fuzzy hashes (ssdeep, TLSH) are no indicator type here.
"""

from __future__ import annotations

import re

from intelsec_assets.indicators.canonical.vocabulary import HASH_LENGTHS, Refused, shown

_HEX = re.compile(r"[0-9A-Fa-f]+")
_BY_LENGTH = {length: name for name, length in HASH_LENGTHS.items()}


def is_hash(text: str) -> bool:
    """True for hexadecimal digits in the number of a known digest."""
    return len(text) in _BY_LENGTH and _HEX.fullmatch(text) is not None


def digest(text: str, declared: str | None, rules: list[str]) -> tuple[str, str]:
    """Type and canonical value of a digest. Raises Refused, also for a digest of another type than declared."""
    lowered = text.lower()
    wanted = f"{HASH_LENGTHS[declared]} of a {declared}" if declared else "32, 40, 64 or 128"
    if not _HEX.fullmatch(text):
        raise Refused("bad_hash", f"found {shown(text)}; expected hexadecimal digits, {wanted}")
    kind = _BY_LENGTH.get(len(text))
    if kind is None or (declared is not None and kind != declared):
        known = f" (a {kind} has that many)" if kind else ""
        raise Refused("bad_hash", f"found {len(text)} hexadecimal digits{known}; expected {wanted}")
    if lowered != text:
        rules.append("lowercased")
    return kind, lowered
