"""CloudTrail for the benchmark of the scan: real events, repeated under new ids and times, and made ones.

    python -m benchmarks.sigma_events FILE AMOUNT [--only-made]

One event a line. Every second event is made up, seeded: few operations are most of a log, most are rare.
"""

from __future__ import annotations

import json
import os
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.sigma_rules import FREQUENT, OPERATIONS

START = datetime(2026, 3, 15, tzinfo=UTC)
DAY_SECONDS = 86_400
REPOSITORY = Path(__file__).resolve().parents[1]
AGENTS = (
    "aws-cli/2.15.30 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8",
    "Boto3/1.34.62 md/Botocore#1.34.62 ua/2.0 os/linux#5.10 lang/python#3.9",
    "aws-sdk-go-v2/1.25.2 os/linux lang/go#1.22.1 md/GOOS#linux api/s3#1.51.4",
    "console.amazonaws.com",
    "s3.amazonaws.com",
    "aws-internal/3 aws-sdk-java/1.12.681",
    "S3 Browser/11.6.7 (https://s3browser.com)",
    "Mozilla/5.0 (X11; Kali Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
)
PLACE = "\x00"  # where a template's id, time and address come


def _realdata() -> Path | None:
    folder = Path(os.environ.get("INTELSEC_REALDATA") or REPOSITORY / ".." / "shared" / "data") / "cloudtrail"
    return folder.resolve() if folder.is_dir() else None


def real_events() -> list[dict[str, Any]]:
    """Every real event there is, in the order of files; empty where the data is not."""
    folder, found = _realdata(), []
    for path in sorted(folder.rglob("*.json")) if folder else []:
        document = json.loads(path.read_text(encoding="utf-8"))
        found += document["Records"] if isinstance(document, dict) else document
    return [event for event in found if "eventTime" in event and "eventID" in event]


def _actor(chance: random.Random) -> dict[str, Any]:
    account = "111122223333"
    kind = chance.random()
    if kind < 0.02:
        return {"type": "Root", "principalId": account, "arn": f"arn:aws:iam::{account}:root", "accountId": account}
    if kind < 0.35:
        name = chance.choice(("admin", *(f"{group}-{n}" for group in ("dev", "ops", "ci") for n in range(40))))
        return {
            "type": "IAMUser",
            "principalId": f"AIDA{chance.randrange(16**12):012X}",
            "arn": f"arn:aws:iam::{account}:user/{name}",
            "accountId": account,
            "accessKeyId": f"AKIA{chance.randrange(16**12):012X}",
            "userName": name,
        }
    if kind < 0.45:
        return {"type": "AWSService", "invokedBy": f"{chance.choice(('config', 'cloudtrail', 'ec2'))}.amazonaws.com"}
    role = chance.choice(
        [f"{group}-{n}" for group in ("deploy", "batch", "web", "AWSServiceRoleFor") for n in range(30)]
    )
    return {
        "type": "AssumedRole",
        "principalId": f"AROA{chance.randrange(16**12):012X}:i-{chance.randrange(16**16):016x}",
        "arn": f"arn:aws:sts::{account}:assumed-role/{role}/session-{chance.randrange(9)}",
        "accountId": account,
        "accessKeyId": f"ASIA{chance.randrange(16**12):012X}",
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": f"AROA{chance.randrange(16**12):012X}",
                "arn": f"arn:aws:iam::{account}:role/{role}",
                "accountId": account,
                "userName": role,
            },
            "attributes": {
                "creationDate": "2026-03-15T00:00:00Z",
                "mfaAuthenticated": chance.choice(("false", "false", "true")),
            },
        },
    }


def _parameters(chance: random.Random) -> dict[str, Any] | None:
    if chance.random() < 0.1:
        return None
    wide: dict[str, Any] = {
        "userName": chance.choice(("admin", "dev-3", "ops-7", "root-backup", "service")),
        "bucketName": f"{chance.choice(('prod', 'dev', 'backup', 'logs'))}-{chance.randrange(60)}",
        "key": f"data/2026/03/{chance.randrange(28) + 1:02}/part-{chance.randrange(10**6):06}.parquet",
        "roleArn": f"arn:aws:iam::111122223333:role/{chance.choice(('admin', 'web', 'batch'))}-{chance.randrange(9)}",
        "policyArn": f"arn:aws:iam::aws:policy/{chance.choice(('ReadOnly', 'Administrator', 'PowerUser'))}Access",
        "maxResults": chance.choice((50, 100, 1000)),
        "force": chance.choice((True, False)),
        "attributeType": chance.choice(("launchPermission", "createVolumePermission")),
        "encryptionContext": {"aws:s3:arn": f"arn:aws:s3:::prod-{chance.randrange(60)}"},
    }
    return {key: wide[key] for key in chance.sample(sorted(wide), 4)}


