"""The compiled queries of OpenSearch on a real OpenSearch, over the samples of all rules, beside our own engine.

An exact query finds the events our engine finds, a nearest one at least those; a counting request tells the samples
apart as the rule does.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.audit.fields import provider_of_logsource
from intelsec_assets.detections.sigma.rules import Rule, RuleSet
from intelsec_assets.detections.sigma.samples import POSITIVE, Sample, id_of
from intelsec_assets.detections.sigma.samples_run import land
from intelsec_assets.detections.sigma.scan.firing import prepare
from intelsec_assets.detections.sigma.scan.layouts import Layout
from intelsec_assets.detections.sigma.scan.matching import match
from intelsec_assets.detections.sigma.siem.compiling import EXACT, Compiled, compile_rule
from intelsec_assets.detections.sigma.siem.packages.opensearch import index_template
from intelsec_assets.detections.sigma.siem.targets import load_targets
from intelsec_assets.settings import REPOSITORY
from tests.opensearch_node import jars, running
from tests.repository_rules import RULES

pytestmark = pytest.mark.needs("java")

MOST = 100_000  # events of all samples together; an answer holds 10,000 unless its index says more
EVENT_RULES = [rule.name for rule in RULES.rules if not rule.is_correlation]
COUNTING = [rule.name for rule in RULES.rules if rule.is_correlation]
NDJSON = {"content-type": "application/x-ndjson"}
ID_KEYS = {"aws": "eventID", "gcp": "insertId", "azure": "eventDataId"}


@dataclass(frozen=True)
class Indexed:
    """The node with all events of all samples, and by provider a session with them as our engine reads them."""

    client: httpx.Client
    sessions: Mapping[str, duckdb.DuckDBPyConnection]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    groups: dict[str, list[tuple[list[dict[str, Any]], dict[str, Mapping[str, Any]]]]] = {}
    lines: dict[str, list[str]] = {}
    for rule in RULES.rules:
        provider = provider_of_logsource(rule.logsource)
        for sample in rule.samples:
            events, context = renamed(provider, rule, sample)
            groups.setdefault(provider, []).append((events, context))
            for event in events:
                action = {"_index": f"cloudtrail-{provider}", "_id": event[ID_KEYS[provider]]}
                action["routing"] = place(rule, sample)  # by which one sample is asked for alone
                lines.setdefault(provider, []).extend([json.dumps({"create": action}), json.dumps(event)])
    with running(jars(tmp_path_factory), tmp_path_factory.mktemp("opensearch")) as client:
        template = {"index_patterns": ["cloudtrail-*"], "template": index_template()}
        template["template"]["settings"] |= {"number_of_replicas": 0, "max_result_window": MOST}  # type: ignore[operator]
        client.put("/_index_template/intelsec-cloudtrail", json=template).raise_for_status()
        for provider, text in lines.items():
            answer = client.post(
                "/_bulk?refresh=true",
                content="\n".join(text) + "\n",
                headers=NDJSON,
            ).json()
            refused = [item["create"]["error"] for item in answer["items"] if "error" in item["create"]]
            assert refused == [], f"{provider}: {refused[:3]}"
        with ExitStack() as stack:
            sessions = {provider: stack.enter_context(engine.session()) for provider in groups}
            for provider, con in sessions.items():
                land(
                    con,
                    next(r for r in RULES.rules if provider_of_logsource(r.logsource) == provider),
                    groups[provider],
                )
            yield Indexed(client, sessions)


def place(rule: Rule, sample: Sample) -> str:
    """A name of a sample that no other has."""
    return f"{rule.name}/{sample.name}"


def renamed(provider: str, rule: Rule, sample: Sample) -> tuple[list[dict[str, Any]], dict[str, Mapping[str, Any]]]:
    """The sample's events with ids that no other sample has, `sample` beside them; context by the new ids."""
    events, context = [], {}
    for number, event in enumerate(sample.events):
        changed = copy.deepcopy(dict(event))
        identity = f"{place(rule, sample)}/{number}"
        context[identity] = sample.context.get(id_of(event) or "", {})
        changed[ID_KEYS[provider]] = identity
        events.append(changed)
    return events, context


@cache
def compiled(name: str) -> Compiled:
    targets = load_targets()
    return compile_rule(RULES, RULES.rule(name), targets.target("opensearch-lucene"), targets)


def found_by_engine(indexed: Indexed, rule: Rule) -> set[str]:
    """Ids of the events that the rule's own condition matches, by the engine that runs in production."""
    return matched(indexed.sessions[provider_of_logsource(rule.logsource)], RULES.only([rule.rule_id]))


def matched(con: duckdb.DuckDBPyConnection, rules: RuleSet) -> set[str]:
    columns = frozenset(con.table("sample_events").columns)
    layout = Layout("sample_events", columns, is_lake=True, has_provider=True)
    found = match(con, prepare(rules), layout, None, None)
    try:
        assert found.failures == []
        rows = con.execute("select distinct event_id from sigma_hits").fetchall()
        # the engine's ids: the number of the sample before, of GCP's events the time behind
        return {re.sub(r"^\d+:", "", identity).partition("@")[0] for (identity,) in rows}
    finally:
        found.drop()


