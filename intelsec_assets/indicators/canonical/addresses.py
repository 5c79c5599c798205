"""Canonical form of IPv4 and IPv6 addresses and of networks (RFC 5952, RFC 4632).

Addresses as hosts of URLs are read by the URL parser, more leniently, as browsers do.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from intelsec_assets.indicators.canonical.vocabulary import Refused, shown

_PORT = re.compile(r"[0-9]{1,5}")
_NUMBER = re.compile(r"[0-9]+")
_MAPPED = IPv6Network("::ffff:0:0/96")


def address(text: str, rules: list[str]) -> tuple[str, str]:
    """Type (ipv4 or ipv6) and canonical value of an address, with or without brackets and port. Raises Refused."""
    bare = _without_port(text, rules)
    found = _parse(bare)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        rules.append("ipv4_unmapped")
        found = found.ipv4_mapped
    elif str(found) != bare:
        rules.append("ipv6_rewritten")
    if found.is_unspecified:
        raise Refused("unspecified_address", f"found {shown(text)}, which stands for no address; expected one")
    return ("ipv4" if found.version == 4 else "ipv6"), str(found)


def network(text: str, rules: list[str]) -> tuple[str, str]:
    """Type and canonical value of `address/length` or `address/netmask`; an address if it is one. Raises Refused."""
    head, _, tail = text.partition("/")
    base = _parse(_without_brackets(head, rules))
    length = _prefix_length(base, tail, text, rules)
    if isinstance(base, IPv6Address) and length >= _MAPPED.prefixlen and base in _MAPPED:
        rules.append("ipv4_unmapped")
        base, length = IPv4Address(int(base) & 0xFFFFFFFF), length - _MAPPED.prefixlen
    if length == base.max_prefixlen:
        rules.append("single_address_network")
        return address(str(base), rules)
    if length == 0:
        raise Refused("unspecified_address", f"found {shown(text)}, every address there is; expected a part of it")
    net = ip_network((base, length), strict=False)
    if net.network_address != base:
        rules.append("host_bits_masked")
    elif isinstance(base, IPv6Address) and f"{base}/" != text[: text.index("/") + 1] and "ipv4_unmapped" not in rules:
        rules.append("ipv6_rewritten")
    return "cidr", str(net)


def is_port(text: str) -> bool:
    """True for a decimal number from 0 to 65535."""
    return _PORT.fullmatch(text) is not None and int(text) <= 65535


def refuse_port(port: str, whole: str) -> Refused:
    """The refusal of a port that is none."""
    return Refused("bad_port", f"found port {shown(port)} in {shown(whole)}; expected a number from 0 to 65535")


def _without_brackets(text: str, rules: list[str]) -> str:
    if text.startswith("[") and text.endswith("]"):
        rules.append("brackets_dropped")
        return text[1:-1]
    return text


def _without_port(text: str, rules: list[str]) -> str:
    bare, port = text, None
    if text.startswith("[") and "]:" in text:
        bare, _, port = text.rpartition(":")
    elif text.count(":") == 1:
        bare, _, port = text.partition(":")
    if port is not None:
        if not is_port(port):
            raise refuse_port(port, text)
        rules.append("port_dropped")
    if bare.endswith(".") and ":" not in bare:
        rules.append("trailing_dot_dropped")
        bare = bare[:-1]
    return _without_brackets(bare, rules)


def _parse(text: str) -> IPv4Address | IPv6Address:
    if "%" in text and ":" in text:
        raise Refused("zone_id", f"found a zone in {shown(text)}; expected an address without one")
    try:
        return ip_address(text)
    except ValueError:
        code = "bad_address"
    octets = text.rpartition(":")[2].split(".")
    if len(octets) == 4 and any(len(o) > 1 and o[0] == "0" and _NUMBER.fullmatch(o) for o in octets):
        code = "leading_zeros"
    expected = "expected four numbers from 0 to 255 without leading zeros, or an IPv6 address"
    raise Refused(code, f"found {shown(text)}; {expected}") from None


def _prefix_length(base: IPv4Address | IPv6Address, tail: str, whole: str, rules: list[str]) -> int:
    if "." in tail and base.version == 4:
        mask = _parse(tail)
        inverted = int(mask) ^ 0xFFFFFFFF
        if mask.version == 4 and inverted & (inverted + 1) == 0:
            rules.append("netmask_to_prefix")
            return 32 - inverted.bit_length()
    elif _NUMBER.fullmatch(tail) and len(tail) <= 3:
        if len(tail) > 1 and tail[0] == "0":
            raise Refused("leading_zeros", f"found prefix length {tail} in {shown(whole)}; expected no leading zeros")
        if int(tail) <= base.max_prefixlen:
            return int(tail)
    expected = f"expected 0 to {base.max_prefixlen} or a netmask"
    raise Refused("bad_prefix_length", f"found {shown(tail)} in {shown(whole)}; {expected}")
