"""The package of OpenSearch: an index template that makes text compare as Sigma does, monitors, indicators as an index.

What the queries are is `compiling`; monitors hold Lucene queries and search requests that count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import COLUMNS, INDICATORS, Lookups
from intelsec_assets.detections.sigma.siem.packages.told import deployable, described, readme
from intelsec_assets.detections.sigma.siem.targets import Targets

INDEX = "cloudtrail-*"
_SEVERITY = {"informational": "5", "low": "4", "medium": "3", "high": "2", "critical": "1"}
_LOOK_BACK = 900  # seconds of a monitor that does not count: its interval and what arrives late

_STEPS = """\
Monitors for OpenSearch over CloudTrail as delivered, one document an event in `cloudtrail-*`.

1. `PUT _index_template/intelsec-cloudtrail` with `index-template.json`, before the first event is indexed. Without it
   text is compared with case, and networks cannot be.
2. `POST _plugins/_alerting/monitors` with each file of `monitors/`. They are off; look at one after the other, then
   enable it and give it an action.
3. `PUT intelsec_indicators` with `indicators.index.json`, `POST _bulk` with `indicators.bulk.ndjson`: for dashboards
   and investigations. Monitors cannot join it, so rules that need indicators, tickets or networks are `nearest`.

An event whose field is an object where an earlier one had a text is refused by the index (CloudTrail does that in
`requestParameters`): send what is refused to a second index, and look at how many there are.
"""


def files(compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> dict[str, str]:
    """The package's files by path."""
    monitors = {
        f"monitors/{one.rule.name}{f'-{number}' if len(one.queries) > 1 else ''}.json": _monitor(
            one, number - 1, targets
        )
        for one in deployable(compiled)
        for number in range(1, len(one.queries) + 1)
    }
    properties = {name: {"type": "double" if name == "score" else "keyword"} for name in COLUMNS[INDICATORS]}
    return {
        "index-template.json": _text({"index_patterns": [INDEX], "template": index_template()}),
        **{name: _text(monitor) for name, monitor in monitors.items()},
        "indicators.index.json": _text({"mappings": {"properties": properties}}),
        "indicators.bulk.ndjson": "".join(
            json.dumps({"index": {"_index": INDICATORS, "_id": row["indicator_id"]}})
            + "\n"
            + json.dumps({**row, "score": float(row["score"])}, ensure_ascii=False)
            + "\n"
            for row in lookups.mappings(INDICATORS)
        ),
        "README.md": readme("intelsec detections for OpenSearch", _STEPS, compiled, lookups, targets),
    }


def index_template() -> dict[str, Any]:
    """Settings and mappings of an index of CloudTrail events on which the compiled queries mean what the rules mean.

    Text is compared in lower case, kept with case in `.exact`, addresses beside it in `.ip`; truth values are text;
    `@timestamp` is the time of the event.
    """
    text = {"type": "keyword", "normalizer": "lower", "ignore_above": 8191}
    exact = {"type": "keyword", "ignore_above": 8191}
    return {
        "settings": {
            "index.mapping.total_fields.limit": 10_000,  # requestParameters has keys by the thousand
            "analysis": {"normalizer": {"lower": {"type": "custom", "filter": ["lowercase"]}}},
        },
        "mappings": {
            "date_detection": False,
            "dynamic_templates": [
                {
                    "addresses": {
                        "match": "sourceIPAddress",
                        "mapping": {
                            **text,
                            "fields": {"exact": exact, "ip": {"type": "ip", "ignore_malformed": True}},
                        },
                    }
                },
                {"texts": {"match_mapping_type": "string", "mapping": {**text, "fields": {"exact": exact}}}},
                {"truths": {"match_mapping_type": "boolean", "mapping": {**text, "fields": {"exact": exact}}}},
                {"wholes": {"match_mapping_type": "long", "mapping": {"type": "long", "ignore_malformed": True}}},
                {
                    "fractions": {
                        "match_mapping_type": "double",
                        "mapping": {"type": "double", "ignore_malformed": True},
                    }
                },
            ],
            "properties": {"eventTime": {"type": "date"}, "@timestamp": {"type": "alias", "path": "eventTime"}},
        },
    }


def _monitor(one: Compiled, number: int, targets: Targets) -> dict[str, Any]:
    query = one.queries[number]
    counts = one.extension == "json"
    body = (
        json.loads(query.text)
        if counts
        else {
            "size": 10,
            "query": {
                "bool": {
                    "filter": [
                        {"range": {"@timestamp": {"gte": f"now-{_LOOK_BACK}s", "lte": "now"}}},
                        {"query_string": {"query": query.text.strip(), "analyze_wildcard": True}},
                    ]
                }
            },
        }
    )
    found = "ctx.results[0].aggregations.groups.buckets.size() > 0" if counts else "ctx.results[0].hits.total.value > 0"
    title = one.rule.title if len(one.queries) == 1 else f"{one.rule.title}: {query.title}"
    return {
        "type": "monitor",
        "monitor_type": "query_level_monitor",
        "name": f"intelsec - {title}",
        "enabled": False,
        "schedule": {"period": {"interval": 1 if counts else 5, "unit": "MINUTES"}},
        "inputs": [{"search": {"indices": [INDEX], "query": body}}],
        "triggers": [
            {
                "query_level_trigger": {
                    "name": described(one, targets)[:250],
                    "severity": _SEVERITY[one.rule.level],
                    "condition": {"script": {"source": found, "lang": "painless"}},
                    "actions": [],
                }
            }
        ],
    }


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
