"""The cast and the calendar of the bundled sample: every name, address, hash and day that the story is told with.

How they are spelled on the wire is `wire_formats.py`; who says what on which day is in the two `*_publishers.py`.
Later generators (audit logs, runtime events) take their indicators from here, so that one story runs through all.
"""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, date, datetime, timedelta

SEED = "intelsec sample 1"
FIRST_DAY = date(2026, 3, 2)  # a Monday
DAYS = tuple(FIRST_DAY + timedelta(n) for n in range(14))


def march(day: int) -> date:
    """The day of the story's month."""
    return date(2026, 3, day)


def stream(*key: object) -> random.Random:
    """A random source of its own for each key, so that a change in one feed leaves the bytes of the others alone."""
    return random.Random("/".join(map(str, (SEED, *key))))


def digest(algorithm: str, text: str) -> str:
    """Synthetic file hash: the hash of a seeded string, lower case."""
    return hashlib.new(algorithm, f"{SEED}/{text}".encode()).hexdigest()


def moment(day: date, *key: object) -> datetime:
    """A seeded instant of the day, UTC, between 00:10 and 23:40."""
    seconds = stream("moment", day, *key).randint(600, 85_200)
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)


# --- the company: ours, never exported
OWN_DOMAIN = "intelsec-demo.example"
OWN_NETWORKS = ("198.51.100.0/26", "2001:db8:100::/48")

# --- Lantern: a phishing wave against the company's people
LANTERN_NEW_HOSTS = dict(zip(DAYS, (0, 3, 5, 8, 10, 8, 4, 2, 1, 0, 0, 0, 3, 4), strict=True))
_LANTERN_PATTERNS = (
    "intelsec-demo-{}.example",
    "{}-intelsec-demo.test",
    "intelsec-dem0-{}.test",
    "{}.lntelsec-demo.example",
    "intelsec-demo.example.{}-lantern.test",  # our name in front of a foreign one: must not count as ours
    "{}-northgate-bank.example",
)
# fmt: off
_LANTERN_WORDS = (
    "login", "portal", "vpn", "sso", "mail", "payroll", "invoice", "support", "helpdesk", "webmail", "secure",
    "account", "hr", "docs", "benefits", "reset",
)
# fmt: on
# 6 patterns and 16 words meet in 48 different pairs before the first one repeats: exactly the hosts of the calendar
_LANTERN_NAMES = [_LANTERN_PATTERNS[i % 6].format(_LANTERN_WORDS[i * 5 % 16]) for i in range(48)]


def lantern_hosts(day: date) -> list[str]:
    """Look-alike hosts first seen on that day."""
    start = sum(count for other, count in LANTERN_NEW_HOSTS.items() if other < day)
    return _LANTERN_NAMES[start : start + LANTERN_NEW_HOSTS[day]] if day in LANTERN_NEW_HOSTS else []


def lantern_live(day: date, days: int = 4) -> list[str]:
    """Look-alike hosts first seen in the `days` days up to that day: a host is taken down after about four."""
    return [host for back in range(days - 1, -1, -1) for host in lantern_hosts(day - timedelta(back))]


def lantern_url(host: str) -> str:
    """The sign-in page of the phishing kit on that host, canonical form."""
    return f"https://{host}/lantern/{digest('md5', host)[:8]}/signin"


def lantern_server(host: str) -> str:
    """The address that serves that host: 198.51.100.64 and up, outside the company's own network."""
    return f"198.51.100.{70 + int(digest('md5', 'server ' + host), 16) % 40}"


LANTERN_GATE = "lantern-gate.example"  # first landing host; its root URL is spelled three ways on 3 March
LANTERN_GATE_URL = f"https://{LANTERN_GATE}/"
LANTERN_GATE_SPELLINGS = ("HTTPS://Lantern-Gate.EXAMPLE:443", f"https://{LANTERN_GATE}")
LANTERN_IDN = "intelsec-démo.example"
LANTERN_IDN_ASCII = "xn--intelsec-dmo-keb.example"
LANTERN_SENDERS = tuple(
    f"{who}@{host}"
    for who, host in (
        ("billing", "intelsec-demo-invoices.example"),
        ("it-desk", "intelsec-demo-invoices.example"),
        ("payroll", "northgate-mailer.test"),
        ("no-reply", "northgate-mailer.test"),
    )
)
LANTERN_KITS = tuple(f"lantern kit {n}" for n in range(1, 6))
SHARED_HOST_URLS = tuple(
    f"https://{name}.sharedpages.test/signin" for name in ("lantern-help", "lantern-hr", "lantern-it")
)

