"""What the four publishers of MISP and STIX say on each day of the story: day in, files out.

The cast and the calendar come from `story.py`, the spelling from `wire_formats.py`; nothing is written to disk here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import story
import wire_formats as wire
from list_publishers import ONE_DAY, Claim, Files, harbour_background
from story import march

# fixed by the TLP 2.0 extension of STIX 2.1
TLP_CLEAR = "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
TLP_GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
_TLP_COLOURS = {"clear": "#ffffff", "green": "#339900", "amber": "#ffc000"}


def _tlp_tag(level: str) -> dict[str, Any]:
    return wire.misp_tag(f"tlp:{level}", _TLP_COLOURS[level])


def _json_file(value: object, depth: int) -> bytes:
    return wire.json_text(value, depth).encode() + b"\n"


# --- lighthouse-misp: a MISP feed folder
_MISP_TYPES = {"ip": "ip-dst", "url": "url", "domain": "domain", "sha256": "sha256"}


def _lighthouse_daily(day: date) -> dict[str, Any]:
    key, at = f"lighthouse {day}", story.moment(day, "lighthouse story")
    claims: list[Claim] = [("domain", story.background_host("lighthouse", day, n)) for n in range(14)]
    claims += [("ip", story.background_address(9, day, n)) for n in range(6)]
    claims += [("url", wire.defang(story.background_url("lighthouse", day, n), n)) for n in range(4)]
    claims += [*harbour_background(day)[5:65:6], ("ip", story.SCANNER)]
    attributes = [
        wire.misp_attribute(key, _MISP_TYPES[kind], value, story.moment(day, "lighthouse", value))
        for kind, value in claims
    ]
    brassworm = [wire.misp_tag('misp-galaxy:malware="Brassworm"')]
    address = f"{story.brassworm_addresses(day)[0]}|{story.BRASSWORM_PORT}"
    attributes.append(wire.misp_attribute(key, "ip-dst|port", address, at, Tag=brassworm))
    if day >= story.BRASSWORM_V6_DAY:
        spelled = story.BRASSWORM_V6_SPELLINGS["lighthouse-misp"]
        attributes.append(wire.misp_attribute(key, "ip-dst", spelled, at, Tag=brassworm))
    if day >= story.BRASSWORM_CIDR_DAY:
        attributes.append(wire.misp_attribute(key, "ip-dst", story.BRASSWORM_CIDR, at, Tag=brassworm))
    copied = wire.misp_attribute(key, "domain", "example.com", at, to_ids=False, comment="page copied from here")
    info = f"Lighthouse daily observations {day}"
    return wire.misp_event(key, info, at, orgc="Lighthouse", tags=[_tlp_tag("clear")], Attribute=[*attributes, copied])


def _lighthouse_lantern(day: date) -> dict[str, Any] | None:
    hosts = story.lantern_hosts(day)
    if not hosts:
        return None
    key, at = f"lighthouse lantern {day}", story.moment(day, "lighthouse lantern")
    attributes = []
    for host in hosts:
        attributes.append(wire.misp_attribute(key, "hostname", host, at, comment="Lantern landing host"))
        attributes.append(wire.misp_attribute(key, "url", story.lantern_url(host), at))
        attributes.append(wire.misp_attribute(key, "domain|ip", f"{host}|{story.lantern_server(host)}", at))
    sender = story.LANTERN_SENDERS[day.day % len(story.LANTERN_SENDERS)]
    attributes.append(wire.misp_attribute(key, "email-src", sender, at, category="Payload delivery"))
    tags = [_tlp_tag("green"), wire.misp_tag('misp-galaxy:campaign="lantern"')]
    info = f"Lantern phishing wave {day}"
    return wire.misp_event(key, info, at, orgc="Lighthouse", tags=tags, Attribute=attributes)


def lighthouse_misp(day: date) -> Files:
    """The events of the day and of the day before, and a manifest that lists them."""
    days = [shown for shown in (day - ONE_DAY, day) if shown >= story.FIRST_DAY]
    events = [event for shown in days for event in (_lighthouse_daily(shown), _lighthouse_lantern(shown)) if event]
    files = {f"{day}/{event['uuid']}.json": _json_file({"Event": event}, 3) for event in events}
    files[f"{day}/manifest.json"] = _json_file(wire.misp_manifest(events), 1)
    return files


# --- orchard-events: single MISP events of a sharing group
def _file_object(event: str, name: str, at: datetime) -> dict[str, Any]:
    parts = {"filename": f"{name.replace(' ', '-')}.bin"}
    parts |= {kind: story.digest(kind, name) for kind in ("md5", "sha1", "sha256")}
    attributes = [
        wire.misp_attribute(
            event, kind, value, at, category="Payload delivery", object_relation=kind, to_ids=kind != "filename"
        )
        for kind, value in parts.items()
    ]
    return wire.misp_object(event, "file", name, at, attributes)


def _orchard_brassworm(key: str, info: str, day: date, loaders: Sequence[str], tlp: str) -> dict[str, Any]:
    at = story.moment(day, key)
    addresses = [f"{address}|{story.BRASSWORM_PORT}" for address in story.brassworm_addresses(day)[4:]]
    values = [("ip-dst|port", address) for address in addresses]
    values += [("domain", story.background_host(key, n)) for n in range(12)]
    values += [("ip-dst", story.background_address(5, key, n)) for n in range(6)]
    attributes = [wire.misp_attribute(key, kind, value, at) for kind, value in values]
    attributes.append(wire.misp_attribute(key, "domain", story.DELETED_HOST, at, deleted=True))
    attributes.append(wire.misp_attribute(key, "mutex", story.BRASSWORM_MUTEX, at, category="Artifacts dropped"))
    attributes.append(wire.misp_attribute(key, "link", "https://notes.example.org/brassworm", at, to_ids=False))
    galaxies = [
        wire.misp_galaxy("malware", "Malware", "Brassworm", "Loader with rotating C2 addresses", ["BWORM"]),
        wire.misp_galaxy("mitre-attack-pattern", "Attack Pattern", "Web Protocols - T1071.001", "C2 over HTTPS"),
    ]
    tags = [_tlp_tag(tlp), *(wire.misp_tag(galaxy["GalaxyCluster"][0]["tag_name"]) for galaxy in galaxies)]
    objects = [_file_object(key, loader, at) for loader in loaders]
    return wire.misp_event(
        key, info, at, orgc="Orchard ISAC", tags=tags, Attribute=attributes, Object=objects, Galaxy=galaxies
    )


def _orchard_lantern(key: str, info: str, day: date) -> dict[str, Any]:
    at = story.moment(day, key)
    objects = [_file_object(key, kit, at) for kit in story.LANTERN_KITS]
    for sender in story.LANTERN_SENDERS:
        part = wire.misp_attribute(key, "email-src", sender, at, category="Payload delivery", object_relation="from")
        objects.append(wire.misp_object(key, "email", sender, at, [part]))
    for host in story.lantern_hosts(day)[:4]:
        parts = [
            wire.misp_attribute(key, "domain", host, at, object_relation="domain"),
            wire.misp_attribute(key, "ip-dst", story.lantern_server(host), at, object_relation="ip"),
        ]
        objects.append(wire.misp_object(key, "domain-ip", host, at, parts))
    galaxy = wire.misp_galaxy("campaign", "Campaign", "lantern", "Look-alike sign-in pages of Intelsec Demo")
    tags = [_tlp_tag("green"), wire.misp_tag(galaxy["GalaxyCluster"][0]["tag_name"])]
    return wire.misp_event(key, info, at, orgc="Orchard ISAC", tags=tags, Attribute=[], Object=objects, Galaxy=[galaxy])


def orchard_events(day: date) -> Files:
    """Every event published up to that day, one file each; the one of 12 March is amber."""
    loaders = story.BRASSWORM_LOADERS
    events: dict[str, dict[str, Any]] = {}
    if day >= march(2):
        events["brassworm-1"] = _orchard_brassworm("orchard 1", "Brassworm: report", march(2), loaders[:1], "green")
    if day >= march(5):
        events["lantern-kit"] = _orchard_lantern("orchard 2", "Lantern: kit and senders", march(5))
    if day >= march(9):
        events["brassworm-2"] = _orchard_brassworm("orchard 3", "Brassworm: moved", march(9), loaders[1:3], "green")
    if day >= march(12):
        info = "Brassworm: members only"
        events["brassworm-members"] = _orchard_brassworm("orchard 4", info, march(12), loaders[3:4], "amber")
    return {f"{day}/{name}.json": _json_file({"Event": event}, 3) for name, event in events.items()}


# --- beacon-taxii: pages of a TAXII 2.1 collection, only the day's objects
_BEACON_BARE = march(12)


def _beacon_background(day: date) -> Iterator[dict[str, Any]]:
    claims: list[Claim] = [("domain", story.background_host("beacon", day, n)) for n in range(14)]
    claims += [("ipv4", story.background_address(10, day, n)) for n in range(8)]
    claims += [("sha256", story.digest("sha256", f"beacon {day} {n}")) for n in range(3)]
    claims += [("ipv4" if kind == "ip" else kind, value) for kind, value in harbour_background(day - ONE_DAY)[4::9]]
    claims.append(("ipv4", story.SCANNER))
    for kind, value in claims:
        pattern, at = wire.stix_comparison(kind, value), story.moment(day, "beacon", value)
        yield wire.stix_indicator("beacon", pattern, at, ["malicious"], object_marking_refs=[TLP_CLEAR])


def _beacon_story(day: date) -> Iterator[dict[str, Any]]:
    at, green = story.moment(day, "beacon story"), [TLP_GREEN]
    for host in story.lantern_live(day, 2):
        url = story.lantern_url(host)
        pattern = f"{wire.stix_comparison('domain', host)} OR {wire.stix_comparison('url', url)}"
        yield wire.stix_indicator("beacon", pattern, at, ["phishing", "lantern"], object_marking_refs=green)
    for address in story.brassworm_addresses(day)[:4]:
        phase = [{"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"}]
        pattern = wire.stix_comparison("ipv4", address)
        yield wire.stix_indicator("beacon", pattern, at, ["c2", "brassworm"], confidence=85, kill_chain_phases=phase)
    if day == march(3):
        pattern = wire.stix_comparison("url", story.LANTERN_GATE_URL)
        yield wire.stix_indicator("beacon", pattern, at, ["phishing", "lantern"], object_marking_refs=green)
    if day == march(6):  # no value of an indicator type in it
        yield wire.stix_indicator("beacon", story.PROCESS_PATTERN, at, ["lantern"], object_marking_refs=green)


def beacon_taxii(day: date) -> Files:
    """Two pages a day: envelopes up to 11 March, then the bare arrays that a mirror makes of them."""
    identity = wire.stix_identity("beacon", "Beacon", datetime(2026, 1, 5, tzinfo=UTC))
    objects = [identity, *_beacon_background(day), *_beacon_story(day)]
    half = len(objects) // 2
    first, second = objects[:half], objects[half:]
    if day >= _BEACON_BARE:
        return {f"{day}.0.json": _json_file(first, 1), f"{day}.1.json": _json_file(second, 1)}
    return {
        f"{day}.0.json": _json_file({"more": True, "next": f"{day}.1", "objects": first}, 2),
        f"{day}.1.json": _json_file({"more": False, "objects": second}, 2),
    }


# --- summit-stix: one STIX 2.1 bundle, the whole of it every day
def _summit_claims(day: date) -> Iterator[tuple[date, str, str, list[str]]]:
    """(since, type, value, labels) of every indicator the bundle ever holds up to that day."""
    first = story.FIRST_DAY
    for n in range(20):
        yield first, "ipv6", f"2001:db8:{0x9000 + n:x}::{n + 1:x}", ["botnet"]
    for n in range(12 + (day - first).days):
        yield first + timedelta(max(n - 12, 0)), "domain", story.background_host("summit", n), ["malicious"]
    for start in story.BRASSWORM_ROTATION:
        for address in story.brassworm_addresses(start)[:5]:
            yield start, "ipv4", address, ["c2", "brassworm"]
    for n, kit in enumerate(story.LANTERN_KITS):
        yield march(3 + n), "sha1", story.digest("sha1", kit).upper(), ["phishing-kit", "lantern"]
    yield march(4), "email", story.LANTERN_SENDERS[0], ["phishing", "lantern"]
    yield first, "ipv4", story.SCANNER, ["scanning"]
    yield story.BRASSWORM_V6_DAY, "ipv6", story.BRASSWORM_V6_SPELLINGS["summit-stix"], ["c2", "brassworm"]
    yield story.BRASSWORM_CIDR_DAY, "ipv4", story.BRASSWORM_CIDR_HOST_BITS, ["c2", "brassworm"]
    yield march(12), "ipv4", story.NETWORK_OVER_OURS, ["botnet"]
    yield march(12), "ipv6", story.OWN_LISTED_V6, ["botnet"]
    yield first, "domain", story.REVOKED_HOST, ["phishing"]


def summit_stix(day: date) -> Files:
    """A malware, a campaign, their indicators and how they relate; one indicator is revoked from 13 March."""
    start = datetime(2026, 3, 2, 6, tzinfo=UTC)
    identity = wire.stix_identity("summit", "Summit Exchange", start)
    malware = wire.stix_object("malware", "brassworm", start, name="Brassworm", is_family=True)
    campaign = wire.stix_object("campaign", "lantern", start, name="lantern")
    meant = {"brassworm": malware, "lantern": campaign}
    indicators: dict[str, dict[str, Any]] = {}  # by value: the returning address keeps its last life
    links: dict[str, dict[str, Any]] = {}
    for since, kind, value, labels in _summit_claims(day):
        if since > day:
            continue
        at = story.moment(since, "summit", value)
        more: dict[str, Any] = {"revoked": True} if value == story.REVOKED_HOST and day >= march(13) else {}
        if "c2" in labels:
            more["valid_until"] = wire.stix_time(at + timedelta(30))
        pattern = wire.stix_comparison(kind, value)
        indicators[value] = wire.stix_indicator("summit", pattern, at, labels, object_marking_refs=[TLP_CLEAR], **more)
        if target := meant.get(labels[-1]):
            links[value] = wire.stix_relationship(indicators[value], "indicates", target, at)
    objects = [identity, malware, campaign, *indicators.values(), *links.values()]
    bundle = {"type": "bundle", "id": f"bundle--{wire.stable_uuid('summit', day)}", "objects": objects}
    return {f"{day}.json": _json_file(bundle, 2)}
