"""Audit events as tests write them, and the ways a delivery can wrap them.

What is expected of them stands in the tests.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from intelsec_assets import engine
from intelsec_assets.detections.audit.reading import FileRead, batches
from intelsec_assets.detections.audit.typed import Delivery, OddRecord

DELIVERED = datetime(2026, 8, 20, 12, 0, tzinfo=UTC)


def event(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A CloudTrail event; `changes` replace top-level fields, None takes one away."""
    made: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": "arn:aws:iam::111122223333:user/ada",
            "accountId": "111122223333",
            "accessKeyId": "AKIAEXAMPLE",
            "userName": "ada",
        },
        "eventTime": f"2026-08-20T11:{number // 60 % 60:02}:{number % 60:02}Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "CreateAccessKey",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15",
        "requestParameters": {"userName": "ada"},
        "responseElements": None,
        "requestID": f"r-{number}",
        "eventID": f"00000000-0000-4000-8000-{number:012}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    }
    made.update(changes)
    return {key: value for key, value in made.items() if value is not None or key not in changes}


def compact(value: Any) -> str:
    """JSON as CloudTrail writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def lines(events: Iterable[Any]) -> bytes:
    """A line an event."""
    return "".join(compact(one) + "\n" for one in events).encode()


def wrapped(events: Iterable[Any]) -> bytes:
    """As CloudTrail delivers them."""
    return compact({"Records": list(events)}).encode()


def zipped(data: bytes) -> bytes:
    """Gzip, the same bytes whenever."""
    return gzip.compress(data, mtime=0)


@contextmanager
def connected() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection as a run has it."""
    with engine.quick_session() as con:
        yield con


def read(
    *files: bytes, provider: str = "aws", delivered: datetime = DELIVERED
) -> tuple[pa.Table, list[OddRecord], list[FileRead]]:
    """Rows, what could not be used, and what became of each file."""
    deliveries = [Delivery("trail", provider, f"file{number}", delivered, "ab") for number in range(len(files))]
    opened = [(delivery, io.BytesIO(data)) for delivery, data in zip(deliveries, files, strict=True)]
    with connected() as con:
        found = list(batches(con, opened))
    tables = [batch.rows.table for batch in found]
    odd = [one for batch in found for one in batch.rows.odd]
    return pa.concat_tables(tables), odd, [done for batch in found for done in batch.complete]


def rows(*files: bytes, provider: str = "aws", delivered: datetime = DELIVERED) -> list[dict[str, Any]]:
    """Rows of files that hold nothing odd."""
    table, odd, _ = read(*files, provider=provider, delivered=delivered)
    assert odd == []
    return list(table.to_pylist())
