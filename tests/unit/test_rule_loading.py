"""What does not load as a rule, and how it is told."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from intelsec_assets.detections.sigma.rules import RuleSet, RulesRefused, load_any, load_rules
from tests.written_rules import EVENT, RULE, changed, correlated, line_of, repository, write_rule

EXCEPTION = {
    "title": "Keys of the rotation",
    "date": "2025-10-21",
    "logsource": {"product": "aws", "service": "cloudtrail"},
    "filter": {
        "rules": [RULE["id"]],
        "rotation": {"userIdentity.userName": "rotation"},
        "condition": "not rotation",
    },
    "intelsec": {"reason": "The nightly rotation makes keys.", "expires": "2025-12-31"},
}


def refusal(folder: Path, **options: object) -> list[str]:
    with pytest.raises(RulesRefused) as refused:
        load_rules(folder, **options)
    return [str(problem) for problem in refused.value.problems]


def write_exception(folder: Path, changes: dict[str, object] | None = None) -> Path:
    place = folder.parent / "exceptions"
    place.mkdir()
    file = place / "rotation.yml"
    file.write_text(yaml.safe_dump(changed(EXCEPTION, changes or {}), sort_keys=False))
    return file


def test_a_rule_is_loaded_with_its_samples_and_what_it_says_about_itself(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)

    rule = load_rules(folder).rule("key-created")

    assert rule.rule_id == RULE["id"]
    assert rule.attack == ("persistence", "T1098.001")
    assert rule.logsource == {"product": "aws", "service": "cloudtrail"}
    assert rule.meta.suppression == timedelta(hours=4)
    assert rule.meta.dedup == ("userIdentity.arn",)
    assert [sample.kind for sample in rule.samples].count("negative") == 5
    assert rule.window is None


def test_a_correlation_brings_the_rule_it_counts_along(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, text=correlated())

    rules = load_rules(folder)

    assert [rule.title for rule in rules.rules] == ["Many keys created"]
    assert rules.rules[0].is_correlation
    assert rules.rules[0].referenced == (RULE["id"],)
    assert rules.rules[0].window == timedelta(minutes=10)
    assert [str(rule.id) for rule in rules.collection.rules] == [RULE["id"], rules.rules[0].rule_id]


@pytest.mark.parametrize(("positive", "negative", "says"), [(2, 5, "2 positive"), (3, 4, "4 negative")])
def test_a_rule_with_too_few_samples_does_not_load(tmp_path, positive, negative, says):
    folder = repository(tmp_path)
    write_rule(folder, positive=positive, negative=negative)

    (problem,) = refusal(folder)

    assert says in problem
    assert load_rules(folder, with_samples=False).rules  # unless nobody asks for samples


def test_every_problem_is_told_at_once_with_file_and_line(tmp_path):
    folder = repository(tmp_path)
    one = write_rule(folder, {"level": "urgent"}, name="one")
    two = write_rule(folder, {"id": "22222222-2222-4222-8222-222222222222", "intelsec/mode": "loud"}, name="two")

    problems = refusal(folder)

    assert any(text.startswith(f"{one}:{line_of(one, 'level:')}: one: ") and "urgent" in text for text in problems)
    assert len(problems) == 1  # a file that is no rule is told before the rules are looked at as a set
    one.write_text(one.read_text().replace("urgent", "high"))
    assert refusal(folder) == [
        f"{two}:{line_of(two, 'mode:')}: two: intelsec.mode: 'loud' is not one of ['live', 'test']"
    ]


def test_two_rules_with_one_id_are_refused(tmp_path):
    folder = repository(tmp_path)
    one = write_rule(folder, name="one")
    two = write_rule(folder, {"title": "Another"}, name="two")

    problems = refusal(folder)

    assert [str(one) in text or str(two) in text for text in problems] == [True, True]
    assert f"also in {two}" in problems[0]


def test_a_correlation_over_a_missing_rule_is_refused(tmp_path):
    folder = repository(tmp_path)
    file = write_rule(folder, text=correlated(rules=["no_such_rule"]))

    (problem,) = refusal(folder)

    assert problem.startswith(f"{file}:{line_of(file, 'rules:')}: ")
    assert "'no_such_rule'" in problem


def test_a_correlation_cannot_count_the_rule_of_another_folder(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, name="one", text=correlated())
    text = (
        correlated()
        .replace("2222", "3333")
        .replace("11111111-", "44444444-")
        .replace("name: key_created", "name: other")
    )
    write_rule(folder, name="two", text=text)

    assert any("'key_created'" in problem and "in this file" in problem for problem in refusal(folder))


def test_an_expression_that_re2_refuses_is_refused_with_its_line(tmp_path):
    folder = repository(tmp_path)
    file = write_rule(folder, {"detection/selection": {"eventName": "X", "userAgent|re": "^(?=aws)"}})

    (problem,) = refusal(folder)

    assert problem.startswith(f"{file}:{line_of(file, 'userAgent')}: ")
    assert "selection.userAgent|re" in problem


def test_a_yaml_bomb_is_refused_before_it_expands(tmp_path):
    folder = repository(tmp_path)
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    write_rule(folder, text=bomb)

    (problem,) = refusal(folder)

    assert "aliases expand" in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title: [", "not YAML"),
        ("- a list", "holds no rule"),
        ("", "holds no rule"),
        ("x: " + "[" * 400 + "]" * 400, "nested deeper"),
        ("title: a\n" + "# " + "x" * 300_000, "larger than"),
        ("title: one\ntitle: two\n", "given twice"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("title: one\ndate: 2025-02-31\n", "cannot be read as Sigma's tools read it"),
    ],
)
def test_what_is_no_rule_file_is_refused(tmp_path, text, says):
    folder = repository(tmp_path)
    write_rule(folder, text=text)

    assert any(says in problem for problem in refusal(folder))


def test_a_folder_without_a_rule_is_told(tmp_path):
    folder = repository(tmp_path)
    (folder / "empty").mkdir()

    assert refusal(folder) == [f"{folder / 'empty'}:1: empty: holds no rule.yml"]


def test_two_rules_in_one_folder_are_refused(tmp_path):
    folder = repository(tmp_path)
    second = changed(RULE, {"id": "22222222-2222-4222-8222-222222222222", "title": "Another"})
    write_rule(folder, text=yaml.safe_dump_all([dict(RULE), second], sort_keys=False))

    assert any("holds 2 rules that can fire" in problem for problem in refusal(folder))


def test_an_exception_applies_through_its_last_day_and_changes_the_digest(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    write_exception(folder)

    last = load_rules(folder, as_of=date(2025, 12, 31))
    after = load_rules(folder, as_of=date(2026, 1, 1))
    timeless = load_rules(folder)

    assert "rotation" in str(last.collection.rules[0].detection.detections.keys())
    assert "rotation" not in str(after.collection.rules[0].detection.detections.keys())
    assert [exception.title for exception in after.expired] == ["Keys of the rotation"]
    assert timeless.exceptions == ()
    assert last.rules[0].digest != after.rules[0].digest == timeless.rules[0].digest


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"filter/rules": "any"}, "would silence every rule"),
        ({"filter/rules": ["no_such_rule"]}, "which there is not"),
        ({"filter/condition": "rotation"}, "must begin with `not`"),
        ({"logsource/service": "guardduty"}, "has another logsource"),
        ({"intelsec/reason": "noise"}, "says in a sentence"),
        ({"intelsec/expires": "soon"}, "YYYY-MM-DD"),
        ({"intelsec/expires": "2026-04-20"}, "180 days are the longest"),
        ({"date": None}, "expected the first day"),
        ({"filter/rotation": {"userIdentity.userName": "*"}}, "would silence it"),
        ({"filter/rotation": {"userIdentity.userName|contains": ""}}, "would silence it"),
        ({"filter/rotation": {"userIdentity.userName|exists": True}}, "would silence it"),
        ({"filter/rotation": {"userIdentity.userName|re": ".*"}}, "would silence it"),
        ({"filter/rotation": {"userIdentity.userName": ["rotation", "**"]}}, "would silence it"),
        ({"filter/rotation": [{"userIdentity.userName": "rotation"}, {"eventName": "*"}]}, "would silence it"),
        ({"filter/rotation": dict(RULE["detection"]["selection"])}, "would silence it"),
        ({"intelsec": None}, "is missing"),
        ({"intelsec/owner": "me"}, "unknown key 'owner'"),
    ],
)
def test_an_exception_that_would_not_do_what_it_says_is_refused(tmp_path, changes, says):
    folder = repository(tmp_path)
    write_rule(folder)
    file = write_exception(folder, changes)

    (problem,) = refusal(folder)

    assert str(file) in problem
    assert says in problem


def test_an_exception_of_a_correlation_names_what_to_name_instead(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, text=correlated())
    write_exception(folder, {"filter/rules": ["22222222-2222-4222-8222-222222222222"]})

    (problem,) = refusal(folder)

    assert "name what it counts: key_created" in problem


def test_a_collection_is_made_anew_because_backends_change_it(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)
    rules = load_rules(folder)

    first = rules.collection
    first.rules[0].title = "changed by a backend"

    assert rules.collection.rules[0].title == "Key created"


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ("{", "is no JSON"),
        ([], "holds no object"),
        ({"events": [dict(EVENT)]}, "has no `description`"),
        ({"description": "x", "events": []}, "has no `events`"),
        ({"description": "x", "events": [{**EVENT, "eventID": None}]}, "has no id"),
        ({"description": "x", "events": [{**EVENT, "eventTime": "noon"}]}, "has no time"),
        ({"description": "x", "events": [dict(EVENT), dict(EVENT)]}, "have the same id"),
        ({"description": "x", "events": [dict(EVENT)], "context": {"nobody": {}}}, "which is not in the sample"),
        ({"description": "x", "events": [dict(EVENT)], "context": {"*": {"ticket": 1}}}, "begin with `context.`"),
        ({"description": "x", "events": [{"event": dict(EVENT), "times": 9_999}]}, "`times` is a whole number"),
        ({"description": "x", "events": [{"event": dict(EVENT), "times": 2, "every": "soon"}]}, "`every` is a number"),
        ({"description": "x", "events": [dict(EVENT)], "ticket": 1}, "unknown key 'ticket'"),
    ],
)
def test_a_sample_that_cannot_be_used_is_refused(tmp_path, sample, says):
    folder = repository(tmp_path)
    place = write_rule(folder).parent / "positive" / "0.json"
    place.write_text(sample if isinstance(sample, str) else json.dumps(sample))

    (problem,) = refusal(folder)

    assert str(place) in problem
    assert says in problem


def test_an_event_told_once_stands_for_many_with_ids_and_times_of_their_own(tmp_path):
    folder = repository(tmp_path)
    place = write_rule(folder).parent / "positive" / "0.json"
    told = {"event": dict(EVENT), "times": 3, "every": "2s", "varies": {"requestParameters.userName": "user-{n}"}}
    place.write_text(
        json.dumps({"description": "three", "events": [told], "context": {"*": {"context.ticket.state": "absent"}}})
    )

    sample = load_rules(folder).rules[0].samples[0]

    assert [event["eventTime"][-3:] for event in sample.events] == ["00Z", "02Z", "04Z"]
    assert [event["requestParameters"]["userName"] for event in sample.events] == ["user-1", "user-2", "user-3"]
    assert len({event["eventID"] for event in sample.events}) == 3
    assert all(values == {"context.ticket.state": "absent"} for values in sample.context.values())


def test_rules_from_elsewhere_need_no_word_about_themselves_and_may_count_each_other(tmp_path):
    base, head = correlated().split("---\n")
    values = yaml.safe_load(head)
    del values["intelsec"]
    (tmp_path / "base.yml").write_text(base)
    (tmp_path / "head.yaml").write_text(yaml.safe_dump(values))

    rules = load_any([tmp_path])

    assert [rule.title for rule in rules.rules] == ["Many keys created"]
    assert rules.rules[0].meta.dedup == ("userIdentity.arn",)
    assert isinstance(rules, RuleSet)


def test_rules_from_elsewhere_that_are_not_there_are_told(tmp_path):
    with pytest.raises(RulesRefused, match="no such file or folder"):
        load_any([tmp_path / "nothing"])


def without_id(title="Many keys created"):
    base = yaml.safe_load(correlated().split("---\n")[0])
    del base["id"]
    return yaml.safe_dump(base | {"title": title})


def test_a_rule_from_elsewhere_needs_no_id_and_has_the_same_at_each_reading(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys.yml").write_text(without_id())
    (tmp_path / "b" / "keys.yml").write_text(without_id() + "level: high\n")

    first, again = (load_any([tmp_path / folder]) for folder in ("a", "b"))

    assert first.rules[0].rule_id == again.rules[0].rule_id
    assert str(first.collection.rules[0].id) == first.rules[0].rule_id


def test_rules_without_id_that_cannot_be_told_apart_are_refused(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "keys.yml").write_text(yaml.safe_dump(yaml.safe_load(without_id()) | {"name": folder}))

    with pytest.raises(
        RulesRefused, match=r"has no `id`, and its file's name and title are also in .*give it a random"
    ):
        load_any([tmp_path])
