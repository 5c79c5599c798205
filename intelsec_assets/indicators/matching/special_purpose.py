"""Networks that name no machine on the public Internet, as IANA registers them: the built-in list of special addresses.

Which policy it has is `indicators.warninglists`; how networks are compared is `networks`.
"""

from __future__ import annotations

import json
from hashlib import sha256

from intelsec_assets.indicators.matching.list_files import ListContent
from intelsec_assets.indicators.matching.networks import parse_network

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry: what is not globally
# reachable, besides multicast. Left out on purpose are the ranges for documentation (192.0.2.0/24, 198.51.100.0/24,
# 203.0.113.0/24, 2001:db8::/32, 3fff::/20) and benchmarks (198.18.0.0/15, 2001:2::/48): nobody routes them, so that an
# export of them blocks nothing, and the bundled sample lives in them. The built-in catalogue of real feeds protects
# those for documentation.
SPECIAL_PURPOSE = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # carrier-grade NAT
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, cloud metadata
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments
    "192.88.99.0/24",  # 6to4 relay anycast, withdrawn
    "192.168.0.0/16",  # private
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, limited broadcast
    "::/128",  # unspecified
    "::1/128",  # loopback
    "64:ff9b:1::/48",  # local-use translation
    "100::/64",  # discard-only
    "100:0:0:1::/64",  # dummy prefix
    "2001:10::/28",  # ORCHID, withdrawn
    "5f00::/16",  # segment routing
    "fc00::/7",  # unique local
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local, withdrawn
    "ff00::/8",  # multicast
)

_TYPES = ("ipv4", "ipv6", "cidr", "url", "email")  # URLs and e-mail addresses whose host is an address


def special_purpose_addresses() -> ListContent:
    """The list in the form of any other."""
    content = ListContent("special-purpose addresses", sha256(json.dumps(SPECIAL_PURPOSE).encode()).hexdigest(), _TYPES)
    networks = ((entry, parse_network(entry)) for entry in SPECIAL_PURPOSE)
    content.networks.extend((entry, network) for entry, network in networks if network is not None)
    return content
