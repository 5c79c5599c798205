"""Counting correlations as search requests of Elasticsearch and OpenSearch, for languages that only filter.

The request looks back over the window from the moment it is made; who makes it, and how often, is a monitor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError

TIME = "@timestamp"
MOST_GROUPS = 10_000  # the most buckets a request gives without paging
_PRECISION = 40_000  # `cardinality` counts exactly up to about here, and can be set no higher
_SIGNS = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "==", "NEQ": "!="}


def counting(queries: Sequence[str], rule: SigmaCorrelationRule) -> dict[str, Any]:
    """The request for an event_count or value_count over Lucene queries: one bucket a group that is over the line."""
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise SigmaFeatureNotSupportedByBackendError("a condition over several rules is no count")
    if rule.aliases.aliases:
        raise SigmaFeatureNotSupportedByBackendError("aliases: a group is one field here")
    sign = _SIGNS[condition.op.name]
    inner: dict[str, Any] = {"first_event": {"min": {"field": TIME}}, "last_event": {"max": {"field": TIME}}}
    path = "_count"
    if rule.type.name == "VALUE_COUNT":
        if not isinstance(condition.fieldref, str):
            raise SigmaFeatureNotSupportedByBackendError("counts the values of several fields")
        inner["values"] = {"cardinality": {"field": condition.fieldref, "precision_threshold": _PRECISION}}
        path = "values"
    inner["over_the_line"] = {
        "bucket_selector": {"buckets_path": {"counted": path}, "script": f"params.counted {sign} {condition.count}"}
    }
    sources = [{field: {"terms": {"field": field}}} for field in rule.group_by or ()]
    groups: dict[str, Any] = (
        {"composite": {"size": MOST_GROUPS, "sources": sources}}
        if sources
        else {"filters": {"filters": {"all": {"match_all": {}}}}}
    )
    found = [{"query_string": {"query": query, "analyze_wildcard": True}} for query in queries]
    span = f"now-{rule.timespan.seconds}s"
    return {
        "size": 0,
        "query": {
            "bool": {
                "filter": [{"range": {TIME: {"gte": span, "lte": "now"}}}],
                "should": found,
                "minimum_should_match": 1,
            }
        },
        "aggs": {"groups": {**groups, "aggs": inner}},
    }
