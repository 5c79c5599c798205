"""What the six publishers of lists (CSV, TSV, hosts, families, plain) say on each day of the story: day in, files out.

The cast and the calendar come from `story.py`, the spelling from `wire_formats.py`; nothing is written to disk here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import story
import wire_formats as wire
from story import march

Files = dict[str, bytes]  # path below the feed's folder -> content
Claim = tuple[str, str]  # (indicator type, value)
ONE_DAY = timedelta(1)


# --- harbour-phish: what people post, a headerless CSV with only the day's rows
def harbour_background(day: date) -> list[Claim]:
    """The day's posts that have nothing to do with the story."""
    claims: list[Claim] = []
    for n in range(28):
        url = story.background_url("harbour", day, n)
        claims += [("url", url), ("domain", url.split("/")[2])]
    claims += [("ip", story.background_address(8, day, n)) for n in range(12)]
    claims += [("sha256", story.digest("sha256", f"harbour {day} {n}")) for n in range(5)]
    return claims


def _harbour_lantern(day: date) -> list[Claim]:
    claims: list[Claim] = []
    for n, host in enumerate(story.lantern_hosts(day)):
        url = story.lantern_url(host)
        defanged = n % 2 == 0
        claims.append(("url", wire.defang(url, n // 2) if defanged else url))
        claims.append(("domain", wire.defang(host, n // 2) if defanged else host))
    claims += [("url", story.lantern_url(host)) for host in story.lantern_hosts(day - ONE_DAY)[::2]]
    extra: dict[date, list[Claim]] = {
        march(3): [("url", spelling) for spelling in story.LANTERN_GATE_SPELLINGS],
        march(6): [("domain", story.LANTERN_IDN), ("url", f"https://{story.LANTERN_IDN}/signin")],
        march(12): [("url", url) for url in story.SHARED_HOST_URLS],
    }
    return claims + extra.get(day, [])


def _harbour_story(day: date) -> list[Claim]:
    claims: list[Claim] = [("ip", wire.defang(address, 0)) for address in story.brassworm_addresses(day)[:3]]
    claims.append(("ip", story.SCANNER))
    extra: dict[date, list[Claim]] = {
        march(4): [("ip", value) for value in story.BROKEN_ADDRESSES],
        march(9): [("domain", story.NUL_HOST)],
        march(10): [("md5", story.EMPTY_FILE["md5"]), ("sha256", story.EMPTY_FILE["sha256"])],
        march(13): [("sha256", story.digest("sha256", loader).upper()) for loader in story.BRASSWORM_LOADERS[:4]],
        march(14): [("url", story.OWN_LISTED_URL)],
    }
    return claims + extra.get(day, [])


def harbour_phish(day: date) -> Files:
    """`datetime,reporter,type,value,tags,reference,campaign`; on 4 March two rows lack fields."""
    posts = [(claim, "#phishing", "") for claim in harbour_background(day)]
    posts += [(claim, "#phishing", "") for claim in harbour_background(day - ONE_DAY)[:20:2]]  # posted again
    posts += [(claim, "#phishing #lantern", "lantern") for claim in _harbour_lantern(day)]
    for claim in _harbour_story(day):
        tags = "#scanner" if claim[1] == story.SCANNER else "#c2 #brassworm" if claim[0] == "ip" else "#malware"
        posts.append((claim, tags, ""))
    rows = []
    for n, ((kind, value), tags, campaign) in enumerate(posts):
        source = story.stream("harbour row", day, n)
        who = source.choice(("patrol_ines", "mudlark", "tidewatch", "night_clerk"))
        at = wire.csv_time(story.moment(day, "harbour", n // 2))
        status = f"https://social.example.net/{who}/status/{source.randrange(10**17, 10**18)}"
        rows.append(f"{at},{who},{kind},{value},{tags},{status},{campaign}")
    if day == march(4):
        rows += story.SHORT_ROWS
    rows.sort(key=lambda row: row[:19])
    return {f"{day:%Y%m%d}.csv": "".join(row + "\n" for row in rows).encode()}


# --- foundry-c2: a rolling seven days, quoted CSV below a commented header
@dataclass(frozen=True)
class FoundryEntry:
    """One row of the foundry's export."""

    at: datetime
    kind: str
    value: str
    family: str
    last_seen: datetime | None = None
    threat: str = "botnet_cc"

    @property
    def address(self) -> str | None:
        """The IPv4 address of an `ip:port` entry."""
        return self.value.partition(":")[0] if self.kind == "ip:port" and self.value[0] != "[" else None


FOUNDRY_UNREADABLE = march(7)
_FOUNDRY_NEW_COLUMN = march(9)
_FOUNDRY_ERROR_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body></html>\n"
)
_FOUNDRY_KINDS = ("ip:port",) * 20 + ("domain",) * 3 + ("url",) * 3 + ("sha256", "sha256", "md5", "sha1")


def _foundry_background(day: date) -> Iterator[FoundryEntry]:
    for n, kind in enumerate(_FOUNDRY_KINDS):
        source = story.stream("foundry", day, n)
        family = source.choice(story.BACKGROUND_FAMILIES)
        at = story.moment(day, "foundry", n)
        seen = at + timedelta(hours=source.randint(1, 30)) if source.choice((True, False)) else None
        if kind == "ip:port":
            port = source.choice((443, 8080, 8443, 1337))
            yield FoundryEntry(at, kind, f"{story.background_address(2, day, n)}:{port}", family, seen)
        elif kind == "domain":
            yield FoundryEntry(at, kind, story.background_host("foundry", day, n), family, seen)
        elif kind == "url":
            yield FoundryEntry(at, kind, story.background_url("foundry", day, n), family, seen, "payload_delivery")
        else:
            value = story.digest(kind, f"foundry {day} {n}")
            yield FoundryEntry(at, f"{kind}_hash", value, family, None, "payload")
    yield FoundryEntry(story.moment(day, "no port"), "ip:port", f"192.0.2.{100 + day.day}", "Glasshook")


def _foundry_brassworm(day: date) -> Iterator[FoundryEntry]:
    current = story.brassworm_rotation(day)
    for n, start in enumerate(story.BRASSWORM_ROTATION[: current + 1]):
        if day - start > timedelta(7):
            continue
        moved = day if n == current else story.BRASSWORM_ROTATION[n + 1]
        last = story.moment(moved, "brassworm last seen", n)
        for address in story.brassworm_addresses(start):
            if n == current or address not in story.brassworm_addresses(day):  # one row an address: the newest
                at = story.moment(start, "brassworm", address)
                yield FoundryEntry(at, "ip:port", f"{address}:{story.BRASSWORM_PORT}", "Brassworm", max(at, last))
        at = story.moment(start, "brassworm relay", n)
        yield FoundryEntry(at, "domain", story.BRASSWORM_DOMAINS[n], "Brassworm", max(at, last))
        loader = story.digest("sha256", story.BRASSWORM_LOADERS[n])
        yield FoundryEntry(at, "sha256_hash", loader, "Brassworm", None, "payload")
    if day >= story.BRASSWORM_V6_DAY:
        at, last = story.moment(story.BRASSWORM_V6_DAY, "v6"), story.moment(day, "v6 seen")
        spelled = f"[{story.BRASSWORM_V6_SPELLINGS['foundry-c2']}]:{story.BRASSWORM_PORT}"
        yield FoundryEntry(at, "ip:port", spelled, "Brassworm", max(at, last))


def _foundry_mistakes(day: date) -> Iterator[FoundryEntry]:
    if day == march(10):
        yield FoundryEntry(datetime(2031, 1, 1, tzinfo=UTC), "domain", story.FUTURE_HOST, "Tidewheel")
        yield FoundryEntry(story.moment(day, "empty"), "sha256_hash", story.EMPTY_FILE["sha256"], "Tidewheel")
    if day == march(11):
        old = datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
        yield FoundryEntry(old, "domain", story.PAST_HOST, "Tidewheel")


def foundry_entries(day: date) -> list[FoundryEntry]:
    """What the foundry's list holds on that day, newest first."""
    entries = [entry for back in range(7) for entry in _foundry_background(day - timedelta(back))]
    entries += [*_foundry_brassworm(day), *_foundry_mistakes(day)]
    return sorted(entries, key=lambda entry: (entry.at, entry.value), reverse=True)


_FOUNDRY_COLUMNS = (
    *("first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type", "fk_malware", "malware_alias"),
    *("malware_printable", "last_seen_utc", "confidence_level", "is_compromised", "reference", "tags"),
    *("anonymous", "reporter"),
)


def _foundry_cells(entry: FoundryEntry, day: date) -> dict[str, object]:
    seen = entry.last_seen if entry.last_seen and entry.last_seen.date() <= day else None
    return {
        "first_seen_utc": wire.csv_time(entry.at),
        "ioc_id": 1_700_000 + int(story.digest("md5", entry.value)[:5], 16),
        "ioc_value": entry.value,
        "ioc_type": entry.kind,
        "threat_type": entry.threat,
        "fk_malware": f"win.{entry.family.lower()}",
        "malware_printable": entry.family,
        "last_seen_utc": wire.csv_time(seen) if seen else None,
        "confidence_level": 100 if entry.family == "Brassworm" else (50, 75, 90)[len(entry.value) % 3],
        "is_compromised": False,
        "tags": f"{entry.family.lower()},c2",
        "anonymous": 0,
        "reporter": "foundry",
    }


def foundry_c2(day: date) -> Files:
    """Fourteen columns, from 9 March fifteen: one is inserted in the middle. On 7 March an error page."""
    if day == FOUNDRY_UNREADABLE:
        return {f"{day}.csv": _FOUNDRY_ERROR_PAGE.encode()}
    columns = [name for name in _FOUNDRY_COLUMNS if name != "is_compromised" or day >= _FOUNDRY_NEW_COLUMN]
    entries = foundry_entries(day)
    frame = "#" * 64
    lines = [frame, f"# Foundry recent C2 export, last updated {day} 23:45:10 UTC", frame, "#"]
    lines.append("# " + wire.quoted_row(columns, ","))
    for entry in entries:
        cells = _foundry_cells(entry, day)
        lines.append(wire.quoted_row(cells.get(name) for name in columns))
    lines.append(f"# Number of entries: {len(entries)}")
    return {f"{day}.csv": "".join(line + "\n" for line in lines).encode()}


# --- magpie-list: the foundry's addresses of the day before, sold as its own
def magpie_list(day: date) -> Files:
    """One address a line, from 4 March on; while the foundry cannot be read the older copy stays."""
    if day < march(4):
        return {}
    copied = day - ONE_DAY * (2 if day - ONE_DAY == FOUNDRY_UNREADABLE else 1)
    found = {entry.address for entry in foundry_entries(copied) if entry.address}
    addresses = sorted(found, key=lambda address: [int(part) for part in address.split(".")])
    head = f"# Magpie independent research list\n# generated {day}\n"
    return {f"{day}.txt": (head + "".join(address + "\n" for address in addresses)).encode()}


# --- tally-list: an aggregator that says how many of its ten lists hold an address
_TALLY_SHRUNK = march(10)
_TALLY_HEAD = (
    "# Tally: addresses and the number of lists that hold them\n# Last update: {}\n#\n# IP\tnumber of lists\n#\n"
)


def _tally_background(day: date) -> dict[str, int]:
    number = (day - story.FIRST_DAY).days
    listed: dict[str, int] = {}
    for n in range(1900):
        source = story.stream("tally", n)
        start, days = source.randint(-20, 13), source.choice((2, 4, 8, 14, 30))
        away = source.randint(-20, 13)  # one day of its life on which it is missing, to come back the day after
        if start <= number < start + days and number != away:
            listed[story.background_address(16 + n % 16, n)] = source.choice((1, 1, 1, 1, 1, 2, 2, 3, 4))
    return listed


def tally_list(day: date) -> Files:
    """`address<TAB>lists`, most listed first, gzip. On 10 March an eighth of it arrives."""
    listed = _tally_background(day)
    listed |= {entry.address: 2 for entry in _foundry_background(day - timedelta(2)) if entry.address}
    listed |= dict.fromkeys(map(story.lantern_server, story.lantern_live(day)), 3)
    for seen in (day - timedelta(back) for back in (1, 2, 3)):
        listed |= dict.fromkeys(story.brassworm_addresses(seen) if seen >= story.FIRST_DAY else (), 5)
    listed |= {story.SCANNER: 9, story.SECOND_SCANNER: 7}
    if day >= march(5):
        listed |= dict.fromkeys(story.PRIVATE_ADDRESSES, 1)
    if day == march(8):
        listed[story.NOT_AN_ADDRESS] = 1
    if march(9) <= day <= march(11):
        listed[story.OWN_LISTED_ADDRESS] = 6
    rows = sorted(listed.items(), key=lambda item: (-item[1], item[0]))
    if day == _TALLY_SHRUNK:
        rows = rows[: len(rows) // 8]
    content = _TALLY_HEAD.format(day) + "".join(f"{address}\t{count}\n" for address, count in rows)
    return {f"{day}.tsv.gz": wire.gzip_bytes(content.encode())}


# --- quay-hosts: a hosts file with CRLF
_QUAY_EMPTY = march(6)


def quay_hosts(day: date) -> Files:
    """`127.0.0.1<TAB>host`; on 6 March only its comments, on 11 March one line in latin-1."""
    number = (day - story.FIRST_DAY).days
    hosts: list[str] = []
    for n in range(700):
        source = story.stream("quay", n)
        start, days = source.randint(-20, 13), source.choice((4, 8, 14, 30))
        if start <= number < start + days:
            hosts.append(story.background_host("quay", n))
    hosts += story.lantern_live(day - ONE_DAY)
    hosts += [value for kind, value in harbour_background(day - ONE_DAY) if kind == "domain"][::4]
    if day <= march(5) or day >= march(13):
        hosts.append(story.RETURNING_HOST)
    if day == march(5):
        hosts.append(story.OVERLONG_HOST)
    if day in (march(7), march(8)):
        hosts.append(story.LANTERN_IDN_ASCII)
    if march(9) <= day <= march(11):
        hosts += story.OWN_LISTED_NAMES
    lines = ["# Quay hosts file", f"# Updated {day}"]
    if day != _QUAY_EMPTY:
        lines += ["127.0.0.1\tlocalhost", *(f"127.0.0.1\t{host}" for host in sorted(hosts))]
    content = "".join(line + "\r\n" for line in lines).encode()
    if day == march(11):
        content += f"127.0.0.1\t{story.LATIN1_HOST}\r\n".encode("latin-1")
    return {f"{day}.txt": content}


# --- workshop-trails: a file a family, kept by hand
_WORKSHOP_FROZEN = (march(5), march(12))


def workshop_trails(day: date) -> Files:
    """Folders say the threat type, file names the family. Nobody touches them from 5 to 12 March."""
    written = _WORKSHOP_FROZEN[0] if _WORKSHOP_FROZEN[0] <= day <= _WORKSHOP_FROZEN[1] else day
    age = (written - story.FIRST_DAY).days
    trails: dict[str, list[str]] = {}
    for family in story.BACKGROUND_FAMILIES:
        own = [story.background_host("workshop", family, n) for n in range(45 + 2 * age)]
        own += [f"{story.background_address(14, family, n)}:8080" for n in range(20 + age)]
        trails[f"c2/{family.lower()}.txt"] = own
    rotations = [start for start in story.BRASSWORM_ROTATION if start <= written]
    seen = sorted({address for start in rotations for address in story.brassworm_addresses(start)})
    relays = story.BRASSWORM_DOMAINS[: len(rotations)]
    trails["c2/brassworm.txt"] = [*relays, *(f"{address}:{story.BRASSWORM_PORT}" for address in seen)]
    trails["phishing/lantern.txt"] = [*story.lantern_live(written, 14)[::2], story.LANTERN_GATE]
    files: Files = {}
    for path, values in trails.items():
        lines = ["# Workshop trails, see LICENSE", "", f"# Reference: https://notes.example.org/{path[:-4]}", ""]
        files[f"{day}/{path}"] = "".join(line + "\n" for line in [*lines, *values]).encode()
    return files
