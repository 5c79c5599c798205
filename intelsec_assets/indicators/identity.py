"""Identity of an indicator: one UUID for one (type, value), the same in Python, in SQL and on every machine.

What a canonical value is lives in `indicators.canonical`; identifiers of exported objects live in `exports`.
"""

from __future__ import annotations

import uuid

# namespace of deterministic identifiers in STIX 2.1, section 2.9
STIX_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")

_KEPT = "'0xffffffffffff0fff3fffffffffffffff'::uhugeint"
_VERSION_5 = "'0x00000000000050008000000000000000'::uhugeint"


def indicator_id(indicator_type: str, value: str) -> uuid.UUID:
    """UUIDv5 (RFC 9562) of `type:value` in the STIX namespace."""
    return uuid.uuid5(STIX_NAMESPACE, f"{indicator_type}:{value}")


def indicator_id_sql(indicator_type: str, value: str) -> str:
    """The same as an SQL expression of type UUID, over two expressions such as `indicator_type` and `value`.

    NULL where one of them is. Column names and constants only: the text goes into the statement as it is.
    """
    digest = f"sha1(unhex('{STIX_NAMESPACE.hex}') || encode({indicator_type} || ':' || {value}))"
    # RFC 9562 section 5.5: 128 bits, six of them taken by version and variant. As a number, for cutting and joining
    # hexadecimal text takes seven times as long
    return f"((('0x' || left({digest}, 32))::uhugeint & {_KEPT}) | {_VERSION_5})::uuid"
