"""Many rules, one scan: the same findings as each rule alone, in any order of events, however events are routed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import sigma_events, sigma_rules
from intelsec_assets import engine
from intelsec_assets.detections.audit.fields import PART_COLUMNS
from intelsec_assets.detections.findings import finding_id
from intelsec_assets.detections.sigma.rules import RuleMeta, RuleSet, load_any
from intelsec_assets.detections.sigma.scan import matching, routing
from intelsec_assets.detections.sigma.scan.firing import EventRule, Prepared, prepare
from intelsec_assets.detections.sigma.scan.layouts import CONTEXT_FIELDS
from intelsec_assets.detections.sigma.scan.scanning import ScanResult, scan
from intelsec_assets.detections.tables import SIGMA_FINDINGS
from tests.searching import examples
from tests.sigma_scans import START, correlation, event, id_of, landed, rule, rule_set

DAY = date(2026, 3, 15)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.session() as session:
        yield session


def run(
    con: duckdb.DuckDBPyConnection, rules: RuleSet | Prepared, events: list[dict[str, Any]], **options: Any
) -> ScanResult:
    return scan(con, rules, con.from_arrow(landed(con, events)), **options)


def rows(result: ScanResult) -> list[dict[str, Any]]:
    return result.findings.to_pylist()


# what a finding is


def test_a_match_is_a_finding_with_its_evidence(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(
        tmp_path,
        rule("key made", {"eventName": "CreateAccessKey", "requestParameters.userName|contains": "adm"}, level="high"),
    )
    (found,) = rows(
        run(
            con,
            rules,
            [
                event(1, "CreateAccessKey", requestParameters__userName="Admin-2"),
                event(2, "CreateAccessKey", requestParameters__userName="eve"),
            ],
        )
    )
    assert found["event_ids"] == ["00000001-0000-4000-8000-000000000000"]
    assert dict(found["evidence"]) == {"eventName": "CreateAccessKey", "requestParameters.userName": "Admin-2"}
    assert (found["level"], found["kind"], found["certainty"], found["mode"]) == ("high", "event", "certain", "live")
    assert (found["account"], found["region"], found["source_address"]) == (
        "111122223333",
        "eu-central-1",
        "198.51.100.7",
    )
    assert found["day"] == DAY
    assert found["first_event_time"] == found["last_event_time"] == START + timedelta(minutes=1)
    assert found["finding_id"] == finding_id(id_of("key made"), "", f"{found['event_ids'][0]} {found['day']}")


def test_an_event_that_is_there_twice_matches_once(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    once = landed(con, [event(1, "X")])
    twice = con.from_arrow(pa.concat_tables([once, once]))
    (found,) = rows(scan(con, rule_set(tmp_path, rule("x", {"eventName": "X"})), twice))
    assert found["event_count"] == 1


def test_findings_have_the_columns_of_their_table(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    found = run(con, rule_set(tmp_path, rule("any", {"eventName": "X"})), [event(1, "X")]).findings
    assert found.column_names == SIGMA_FINDINGS.column_names
    nullable = {column.name for column in SIGMA_FINDINGS.columns if column.nullable}
    assert all(found.column(name).null_count == 0 for name in found.column_names if name not in nullable)


def test_a_rule_that_says_nothing_of_itself_is_about_the_caller_for_an_hour(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = rule_set(tmp_path, rule("any", {"eventName": "X"}))
    nobody = event(2, "X")
    nobody["userIdentity"] = {"type": "AWSService"}
    ada, service = rows(run(con, rules, [event(1, "X"), nobody]))
    assert ada["entity"] == "arn:aws:iam::111122223333:user/ada"
    assert ada["dedup_key"] == f"{id_of('any')}|arn:aws:iam::111122223333:user/ada"
    assert service["entity"] == "111122223333"
    assert ada["suppression_seconds"] == 3600


def test_what_a_rule_says_of_itself_is_in_its_findings(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("any", {"eventName": "X"}))
    meta = RuleMeta(
        entity="requestParameters.userName",
        dedup=("awsRegion", "requestParameters.userName"),
        suppression=timedelta(hours=4),
        noise_budget=20.0,
        mode="test",
        runbook="runbooks/x.md",
        evidence=("userAgent",),
    )
    rules = replace(rules, rules=tuple(replace(one, meta=meta, attack=("T1098",)) for one in rules.rules))
    (found,) = rows(run(con, rules, [event(1, "X", requestParameters__userName="bob")]))
    assert found["entity"] == "bob"
    assert found["dedup_key"] == f"{id_of('any')}|eu-central-1|bob"
    assert (found["mode"], found["suppression_seconds"], found["noise_budget"]) == ("test", 14_400, 20.0)
    assert (found["runbook"], found["attack"]) == ("runbooks/x.md", ["T1098"])
    assert dict(found["evidence"]) == {"eventName": "X", "userAgent": "aws-cli/2.15"}


# context


def with_context(
    con: duckdb.DuckDBPyConnection, events: list[dict[str, Any]], **context: str
) -> duckdb.DuckDBPyRelation:
    told = dict.fromkeys(CONTEXT_FIELDS, "null") | {f"context.{k}": f"'{v}'" for k, v in context.items()}
    columns = ", ".join(f'{value} as "{name}"' for name, value in told.items())
    con.register("rows_with_context", landed(con, events))
    return con.sql(f"select *, {columns} from rows_with_context")


TICKET = {"eventName": "CreateAccessKey", "context.ticket.state": ["absent", "unknown"]}


@pytest.mark.parametrize(
    ("state", "certainty"), [("absent", ["certain"]), ("unknown", ["context_unknown"]), ("present", [])]
)
def test_a_rule_says_whether_its_context_was_known(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, state: str, certainty: list[str]
) -> None:
    rules = rule_set(tmp_path, rule("no ticket", TICKET))
    events = with_context(con, [event(1, "CreateAccessKey")], **{"ticket.state": state})
    assert [found["certainty"] for found in rows(scan(con, rules, events))] == certainty


def test_context_in_a_relation_of_its_own_says_the_same(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("no ticket", TICKET), rule("any", {"eventName": "CreateAccessKey"}))
    events = [event(1, "CreateAccessKey"), event(2, "CreateAccessKey")]
    together = with_context(con, events, **{"ticket.state": "absent", "indicator.id": "i-1", "indicator.score": "0.75"})
    names = ", ".join(f'"{name}"' for name in CONTEXT_FIELDS)
    apart = con.sql(f"select event_id, {names} from together")
    found = scan(con, rules, con.from_arrow(landed(con, events)), context=apart)
    assert rows(found) == rows(scan(con, rules, together))
    assert {(tuple(one["indicator_ids"]), one["indicator_score"]) for one in rows(found)} == {(("i-1",), 0.75)}


def test_context_of_another_providers_event_with_the_same_id_is_not_this_ones(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = rule_set(tmp_path, rule("no ticket", TICKET))
    made = event(1, "CreateAccessKey")
    states = {"aws": "absent", "azure": "present"}
    names = ", ".join(f'null as "{name}"' for name in CONTEXT_FIELDS if name != "context.ticket.state")
    told = " union all ".join(
        f"select '{provider}' as provider, '{made['eventID']}' as event_id, {names}, "
        f"'{state}' as \"context.ticket.state\""
        for provider, state in states.items()
    )
    (found,) = rows(scan(con, rules, con.from_arrow(landed(con, [made])), context=con.sql(told)))
    assert (found["certainty"], dict(found["evidence"])["context.ticket.state"]) == ("certain", "absent")
    azure = con.sql(told).filter("provider = 'azure'")
    (found,) = rows(scan(con, rules, con.from_arrow(landed(con, [made])), context=azure))
    assert found["certainty"] == "context_unknown"


def test_without_any_context_it_is_unknown(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (found,) = rows(run(con, rule_set(tmp_path, rule("no ticket", TICKET)), [event(1, "CreateAccessKey")]))
    assert found["certainty"] == "context_unknown"
    assert dict(found["evidence"])["context.ticket.state"] == "unknown"


# one scan is each rule alone

SELECTIONS: list[tuple[Any, str, dict[str, Any]]] = [
    ({"eventSource": "iam.amazonaws.com", "eventName": ["CreateUser", "DELETEUSER"]}, "selection", {}),
    ({"eventName|cased": "CreateUser"}, "selection", {}),
    ({"eventName|startswith": "create"}, "selection", {}),
    ({"eventSource": "s3.amazonaws.com"}, "not selection", {}),
    ({"eventName": "GetObject"}, "selection and not filter", {"filter": {"errorCode|exists": True}}),
    ({"eventName": None}, "selection", {}),
    ({"requestParameters.userName|endswith": "MIN"}, "selection", {}),
    ({"eventName": "GetObject", "requestParameters.bucketName": ["a", "b"]}, "selection", {}),
    ({"sourceIPAddress|cidr": "10.0.0.0/8"}, "selection", {}),
    ({"userIdentity.userName|fieldref": "requestParameters.userName"}, "selection", {}),
    ({"eventName|fieldref": "requestParameters.userName"}, "selection", {}),
    ({"eventName|re": "^(Get|Put)Obj"}, "selection", {}),
    (["admin", "10.1.2.3"], "selection", {}),
    ({"eventName": "PutObject"}, "1 of *", {"other": {"eventSource": "kms.amazonaws.com", "readOnly": True}}),
    ({"requestParameters.maxResults|gte": 100}, "selection", {}),
    ({"UserAgent": "x"}, "not selection", {}),
]
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["CreateUser", "createuser", "DeleteUser", "GetObject", "PutObject", "Decrypt"]),
            "source": st.sampled_from(["iam", "s3", "kms", "S3"]),
            "sourceIPAddress": st.sampled_from(["10.1.2.3", "198.51.100.7", "AWS Internal", "999.1.1.1"]),
            "errorCode": st.sampled_from([None, "AccessDenied"]),
            "readOnly": st.sampled_from([True, False, None]),
            "requestParameters": st.sampled_from(
                [
                    None,
                    {"userName": "admin"},
                    {"userName": "ada", "maxResults": 500},
                    {"bucketName": "B"},
                    {"bucketName": ["a"]},
                    {"userName": "getobject"},
                    {"maxResults": "many"},
                ]
            ),
        }
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    made = [rule(f"rule {n}", said, condition, also=also) for n, (said, condition, also) in enumerate(SELECTIONS)]
    return rule_set(tmp_path_factory.mktemp("rules"), *made)


def made_events(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event(number, **one) for number, one in enumerate(drawn)]


@given(EVENTS)
@settings(examples(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_one_scan_of_all_rules_finds_what_each_rule_finds_alone(
    con: duckdb.DuckDBPyConnection, many: RuleSet, drawn: list[dict[str, Any]]
) -> None:
    events = con.from_arrow(landed(con, made_events(drawn)))
    alone = [row for one in many.rules for row in rows(scan(con, many.only([one.rule_id]), events))]
    together = scan(con, many, events)
    assert not together.failures
    key = lambda row: (row["first_event_time"], row["rule_id"], row["finding_id"])  # noqa: E731
    assert rows(together) == sorted(alone, key=key)


@given(EVENTS)
@settings(examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_routing_changes_nothing(con: duckdb.DuckDBPyConnection, many: RuleSet, drawn: list[dict[str, Any]]) -> None:
    events = con.from_arrow(landed(con, made_events(drawn)))
    prepared = prepare(many)
    unrouted = replace(prepared, events=tuple(without_necessary(one) for one in prepared.events))
    assert any(one.compiled.necessary for one in prepared.events)
    routed, everything = scan(con, prepared, events), scan(con, unrouted, events)
    assert routed.findings.equals(everything.findings)
    assert routed.matches == everything.matches


def without_necessary(one: EventRule) -> EventRule:
    return replace(one, compiled=replace(one.compiled, necessary={}))


@given(EVENTS)
@settings(examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_columns_never_rule_out_an_event_that_matches(
    con: duckdb.DuckDBPyConnection, many: RuleSet, drawn: list[dict[str, Any]]
) -> None:
    events = con.from_arrow(landed(con, made_events(drawn)))
    prepared = prepare(many)
    bounded = [one for one in prepared.events if one.bound is not None]
    found = scan(con, prepared, events).findings
    assert len(bounded) > 8
    for one in bounded:
        possible = {row[0] for row in events.filter(one.bound).project("event_id").fetchall()}
        of_rule = found.filter(pa.compute.equal(found.column("rule_id"), one.compiled.rule_id))
        assert {ids[0] for ids in of_rule.column("event_ids").to_pylist()} <= possible, one.compiled.title


@given(EVENTS, st.sampled_from([0.0, 0.3, 2.0]))
@settings(examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_how_dense_an_operation_is_changes_nothing(
    con: duckdb.DuckDBPyConnection, many: RuleSet, drawn: list[dict[str, Any]], dense: float
) -> None:
    events = con.from_arrow(landed(con, made_events(drawn)))
    usual = scan(con, many, events).findings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "DENSE", dense)
        assert scan(con, many, events).findings.equals(usual)


def test_the_order_of_events_changes_no_byte(con: duckdb.DuckDBPyConnection, many: RuleSet) -> None:
    chance = random.Random(3)
    events = [sigma_event(chance, number) for number in range(300)]
    found = run(con, many, events).findings
    chance.shuffle(events)
    assert found.num_rows > 100
    assert as_bytes(found) == as_bytes(run(con, many, events).findings)


def as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as out:
        out.write_table(table.combine_chunks())
    return sink.getvalue().to_pybytes()


def sigma_event(chance: random.Random, number: int) -> dict[str, Any]:
    moment = START + timedelta(seconds=chance.randrange(3600))
    made = sigma_events.made_event(chance)
    return made | {"eventID": f"e-{number:05}", "eventTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def test_slices_of_time_change_nothing(
    con: duckdb.DuckDBPyConnection, many: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(4)
    events = con.from_arrow(landed(con, [sigma_event(chance, number) for number in range(400)]))
    whole = scan(con, many, events)
    monkeypatch.setattr(matching, "SLICE", 90)
    sliced = scan(con, many, events)
    assert whole.findings.equals(sliced.findings)
    assert whole.matches == sliced.matches


def test_a_log_of_too_many_operations_is_scanned_all_the_same(
    con: duckdb.DuckDBPyConnection, many: RuleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    events = con.from_arrow(landed(con, [sigma_event(chance, number) for number in range(200)]))
    routed = scan(con, many, events)
    monkeypatch.setattr(matching, "MAX_PAIRS", 3)
    assert scan(con, many, events).findings.equals(routed.findings)


def test_more_rules_on_one_operation_than_a_number_has_bits(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    amount = routing.BITS * 2 + 5
    same = [rule(f"same {n}", {"eventName": "X", "awsRegion|contains": "eu"}) for n in range(amount)]
    other = [rule(f"any {n}", {"awsRegion|contains": "eu"}) for n in range(amount)]
    result = run(con, rule_set(tmp_path, *same, *other), [event(1, "X"), event(2, "Y")])
    assert set(result.matches.values()) == {1, 2}
    assert result.findings.num_rows == amount * 3


def test_fields_that_differ_in_case_only_are_different_fields(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(
        tmp_path,
        rule("lower", {"requestParameters.username": "x"}),
        rule("upper", {"requestParameters.userName": "x"}),
    )
    result = run(con, rules, [event(1, "A", requestParameters__userName="x")])
    assert result.matches == {id_of("lower"): 0, id_of("upper"): 1}


def test_the_benchmarks_rules_are_asked_alike_alone_and_together(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = load_any([sigma_rules.write(tmp_path / "rules", 24)])
    chance = random.Random(6)
    events = con.from_arrow(landed(con, [sigma_event(chance, number) for number in range(1500)]))
    prepared = prepare(rules)
    together = scan(con, prepared, events)
    assert sum(together.matches.values()) > 5
    for one in prepared.events:
        alone = scan(con, replace(prepared, events=(one,)), events)
        assert alone.matches[one.compiled.rule_id] == together.matches[one.compiled.rule_id], one.compiled.title


# correlations


def burst_rules(tmp_path: Path, **more: Any) -> RuleSet:
    return rule_set(
        tmp_path,
        rule("read", {"eventName": "GetObject"}),
        correlation(
            "many reads", ["read"], "event_count", **{"group-by": ["userIdentity.arn"], "condition": {"gte": 3}, **more}
        ),
    )


def reads(minutes: list[float], *, first: int = 0) -> list[dict[str, Any]]:
    return [
        event(first + number, "GetObject", source="s3", after=timedelta(minutes=minute))
        for number, minute in enumerate(minutes)
    ]


def test_a_burst_is_one_finding_with_group_window_and_count(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (found,) = rows(run(con, burst_rules(tmp_path), reads([0, 1, 2, 3, 100])))
    assert (found["kind"], found["event_count"], found["level"]) == ("correlation", 4, "high")
    assert dict(found["group"]) == {"userIdentity.arn": "arn:aws:iam::111122223333:user/ada"}
    assert found["entity"] == "arn:aws:iam::111122223333:user/ada"
    assert found["last_event_time"] - found["first_event_time"] == timedelta(minutes=3)
    assert len(found["event_ids"]) == 4
    assert dict(found["evidence"])["eventName"] == "GetObject"
    assert found["value"] == 4


def test_a_counted_rule_makes_findings_of_its_own_only_with_generate(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    events = reads([0, 1, 2])
    silent = rows(run(con, burst_rules(tmp_path / "a"), events))
    loud = rows(run(con, burst_rules(tmp_path / "b", generate=True), events))
    assert [found["kind"] for found in silent] == ["correlation"]
    assert sorted(found["kind"] for found in loud) == ["correlation", "event", "event", "event"]


def test_evidence_of_a_burst_is_of_its_rules_whatever_else_is_asked(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The rules it counts are of two passes, and the passes read fields of other rules too."""
    both = (
        rule("made", {"eventName": "CreateUser"}),
        rule("given", {"eventName": "AttachUserPolicy", "requestParameters.policyArn|contains": "Admin"}),
        correlation("made and given", ["made", "given"], "temporal", **{"group-by": ["userIdentity.arn"]}),
    )
    other = rule("elsewhere", {"awsRegion": "nowhere", "userAgent": "none"})
    events = [
        event(0, "AttachUserPolicy", requestParameters__policyArn="arn:aws:iam::aws:policy/Admin"),
        event(1, "CreateUser"),
    ]
    expected = {
        "eventName": "AttachUserPolicy",
        "requestParameters.policyArn": "arn:aws:iam::aws:policy/Admin",
        "userIdentity.arn": "arn:aws:iam::111122223333:user/ada",
    }

    for number, rules in enumerate((both, (*both, other))):
        (found,) = rows(run(con, rule_set(tmp_path / str(number), *rules), events))
        assert dict(found["evidence"]) == expected


