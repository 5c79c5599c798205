"""Which kind of value a text is, and what becomes of it when the feed declares another kind.

The canonical form of each kind lives in its own module; here they are only told apart and called.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from intelsec_assets.indicators.canonical import addresses, emails, hashes, hosts, urls
from intelsec_assets.indicators.canonical.vocabulary import ADDRESS_TYPES, HASH_LENGTHS, Refused, shown


class Found(NamedTuple):
    """Type, canonical value, and the host of what has one."""

    indicator_type: str
    value: str
    host: str | None


_HAS_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_DOTTED = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PREFIX_OR_MASK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9]{1,3}")
_COLONS = re.compile(r"[0-9A-Fa-f:.]*(?:%.*)?")
_HEAD = re.compile(r"[^/?#]*")

ADDRESS, NETWORK = "address", "network"


def read(text: str, declared: str | None, rules: list[str]) -> Found:
    """The canonical form of a refanged text, by its declared type or else by its shape. Raises Refused."""
    if declared in HASH_LENGTHS:
        return Found(*hashes.digest(text, declared, rules), None)
    if declared == "email":
        return _email(text, rules)
    if declared == "url":
        return _url(text, rules)
    shape = _shape(text)
    if declared is None:
        return _of_shape(shape, text, rules)
    if shape in ("email", "hash"):
        if declared == "domain" and shape == "hash":
            return _name(text, rules)
        raise _mismatch(text, shape, declared)
    if shape == "url":
        return _from_url(text, declared, rules)
    return _reconciled(_of_shape(shape, text, rules), text, declared, rules)


def _shape(text: str) -> str:
    """url, email, hash, address, network or domain: the kind a text looks like, well-formed or not."""
    if urls.SPECIAL.match(text) or _HAS_SCHEME.match(text) or text.startswith("//"):
        return "url"
    if _MAILTO.match(text):
        return "email"
    if hashes.is_hash(text):
        return "hash"
    head = _HEAD.match(text)[0]  # type: ignore[index]  # matches everything, the empty text too
    tail = text[len(head) :]
    if "@" in head:
        return "url" if tail.startswith("/") else "email"
    is_address = _looks_like_address(head)
    if not tail.startswith("/"):
        return ADDRESS if is_address else "domain"
    return NETWORK if is_address and _PREFIX_OR_MASK.fullmatch(tail[1:]) else "url"


def _looks_like_address(head: str) -> bool:
    if head.startswith("[") or (head.count(":") > 1 and _COLONS.fullmatch(head)):
        return True
    return _DOTTED.fullmatch(head.partition(":")[0].removesuffix(".")) is not None


def _of_shape(shape: str, text: str, rules: list[str]) -> Found:
    if shape == "url":
        return _url(text, rules)
    if shape == "email":
        return _email(text, rules)
    if shape == "hash":
        return Found(*hashes.digest(text, None, rules), None)
    if shape == ADDRESS:
        return Found(*addresses.address(text, rules), None)
    if shape == NETWORK:
        return Found(*addresses.network(text, rules), None)
    return _name(text, rules)


def _email(text: str, rules: list[str]) -> Found:
    return Found("email", *emails.email(text, rules))


def _url(text: str, rules: list[str]) -> Found:
    parsed = _parsed_url(text, rules)
    return Found("url", parsed.value, parsed.host)


def _parsed_url(text: str, rules: list[str]) -> urls.CanonicalUrl:
    if not (urls.SPECIAL.match(text) or _HAS_SCHEME.match(text)):
        if text.startswith("/") and not text.startswith("//"):
            raise Refused("no_host", f"found the path {shown(text)}; expected a host before it")
        rules.append("scheme_assumed")
        text = f"http:{text}" if text.startswith("//") else f"http://{text}"
    return urls.url(text, rules)


def _name(text: str, rules: list[str]) -> Found:
    if text.count(":") == 1:
        name, _, port = text.partition(":")
        if not addresses.is_port(port):
            raise addresses.refuse_port(port, text)
        rules.append("port_dropped")
        text = name
    name = hosts.domain(text, rules)
    if hosts.is_numeric(name.rpartition(".")[2]):
        # digits that UTS #46 made of full-width ones, or a number: four octets or nothing
        return Found(*addresses.address(name, rules), None)
    return Found("domain", name, name)


def _from_url(text: str, declared: str, rules: list[str]) -> Found:
    """A URL where a name or an address is declared: its host if it is nothing but that, else the URL."""
    parsed = _parsed_url(text, rules)
    if parsed.rest != "/":
        rules.append("declared_domain_is_url" if declared == "domain" else "declared_address_is_url")
        return Found("url", parsed.value, parsed.host)
    rules.append("host_of_url")
    return _reconciled(_of_shape(_shape(parsed.host), parsed.host, rules), text, declared, rules)


def _reconciled(found: Found, text: str, declared: str, rules: list[str]) -> Found:
    """`found` under a declared domain, ipv4, ipv6 or cidr: the evident type wins, with a rule, or it is refused."""
    kind = found.indicator_type
    if kind == declared:
        return found
    if declared == "domain":
        rules.append("declared_domain_is_address")
    elif kind not in ADDRESS_TYPES:
        raise _mismatch(text, kind, declared)
    elif kind == "cidr":
        rules.append("declared_address_is_network")
    else:
        rules.append("declared_network_is_address" if declared == "cidr" else "address_family_corrected")
    return found


def _mismatch(text: str, found: str, declared: str) -> Refused:
    return Refused("type_mismatch", f"found {shown(text)}, which reads as {found}; expected {declared}")