def made_event(chance: random.Random) -> dict[str, Any]:
    """One event; of its operations few are frequent."""
    drawn, source, name = chance.random(), "", ""
    for operation, share in FREQUENT.items():
        drawn -= share
        if drawn < 0:
            source, name = next(pair for pair in OPERATIONS if pair[1] == operation)
            break
    else:
        source, name = OPERATIONS[int(len(OPERATIONS) * chance.random() ** 2)]
    failed = chance.random() < 0.06
    reads = name.startswith(("Get", "Describe", "List", "Head", "Lookup", "Decrypt"))
    event: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": _actor(chance),
        "eventTime": PLACE,
        "eventSource": source,
        "eventName": name,
        "awsRegion": chance.choice(("eu-central-1", "us-east-1", "eu-west-1", "ap-east-1")),
        "sourceIPAddress": chance.choice(
            (
                f"10.{chance.randrange(4)}.{chance.randrange(256)}.7",
                f"198.51.100.{chance.randrange(256)}",
                "AWS Internal",
            )
        ),
        "userAgent": chance.choices(AGENTS, (20, 20, 20, 10, 10, 10, 0.2, 0.1))[0],
        "requestParameters": _parameters(chance),
        "responseElements": {"ConsoleLogin": chance.choice(("Success", "Failure"))} if name == "ConsoleLogin" else None,
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "MFAUsed": chance.choice(("Yes", "No")),
            "bytesTransferredOut": chance.randrange(10**6),
        },
        "requestID": f"{chance.randrange(16**16):016X}",
        "eventID": PLACE,
        "readOnly": reads,
        "resources": [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::prod-{chance.randrange(60)}/part"}],
        "eventType": "AwsConsoleSignIn" if source.startswith("signin") else "AwsApiCall",
        "managementEvent": name not in {"GetObject", "PutObject", "DeleteObject"},
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    }
    if failed:
        event |= {
            "errorCode": chance.choice(("AccessDenied", "Client.UnauthorizedOperation", "NoSuchBucket")),
            "errorMessage": chance.choice(("with an explicit deny", "not authorized to perform", "does not exist")),
        }
    return event


def _templates(events: list[dict[str, Any]]) -> list[tuple[str, str, str, bool]]:
    """Events as text in three parts around id and time, and whether the time comes first."""
    found = []
    for event in events:
        text = json.dumps(event | {"eventTime": PLACE, "eventID": PLACE}, separators=(",", ":"), ensure_ascii=True)
        head, middle, tail = text.split(json.dumps(PLACE)[1:-1])
        found.append((head, middle, tail, list(event).index("eventTime") < list(event).index("eventID")))
    return found


def lines(amount: int, *, only_made: bool = False, seed: int = 1) -> Iterator[str]:
    """`amount` events of one day as JSON texts, in order of time; ids are new and differ."""
    chance = random.Random(seed)
    real = [] if only_made else _templates(real_events())
    made = _templates([made_event(chance) for _ in range(20_000)])
    for number in range(amount):
        templates = real if real and number % 2 else made
        head, middle, tail, time_first = templates[number // 2 % len(templates)]
        moment = START + timedelta(seconds=int(number * DAY_SECONDS / amount))
        name = str(uuid.UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128))
        first, second = (f"{moment:%Y-%m-%dT%H:%M:%SZ}", name)[:: 1 if time_first else -1]
        yield f"{head}{first}{middle}{second}{tail}\n"


def write(path: Path, amount: int, *, only_made: bool = False) -> Path:
    """The events as NDJSON; returns the path."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(lines(amount, only_made=only_made))
    return path


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), only_made="--only-made" in sys.argv)