def test_evidence_of_an_event_that_rules_of_two_passes_match_has_the_fields_of_both(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = rule_set(
        tmp_path,
        rule("made", {"eventName": "CreateUser"}),
        rule("named", {"requestParameters.userName": "x"}),
        correlation("both at once", ["made", "named"], "temporal", **{"group-by": ["userIdentity.arn"]}),
    )

    (found,) = rows(run(con, rules, [event(0, "CreateUser", requestParameters__userName="x")]))

    assert dict(found["evidence"]) == {
        "eventName": "CreateUser",
        "requestParameters.userName": "x",
        "userIdentity.arn": "arn:aws:iam::111122223333:user/ada",
    }


def test_what_was_asked_is_found_in_its_column_as_in_the_event(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    chance = random.Random(7)
    rules = rule_set(tmp_path, *sigma_rules.rules(200))
    events = [
        sigma_events.made_event(chance) | {"eventID": str(n), "eventTime": "2026-03-15T10:00:00Z"} for n in range(3_000)
    ]
    table = landed(con, events)
    bare = table.drop_columns(list(PART_COLUMNS))

    with_parts, without = (scan(con, rules, con.from_arrow(one)) for one in (table, bare))

    assert sum(with_parts.matches.values()) > 100
    assert with_parts.matches == without.matches
    assert rows(with_parts) == rows(without)


def test_a_rule_over_the_score_of_an_indicator_says_that_it_does_not_know_indicators(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """The score alone does not say whether indicators could be read."""
    rules = rule_set(
        tmp_path,
        rule(
            "low",
            {"eventName": "CreateUser"},
            "selection and not scored",
            also={"scored": {"context.indicator.score|gte": 0.5}},
        ),
    )

    (found,) = rows(run(con, rules, [event(0, "CreateUser")]))

    assert found["certainty"] == "context_unknown"


def test_an_event_that_names_no_service_is_asked_by_its_operation(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    nameless = event(0, "CreateUser")
    del nameless["eventSource"]

    found = rows(run(con, rule_set(tmp_path, rule("made", {"eventName": "CreateUser"})), [nameless, event(1, "Other")]))

    assert [one["event_ids"] for one in found] == [[nameless["eventID"]]]


def test_a_correlation_of_correlations_is_found(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    group = {"group-by": ["userIdentity.arn"]}
    rules = rule_set(
        tmp_path,
        rule("read", {"eventName": "GetObject"}),
        rule("key", {"eventName": "CreateAccessKey"}),
        correlation("many reads", ["read"], "event_count", **group, condition={"gte": 3}),
        correlation("many keys", ["key"], "event_count", **group, condition={"gte": 2}),
        correlation("both", ["many reads", "many keys"], "temporal", **group),
    )
    keys = [event(20 + n, "CreateAccessKey", after=timedelta(minutes=3 + n)) for n in range(2)]
    found = rows(run(con, rules, reads([0, 1, 2]) + keys))
    assert {row["rule_title"] for row in found} == {"both"}
    assert set(found[0]["event_ids"]) == {one["eventID"] for one in reads([0, 1, 2]) + keys}


MIDNIGHT = timedelta(hours=14)  # after START


@given(st.lists(st.integers(-40, 60), min_size=3, max_size=14))
@settings(examples(4), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_days_scanned_one_by_one_find_what_they_find_together(
    con: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory, minutes: list[int]
) -> None:
    prepared = prepare(burst_rules(tmp_path_factory.mktemp("bursts")))
    around = MIDNIGHT.total_seconds() / 60
    events = con.from_arrow(landed(con, reads([around + minute for minute in minutes])))
    days = [DAY, DAY + timedelta(days=1)]
    whole = rows(scan(con, prepared, events, days=days))
    apart = [row for day in days for row in rows(scan(con, prepared, events.filter(needed(prepared, day)), days=[day]))]
    key = lambda row: (row["first_event_time"], row["rule_id"], row["finding_id"], row["day"])  # noqa: E731
    assert whole == sorted(apart, key=key)


def needed(prepared: Prepared, day: date) -> str:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    end = start + timedelta(days=1)
    return f"event_time >= timestamptz '{start - prepared.lookback}' and event_time < timestamptz '{end}'"


def test_a_burst_over_midnight_is_told_by_the_day_of_its_last_event(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    around = MIDNIGHT.total_seconds() / 60
    events = con.from_arrow(landed(con, reads([around - 4, around - 2, around + 1])))
    rules = burst_rules(tmp_path)
    assert rows(scan(con, rules, events, days=[DAY])) == []
    (found,) = rows(scan(con, rules, events, days=[DAY + timedelta(days=1)]))
    assert (found["day"], found["event_count"]) == (DAY + timedelta(days=1), 3)


def test_a_burst_that_ended_yesterday_is_not_told_again_today(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    evening = MIDNIGHT.total_seconds() / 60
    events = con.from_arrow(landed(con, reads([evening - 6, evening - 5, evening - 4, evening + 50])))
    rules = burst_rules(tmp_path)
    assert len(rows(scan(con, rules, events, days=[DAY]))) == 1
    assert rows(scan(con, rules, events, days=[DAY + timedelta(days=1)])) == []


def test_how_far_correlations_look_back_is_their_longest_window(tmp_path: Path) -> None:
    """Days that a late event wakes follow from it: tests/unit/test_audit_arrivals."""
    assert prepare(burst_rules(tmp_path / "a")).lookback == timedelta(minutes=10)
    assert prepare(rule_set(tmp_path / "b", rule("any", {"eventName": "X"}))).lookback == timedelta(0)
    assert prepare(burst_rules(tmp_path / "c", timespan="2d")).lookback == timedelta(days=2)


# floods, failures


def test_a_rule_that_matches_everything_is_one_finding(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName|contains": ""}), rule("one", {"eventName": "Rare"}))
    events = [event(n, "Common", after=timedelta(seconds=n)) for n in range(150)] + [
        event(999, "Rare", after=timedelta(0))
    ]
    result = run(con, rules, events, flood_limit=120)
    flood, one = sorted(rows(result), key=lambda row: row["kind"], reverse=True)
    assert (flood["kind"], flood["event_count"], len(flood["event_ids"])) == ("flood", 151, 100)
    assert flood["event_ids"][0] == events[0]["eventID"]
    assert (one["kind"], one["rule_title"]) == ("event", "one")
    assert [(held.title, held.matches) for held in result.held] == [("all", 151)]
    assert result.matches[id_of("all")] == 151


def test_a_noise_budget_raises_what_a_flood_is(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    rules = replace(rules, rules=tuple(replace(one, meta=RuleMeta(noise_budget=0.1)) for one in rules.rules))
    at_limit = run(con, rules, [event(n, "X") for n in range(5)], flood_limit=2)
    over = run(con, rules, [event(n, "X") for n in range(6)], flood_limit=2)
    assert [found["kind"] for found in rows(at_limit)] == ["event"] * 5
    assert [found["kind"] for found in rows(over)] == ["flood"]


def test_a_flood_of_bursts_is_one_finding(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    result = run(con, burst_rules(tmp_path), reads([60 * h + m for h in range(6) for m in range(3)]), flood_limit=4)
    (found,) = rows(result)
    assert (found["kind"], found["event_count"]) == ("flood", 6)


def test_a_flood_of_bursts_names_the_first_hundred(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    bursts = [5 * burst + minute / 10 for burst in range(110) for minute in range(3)]
    (found,) = rows(run(con, burst_rules(tmp_path, timespan="1m"), reads(bursts), flood_limit=10))
    assert (found["kind"], found["event_count"], len(found["event_ids"])) == ("flood", 110, 100)


def by(arn: str, number: int, **more: Any) -> dict[str, Any]:
    return event(number, "X", after=timedelta(seconds=number), userIdentity__arn=arn, **more)


def test_a_flood_by_one_does_not_hide_another(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    result = run(con, rules, [*(by("lab", n) for n in range(250)), by("root-admin", 999)], flood_limit=250)
    flood, one = sorted(rows(result), key=lambda row: row["kind"], reverse=True)
    assert (flood["kind"], flood["entity"], flood["event_count"]) == ("flood", "lab", 250)
    assert (one["kind"], one["entity"], one["event_count"]) == ("event", "root-admin", 1)
    assert flood["dedup_key"] == f"{id_of('all')}|lab"
    assert [(held.title, held.matches) for held in result.held] == [("all", 250)]


def test_only_the_noisiest_are_floods_as_many_as_it_takes(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    rules = replace(rules, rules=tuple(replace(r, meta=RuleMeta(dedup=("userIdentity.arn",))) for r in rules.rules))
    events = [
        by(arn, 100 * at + n) for at, (arn, count) in enumerate({"a": 9, "b": 7, "c": 2}.items()) for n in range(count)
    ]
    found = [(row["kind"], row["dedup_key"].partition("|")[2]) for row in rows(run(con, rules, events, flood_limit=4))]
    assert sorted(found) == [("event", "c"), ("event", "c"), ("flood", "a"), ("flood", "b")]


def test_too_many_to_tell_apart_are_one_flood(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    (flood,) = rows(run(con, rules, [by(f"u{n % 6}", n) for n in range(12)], flood_limit=5))
    assert (flood["kind"], flood["entity"], flood["event_count"]) == ("flood", None, 12)
    assert flood["dedup_key"] == f"{id_of('all')}|flood {DAY}"


def test_a_flood_carries_the_indicators_of_all_its_events(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    told = con.from_arrow(landed(con, [by("lab", n) for n in range(150)])).query(
        "told",
        "select *, case when event_time > '2026-03-15 10:02:20Z' then 'i' || event_id[7:8] end as "
        "\"context.indicator.id\", case when event_time > '2026-03-15 10:02:20Z' then 0.75 end as "
        '"context.indicator.score" from told',
    )
    (flood,) = rows(scan(con, rules, told, flood_limit=120))
    assert (flood["kind"], len(flood["event_ids"])) == ("flood", 100)
    assert (flood["indicator_ids"], flood["indicator_score"]) == ([f"i{n}" for n in range(41, 50)], 0.75)


def test_a_flood_that_has_doubled_is_another_finding(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))

    def named(count: int) -> str:
        (flood,) = rows(run(con, rules, [by("lab", n) for n in range(count)], flood_limit=4))
        assert flood["kind"] == "flood"
        return str(flood["finding_id"])

    assert named(9) == named(9) == named(15)
    assert len({named(9), named(18), named(40)}) == 3


def test_keys_of_different_values_differ(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("all", {"eventName": "X"}))
    meta = RuleMeta(dedup=("requestParameters.a", "requestParameters.b"))
    rules = replace(rules, rules=tuple(replace(one, meta=meta) for one in rules.rules))
    pairs = [("a|b", "c"), ("a", "b|c"), ("a\\", "|c"), ("a\\|", "c"), ("", "c"), (None, "c"), ("\\0", "c")]
    events = [event(n, "X", requestParameters={"a": a, "b": b}) for n, (a, b) in enumerate(pairs)]
    assert len({row["dedup_key"] for row in rows(run(con, rules, events))}) == len(pairs)


def test_a_rule_that_fails_stops_no_other(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    prepared = prepare(
        rule_set(
            tmp_path,
            *(rule(f"rule {n}", {"eventName": "X"}) for n in range(5)),
            rule("open", {"awsRegion|contains": "e"}),
        )
    )
    broken = replace(prepared.events[3].compiled, predicate="error('no luck')")
    events = tuple(replace(one, compiled=broken) if one.number == 3 else one for one in prepared.events)
    result = run(con, replace(prepared, events=events), [event(1, "X")])
    assert [(failure.title, "no luck" in failure.reason) for failure in result.failures] == [("rule 3", True)]
    assert {found["rule_title"] for found in rows(result)} == {"rule 0", "rule 1", "rule 2", "rule 4", "open"}


@pytest.mark.parametrize(
    "selection",
    [
        {"eventName": "X", "userAgent|cased": '"\x01eventName\x01" or true) -- '},
        {"eventName": "X", "userAgent|re": "a\x01b"},
        {"eventName": "X", "user\x01Agent": "b"},
        [{"eventName": "X", "userAgent|contains": ["b", "\x00"]}],
        ["word\x02"],
    ],
)
def test_rules_with_control_characters_are_refused_by_name(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, selection: Any
) -> None:
    result = run(con, rule_set(tmp_path, rule("odd", selection), rule("any", {"eventName": "X"})), [event(1, "X")])
    assert [(failure.title, "control characters" in failure.reason) for failure in result.failures] == [("odd", True)]
    assert [found["rule_title"] for found in rows(result)] == ["any"]


def test_no_text_of_a_log_or_a_rule_becomes_sql(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Also where it knows how the marks of the compiled rules look, as nobody outside can."""
    prepared = prepare(
        rule_set(
            tmp_path,
            rule("service", {"eventSource": "iam.amazonaws.com", "eventName|startswith": ""}),
            rule("agent", {"eventName": "X", "userAgent": "a\"'-- z"}),
        )
    )
    marks = [f'"{prepared.events[0].token}:eventName"', '"\x01eventName\x01"', "'; drop table x; --"]
    odd = []
    for number, mark in enumerate(marks):
        odd += [event(10 * number, "X", source=mark), event(10 * number + 1, mark)]
    result = run(con, prepared, [*odd, event(99, "X")])
    assert result.failures == ()
    assert {found["rule_title"]: found["event_count"] for found in rows(result)} == {"service": 1}
    assert result.matches == {id_of("service"): 4, id_of("agent"): 0}


def test_marks_of_two_compilations_differ(tmp_path: Path) -> None:
    rules = rule_set(tmp_path, rule("any", {"eventName": "X"}))
    assert prepare(rules).events[0].token != prepare(rules).events[0].token


@pytest.mark.parametrize("bad", ["a..b", "a\x01b", 'a"b'])
def test_a_correlation_over_a_field_that_cannot_be_stops_no_other(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, bad: str
) -> None:
    group = {"group-by": [bad]}
    rules = rule_set(
        tmp_path,
        rule("read", {"eventName": "GetObject"}),
        correlation("bad", ["read"], "event_count", condition={"gte": 1}, generate=True, **group),
        rule("any", {"eventName": "X"}),
    )
    result = run(con, rules, [event(1, "X"), event(2, "GetObject")])
    assert [(failure.title, bad in failure.reason or repr(bad) in failure.reason) for failure in result.failures] == [
        ("bad", True)
    ]
    assert {found["rule_title"] for found in rows(result)} == {"any", "read"}


def test_a_rule_that_shows_a_field_that_cannot_be_stops_no_other(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = rule_set(tmp_path, rule("bad", {"eventName": "X"}), rule("any", {"eventName": "X"}))
    meta = {"bad": RuleMeta(evidence=("a..b",)), "any": RuleMeta()}
    rules = replace(rules, rules=tuple(replace(one, meta=meta[one.title]) for one in rules.rules))
    result = run(con, rules, [event(1, "X")])
    assert [(failure.title, "a..b" in failure.reason) for failure in result.failures] == [("bad", True)]
    assert [found["rule_title"] for found in rows(result)] == ["any"]


@pytest.mark.parametrize(
    ("logsource", "named"),
    [
        ({"category": "webserver"}, "category: webserver"),
        ({"product": "aws", "service": "route53resolver"}, "product: aws, service: route53resolver"),
        ({"product": "azure", "service": "signinlogs"}, "product: azure, service: signinlogs"),
        ({"product": "aws", "service": "cloudtrail", "category": "dns"}, "category: dns"),
    ],
)
def test_a_rule_for_another_log_of_a_cloud_is_not_asked_about_this_one(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, logsource: dict[str, str], named: str
) -> None:
    keywords = rule("other", ["IAMUser"]) | {"logsource": logsource}
    result = run(con, rule_set(tmp_path, keywords, rule("any", {"eventName": "X"})), [event(1, "X")])
    assert [(failure.title, named in failure.reason) for failure in result.failures] == [("other", True)]
    assert [found["rule_title"] for found in rows(result)] == ["any"]


def test_each_rule_that_a_correlation_counts_reads_its_own_log(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    other = rule("other", ["IAMUser"]) | {"logsource": {"category": "webserver"}}
    both = correlation("both", ["any", "other"], "temporal", **{"group-by": ["userIdentity.arn"]})
    result = run(con, rule_set(tmp_path, rule("any", {"eventName": "X"}), other, both), [event(1, "X")])
    assert {failure.title for failure in result.failures} == {"other", "both"}
    assert result.findings.num_rows == 0


def test_rules_for_other_log_sources_are_named(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    other = rule("windows", {"EventID": 1}) | {"logsource": {"product": "windows"}}
    result = run(con, rule_set(tmp_path, other, rule("any", {"eventName": "X"})), [event(1, "X")])
    assert [(failure.title, "windows" in failure.reason) for failure in result.failures] == [("windows", True)]
    assert result.findings.num_rows == 1


def test_a_field_that_nobody_publishes_is_warned_of_by_name(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    result = run(con, rule_set(tmp_path, rule("typo", {"eventname": "X"})), [event(1, "X")])
    (warning,) = result.warnings
    assert "'eventname'" in warning.reason
    assert result.matches == {id_of("typo"): 0}


def test_rescans_give_the_same_rows(con: duckdb.DuckDBPyConnection, many: RuleSet) -> None:
    chance = random.Random(7)
    events = con.from_arrow(landed(con, [sigma_event(chance, number) for number in range(200)]))
    assert scan(con, many, events).findings.equals(scan(con, many, events).findings)


def test_an_event_without_matches_leaves_no_table_behind(con: duckdb.DuckDBPyConnection, many: RuleSet) -> None:
    run(con, many, [event(1, "X")])
    left = con.execute("select table_name from duckdb_tables() where table_name like 'sigma%'").fetchall()
    left += con.execute("select view_name from duckdb_views() where view_name like 'sigma%'").fetchall()
    assert left == []
