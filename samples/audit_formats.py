"""How three clouds deliver their audit logs: events in their published shape, files under their published names.

Spelling only, the same bytes on every platform; who does what on which day is `audit_baseline.py` and `audit_story.py`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import wire_formats as wire

Event = dict[str, Any]
Files = dict[str, bytes]

ACCOUNT, ARCHIVE_ACCOUNT, FOREIGN_ACCOUNT = "111122223333", "444455556666", "999988887777"
HOME_REGION, GLOBAL_REGION = "eu-central-1", "us-east-1"
TRAIL = "org-trail"
_GLOBAL_SERVICES = {"iam", "signin", "sts"}  # their events are logged in us-east-1
_BLOCK = timedelta(hours=4)  # a real trail writes every five minutes; a small one may write less often

# RFC 1951 section 3.2.5: first length of each code from 257, first distance of each code from 0, and their extra bits
_LENGTHS = (
    *(3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115),
    *(131, 163, 195, 227, 258),
)
_LENGTH_BITS = (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,)
_DISTANCES = (1, 2, 3, 4, *((2 << n) + half * (1 << n) + 1 for n in range(1, 14) for half in (0, 1)))
_DISTANCE_BITS = (0, 0, 0, 0, *(n for n in range(1, 14) for _ in (0, 1)))
_LONGEST, _FURTHEST, _TRIES = 258, 32_768, 16


def gzip_bytes(content: bytes) -> bytes:
    """A deflated gzip file without a time stamp: the same bytes whatever zlib there is, which no zlib promises."""
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + _deflate(content) + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def _deflate(content: bytes) -> bytes:
    """RFC 1951: one block with the fixed codes, matches found greedily."""
    out, buffer, held = bytearray(), 0b011, 3  # last block, fixed codes
    for value, bits in _tokens(content):
        buffer |= value << held
        held += bits
        while held >= 8:
            out.append(buffer & 255)
            buffer >>= 8
            held -= 8
    if held:
        out.append(buffer)
    return bytes(out)


def _tokens(content: bytes) -> Iterable[tuple[int, int]]:
    seen: dict[bytes, list[int]] = defaultdict(list)
    at = 0
    while at < len(content):
        length, distance = _longest_match(content, at, seen.get(content[at : at + 4], ()))
        step = max(length, 1)
        for place in range(at, at + step, 1 if step < 16 else 4):
            seen[content[place : place + 4]].append(place)
        if length:
            code = max(n for n, first in enumerate(_LENGTHS) if first <= length)
            yield _symbol(257 + code)
            yield length - _LENGTHS[code], _LENGTH_BITS[code]
            code = max(n for n, first in enumerate(_DISTANCES) if first <= distance)
            yield _reversed(code, 5), 5
            yield distance - _DISTANCES[code], _DISTANCE_BITS[code]
        else:
            yield _symbol(content[at])
        at += step
    yield _symbol(256)


def _longest_match(content: bytes, at: int, places: Sequence[int]) -> tuple[int, int]:
    best, where = 0, 0
    for place in reversed(places[-_TRIES:]):
        if at - place > _FURTHEST:
            break
        length = 4
        limit = min(_LONGEST, len(content) - at)
        while length < limit and content[place + length] == content[at + length]:
            length += 1
        if length > best and length <= limit:
            best, where = length, at - place
    return best, where


def _symbol(value: int) -> tuple[int, int]:
    """Fixed code of a literal or length, in the order its bits are written."""
    if value < 144:
        return _reversed(0x30 + value, 8), 8
    if value < 256:
        return _reversed(0x190 + value - 144, 9), 9
    if value < 280:
        return _reversed(value - 256, 7), 7
    return _reversed(0xC0 + value - 280, 8), 8


def _reversed(code: int, bits: int) -> int:
    return int(f"{code:0{bits}b}"[::-1], 2)


# --- AWS
def token(*key: object) -> str:
    """Nine characters of A to Z and 2 to 7, the same for the same key."""
    number = int(hashlib.sha256("/".join(map(str, key)).encode()).hexdigest(), 16)
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[number >> 5 * n & 31] for n in range(9))


def access_key(prefix: str, *key: object) -> str:
    """An access key id that says of itself that it is none: AKIA (lasting) or ASIA (of a session) … EXAMPLE."""
    return f"{prefix}{token('access key', *key)}EXAMPLE"


def stamp(at: datetime) -> str:
    """An instant as the three clouds write it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def iam_user(name: str, *, key: str | None = None, mfa: bool | None = None, since: datetime | None = None) -> Event:
    """`userIdentity` of an IAM user; with `since` the session of a console login."""
    identity: Event = {
        "type": "IAMUser",
        "principalId": f"AIDA{token('user', name)}EXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:user/{name}",
        "accountId": ACCOUNT,
    }
    if key:
        identity["accessKeyId"] = key
    identity["userName"] = name
    if since is not None:
        attributes = {"creationDate": stamp(since), "mfaAuthenticated": str(bool(mfa)).lower()}
        identity["sessionContext"] = {"sessionIssuer": {}, "webIdFederationData": {}, "attributes": attributes}
    return identity


