"""The closed vocabulary of the canonical form: indicator types, rules, errors, and where we part from WHATWG.

What the rules do to a value lives in the modules beside this one; the documentation prints these tables.
"""

from __future__ import annotations

from dataclasses import dataclass

# A URL of 8 KiB is the longest that common servers accept in a request line; longer "values" are broken rows.
MAX_BYTES = 8192

NAME_TYPES = ("domain", "url", "email")
ADDRESS_TYPES = ("ipv4", "ipv6", "cidr")
# hexadecimal digits a digest has (RFC 1321, FIPS 180-4)
HASH_LENGTHS: dict[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
TYPES: tuple[str, ...] = ("domain", "url", *ADDRESS_TYPES, *HASH_LENGTHS, "email")

RULES: dict[str, str] = {
    "trimmed": (
        "space, control characters, quotes and angle brackets around the value and commas and semicolons after "
        "it are removed: they belong to the row or the prose around it"
    ),
    "invisible_removed": (
        "zero-width characters, soft hyphens and direction marks are removed: they come from copy and paste and "
        "hide that two values are the same (joiners stay where a script needs them)"
    ),
    "refanged": (
        "hxxp, fxp, [.], (dot), [at], [:], [://] and their like are turned back: publishers "
        "write them so that nobody clicks"
    ),
    "mailto_dropped": "`mailto:` before an e-mail address is removed: it is a link to the address, not part of it",
    "scheme_assumed": "a URL without a scheme gets http, what a browser tries first by its standard",
    "lowercased": "scheme, host name or digest is written in lower case: case carries no meaning there",
    "host_to_ascii": (
        "the host is percent-decoded (in URLs) and mapped by UTS #46, non-transitional, to A-labels: what DNS is asked"
    ),
    "host_number_parsed": (
        "a URL host such as 0x7f.1 or 2130706433 is written as the IPv4 address a browser opens (WHATWG)"
    ),
    "underscore_kept": "the name holds an underscore, which host names must not but live names do; it stays",
    "idna2008_refused": (
        "a label that IDNA 2008 refuses (hyphens in positions 3 and 4 or at an edge, emoji, broken A-label) "
        "stays: DNS answers for such names and phishing lives there"
    ),
    "trailing_dot_dropped": "the dot of the root after a name is removed: the same name",
    "credentials_stripped": (
        "user and password before the host of a URL are removed: never sent in the request line, "
        "often a decoy, sometimes a victim's"
    ),
    "default_port_dropped": ("the scheme's own port, or an empty one, is removed from a URL: the same origin (WHATWG)"),
    "port_dropped": "the port after an address or name is removed: an address or a domain has none",
    "empty_path_slash": "a URL without a path gets `/` (WHATWG): the rule that joins most spellings across feeds",
    "fragment_dropped": (
        "what follows `#` in a URL is removed: no server or proxy ever sees it, and phishing links "
        "carry the victim's address there"
    ),
    "url_serialised": (
        "dot segments, backslashes, missing slashes and characters to percent-encode are written as WHATWG does"
    ),
    "host_of_url": (
        "the feed declares a name or an address and publishes a URL of nothing but that host: the host is taken"
    ),
    "declared_domain_is_address": (
        "the feed declares a domain, the value is an address or a network: the value decides"
    ),
    "declared_domain_is_url": (
        "the feed declares a domain, the value has a path: the URL is taken, never the whole host"
    ),
    "declared_address_is_url": (
        "the feed declares an address, the value has a path: the URL is taken, never the whole host"
    ),
    "declared_address_is_network": (
        "the feed declares an address, the value has a prefix length: the network is taken"
    ),
    "declared_network_is_address": "the feed declares a network, the value is one address: the address is taken",
    "address_family_corrected": "the feed declares the other family of address: the value decides",
    "brackets_dropped": "square brackets around an address are removed",
    "ipv6_rewritten": "the IPv6 address is written as RFC 5952 says",
    "ipv4_unmapped": "an IPv4-mapped IPv6 address (::ffff:0:0/96) is written as the IPv4 address it stands for",
    "netmask_to_prefix": "a network with a netmask is written with its prefix length",
    "host_bits_masked": "bits beyond the prefix length are set to zero: the same network",
    "single_address_network": "a network of one address (/32, /128) is written as the address",
    "clock_skew_clamped": (
        "a sighting up to one day after the end of the partition's day is set to that end: clocks differ"
    ),
}

ERRORS: dict[str, str] = {
    "empty": "nothing is left of the value",
    "too_long": "the value, as published or in canonical form, has more than 8,192 bytes",
    "invalid_utf8": "the value holds bytes that are not UTF-8 (lone surrogates)",
    "unknown_type": "the declared type is none of the types known here",
    "control_character": (
        "a control character, tab or line break stands inside the value: two fields or rows ran together"
    ),
    "whitespace": "white space stands inside a value that cannot hold any",
    "truncated": (
        "the publisher cut the value (it ends in an ellipsis): the rest is unknown, it would match nothing or too much"
    ),
    "unsupported_scheme": "the URL's scheme is not http, https, ftp, ws or wss",
    "invalid_url": "WHATWG parsing fails",
    "no_host": "a path without a host",
    "single_label": "a name of one label, or a bare top-level domain: it means something else in every network",
    "empty_label": "a label of the name is empty (two dots in a row, a dot at the start)",
    "label_too_long": "a label of the name has more than 63 octets (RFC 1035)",
    "name_too_long": "the name has more than 253 octets (RFC 1035)",
    "invalid_character": "a character that no name, address, digest or e-mail address has",
    "uts46_refused": "UTS #46 mapping fails (a code point it disallows, a joiner or direction out of place)",
    "bad_top_level": ("the last label is none a top-level domain can have: it needs a letter first and two characters"),
    "bad_address": "not an IPv4 or IPv6 address",
    "leading_zeros": ("an octet or prefix length with a leading zero: some read it as octal, so it is two addresses"),
    "zone_id": "an address with a zone (%eth0) means something on one machine only",
    "unspecified_address": "0.0.0.0 or ::, alone or as a network of everything: it stands for no address",
    "bad_prefix_length": ("the prefix length is outside 0 to 32 (IPv4) or 0 to 128 (IPv6), or the netmask is not one"),
    "bad_port": "the port is not a number from 0 to 65535",
    "bad_hash": "not hexadecimal digits in the number of a known digest, or of the declared one",
    "bad_email": "not an e-mail address: one @, a local part of 1 to 64 octets, a domain",
    "type_mismatch": "the value is plainly of another type than the one declared, and no rule turns it into that",
    "not_stable": "the value nests marks so deep that its canonical form keeps changing",
}


@dataclass(frozen=True)
class Policy:
    """One reasoned difference from what ada-url does with a text; `marks` are the rules and errors that show it."""

    whatwg: str
    ours: str
    reason: str
    marks: frozenset[str]


def _policy(whatwg: str, ours: str, reason: str, *marks: str) -> Policy:
    return Policy(whatwg, ours, reason, frozenset(marks))


POLICIES: dict[str, Policy] = {
    "wrapping": _policy(
        "strips spaces and control characters at the ends, keeps or encodes the rest",
        "also strips quotes, angle brackets, trailing commas and semicolons, and invisible characters anywhere",
        "a feed's field is cut out of prose and spreadsheets; WHATWG is given what a user typed",
        "trimmed",
        "invisible_removed",
    ),
    "defanging": _policy(
        "takes the text as it is",
        "refangs first, in the path too",
        "publishers defang whole URLs, `hxxp://a[.]example/index[.]php`; a URL that holds `[.]` of "
        "its own is not seen in the feeds",
        "refanged",
    ),
    "scheme": _policy(
        "fails without a scheme; parses any scheme, hosts of unknown ones unchecked",
        "assumes http where host and path are given; accepts http, https, ftp, ws and wss only",
        "feeds list `host/path`; the host of another scheme is opaque to WHATWG, so equal "
        "hosts would not be equal values",
        "scheme_assumed",
        "unsupported_scheme",
        "no_host",
    ),
    "credentials": _policy(
        "keeps them",
        "strips and flags them",
        "they never reach the request line that is matched, and may be a victim's secret",
        "credentials_stripped",
    ),
    "fragment": _policy(
        "keeps it",
        "drops and flags it",
        "no server, proxy or sensor sees it; feeds append hashtags, phishing links the victim's e-mail address",
        "fragment_dropped",
    ),
    "root_dot": _policy(
        "keeps the dot after a host name",
        "drops it",
        "DNS gives the same answer; two spellings of one indicator would stay apart",
        "trailing_dot_dropped",
    ),
    "control_characters": _policy(
        "removes tabs and line breaks anywhere, encodes other control characters in paths",
        "refuses the value",
        "in a feed they show that two fields or rows ran together; joining them makes up a URL nobody published",
        "control_character",
        "whitespace",
    ),
    "ellipsis": _policy(
        "percent-encodes it",
        "refuses the value",
        "the publisher cut the URL: 781 of the real ones end so",
        "truncated",
    ),
    "dns_names": _policy(
        "accepts any host without its forbidden characters, empty and over-long labels and single labels too",
        "host names have letters, digits, hyphens and underscores, two labels or more of 1 to 63 octets, 253 in "
        "all, and a last label that starts with a letter and has two characters",
        "an indicator is asked of DNS by everybody; what DNS cannot answer, or answers differently "
        "in each network, is a broken row",
        "single_label",
        "empty_label",
        "label_too_long",
        "name_too_long",
        "invalid_character",
        "bad_top_level",
    ),
    "bare_numbers": _policy(
        "reads 1.2.3, 0x7f.1, 010.0.0.1 and 16909060 as IPv4 addresses",
        "does so in URLs, refuses them as bare values",
        "in a URL a browser opens that address; as a bare value it is a cut address, a count or an "
        "id, and octal is read two ways",
        "bad_address",
        "leading_zeros",
        "zone_id",
        "bad_top_level",
        "single_label",
    ),
    "unspecified_address": _policy(
        "accepts 0.0.0.0 and [::]",
        "refuses them as bare values",
        "hosts files and empty columns are full of them; they stand for no address",
        "unspecified_address",
    ),
    "size": _policy(
        "accepts up to 4 GiB",
        "refuses more than 8,192 bytes",
        "no server takes such a request line",
        "too_long",
    ),
    "nesting": _policy(
        "takes the text as it is",
        "refuses marks in marks",
        "a form that keeps changing is no form",
        "not_stable",
    ),
}


class Refused(Exception):
    """A value that has no canonical form: `code` of ERRORS and a sentence on what was found and what was expected."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


def shown(text: str) -> str:
    """The text quoted for an error message, at most 80 characters of it."""
    return repr(text) if len(text) <= 80 else f"{text[:80]!r}… ({len(text)} characters)"
