"""Audit logs from an S3 prefix, on an S3 that answers in this process: pages, late keys, changed and lost objects.

What is done with a delivery once it is fetched is in tests/unit/test_audit_landing.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets.detections.audit.days import build_events
from intelsec_assets.detections.audit.inbox import InboxError, S3Inbox
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.taking import Intake, take
from intelsec_assets.detections.audit.telemetry import AuditSource
from tests.audit_logs import compact, event, wrapped, zipped

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto")

BUCKET, PREFIX = "trail-logs", "AWSLogs/111122223333"
SOURCE = AuditSource("trail", "aws", f"s3://{BUCKET}/{PREFIX}")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        made = boto3.client("s3")
        made.create_bucket(Bucket=BUCKET)
        yield made


def put(client: Any, key: str, data: bytes) -> None:
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=data)


def taken(client: Any, landing: Landing) -> Intake:
    # moto stamps objects with the clock of the machine, which may be before the events of this test
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        return take(con, landing, SOURCE, None, clock=lambda: datetime.now(UTC), client=client)


def late_event(number: int) -> dict[str, Any]:
    return event(number, eventTime="2023-07-10T11:00:00Z")


def found(landing: Landing) -> list[tuple[str, str]]:
    day = date(2023, 7, 10)
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        rows = build_events(con, landing.landed(day).parts, day)
        return rows.project("event_id, file").order("event_id").fetchall()


def test_objects_below_the_prefix_are_taken_once_with_digests_beside_them(client: Any, tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    log = "CloudTrail/us-east-1/2023/07/10/1_CloudTrail_us-east-1_20230710T1145Z_x.json.gz"
    digest = "CloudTrail-Digest/us-east-1/2023/07/10/1_CloudTrail-Digest_us-east-1_t_us-east-1_20230710T120000Z.json.gz"
    put(client, log, zipped(wrapped([late_event(1)])))
    put(client, digest, zipped(compact({"awsAccountId": "1", "digestS3Object": "x", "logFiles": []}).encode()))
    put(client, "CloudTrail/", b"")
    client.put_object(Bucket=BUCKET, Key=f"{PREFIX}-other/1.json", Body=wrapped([late_event(9)]))

    first, second = taken(client, landing), taken(client, landing)

    assert (first.files, first.digests, first.events, first.rejected) == (2, 1, 1, 0)
    assert second.files == 0
    assert found(landing) == [(event(1)["eventID"], log)]
    delivered = {file.key: file.delivered for file in landing.register.files()}
    assert delivered[log] == datetime(2023, 7, 10, 11, 45, tzinfo=UTC)


def test_a_key_that_comes_late_and_sorts_before_those_taken_is_not_skipped(client: Any, tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    put(client, "b/2.json", wrapped([late_event(2)]))
    taken(client, landing)

    put(client, "a/1.json", wrapped([late_event(1)]))

    assert taken(client, landing).files == 1
    assert [key for _, key in found(landing)] == ["a/1.json", "b/2.json"]


def test_every_page_of_a_listing_is_seen(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")  # a page; AWS gives a thousand
    for number in range(1, 24):
        put(client, f"{number:05}.json", b"[]")
    assert len(client.list_objects_v2(Bucket=BUCKET)["Contents"]) == 10

    listed = list(S3Inbox(BUCKET, PREFIX, client).listing())

    assert len(listed) == 23
    assert len({file.key for file in listed}) == 23


def test_an_object_that_was_replaced_is_taken_again(client: Any, tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    put(client, "1.json", wrapped([late_event(1)]))
    taken(client, landing)

    put(client, "1.json", wrapped([late_event(1), late_event(2)]))

    assert taken(client, landing).events == 2
    assert [event_id for event_id, _ in found(landing)] == [event(1)["eventID"], event(2)["eventID"]]


def test_an_object_that_is_gone_when_it_is_fetched_is_no_bad_file(client: Any, tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    put(client, "1.json", wrapped([late_event(1)]))
    real = client.get_object

    def gone(**asked: Any) -> Any:
        client.delete_object(**asked)
        return real(**asked)

    client.get_object = gone
    intake = taken(client, landing)

    assert list(intake.not_fetched) == ["1.json"]
    assert (intake.files, intake.rejected, landing.register.files()) == (0, 0, [])


def test_a_bucket_that_is_not_there_concludes_nothing(client: Any, tmp_path: Path) -> None:
    with pytest.raises(InboxError, match="cannot be listed"):
        list(S3Inbox("nobody-has-this", "", client).listing())


def test_an_event_ahead_of_the_object_that_holds_it_is_refused(client: Any, tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    ahead = (datetime.now(UTC) + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    put(client, "1.json", wrapped([late_event(1), event(2, eventTime=ahead)]))

    intake = taken(client, landing)

    assert (intake.events, intake.rejected) == (1, 1)
