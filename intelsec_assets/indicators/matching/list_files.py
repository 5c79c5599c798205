"""List files as entries: MISP warninglist JSON, plain lists of addresses and names, and the bundled public suffix list.

Which policy a list has and how its entries are matched does not belong here. A list that cannot be read in full is an
error that names file and entry: a block list that silently went missing would export what it was there to hold back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import ada_url
import duckdb
from publicsuffixlist import PSLFILE

from intelsec_assets.feeds.catalogue import INDICATOR_TYPES
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.matching.networks import Network, parse_network

_ADDRESSES = ("ipv4", "ipv6", "cidr")

# MISP attribute types (describeTypes.json) and the indicator types that can hold such a value. `domain|ip` holds both.
_TYPES_OF_ATTRIBUTE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ip-src", "ip-dst", "ip-src|port", "ip-dst|port"), _ADDRESSES),
    **dict.fromkeys(("domain", "hostname", "hostname|port"), ("domain",)),
    "domain|ip": ("domain", *_ADDRESSES),
    **dict.fromkeys(("url", "uri", "link"), ("url",)),
    **dict.fromkeys(("email", "email-src", "email-dst", "email-reply-to", "target-email"), ("email",)),
    **dict.fromkeys(("whois-registrant-email", "dns-soa-email"), ("email",)),
    **{f"{prefix}{name}": (name,) for name in ("md5", "sha1", "sha256", "sha512") for prefix in ("", "filename|")},
    **{f"x509-fingerprint-{name}": (name,) for name in ("md5", "sha1", "sha256")},
}

# Maltrail's mass_scanner.txt has 3 misspelt addresses and 2 URL paths among 18,000 lines; an HTML page has nothing else
_MAX_UNREADABLE = 0.01

_KINDS = ("cidr", "string", "hostname", "substring", "regex")

# reach of a name entry
VALUE = "value"  # the whole value, or the host of a URL or e-mail address
BELOW = "below"  # the name and everything below it
CHILD = "child"  # names exactly one label below it, as `*.ck` of the public suffix list
EXCEPT = "except"  # the name that a CHILD entry does not mean, as `!www.ck`

_HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}")
# at least two labels, the last not a number: what ends in one is an address or a mistyped one (WHATWG URL, section 3.5)
_NAME = re.compile(r"(?=.{1,253}$)(?!.*\.\d+$)[^\s/@:,;\"'<>()\\]+(\.[^\s/@:,;\"'<>()\\]+)+")
_DELIMITED = re.compile(r"/(?P<pattern>.*)/(?P<flags>[a-zA-Z]*)", re.DOTALL)


class WarninglistError(Exception):
    """A list or its policy cannot be used; the message names the file, the entry, what was expected and what to do."""


@dataclass(frozen=True, slots=True)
class ListContent:
    """A list as read: indicator types it speaks about, and its entries by the way they are matched.

    Each entry is given as published and then in the form compared: networks (entry, network), names (entry, key,
    reach), substrings (entry, key), patterns (entry, RE2 pattern). Keys are lower case.
    """

    title: str
    sha256: str
    types: tuple[str, ...]
    networks: list[tuple[str, Network]] = field(default_factory=list)
    names: list[tuple[str, str, str]] = field(default_factory=list)
    substrings: list[tuple[str, str]] = field(default_factory=list)
    patterns: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[tuple[int, str]] = field(default_factory=list)  # line, text

    @property
    def size(self) -> int:
        """Number of entries."""
        return len(self.networks) + len(self.names) + len(self.substrings) + len(self.patterns)


def read_misp_list(path: Path) -> ListContent:
    """A MISP warninglist (format: MISP/misp-warninglists, schema.json). Those on types no indicator has stay empty.

    Names match as in MISP: `string` is the exact value, so an entry `.google.ad` there matches nothing, while
    `hostname` is the name and everything below it. Raises WarninglistError.
    """
    data = _read(path)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WarninglistError(f"{path}: not a whole JSON document ({error}): fetch the file again") from None
    kind, entries = _list_fields(path, document)
    types = _types(path, kind, document.get("matching_attributes"))
    content = ListContent(str(document.get("name") or path.stem), sha256(data).hexdigest(), types)
    if types:  # an entry for phone numbers or application ids can never match an indicator
        _fill(path, kind, entries, content)
    return content


def read_plain_list(path: Path, *, strict: bool = True) -> ListContent:
    """One address, network, domain, URL, e-mail address or hash a line; what follows ` #` is a comment.

    A domain means everything below it too. Lines that are nothing of that raise WarninglistError when `strict`; else
    they are kept in `unreadable` as long as they are few.
    """
    data = _read(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WarninglistError(f"{path}: not UTF-8 text at byte {error.start}: save the list as UTF-8") from None
    content = ListContent(path.stem, sha256(data).hexdigest(), INDICATOR_TYPES)
    for number, line in enumerate(text.splitlines(), start=1):
        entry = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if entry and not _add_plain(entry, content):
            content.unreadable.append((number, entry[:200]))
    if content.unreadable and (strict or len(content.unreadable) > _MAX_UNREADABLE * content.size):
        number, entry = content.unreadable[0]
        raise WarninglistError(
            f"{path}, line {number}: {entry!r} is no address, network, domain, URL, e-mail address or hash "
            f"({len(content.unreadable):,} such lines): correct the line, or put # before it"
        )
    if not content.size:
        raise WarninglistError(f"{path}: holds no entry: restore the file, or take the list out of the catalogue")
    return content


def read_public_suffixes() -> ListContent:
    """The public suffix list that comes with `publicsuffixlist`, private part (vercel.app, github.io) included.

    Anybody can register below such a name; an indicator that is one itself would stand for all of them.
    """
    path = Path(PSLFILE)
    data = _read(path)
    content = ListContent("public suffix list", sha256(data).hexdigest(), ("domain",))
    for line in data.decode().splitlines():  # format: https://github.com/publicsuffix/list/wiki/Format
        rule = line.split(maxsplit=1)[0] if line.strip() else ""
        if not rule or rule.startswith("//"):
            continue
        reach = CHILD if rule.startswith("*.") else EXCEPT if rule.startswith("!") else VALUE
        name = rule.removeprefix("*.").removeprefix("!")
        content.names.append((rule, name if name.isascii() else ada_url.idna_to_ascii(name).decode(), reach))
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WarninglistError(
            f"{path}: cannot be read ({error.strerror}): restore the file, or take the list out of the catalogue"
        ) from None


def _list_fields(path: Path, document: object) -> tuple[str, list[str]]:
    """Kind and entries of a parsed list, checked."""
    if not isinstance(document, dict):
        found = type(document).__name__
        raise WarninglistError(f"{path}: expected a JSON object with `type` and `list`, found {found}")
    kind, entries = document.get("type"), document.get("list")
    if kind not in _KINDS:
        raise WarninglistError(f"{path}: `type` is {kind!r}, expected one of {', '.join(_KINDS)}")
    if not isinstance(entries, list) or not entries:
        content = "no entry" if entries == [] else type(entries).__name__
        raise WarninglistError(f"{path}: `list` holds {content}, expected an array of texts: fetch the file again")
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, str) or not entry.strip():
            raise WarninglistError(f"{path}, entry {number}: {str(entry)[:200]!r} is not a text: correct or remove it")
    return kind, entries


def _types(path: Path, kind: str, attributes: object) -> tuple[str, ...]:
    """Indicator types behind `matching_attributes`; without it MISP matches every type, and so do we.

    A list of networks speaks of URLs and e-mail addresses too: of those whose host is an address.
    """
    if attributes is None or attributes == []:
        return INDICATOR_TYPES
    if not isinstance(attributes, list) or not all(isinstance(a, str) for a in attributes):
        raise WarninglistError(f"{path}: `matching_attributes` must be an array of MISP attribute types")
    found = {name for attribute in attributes for name in _TYPES_OF_ATTRIBUTE.get(attribute, ())}
    if kind == "cidr" and found.intersection(_ADDRESSES):
        found |= {"url", "email"}
    return tuple(name for name in INDICATOR_TYPES if name in found)


def _fill(path: Path, kind: str, entries: list[str], content: ListContent) -> None:
    if kind == "cidr":
        content.networks.extend(_networks(path, entries))
    elif kind == "string":
        content.names.extend((entry, value_key(entry), VALUE) for entry in entries)
    elif kind == "hostname":
        content.names.extend((entry, name_key(entry), BELOW) for entry in entries)
    elif kind == "substring":
        content.substrings.extend((entry, entry.strip().lower()) for entry in entries)
    else:
        content.patterns.extend(_patterns(path, entries))


def _networks(path: Path, entries: list[str]) -> Iterator[tuple[str, Network]]:
    for number, entry in enumerate(entries, start=1):
        network = parse_network(entry.strip())
        if network is None:
            raise WarninglistError(
                f"{path}, entry {number}: {entry[:200]!r} is not an address or network, expected 192.0.2.0/24 or "
                "2001:db8::/32: correct or remove it"
            )
        yield entry, network


def _patterns(path: Path, entries: list[str]) -> Iterator[tuple[str, str]]:
    """Patterns for RE2, whose time is linear in the text, so that no list can stall a run by backtracking."""
    with duckdb.connect() as con:
        for number, entry in enumerate(entries, start=1):
            try:
                pattern = _re2(entry)
                con.execute("select regexp_matches('', $1)", [pattern])
            except (ValueError, duckdb.Error) as error:
                raise WarninglistError(
                    f"{path}, entry {number}: {entry[:200]!r} is not a regular expression for RE2 ({error}): "
                    "rewrite it without look-around and back-references, or remove it"
                ) from None
            yield entry, pattern


def _re2(entry: str) -> str:
    """`/pattern/flags` as MISP writes it (PHP), or a bare pattern, for RE2. Raises ValueError on an unknown flag."""
    delimited = _DELIMITED.fullmatch(entry)
    if delimited is None:
        return entry
    flags = delimited["flags"].replace("g", "").replace("u", "")  # all matches, UTF-8: no difference to a test
    if unknown := set(flags) - set("ims"):
        raise ValueError(f"unknown flag {''.join(sorted(unknown))!r}, allowed are g, i, m, s, u")
    return f"(?{flags}){delimited['pattern']}" if flags else delimited["pattern"]


def _add_plain(entry: str, content: ListContent) -> bool:
    """Adds a line of a plain list under what it looks like. False when it looks like nothing known."""
    network = parse_network(entry)
    if network is not None:
        content.networks.append((entry, network))
    elif "://" in entry or "@" in entry or _HASH.fullmatch(entry.lower()):
        content.names.append((entry, value_key(entry), VALUE))
    elif _NAME.fullmatch(key := name_key(entry)):
        content.names.append((entry, key, BELOW))
    else:
        return False
    return True


def name_key(entry: str) -> str:
    """The name that a host-name entry stands for: `.example.com` and `*.example.com` mean example.com and below."""
    key = entry.strip().lower().removeprefix("*").strip(".")
    if key.isascii():
        return key
    return canonical(key, "domain").value or key


def value_key(entry: str) -> str:
    """The form in which an entry for whole values is compared with canonical values, both in lower case."""
    key = entry.strip().lower()
    if key.isascii() and "://" not in key:
        return key
    return (canonical(entry.strip()).value or key).lower()
