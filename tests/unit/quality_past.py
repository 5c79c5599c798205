"""A month of one rule through the real engine: rule with samples, CloudTrail events, findings, alerts, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from intelsec_assets.detections.quality.firings import Fired, Raised
from intelsec_assets.detections.quality.replay import Past, fired_by
from intelsec_assets.detections.sigma.rules import Rule, RuleSet, load_rules
from intelsec_assets.detections.sigma.samples_run import land

FIRST = datetime(2026, 3, 2, 9, tzinfo=UTC)
LAST = FIRST + timedelta(days=29)
ID, BASE_ID = "0f6d5f0e-3a9c-4f3e-9a55-0c1f5b3c9d01", "0f6d5f0e-3a9c-4f3e-9a55-0c1f5b3c9d02"
META = """
intelsec:
  goal: Find access keys that somebody made for another user.
  triage: [Ask the owner., Look at the key's first use.]
  data_needed: [CloudTrail management events]
  blind_spots: Keys made before the trail began.
  runbook: runbooks/key.md
  entity: userIdentity.arn
  dedup: [userIdentity.arn]
  suppression: 1h
  noise_budget: 50
  mode: live
"""
RULE = f"""
title: Key made
id: {ID}
status: test
level: high
tags: [attack.t1098.001]
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventSource: iam.amazonaws.com, eventName: CreateAccessKey}}
  condition: selection
{META}
"""
BURST = f"""
title: Key made, once
id: {BASE_ID}
name: key_made
status: test
level: low
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventSource: iam.amazonaws.com, eventName: CreateAccessKey}}
  condition: selection
---
title: Keys made
id: {ID}
status: test
level: high
tags: [attack.t1098.001]
correlation:
  type: event_count
  rules: [key_made]
  group-by: [userIdentity.arn]
  timespan: 10m
  condition: {{gte: 3}}
{META}
"""


def key(
    number: int, session: str, *, at: datetime, name: str = "CreateAccessKey", address: str = "192.0.2.7"
) -> dict[str, Any]:
    """A call as CloudTrail delivers it; `session` is `role/session` of an assumed role."""
    role, _, _ = session.partition("/")
    return {
        "eventVersion": "1.11",
        "eventID": f"00000000-0000-4000-8000-{number:012d}",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": "iam.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": address,
        "userAgent": "aws-cli/2.28.0",
        "userIdentity": {
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::111122223333:assumed-role/{session}",
            "principalId": f"AROA{role.upper()}:{session}",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": f"arn:aws:iam::111122223333:role/{role}"}},
        },
        "requestParameters": {"userName": f"u{number}"},
        "recipientAccountId": "111122223333",
        "eventType": "AwsApiCall",
        "eventCategory": "Management",
    }


def repository(root: Path, text: str = RULE, calls: int = 1) -> RuleSet:
    """A repository with the rule, its samples and no exceptions. A positive sample has as many calls as it takes."""
    folder = root / "detections" / "sigma" / "key"
    for kind, least in (("positive", 3), ("negative", 5)):
        (folder / kind).mkdir(parents=True)
        for number in range(least):
            name = "CreateAccessKey" if kind == "positive" else "UpdateAccessKey"
            events = [
                key(900 + call, f"admin/eve-{number}", at=FIRST, name=name, address="203.0.113.66")
                for call in range(calls)
            ]
            (folder / kind / f"{number}.json").write_text(json.dumps({"description": "A key.", "events": events}))
    (folder / "rule.yml").write_text(text)
    return load_rules(folder.parent, as_of=LAST.date())


def past_of(
    con: duckdb.DuckDBPyConnection, rules: RuleSet, events: Sequence[Mapping[str, Any]], verdicts: Mapping[str, str]
) -> tuple[Rule, Past]:
    """What happened: findings as the engine makes them, an alert each, judged by how the session's name begins."""
    (rule,) = rules.rules
    land(con, rule, [(events, {})])
    con.execute("create or replace table past_events as select * exclude (sample) from sample_events")
    relation = con.table("past_events")
    empty = Past(FIRST.date(), LAST.date(), relation, (), ())
    stored = tuple(fired_by(con, rules, rule, empty))
    return rule, replace(empty, stored=stored, alerts=tuple(_alert(one, verdicts) for one in stored))


def _alert(finding: Fired, verdicts: Mapping[str, str]) -> Raised:
    who = (finding.entity or "").partition("assumed-role/")[2]
    verdict = next((said for begins, said in verdicts.items() if who.startswith(begins)), None)
    return Raised(
        f"A-{finding.finding_id}", ID, finding.dedup_key, finding.mode, finding.finding_id, finding.first_event_time,
        finding.entity, verdict, None if verdict is None else f"it was {who.partition('/')[0]}",
    )  # fmt: skip