def found_by_query(indexed: Indexed, provider: str, query: str) -> set[str]:
    body = {
        "size": MOST,
        "_source": False,
        "query": {"query_string": {"query": query.strip(), "analyze_wildcard": True}},
    }
    answer = indexed.client.post(f"/cloudtrail-{provider}/_search", json=body)
    assert answer.status_code == 200, answer.text[:500]
    found = {hit["_id"] for hit in answer.json()["hits"]["hits"]}
    assert len(found) < MOST
    return found


@pytest.mark.parametrize("name", EVENT_RULES)
def test_a_query_finds_what_the_engine_finds(name: str, indexed: Indexed) -> None:
    rule, one = RULES.rule(name), compiled(name)
    expected = found_by_engine(indexed, rule)
    found = found_by_query(indexed, provider_of_logsource(rule.logsource), one.text)
    assert expected, "no sample matches: nothing is compared"
    if one.verdict == EXACT:
        assert found == expected
    else:
        assert found >= expected


@pytest.mark.parametrize("name", [name for name in COUNTING if compiled(name).extension == "json"])
def test_a_counting_request_tells_the_samples_apart(name: str, indexed: Indexed) -> None:
    """Asked at the times of events, as a monitor that runs all the time would."""
    rule = RULES.rule(name)
    body = json.loads(compiled(name).text)
    told = {sample.name: fires(indexed, rule, sample, body) for sample in rule.samples}
    assert told == {sample.name: sample.kind == POSITIVE for sample in rule.samples}


@pytest.mark.parametrize("name", [name for name in COUNTING if compiled(name).extension != "json"])
def test_the_parts_of_a_correlation_find_the_events_it_counts(name: str, indexed: Indexed) -> None:
    rule, one = RULES.rule(name), compiled(name)
    provider = provider_of_logsource(rule.logsource)
    found = set().union(*(found_by_query(indexed, provider, query.text) for query in one.queries))
    expected = found_by_engine(indexed, rule)
    assert expected
    assert found == expected


def fires(indexed: Indexed, rule: Rule, sample: Sample, body: dict[str, Any]) -> bool:
    events, _ = renamed("aws", rule, sample)
    assert rule.window is not None
    script = body["aggs"]["groups"]["aggs"]["over_the_line"]["bucket_selector"]["script"]
    assert re.fullmatch(r"params\.counted >= \d+", script)  # true of some events, it is true of them and more
    of_sample = {"term": {"_routing": place(rule, sample)}}
    searches: list[dict[str, Any]] = [{}, {"size": 0, "track_total_hits": True, "query": of_sample}]
    for instant in widest({datetime.fromisoformat(event["eventTime"]) for event in events}, rule.window):
        asked = copy.deepcopy(body)
        span = {"range": {"@timestamp": {"gte": iso(instant - rule.window), "lte": iso(instant)}}}
        asked["query"]["bool"]["filter"] = [span, of_sample]
        searches += [{}, asked]
    lines = "".join(f"{json.dumps(line)}\n" for line in searches)
    answer = indexed.client.post("/cloudtrail-aws/_msearch", content=lines, headers=NDJSON)
    assert answer.status_code == 200, answer.text[:500]
    everything, *found = answer.json()["responses"]
    assert everything["hits"]["total"]["value"] == len(events)
    assert [one["error"] for one in found if "error" in one] == []
    return any(one["aggregations"]["groups"]["buckets"] for one in found)


def widest(instants: set[datetime], window: timedelta) -> list[datetime]:
    """Those whose window holds an event that the next one's has lost; what is in any other is in the next one's too."""
    ordered = sorted(instants)
    oldest = {at: next(event for event in ordered if event >= at - window) for at in ordered}
    return [at for at, then in pairwise(ordered) if oldest[at] < then - window] + ordered[-1:]


def iso(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_text_is_compared_without_case_and_cased_text_with_it(indexed: Indexed) -> None:
    lower = found_by_query(indexed, "aws", "eventName:createaccesskey")
    assert lower
    assert lower == found_by_query(indexed, "aws", "eventName:CREATEACCESSKEY")
    assert found_by_query(indexed, "aws", "eventName.exact:createaccesskey") == set()


def test_a_network_holds_its_addresses_only(indexed: Indexed) -> None:
    inside = found_by_query(indexed, "aws", r"sourceIPAddress.ip:198.51.100.0\/24")
    everything = found_by_query(indexed, "aws", "_exists_:sourceIPAddress")
    assert inside
    assert inside < everything


def test_the_committed_files_are_what_was_run() -> None:
    for name in (*EVENT_RULES, *COUNTING):
        one = compiled(name)
        path = Path(REPOSITORY, "detections", "compiled", "opensearch-lucene", f"{name}.{one.extension}")
        assert path.read_text(encoding="utf-8") == one.text


def test_a_window_is_looked_back_over_to_the_second(indexed: Indexed) -> None:
    """One second more than the window between the first and the last event: one of them is outside."""
    body = json.loads(compiled("mass-object-read").text)
    seconds = body["query"]["bool"]["filter"][0]["range"]["@timestamp"]["gte"]
    assert seconds == f"now-{int((RULES.rule('mass-object-read').window or timedelta()).total_seconds())}s"
