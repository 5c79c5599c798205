"""Canonical form of host names: UTS #46 to A-labels, then what DNS can hold, with the liberties live phishing takes.

Addresses as hosts are read in `addresses` and `urls`; ports and paths are gone before a name comes here.
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna
from ada_url import URL
from ada_url import idna as uts46

from intelsec_assets.indicators.canonical.vocabulary import Refused, shown

_NAME = re.compile(r"[a-z0-9._-]+")
# what would end or alter the host when the name is put into a URL to be parsed
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|]")
_TOP_LEVEL = re.compile(r"[a-z][a-z0-9-]*[a-z0-9]")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


def domain(text: str, rules: list[str]) -> str:
    """Canonical value of a name. Raises Refused.

    A name that UTS #46 maps to digits and dots comes back as such: whether that is an address is for the caller to say.
    """
    name = text if text.isascii() and "xn--" not in text.lower() else _mapped(text, rules)
    lowered = name.lower()
    if lowered != name:
        rules.append("lowercased")
    return checked(lowered, rules)


def checked(name: str, rules: list[str]) -> str:
    """A lower-case ASCII name without its root dot, if DNS can hold it; flags what IDNA refuses. Raises Refused."""
    if name.endswith("."):
        name = name[:-1]
        rules.append("trailing_dot_dropped")
    if not _NAME.fullmatch(name):
        raise _refused_character(name)
    if len(name) > 253:
        raise Refused("name_too_long", f"found a name of {len(name)} octets; expected at most 253")
    labels = name.split(".")
    if "" in labels:
        raise Refused("empty_label", f"found an empty label in {shown(name)}; expected letters between the dots")
    longest = max(labels, key=len)
    if len(longest) > 63:
        raise Refused("label_too_long", f"found {shown(longest)}, {len(longest)} octets; expected labels of at most 63")
    if is_numeric(labels[-1]):
        return name
    if len(labels) == 1:
        raise Refused("single_label", f"found {shown(name)}; expected a name of two labels or more")
    if not _TOP_LEVEL.fullmatch(labels[-1]):
        last = shown(labels[-1])
        raise Refused("bad_top_level", f"found the last label {last} in {shown(name)}; expected a top-level domain")
    if "_" in name:
        rules.append("underscore_kept")
    if any(map(_is_refused_by_idna2008, labels)):
        rules.append("idna2008_refused")
    return name


def is_numeric(label: str) -> bool:
    """True where WHATWG reads a host with this last label as an IPv4 address."""
    return _NUMERIC.fullmatch(label) is not None


def _mapped(text: str, rules: list[str]) -> str:
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        raise _refused_character(text)
    # ToASCII itself does not look for forbidden characters, the host parser around it does
    name = uts46.encode(text).decode("ascii", "replace")
    if not name or not (_ends_in_number(name) or URL.can_parse(f"http://{name}/")):
        raise Refused("uts46_refused", f"found {shown(text)}, which UTS #46 does not map; expected valid labels")
    if name.lower() != text.lower():
        rules.append("host_to_ascii")
    return name


def _ends_in_number(name: str) -> bool:
    return is_numeric(name.rstrip(".").rpartition(".")[2].lower())


def _refused_character(name: str) -> Refused:
    if any(c.isspace() for c in name):
        return Refused("whitespace", f"found white space inside {shown(name)}; expected one value")
    return Refused("invalid_character", f"found {shown(name)}; expected letters, digits, hyphens, underscores and dots")


@lru_cache(maxsize=4096)  # the check costs as much as the rest of the value, and labels such as `co` and `com` recur
def _is_refused_by_idna2008(label: str) -> bool:
    if label.startswith("xn--"):
        try:
            return idna.alabel(idna.ulabel(label)).decode("ascii") != label
        except UnicodeError:
            return True
    return label[0] == "-" or label[-1] == "-" or label[2:4] == "--"
