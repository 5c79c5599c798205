"""What is said of a rule in words, and of events that it does or does not match."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from intelsec_assets.detections.errors import RuleError, UnknownRule
from intelsec_assets.detections.sigma.explain import explain, judge, read_events
from intelsec_assets.detections.sigma.rules import load_rules
from intelsec_assets.engine import quick_session
from tests.repository_rules import RULES
from tests.written_rules import EVENT, correlated, repository, write_rule

DETECTION = {
    "detection/selection": {
        "eventName": ["CreateAccessKey", "CreateLoginProfile"],
        "requestParameters.userName|startswith": "svc-",
        "errorCode": None,
    },
    "detection/filter_self": {"userIdentity.userName|fieldref": "requestParameters.userName"},
    "detection/filter_office": {"sourceIPAddress|cidr": "192.0.2.0/24"},
    "detection/condition": "selection and not 1 of filter_*",
}


@pytest.fixture
def rules(tmp_path):
    folder = repository(tmp_path)
    changes = {key: value for key, value in DETECTION.items() if key != "detection/selection"}
    selection = DETECTION["detection/selection"]
    write_rule(folder, {**changes, "detection/selection": selection})
    return load_rules(folder, with_samples=False)


def verdict(rules, **changes):
    event = {**EVENT, "requestParameters": {"userName": "svc-backup"}, **changes}
    told = explain(rules, "key-created")
    with quick_session() as con:
        fired, (found,) = judge(con, rules, told, [event], {})
    assert fired == found.matches
    return found


def test_a_condition_is_told_as_a_tree_in_words(rules):
    told = explain(rules, "key-created")

    assert [(depth, node.words) for depth, node in told.parts[0].conditions[0].flat()] == [
        (0, "all of"),
        (1, "all of"),
        (2, "eventName is one of CreateAccessKey, CreateLoginProfile"),
        (2, "requestParameters.userName begins with 'svc-'"),
        (2, "errorCode is missing"),
        (1, "not"),
        (2, "any of"),
        (3, "userIdentity.userName is the same as requestParameters.userName"),
        (3, "sourceIPAddress lies in 192.0.2.0/24"),
    ]


def test_an_event_that_matches_has_no_reason_against_it(rules):
    found = verdict(rules)

    assert found.matches
    assert found.reasons == ()


def test_the_part_that_does_not_hold_is_named_with_what_was_seen(rules):
    found = verdict(rules, requestParameters={"userName": "bob"})

    assert found.reasons == (
        "this does not hold: requestParameters.userName begins with 'svc-' (requestParameters.userName is 'bob')",
    )


def test_a_missing_field_is_told_as_missing(rules):
    found = verdict(rules, requestParameters=None)

    assert found.reasons == (
        "this does not hold: requestParameters.userName begins with 'svc-' (requestParameters.userName is missing)",
    )


def test_the_filter_that_left_an_event_out_is_named(rules):
    found = verdict(rules, sourceIPAddress="192.0.2.9")

    assert found.reasons == ("this is left out: sourceIPAddress lies in 192.0.2.0/24",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "at least 3 events that match `Key created` with the same userIdentity.arn within any 10 minutes"),
        (
            {"type": "value_count", "condition": {"gt": 1, "field": "requestParameters.userName"}, "timespan": "1h"},
            (
                "more than 1 distinct values of requestParameters.userName in events that match `Key created` "
                "with the same userIdentity.arn within any 1 hour"
            ),
        ),
    ],
)
def test_a_correlation_is_told_in_a_sentence(tmp_path, changes, sentence):
    folder = repository(tmp_path)
    write_rule(folder, text=correlated(**changes))

    assert explain(load_rules(folder), "key-created").when == sentence


def test_a_correlation_fires_on_the_events_together_and_each_is_judged_by_itself(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, text=correlated())
    rules = load_rules(folder)
    told = explain(rules, "key-created")
    events = [{**EVENT, "eventID": f"event-{n}"} for n in range(3)]

    with quick_session() as con:
        three, each = judge(con, rules, told, events, {})
        two, _ = judge(con, rules, told, events[:2], {})

    assert (three, two) == (True, False)
    assert [(one.event_id, one.matches) for one in each] == [(f"event-{n}", True) for n in range(3)]


@pytest.mark.parametrize(
    "wrap",
    [
        json.dumps,
        lambda event: json.dumps([event]),
        lambda event: json.dumps({"Records": [event]}),
        lambda event: json.dumps(event) + "\n",
        lambda event: json.dumps({"description": "a sample", "events": [event]}),
    ],
)
def test_events_are_read_however_they_were_delivered(tmp_path, wrap):
    (tmp_path / "events.json").write_text(wrap(dict(EVENT)))

    events, _ = read_events(tmp_path / "events.json")

    assert [event["eventID"] for event in events] == [EVENT["eventID"]]


def test_the_context_of_a_sample_is_read_along(tmp_path):
    told = {"description": "x", "events": [dict(EVENT)], "context": {"*": {"context.ticket.state": "absent"}}}
    (tmp_path / "sample.json").write_text(json.dumps(told))

    assert read_events(tmp_path / "sample.json")[1] == {EVENT["eventID"]: {"context.ticket.state": "absent"}}


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"description": "x", "events": []}'])
def test_a_file_without_events_is_told(tmp_path, text):
    (tmp_path / "events.json").write_text(text)

    with pytest.raises(RuleError, match=r"events\.json"):
        read_events(tmp_path / "events.json")


def test_an_unknown_rule_is_told_with_those_there_are(rules):
    with pytest.raises(UnknownRule, match="there are: key-created"):
        explain(rules, "root-use")


def test_every_rule_of_the_repository_can_be_explained():
    for rule in RULES.rules:
        assert explain(RULES, rule.name).sql


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_rule_of_the_repository_fires_on_its_samples_as_judged(every):
    with quick_session() as con:
        for rule in RULES.rules[::every]:
            told = explain(RULES, rule.name)
            fired, _ = judge(con, RULES, told, list(rule.samples[-1].events), rule.samples[-1].context)
            assert fired == (rule.samples[-1].kind == "positive"), rule.name


def run(*words: str) -> tuple[int, str]:
    from intelsec_assets.commands.rules import rules as command

    result = CliRunner().invoke(command, list(words))
    return result.exit_code, result.stdout


def test_the_command_says_why_an_event_does_not_fire_and_leaves_with_one(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    sample = folder / "key-created" / "negative" / "0.json"

    code, text = run("explain", "key-created", "--rules", str(folder), "--event", str(sample))

    assert code == 1
    assert "DOES NOT FIRE" in text
    assert "because this does not hold: eventName is CreateAccessKey (eventName is 'ListAccessKeys')" in text


def test_the_command_prints_json(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    sample = folder / "key-created" / "positive" / "0.json"

    code, text = run("explain", "key-created", "--rules", str(folder), "--event", str(sample), "--json")

    told = json.loads(text)
    assert code == 0
    assert told["fired"] is True
    assert told["events"][0]["nodes"][1] == {
        "depth": 1,
        "words": "eventSource is iam.amazonaws.com",
        "holds": True,
        "field": "eventSource",
        "seen": "iam.amazonaws.com",
    }