def role_session(role: str, session: str, since: datetime, *, source_identity: str | None = None) -> Event:
    """`userIdentity` of a session of a role."""
    principal = f"AROA{token('role', role)}EXAMPLE"
    context: Event = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": principal,
            "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
            "accountId": ACCOUNT,
            "userName": role,
        },
        "webIdFederationData": {},
        "attributes": {"creationDate": stamp(since), "mfaAuthenticated": "false"},
    }
    if source_identity:
        context["sourceIdentity"] = source_identity
    return {
        "type": "AssumedRole",
        "principalId": f"{principal}:{session}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
        "accountId": ACCOUNT,
        "accessKeyId": access_key("ASIA", role, session, since),
        "sessionContext": context,
    }


def root() -> Event:
    """`userIdentity` of the account's root."""
    return {
        "type": "Root",
        "principalId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:root",
        "accountId": ACCOUNT,
        "accessKeyId": "",
    }


def service(name: str) -> Event:
    """`userIdentity` of a service: no ARN."""
    return {"type": "AWSService", "invokedBy": f"{name}.amazonaws.com"}


def cloudtrail(
    at: datetime,
    who: Event,
    call: str,
    *,
    source: str,
    agent: str,
    request: Mapping[str, Any] | None = None,
    response: Mapping[str, Any] | None = None,
    error: tuple[str, str] | None = None,
    resources: Sequence[tuple[str, str]] = (),
    number: object = 0,
    **more: Any,
) -> Event:
    """One CloudTrail event of a `call` such as `iam:CreateAccessKey`; `more` holds further top-level fields."""
    name, _, operation = call.partition(":")
    key = (stamp(at), who.get("arn") or who.get("invokedBy"), call, source, number, json.dumps(request, default=str))
    read_only = operation.startswith(("Get", "List", "Describe", "Head", "Lookup", "Decrypt", "AssumeRole"))
    data = name == "s3" and operation in ("GetObject", "PutObject", "HeadObject")
    event: Event = {
        "eventVersion": "1.09",
        "userIdentity": who,
        "eventTime": stamp(at),
        "eventSource": f"{name}.amazonaws.com",
        "eventName": operation,
        "awsRegion": GLOBAL_REGION if name in _GLOBAL_SERVICES else HOME_REGION,
        "sourceIPAddress": source,
        "userAgent": agent,
    }
    if error:
        event["errorCode"], event["errorMessage"] = error
    event |= {"requestParameters": request, "responseElements": response}
    event |= {"requestID": wire.stable_uuid("request", *key), "eventID": wire.stable_uuid("event", *key)}
    event["readOnly"] = read_only
    if resources:
        event["resources"] = [{"accountId": ACCOUNT, "type": kind, "ARN": arn} for kind, arn in resources]
    event |= {
        "eventType": "AwsApiCall",
        "managementEvent": not data,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Data" if data else "Management",
    }
    return event | more


def console_login(
    at: datetime, who: Event, source: str, agent: str, *, mfa: bool, error: str | None = None, number: object = 0
) -> Event:
    """A sign-in to the console; a failed one says so in words and has no error code."""
    event = cloudtrail(at, who, "signin:ConsoleLogin", source=source, agent=agent, number=number)
    extra: Event = {
        "LoginTo": f"https://{HOME_REGION}.console.aws.amazon.com/console/home?region={HOME_REGION}",
        "MobileVersion": "No",
        "MFAUsed": "Yes" if mfa else "No",
    }
    if mfa:
        extra["MFAIdentifier"] = f"{who['arn'].replace(':user/', ':mfa/').replace(':root', ':mfa/root')}"
    event["readOnly"] = False
    event["responseElements"] = {"ConsoleLogin": "Failure" if error else "Success"}
    event["additionalEventData"] = extra
    event["eventType"] = "AwsConsoleSignIn"
    if error:
        event["errorMessage"] = error
    return event


def trail_file_name(region: str, delivered: datetime, *key: object) -> str:
    """Path of a log file below the delivery folder."""
    unique = (token("file", region, stamp(delivered), *key) + token("more", region, stamp(delivered), *key))[:16]
    name = f"{ACCOUNT}_CloudTrail_{region}_{delivered:%Y%m%dT%H%MZ}_{unique}.json.gz"
    return f"AWSLogs/{ACCOUNT}/CloudTrail/{region}/{delivered:%Y/%m/%d}/{name}"


def trail_bytes(events: Sequence[Event]) -> bytes:
    """A log file: the events in one `Records` list, deflated."""
    return gzip_bytes(wire.json_text({"Records": list(events)}, 0).encode())


