"""Keywords: values without a field, searched in every value of the whole event.

Keys of the event are not searched, only its strings, numbers and booleans; an event that is no JSON is one text.
"""

import re
from collections.abc import Sequence

from sigma.types import SigmaString, SpecialChars

from .text import Part, any_match, fold, folded_parts, is_cased, literal, parts_of

TOKENS = r'"(?:[^"\\]|\\.)*"(?:\s*:)?|[^\s{}\[\]:,"]+'  # of valid JSON: a key ends in a colon, all else is a value
PLAIN = re.compile(r"[A-Za-z0-9 _.:;,@=+-]+")  # what no writer of JSON escapes


def contains(event: str, values: Sequence[SigmaString]) -> str:
    """SQL that says whether a value of `event` (a column with JSON text) contains one of the keywords."""
    searches = []
    for cased in (False, True):
        chosen = [value for value in values if is_cased(value) == cased]
        if chosen:
            searches.append(_contains(event, chosen, cased=cased))
    return searches[0] if len(searches) == 1 else "(" + " OR ".join(searches) + ")"


def _contains(event: str, values: Sequence[SigmaString], *, cased: bool) -> str:
    anything = SpecialChars.WILDCARD_MULTI
    patterns = [(anything, *_without_outer(folded_parts(value)), anything) for value in values]
    leaf = "v" if cased else "lower(v)"
    search = _in_values(event, any_match(leaf, [_merged(pattern) for pattern in patterns]))
    text = f"CAST({event} AS VARCHAR)"
    fragments = [_fragment(value, cased=cased) for value in values]
    if not all(fragments):
        return search
    # most events hold none of the words: say so from the text before any JSON is read
    glance = any_match(text if cased else f"lower({text})", [(anything, fragment, anything) for fragment in fragments])
    return f"CASE WHEN {glance} OR contains({text}, '\\u00') THEN {search} ELSE FALSE END"


def matches(event: str, pattern: str) -> str:
    """SQL that says whether a value of `event` matches the RE2 pattern."""
    return _in_values(event, f"regexp_matches(v, {literal(pattern)})")


def _in_values(event: str, predicate: str) -> str:
    text = f"CAST({event} AS VARCHAR)"
    # reading tokens is linear; '$..*' writes every object out once a level, 27 s for one event nested 20,000 deep
    scalars = (
        f"list_transform(list_filter(regexp_extract_all({text}, {literal(TOKENS)}), "
        "lambda t: NOT ends_with(t, ':') AND t <> 'null'), "
        "lambda t: CASE WHEN starts_with(t, '\"') THEN json_extract_string(t, '$') ELSE t END)"
    )
    values = f"CASE WHEN json_valid({text}) THEN {scalars} ELSE [{text}] END"
    return f"len(list_filter({values}, lambda v: {predicate})) > 0"


def _without_outer(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    anything = SpecialChars.WILDCARD_MULTI
    start = 1 if parts and parts[0] is anything else 0
    end = len(parts) - 1 if len(parts) > start and parts[-1] is anything else len(parts)
    return parts[start:end]


def _merged(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return parts[:1] if len(parts) == 2 else parts


def _fragment(value: SigmaString, *, cased: bool) -> str:
    texts = [part for part in parts_of(value) if isinstance(part, str)]
    longest = max((found for part in texts for found in PLAIN.findall(part)), key=len, default="")
    return longest if cased else fold(longest)
