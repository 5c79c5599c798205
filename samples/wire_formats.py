"""How publishers spell indicators on the wire: gzip, quoted CSV, MISP events, STIX objects, defanged text.

Only spelling lives here, with the same bytes on every platform and Python version; the story and its calendar do not.
"""

from __future__ import annotations

import json
import struct
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://intelsec-demo.example/sample")


def stable_uuid(*key: object) -> str:
    """The same UUID for the same key, always."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, key))))


def gzip_bytes(content: bytes) -> bytes:
    """A gzip file of stored blocks: valid for every reader, the same bytes whatever the zlib version."""
    blocks = [content[start : start + 65_535] for start in range(0, len(content), 65_535)] or [b""]
    body = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + body + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def json_text(value: Any, depth: int, pad: str = "") -> str:
    """JSON with the outer `depth` levels broken into lines and one compact line for each value below."""
    if depth and value and isinstance(value, Mapping):
        lines = (f"{pad} {json.dumps(key)}: {json_text(item, depth - 1, pad + ' ')}" for key, item in value.items())
        return "{\n" + ",\n".join(lines) + f"\n{pad}}}"
    if depth and value and isinstance(value, list):
        return "[\n" + ",\n".join(f"{pad} {json_text(item, depth - 1, pad + ' ')}" for item in value) + f"\n{pad}]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def defang(value: str, style: int) -> str:
    """The value as people write it so that nobody clicks: one of four spellings."""
    scheme, separator, rest = value.rpartition("://")
    host, slash, path = rest.partition("/")
    dot = ("[.]", "(dot)", "[dot]", "[.]")[style % 4]
    scheme = scheme.replace("http", ("hxxp", "hxxp", "hXXp", "hxxp")[style % 4])
    mark = "[://]" if style % 4 == 3 and separator else separator
    return f"{scheme}{mark}{host.replace('.', dot)}{slash}{path}"


# --- CSV
def csv_time(at: datetime) -> str:
    """An instant as CSV publishers write it: UTC, without saying so."""
    return at.replace(tzinfo=None).isoformat(" ", "seconds")


def quoted_row(cells: Iterable[object], separator: str = ", ") -> str:
    """Every cell in double quotes, `None` as the word, as abuse databases publish it."""
    return separator.join('"{}"'.format(str(cell).replace('"', '""')) for cell in cells)


# --- MISP
def epoch(at: datetime) -> int:
    """Seconds since 1970."""
    return int(at.timestamp())


def misp_tag(name: str, colour: str = "#4040a0") -> dict[str, Any]:
    """A tag as events carry it."""
    return {"name": name, "colour": colour}


def misp_attribute(
    event: str, kind: str, value: str, at: datetime, *, category: str = "Network activity", **more: Any
) -> dict[str, Any]:
    """An attribute; `more` overrides or adds keys (to_ids, comment, Tag, deleted, object_relation, …)."""
    return {
        "uuid": stable_uuid("attribute", event, kind, value, more.get("object_relation", "")),
        "type": kind,
        "category": category,
        "to_ids": True,
        "value": value,
        "timestamp": str(epoch(at)),
        **more,
    }


def misp_object(event: str, name: str, key: str, at: datetime, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """An object: attributes that describe one thing together."""
    return {
        "uuid": stable_uuid("object", event, name, key),
        "name": name,
        "meta-category": "file" if name == "file" else "network",
        "template_uuid": stable_uuid("template", name),
        "template_version": "24",
        "timestamp": str(epoch(at)),
        "deleted": False,
        "ObjectReference": [],
        "Attribute": attributes,
    }


def misp_galaxy(kind: str, title: str, value: str, description: str, synonyms: Sequence[str] = ()) -> dict[str, Any]:
    """A galaxy with one cluster, as events embed it."""
    cluster = {
        "uuid": stable_uuid("cluster", kind, value),
        "type": kind,
        "value": value,
        "tag_name": f'misp-galaxy:{kind}="{value}"',
        "description": description,
        "source": "sample",
        "authors": ["intelsec sample"],
        "version": "1",
        "meta": {"synonyms": list(synonyms)},
    }
    return {
        "uuid": stable_uuid("galaxy", kind),
        "name": title,
        "type": kind,
        "description": f"{title} of the bundled sample",
        "version": "1",
        "namespace": "intelsec-sample",
        "GalaxyCluster": [cluster],
    }


def misp_event(
    key: str, info: str, at: datetime, *, orgc: str, tags: list[dict[str, Any]], **parts: Any
) -> dict[str, Any]:
    """An event without its envelope, dated by its instant; `parts` are Attribute, Object, Galaxy."""
    return {
        "uuid": stable_uuid("event", key),
        "info": info,
        "date": at.date().isoformat(),
        "timestamp": str(epoch(at)),
        "publish_timestamp": str(epoch(at)),
        "published": True,
        "threat_level_id": "2",
        "analysis": "2",
        "distribution": "3",
        "Orgc": {"name": orgc, "uuid": stable_uuid("org", orgc)},
        "Tag": tags,
        **parts,
    }


def misp_manifest(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The manifest of a feed folder. Numbers are numbers here and strings in the events, as publishers mix them."""
    return {
        event["uuid"]: {
            "Orgc": event["Orgc"],
            "Tag": event["Tag"],
            "info": event["info"],
            "date": event["date"],
            "analysis": int(event["analysis"]),
            "threat_level_id": int(event["threat_level_id"]),
            "timestamp": int(event["timestamp"]),
        }
        for event in events
    }


# --- STIX 2.1
_STIX_PATHS = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    "md5": "file:hashes.MD5",
    "sha1": "file:hashes.'SHA-1'",
    "sha256": "file:hashes.'SHA-256'",
}


def stix_time(at: datetime) -> str:
    """An instant as STIX writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def stix_comparison(kind: str, value: str) -> str:
    """One comparison of a pattern, with quotes and backslashes escaped."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{_STIX_PATHS[kind]} = '{escaped}'"


def stix_object(kind: str, key: str, at: datetime, **more: Any) -> dict[str, Any]:
    """Any STIX domain object with the common properties in place."""
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{stable_uuid(kind, key)}",
        "created": stix_time(at),
        "modified": stix_time(at),
        **more,
    }


def stix_indicator(publisher: str, pattern: str, at: datetime, labels: Sequence[str], **more: Any) -> dict[str, Any]:
    """An indicator of that publisher over a pattern without its square brackets."""
    return stix_object(
        "indicator",
        f"{publisher} {pattern}",
        at,
        created_by_ref=f"identity--{stable_uuid('identity', publisher)}",
        indicator_types=["malicious-activity"],
        labels=list(labels),
        pattern=f"[{pattern}]",
        pattern_type="stix",
        pattern_version="2.1",
        valid_from=stix_time(at),
        **more,
    )


def stix_identity(publisher: str, name: str, at: datetime) -> dict[str, Any]:
    """The publisher itself, under the id that its indicators refer to."""
    return stix_object("identity", publisher, at, name=name, identity_class="organization")


def stix_relationship(source: Mapping[str, Any], kind: str, target: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Source -> kind -> target."""
    key = f"{source['id']} {kind} {target['id']}"
    return stix_object(
        "relationship", key, at, relationship_type=kind, source_ref=source["id"], target_ref=target["id"]
    )
