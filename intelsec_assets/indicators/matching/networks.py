"""Addresses and networks as numbers, so that containment is a comparison of prefixes in Python and in SQL alike.

Reading them out of lists or indicators does not belong here. Both families are left-aligned in 128 bits, split in two
halves because DuckDB joins 64-bit columns fastest; an IPv4-mapped address is the IPv4 address that it stands for.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

import pyarrow as pa

_WIDTH = {4: 32, 6: 128}
_LOW_HALF = (1 << 64) - 1
_MAPPED = 0xFFFF  # ::ffff:0:0/96 of RFC 4291, section 2.5.5.2

# IPv6 networks whose addresses hold an IPv4 address behind the prefix: first half, second half, prefix length
_EMBEDDING = (
    (0x2002 << 48, 0, 16),  # 6to4, 2002::/16 of RFC 3056
    (0x0064_FF9B << 32, 0, 96),  # NAT64, 64:ff9b::/96 of RFC 6052
)


class Network(NamedTuple):
    """A network: family 4 or 6, its first address left-aligned in 128 bits (`hi`, `lo`), prefix length in bits."""

    family: int
    hi: int
    lo: int
    length: int

    def cut(self, length: int) -> Network:
        """The network of that shorter length around this one."""
        mask_hi, mask_lo = _mask(length)
        return Network(self.family, self.hi & mask_hi, self.lo & mask_lo, length)

    def contains(self, other: Network) -> bool:
        """True when every address of `other` is in this network."""
        return self.family == other.family and self.length <= other.length and other.cut(self.length) == self

    @property
    def width(self) -> int:
        """Length of a single address of the family."""
        return _WIDTH[self.family]

    def readings(self) -> tuple[Network, ...]:
        """This network, and the IPv4 network that 6to4 or NAT64 write inside it: to block one is to block the other."""
        for hi, lo, length in _EMBEDDING:
            if self.family == 6 and self.length >= length and self.cut(length) == Network(6, hi, lo, length):
                inner = ((self.hi << 64 | self.lo) << length >> 64) & (0xFFFFFFFF << 32)
                return self, Network(4, inner, 0, min(self.length - length, 32))
        return (self,)


def parse_network(text: str) -> Network | None:
    """The network or single address written in `text`, host bits masked; None when it is neither.

    Strict on purpose: four decimal octets without leading zeros (RFC 6943, section 3.1.1), no zone ids, no netmasks.
    """
    address, slash, suffix = text.partition("/")
    family = 6 if ":" in address else 4
    try:
        packed = socket.inet_pton(socket.AF_INET6 if family == 6 else socket.AF_INET, address)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate inside the text
        return None
    number = int.from_bytes(packed, "big")
    length = _WIDTH[family]
    if slash:
        if not (suffix.isascii() and suffix.isdigit() and len(suffix) <= 3 and int(suffix) <= length):
            return None
        length = int(suffix)
    if family == 6 and number >> 32 == _MAPPED and length >= 96:
        family, number, length = 4, number & 0xFFFFFFFF, length - 96
    number <<= 128 - _WIDTH[family]
    mask_hi, mask_lo = _mask(length)
    return Network(family, (number >> 64) & mask_hi, number & _LOW_HALF & mask_lo, length)


def parse_host(host: str | None) -> Network | None:
    """The address that a host of a URL or e-mail address spells out, with or without brackets; None for a name."""
    if not host:
        return None
    literal = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    literal = literal.removeprefix("IPv6:").rstrip(".")  # RFC 5321, section 4.1.3; a root dot
    return None if "/" in literal else parse_network(literal)


def mask_table() -> pa.Table:
    """Every prefix length with its two 64-bit masks: family, length, mask_hi, mask_lo."""
    rows = [(family, length, *_mask(length)) for family, width in _WIDTH.items() for length in range(width + 1)]
    names = ("family", "length", "mask_hi", "mask_lo")
    types = (pa.uint8(), pa.uint8(), pa.uint64(), pa.uint64())
    return pa.table({name: pa.array([row[i] for row in rows], types[i]) for i, name in enumerate(names)})


def _mask(length: int) -> tuple[int, int]:
    mask = ((1 << length) - 1) << (128 - length)
    return mask >> 64, mask & _LOW_HALF
