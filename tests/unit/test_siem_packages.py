"""Deploy packages: complete, the same bytes each time, safe to open, and frank about what is nearest."""

from __future__ import annotations

import configparser
import csv
import hashlib
import io
import json
import tarfile
import zipfile
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from intelsec_assets.detections.audit.telemetry import Telemetry
from intelsec_assets.detections.sigma.siem.compiling import NONE, Compiled, compile_all
from intelsec_assets.detections.sigma.siem.packages import making
from intelsec_assets.detections.sigma.siem.packages.lookups import COLUMNS, INDICATORS, TICKETS, Lookups, ticket_rows
from intelsec_assets.detections.sigma.siem.targets import TargetError, load_targets
from tests.repository_rules import RULES

TARGETS = load_targets()
LOOKUPS = Lookups(
    {
        INDICATORS: [
            (
                "192.0.2.1",
                "ipv4",
                "a62c6b7c-d1c7-5cae-b8e4-dcd30ebfbd5f",
                "0.9",
                "export",
                "=cmd|' /C calc'!A0",
                "clear",
                "",
            ),
        ]
    },
    ("no register of tickets is configured",),
)


@cache
def compiled(siem: str) -> tuple[Compiled, ...]:
    rules = RULES
    return tuple(compile_all(rules, TARGETS, [making.form(siem).target]))


@cache
def files(siem: str) -> dict[str, str]:
    return making.form(siem).files(compiled(siem), LOOKUPS, TARGETS)


@pytest.mark.parametrize("siem", making.FORMS)
def test_a_package_is_the_same_bytes_each_time(siem: str, tmp_path: Path) -> None:
    first, second = (
        making.write_package(siem, dict(order), tmp_path / name)
        for name, order in (("a", files(siem).items()), ("b", reversed(files(siem).items())))
    )
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


@pytest.mark.parametrize("siem", making.FORMS)
def test_the_archive_holds_what_the_folder_holds(siem: str, tmp_path: Path) -> None:
    archive = making.write_package(siem, files(siem), tmp_path)
    if archive.suffix == ".gz":
        with tarfile.open(archive) as packed:
            names = set(packed.getnames())
    else:
        with zipfile.ZipFile(archive) as packed_zip:
            names = set(packed_zip.namelist())
    folder = tmp_path / f"intelsec-{siem}"
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("siem", making.FORMS)
def test_every_rule_with_a_query_is_in_the_package(siem: str) -> None:
    text = "\n".join(files(siem).values())
    for one in compiled(siem):
        assert (one.rule.title in text) or one.verdict == NONE


@pytest.mark.parametrize("siem", making.FORMS)
def test_the_readme_says_what_is_nearest_and_what_the_lookups_lack(siem: str) -> None:
    readme = next(text for name, text in files(siem).items() if name.endswith("README.md"))
    nearest = [one for one in compiled(siem) if one.deviations]
    assert nearest
    for one in nearest:
        assert f"- **{one.rule.title}** ({one.verdict}):" in readme
        assert one.deviations[0].words(TARGETS) in readme
    assert "no register of tickets is configured" in readme


def test_a_ticket_of_an_account_is_looked_up_with_the_account_that_was_called(tmp_path: Path) -> None:
    row = "CHG-1,aws,ana,batch,CreateAccessKey,2026-03-13T11:00:00Z,2026-03-13T13:00:00Z,approved"
    header = "ticket_id,system,requester,target,action,valid_from,valid_to,status,account"
    (tmp_path / "tickets.csv").write_text(
        f"# as_of: 2026-03-13T12:00:00Z\n{header}\n{row},111122223333\n{row.replace('CHG-1', 'CHG-2')},\n"
    )
    rows, _ = ticket_rows(Telemetry(tickets_csv="tickets.csv"), tmp_path, date(2026, 3, 13), datetime.now(UTC))
    account = COLUMNS[TICKETS].index("account")
    assert [cells[account] for cells in rows] == ["*", "111122223333"]

    (query,) = (one.queries[0].text for one in compiled("splunk") if one.rule.name == "iam-key-without-ticket")
    assert "account AS intelsec_account OUTPUT" in query
    assert "WILDCARD(account)" in files("splunk")["intelsec_detections/default/transforms.conf"]


@pytest.mark.parametrize("siem", ["splunk", "sentinel", "loki"])
def test_no_cell_of_a_lookup_is_a_formula(siem: str) -> None:
    tables = {name: text for name, text in files(siem).items() if name.endswith(".csv")}
    assert any(INDICATORS in name for name in tables)
    for text in tables.values():
        for row in csv.reader(io.StringIO(text)):
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def searches_of_splunk() -> configparser.RawConfigParser:
    searches = configparser.RawConfigParser(delimiters=("=",), strict=True)
    searches.read_string(files("splunk")["intelsec_detections/default/savedsearches.conf"].replace(" \\\n", "\n  "))
    return searches