# --- Brassworm: a C2 family whose addresses rotate every three days
BRASSWORM_ROTATION = (march(2), march(5), march(8), march(11), march(14))
BRASSWORM_PORT = 4443
BRASSWORM_RETURNING = "203.0.113.17"  # first rotation, gone, back on 14 March
_BRASSWORM_OCTETS = (
    (17, 18, 23, 31, 36, 44),
    (52, 57, 61, 66, 70, 75),
    (83, 88, 90, 97, 101, 106),
    (113, 119, 122, 130, 137, 141),
    (17, 150, 158, 163, 171, 180),
)
BRASSWORM_V6 = "2001:db8:42::1"
BRASSWORM_V6_DAY = march(5)
BRASSWORM_V6_SPELLINGS = {
    "foundry-c2": "2001:0db8:0042:0000:0000:0000:0000:0001",
    "lighthouse-misp": "2001:DB8:42:0:0:0:0:1",
    "summit-stix": "2001:db8:42:0::0001",
}
BRASSWORM_DOMAINS = tuple(f"relay-{n}.brassworm.test" for n in range(1, 6))
BRASSWORM_LOADERS = tuple(f"brassworm loader {n}" for n in range(1, 6))
BRASSWORM_MUTEX = "Global\\brassworm-77"
BRASSWORM_CIDR_DAY = march(8)
BRASSWORM_CIDR = "198.18.77.0/24"
BRASSWORM_CIDR_HOST_BITS = "198.18.77.9/24"


def brassworm_rotation(day: date) -> int:
    """Which rotation, from 0, is in use on that day."""
    return max(sum(start <= day for start in BRASSWORM_ROTATION) - 1, 0)


def brassworm_addresses(day: date) -> list[str]:
    """The six C2 addresses in use on that day."""
    return [f"203.0.113.{octet}" for octet in _BRASSWORM_OCTETS[brassworm_rotation(day)]]


# --- scanners: benign, listed by many
SCANNER = "198.18.200.10"  # Watchtower survey
SCANNER_NETWORK = "198.18.200.0/28"
SECOND_SCANNER = "198.18.201.5"  # Tidepool survey, known from a plain list

# --- what should not have been listed
PRIVATE_ADDRESSES = ("192.168.1.1", "10.0.0.5")
OWN_LISTED_NAMES = (OWN_DOMAIN, f"www.{OWN_DOMAIN}")
OWN_LISTED_ADDRESS = "198.51.100.25"
OWN_LISTED_URL = f"https://status.{OWN_DOMAIN}/"
OWN_LISTED_V6 = "2001:db8:100::53"
NETWORK_OVER_OURS = "198.51.100.0/24"
EMPTY_FILE = {name: hashlib.new(name).hexdigest() for name in ("md5", "sha1", "sha256")}

# --- what nobody can use
BROKEN_ADDRESSES = ("203.0.113.999", "198.18.300.7", "192.0.2.010")
SHORT_ROWS = ("2026-03-04 09:20:11,mudlark", "2026-03-04 13:07:45,mudlark,domain,,#phishing,,")
OVERLONG_HOST = f"{'long-label-' * 6}x.test"
NOT_AN_ADDRESS = "not-an-address.test"
NUL_HOST = "nul\0byte.test"
LATIN1_HOST = "café-parcel.test"
FUTURE_HOST, PAST_HOST = "from-the-future.test", "before-the-epoch.test"
PROCESS_PATTERN = "process:name = 'lantern-helper.bin'"
DELETED_HOST = "withdrawn-by-analyst.test"

# --- what else comes and goes
RETURNING_HOST = "parcel-desk.example"  # in the hosts file 2 to 5 March and again from 13 March
REVOKED_HOST = "mistaken-claim.test"  # in the bundle from 2 March, revoked there on 13 March
BACKGROUND_FAMILIES = ("Copperfin", "Tidewheel", "Glasshook")

# fmt: off
_ADJECTIVES = (
    "amber", "brisk", "calm", "dusty", "early", "faint", "grand", "hollow", "ivory", "jolly", "keen", "lunar",
    "misty", "noble", "odd", "pale", "quick", "rusty",
)
_NOUNS = (
    "anchor", "basin", "cabin", "depot", "engine", "ferry", "garden", "harbor", "island", "jetty", "kiosk",
    "ledger", "market", "needle", "orchard", "parcel",
)
# fmt: on
def background_host(*key: object) -> str:
    """A seeded made-up host under a reserved top-level domain."""
    source = stream("host", *key)
    name = f"{source.choice(_ADJECTIVES)}-{source.choice(_NOUNS)}{source.randint(2, 999)}"
    prefix = source.choice(("", "", "www.", "cdn.", "my."))
    return f"{prefix}{name}.{source.choice(('example', 'test', 'test', 'invalid'))}"


def background_url(*key: object) -> str:
    """A seeded made-up URL in canonical form."""
    source = stream("url", *key)
    path = source.choice(("", "login", "wp-content/x.php", "a/b/c.html", "pay?id=7&ref=mail", "i", "index.php"))
    return f"{source.choice(('http', 'https'))}://{background_host('of url', *key)}/{path}"


def background_address(block: int, *key: object) -> str:
    """A seeded address of 198.18.0.0/15: `block` is the third of 32 blocks of 4,096 addresses it is taken from."""
    number = stream("address", block, *key).randrange(4096)
    return f"198.{18 + block // 16}.{block % 16 * 16 + number // 256}.{number % 256}"
