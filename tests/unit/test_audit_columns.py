"""What the typed columns of an audit event hold: CloudTrail with its traps, Google's and Azure's published shapes.

Envelopes and damage are in test_audit_envelopes and test_audit_bad_input.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.detections.audit import addresses, ocsf
from intelsec_assets.detections.audit.delivery import delivered_at, provider_of
from intelsec_assets.detections.audit.extraction import extract
from tests.audit_logs import compact, event, lines, rows, wrapped


def only(one: dict[str, Any], provider: str = "aws") -> dict[str, Any]:
    (row,) = rows(wrapped([one]) if provider == "aws" else compact(one).encode(), provider=provider)
    return row


def test_columns_of_a_call_of_a_user() -> None:
    row = only(event(1, errorCode="AccessDenied", errorMessage="no", resources=[{"ARN": "arn:aws:iam::1:user/ada"}]))

    assert {name: row[name] for name in row if row[name] is not None and name not in ("event", "delivered_at")} == {
        "day": datetime(2026, 8, 20, tzinfo=UTC).date(),
        "event_id": "00000000-0000-4000-8000-000000000001",
        "event_time": datetime(2026, 8, 20, 11, 0, 1, tzinfo=UTC),
        "provider": "aws",
        "source": "trail",
        "event_source": "iam.amazonaws.com",
        "event_name": "CreateAccessKey",
        "event_type": "AwsApiCall",
        "event_category": "Management",
        "region": "us-east-1",
        "account": "111122223333",
        "read_only": False,
        "error_code": "AccessDenied",
        "error_message": "no",
        "actor_type": "IAMUser",
        "actor_arn": "arn:aws:iam::111122223333:user/ada",
        "actor_principal": "AIDAEXAMPLE",
        "actor_account": "111122223333",
        "actor_user": "ada",
        "actor_access_key": "AKIAEXAMPLE",
        "principal": "arn:aws:iam::111122223333:user/ada",
        "source_text": "198.51.100.7",
        "source_address": "198.51.100.7",
        "user_agent": "aws-cli/2.15",
        "resource": "arn:aws:iam::1:user/ada",
        "ocsf_class": 6003,
        "ocsf_activity": "Create",
        "ocsf_status": "Failure",
        "anomalies": [],
        "file": "file0",
        "record": 1,
        "file_sha256": "ab",
    }


def session(**changes: Any) -> dict[str, Any]:
    issuer = {"type": "Role", "arn": "arn:aws:iam::1:role/deploy", "principalId": "AROA", "userName": "deploy"}
    return {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::1:assumed-role/deploy/i-0abc",
        "principalId": "AROA:i-0abc",
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}, **changes},
    }


def test_a_session_belongs_to_its_role_and_to_the_person_where_one_is_named() -> None:
    assert only(event(1, userIdentity=session()))["principal"] == "arn:aws:iam::1:role/deploy"
    assert only(event(1, userIdentity=session(sourceIdentity="ada")))["principal"] == "arn:aws:iam::1:role/deploy#ada"
    assert only(event(1, userIdentity=session()))["mfa"] == "false"
    assert only(event(1, userIdentity=session()))["actor_issuer_arn"] == "arn:aws:iam::1:role/deploy"


def test_a_service_that_calls_has_no_arn_and_stands_where_the_address_does() -> None:
    service = {"type": "AWSService", "invokedBy": "cloudtrail.amazonaws.com"}

    row = only(event(1, userIdentity=service, sourceIPAddress="cloudtrail.amazonaws.com"))

    assert row["anomalies"] == ["no_arn", "service_as_address"]
    assert (row["principal"], row["source_service"]) == ("cloudtrail.amazonaws.com", "cloudtrail.amazonaws.com")
    assert (row["source_address"], row["source_text"]) == (None, "cloudtrail.amazonaws.com")


def test_missing_types_and_null_arns_are_named() -> None:
    row = only(event(1, userIdentity={"arn": None, "accountId": "1"}, sourceIPAddress=None))

    assert row["anomalies"] == ["no_address", "no_arn", "no_type"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("198.51.100.7", ("198.51.100.7", None, None)),
        ("2001:DB8:0:0::1", ("2001:db8::1", None, None)),
        ("::ffff:198.51.100.7", ("198.51.100.7", None, None)),
        ("198.51.100.7:443", ("198.51.100.7", None, None)),
        ("[2001:db8::1]:443", ("2001:db8::1", None, None)),
        ("AWS Internal", (None, "AWS Internal", "service_as_address")),
        ("cloudtrail.amazonaws.com", (None, "cloudtrail.amazonaws.com", "service_as_address")),
        ("142.256.3.300", (None, None, "invalid_address")),
        ("010.0.0.1", (None, None, "invalid_address")),
        ("fe80::1%eth0", (None, None, "invalid_address")),
        ("1.2.3", (None, None, "invalid_address")),
        ("", (None, None, "no_address")),
        (None, (None, None, "no_address")),
    ],
)
def test_what_stands_in_the_place_of_the_address(text: str | None, found: tuple[str | None, ...]) -> None:
    assert addresses.caller(text) == found


@given(st.ip_addresses())
def test_every_address_is_found_in_canonical_form(address: Any) -> None:
    found = addresses.caller(str(address))

    assert found.address == str(getattr(address, "ipv4_mapped", None) or address)


@pytest.mark.parametrize(
    "text",
    [
        "2026-08-20T11:00:01Z",
        "2026-08-20T11:00:01.000Z",
        "2026-08-20T13:00:01+02:00",
        "2026-08-20T13:00:01.000+0200",
        "2026-08-20 11:00:01",
        "1787223601",
        1787223601,
        1787223601000,
        "1787223601.000",
    ],
)
def test_an_instant_is_read_however_it_is_written(text: object) -> None:
    shipped = {**event(1, eventTime=None), "@timestamp": text}

    assert only(event(1, eventTime=text))["event_time"] == datetime(2026, 8, 20, 11, 0, 1, tzinfo=UTC)
    assert only(shipped)["event_time"] == datetime(2026, 8, 20, 11, 0, 1, tzinfo=UTC)
    assert only(shipped)["anomalies"] == ["other_time_field"]


def test_an_event_without_id_has_one_that_the_order_of_its_keys_does_not_change() -> None:
    bare = event(1, eventID=None)
    turned = dict(reversed(bare.items()))

    first, second, third = rows(lines([bare, turned, event(2, eventID=None)]))

    assert first["event_id"] == second["event_id"] != third["event_id"]
    assert len(first["event_id"]) == 64
    assert first["anomalies"] == ["no_event_id"]


@pytest.mark.parametrize(
    ("name", "read_only", "expected"),
    [
        ("CreateUser", False, (6003, "Create")),
        ("DescribeInstances", True, (6003, "Read")),
        ("ListBuckets", None, (6003, "Read")),
        ("PutBucketPolicy", False, (6003, "Update")),
        ("DeleteTrail", False, (6003, "Delete")),
        ("ConsoleLogin", False, (3002, "Logon")),
        ("Decrypt", True, (6003, "Read")),
        ("storage.buckets.delete", None, (6003, "Delete")),
        ("google.iam.admin.v1.CreateServiceAccountKey", None, (6003, "Create")),
        ("MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", None, (6003, "Update")),
        ("Microsoft.Storage/storageAccounts/listKeys/action", None, (6003, "Read")),
        (None, None, (6003, "Other")),
    ],
)
def test_operations_have_their_ocsf_names(name: str | None, read_only: bool | None, expected: tuple[int, str]) -> None:
    assert ocsf.name(name, read_only) == expected


def test_a_sign_in_that_failed_is_a_failure_without_an_error_code() -> None:
    failed = event(1, eventName="ConsoleLogin", responseElements={"ConsoleLogin": "Failure"})

    assert (only(failed)["ocsf_status"], only(failed)["ocsf_class"]) == ("Failure", 3002)


GCP_ENTRY = {
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {"code": 7, "message": "PERMISSION_DENIED"},
        "authenticationInfo": {
            "principalEmail": "deploy@example-project.iam.gserviceaccount.com",
            "principalSubject": "serviceAccount:deploy@example-project.iam.gserviceaccount.com",
        },
        "requestMetadata": {"callerIp": "203.0.113.9", "callerSuppliedUserAgent": "google-cloud-sdk"},
        "serviceName": "iam.googleapis.com",
        "methodName": "google.iam.admin.v1.CreateServiceAccountKey",
        "authorizationInfo": [{"permission": "iam.serviceAccountKeys.create", "granted": False}],
        "resourceName": "projects/-/serviceAccounts/1",
    },
    "insertId": "1abc",
    "resource": {"type": "service_account", "labels": {"project_id": "example-project", "location": "global"}},
    "timestamp": "2026-08-20T10:59:59.123456789Z",
    "severity": "ERROR",
    "logName": "projects/example-project/logs/cloudaudit.googleapis.com%2Factivity",
    "receiveTimestamp": "2026-08-20T11:00:00.5Z",
}
GCP_COLUMNS = {
    "event_id": "1abc@2026-08-20T10:59:59.123456789Z",
    "event_time": datetime(2026, 8, 20, 10, 59, 59, 123456, tzinfo=UTC),
    "event_source": "iam.googleapis.com",
    "event_name": "google.iam.admin.v1.CreateServiceAccountKey",
    "event_category": "Admin Activity",
    "region": "global",
    "account": "example-project",
    "error_code": "7",
    "error_message": "PERMISSION_DENIED",
    "actor_type": "serviceAccount",
    "principal": "deploy@example-project.iam.gserviceaccount.com",
    "source_address": "203.0.113.9",
    "resource": "projects/-/serviceAccounts/1",
    "ocsf_activity": "Create",
    "ocsf_status": "Failure",
    "anomalies": [],
}


@pytest.mark.parametrize("shape", ["entry", "export", "list", "pubsub"])
def test_columns_of_a_google_entry(shape: str) -> None:
    data = {
        "entry": json.dumps(GCP_ENTRY, indent=1),
        "export": compact(GCP_ENTRY) + "\n",
        "list": json.dumps([GCP_ENTRY]),
        "pubsub": compact({"data": GCP_ENTRY}),
    }[shape]

    (row,) = rows(data.encode(), provider="gcp")

    expected = GCP_COLUMNS | ({"anomalies": ["wrapped_by_pubsub"]} if shape == "pubsub" else {})
    assert {name: row[name] for name in GCP_COLUMNS} == expected


@pytest.mark.parametrize("changes", [{}, {"insertId": None}, {"severity": 'ein "Fehler" aus Köln'}])
def test_what_pubsub_wraps_is_the_entry_itself(changes: dict[str, Any]) -> None:
    entry = {**GCP_ENTRY, **changes}

    bare, wrapped_one = (only(one, "gcp") for one in (entry, {"data": entry}))

    assert json.loads(wrapped_one["event"]) == entry
    assert wrapped_one["anomalies"] == sorted([*bare["anomalies"], "wrapped_by_pubsub"])
    assert {**wrapped_one, "anomalies": bare["anomalies"]} == bare


def test_wrapped_entries_among_bare_ones_each_keep_their_place() -> None:
    entries = [{**GCP_ENTRY, "insertId": str(number)} for number in range(4)]
    mixed = [entries[0], {"data": entries[1]}, {"data": {**entries[2], "severity": float("nan")}}, entries[3]]

    found = rows(lines(mixed), provider="gcp")

    assert [json.loads(row["event"])["insertId"] for row in found] == ["0", "1", "2", "3"]
    assert ["wrapped_by_pubsub" in row["anomalies"] for row in found] == [False, True, True, False]


SPELLINGS = {
    "2026-08-20T10:59:59.123Z": [
        *("2026-08-20T10:59:59.123000Z", "2026-08-20T10:59:59.123000000Z", "2026-08-20T10:59:59.123+00:00"),
        *("2026-08-20T10:59:59.1230-00:00", "2026-08-20T10:59:59.123+0000"),
    ],
    "2026-08-20T10:50:00Z": [
        *("2026-08-20T10:50:00.000Z", "2026-08-20T10:50:00.Z", "2026-08-20T10:50:00+00:00"),
        "2026-08-20T10:50:00.0-0000",
    ],
    "2026-08-20T10:50:00.000000001Z": ["2026-08-20T10:50:00.000000001+00:00"],
    "2026-08-20T12:50:00.5+02:00": ["2026-08-20T12:50:00.50+02:00"],
    "2026-08-20T00:50:00-10:00": ["2026-08-20T00:50:00.000-10:00"],
    "2026-08-20T10:50:00": ["2026-08-20T10:50:00.000"],
}


@pytest.mark.parametrize("field", ["timestamp", "receiveTimestamp"])
@pytest.mark.parametrize("short", SPELLINGS)
def test_an_instant_of_google_spelt_otherwise_is_no_other_id(short: str, field: str) -> None:
    instants = [short, *SPELLINGS[short]]
    entries = [{**GCP_ENTRY, "timestamp": None, field: instant} for instant in instants]

    found = rows(lines(entries), provider="gcp")

    assert [row["event_id"] for row in found] == [f"1abc@{short}"] * len(instants)
    assert [json.loads(row["event"])[field] for row in found] == instants, "what was delivered stays as it is"


def test_a_small_z_of_google_is_no_other_id() -> None:
    """Whether such a text is read as an instant is decided elsewhere."""
    texts = [json.dumps({**GCP_ENTRY, "timestamp": f"2026-08-20T10:59:59.120{zone}"}) for zone in "zZ"]

    with engine.quick_session() as con:
        found, _, _ = extract(con, "gcp", pa.chunked_array([texts], pa.string()), None)

    assert found.column("event_id").to_pylist() == ["1abc@2026-08-20T10:59:59.12Z"] * 2


def test_an_entry_with_data_of_its_own_is_not_taken_for_a_wrapper() -> None:
    row = only({**GCP_ENTRY, "data": {"protoPayload": {"methodName": "harmless"}}}, "gcp")

    assert (row["event_name"], row["anomalies"]) == (GCP_COLUMNS["event_name"], [])


def test_a_google_entry_that_succeeded_has_no_error() -> None:
    entry = {**GCP_ENTRY, "protoPayload": {**GCP_ENTRY["protoPayload"], "status": {}}}  # type: ignore[dict-item]

    row = only(entry, "gcp")

    assert (row["error_code"], row["ocsf_status"]) == (None, "Success")


UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
SCOPE = "/subscriptions/0000aaaa-0000-0000-0000-000000000000/resourceGroups/rg/providers/Microsoft.Compute/disks/d"
AZURE_EXPORT = {
    "time": "2026-08-20T10:30:00.1234567Z",
    "resourceId": SCOPE.upper(),
    "operationName": "MICROSOFT.COMPUTE/DISKS/BEGINGETACCESS/ACTION",
    "category": "Administrative",
    "resultType": "Failure",
    "resultSignature": "Failed.Forbidden",
    "callerIpAddress": "203.0.113.10",
    "correlationId": "c1",
    "identity": {
        "authorization": {"evidence": {"principalType": "User", "principalId": "o1"}},
        "claims": {UPN: "ada@example.org", OBJECT_ID: "o1"},
    },
    "level": "Error",
    "location": "global",
    "properties": {"eventDataId": "e1"},
}
AZURE_REST = {
    "eventDataId": "e1",
    "eventTimestamp": "2026-08-20T10:30:00.1234567Z",
    "caller": "ada@example.org",
    "claims": {OBJECT_ID: "o1"},
    "operationName": {"value": "Microsoft.Compute/disks/beginGetAccess/action", "localizedValue": "Get Disk SAS"},
    "resourceProviderName": {"value": "Microsoft.Compute"},
    "category": {"value": "Administrative"},
    "status": {"value": "Failed"},
    "subStatus": {"value": "Forbidden"},
    "httpRequest": {"clientIpAddress": "203.0.113.10"},
    "resourceId": SCOPE,
    "subscriptionId": "0000aaaa-0000-0000-0000-000000000000",
}
AZURE_COLUMNS = {
    "event_id": "e1",
    "event_time": datetime(2026, 8, 20, 10, 30, 0, 123456, tzinfo=UTC),
    "event_category": "Administrative",
    "account": "0000aaaa-0000-0000-0000-000000000000",
    "actor_type": "User",
    "actor_principal": "o1",
    "actor_user": "ada@example.org",
    "principal": "ada@example.org",
    "source_address": "203.0.113.10",
    "ocsf_status": "Failure",
    "anomalies": [],
}


@pytest.mark.parametrize(
    "data",
    [
        compact({"records": [AZURE_EXPORT]}),
        compact(AZURE_EXPORT) + "\n",
        json.dumps({"value": [AZURE_REST], "nextLink": "x"}, indent=2),
    ],
)
def test_columns_of_an_azure_record_in_both_published_shapes(data: str) -> None:
    (row,) = rows(data.encode(), provider="azure")

    assert {name: row[name] for name in AZURE_COLUMNS} == AZURE_COLUMNS
    assert (row["event_name"] or "").lower() == "microsoft.compute/disks/begingetaccess/action"
    assert row["error_code"] in ("Forbidden", "Failed.Forbidden")


def test_the_cloud_is_told_from_the_first_bytes() -> None:
    assert provider_of(wrapped([event(1)])) == "aws"
    assert provider_of(compact(GCP_ENTRY).encode()) == "gcp"
    assert provider_of(compact({"records": [AZURE_EXPORT]}).encode()) == "azure"
    assert provider_of(b'{"a": 1}') is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "AWSLogs/1/CloudTrail/us-east-1/2023/07/10/1_CloudTrail_us-east-1_20230710T1145Z_x.json.gz",
            (7, 10, 11, 45, 0),
        ),
        ("1_CloudTrail-Digest_us-east-1_trail_us-east-1_20230710T114533Z.json.gz", (7, 10, 11, 45, 33)),
        ("resourceId=/SUBSCRIPTIONS/X/y=2023/m=07/d=10/h=11/m=00/PT1H.json", (7, 10, 11, 59, 59)),
        ("cloudaudit.googleapis.com/activity/2023/07/10/11:00:00_11:59:59_S0.json", (7, 10, 11, 59, 59)),
        ("cloudaudit.googleapis.com/activity/2023/07/10/110000_115959_S0.json", (7, 10, 11, 59, 59)),
        ("events_20239999T9999Z_.json", (1, 2, 3, 4, 5)),
        ("anything.json", (1, 2, 3, 4, 5)),
    ],
)
def test_the_name_of_a_file_says_when_it_was_delivered_else_its_time_stamp_does(
    name: str, expected: tuple[int, ...]
) -> None:
    modified = datetime(2023, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert delivered_at(name, modified) == datetime(2023, *expected, tzinfo=UTC)  # type: ignore[misc, arg-type]
