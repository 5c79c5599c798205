"""STIX patterns that name values outright: which values of which types, and why a pattern cannot be read as a list.

The grammar itself is `pattern_grammar`; what the indicator around the pattern says belongs to `stix`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from intelsec_assets.feeds.formats.claims import address_type

# A comparison costs the grammar 0.15 ms; a pattern above this is a rule, not a list of values
MAX_PATTERN_CHARACTERS = 1 << 16

_SINGLE_EQUALITY = re.compile(
    r"\[\s*(?P<object>[a-zA-Z][a-zA-Z0-9-]*):(?P<path>value|hashes\.(?:MD5|'(?P<hash>[A-Za-z0-9-]+)'))"
    r"\s*=\s*'(?P<value>[^'\\]*)'\s*\]",
    re.ASCII,
)
_VALUE_TYPES = {
    "ipv4-addr": None,  # told from the value: STIX writes networks the same way
    "ipv6-addr": None,
    "domain-name": "domain",
    "url": "url",
    "email-addr": "email",
}
_HASH_TYPES = ("md5", "sha1", "sha256", "sha512")


class PatternNotSupported(Exception):
    """The pattern is not STIX, or says more than "any of these values"; the message says which."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One value a pattern looks for: its indicator type and the value, unescaped."""

    indicator_type: str
    value: str


def comparisons(pattern: str) -> list[Comparison]:
    """The values a pattern matches any one of, in order: `=`, `IN` and `OR`, within or between observations.

    Raises PatternNotSupported for AND, FOLLOWEDBY, NOT, qualifiers, other operators and other object properties: taken
    apart, the parts of an AND would flag what the pattern does not.
    """
    single = _SINGLE_EQUALITY.fullmatch(pattern)  # 99 of 100 patterns in feeds, at a hundredth of the cost
    if single:
        path = ("value",) if single["path"] == "value" else ("hashes", single["hash"] or "MD5")
        return [_comparison(single["object"], path, single["value"])]
    return parsed_comparisons(pattern)


def parsed_comparisons(pattern: str) -> list[Comparison]:
    """The same by the grammar alone, for every pattern."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise PatternNotSupported(
            f"a pattern of {len(pattern):,} characters; expected at most {MAX_PATTERN_CHARACTERS:,}"
        )
    from intelsec_assets.feeds.formats import pattern_grammar  # 60 ms to import, and seldom needed

    try:
        found, obstacles = pattern_grammar.read(pattern)
    except pattern_grammar.NotAPattern as error:
        raise PatternNotSupported(f"not a STIX pattern: {error}") from None
    if obstacles:
        raise PatternNotSupported(f"{obstacles[0]}; expected values joined by OR")
    return [_comparison(*equality) for equality in found]


def _comparison(object_type: str, path: tuple[str, ...], value: str) -> Comparison:
    if path == ("value",) and object_type in _VALUE_TYPES:
        return Comparison(_VALUE_TYPES[object_type] or address_type(value), value)
    if object_type == "file" and len(path) == 2 and path[0] == "hashes":
        algorithm = path[1].lower().replace("-", "").replace("_", "")
        if algorithm in _HASH_TYPES:
            return Comparison(algorithm, value)
    raise PatternNotSupported(
        f"property {object_type}:{'.'.join(path)}; expected an address, a name, a URL or a file hash"
    )
