"""Sigma rules and audit events for the tests of the scan, written in view."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import duckdb
import pyarrow as pa
import yaml

from intelsec_assets.detections.audit import framing
from intelsec_assets.detections.audit.parts import with_parts
from intelsec_assets.detections.audit.typed import Delivery, typed
from intelsec_assets.detections.sigma.rules import RuleSet, load_any
from intelsec_assets.detections.sigma.rules_reading import MAX_DOCUMENTS

START = datetime(2026, 3, 15, 10, tzinfo=UTC)
_DELIVERED = datetime(2100, 1, 1, tzinfo=UTC)


def id_of(name: str) -> str:
    """The id of a rule that is called so."""
    return str(uuid5(NAMESPACE_URL, name))


def rule(name: str, selection: Any, condition: str = "selection", **more: Any) -> dict[str, Any]:
    """A Sigma rule over CloudTrail; `more` are further keys, or further parts of the detection in `also`."""
    also = more.pop("also", {})
    return {
        "title": name,
        "name": name,
        "id": id_of(name),
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"selection": selection, **also, "condition": condition},
        "level": "medium",
        **more,
    }


def correlation(name: str, counts: Sequence[str], kind: str, **more: Any) -> dict[str, Any]:
    """A Sigma correlation rule."""
    return {
        "title": name,
        "name": name,
        "id": id_of(name),
        "correlation": {"type": kind, "rules": list(counts), "timespan": "10m", **more},
        "level": "high",
    }


def write(folder: Path, rules: Sequence[Mapping[str, Any]]) -> Path:
    """The rules in as few files as may hold them; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(rules), MAX_DOCUMENTS):
        text = yaml.safe_dump_all(list(rules[start : start + MAX_DOCUMENTS]), sort_keys=False)
        (folder / f"rules_{start:04}.yml").write_text(text, encoding="utf-8")
    return folder


def rule_set(folder: Path, *rules: Mapping[str, Any]) -> RuleSet:
    """The rules as a set."""
    return load_any([write(folder, rules)])


def event(
    number: int, name: str, *, source: str = "iam", after: timedelta | None = None, **more: Any
) -> dict[str, Any]:
    """A CloudTrail event, by default one a minute from START; dotted names in `more` with `__` for the dot."""
    moment = START + (timedelta(minutes=number) if after is None else after)
    made: dict[str, Any] = {
        "eventVersion": "1.09",
        "eventID": f"{number:08}-0000-4000-8000-000000000000",
        "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15",
        "eventType": "AwsApiCall",
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ada", "userName": "ada"},
    }
    for dotted, value in more.items():
        *parents, last = dotted.split("__")
        node = made
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return made


def landed(con: duckdb.DuckDBPyConnection, events: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The events as rows of cloud_audit_events, read as a delivered file is and built as a day is."""
    lines = "".join(json.dumps(one) + "\n" for one in events).encode()
    delivery = Delivery("trail", "aws", "events.json", _DELIVERED)
    read = typed(con, [(frame, delivery) for frame in framing.frames([lines])])
    assert not read.odd, read.odd
    return with_parts(con.from_arrow(read.table)).to_arrow_table()
