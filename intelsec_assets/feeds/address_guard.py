"""Which addresses feeds may be fetched from: the public internet, and private networks only where listed.

A name is resolved once and the connection goes to the address that was checked, so that a second answer of the name
server cannot lead elsewhere. How the request is made is `web`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import TypeAlias

from intelsec_assets.feeds.transfer import PermanentFetchError, TransientFetchError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve: TypeAlias = Callable[[str, int], list[str]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215: where it leads depends on the site
_V4_COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291 section 2.5.5.1, deprecated


def system_resolve(host: str, port: int) -> list[str]:
    """Addresses of a host by the system's resolver, in its order, each once. Raises OSError (socket.gaierror)."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class AddressGuard:
    """Resolves hosts and refuses addresses that are not public, unless a listed network holds them."""

    def __init__(self, allowed_networks: Iterable[str] = (), resolve: Resolve = system_resolve) -> None:
        self._allowed = [ipaddress.ip_network(network, strict=False) for network in allowed_networks]
        self._resolve = resolve

    def addresses(self, host: str, port: int) -> list[str]:
        """Checked addresses of a host. One refused address refuses the host: PermanentFetchError names both.

        Raises TransientFetchError if the name server does not answer.
        """
        try:
            found = self._resolve(host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                raise PermanentFetchError(f"{host}: no such host") from None
            raise TransientFetchError(f"{host}: cannot be resolved: {error.strerror}") from None
        except (OSError, UnicodeError) as error:
            raise TransientFetchError(f"{host}: cannot be resolved: {error}") from None
        if not found:
            raise PermanentFetchError(f"{host}: has no address")
        for address in found:
            reason = self.refusal(address)
            if reason:
                raise PermanentFetchError(
                    f"{host}: its address {address} is {reason}; to fetch from it add its network to "
                    "INTELSEC_ALLOWED_NETWORKS"
                )
        return found

    def refusal(self, address: str) -> str | None:
        """Why an address is refused, in a word or two; None = it may be used."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return "not an address"
        if any(ip.version == network.version and ip in network for network in self._allowed):
            return None
        if isinstance(ip, ipaddress.IPv6Address):
            if ip.scope_id is not None:
                return "bound to a local interface"
            inner = _embedded_v4(ip)
            if inner is not None:
                reason = self.refusal(str(inner))
                return f"{inner} in IPv6 clothes, which is {reason}" if reason else None
            if ip in _NAT64_LOCAL:
                return "translated locally (NAT64)"
        return _not_public(ip)


def _embedded_v4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address end up at: mapped, 6to4, Teredo server's client, NAT64."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _NAT64 or (ip in _V4_COMPATIBLE and int(ip) > 0xFFFF):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return None


def _not_public(ip: Address) -> str | None:
    claims = (
        ("unspecified", ip.is_unspecified),
        ("loopback", ip.is_loopback),
        ("link-local", ip.is_link_local),
        ("multicast", ip.is_multicast),
        ("private", ip.is_private),
        ("reserved", ip.is_reserved),
        ("not public", not ip.is_global),  # shared address space of RFC 6598, benchmarking, documentation
    )
    return next((word for word, holds in claims if holds), None)
