"""`intelsec rules compile` with rules from elsewhere: what is written, what is refused, what is left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from intelsec_assets.cli import app
from intelsec_assets.detections.sigma.siem import coverage_table
from intelsec_assets.settings import REPOSITORY

FIRST = "11111111-1111-1111-1111-111111111111"
SECOND = "22222222-2222-2222-2222-222222222222"


def rule(title: str, rule_id: str, call: str = "StopLogging") -> str:
    return (
        f"title: {title}\nid: {rule_id}\nlogsource: {{product: aws, service: cloudtrail}}\n"
        f"detection: {{s: {{eventName: {call}}}, condition: s}}\n"
    )


def compile_rules(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["rules", "compile", *map(str, arguments)])


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder of compiled queries."""
    detections = tmp_path / "detections"
    shutil.copytree(REPOSITORY / "detections" / "compiled" / "splunk", detections / "compiled" / "splunk")
    (detections / "sigma").mkdir()
    monkeypatch.setenv("INTELSEC_DETECTIONS", str(detections))
    return detections / "compiled"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "stranger.yml"
    path.write_text(rule("First", FIRST))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("more", [[], ["--check"]])
def test_rules_from_elsewhere_are_not_compiled_into_the_projects_own_folder(
    own: Path, foreign: Path, more: list[str]
) -> None:
    before = contents(own)
    result = compile_rules("--rules", foreign, "--to", "splunk", *more)
    assert result.exit_code == 2
    assert "--out FOLDER" in result.stderr
    assert contents(own) == before


@pytest.mark.parametrize("named", [[], ["stranger"]])
def test_a_folder_with_the_projects_queries_is_no_place_for_rules_from_elsewhere(
    own: Path, foreign: Path, named: list[str]
) -> None:
    before = contents(own)
    result = compile_rules(*named, "--rules", foreign, "--to", "splunk", "--out", own)
    assert result.exit_code == 2
    assert str(own / "splunk" / "manifest.json") in result.stderr
    assert contents(own) == before


def test_only_queries_that_its_manifest_names_are_removed_from_a_folder_given(foreign: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert compile_rules("--rules", foreign, "--to", "splunk", "--out", out).exit_code == 0
    (out / "splunk" / "thesis.spl").write_text("mine")
    renamed = foreign.rename(tmp_path / "renamed.yml")
    assert "stranger.spl" in compile_rules("--rules", renamed, "--to", "splunk", "--out", out, "--check").stderr
    assert compile_rules("--rules", renamed, "--to", "splunk", "--out", out).exit_code == 0
    assert set(contents(out)) == {"splunk/renamed.spl", "splunk/thesis.spl", "splunk/manifest.json"}


def test_a_manifest_cannot_name_a_file_of_another_folder(foreign: Path, tmp_path: Path) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious.txt"
    precious.write_text("mine")
    compile_rules("--rules", foreign, "--to", "splunk", "--out", out)
    manifest = out / "splunk" / "manifest.json"
    manifest.write_text(manifest.read_text().replace("stranger.spl", "../../precious.txt"))
    assert compile_rules("--rules", foreign, "--to", "splunk", "--out", out).exit_code == 0
    assert precious.read_text() == "mine"
    assert json.loads(manifest.read_text())["rules"][0]["file"] == "stranger.spl"


def test_each_rule_of_a_file_has_a_query_of_its_own(tmp_path: Path) -> None:
    two = tmp_path / "two.yml"
    two.write_text(rule("First", FIRST, "StopLogging") + "---\n" + rule("Second", SECOND, "DeleteTrail"))
    out = tmp_path / "out"
    result = compile_rules("--rules", two, "--to", "splunk", "--out", out)
    assert "2 queries of 2 rules" in result.stderr
    assert "StopLogging" in (out / "splunk" / "two-first.spl").read_text()
    assert "DeleteTrail" in (out / "splunk" / "two-second.spl").read_text()
    told = json.loads((out / "splunk" / "manifest.json").read_text())["rules"]
    assert [one["file"] for one in told] == ["two-first.spl", "two-second.spl"]


def test_files_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder, title, rule_id in (("a", "Same", FIRST), ("b", "same!", SECOND)):
        (tmp_path / "rules" / folder).mkdir(parents=True)
        (tmp_path / "rules" / folder / "x.yml").write_text(rule(title, rule_id))
    compile_rules("--rules", tmp_path / "rules", "--to", "splunk", "--out", tmp_path / "out")
    queries = sorted(path.name for path in (tmp_path / "out" / "splunk").glob("*.spl"))
    assert queries == [f"x-{FIRST}.spl", f"x-{SECOND}.spl"]


@pytest.mark.parametrize("logsource", ["{product: aws, service: route53resolver}", "{category: webserver}"])
def test_a_rule_for_another_log_has_no_query(tmp_path: Path, logsource: str) -> None:
    other = tmp_path / "other.yml"
    other.write_text(rule("Other", FIRST).replace("{product: aws, service: cloudtrail}", logsource))
    result = compile_rules("--rules", other, "--out", tmp_path / "out", "--json")
    told = json.loads(result.stdout)["compiled"]
    assert {(one["verdict"], one["deviations"][0]["code"]) for one in told} == {("none", "table.absent")}
    assert logsource.strip("{}") in told[0]["deviations"][0]["about"]


def test_rules_of_another_folder_of_detections_leave_the_page_of_the_checkout_alone(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(REPOSITORY / "detections" / "sigma" / "root-use", own.parent / "sigma" / "root-use")
    monkeypatch.setattr(coverage_table, "PAGE", tmp_path / "page.md")
    result = compile_rules()
    assert result.exit_code == 0, result.output
    assert (own / "athena" / "root-use.sql").is_file()
    assert not (tmp_path / "page.md").exists()
