"""What stands where an audit log has the caller's address: an address, a service, or neither.

Which network an address belongs to is found out in `context`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

# a name of two labels or more: cloudtrail.amazonaws.com
_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?\.)+[A-Za-z][A-Za-z0-9-]*\.?", re.ASCII)
_INTERNAL = ("AWS Internal", "private", "gce-internal-ip")
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]{1,5}|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?", re.ASCII)

SERVICE_AS_ADDRESS, INVALID_ADDRESS, NO_ADDRESS = "service_as_address", "invalid_address", "no_address"


class Caller(NamedTuple):
    """An address in canonical form, or a service's name, and what was odd about it."""

    address: str | None
    service: str | None
    anomaly: str | None


@lru_cache(maxsize=200_000)
def caller(text: str | None) -> Caller:
    """What a source address says. Canonical as RFC 5952 has it; a v4 address within a v6 one stands by itself.

    Azure puts a port behind some addresses; it is left out. Octets with leading zeros are invalid.
    """
    if text is None or not text.strip():
        return Caller(None, None, NO_ADDRESS)
    stripped = text.strip()
    with_port = _WITH_PORT.fullmatch(stripped)
    plain = (with_port["v4"] or with_port["v6"]) if with_port else stripped
    if "%" not in plain:
        readers: tuple[Callable[[str], IPv4Address | IPv6Address], ...] = (IPv4Address, IPv6Address)
        for read in readers:
            try:
                found = read(plain)
            except AddressValueError:
                continue
            inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
            return Caller(str(inner or found), None, None)
    if stripped in _INTERNAL or _HOST.fullmatch(stripped):
        return Caller(None, stripped, SERVICE_AS_ADDRESS)
    return Caller(None, None, INVALID_ADDRESS)
