"""What MISP is told about an indicator: attribute type and category, value as MISP keeps it, tags, comment.

Used alike by the feed folder and by the push, so that both say the same; neither files nor requests are made here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.exports.content import PlanRow, active, id_text, iso_seconds
from intelsec_assets.exports.events import attribute_uuid

# indicator type -> (attribute type, category). Feeds list the far end of a connection, so addresses are ip-dst, and the
# sender of a mail, so e-mail addresses are email-src.
ATTRIBUTE_TYPES = {
    "domain": ("domain", "Network activity"),
    "url": ("url", "Network activity"),
    "ipv4": ("ip-dst", "Network activity"),
    "ipv6": ("ip-dst", "Network activity"),
    "cidr": ("ip-dst", "Network activity"),
    "md5": ("md5", "Payload delivery"),
    "sha1": ("sha1", "Payload delivery"),
    "sha256": ("sha256", "Payload delivery"),
    "sha512": ("sha512", "Payload delivery"),
    "email": ("email-src", "Payload delivery"),
}
INHERIT = "5"  # distribution of an attribute: that of its event
MOST_COMMENT_BYTES = 65_535  # MISP 2.5 answers 500 over that
MOST_TAG_CHARACTERS = 255  # and cuts tags there

_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_SCORE = 'intelsec:score="{}"'
_SOURCE = 'admiralty-scale:source-reliability="{}"'
_TLP = "tlp:{}"
# Of each of these an attribute carries one; when it changes the others have to be taken off by name.
_EXCLUSIVE = (
    tuple(_SCORE.format(band) for band in ("high", "medium", "low")),
    tuple(_SOURCE.format(grade) for grade in "abcdef"),
    tuple(_TLP.format(label) for label in ("clear", "green", "amber", "amber+strict", "red")),
)
# Tags in these namespaces on our attributes are ours to set and take off; what analysts add beside them stays.
_OURS = ("intelsec:", "admiralty-scale:source-reliability=", "tlp:")


def misp_value(indicator_type: str, value: str) -> str:
    """The value as MISP will keep it: host networks without their length, nothing beyond the BMP (U+FFFF)."""
    if indicator_type == "cidr":
        value = value.removesuffix("/32") if "." in value else value.removesuffix("/128")
    if indicator_type == "url" and not value.isascii():
        return "".join(quote(c) if ord(c) > 0xFFFF else c for c in value)
    return within_bmp(value)


def within_bmp(text: str) -> str:
    """Text with every character beyond the BMP replaced: MISP's tables answer 500, or store `?`."""
    return text if text.isascii() else _BEYOND_BMP.sub("\ufffd", text)


def tag_name(predicate: str, value: str) -> str:
    """A machine tag `predicate="value"` that MISP keeps as it is: no quotes or controls inside, cut at its limit."""
    clean = "".join(c for c in within_bmp(value) if c != '"' and c.isprintable())
    return f'{predicate}="{clean[: MOST_TAG_CHARACTERS - len(predicate) - 3].strip()}"'


def event_tag(tlp: str) -> str:
    """The mark of a whole event."""
    return _TLP.format(tlp)


def tags(row: PlanRow) -> tuple[str, ...]:
    """Names of the tags an attribute carries, sorted, each once."""
    return _tags(row.tlp, row.admiralty, row.score_band, row.threat_types, row.families, row.campaign)


@lru_cache(maxsize=4096)  # many rows carry the same tags
def _tags(
    tlp: str, admiralty: str, band: str, threats: tuple[str, ...], families: tuple[str, ...], campaign: str | None
) -> tuple[str, ...]:
    names = {_TLP.format(tlp), _SOURCE.format(admiralty), _SCORE.format(band)}
    names.update(tag_name("intelsec:threat-type", value) for value in threats)
    # No misp-galaxy tag: it would claim a cluster of that very name, and feeds spell families as they like.
    names.update(tag_name("intelsec:malware-family", value) for value in families)
    if campaign:
        names.add(tag_name("intelsec:campaign", campaign))
    return tuple(sorted(names))


def superseded_tags(row: PlanRow) -> tuple[str, ...]:
    """Tags the attribute may carry from before and must not any more, as far as that can be told without asking.

    Empty until the row has changed since its first export, and for a tombstone.
    """
    if row.changed_on == row.first_exported or not row.is_active:
        return ()
    return _others(tags(row))


@lru_cache(maxsize=4096)
def _others(now: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(name for group in _EXCLUSIVE for name in group if name not in now))


def is_ours(tag: str) -> bool:
    """True for a tag that this exporter sets and takes off."""
    return tag.lower().startswith(_OURS)


def comment(row: PlanRow) -> str:
    """Comment of an attribute: the feeds that list it, cut where MISP would break."""
    text = within_bmp("feeds: " + ", ".join(row.sources))
    return text.encode()[:MOST_COMMENT_BYTES].decode(errors="ignore")


def attribute(row: PlanRow) -> dict[str, Any]:
    """The attribute without timestamp, tags and deletion mark."""
    kind, category = ATTRIBUTE_TYPES[row.indicator_type]
    return {
        "uuid": attribute_uuid(row.event, row.indicator_id),
        "type": kind,
        "category": category,
        "value": misp_value(row.indicator_type, row.value),
        "to_ids": True,
        "distribution": INHERIT,
        "comment": comment(row),
        "first_seen": iso_seconds(row.first_seen),
    }


def merged_by_misp(plan: pa.Table) -> dict[str, str]:
    """Indicators that MISP cannot hold beside another of the same event, each with the one that stands for it.

    MISP keeps (event, category, type, value) once and compares values without case, so two URLs that differ in case are
    one to it. The one exported first stands for them; of the same day the smaller id.
    """
    live = active(plan).select(["indicator_id", "indicator_type", "value", "event", "first_exported"])
    kinds = pa.array([ATTRIBUTE_TYPES[kind][0] for kind in live["indicator_type"].to_pylist()], pa.string())
    # /32 and /128 only ever end a network of one address; in a URL both spellings would get the same treatment
    values = pc.replace_substring_regex(pc.utf8_lower(live["value"]), r"^([0-9.]+)/32$|^([0-9a-f:]+)/128$", r"\1\2")
    keyed = live.append_column("kind", kinds).append_column("key", values)
    counts = keyed.group_by(["event", "kind", "key"], use_threads=False).aggregate([([], "count_all")])
    crowded = counts.filter(pc.greater(counts["count_all"], 1))
    if crowded.num_rows == 0:
        return {}
    candidates = keyed.join(crowded.select(["event", "kind", "key"]), ["event", "kind", "key"], join_type="left semi")
    return _losers(candidates.to_pylist())


def _losers(candidates: Iterable[dict[str, Any]]) -> dict[str, str]:
    groups: dict[tuple[str, str, str], list[tuple[Any, str]]] = {}
    for row in candidates:
        group = groups.setdefault((row["event"], row["kind"], row["key"]), [])
        group.append((row["first_exported"], id_text(row["indicator_id"])))
    losers: dict[str, str] = {}
    for group in groups.values():
        winner, *others = sorted(group)
        losers.update({indicator_id: winner[1] for _, indicator_id in others})
    return losers
