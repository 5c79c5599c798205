"""One form for one indicator: `canonical` of any text, with the rules it took or the reason there is none.

The rules of each kind of value live in the modules of this package; whole tables are done in `indicators.canonicalise`.
"""

from __future__ import annotations

from typing import NamedTuple

from intelsec_assets.indicators.canonical.detect import Found, read
from intelsec_assets.indicators.canonical.patterns import CANONICAL, MAX_HOST
from intelsec_assets.indicators.canonical.refang import refang
from intelsec_assets.indicators.canonical.vocabulary import (
    ERRORS,
    MAX_BYTES,
    POLICIES,
    RULES,
    TYPES,
    Policy,
    Refused,
    shown,
)

__all__ = ["ERRORS", "MAX_BYTES", "POLICIES", "RULES", "TYPES", "Canonical", "Policy", "canonical"]


class Canonical(NamedTuple):
    """What became of a value: either indicator_type and value, or error (of ERRORS) and detail (found, expected).

    `rules` are those of RULES that were applied, in order; `host` is the host of a URL (no brackets) or of an e-mail
    address and the name itself of a domain. A named tuple because it is made millions of times: four times as fast as
    a frozen dataclass.
    """

    raw: str
    indicator_type: str | None
    value: str | None
    rules: tuple[str, ...]
    error: str | None
    detail: str | None
    host: str | None


# each pass undoes one layer (marks within marks); real values need one, made-up ones three
_MAX_PASSES = 8
_NO_RULES: tuple[str, ...] = ()
_EMPTY_PATH = ("empty_path_slash",)


def canonical(raw: str, declared_type: str | None = None) -> Canonical:
    """The canonical form of a value as a feed publishes it, of a declared type of TYPES or of the type it looks like.

    Never raises, whatever the text. The canonical form of a canonical value is that value: with the same declared type,
    and without any. Definitions: WHATWG URL, UTS #46, RFC 5952, with the differences of POLICIES.
    """
    # most values of a feed are canonical: one match settles them
    match = CANONICAL.fullmatch(raw) if len(raw) <= MAX_BYTES else None
    if match is not None:
        kind = match.lastgroup
        if kind == "domain":
            if len(raw) <= MAX_HOST and (declared_type is None or declared_type == "domain"):
                return Canonical(raw, "domain", raw, _NO_RULES, None, None, raw)
        elif kind in ("url", "origin"):
            host = match["host"]
            if len(host) <= MAX_HOST and (declared_type is None or declared_type == "url"):
                if kind == "url":
                    return Canonical(raw, "url", raw, _NO_RULES, None, None, host)
                if len(raw) < MAX_BYTES:
                    return Canonical(raw, "url", raw + "/", _EMPTY_PATH, None, None, host)
        elif declared_type is None or declared_type == kind:
            return Canonical(raw, kind, raw, _NO_RULES, None, None, None)
    return derived(raw, declared_type)


def derived(raw: str, declared_type: str | None = None) -> Canonical:
    """The same as `canonical`, always by way of the rules: for values known not to be canonical yet."""
    rules: list[str] = []
    try:
        found = _settled(raw, declared_type, rules)
    except Refused as refusal:
        return Canonical(raw, None, None, tuple(dict.fromkeys(rules)), refusal.code, refusal.detail, None)
    return Canonical(raw, found.indicator_type, found.value, tuple(dict.fromkeys(rules)), None, None, found.host)


def _settled(raw: str, declared: str | None, rules: list[str]) -> Found:
    """The form that no further pass changes."""
    _refuse_oversize(raw)
    if declared is not None and declared not in TYPES:
        raise Refused("unknown_type", f"found type {shown(declared)}; expected one of {', '.join(TYPES)}")
    found = _pass(raw, declared, rules)
    for _ in range(_MAX_PASSES):
        _refuse_oversize(found.value)
        if CANONICAL.fullmatch(found.value):
            return found
        later: list[str] = []
        again = _pass(found.value, declared, later)
        if again.value == found.value:
            return again
        found = again
        rules.extend(later)
    raise Refused(
        "not_stable", f"found {shown(raw)}, still changing after {_MAX_PASSES} passes; expected a plain value"
    )


def _pass(raw: str, declared: str | None, rules: list[str]) -> Found:
    text, refanged = refang(raw)
    rules.extend(refanged)
    _refuse_broken(text)
    return read(text, declared, rules)


def _refuse_oversize(text: str) -> None:
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise Refused("too_long", f"found {size} bytes; expected at most {MAX_BYTES}")


def _refuse_broken(text: str) -> None:
    if not text:
        raise Refused("empty", "found nothing; expected a value")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Refused("invalid_utf8", f"found {shown(text)}; expected UTF-8 text") from None
    if not text.isprintable() and any(c < " " or c == "\x7f" for c in text):
        raise Refused("control_character", f"found a control character inside {shown(text)}; expected one value")
    if text.endswith(("…", "...")):
        raise Refused("truncated", f"found {shown(text)}, cut by its publisher; expected the whole value")
