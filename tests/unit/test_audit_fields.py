"""Field names of audit events: the column or the JSON that holds one, lists on the way, and what is published.

That files read for `rules run` hold the same texts is tested here too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets.detections.audit import fields
from intelsec_assets.detections.audit.ad_hoc import read_events
from intelsec_assets.detections.audit.parts import with_parts
from intelsec_assets.detections.errors import EventError
from intelsec_assets.detections.tables import AUDIT_CONTEXT, CLOUD_AUDIT_EVENTS
from tests.audit_logs import compact, connected, event, lines, read, wrapped, zipped

SECURITY_GROUP = event(
    1,
    eventName="AuthorizeSecurityGroupIngress",
    requestParameters={
        "groupId": "sg-1",
        "ipPermissions": {
            "items": [
                {"fromPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}, {"cidrIp": "10.0.0.0/8"}]}},
                {"fromPort": 443, "ipRanges": {}},
            ]
        },
    },
    resources=[{"ARN": "arn:a", "type": "AWS::S3::Bucket"}, {"ARN": "arn:b"}],
    additionalEventData={"deep": {"list": [{"on": True}, {"on": False}]}},
)
TEXTS: dict[str, str | None] = {
    "eventName": "AuthorizeSecurityGroupIngress",
    "readOnly": "false",
    "managementEvent": "true",
    "responseElements": None,
    "nothing.there": None,
    "requestParameters.groupId": "sg-1",
    "requestParameters.ipPermissions.items.ipRanges.items.cidrIp": '["0.0.0.0/0","10.0.0.0/8"]',
    "requestParameters.ipPermissions.items.fromPort": '["22","443"]',
    "requestParameters.ipPermissions.items.nothing": None,
    "resources.ARN": '["arn:a","arn:b"]',
    "additionalEventData.deep.list.on": '["true","false"]',
    "userIdentity.sessionContext.sessionIssuer.arn": None,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_field_has_the_same_text_from_column_json_and_files(name: str, tmp_path: Path) -> None:
    table, _, _ = read(wrapped([SECURITY_GROUP]))
    (tmp_path / "a.ndjson").write_bytes(lines([SECURITY_GROUP, event(2)]))
    (tmp_path / "b.json").write_bytes(wrapped([SECURITY_GROUP]))
    with connected() as con:
        con.register("rows", table)
        with_parts(con.table("rows")).create_view("rows_with_parts")
        found = con.sql(
            f"select ({fields.field_sql(name, 'aws')})::varchar, ({fields.json_sql(name)})::varchar from rows"
        )
        column, from_json = found.fetchall()[0]
        together = [
            _extracted(con, name, rows, parts)
            for rows, parts in (
                ("rows", ()),
                ("rows_with_parts", fields.PART_COLUMNS),
                ("rows_with_parts", ("request",)),
            )
        ]
        files = read_events(con, [tmp_path], columns=[name])
        from_files = con.sql(f"select {fields.column(name)} from {files.table} where event_id like '%1'").fetchall()

    assert (column, from_json, *together) == (TEXTS[name],) * 5
    assert from_files == [(TEXTS[name],)] * 2


def _extracted(con: duckdb.DuckDBPyConnection, name: str, rows: str, parts: Sequence[str]) -> str | None:
    lists, expressions = fields.extraction([name, "eventName"], "aws", parts=parts)
    extracted = "".join(f", {listed} as {values}" for values, listed in lists.items())
    found: str | None = con.sql(
        f"select ({expressions[name]})::varchar from (select *{extracted} from {rows})"
    ).fetchall()[0][0]
    return found


@pytest.mark.parametrize(
    "odd", [None, "HIDDEN", 7, False, [{"bucketName": "b"}], {}, {"bucketName": None}, {"": {"a": 1}}]
)
def test_what_was_asked_is_read_alike_whatever_it_is(odd: object) -> None:
    names = [
        "requestParameters",
        "requestParameters.bucketName",
        "requestParameters.tags.items.key",
        "responseElements",
    ]
    with connected() as con:
        con.register("rows", read(wrapped([event(1, requestParameters=odd)]))[0])
        with_parts(con.table("rows")).create_view("rows_with_parts")

        for name in names:
            of_event, of_part = (
                _extracted(con, name, rows, parts)
                for rows, parts in (("rows", ()), ("rows_with_parts", fields.PART_COLUMNS))
            )
            assert of_event == of_part, name


def google(payload: dict[str, Any]) -> bytes:
    named = {"serviceName": "storage.googleapis.com", "methodName": "storage.buckets.create"}
    entry = {"insertId": "g1", "timestamp": "2026-08-20T11:00:00Z", "protoPayload": {**named, **payload}}
    return compact(entry).encode()


AWS_PARTS = ("requestParameters", "responseElements", "additionalEventData")
GCP_PARTS = ("request", "response", "metadata")


def _parts(data: bytes, provider: str) -> tuple[str | None, ...]:
    with connected() as con:
        con.register("rows", read(data, provider=provider)[0])
        cut = with_parts(con.table("rows")).select(*fields.PART_COLUMNS)
        (found,) = cut.fetchall()
    return tuple(found)


def test_what_was_asked_answered_and_added_is_cut_out_of_the_events_of_a_provider() -> None:
    values = ({"name": "asked"}, {"name": "answered"}, {"name": "added"})

    of_aws = _parts(wrapped([event(1, **dict(zip(AWS_PARTS, values, strict=True)))]), "aws")
    of_gcp = _parts(google(dict(zip(GCP_PARTS, values, strict=True))), "gcp")

    assert of_aws == of_gcp == ('{"name":"asked"}', '{"name":"answered"}', '{"name":"added"}')


@pytest.mark.parametrize("nothing", [{}, {"request": None, "response": None, "metadata": None}])
def test_where_nothing_was_asked_the_part_is_null_and_not_the_text_null(nothing: dict[str, Any]) -> None:
    as_aws = dict.fromkeys(AWS_PARTS) if nothing else {}
    one = {name: value for name, value in event(1).items() if name not in AWS_PARTS} | as_aws

    assert _parts(wrapped([one]), "aws") == (None, None, None)
    assert _parts(google(nothing), "gcp") == (None, None, None)


def test_a_text_null_that_was_asked_stays_what_it_is() -> None:
    assert _parts(wrapped([event(1, requestParameters="null")]), "aws")[0] == '"null"'


@pytest.mark.parametrize("name", GCP_PARTS)
def test_fields_of_google_are_read_out_of_their_part(name: str) -> None:
    with connected() as con:
        con.register("rows", read(google({part: {"key": part} for part in GCP_PARTS}), provider="gcp")[0])
        # nothing but the parts is left to read them from
        with_parts(con.table("rows")).project("* replace ('{}' as event)").create_view("rows_with_parts")
        field = f"protoPayload.{name}.key"
        lists, found = fields.extraction([field], "gcp", parts=fields.PART_COLUMNS)
        extracted = "".join(f", {listed} as {values}" for values, listed in lists.items())
        seen = con.sql(f"select {found[field]} from (select *{extracted} from rows_with_parts)").fetchall()

    assert seen == [(name,)]


def test_an_object_is_its_json() -> None:
    with connected() as con:
        con.register("rows", read(wrapped([SECURITY_GROUP]))[0])
        (found,) = con.sql(f"select {fields.field_sql('requestParameters.ipPermissions', 'aws')} from rows").fetchall()[
            0
        ]

    assert json.loads(found) == SECURITY_GROUP["requestParameters"]["ipPermissions"]


def test_every_typed_name_is_a_column_and_context_is_a_column_of_its_own() -> None:
    for typed in fields.TYPED.values():
        assert set(typed.values()) <= set(CLOUD_AUDIT_EVENTS.column_names)
    for column in AUDIT_CONTEXT.column_names:
        if column.startswith("context."):
            assert fields.field_sql(column, "aws") == f'"{column}"'


def test_every_typed_name_is_published() -> None:
    unpublished = [
        name for provider, typed in fields.TYPED.items() for name in typed if not fields.is_known(name, provider)
    ]

    assert unpublished == []


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("eventName", True),
        ("eventname", False),
        ("userIdentity.arn", True),
        ("userIdentity.arm", False),
        ("requestParameters.anything.at.all", True),
        ("requestParameter.userName", False),
        ("resources.ARN", True),
    ],
)
def test_the_lint_can_tell_a_published_name_from_a_slip(name: str, known: bool) -> None:
    assert fields.is_known(name, "aws") is known


@pytest.mark.parametrize("name", ["", "*", "a.*.b", "a..b", 'a."b', "a.\\b", ".a", "a."])
def test_a_name_that_no_path_can_hold_is_refused(name: str) -> None:
    with pytest.raises(EventError, match="no name of a field"):
        fields.json_sql(name)


def test_a_name_cannot_leave_its_literal() -> None:
    with connected() as con:
        con.sql("create table rows as select '{}'::varchar as event")

        assert con.sql(f"select {fields.json_sql(chr(39) + '); drop table rows; --')} from rows").fetchall() == [
            (None,)
        ]


def test_names_in_circulation_mean_the_published_ones() -> None:
    assert fields.field_sql("gcp.audit.method_name", "gcp") == '"event_name"'
    assert fields.field_sql("data.protoPayload.serviceName", "gcp") == '"event_source"'


@pytest.mark.parametrize("provider", fields.PROVIDERS)
def test_a_name_of_another_provider_is_no_column(provider: str) -> None:
    others = {name for other, typed in fields.TYPED.items() if other != provider for name in typed}

    for name in others:
        assert fields.field_sql(name, provider) == fields.json_sql(name)


def made(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_any_files_are_one_relation_and_nothing_is_left_out(tmp_path: Path) -> None:
    events = [event(number) for number in range(1, 10)]
    folder = made(
        tmp_path,
        {
            "a.json": wrapped(events[:2]),
            "b.json.gz": zipped(lines(events[2:5])),
            "c.ndjson": lines(events[5:7]) + b"no json\n" + lines([{"a": 1}]),
            "d.ndjson": lines([{**event(8), "eventID": None}, event(9)]),
            "e.json": compact({"awsAccountId": "1", "digestS3Object": "x"}).encode(),
            ".hidden": b"?",
        },
    )
    with connected() as con:
        found = read_events(con, [folder], columns=["eventName", "requestParameters.userName"])
        columns = con.sql(f"select * from {found.table}").columns
        order = con.sql(
            f"select event_id, record, {fields.column('eventName')} from {found.table} order by file, record"
        ).fetchall()

    asked = [fields.column_name(name) for name in ("eventName", "requestParameters.userName")]
    assert columns[:4] == ["event_id", "event_time", *asked]
    assert [row[1] for row in order] == [1, 2, 1, 2, 3, 1, 2, 1, 2]
    assert {row[2] for row in order} == {"CreateAccessKey"}
    assert (found.events, found.files, found.digests) == (9, 5, 1)
    assert [(Path(one.delivery.file).name, one.odd.record, one.odd.reason) for one in found.rejected] == [
        ("c.ndjson", 3, "malformed"),
        ("c.ndjson", 4, "not_an_event"),
    ]


@pytest.mark.parametrize("odd", [r'"a\u0000b"', r'{"userName":"\u0000"}', "NaN", "-Infinity", '["x",NaN]', '"NaN"'])
def test_what_is_put_right_in_the_lake_is_put_right_in_lines(odd: str, tmp_path: Path) -> None:
    text = (
        compact(event(1)).replace('{"userName":"ada"}', f'{{"userName":{odd}}}').encode()
    )  # two lines: one is a document
    asked = ["requestParameters", "requestParameters.userName", "requestParameters.userName.userName"]
    for name, data in (("lines", (text + b"\n") * 2), ("list", b'{"Records":[' + text + b"," + text + b"]}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_bytes(data)
    with connected() as con:
        seen = []
        for name in ("lines", "list"):
            for columns in (asked, asked[1:], asked[1:2]):
                found = read_events(con, [tmp_path / name], columns=columns)
                selected = ", ".join(fields.column(field) for field in columns)
                seen.append(con.sql(f"select {selected}, event_id from {found.table}").fetchall())

    assert seen[:3] == seen[3:]
    assert "\0" not in str(seen)
    assert "\\u0000" not in str(seen)


def test_keywords_need_the_whole_event(tmp_path: Path) -> None:
    folder = made(tmp_path, {"a.ndjson": lines([event(1), event(2)])})
    with connected() as con:
        found = read_events(con, [folder / "a.ndjson"], columns=None, keywords=True)
        texts = con.sql(f"select event from {found.table}").fetchall()

    assert [json.loads(text) for (text,) in texts] == [event(1), event(2)]


def test_a_parent_and_its_child_can_both_be_asked_for(tmp_path: Path) -> None:
    folder = made(tmp_path, {"a.ndjson": lines([event(1), event(2, requestParameters="text")])})
    asked = ["requestParameters", "requestParameters.userName", "userIdentity", "userIdentity.arn"]
    with connected() as con:
        found = read_events(con, [folder], columns=asked)
        result: list[Any] = con.sql(
            f"select {', '.join(fields.column(name) for name in asked)} from {found.table}"
        ).fetchall()

    assert [row[:2] for row in result] == [('{"userName":"ada"}', "ada"), ("text", None)]
    assert [row[3] for row in result] == ["arn:aws:iam::111122223333:user/ada"] * 2


@pytest.mark.parametrize(
    "asked",
    [
        ["requestParameters.userName", "requestParameters.username"],
        ["requestParameters.Tag.key", "requestParameters.tag.key", "requestParameters.tag.Key"],
        ["requestparameters.userName", "requestParameters.userName", "requestParameters.username"],
        ["eventname", "eventName", "EventName"],
        ["file", "record", "provider", "event_id", "event", "filename", "event_time"],
    ],
)
def test_names_that_differ_in_case_alone_or_are_those_of_other_columns_are_told_apart(
    asked: list[str], tmp_path: Path
) -> None:
    one: dict[str, Any] = event(1)
    for number, name in enumerate(asked):
        *parents, last = name.split(".")
        node = one
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = f"value {number}"
    for name, data in (("lines", lines([one, one])), ("list", wrapped([one, one]))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_bytes(data)
        with connected() as con:
            found = read_events(con, [tmp_path / name], columns=asked)
            selected = ", ".join(fields.column(field) for field in asked)
            seen = con.sql(f"select {selected}, event_id, record from {found.table}").fetchall()

        values = (f"value {number}" for number in range(len(asked)))
        expected = (*values, one["eventID"])
        assert sorted(seen) == [(*expected, 1), (*expected, 2)]


def test_a_path_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with connected() as con, pytest.raises(EventError, match="nowhere"):
        read_events(con, [tmp_path / "nowhere"], columns=None)


@pytest.mark.parametrize(
    ("logsource", "provider"),
    [
        ({"product": "aws", "service": "cloudtrail"}, fields.AWS),
        ({"product": "gcp", "service": "gcp.audit"}, fields.GCP),
        ({"product": "azure", "service": "activitylogs"}, fields.AZURE),
        ({"product": "azure", "service": "azureactivity"}, fields.AZURE),
        ({"product": "gcp"}, fields.GCP),
        ({"service": "gcp.audit"}, fields.GCP),
        ({}, fields.AWS),
        ({"product": "windows"}, None),
        ({"product": "gcp", "service": "cloudtrail"}, None),
        ({"product": "gcp", "service": "google_workspace.admin"}, None),
        ({"service": "sshd"}, None),
        ({"category": "webserver"}, None),
    ],
)
def test_a_logsource_is_of_the_provider_whose_audit_log_it_names(
    logsource: dict[str, str], provider: str | None
) -> None:
    assert fields.provider_of_logsource(logsource) == provider