def trail_files(events: Iterable[Event]) -> Files:
    """Log files of events, one a region and four hours, delivered five minutes after, the day's last at 23:58."""
    blocks: dict[tuple[str, datetime], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event["eventTime"], event["eventID"])):
        at = datetime.fromisoformat(event["eventTime"])
        start = at.replace(hour=at.hour // 4 * 4, minute=0, second=0)
        blocks[event["awsRegion"], start].append(event)
    return {
        trail_file_name(region, _delivery(start)): trail_bytes(found)
        for (region, start), found in sorted(blocks.items())
    }


def _delivery(start: datetime) -> datetime:
    return min(start + _BLOCK + timedelta(minutes=5), start.replace(hour=23, minute=58))


def digest_file(files: Files, end: datetime) -> Files:
    """The digest of the files delivered until `end`: what lies beside logs and holds no events."""
    region, start = HOME_REGION, end - timedelta(days=1)
    listed = [
        {"s3Bucket": "intelsec-demo-trail", "s3Object": path, "hashValue": hashlib.sha256(content).hexdigest()}
        for path, content in sorted(files.items())
    ]
    name = f"{ACCOUNT}_CloudTrail-Digest_{region}_{TRAIL}_{region}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    path = f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{region}/{end:%Y/%m/%d}/{name}"
    digest = {
        "awsAccountId": ACCOUNT,
        "digestStartTime": stamp(start),
        "digestEndTime": stamp(end),
        "digestS3Bucket": "intelsec-demo-trail",
        "digestS3Object": path,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "logFiles": [{**entry, "hashAlgorithm": "SHA-256"} for entry in listed],
    }
    return {path: gzip_bytes(wire.json_text(digest, 0).encode())}


# --- Google Cloud
PROJECT = "intelsec-demo-prod"


def gcp_entry(
    at: datetime, who: str, method: str, resource: str, *, service_name: str, caller: str, error: str | None = None
) -> Event:
    """One LogEntry with an AuditLog as a sink writes it to a bucket."""
    reads = any(word in method.lower() for word in ("get", "list"))
    log = "data_access" if reads else "activity"
    payload: Event = {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {"code": 7, "message": error} if error else {},
        "authenticationInfo": {"principalEmail": who},
        "requestMetadata": {"callerIp": caller, "callerSuppliedUserAgent": "google-cloud-sdk gcloud/502"},
        "serviceName": service_name,
        "methodName": method,
        "authorizationInfo": [{"resource": resource, "permission": method, "granted": error is None}],
        "resourceName": resource,
    }
    return {
        "protoPayload": payload,
        "insertId": token("gcp", stamp(at), who, method, resource).lower(),
        "resource": {"type": "audited_resource", "labels": {"project_id": PROJECT, "service": service_name}},
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.123456Z",
        "severity": "ERROR" if error else "INFO" if reads else "NOTICE",
        "logName": f"projects/{PROJECT}/logs/cloudaudit.googleapis.com%2F{log}",
        "receiveTimestamp": stamp(at + timedelta(seconds=1)),
    }


def gcp_files(entries: Sequence[Event], start: datetime) -> Files:
    """The day's entries, one log a file, named as a sink does but without its colons, which not every system takes."""
    logs: dict[str, list[Event]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry["timestamp"], entry["insertId"])):
        logs[entry["logName"].rpartition("%2F")[2]].append(entry)
    return {
        f"cloudaudit.googleapis.com/{log}/{start:%Y/%m/%d}/000000_235959_S0.json": _lines(found)
        for log, found in sorted(logs.items())
    }


# --- Azure
SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"


def azure_record(
    at: datetime, who: str, operation: str, resource: str, *, caller: str, result: str = "Success"
) -> Event:
    """One record of an activity log as a diagnostic setting writes it to a storage account."""
    path = f"/SUBSCRIPTIONS/{SUBSCRIPTION}/RESOURCEGROUPS/{resource}".upper()
    action = operation.rsplit("/", 1)[1]
    return {
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.0000000Z",
        "resourceId": path,
        "operationName": operation.upper(),
        "category": "Administrative",
        "resultType": result,
        "resultSignature": "Succeeded.OK" if result == "Success" else "Failed.Forbidden",
        "durationMs": "0",
        "callerIpAddress": caller,
        "correlationId": wire.stable_uuid("azure", stamp(at), who, operation, resource),
        "identity": {
            "authorization": {"scope": path.lower(), "action": operation, "evidence": {"role": "Contributor"}},
            "claims": {
                "aud": "https://management.core.windows.net/",
                "ipaddr": caller,
                "name": who.partition("@")[0],
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn": who,
            },
        },
        "level": "Information" if result == "Success" else "Error",
        "properties": {"eventCategory": "Administrative", "entity": path.lower(), "message": operation, "verb": action},
    }


def azure_files(records: Sequence[Event], start: datetime, *, wrapped: bool = False) -> Files:
    """The day's records, one file an hour; `wrapped` in a list as before 2018 and as event hubs still do."""
    hours: dict[str, list[Event]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record["time"], record["correlationId"])):
        hours[record["time"][11:13]].append(record)
    folder = f"insights-activity-logs/resourceId=/SUBSCRIPTIONS/{SUBSCRIPTION}/y={start:%Y}/m={start:%m}/d={start:%d}"
    return {
        f"{folder}/h={hour}/m=00/PT1H.json": wire.json_text({"records": found}, 0).encode()
        if wrapped
        else _lines(found)
        for hour, found in sorted(hours.items())
    }


def _lines(entries: Sequence[Event]) -> bytes:
    return "".join(wire.json_text(entry, 0) + "\n" for entry in entries).encode()
