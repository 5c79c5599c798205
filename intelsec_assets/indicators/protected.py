"""Our own domains, addresses and networks: the list `protected`, and the last guard that asks it before an export.

Which lists there are beside it and how they are joined to indicators is `warninglists`; both give the same answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

import ada_url

from intelsec_assets.feeds.catalogue import INDICATOR_TYPES, Protected
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.matching.list_files import BELOW, ListContent, WarninglistError
from intelsec_assets.indicators.matching.networks import Network, parse_host, parse_network

PROTECTED_LIST = "protected"
PROTECT = "protect"  # policy of that list and of no other: suppresses, whatever any feed or host says


class ProtectedError(WarninglistError):
    """A protected domain or network of the catalogue cannot be used; the message names it and what to write instead."""


def protected_content(protected: Protected) -> ListContent:
    """The list `protected` in the form of any other list, for all indicator types. Raises ProtectedError."""
    entries = json.dumps([sorted(protected.domains), sorted(protected.networks)])
    digest = sha256(entries.encode()).hexdigest()
    content = ListContent("our own domains, addresses and networks", digest, INDICATOR_TYPES)
    content.names.extend((entry, _domain(entry), BELOW) for entry in protected.domains)
    content.networks.extend((entry, _network(entry)) for entry in protected.networks)
    return content


class Guard:
    """Answers whether a single indicator touches anything of ours; cheap enough to ask for every line of an export."""

    def __init__(self, protected: Protected) -> None:
        """Raises ProtectedError when an entry is neither a domain nor a network."""
        content = protected_content(protected)
        self._domains: dict[str, str] = {}
        for entry, name, _ in sorted(content.names):
            self._domains.setdefault(name, entry)
        self._networks = [(network, entry) for entry, network in content.networks]
        self._entries: dict[Network, str] = {}
        for network, entry in sorted(self._networks):
            self._entries.setdefault(network, entry)
        self._lengths = {(network.family, network.length) for network in self._entries}

    def is_protected(self, indicator_type: str, value: str, host: str | None = None) -> str | None:
        """The entry that forbids to export the indicator, None when nothing does.

        A name below a protected domain, a URL or e-mail address whose host is one, an address inside a protected
        network (also as such a host, or inside 6to4 or NAT64), a network that overlaps one either way. Value and host
        may come in any letter case and with a trailing dot; international names in their ASCII form. The host is taken
        from the value too, so that a missing or wrong one opens no gap.
        """
        if indicator_type in ("ipv4", "ipv6", "cidr"):
            return self._overlapping(parse_network(value.strip()))
        if indicator_type == "domain":
            return self._host_entry(value)
        if indicator_type in ("url", "email"):
            return self._host_entry(host) or self._host_entry(_host_of(indicator_type, value))
        return None

    def _host_entry(self, host: str | None) -> str | None:
        address = parse_host(host)
        return self._named(host) if address is None else self._overlapping(address)

    def _named(self, host: str | None) -> str | None:
        name = (host or "").strip().lower().rstrip(".")
        while name:
            if name in self._domains:
                return self._domains[name]
            name = name.partition(".")[2]
        return None

    def _overlapping(self, network: Network | None) -> str | None:
        if network is None:
            return None
        # the nearest entry in length, then in text order: the one that `warninglists` names too
        return min((found for reading in network.readings() for found in self._touching(reading)), default=(0, None))[1]

    def _touching(self, network: Network) -> Iterator[tuple[int, str]]:
        """Entries around the network with their lengths below 0, entries inside it with those above."""
        for family, length in self._lengths:
            if family == network.family and length <= network.length:
                ours = network.cut(length)
                if ours in self._entries:
                    yield -length, self._entries[ours]
        if network.length < network.width:
            yield from ((ours.length, entry) for ours, entry in self._networks if network.contains(ours))


def _host_of(indicator_type: str, value: str) -> str | None:
    if indicator_type == "email":
        return value.rpartition("@")[2]
    try:
        return str(ada_url.URL(value).hostname)
    except ValueError:
        return None


def _domain(entry: str) -> str:
    found = canonical(entry, "domain")
    if found.indicator_type != "domain" or found.value is None:
        raise ProtectedError(
            f"protected.domains: {entry!r} is not a domain name ({found.detail or found.indicator_type}): "
            "write example.com, everything below it is included; addresses belong into protected.networks"
        )
    return found.value


def _network(entry: str) -> Network:
    network = parse_network(entry.strip())
    if network is None:
        raise ProtectedError(
            f"protected.networks: {entry!r} is not an address or network: "
            "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32; names belong into protected.domains"
        )
    return network
