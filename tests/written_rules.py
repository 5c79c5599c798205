"""Rules written into a folder for tests: one that is right in everything, with single things changed.

What the tests say about it stands in `tests/unit/test_rule_*.py`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

EVENT: Mapping[str, Any] = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLEALICE0001",
        "arn": "arn:aws:iam::111122223333:user/alice",
        "accountId": "111122223333",
        "userName": "alice",
    },
    "eventTime": "2025-10-21T09:15:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "198.51.100.23",
    "userAgent": "aws-cli/2",
    "requestParameters": {"userName": "bob"},
    "responseElements": None,
    "eventID": "00000000-0000-4000-8000-000000000001",
    "readOnly": False,
    "eventType": "AwsApiCall",
    "managementEvent": True,
    "recipientAccountId": "111122223333",
    "eventCategory": "Management",
}

RULE: Mapping[str, Any] = {
    "title": "Key created",
    "id": "11111111-1111-4111-8111-111111111111",
    "status": "test",
    "description": "A key was created.",
    "references": ["https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html"],
    "tags": ["attack.persistence", "attack.t1098.001"],
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "detection": {
        "selection": {"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey"},
        "condition": "selection",
    },
    "falsepositives": ["A rotation by hand"],
    "level": "high",
    "intelsec": {
        "goal": "Every new key is known to somebody within minutes.",
        "triage": ["Ask the actor", "Deactivate the key"],
        "data_needed": ["CloudTrail management events"],
        "blind_spots": "Keys that were there before.",
        "runbook": "runbooks/key-created.md",
        "entity": "userIdentity.arn",
        "dedup": ["userIdentity.arn"],
        "suppression": "4h",
        "noise_budget": 5,
        "mode": "live",
        "evidence": ["requestParameters.userName"],
    },
}

CORRELATION: Mapping[str, Any] = {
    "type": "event_count",
    "rules": ["key_created"],
    "group-by": ["userIdentity.arn"],
    "timespan": "10m",
    "condition": {"gte": 3},
}


def changed(value: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with the values at paths replaced (`a/b`, or a tuple of keys); None as value removes the key."""
    copied: dict[str, Any] = copy.deepcopy(dict(value))
    for path, new in changes.items():
        *before, last = path if isinstance(path, tuple) else path.split("/")
        inner = copied
        for step in before:
            inner = inner[step]
        if new is None:
            inner.pop(last)
        else:
            inner[last] = new
    return copied


def correlated(**changes: Any) -> str:
    """Two documents: the rule above as the one counted, and a correlation over it with the changes."""
    head = {key: RULE[key] for key in ("description", "references", "tags", "falsepositives", "level", "intelsec")}
    base = {key: RULE[key] for key in ("logsource", "detection")}
    first = {"title": "Key created", "id": RULE["id"], "name": "key_created", **base}
    second = {"title": "Many keys created", "id": "22222222-2222-4222-8222-222222222222", **head}
    second["correlation"] = {key: value for key, value in {**CORRELATION, **changes}.items() if value is not None}
    return yaml.safe_dump_all([first, second], sort_keys=False)


def repository(root: Path) -> Path:
    """A root with the runbook and ATT&CK's tables of the real one; returns its folder of rules."""
    real = Path(__file__).parents[1]
    (root / "runbooks").mkdir(parents=True)
    (root / "runbooks" / "key-created.md").write_text("# Key created\n\nRule `key-created`.\n")
    (root / "detections").mkdir()
    (root / "detections" / "attack").symlink_to(real / "detections" / "attack")
    (root / "detections" / "sigma").mkdir()
    return root / "detections" / "sigma"


def write_rule(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    *,
    name: str = "key-created",
    text: str | None = None,
    positive: int = 3,
    negative: int = 5,
) -> Path:
    """The rule above with changes, or a text of your own, and so many samples; returns the rule's file."""
    place = folder / name
    place.mkdir(parents=True)
    for kind, count in (("positive", positive), ("negative", negative)):
        (place / kind).mkdir()
        for number in range(count):
            event = {**EVENT, "eventID": f"{kind}-{number}"}
            if kind == "negative":
                event["eventName"] = "ListAccessKeys"
            sample = {"description": f"{kind} {number}", "events": [event]}
            (place / kind / f"{number}.json").write_text(json.dumps(sample))
    file = place / "rule.yml"
    file.write_text(text if text is not None else yaml.safe_dump(changed(RULE, changes or {}), sort_keys=False))
    return file


def line_of(file: Path, text: str) -> int:
    """The first line of a file that has the text, from 1."""
    return next(number for number, line in enumerate(file.read_text().splitlines(), start=1) if text in line)
