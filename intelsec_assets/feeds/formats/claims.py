"""What feeds say about a value, word by word: instants, labels, markings, types and figures in one spelling.

Where in a file those words stand belongs to the formats; whether a claim is believed belongs to the indicators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

from intelsec_assets.days import ONE_DAY, day_end
from intelsec_assets.feeds.catalogue import INDICATOR_TYPES, TLP_LEVELS
from intelsec_assets.feeds.formats.rows import Reject

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Words that feeds use for our types; None = address of either family or network, told from the value
_TYPE_WORDS: dict[str, str | None] = {
    **{name: name for name in INDICATOR_TYPES},
    **dict.fromkeys(("ip", "ip:port", "ip-dst", "ip-src", "ip_address", "ipaddress"), None),
    **dict.fromkeys(("ipv4-addr", "ip4"), "ipv4"),
    **dict.fromkeys(("ipv6-addr", "ip6"), "ipv6"),
    **dict.fromkeys(("domain-name", "hostname", "host", "fqdn"), "domain"),
    "uri": "url",
    **dict.fromkeys(("email-addr", "email-address", "e-mail"), "email"),
    **{f"{name}_hash": name for name in ("md5", "sha1", "sha256", "sha512")},
    **{f"filehash-{name}": name for name in ("md5", "sha1", "sha256", "sha512")},
    "sha-1": "sha1",
    "sha-256": "sha256",
    "sha-512": "sha512",
}
_TLP_ALIASES = {"white": "clear", "amber-strict": "amber+strict", "amber_strict": "amber+strict"}


class BadClaim(Exception):
    """A claim that cannot be read or cannot be true; `reject` says which and why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reject = Reject(reason, detail)


def latest_instant(day: date) -> datetime:
    """The last instant a snapshot of the day may speak of: a day past its end, for zones and fetches after midnight."""
    return day_end(day) + ONE_DAY


@lru_cache(maxsize=4096)  # an event, a page, a post repeat their few instants; no error is kept
def instant(text: str, latest: datetime, time_format: str | None = None) -> datetime:
    """An instant in UTC: ISO 8601 by default, `epoch` for seconds since 1970, else a strptime format; no zone = UTC.

    Raises BadClaim with bad_time, time_before_1970 or time_in_future (after `latest`).
    """
    word = text.strip()
    bare = word[:-3].rstrip() if word.upper().endswith("UTC") else word
    try:
        if time_format == "epoch":
            moment = datetime.fromtimestamp(float(bare), UTC)
        elif time_format:
            moment = datetime.strptime(bare, time_format)  # noqa: DTZ007 - the zone is set below
        else:
            moment = datetime.fromisoformat(bare)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        expected = {"epoch": "seconds since 1970", None: "an ISO 8601 instant"}.get(time_format, f"{time_format!r}")
        raise BadClaim("bad_time", f"time {word[:80]!r}; expected {expected}") from None
    if moment < _EPOCH:
        raise BadClaim("time_before_1970", f"time {word[:80]!r} is before 1970")
    if moment > latest:
        raise BadClaim(
            "time_in_future", f"time {word[:80]!r} is in the future of the snapshot, which ends {latest:%Y-%m-%d}"
        )
    return moment


def labels(words: Iterable[str]) -> list[str]:
    """Labels in one spelling: lower case, without leading #, sorted, each once; TLP markings are no labels."""
    clean = {" ".join(word.lower().split()).lstrip("#").strip() for word in words}
    return sorted(word for word in clean if word and not word.startswith("tlp:"))


def marking(words: Iterable[str]) -> str | None:
    """The strictest TLP among labels, None without any. An unknown TLP label counts as red: better held than leaked."""
    found = [
        tlp_level(word.strip().lstrip("#")[4:]) for word in words if word.strip().lstrip("#").lower().startswith("tlp:")
    ]
    return strictest(*found) if found else None


def tlp_level(word: str) -> str:
    """A TLP level in the catalogue's spelling (white is clear); unknown ones are red."""
    level = "".join(word.lower().split())
    level = _TLP_ALIASES.get(level, level)
    return level if level in TLP_LEVELS else TLP_LEVELS[-1]


def strictest(*levels: str | None) -> str:
    """The strictest of TLP levels; None counts as clear."""
    return max((level for level in levels if level), key=TLP_LEVELS.index, default=TLP_LEVELS[0])


def declared_type(word: str, type_map: Mapping[str, str | None]) -> str | None:
    """Our type for a feed's word, None = to be told from the value. Raises BadClaim unsupported_type:<word>."""
    key = word.strip().lower()
    if key in type_map:
        mapped = type_map[key]
        return None if mapped in (None, "", "detect") else mapped
    if key in _TYPE_WORDS:
        return _TYPE_WORDS[key]
    raise unsupported_type(key)


def unsupported_type(word: str) -> BadClaim:
    """The defect of a value whose type is no indicator type."""
    return BadClaim(
        f"unsupported_type:{word[:40]}", f"type {word[:80]!r}; expected one of {', '.join(INDICATOR_TYPES)}"
    )


def address_type(value: str) -> str:
    """Type of what a feed calls an address: network, IPv6 or IPv4, by its shape alone."""
    if "/" in value:
        return "cidr"
    return "ipv6" if value.count(":") > 1 else "ipv4"


def ratio(text: str, scale: float) -> float:
    """A confidence as ratio 0 to 1, given on a scale 0 to `scale`. Raises BadClaim bad_number."""
    try:
        value = float(text) / scale
    except ValueError:
        value = -1.0
    if 0.0 <= value <= 1.0:  # false for NaN too
        return value
    raise BadClaim("bad_number", f"confidence {text[:80]!r}; expected a number from 0 to {scale:g}")


def count(text: str) -> int:
    """How many lists a row stands for. Raises BadClaim bad_number."""
    word = text.strip()
    if word.isascii() and word.isdigit() and len(word) <= 9 and int(word) >= 1:  # fits INTEGER
        return int(word)
    raise BadClaim("bad_number", f"number of lists {text[:80]!r}; expected a whole number from 1")
