"""What becomes of a rule in a SIEM: exact, nearest with what is said of it, or none; and what stays the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from intelsec_assets.detections.sigma.rules import RuleSet, load_any
from intelsec_assets.detections.sigma.siem import coverage_table, outputs
from intelsec_assets.detections.sigma.siem.compiling import EXACT, NEAREST, NONE, Compiled, compile_all, compile_rule
from intelsec_assets.detections.sigma.siem.targets import TargetError, Targets, load_targets
from intelsec_assets.settings import REPOSITORY
from tests.repository_rules import RULES

TARGETS = load_targets()
ALL = list(TARGETS.targets)


def rules(folder: Path, detection: str, more: str = "", product: str = "aws") -> RuleSet:
    """One rule with this detection (YAML, two spaces deep), and other documents after it."""
    text = (
        "title: A rule\nid: 5b5d1a1e-7d0a-4a76-8a35-6f0a4d0b7a01\nname: one\nlevel: high\n"
        f"logsource: {{product: {product}, service: cloudtrail}}\ndetection:\n{detection}\n{more}"
    )
    (folder / "rule.yml").write_text(text)
    return load_any([folder / "rule.yml"])


def compiled(ruleset: RuleSet, target: str, targets: Targets = TARGETS) -> Compiled:
    return compile_rule(ruleset, ruleset.rules[-1], targets.target(target), targets)


def codes(one: Compiled) -> set[str]:
    return {deviation.code for deviation in one.deviations}


SIMPLE = "  selection: {eventName: StopLogging}\n  condition: selection"


@pytest.mark.parametrize("target", ALL)
def test_a_simple_comparison_is_exact_everywhere(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, SIMPLE), target)
    assert one.verdict == EXACT
    assert "stoplogging" in one.text.lower()


@pytest.mark.parametrize("target", ["splunk", "elasticsearch-esql", "elasticsearch-lucene", "sentinel", "athena"])
def test_a_rule_over_another_cloud_has_no_query_where_the_table_is_cloudtrail(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, SIMPLE, product="gcp"), target)
    assert one.verdict == NONE
    assert codes(one) == {"table.absent"}


CONTEXT = "  selection: {eventName: CreateAccessKey, context.indicator.state: match}\n  condition: selection"


@pytest.mark.parametrize("target", ["splunk", "elasticsearch-esql", "sentinel", "athena"])
def test_context_is_joined_where_the_siem_has_lookups(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, CONTEXT), target)
    assert codes(one) - {"context.network"} == {"context.lookup"}
    assert "intelsec_indicators" in one.text or "audit_context" in one.text
    assert "match" in one.text


@pytest.mark.parametrize(
    ("target", "asked", "lost"),
    [
        ("splunk", "indicator", set()),
        ("elasticsearch-esql", "indicator", {"context.network"}),
        ("sentinel", "indicator", {"context.network"}),
        ("athena", "indicator", set()),
        ("splunk", "asn", set()),
        ("elasticsearch-esql", "asn", {"context.principal"}),
        ("sentinel", "asn", {"context.principal", "context.ipv4"}),
        ("athena", "asn", set()),
    ],
)
def test_what_a_look_up_cannot_find_is_said(target: str, asked: str, lost: set[str], tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, f"  s: {{eventName: A, context.{asked}.state: new}}\n  condition: s"), target)
    assert codes(one) - {"context.lookup"} == lost
    head, _, _ = coverage_table.render([one], TARGETS).partition("## Rules and targets")
    less = head.partition("What can find less:")[2].partition("\n- ")[0]
    assert all(f"`{code}`" in less for code in lost)


# how the intake tells principals apart: people behind a role, roles of other accounts, pipelines
PRINCIPALS = ("AssumedRole", "/AWSReservedSSO_", "AWSAccount", "AROA", "WebIdentityUser", "pull_request|environment:")


@pytest.mark.parametrize("word", PRINCIPALS)
def test_a_principal_is_looked_up_by_the_key_it_has_in_the_lake(word: str) -> None:
    assert word in (REPOSITORY / "intelsec_assets" / "detections" / "audit" / "sql" / "aws.sql").read_text()
    for target in ("splunk", "elasticsearch-esql", "sentinel"):
        assert word in TARGETS.target(target).lookups["context.asn."], target


def test_a_session_with_a_source_identity_is_looked_up_by_it_where_the_siem_keeps_it() -> None:
    for target in TARGETS.targets.values():
        if "context.asn." in target.lookups:
            keeps = ".sourceIdentity'" in target.lookups["context.asn."]
            assert keeps is ("context.principal" not in target.lookup_losses["context.asn."]), target.name


def test_a_loss_of_a_look_up_must_be_a_code(tmp_path: Path) -> None:
    text = (REPOSITORY / "detections" / "pipelines" / "targets.yml").read_text()
    (tmp_path / "targets.yml").write_text(text.replace("loses: [context.network]", "loses: [context.netwrok]"))
    for path in (REPOSITORY / "detections" / "pipelines").glob("*-aws.yml"):
        (tmp_path / path.name).write_text(path.read_text())
    with pytest.raises(TargetError, match=r"context\.indicator\.: context\.netwrok is no code of `codes`"):
        load_targets(tmp_path)


@pytest.mark.parametrize("target", ["elasticsearch-lucene", "opensearch-lucene", "opensearch-ppl", "loki"])
def test_context_is_left_out_where_the_siem_has_none(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, CONTEXT), target)
    assert codes(one) == {"context.dropped"}
    assert "context" not in one.text
    assert "CreateAccessKey" in one.text


def test_what_is_left_out_below_a_not_takes_the_whole_exclusion_with_it(tmp_path: Path) -> None:
    """`not (deploy role and ticket)` without the ticket would exclude every deploy: events would be lost."""
    ruleset = rules(
        tmp_path,
        "  selection: {eventName: CreateAccessKey}\n"
        "  filter: {userAgent: deploy, context.ticket.state: present}\n"
        "  condition: selection and not filter",
    )
    one = compiled(ruleset, "opensearch-lucene")
    assert one.text.strip() == "eventName:CreateAccessKey"


def test_a_rule_that_is_nothing_but_context_has_no_query(tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, "  s: {context.asn.state: new}\n  condition: s"), "opensearch-lucene")
    assert one.verdict == NONE
    assert codes(one) >= {"refused"}


@pytest.mark.parametrize("asked", ["errorCode: null", "errorCode|exists: false"])
def test_splunk_takes_the_word_of_its_add_on_for_a_call_without_an_error(asked: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, f"  s: {{eventName: StopLogging, {asked}}}\n  condition: s"), "splunk")
    assert one.text.strip().endswith('eventName="StopLogging" (NOT errorCode=* OR errorCode="success")')
    assert one.verdict == EXACT


def test_splunk_takes_the_word_of_its_add_on_for_no_error(tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, "  s: {eventName: StopLogging, errorCode|exists: true}\n  condition: s"), "splunk")
    assert one.text.strip().endswith('eventName="StopLogging" (errorCode=* errorCode!="success")')
    other = compiled(rules(tmp_path, "  s: {errorMessage: null}\n  condition: s"), "splunk")
    assert "NOT errorMessage=*" in other.text
    assert "success" not in other.text


def test_no_compiled_search_of_splunk_looks_for_a_missing_error_code_alone() -> None:
    for rule in RULES.rules:
        text = compile_rule(RULES, rule, TARGETS.target("splunk"), TARGETS).text
        assert "NOT errorCode=*" not in text.replace('(NOT errorCode=* OR errorCode="success")', ""), rule.name


COUNT = (
    "---\ntitle: Many\nid: 5b5d1a1e-7d0a-4a76-8a35-6f0a4d0b7a02\nlevel: high\n"
    "correlation: {type: TYPE, rules: [one], group-by: [userIdentity.arn], timespan: 10m, condition: {gte: 5FIELD}}\n"
)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("splunk", "window.tumbling"),
        ("elasticsearch-esql", "window.tumbling"),
        ("opensearch-ppl", "window.tumbling"),
        ("sentinel", "window.tumbling"),
        ("opensearch-lucene", "window.stepped"),
        ("elasticsearch-lucene", "window.stepped"),
        ("loki", "window.stepped"),
    ],
)
def test_windows_that_do_not_slide_are_said(target: str, code: str, tmp_path: Path) -> None:
    more = COUNT.replace("TYPE", "event_count").replace("FIELD", "")
    one = compiled(rules(tmp_path, SIMPLE, more), target)
    assert code in codes(one)
    assert one.verdict == NEAREST
    assert "5" in one.text


def test_athena_counts_over_windows_that_slide(tmp_path: Path) -> None:
    more = COUNT.replace("TYPE", "event_count").replace("FIELD", "")
    one = compiled(rules(tmp_path, SIMPLE, more), "athena")
    assert one.verdict == EXACT
    assert "RANGE BETWEEN INTERVAL '600' SECOND PRECEDING" in one.text
    assert 'WHERE "userIdentity.arn" IS NOT NULL' in one.text  # who lacks it is in no group


@pytest.mark.parametrize("target", ALL)
def test_a_group_of_events_that_lack_the_field_is_said_unless_the_rule_demands_the_field(
    target: str, tmp_path: Path
) -> None:
    more = COUNT.replace("TYPE", "event_count").replace("FIELD", "")
    keep_it = {"elasticsearch-esql", "opensearch-ppl", "loki", "sentinel"}

    assert ("group.missing" in codes(compiled(rules(tmp_path, SIMPLE, more), target))) is (target in keep_it)

    for demanded in ("'userIdentity.arn|exists': true", "userIdentity.arn: x", "userIdentity.arn: [x, y]"):
        demanding = f"  s: {{eventName: DeleteTrail, {demanded}}}\n  condition: s"
        assert "group.missing" not in codes(compiled(rules(tmp_path, demanding, more), target))
    for free in ("userIdentity.arn: null", "'userIdentity.arn|exists': false", "userIdentity.arn: [null, x]"):
        not_demanding = f"  s: {{eventName: DeleteTrail, {free}}}\n  condition: s"
        assert ("group.missing" in codes(compiled(rules(tmp_path, not_demanding, more), target))) is (target in keep_it)


def test_ppl_counts_distinct_values_in_a_window(tmp_path: Path) -> None:
    """The package by itself counts events instead of values, and over all time."""
    more = COUNT.replace("TYPE", "value_count").replace("FIELD", ", field: eventName")
    one = compiled(rules(tmp_path, SIMPLE, more), "opensearch-ppl")
    assert "distinct_count(`eventName`)" in one.text
    assert "span(@timestamp, 10m)" in one.text


ORDERED = (
    "---\ntitle: Two\nid: 5b5d1a1e-7d0a-4a76-8a35-6f0a4d0b7a03\nname: two\n"
    "logsource: {product: aws, service: cloudtrail}\ndetection:\n  s: {eventName: DeleteTrail}\n  condition: s\n"
    "---\ntitle: In order\nid: 5b5d1a1e-7d0a-4a76-8a35-6f0a4d0b7a04\nlevel: high\n"
    "correlation: {type: temporal_ordered, rules: [one, two], group-by: [userIdentity.arn], timespan: 10m}\n"
)


@pytest.mark.parametrize("target", ["splunk", "elasticsearch-esql", "loki", "sentinel", "athena"])
def test_an_order_that_is_not_checked_is_said(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, SIMPLE, ORDERED), target)
    assert "correlation.ordered" in codes(one)
    assert len(one.queries) == 1


@pytest.mark.parametrize("target", ["elasticsearch-lucene", "opensearch-lucene", "opensearch-ppl"])
def test_without_correlations_the_counted_rules_stand_alone(target: str, tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, SIMPLE, ORDERED), target)
    assert codes(one) == {"correlation.parts"}
    assert [query.title for query in one.queries] == ["A rule", "Two"]


def test_esql_ignores_case_and_keeps_events_that_lack_a_negated_field(tmp_path: Path) -> None:
    detection = "  s: {eventName: StopLogging}\n  f: {userAgent: Console}\n  condition: s and not f"
    text = compiled(rules(tmp_path, detection), "elasticsearch-esql").text
    assert 'to_lower(event.action)=="stoplogging"' in text
    assert 'not coalesce(to_lower(user_agent.original)=="console", false)' in text


def test_lucene_says_where_case_matters(tmp_path: Path) -> None:
    """AWS spells its own names in one way; what people name can be spelled in any."""
    one = compiled(
        rules(tmp_path, "  s: {eventName: StopLogging, userAgent: Console}\n  condition: s"), "elasticsearch-lucene"
    )
    assert [(d.code, d.about) for d in one.deviations] == [("value.case", "userAgent")]


def test_a_quote_in_a_pattern_over_a_list_is_the_border_of_a_value(tmp_path: Path) -> None:
    field = "requestParameters.ipPermissions.items.ipRanges.items.cidrIp"
    one = compiled(rules(tmp_path, f"  s: {{{field}|contains: '/0\"'}}\n  condition: s"), "opensearch-lucene")
    assert one.verdict == EXACT
    assert one.text.strip() == f"{field}:*\\/0"


def test_what_compares_a_whole_list_is_left_out(tmp_path: Path) -> None:
    field = "requestParameters.ipPermissions.items.fromPort"
    detection = f"  s: {{eventName: A}}\n  f: {{{field}: '[\"80\"]'}}\n  condition: s and not f"
    one = compiled(rules(tmp_path, detection), "opensearch-lucene")
    assert codes(one) == {"field.array_whole"}
    assert one.text.strip() == "eventName:A"


def test_what_a_siem_refuses_is_left_out_and_said(tmp_path: Path) -> None:
    detection = (
        "  s: {eventName: A}\n  f:\n    userAgent|re: '^Terraform'\n    awsRegion: eu-west-1\n  condition: s and not f"
    )
    one = compiled(rules(tmp_path, detection), "splunk")
    assert codes(one) == {"construct.dropped"}
    assert "Terraform" not in one.text


def test_compiling_twice_gives_the_same_queries(tmp_path: Path) -> None:
    """The Splunk package numbers fields over its whole life, also those of rules it refused."""
    ruleset = rules(tmp_path, "  s:\n    - {eventName|re: '^A'}\n    - {eventName: B}\n  condition: s")
    assert compiled(ruleset, "splunk").text == compiled(ruleset, "splunk").text


def test_the_committed_queries_and_the_table_are_current() -> None:
    """If this fails: intelsec rules compile."""
    made = compile_all(RULES, TARGETS)
    assert outputs.differences(outputs.as_files(made), outputs.COMPILED, whole=ALL) == []
    page = {coverage_table.PAGE.name: coverage_table.render(made, TARGETS)}
    assert outputs.differences(page, coverage_table.PAGE.parent) == []


def test_a_file_of_no_rule_is_found_and_removed(tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, SIMPLE), "splunk")
    files = outputs.as_files([one])
    outputs.write(files, tmp_path / "out", whole=["splunk"])
    (tmp_path / "out" / "splunk" / "gone.spl").write_text("x")
    found = outputs.differences(files, tmp_path / "out", whole=["splunk"])
    assert [(d.what, d.path.name) for d in found] == [("superfluous", "gone.spl")]
    outputs.write(files, tmp_path / "out", whole=["splunk"])
    assert outputs.differences(files, tmp_path / "out", whole=["splunk"]) == []


def test_every_code_of_the_targets_is_explained_in_words(tmp_path: Path) -> None:
    one = compiled(rules(tmp_path, CONTEXT), "loki")
    assert one.deviations[0].words(TARGETS).startswith("has no look-up for this context")


def test_an_unknown_target_is_answered_with_those_there_are() -> None:
    with pytest.raises(TargetError, match="there is no target 'qradar'; there are: splunk, "):
        TARGETS.target("qradar")


def test_a_wrong_key_of_a_target_is_told_with_its_line(tmp_path: Path) -> None:
    text = (REPOSITORY / "detections" / "pipelines" / "targets.yml").read_text()
    (tmp_path / "targets.yml").write_text(text.replace("language: SPL", "langauge: SPL"))
    with pytest.raises(
        TargetError, match=r"targets\.yml:\d+: target splunk lacks language, has the unknown key langauge"
    ):
        load_targets(tmp_path)


def test_without_the_packages_the_error_names_the_extra() -> None:
    program = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith('sigma.backends.splunk'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "from intelsec_assets.detections.sigma.siem.backends import make_backend\n"
        "from intelsec_assets.detections.sigma.siem.targets import load_targets\n"
        "make_backend(load_targets().target('splunk'), leaves_out=lambda name: False)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert "SiemExtraMissing" in ran.stderr
    assert "install the extra `siem`: .tools/uv/bin/uv sync --frozen --inexact --extra siem" in ran.stderr
