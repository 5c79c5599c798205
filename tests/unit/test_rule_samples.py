"""The rules of the repository on their samples, and that the samples would notice a rule that lost a part."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from intelsec_assets.detections.sigma.rules import RuleSet, load_rules
from intelsec_assets.detections.sigma.samples import POSITIVE
from intelsec_assets.detections.sigma.samples_run import fired_samples, land, run_rule
from intelsec_assets.engine import session
from tests.repository_rules import RULES
from tests.written_rules import EVENT, repository, write_rule

NAMES = [rule.name for rule in RULES.rules]
SECONDS = {"s": 1, "m": 60, "h": 3600}
ALWAYS = {"intelsec.nothing|exists": False}  # what stands for a selection that lost its only item


@pytest.fixture(scope="module")
def con():
    with session() as opened:
        yield opened


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_does_what_its_folder_says(con, name):
    rule = RULES.rule(name)

    wrong = [result for result in run_rule(con, RULES, rule, rule.samples) if not result.passed]

    assert wrong == []


def test_the_four_rules_of_the_plan_and_every_kind_of_correlation_are_there():
    kinds = {rule.documents[-1]["correlation"]["type"] for rule in RULES.rules if rule.is_correlation}

    assert {
        "iam-key-without-ticket",
        "role-assumption-from-new-asn",
        "mass-object-read",
        "kms-decrypt-spike",
    } <= set(NAMES)
    assert kinds == {"event_count", "value_count", "temporal", "temporal_ordered"}
    assert {rule.logsource["product"] for rule in RULES.rules} == {"aws", "gcp", "azure"}


def test_a_sample_that_comes_out_otherwise_is_told(con, tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, {"detection/selection/eventName": "ListAccessKeys"})
    rules = load_rules(folder)

    results = run_rule(con, rules, rules.rules[0], rules.rules[0].samples)

    assert [result.passed for result in results] == [False] * 8
    assert {(result.expected, result.fired) for result in results} == {(True, False), (False, True)}


def test_an_event_that_production_would_refuse_is_no_sample(con, tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    rule = load_rules(folder).rules[0]

    with pytest.raises(ValueError, match="would be refused"):
        land(con, rule, [([{**EVENT, "eventTime": "1999-01-01T00:00:00Z"}], {})])


def mutants(documents: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The documents with one thing lost, or moved by one: items of selections, counts, seconds, groups, the order."""

    def changed(place: int, path: tuple[str, ...], value: Any) -> list[dict[str, Any]]:
        copied = copy.deepcopy(documents)
        inner = copied[place]
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        return copied

    # who lacks what a correlation groups by is in no group here, as in some SIEMs; in others the rule must say it
    grouped = {
        f"{name}|exists" for document in documents for name in document.get("correlation", {}).get("group-by", ())
    }
    for place, document in enumerate(documents):
        for selection, body in document.get("detection", {}).items():
            if isinstance(body, Mapping):
                for key in body.keys() - grouped:
                    rest = {name: value for name, value in body.items() if name != key} or ALWAYS
                    yield f"{selection}.{key}", changed(place, ("detection", selection), rest)
        correlation = document.get("correlation")
        if not correlation:
            continue
        seconds = int(correlation["timespan"][:-1]) * SECONDS[correlation["timespan"][-1]]
        for by in (-1, 1):
            yield f"timespan {by:+}", changed(place, ("correlation", "timespan"), f"{seconds + by}s")
            if "condition" in correlation:
                more = correlation["condition"]["gte"] + by
                yield f"threshold {by:+}", changed(place, ("correlation", "condition", "gte"), more)
        for field in correlation["group-by"]:
            rest = [name for name in correlation["group-by"] if name != field]
            yield f"group-by {field}", changed(place, ("correlation", "group-by"), rest)
        if correlation["type"] == "temporal_ordered":
            yield "order", changed(place, ("correlation", "type"), "temporal")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_rule_that_lost_a_part_fails_one_of_its_samples(con, name):
    rule = RULES.rule(name)
    land(con, rule, [(sample.events, sample.context) for sample in rule.samples])
    expected = {number for number, sample in enumerate(rule.samples) if sample.kind == POSITIVE}

    survivors = []
    for what, documents in mutants([dict(document) for document in rule.documents]):
        lost = RuleSet((replace(rule, documents=tuple(documents)),))
        if fired_samples(con, lost, rule.rule_id) == expected:
            survivors.append(what)

    assert survivors == []
