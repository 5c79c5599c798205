"""What the name and the first bytes of a file say of its delivery: when it was, and which cloud it is from.

Listing and fetching files is `inbox`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from intelsec_assets.detections.audit.fields import AWS, AZURE, GCP

FIRST_LOGS = datetime(2006, 1, 1, tzinfo=UTC)  # no cloud is older

# CloudTrail: ACCOUNT_CloudTrail_REGION_20230710T1145Z_RANDOM.json.gz, digests have seconds
_CLOUDTRAIL = re.compile(r"_(\d{8}T\d{4}(?:\d{2})?Z)(?:_|\.|$)")
# Azure: …/y=2023/m=07/d=10/h=11/m=00/PT1H.json holds the events of that hour and is complete at its end
_AZURE = re.compile(r"y=(\d{4})/m=(\d{2})/d=(\d{2})/h=(\d{2})/m=\d{2}/PT1H\.json")
# Cloud Storage sink: …/2023/07/10/11:00:00_11:59:59_S0.json; copies to file systems often lose the colons
_GCP = re.compile(r"(\d{4})/(\d{2})/(\d{2})/\d{2}:?\d{2}:?\d{2}_(\d{2}):?(\d{2}):?(\d{2})_")

_SIGNS = (
    (GCP, (b'"protoPayload"', b'"insertId"')),
    (AZURE, (b'"operationName"', b'"resourceId"')),
    (AWS, (b'"eventSource"', b'"eventName"')),
)


def delivered_at(name: str, modified: datetime) -> datetime:
    """When a file was delivered, by its name where it says so, else by its time stamp. UTC.

    Azure's and Google's names say which hour a file is for: it is delivered when that hour is over.
    """
    found = _CLOUDTRAIL.search(name)
    if found:
        form = "%Y%m%dT%H%MZ" if len(found[1]) == 14 else "%Y%m%dT%H%M%SZ"
        return _instant(found[1], form, modified)
    found = _AZURE.search(name)
    if found:
        return _instant("-".join((*found.groups(), "59-59")), "%Y-%m-%d-%H-%M-%S", modified)
    found = _GCP.search(name)
    if found:
        return _instant("-".join(found.groups()), "%Y-%m-%d-%H-%M-%S", modified)
    return modified


def delivery_of(name: str, modified: datetime, taken: datetime) -> tuple[datetime, datetime]:
    """When a file was delivered, and the latest that could have been, if its name is wrong. UTC.

    A name is somebody's text: nothing was delivered after it was taken, nor before there were logs. Where the name says
    so the time stamp counts, which no copy of a file keeps and which is therefore not asked first.
    """
    latest = min(modified, taken)
    named = delivered_at(name, modified)
    delivered = named if FIRST_LOGS <= named <= taken else latest
    return delivered, max(delivered, latest)


def provider_of(first: bytes) -> str | None:
    """aws, gcp or azure by the names of fields in the first bytes of a file; None if none of them is there."""
    counts = {provider: sum(first.count(sign) for sign in signs) for provider, signs in _SIGNS}
    best = max(counts, key=lambda provider: counts[provider])
    return best if counts[best] else None


def _instant(text: str, form: str, otherwise: datetime) -> datetime:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return otherwise  # 20239999T9999Z is no instant, and no reason to lose the file
