"""SQL text that is safe whatever a rule holds: literals, identifiers, case folding, and a Sigma string against a text.

Here stand only expressions over one text; how a field becomes a text is the backend's, how conditions combine too.
"""

import re
from collections.abc import Iterable, Sequence

from sigma.exceptions import SigmaPlaceholderError, SigmaValueError
from sigma.types import Placeholder, SigmaCasedString, SigmaString, SpecialChars

# measured on 1 M rows: IN is tried value by value (300 values 1.4 s), one RE2 pass costs 0.15 s however many there are
IN_LIST_LIMIT = 8
PATTERN_OR_LIMIT = 3
NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"  # no nan, no inf, no 0x1f, no 1_000, all of which a cast takes
ALTERNATIVES = 400  # RE2 refuses programs over 8 MB; 400 values of 5 KB stay below it

Part = str | SpecialChars


def literal(value: str) -> str:
    """SQL string literal of any text; NUL, which ends a statement, is spelled chr(0)."""
    try:
        # YAML reads the escapes of a pair of surrogates as two characters; together they are one
        value = value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        msg = f"{value!r} holds a lone surrogate, which is no text; write the character itself"
        raise SigmaValueError(msg) from error
    parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def identifier(name: str) -> str:
    """Quoted SQL identifier of any name (dots are part of it)."""
    if "\0" in name or not name:
        msg = f"{name!r} cannot name a column; map the field to another name in a processing pipeline"
        raise SigmaValueError(msg)
    return '"' + name.replace('"', '""') + '"'


def json_path(column: str, field: str) -> str:
    """SQL of the text at a dotted path of a JSON column; missing and JSON null are NULL, an array is its JSON."""
    steps = (step.replace("~", "~0").replace("/", "~1") for step in field.split("."))
    return f"json_extract_string({identifier(column)}, {literal('/' + '/'.join(steps))})"


def fold(value: str) -> str:
    """Lower case as DuckDB's lower() has it: one code point to one code point (tested on all of them)."""
    if value.isascii():
        return value.lower()
    return "".join(_fold_character(character) for character in value)


def _fold_character(character: str) -> str:
    if character == "\u0130":  # Python's full mapping gives two characters, the simple one is a plain i
        return "i"
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character


def parts_of(value: SigmaString) -> tuple[Part, ...]:
    """Pieces of text and wildcards, without empty or repeated ones.

    Raises:
        SigmaPlaceholderError: the value holds a placeholder that no pipeline has replaced.
    """
    parts: list[Part] = []
    for part in value.s:
        if isinstance(part, Placeholder):
            msg = (
                f"Placeholder %{part.name}% has no values; give them with a pipeline "
                "(ValueListPlaceholderTransformation) or drop the modifier 'expand'"
            )
            raise SigmaPlaceholderError(msg)
        if part == "" or (part is SpecialChars.WILDCARD_MULTI and parts and parts[-1] is part):
            continue
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return tuple(parts)


def is_cased(value: SigmaString) -> bool:
    """Whether upper and lower case differ for this value."""
    return isinstance(value, SigmaCasedString)


def folded_parts(value: SigmaString) -> tuple[Part, ...]:
    """`parts_of`, in lower case unless the value is cased."""
    parts = parts_of(value)
    return parts if is_cased(value) else tuple(fold(part) if isinstance(part, str) else part for part in parts)


def whole_value(parts: Sequence[Part]) -> str | None:
    """The text if the parts have no wildcard."""
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else None


def matches(text: str, parts: Sequence[Part]) -> str:
    """SQL that says whether `text` (an expression, already folded) is matched; NULL for NULL."""
    multi = SpecialChars.WILDCARD_MULTI
    value = whole_value(parts)
    if value is not None:
        return f"{text} = {literal(value)}"
    if list(parts) == [multi]:
        return f"{text} IS NOT NULL"
    match tuple(part if part is multi else "text" if isinstance(part, str) else "one" for part in parts):
        case (SpecialChars.WILDCARD_MULTI, "text", SpecialChars.WILDCARD_MULTI):
            return f"contains({text}, {literal(str(parts[1]))})"
        case ("text", SpecialChars.WILDCARD_MULTI):
            return f"starts_with({text}, {literal(str(parts[0]))})"
        case (SpecialChars.WILDCARD_MULTI, "text"):
            return f"ends_with({text}, {literal(str(parts[1]))})"
        case _:
            return f"{text} {like(parts)}"


def like(parts: Sequence[Part]) -> str:
    r"""LIKE with its pattern; `%`, `_` and `\` of the text are escaped."""
    wildcards = {SpecialChars.WILDCARD_MULTI: "%", SpecialChars.WILDCARD_SINGLE: "_"}
    if not any(isinstance(part, str) and re.search(r"[%_]", part) for part in parts):
        # without ESCAPE a backslash is itself, and DuckDB has a fast path for the pattern
        return "LIKE " + literal("".join(part if isinstance(part, str) else wildcards[part] for part in parts))
    escaped = (re.sub(r"([%_\\])", r"\\\1", part) if isinstance(part, str) else wildcards[part] for part in parts)
    return "LIKE " + literal("".join(escaped)) + " ESCAPE '\\'"


def any_match(text: str, values: Iterable[tuple[Part, ...]]) -> str:
    """SQL that says whether one of the values matches; many values cost what one pass of RE2 costs."""
    unique = list(dict.fromkeys(values))
    whole = [value for value in (whole_value(parts) for parts in unique) if value is not None]
    patterns = [parts for parts in unique if whole_value(parts) is None]
    alternatives: list[str] = []
    if len(whole) == 1:
        alternatives.append(f"{text} = {literal(whole[0])}")
    elif 1 < len(whole) <= IN_LIST_LIMIT:
        alternatives.append(f"{text} IN ({', '.join(map(literal, whole))})")
    elif whole:
        alternatives += _regex(text, [(value,) if value else () for value in whole])
    if len(patterns) <= PATTERN_OR_LIMIT:
        alternatives += [matches(text, parts) for parts in patterns]
    else:
        alternatives += _regex(text, patterns)
    return alternatives[0] if len(alternatives) == 1 else "(" + " OR ".join(alternatives) + ")"


def _regex(text: str, values: Sequence[tuple[Part, ...]]) -> list[str]:
    return [
        f"regexp_matches({text}, {literal('(?s)' + '|'.join(map(_alternative, values[start : start + ALTERNATIVES])))})"
        for start in range(0, len(values), ALTERNATIVES)
    ]


def _alternative(parts: tuple[Part, ...]) -> str:
    multi = SpecialChars.WILDCARD_MULTI
    head, tail = r"\A", r"\z"
    if parts and parts[0] is multi:
        parts, head = parts[1:], ""
    if parts and parts[-1] is multi:
        parts, tail = parts[:-1], ""
    body = "".join(quote_regex(part) if isinstance(part, str) else ".*" if part is multi else "." for part in parts)
    return f"{head}{body}{tail}"


def quote_regex(value: str) -> str:
    """RE2 pattern that matches exactly this text."""
    return "".join(
        character
        if character.isalnum() or character in "_-/ :,;=@%&#!\"'<>~`" or ord(character) > 127
        else f"\\x{{{ord(character):x}}}"
        for character in value
    )


def number(value: str) -> str:
    """SQL of the text `value` (an expression) as DOUBLE, NULL if it is no decimal number or not finite."""
    cast = f"TRY_CAST({value} AS DOUBLE)"
    return f"CASE WHEN regexp_full_match({value}, {literal(NUMBER)}) AND isfinite({cast}) THEN {cast} END"
