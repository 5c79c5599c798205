"""The package of Elastic Security: detection rules as its import takes them, and indices that look-ups join.

What the queries are is `compiling`; rules are in ES|QL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import (
    COLUMNS,
    INDICATORS,
    PRINCIPALS,
    PRINCIPALS_ASN,
    Lookups,
)
from intelsec_assets.detections.sigma.siem.packages.told import deployable, described, readme
from intelsec_assets.detections.sigma.siem.targets import Targets

_RISK = {"informational": 1, "low": 21, "medium": 47, "high": 73, "critical": 99}
_JOINED = (INDICATORS, PRINCIPALS_ASN, PRINCIPALS)  # tickets and networks are not joined: Elastic knows networks itself
_NUMBERS = {"score": "double", "days_seen": "long"}
_OVERLAP = 600  # seconds a rule looks back besides its interval: events arrive late

_STEPS = """\
Detection rules for Elastic Security over the integration "AWS" (data stream `logs-aws.cloudtrail-*`), in ES|QL; 8.18 or
newer, since look-ups are joined.

1. Make the indices of look-ups: `PUT <name>` with each file of `lookups/*.index.json` (index mode `lookup`).
2. Fill them: `POST _bulk` with `lookups/*.bulk.ndjson`. Do both again, after deleting the index, when look-ups change.
3. *Security > Rules > Import rules*: `rules.ndjson`. The rules are off; look at one after the other, then enable it.
"""


def files(compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> dict[str, str]:
    """The package's files by path."""
    rules = [json.dumps(rule, ensure_ascii=False) for one in deployable(compiled) for rule in _rules(one, targets)]
    return {
        "rules.ndjson": "\n".join(rules) + "\n",
        **{f"lookups/{name}.index.json": json.dumps(_index(name), indent=2) + "\n" for name in _JOINED},
        **{f"lookups/{name}.bulk.ndjson": _bulk(name, lookups) for name in _JOINED},
        "README.md": readme("intelsec detections for Elastic Security", _STEPS, compiled, lookups, targets),
    }


def _rules(one: Compiled, targets: Targets) -> list[dict[str, Any]]:
    window = int(one.rule.window.total_seconds()) if one.rule.window else 0
    made = []
    for number, query in enumerate(one.queries, 1):
        part = f" ({number} of {len(one.queries)}: {query.title})" if len(one.queries) > 1 else ""
        made.append(
            {
                "rule_id": one.rule.rule_id + (f"-{number}" if part else ""),
                "name": f"intelsec - {one.rule.title}{part}",
                "description": described(one, targets),
                "type": "esql",
                "language": "esql",
                "query": query.text.strip(),
                "enabled": False,
                "interval": "5m",
                "from": f"now-{300 + _OVERLAP + window}s",
                "to": "now",
                "severity": "low" if one.rule.level == "informational" else one.rule.level,
                "risk_score": _RISK[one.rule.level],
                "tags": ["intelsec", one.verdict, *one.rule.tags],
                "false_positives": list(one.rule.falsepositives),
                "references": list(one.rule.references),
                "note": "\n".join(f"- {step}" for step in one.rule.meta.triage),
                "author": ["intelsec"],
                "version": 1,
                **_suppression(one),
            }
        )
    return made


def _suppression(one: Compiled) -> dict[str, Any]:
    """No alert twice for one group within the rule's window of suppression, by fields the query still has."""
    groups = [field for field in ("aws.cloudtrail.user_identity.arn",) if field in one.text]
    minutes = int(one.rule.meta.suppression.total_seconds() // 60)
    if not minutes or not groups:
        return {}
    return {
        "alert_suppression": {
            "group_by": groups,
            "duration": {"value": minutes, "unit": "m"},
            "missing_fields_strategy": "suppress",
        }
    }


def _index(name: str) -> dict[str, Any]:
    properties = {column: {"type": _NUMBERS.get(column, "keyword")} for column in COLUMNS[name]}
    return {"settings": {"index.mode": "lookup"}, "mappings": {"properties": properties}}


def _bulk(name: str, lookups: Lookups) -> str:
    lines = []
    for row in lookups.mappings(name):
        document = {column: float(value) if column in _NUMBERS else value for column, value in row.items() if value}
        lines += [json.dumps({"create": {"_index": name}}), json.dumps(document, ensure_ascii=False)]
    return "".join(line + "\n" for line in lines)
