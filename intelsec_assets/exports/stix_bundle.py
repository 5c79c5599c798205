"""The STIX 2.1 bundle: one indicator object a row of the plan, marked, with a pattern; withdrawn ones are revoked.

Written as plain JSON a line an object, since building objects of a STIX library takes a hundred times longer; the tests
read the file back with that library and with the pattern grammar.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa

from intelsec_assets.exports.content import PlanRow, iso_milliseconds, rows, stix_day_end
from intelsec_assets.exports.events import NAMESPACE, PRODUCER, PRODUCER_UUID

IDENTITY_ID = f"identity--{PRODUCER_UUID}"
_BUNDLE_ID = f"bundle--{uuid5(NAMESPACE, 'stix-bundle')}"
_IDENTITY_CREATED = "2026-01-01T00:00:00.000Z"  # of the identity object, which never changes

# OASIS extension definition for TLP 2.0 and the marking objects it fixes (cti-stix-common-objects, 2022-10-01).
_TLP_2_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
TLP_MARKINGS = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}

_OBJECT_PATHS = {
    "domain": "domain-name:value",
    "url": "url:value",
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "md5": "file:hashes.MD5",
    "sha1": "file:hashes.'SHA-1'",
    "sha256": "file:hashes.'SHA-256'",
    "sha512": "file:hashes.'SHA-512'",
    "email": "email-addr:value",
}
# Middle of the band on STIX's own Low, Medium, High scale (STIX 2.1, appendix A).
_CONFIDENCE = {"high": 85, "medium": 50, "low": 15}


def pattern(indicator_type: str, value: str) -> str:
    """STIX pattern that matches the value; quotes and backslashes escaped."""
    if indicator_type == "cidr":
        path = "ipv6-addr:value" if ":" in value else "ipv4-addr:value"
    else:
        path = _OBJECT_PATHS[indicator_type]
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{path} = '{escaped}']"


def indicator_object(row: PlanRow) -> dict[str, Any]:
    """The indicator object of a row. Its id follows from the indicator, `modified` moves with its content."""
    labels = sorted({*row.threat_types, *row.families, *([row.campaign] if row.campaign else [])})
    stix: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{UUID(row.indicator_id)}",
        "created_by_ref": IDENTITY_ID,
        "created": stix_day_end(row.first_exported),
        "modified": stix_day_end(row.changed_on),
        "name": row.value,
        "description": f"Listed by {', '.join(row.sources)}; source grade {row.admiralty.upper()}; event {row.event}",
        "indicator_types": ["malicious-activity"],
        "pattern": pattern(row.indicator_type, row.value),
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": iso_milliseconds(row.first_seen),
        "confidence": _CONFIDENCE[row.score_band],
        "object_marking_refs": [TLP_MARKINGS[row.tlp]],
    }
    if labels:
        stix["labels"] = labels
    if not row.is_active:
        stix["revoked"] = True
    return stix


def write_bundle(plan: pa.Table, path: Path) -> int:
    """Write the bundle of a plan. Returns the number of indicator objects. Same plan, same bytes."""
    written = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write(f'{{"type": "bundle", "id": "{_BUNDLE_ID}", "objects": [\n')
        used = set(plan["tlp"].to_pylist())
        shared = [_identity(), *(_marking(label) for label in TLP_MARKINGS if label in used)]
        out.write(",\n".join(json.dumps(thing, ensure_ascii=False) for thing in shared))
        for row in rows(plan):
            out.write(",\n" + json.dumps(indicator_object(row), ensure_ascii=False))
            written += 1
        out.write("\n]}\n")
    return written


def _identity() -> dict[str, Any]:
    return {
        "type": "identity",
        "spec_version": "2.1",
        "id": IDENTITY_ID,
        "created": _IDENTITY_CREATED,
        "modified": _IDENTITY_CREATED,
        "name": PRODUCER,
        "identity_class": "system",
    }


def _marking(label: str) -> dict[str, Any]:
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": TLP_MARKINGS[label],
        "created": "2022-10-01T00:00:00.000Z",
        "name": f"TLP:{label.upper()}",
        "extensions": {_TLP_2_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": label}},
    }
