"""Canonical form of e-mail addresses: the host part like any name, the local part as published.

RFC 5321 leaves the case of the local part to its server, so two cases are two addresses here.
"""

from __future__ import annotations

import re

from intelsec_assets.indicators.canonical import hosts
from intelsec_assets.indicators.canonical.vocabulary import Refused, shown

_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
# atoms of RFC 5322 and dots, wherever they stand (live addresses break the rule on dots), and letters beyond ASCII
_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")


def email(text: str, rules: list[str]) -> tuple[str, str]:
    """Canonical value of an e-mail address and its host. Raises Refused."""
    mailto = _MAILTO.match(text)
    if mailto:
        rules.append("mailto_dropped")
        text = text[mailto.end() :]
    local, at, name = text.rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise Refused("bad_email", f"found {shown(text)}; expected local@domain with a local part of 1 to 64 octets")
    host = hosts.domain(name, rules)
    if hosts.is_numeric(host.rpartition(".")[2]):
        raise Refused("bad_email", f"found the host {shown(host)}; expected a domain")
    return f"{local}@{host}", host
