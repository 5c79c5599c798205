"""What docs/detections.md promises: commands and rules that exist, findings in recorded attacks, alerts of the sample.

Whether options and links of all documents exist is tested in test_readme.py.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import typer.main
import yaml

from intelsec_assets import engine
from intelsec_assets.cli import app
from intelsec_assets.detections.sigma.scan.files import FilesScanned, scan_files
from intelsec_assets.settings import DETECTIONS, REPOSITORY
from tests.graph.test_readme import calls, coded, table
from tests.parts import REPOSITORY as PARTS_ROOT
from tests.sigma_scans import rule, write
from tests.warehouses import published_sample

PAGE = REPOSITORY / "docs" / "detections.md"
DOCUMENTS = [PAGE, REPOSITORY / "docs" / "operations.md", REPOSITORY / "README.md"]
RULES = DETECTIONS / "sigma"
GROUPS = ("rules", "alerts", "audit")
ATTACKERS = ("bert-jan", "stratus")  # who attacks in invictus; the rest is the owner and services
INTRUDER = ("2026-03-12", "2026-03-13", "2026-03-14")


def recordings() -> dict[str, Path]:
    root = Path(os.environ.get("INTELSEC_REALDATA") or PARTS_ROOT / ".." / "shared" / "data") / "cloudtrail"
    return {
        "invictus": root / "invictus",
        "stratus": root / "stratus",
        "otrf": root / "otrf_ec2_proxy_s3_exfiltration.ndjson",
    }


def names_by_id() -> dict[str, str]:
    """Folder of each rule by the id of its last document, which is the one that fires."""
    return {
        str(list(yaml.safe_load_all(path.read_text()))[-1]["id"]): path.parent.name for path in RULES.glob("*/rule.yml")
    }


def rows(heading: str) -> list[list[str]]:
    return table(heading, PAGE)


def scanned(con: duckdb.DuckDBPyConnection, rules: Path, events: Path) -> FilesScanned:
    found = scan_files(con, [rules], [events])
    assert not found.refused
    assert not found.result.failures
    assert not found.result.held
    return found


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.session() as opened:
        yield opened


def test_the_page_names_every_command_of_its_groups_and_none_that_is_not_there() -> None:
    group: Any = typer.main.get_command(app)
    there = {(name, verb) for name in GROUPS for verb in group.commands[name].commands}
    used = {(words[0], words[1]) for _, words in calls("intelsec") if words[0] in GROUPS and len(words) > 1}

    assert used <= there | {(name, "--help") for name in GROUPS}
    assert {("alerts", "triage"), ("rules", "quality"), ("rules", "proposals"), ("rules", "backtest")} <= used


def test_every_rule_that_documents_name_exists() -> None:
    there = {path.parent.name for path in RULES.glob("*/rule.yml")}
    named = set()
    for path in DOCUMENTS:
        named |= {word for word in coded(path.read_text()) if re.fullmatch(r"[a-z]+(-[a-z]+){2,}", word)}
        named |= set(re.findall(r"detections/sigma/([a-z]+-[a-z-]+)", path.read_text()))
    in_tables = {word for heading in ("Findings:",) for row in rows(heading) for word in coded(row[0])}

    assert len(in_tables) >= 16
    assert in_tables <= there
    assert {word for word in named if word not in there} == set()


@pytest.mark.needs("realdata")
def test_what_rules_find_in_recorded_attacks_is_what_is_told(con: duckdb.DuckDBPyConnection) -> None:
    names, told = names_by_id(), {coded(row[0])[0]: row[1:] for row in rows("Findings:") if coded(row[0])}
    counts: dict[str, Mapping[str, int]] = {}
    events: dict[str, int] = {}
    for dataset, folder in recordings().items():
        found = scanned(con, RULES, folder)
        events[dataset] = found.events.events
        counts[dataset] = Counter(names[one] for one in found.result.findings.column("rule_id").to_pylist())

    assert {row[0]: int(row[2].replace(",", "")) for row in rows("## What the rules find in real attacks")} == events
    assert told == {
        name: [str(counts[dataset][name]) for dataset in events]
        for name in names.values()
        if name in told or any(counts[dataset][name] for dataset in events)
    }


@pytest.mark.needs("realdata")
def test_why_the_four_rules_fire_or_cannot_is_what_is_told(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = " ".join(PAGE.read_text().split())
    call = {"errorCode": None}
    kinds = {
        "keys": rule("keys", {"eventName": "CreateAccessKey", **call}),
        "roles": rule(
            "roles", {"eventName": "AssumeRole", **call}, "selection and not service", also=_of("AWSService")
        ),
        "of services": rule("of services", {"eventName": "AssumeRole", "userIdentity.type": "AWSService"}),
        "objects": rule("objects", {"eventName": "GetObject"}),
        "decryptions": rule("decryptions", {"eventName": "Decrypt"}),
    }
    asked = write(tmp_path, list(kinds.values()))
    matches = {
        dataset: {
            name: scanned_of.result.matches[kinds[name]["id"]]
            for scanned_of in [scanned(con, asked, folder)]
            for name in kinds
        }
        for dataset, folder in recordings().items()
    }
    assert [matches[one]["keys"] for one in matches] == [2, 2, 0]
    assert [matches[one]["roles"] for one in matches] == [10, 8, 0]
    assert [matches[one]["of services"] for one in matches] == [26, 0, 5]
    assert [matches[one]["objects"] for one in matches] == [0, 0, 2]
    assert [matches[one]["decryptions"] for one in matches] == [178, 0, 0]
    assert (
        "10 successful AssumeRole calls of identities in invictus, 8 in stratus, none in otrf (its 5 are a service's)"
        in text
    )
    assert (
        "one burst of 178 decryptions by `bert-jan` between 11:57:50 and 12:08:04, 138 in the densest ten minutes"
        in text
    )

    found = scanned(con, RULES / "kms-decrypt-spike", recordings()["invictus"]).result.findings.to_pylist()
    (burst,) = found
    assert (burst["event_count"], burst["value"], burst["entity"].rsplit("/")[-1]) == (178, 138.0, "bert-jan")
    keys = [
        one["certainty"]
        for name in ("invictus", "stratus")
        for one in scanned(con, RULES / "iam-key-without-ticket", recordings()[name]).result.findings.to_pylist()
    ]
    assert keys == ["context_unknown"] * 4


@pytest.mark.needs("realdata")
def test_the_benign_part_of_recordings_is_as_large_and_as_quiet_as_told(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    arns = [f"*{name}*" for name in ATTACKERS]
    others = rule("others", {"userIdentity.arn": arns}, "not selection")
    owner = rule("owner", {"userIdentity.arn|endswith": ":user/benjamin"})
    found = scanned(con, write(tmp_path, [others, owner]), recordings()["invictus"])
    benign = {one for row in found.result.findings.to_pylist() for one in row["event_ids"]}
    fired = scanned(con, RULES, recordings()["invictus"]).result.findings.to_pylist()
    size, of_owner = found.result.matches[others["id"]], found.result.matches[owner["id"]]

    assert (
        f"{size} are neither `bert-jan`'s nor a Stratus role's: {of_owner} of the owner, {size - of_owner} of services"
        in (PAGE.read_text())
    )
    assert [row["rule_title"] for row in fired if benign & set(row["event_ids"])] == []


def test_the_alerts_of_the_sample_are_those_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace = published_sample(tmp_path_factory)
    names = names_by_id()
    with duckdb.connect() as con:
        raised = con.read_parquet(str(workspace.home / "lake" / "alerts" / "*.parquet")).project(
            "day::varchar as day, rule_id, certainty"
        )
        found = Counter((day, names[rule_id]) for day, rule_id, _ in raised.fetchall())
        quiet = raised.filter(f"day not in {INTRUDER}").aggregate("count(*)").fetchall()[0][0]
    told: Counter[tuple[str, str]] = Counter()
    for day, number, name, *_ in rows("## The sample's story and its alerts"):
        told[day, coded(name)[0]] += int(number)

    text = PAGE.read_text()
    assert told == found
    assert (
        f"raises {sum(found.values())} alerts in 14 days, {sum(found.values()) - quiet} of them about the intruder"
        in text
    )
    assert f"{quiet} alerts, {quiet / 11:.2f} a day" in text


def _of(kind: str) -> Mapping[str, Any]:
    return {"service": {"userIdentity.type": kind}}
