"""`intelsec rules run`: any rules over any files; what cannot be used is named and the rest runs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from intelsec_assets import engine
from intelsec_assets.cli import app
from intelsec_assets.commands.faces import DONE, FOUND_SOMETHING, WRONG_USE
from intelsec_assets.detections.audit import framing
from intelsec_assets.detections.audit.parts import with_parts
from intelsec_assets.detections.audit.typed import Delivery, typed
from intelsec_assets.detections.sigma.rules import load_any
from intelsec_assets.detections.sigma.scan.files import scan_files
from intelsec_assets.detections.sigma.scan.scanning import scan
from tests import parts
from tests.sigma_scans import correlation, event, id_of, landed, rule, write

RULES = (
    rule("key made", {"eventName": "CreateAccessKey", "requestParameters.userName|contains": "adm"}, level="high"),
    rule("root", {"userIdentity.type": "Root"}),
    rule("word", ["needle"]),
)
EVENTS = [
    event(1, "CreateAccessKey", requestParameters__userName="admin"),
    event(2, "GetObject", source="s3", requestParameters__key="a needle in hay"),
    event(3, "ConsoleLogin", source="signin", userIdentity__type="Root"),
]


def run(*arguments: str, given: bytes | None = None) -> Any:
    return CliRunner().invoke(app, ["rules", "run", *arguments], input=given)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write(tmp_path / "rules", RULES)


def envelopes(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    lines = "".join(json.dumps(one) + "\n" for one in EVENTS)
    made = {
        "lines.ndjson": lines.encode(),
        "records.json": json.dumps({"Records": EVENTS}).encode(),
        "array.json": json.dumps(EVENTS, indent=1).encode(),
        "lines.json.gz": gzip.compress(lines.encode()),
    }
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in made}


@pytest.mark.parametrize("name", ["lines.ndjson", "records.json", "array.json", "lines.json.gz"])
def test_whatever_the_envelope_the_findings_are_the_same(rules: Path, tmp_path: Path, name: str) -> None:
    path = envelopes(tmp_path / "events")[name]
    done = run("--rules", str(rules), "--events", str(path), "--json")
    assert done.exit_code == DONE, done.output
    told = json.loads(done.stdout)
    assert told["events"] == 3
    assert {row["title"]: row["matches"] for row in told["rules"]} == {"key made": 1, "root": 1, "word": 1}
    assert {found["rule_title"]: found["event_ids"] for found in told["findings"]} == {
        "key made": [EVENTS[0]["eventID"]],
        "word": [EVENTS[1]["eventID"]],
        "root": [EVENTS[2]["eventID"]],
    }


def test_files_and_the_lake_give_the_same_findings(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text("".join(json.dumps(one) + "\n" for one in EVENTS), encoding="utf-8")
    with engine.session() as con:
        of_files = scan_files(con, [rules], [tmp_path / "events.json"]).result.findings
        of_lake = scan(con, load_any([rules]), con.from_arrow(landed(con, EVENTS))).findings
    kept = [name for name in of_files.column_names if name != "resource"]  # files are not asked for it
    assert of_files.select(kept).equals(of_lake.select(kept))


def google(number: int, **payload: Any) -> dict[str, Any]:
    return {
        "insertId": f"g{number}",
        "timestamp": f"2026-03-15T10:{number:02}:00Z",
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "resource": {"type": "service_account", "labels": {"project_id": "p", "email_id": "robot"}},
        "protoPayload": {
            "serviceName": "iam.googleapis.com",
            "methodName": "google.iam.admin.v1.CreateServiceAccountKey",
            "authenticationInfo": {"principalEmail": "ada@example.org"},
            "requestMetadata": {"callerIp": "198.51.100.7"},
            "authorizationInfo": [{"permission": "iam.serviceAccountKeys.create", "granted": True}],
            "request": {"name": "asked", "both": "1"},
            "response": {"name": "answered", "both": "1"},
            "metadata": {"name": "told"},
            **payload,
        },
    }


def azure(number: int, **more: Any) -> dict[str, Any]:
    return {
        "time": f"2026-03-15T10:{number:02}:00Z",
        "resourceId": "/SUBSCRIPTIONS/0A/X",
        "operationName": "MICROSOFT.X/Y/WRITE",
        "category": "Administrative",
        "eventDataId": f"z{number}",
        "resultType": "Success",
        "callerIpAddress": "198.51.100.7",
        "properties": {"asked": "it"},
        **more,
    }


def a_rule_each(names: Mapping[str, Any], *, product: str) -> list[dict[str, Any]]:
    """A rule a field, called as that is."""
    return [rule(name, {name: value}, logsource={"product": product}) for name, value in names.items()]


Matched = dict[str, set[str]]


def matched_everywhere(
    folder: Path, rules: Sequence[Mapping[str, Any]], events: Sequence[Mapping[str, Any]], provider: str
) -> Matched:
    """Ids of the events by title of the rule that matched them, the same in the lake, without its parts, in files."""
    written = write(folder / "rules", rules)
    lines = "".join(json.dumps(one) + "\n" for one in events).encode()
    (folder / "lines").mkdir()
    (folder / "lines" / "events.ndjson").write_bytes(lines)
    (folder / "list").mkdir()
    (folder / "list" / "events.json").write_text(json.dumps(list(events)), encoding="utf-8")
    delivery = Delivery("trail", provider, "events.json", datetime(2100, 1, 1, tzinfo=UTC))
    with engine.session() as con:
        rows = typed(con, [(frame, delivery) for frame in framing.frames([lines])]).table
        con.register("landed", rows)
        lake = con.table("landed")
        found = [
            scan(con, load_any([written]), with_parts(lake)),
            scan(con, load_any([written]), lake),
            *(scan_files(con, [written], [folder / name]).result for name in ("lines", "list")),
        ]
    matches = [by_title(one.findings.to_pylist()) for one in found]
    assert matches[1:] == matches[:1] * 3
    return matches[0]


def by_title(findings: list[dict[str, Any]]) -> Matched:
    ids: Matched = {}
    for finding in findings:
        ids.setdefault(finding["rule_title"], set()).update(finding["event_ids"])
    return ids


GOOGLE: dict[str, Any] = {
    "protoPayload.methodName": "google.iam.admin.v1.CreateServiceAccountKey",
    "data.protoPayload.methodName": "google.iam.admin.v1.CreateServiceAccountKey",
    "gcp.audit.service_name": "iam.googleapis.com",
    "protoPayload.request.name": "asked",
    "data.protoPayload.request.name": "asked",
    "protoPayload.response.name": "answered",
    "protoPayload.metadata.name": "told",
    "protoPayload.authorizationInfo.permission|contains": "serviceAccountKeys",
    "protoPayload.status.code|exists": False,
    "resource.labels.email_id": "robot",
    "data.resource.labels.email_id": "robot",
    "data.insertId|startswith": "g",
    "protoPayload.request.both|fieldref": "protoPayload.response.both",
}


def test_google_entries_match_alike_bare_and_as_pubsub_wraps_them(tmp_path: Path) -> None:
    events = [google(1), {"data": google(2)}]

    found = matched_everywhere(tmp_path, a_rule_each(GOOGLE, product="gcp"), events, "gcp")

    assert {name: len(ids) for name, ids in found.items()} == dict.fromkeys(GOOGLE, 2)


OF_AWS: dict[str, Any] = {
    "eventName": "CreateUser",
    "eventSource": "iam.amazonaws.com",
    "sourceIPAddress": "198.51.100.7",
    "userIdentity.arn|endswith": "ada",
    "readOnly": True,
}
OF_AZURE: dict[str, Any] = {
    "operationName": "MICROSOFT.X/Y/WRITE",
    "category": "Administrative",
    "callerIpAddress": "198.51.100.7",
    "resourceId|startswith": "/SUBSCRIPTIONS",
    "properties.asked": "it",
}
ABSENT = {
    "protoPayload.methodName|exists": True,
    "operationName|exists": True,
    "category|exists": True,
    "callerIpAddress|exists": True,
    "resourceId|exists": True,
    "eventName|exists": True,
    "sourceIPAddress|exists": True,
    "requestParameters.userName|exists": True,
}


def test_names_mean_what_they_do_for_the_provider_of_the_rule_in_lake_and_files(tmp_path: Path) -> None:
    rest = azure(2, operationName={"value": "MICROSOFT.X/Y/WRITE", "localizedValue": "Write"})
    rest |= {"category": {"value": "Administrative"}, "httpRequest": {"clientIpAddress": "198.51.100.7"}}
    del rest["callerIpAddress"]
    of_aws = [event(1, "CreateUser", readOnly=True), event(2, "CreateUser", readOnly="maybe")]
    logs: dict[str, tuple[dict[str, Any], list[dict[str, Any]], Matched]] = {
        "aws": (OF_AWS, of_aws, {"readOnly": {of_aws[0]["eventID"]}}),
        "gcp": (GOOGLE, [google(1)], {}),
        "azure": (OF_AZURE, [azure(1), rest], {}),
    }
    for provider, (own, events, fewer) in logs.items():
        (tmp_path / provider).mkdir()
        published = {name.partition("|")[0] for name in own}
        unknown = {name: value for name, value in ABSENT.items() if name.partition("|")[0] not in published}
        own_names = a_rule_each({**own, "readOnly|exists": True} if provider == "aws" else own, product=provider)

        found = matched_everywhere(
            tmp_path / provider, own_names + a_rule_each(unknown, product=provider), events, provider
        )

        assert {name: len(found.get(name, ())) for name in own} == {
            name: len(fewer.get(name, events)) for name in own
        }, provider
        assert found.keys() & unknown.keys() == set(), provider


def test_a_refused_creation_makes_no_finding_however_it_is_wrapped(tmp_path: Path) -> None:
    refused = {"status": {"code": 7, "message": "PERMISSION_DENIED"}}
    events = [google(1, **refused), {"data": google(2, **refused)}, {"data": google(3, status={})}]
    (tmp_path / "events.json").write_text(json.dumps(events), encoding="utf-8")
    with engine.session() as con:
        own = Path("detections/sigma/gcp-service-account-key-without-ticket/rule.yml")
        found = scan_files(con, [own], [tmp_path / "events.json"]).result.findings

    assert found.column("event_ids").to_pylist() == [["g3@2026-03-15T10:03:00Z"]]


def test_rules_whose_fields_differ_in_case_alone_are_told_apart(tmp_path: Path) -> None:
    names = ("requestParameters.userName", "requestParameters.username", "eventname", "eventName", "record")
    written = write(tmp_path / "rules", [rule(name, {name: name}) for name in names])
    events = [event(number, "X") for number in range(len(names))]
    for one, name in zip(events, names, strict=True):
        *parents, last = name.split(".")
        holder = one.setdefault(parents[0], {}) if parents else one
        holder[last] = name
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(one) + "\n" for one in events), encoding="utf-8")

    done = run("--rules", str(written), "--events", str(path), "--json")

    assert done.exit_code == DONE, done.output
    assert by_title(json.loads(done.stdout)["findings"]) == {
        name: {event(number, "X")["eventID"]} for number, name in enumerate(names)
    }


def test_events_come_from_standard_input(rules: Path) -> None:
    given = "".join(json.dumps(one) + "\n" for one in EVENTS).encode()
    done = run("--rules", str(rules), "--events", "-", given=given)
    assert done.exit_code == DONE
    assert "3 events of 1 file; 3 of 3 rules matched" in done.stdout
    assert not any(line.endswith(" ") for line in done.stdout.splitlines())  # a pipe is no screen to be filled


def test_people_see_rule_level_matches_times_and_who(rules: Path, tmp_path: Path) -> None:
    done = run("--rules", str(rules), "--events", str(envelopes(tmp_path / "events")["records.json"]))
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("key made")]
    assert line.split()[2:] == ["high", "1", *["2026-03-15", "10:01"] * 2, "arn:aws:iam::111122223333:user/ada"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
)


def test_rules_that_cannot_be_used_are_named_and_the_rest_run(rules: Path, tmp_path: Path) -> None:
    bad = {
        "lookaround": rule("lookaround", {"eventName|re": "(?<!x)Get"}),
        "twin one": rule("twin", {"eventName": "X"}),
        "twin two": rule("twin", {"eventName": "Y"}),
        "orphan": correlation("orphan", ["nobody"], "event_count", condition={"gte": 2}),
        "windows": rule("windows", {"EventID": 1}) | {"logsource": {"product": "windows"}},
    }
    for name, one in bad.items():
        write(rules / name, [one])
    (rules / "bomb.yml").write_text(BOMB, encoding="utf-8")
    done = run("--rules", str(rules), "--events", str(envelopes(tmp_path / "events")["lines.ndjson"]), "--json")
    assert done.exit_code == FOUND_SOMETHING
    told = json.loads(done.stdout)
    assert len(told["findings"]) == 3
    named = " ".join(f"{one['rule']} {one.get('file', '')} {one['reason']}" for one in told["failures"])
    for name in (*bad, "bomb.yml", "nobody", id_of("twin")):
        assert name in named, name
    assert all(one["reason"] for one in told["failures"])


def test_a_rule_that_matches_everything_floods_nobody(tmp_path: Path) -> None:
    rules = write(tmp_path / "rules", [rule("all", {"eventName|contains": ""}), RULES[1]])
    path = tmp_path / "events.json"
    path.write_text("".join(json.dumps(event(n, "X")) + "\n" for n in range(30)), encoding="utf-8")
    done = run("--rules", str(rules), "--events", str(path), "--limit", "20", "--json")
    assert [(found["kind"], found["event_count"]) for found in json.loads(done.stdout)["findings"]] == [("flood", 30)]
    assert "all matched 30 times on 2026-03-15" in done.stderr


def test_a_damaged_file_is_named_and_the_others_are_read(rules: Path, tmp_path: Path) -> None:
    files = envelopes(tmp_path / "events")
    whole = files["lines.json.gz"].read_bytes()
    files["lines.json.gz"].write_bytes(whole[: len(whole) // 2])
    done = run("--rules", str(rules), "--events", str(tmp_path / "events"), "--json")
    assert done.exit_code == FOUND_SOMETHING
    told = json.loads(done.stdout)
    assert told["events"] >= 9
    assert any("lines.json.gz" in one["file"] for one in told["rejected"])


@pytest.mark.parametrize("missing", ["rules", "events"])
def test_a_path_that_is_not_there_is_wrong_use(rules: Path, tmp_path: Path, missing: str) -> None:
    paths = {"rules": rules, "events": envelopes(tmp_path / "events")["array.json"], missing: tmp_path / "nowhere"}
    done = run("--rules", str(paths["rules"]), "--events", str(paths["events"]))
    assert done.exit_code == WRONG_USE
    assert "nowhere" in done.stderr


@pytest.mark.needs("realdata")
def test_real_attacks_are_found_by_count(tmp_path: Path) -> None:
    rules = write(
        tmp_path / "rules",
        [
            rule("key made", {"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey"}),
            rule("delivered", {"eventName": "PutObject", "userIdentity.invokedBy|endswith": ".amazonaws.com"}),
            rule("read", {"eventName": "GetSecretValue"}),
            correlation(
                "many read",
                ["read"],
                "event_count",
                **{"group-by": ["userIdentity.arn"], "timespan": "10m", "condition": {"gte": 10}},
            ),
        ],
    )
    folder = parts.find("realdata")
    assert folder is not None
    logs = [folder / "cloudtrail" / name for name in ("invictus", "stratus")]
    texts = [json.loads(path.read_text(encoding="utf-8")) for log in logs for path in sorted(log.rglob("*.json"))]
    events = [one for text in texts for one in (text["Records"] if isinstance(text, dict) else text)]
    with engine.session() as con:
        found = scan_files(con, [rules], logs).result
    assert found.matches[id_of("key made")] == count(events, lambda one: one["eventName"] == "CreateAccessKey") > 0
    assert found.matches[id_of("delivered")] == count(
        events,
        lambda one: (
            one["eventName"] == "PutObject"
            and str((one.get("userIdentity") or {}).get("invokedBy", "")).endswith(".amazonaws.com")
        ),
    )
    bursts = [one for one in found.findings.to_pylist() if one["kind"] == "correlation"]
    assert bursts
    assert all(one["event_count"] >= 10 for one in bursts)


def count(events: list[dict[str, Any]], holds: Any) -> int:
    return len({one["eventID"] for one in events if holds(one)})


def test_a_session_of_its_own_reaches_no_file_once_rules_are_asked(rules: Path, tmp_path: Path) -> None:
    path = envelopes(tmp_path / "events")["records.json"]
    with engine.session() as con:
        found = scan_files(con, [rules], [path], is_own_session=True)
        assert found.result.findings.num_rows == 3
        with pytest.raises(duckdb.PermissionException):
            con.execute("select * from read_text($path)", {"path": str(path)})
