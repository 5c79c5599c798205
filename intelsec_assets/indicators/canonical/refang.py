"""Turning back what publishers do to a value so that nobody clicks it; taking off what copy and paste left around it.

What kind of value it is, and its canonical form, is decided elsewhere.
"""

from __future__ import annotations

import re

from intelsec_assets.indicators.canonical.vocabulary import Refused, shown

_CONTROLS = "".join(map(chr, range(0x21))) + "\x7f"
_QUOTES = "\"'`´‘’‚“”„«»‹›<>"
# zero width space, word joiner, byte order mark, soft hyphen, and the marks and overrides of direction
_INVISIBLE = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
# what else Unicode calls white space
_SPACES = "\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_AROUND = _CONTROLS + _QUOTES + _SPACES
_AFTER = _AROUND + ",;"

# UTS #46 needs joiners after letters of some scripts; after ASCII or at the start they are left-overs
_HIDDEN = re.compile(f"[{_INVISIBLE}]+")
_JOINERS = re.compile(r"(?:^|(?<=[\x00-\x7f]))[\u200c\u200d]+")
_OPEN, _CLOSE = r"[\[({]", r"[\])}]"
_DOT = re.compile(rf" {{0,3}}{_OPEN} ?(?:\.|dot) ?{_CLOSE} {{0,3}}", re.IGNORECASE)
_AT = re.compile(rf" {{0,3}}{_OPEN} ?(?:@|at) ?{_CLOSE} {{0,3}}", re.IGNORECASE)
_COLON = re.compile(rf"{_OPEN}(:(?:/{{1,2}})?){_CLOSE}")
_SLASH = re.compile(rf"{_OPEN}(/{{1,2}}){_CLOSE}")
_HTTP = re.compile(r"h(?:xx|tx|xt|\*\*)p(s?)(?=:)", re.IGNORECASE)
_FTP = re.compile(r"fxp(?=:)", re.IGNORECASE)
_BRACKETS = re.compile(r"[\[({]")

# marks inside marks inside marks are no publisher's habit
_MAX_NESTING = 8


def refang(raw: str) -> tuple[str, list[str]]:
    """The value as meant, and the rules that were needed (trimmed, invisible_removed, refanged)."""
    rules: list[str] = []
    text = raw if raw.isascii() else _JOINERS.sub("", _HIDDEN.sub("", raw))
    if text != raw:
        rules.append("invisible_removed")
    trimmed = text.strip(_AROUND).rstrip(_AFTER)
    if trimmed != text:
        rules.append("trimmed")
    meant = _turned_back(trimmed)
    if meant != trimmed:
        rules.append("refanged")
    return meant, rules


def _turned_back(text: str) -> str:
    for _ in range(_MAX_NESTING):
        before = text
        if _BRACKETS.search(text):
            text = _DOT.sub(".", text)
            text = _AT.sub("@", text)
            text = _COLON.sub(r"\1", text)
            text = _SLASH.sub(r"\1", text)
        if text[:1] in "hH":
            text = _replaced_scheme(_HTTP, r"http\1", text)
        elif text[:1] in "fF":
            text = _replaced_scheme(_FTP, "ftp", text)
        if text == before:
            return text
    raise Refused(
        "not_stable", f"found marks nested over {_MAX_NESTING} deep in {shown(text)}; expected one around a dot"
    )


def _replaced_scheme(pattern: re.Pattern[str], by: str, text: str) -> str:
    match = pattern.match(text)
    return match.expand(by).lower() + text[match.end() :] if match else text
