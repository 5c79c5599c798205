"""What the rules cover of ATT&CK, the page about it, and the commands for lint and test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.write_rule_coverage import PAGE, current_page
from intelsec_assets.commands.rules import rules as command
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.sigma.attack import attack_tables
from intelsec_assets.detections.sigma.coverage import coverage
from intelsec_assets.detections.sigma.rules import load_rules
from tests.written_rules import repository, write_rule

TABLES = attack_tables(Path(__file__).parents[2] / "detections" / "attack")
OTHER = "22222222-2222-4222-8222-222222222222"


def test_the_committed_page_is_what_the_rules_give():
    """To write it anew: python docs/write_rule_coverage.py"""
    assert PAGE.read_text(encoding="utf-8") == current_page()


def test_the_tables_are_of_one_version_with_tactics_in_the_order_of_an_attack():
    assert TABLES.version == "17.0"
    assert len(TABLES.techniques) == 665
    assert TABLES.tactics[2:4] == ("initial-access", "execution")
    assert all(set(technique.tactics) <= set(TABLES.tactics) for technique in TABLES.techniques.values())


def test_tables_that_are_not_there_are_told(tmp_path):
    with pytest.raises(RuleError, match="restore the folder"):
        attack_tables(tmp_path)


def test_a_technique_that_one_live_rule_alone_sees_is_sole(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, name="one")
    write_rule(folder, {"id": OTHER, "title": "Another", "intelsec/mode": "test"}, name="two")

    (covered,) = coverage(load_rules(folder), TABLES).techniques

    assert covered.technique.technique_id == "T1098.001"
    assert (covered.rules, covered.in_test, covered.is_sole) == (("one",), ("two",), True)


def test_a_technique_that_two_rules_see_is_not_sole(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, name="one")
    write_rule(folder, {"id": OTHER, "title": "Another"}, name="two")

    (covered,) = coverage(load_rules(folder), TABLES).techniques

    assert not covered.is_sole


def test_gaps_are_told_by_tactic(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)

    tactics = {tactic.tactic: tactic for tactic in coverage(load_rules(folder), TABLES).tactics}

    assert tactics["persistence"].rules == ("key-created",)
    assert tactics["persistence"].covered == 1
    assert "T1098.001" not in [gap.technique_id for gap in tactics["persistence"].cloud_gaps]
    assert "T1098.003" in [gap.technique_id for gap in tactics["persistence"].cloud_gaps]
    assert tactics["exfiltration"].rules == ()


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, list(words))
    return result.exit_code, result.stdout


def test_the_coverage_command_prints_json(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder)

    code, text = run("coverage", "--rules", str(folder), "--json")

    assert code == 0
    assert json.loads(text)["logsources"] == [{"logsource": "aws/cloudtrail", "rules": ["key-created"]}]


def test_the_lint_command_leaves_with_one_for_an_error_and_with_strict_for_a_warning(tmp_path):
    folder = repository(tmp_path)
    file = write_rule(folder, {"intelsec/noise_budget": 500})

    loose = run("lint", str(folder), "--json")
    strict = run("lint", str(file.parent), "--strict")
    file.write_text(file.read_text().replace("CreateAccessKey\n", "[CreateAccessKey\n"))
    broken = run("lint", str(folder))

    assert (loose[0], strict[0], broken[0]) == (0, 1, 1)
    assert [message["code"] for message in json.loads(loose[1])] == ["budget"]


def test_the_lint_command_refuses_a_folder_without_rules(tmp_path):
    assert run("lint", str(tmp_path))[0] == 2
    assert run("lint", str(tmp_path / "nothing"))[0] == 2


def test_the_test_command_leaves_with_one_when_a_sample_comes_out_otherwise(tmp_path):
    folder = repository(tmp_path)
    write_rule(folder, name="right")
    wrong = {"id": OTHER, "title": "Another", "detection/selection/eventName": "ListAccessKeys"}
    write_rule(folder, wrong, name="wrong")

    both, text = run("test", "--rules", str(folder))
    one, _ = run("test", "right", "--rules", str(folder))
    unknown, _ = run("test", "neither", "--rules", str(folder))

    assert (both, one, unknown) == (1, 0, 2)
    assert "FAIL wrong" in text
    assert "fired, AND SHOULD NOT: negative 0" in text
