"""Canonical form of URLs: the WHATWG URL standard as ada-url implements it, less what POLICIES lists.

Text comes in refanged and with its scheme; whether a value is a URL at all is decided in `detect`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ada_url import URL, HostType

from intelsec_assets.indicators.canonical import hosts
from intelsec_assets.indicators.canonical.vocabulary import Refused, shown

# the schemes whose hosts WHATWG parses as domains, without file, which has none
SCHEMES = frozenset({"http", "https", "ftp", "ws", "wss"})
SPECIAL = re.compile(r"(?:https?|ftp|wss?):", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
# scheme, slashes of either kind, authority, the rest
_PARTS = re.compile(r"([A-Za-z]+):([/\\]*)([^/\\?#]*)(.*)", re.DOTALL)
_PORT = re.compile(r":([0-9]*)$")


class CanonicalUrl(NamedTuple):
    """A URL in canonical form, its host (no brackets), and what follows the origin, `/` where there is nothing."""

    value: str
    host: str
    rest: str


def url(text: str, rules: list[str]) -> CanonicalUrl:
    """Canonical form of a URL with a scheme. Raises Refused."""
    scheme = _SCHEME.match(text)
    if scheme is None or scheme[1].lower() not in SCHEMES:
        found = shown(scheme[1]) if scheme else f"none in {shown(text)}"
        raise Refused("unsupported_scheme", f"found scheme {found}; expected http, https, ftp, ws or wss")
    try:
        parsed = URL(text)
    except ValueError:
        raise _why_invalid(text) from None
    if parsed.username or parsed.password:
        parsed.username = ""
        parsed.password = ""
    late: list[str] = []
    host = parsed.hostname
    if parsed.host_type == HostType.DEFAULT:
        name = hosts.checked(host, late)
        if name != host:
            parsed.hostname = name
            host = name
    before = parsed.href
    if "#" in before:
        del parsed.hash
        late.append("fragment_dropped")
    value = parsed.href
    rest = value[len(parsed.origin) :]
    _name_rules(text, parsed, host, rest, rules)
    rules.extend(late)
    return CanonicalUrl(value, host.strip("[]"), rest)


def _name_rules(text: str, parsed: URL, host: str, rest: str, rules: list[str]) -> None:
    """Which rules turned `text` into the parsed URL, by comparing the parts as written with the parts as serialised."""
    parts = _PARTS.match(text)
    if parts is None:
        return
    scheme, slashes, authority, tail = parts.groups()
    _, at, origin = authority.rpartition("@")
    port = _PORT.search(origin)
    written_host = origin[: port.start()] if port else origin
    as_host = written_host.removesuffix(".") if parsed.host_type == HostType.DEFAULT else written_host
    if at:
        rules.append("credentials_stripped")
    if scheme != scheme.lower() or (as_host != host and as_host.isascii() and as_host.lower() == host):
        rules.append("lowercased")
    if as_host.lower() != host:
        rules.append(_HOST_RULES[parsed.host_type])
    if port and not parsed.port:
        rules.append("default_port_dropped")
    written_rest = tail.partition("#")[0]
    if not written_rest.startswith(("/", "\\")):
        rules.append("empty_path_slash")
        written_rest = "/" + written_rest
    rewritten_port = port is not None and parsed.port not in ("", port[1])
    if slashes != "//" or written_rest != rest or rewritten_port:
        rules.append("url_serialised")


_HOST_RULES = {
    HostType.DEFAULT: "host_to_ascii",
    HostType.IPV4: "host_number_parsed",
    HostType.IPV6: "ipv6_rewritten",
}


def _why_invalid(text: str) -> Refused:
    """The refusal of a URL that does not parse, as near to the reason as can be told."""
    parts = _PARTS.match(text)
    authority = parts[3].rpartition("@")[2] if parts else ""
    if parts and not authority:
        return Refused("no_host", f"found {shown(text)}; expected a host after the scheme")
    if "%" in authority and authority.startswith("["):
        return Refused("zone_id", f"found a zone in {shown(text)}; expected an address without one")
    return Refused("invalid_url", f"found {shown(text)}, refused by WHATWG for its host or port; expected a URL")
