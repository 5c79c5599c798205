"""What is canonical already, as regular expressions that Python and DuckDB (RE2) read the same way.

They are conservative: what they match is its own canonical form, what they miss the modules beside this one look at.
"""

from __future__ import annotations

import re

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
# first octet not 0, so that 0.0.0.0 is left to the refusal
IPV4 = rf"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]?)(?:\.{_OCTET}){{3}}"

# no underscore, no two hyphens in a row: those names carry a rule, as do A-labels; one repetition, for speed
DOMAIN = r"[a-z0-9]+(?:[.-][a-z0-9]+)*\.[a-z]{2,}"
# up to here no label can be over-long, whatever the dots; longer names are looked at one by one
MAX_HOST = 63

# any port but 80 and 443, which may be the scheme's own
_PORT = "(?:[1-9]|[1-79][0-9]|8[1-9]|[1-35-9][0-9]{2}|4[0-35-9][0-9]|44[0-24-9]|[1-9][0-9]{3}|[1-5][0-9]{4})"
# a segment that starts or ends with a dot may be a dot segment or an ellipsis, with % an encoded one
_SEGMENT = "[A-Za-z0-9_~!$&*+=@:-](?:[A-Za-z0-9_~!$&*+=@:%.-]*[A-Za-z0-9_~!$&*+=@:-])?"
_QUERY = r"\?(?:[A-Za-z0-9_~!$&*+=@:%./?-]*[A-Za-z0-9_~!$&*+=@:/?-])?"
_PATH = rf"(?:/(?:{_SEGMENT})?)+(?:{_QUERY})?"


def _origin(host: str) -> str:
    return rf"https?://{host}(?::{_PORT})?"


URL_ORIGIN = _origin(f"(?:{DOMAIN}|{IPV4})")
URL = URL_ORIGIN + _PATH

# lower-case digests: the number of digits says which
HASH = "[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}"

# `origin` is a URL that lacks nothing but its path
_host = f"(?P<host>{DOMAIN}|{IPV4})"
CANONICAL = re.compile(
    rf"(?P<ipv4>{IPV4})|(?P<domain>{DOMAIN})|{_origin(_host)}(?:(?P<url>{_PATH})|(?P<origin>))"
    r"|(?P<md5>[0-9a-f]{32})|(?P<sha1>[0-9a-f]{40})|(?P<sha256>[0-9a-f]{64})|(?P<sha512>[0-9a-f]{128})"
)
