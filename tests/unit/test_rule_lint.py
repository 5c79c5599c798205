"""Each thing that lint says, on a rule that is right but for that thing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from intelsec_assets.detections.sigma.lint import lint
from tests.written_rules import RULE, correlated, line_of, repository, write_rule

AS_OF = date(2025, 10, 21)
SELECTION = {"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey"}


def with_item(key: str, value: object) -> dict[str, object]:
    return {"detection/selection": {**SELECTION, key: value}}


def messages(folder: Path) -> list[tuple[str, str]]:
    return [(m.severity, m.code) for m in lint(folder, root=folder.parents[1], as_of=AS_OF)]


def test_a_rule_that_is_right_has_no_message(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    second = correlated().replace("11111111-", "33333333-").replace("title: Key created", "title: Key counted")
    write_rule(folder, name="key-created-often", text=second.replace("runbooks/key-created.md", "runbooks/often.md"))
    (tmp_path / "runbooks" / "often.md").write_text("key-created-often")

    assert lint(folder, root=tmp_path, as_of=AS_OF) == []


def test_the_rules_of_the_repository_have_no_message():
    root = Path(__file__).parents[2]

    assert lint(root / "detections" / "sigma", root=root, as_of=AS_OF) == []


@pytest.mark.parametrize(
    ("changes", "marked", "severity", "code"),
    [
        # fields
        (with_item("userIdentity.arm", "x"), "userIdentity.arm", "error", "unknown-field"),
        (with_item("context.ticket.status", "absent"), "context.ticket.status", "error", "unknown-field"),
        (with_item("eventname", "x"), "eventname:", "error", "field-case"),
        (with_item("requestparameters.userName", "x"), "requestparameters", "error", "field-case"),
        ({"intelsec/entity": "userIdentity.arm"}, "entity:", "error", "unknown-field"),
        ({"intelsec/dedup": ["userIdentity.arm"]}, "dedup:", "error", "unknown-field"),
        ({"logsource/service": "guardduty"}, "logsource:", "error", "unknown-logsource"),
        # values
        (
            with_item("userIdentity.userName", "responseElements.accessKey.userName"),
            "userIdentity.userName",
            "error",
            "literal-for-fieldref",
        ),
        (with_item("errorCode", "null"), "errorCode", "error", "word-for-null"),
        (with_item("errorCode", ""), "errorCode", "warning", "empty-text"),
        (with_item("resources.ARN", "arn:aws:s3:::a"), "resources.ARN", "error", "equality-in-list"),
        # anchors
        (with_item("sourceIPAddress|endswith", "amazonaws.com"), "sourceIPAddress", "error", "unanchored"),
        (with_item("userAgent|endswith", "Amazonaws.com"), "userAgent", "error", "unanchored"),
        (with_item("userAgent", "*amazonaws.com"), "userAgent", "error", "unanchored"),
        (with_item("sourceIPAddress|startswith", "10."), "sourceIPAddress", "error", "unanchored"),
        (with_item("sourceIPAddress", "10.1.*"), "sourceIPAddress", "error", "unanchored"),
        (with_item("eventSource", "*s3*"), "eventSource", "warning", "unanchored"),
        (with_item("sourceIPAddress|contains", "192.0.2.1"), "sourceIPAddress", "error", "unanchored"),
        (with_item("eventSource|contains", "iam"), "eventSource|contains", "warning", "unanchored"),
        (with_item("userAgent|re", "[0-9]+x?"), "userAgent|re", "warning", "unanchored"),
        (with_item("userAgent|re", "^Kali"), "userAgent|re", "warning", "case"),
        # cost
        ({"detection/selection": {"userAgent|startswith": "x"}}, "condition:", "warning", "cost"),
        (with_item("userAgent", "*curl"), "userAgent", "warning", "cost"),
        (with_item("requestParameters|contains", "admin"), "requestParameters|contains", "warning", "cost"),
        (
            {"detection/words": ["backdoor"], "detection/condition": "selection and words"},
            "words:",
            "warning",
            "keywords",
        ),
        # condition
        ({"detection/filter_x": {"eventType": "AwsServiceEvent"}}, "filter_x:", "error", "unused-selection"),
        ({"detection/filter_x": {"eventType": "x"}, "detection/condition": "1 of them"}, "condition:", "error", "them"),
        ({"detection/selection": {"eventName|exists": True}}, "condition:", "error", "matches-everything"),
        # metadata
        ({"tags": ["attack.persistence"]}, "tags:", "error", "attack"),
        ({"tags": ["attack.persistence", "attack.t9999"]}, "attack.t9999", "error", "attack"),
        ({"tags": ["attack.evasion", "attack.persistence", "attack.t1098"]}, "attack.evasion", "error", "attack"),
        ({"tags": ["attack.impact", "attack.t1098.001"]}, "attack.t1098.001", "error", "attack"),
        ({"description": ""}, "title:", "error", "no-description"),
        ({"falsepositives": ["Unknown"]}, "falsepositives:", "error", "no-false-positives"),
        ({"references": ["http://example.com"]}, "http://example.com", "error", "reference"),
        ({"intelsec/runbook": "runbooks/none.md"}, "runbook:", "error", "runbook"),
        ({"intelsec/noise_budget": 500}, "noise_budget:", "warning", "budget"),
        ({"level": "urgent"}, "level:", "error", "cannot-load"),
    ],
)
def test_a_rule_that_is_wrong_in_one_thing_has_that_message_on_its_line(tmp_path, changes, marked, severity, code):
    folder = repository(tmp_path)
    file = write_rule(folder, changes)

    found = {(m.severity, m.code, m.line) for m in lint(folder, root=tmp_path, as_of=AS_OF)}

    assert (severity, code, line_of(file, marked)) in found


@pytest.mark.parametrize(
    ("value", "read_as"),
    [("No", False), ("yes", True), ("22:22", 1342), ("0123", 83), ("2025-10-21", "date")],
)
def test_a_value_that_yaml_1_1_reads_otherwise_is_told(tmp_path, value, read_as):
    folder = repository(tmp_path)
    text = yaml.safe_dump(dict(RULE), sort_keys=False).replace(
        "eventName: CreateAccessKey", f"eventName: CreateAccessKey\n    additionalEventData.MFAUsed: {value}"
    )
    file = write_rule(folder, text=text)

    found = [m for m in lint(folder, root=tmp_path, as_of=AS_OF) if m.code == "yaml-1.1"]

    assert [m.line for m in found] == [line_of(file, "MFAUsed")]
    assert found[0].remedy == f"quote it: '{value}'" or value == "0123"
    assert isinstance(read_as, (bool, int, str))


@pytest.mark.parametrize(
    ("changes", "marked", "severity", "code"),
    [
        ({"group-by": None}, "correlation:", "error", "group"),
        ({"group-by": ["userIdentity.arm"]}, "group-by:", "error", "unknown-field"),
        ({"timespan": "30d"}, "timespan:", "warning", "window"),
        ({"condition": {"gte": 1}}, "condition:\n    gte", "error", "threshold"),
        ({"condition": {"lt": 5}}, "condition:\n    lt", "warning", "threshold"),
        (
            {"type": "value_count", "condition": {"gte": 3, "field": "requestParameter.key"}},
            "gte",
            "error",
            "unknown-field",
        ),
        ({"group-by": ["sourceIPAddress"]}, "dedup:", "error", "dedup"),
        ({"condition": None}, "correlation:", "error", "cannot-load"),
        ({"timespan": None}, "correlation:", "error", "cannot-load"),
    ],
)
def test_a_correlation_that_is_wrong_in_one_thing_has_that_message(tmp_path, changes, marked, severity, code):
    folder = repository(tmp_path)
    write_rule(folder, text=correlated(**changes))

    assert (severity, code) in messages(folder)


def test_a_runbook_that_speaks_of_another_rule_is_told(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    (tmp_path / "runbooks" / "key-created.md").write_text("# Something else\n")

    assert messages(folder) == [("error", "runbook")]


def test_a_title_used_twice_is_told(tmp_path):
    folder = repository(tmp_path)
    (tmp_path / "runbooks" / "key-created.md").write_text("one two")
    write_rule(folder, name="one")
    write_rule(folder, {"id": "22222222-2222-4222-8222-222222222222"}, name="two")

    assert messages(folder) == [("error", "title"), ("error", "title")]


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2025-10-20", ("error", "exception-expired")),
        ("2025-10-25", ("warning", "exception-end")),
        ("2025-12-31", None),
    ],
)
def test_an_exception_that_has_ended_or_ends_soon_is_told(tmp_path, expires, expected):
    folder = repository(tmp_path)
    write_rule(folder)
    (tmp_path / "detections" / "exceptions").mkdir()
    exception = {
        "title": "Rotation",
        "date": "2025-10-01",
        "logsource": RULE["logsource"],
        "filter": {"rules": [RULE["id"]], "s": {"userIdentity.userName": "rotation"}, "condition": "not s"},
        "intelsec": {"reason": "The nightly rotation.", "expires": expires},
    }
    (tmp_path / "detections" / "exceptions" / "rotation.yml").write_text(yaml.safe_dump(exception, sort_keys=False))

    assert messages(folder) == ([expected] if expected else [])


def test_an_exception_under_which_a_sample_of_the_attack_stays_quiet_is_told(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    (tmp_path / "detections" / "exceptions").mkdir()
    exception = {
        "title": "Too wide",
        "date": "2025-10-01",
        "logsource": RULE["logsource"],
        "filter": {"rules": [RULE["id"]], "s": {"eventSource|endswith": "amazonaws.com"}, "condition": "not s"},
        "intelsec": {"reason": "The nightly rotation.", "expires": "2025-12-31"},
    }
    (tmp_path / "detections" / "exceptions" / "wide.yml").write_text(yaml.safe_dump(exception, sort_keys=False))

    found = lint(folder, root=tmp_path, as_of=AS_OF)

    assert {m.code for m in found} == {"exception-hides-sample"}
    assert {m.severity for m in found} == {"error"}


def test_a_mode_for_a_rule_that_is_not_there_is_told(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    entry = {"mode": "test", "reason": "over its noise budget", "begins": "2025-10-01", "expires": "2025-10-31"}
    modes = tmp_path / "detections" / "modes.yml"
    modes.write_text(yaml.safe_dump({"no-such-rule": entry, RULE["id"]: entry}))

    (found,) = lint(folder, root=tmp_path, as_of=AS_OF)

    assert (found.severity, found.code) == ("error", "modes")
    assert "'no-such-rule'" in found.text


def test_only_the_rule_asked_for_is_spoken_of(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, {"description": ""}, name="one")
    write_rule(folder, {"description": "", "id": "22222222-2222-4222-8222-222222222222", "title": "x"}, name="two")

    assert {m.rule for m in lint(folder, root=tmp_path, as_of=AS_OF, only="two")} == {"two"}