def test_a_search_of_splunk_silences_only_those_it_has_told_of() -> None:
    """Fields of suppression belong to alerts a result; one alert for all results silences the whole search."""
    searches = searches_of_splunk()
    silencing = [name for name in searches.sections() if "alert.suppress.fields" in searches[name]]
    assert silencing
    assert all(searches[name]["alert.digest_mode"] == "0" for name in silencing)


def test_a_search_of_splunk_finds_what_is_indexed_late() -> None:
    searches = searches_of_splunk()
    rules = {f"intelsec - {one.rule.title}": one.rule for one in compiled("splunk")}
    for name in searches.sections():
        rule, search = rules[name], searches[name]
        window = int(rule.window.total_seconds()) if rule.window else 0
        assert search["dispatch.index_earliest"] == f"-{window + 900}s", name
        assert search["dispatch.index_latest"] == "now"
        assert search["dispatch.earliest_time"] == f"-{window + 86_400}s", name
        branches = search["search"].count("[ search ")
        assert search["search"].count(f" | where _indextime>=now()-{window + 900} | eval ") == branches, name


def test_the_app_of_splunk_has_searches_and_the_tables_they_look_up() -> None:
    app = files("splunk")
    searches = searches_of_splunk()
    transforms = configparser.RawConfigParser()
    transforms.read_string(app["intelsec_detections/default/transforms.conf"])
    assert set(transforms.sections()) == set(COLUMNS)
    for name in COLUMNS:
        header = app[f"intelsec_detections/lookups/{transforms[name]['filename']}"].splitlines()[0]
        assert header == ",".join(COLUMNS[name])
    assert len(searches.sections()) == sum(len(one.queries) for one in compiled("splunk"))
    used = {w.split()[0] for s in searches.sections() for w in searches[s]["search"].split("| lookup ")[1:]}
    assert used <= set(COLUMNS)
    assert all(searches[section]["disabled"] == "1" for section in searches.sections())


def test_the_columns_a_search_looks_up_are_in_the_table() -> None:
    for prefix, text in TARGETS.target("splunk").lookups.items():
        for line in (line for line in text.splitlines() if line.startswith("| lookup ")):
            table, _, rest = line.removeprefix("| lookup ").partition(" ")
            named = {
                word.split(" AS ")[0].split()[-1]
                for word in rest.replace(" OUTPUT", "").split('"')[0].split(" AS ")[:-1]
            }
            assert named <= set(COLUMNS[table]), prefix


def test_rules_of_elastic_are_one_json_a_line_with_ids_of_their_own() -> None:
    rules = [json.loads(line) for line in files("elastic")["rules.ndjson"].splitlines()]
    assert len({rule["rule_id"] for rule in rules}) == len(rules)
    assert {rule["type"] for rule in rules} == {"esql"}
    assert all(rule["query"].startswith("from logs-aws.cloudtrail-*") for rule in rules)
    index = json.loads(files("elastic")["lookups/intelsec_indicators.index.json"])
    assert index["settings"]["index.mode"] == "lookup"


def test_the_monitors_of_opensearch_look_back_over_the_window_of_their_rule() -> None:
    monitor = json.loads(files("opensearch")["monitors/mass-object-read.json"])
    query = monitor["inputs"][0]["search"]["query"]
    assert query["query"]["bool"]["filter"][0]["range"]["@timestamp"]["gte"] == "now-600s"
    assert monitor["enabled"] is False


def test_analytics_rules_of_sentinel_look_back_over_the_window_and_what_arrives_late() -> None:
    template = json.loads(files("sentinel")["analytics-rules.json"])
    found = {rule["properties"]["displayName"]: rule["properties"] for rule in template["resources"]}
    title = next(one.rule.title for one in compiled("sentinel") if one.rule.name == "mass-object-read")
    assert found[f"intelsec - {title}"]["queryPeriod"] == "PT25M"
    names = [rule["name"] for rule in template["resources"]]
    assert len(set(names)) == len(names)


def test_rules_of_loki_are_yaml_of_its_ruler() -> None:
    (group,) = yaml.safe_load(files("loki")["rules.yaml"])["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    assert all(rule["expr"].startswith(("sum", "count")) for rule in group["rules"])


def test_an_unknown_package_is_answered_with_those_there_are() -> None:
    with pytest.raises(TargetError, match="there is no package for 'athena'; there are: splunk, elastic"):
        making.form("athena")
