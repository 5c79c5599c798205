"""MISP's words in ours: attribute types, the parts of composite types, and which galaxies name families or threats.

How events are walked is `misp`; nothing here reads a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ADDRESS = "address"  # IPv4, IPv6 or network: told from the value's shape

ATTRIBUTE_TYPES: dict[str, str] = {
    "ip-src": ADDRESS,
    "ip-dst": ADDRESS,
    "domain": "domain",
    "hostname": "domain",
    "url": "url",
    "uri": "url",
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha512": "sha512",
    "email": "email",
    "email-src": "email",
    "email-dst": "email",
    "email-reply-to": "email",
}

# Types of the parts beside the "|"; None = a part that is no indicator (a port, a file name) and makes no row
COMPOSITE_TYPES: dict[str, tuple[str | None, str | None]] = {
    "ip-src|port": (ADDRESS, None),
    "ip-dst|port": (ADDRESS, None),
    "hostname|port": ("domain", None),
    "domain|ip": ("domain", ADDRESS),
    "malware-sample": (None, "md5"),
    "filename|md5": (None, "md5"),
    "filename|sha1": (None, "sha1"),
    "filename|sha256": (None, "sha256"),
    "filename|sha512": (None, "sha512"),
}

_FAMILY_GALAXIES = frozenset(
    (
        "malpedia",
        "tool",
        "rat",
        "ransomware",
        "banker",
        "stealer",
        "backdoor",
        "botnet",
        "cryptominers",
        "android",
        "mitre-malware",
        "mitre-tool",
        "mitre-enterprise-attack-malware",
        "mitre-enterprise-attack-tool",
        "mitre-mobile-attack-malware",
    )
)
_ACTOR_GALAXIES = frozenset(
    (
        "campaign",
        "threat-actor",
        "microsoft-activity-group",
        "mitre-campaign",
        "mitre-intrusion-set",
        "mitre-enterprise-attack-intrusion-set",
        "360net-threat-actor",
    )
)
# these galaxies are kinds of threat themselves
_THREAT_GALAXIES = {
    "ransomware": "ransomware",
    "rat": "rat",
    "banker": "banker",
    "stealer": "stealer",
    "backdoor": "backdoor",
    "botnet": "botnet",
    "cryptominers": "cryptominer",
    "exploit-kit": "exploit kit",
}
_THREAT_PREDICATES = ("malware_classification:malware-category", "circl:incident-classification", "rsit:malicious-code")
_MACHINE_TAG = re.compile(r'\s*(?P<predicate>[^="]+)="(?P<value>[^"]+)"\s*')
_ALIAS_NUMBER = re.compile(r" - [A-Z]+\d+(?:\.\d+)?$")  # MITRE clusters end in their number: "Emotet - S0367"


def named_by(tags: Iterable[str]) -> tuple[str | None, str | None, str | None]:
    """(malware family, actor or campaign, kind of threat) that galaxy and classification tags name first."""
    family = actor = threat = None
    for tag in tags:
        machine = _MACHINE_TAG.fullmatch(tag)
        if not machine:
            continue
        predicate, value = machine["predicate"].strip().lower(), machine["value"].strip()
        if predicate.startswith("misp-galaxy:"):
            galaxy = predicate.removeprefix("misp-galaxy:")
            name = _ALIAS_NUMBER.sub("", value)
            if galaxy in _FAMILY_GALAXIES:
                family = family or name
            if galaxy in _ACTOR_GALAXIES:
                actor = actor or name
            threat = threat or _THREAT_GALAXIES.get(galaxy)
        elif predicate in _THREAT_PREDICATES:
            threat = threat or value.lower()
    return family, actor, threat
