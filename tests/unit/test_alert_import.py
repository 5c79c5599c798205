"""Verdicts from elsewhere, as CSV and JSON: read as they were meant, every row that cannot be used named by its place.

Pure; what they do to alerts is in tests/integration/test_alert_commands.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from intelsec_assets.detections.alerts import brought_in
from intelsec_assets.detections.alerts.brought_in import Judgement, parse_instant, read_judgements
from intelsec_assets.detections.errors import AlertError


def test_csv_and_json_say_the_same() -> None:
    csv = (
        "\ufeffverdict,alert_id ,reason,at,actor\r\n"
        'false_positive,a1,"planned,\nCHG-1042",2026-03-02T12:05:00+02:00,soc\r\ntrue_positive,a2,real,,\r\n'
    )
    rows = [
        {
            "alert_id": "a1",
            "verdict": "false_positive",
            "reason": "planned,\nCHG-1042",
            "at": "2026-03-02T10:05:00Z",
            "actor": "soc",
        },
        {"alert_id": "a2", "verdict": "true_positive", "reason": "real", "actor": None, "more": 1},
    ]

    read = [
        read_judgements(text.encode(), "f", "me")
        for text in (csv, json.dumps(rows), json.dumps({"dispositions": rows}))
    ]

    assert [problems for _, problems in read] == [[], [], []]
    at = datetime(2026, 3, 2, 10, 5, tzinfo=UTC)
    assert read[0][0] == [
        Judgement("f line 3", "a1", "false_positive", "planned,\nCHG-1042", "soc", at=at),
        Judgement("f line 4", "a2", "true_positive", "real", "me"),
    ]
    assert [one.place for one in read[1][0]] == ["f item 1", "f item 2"]
    assert [(one.alert_id, one.at) for one in read[2][0]] == [("a1", at), ("a2", None)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "no alert_id"),
        ({"alert_id": "a"}, "no verdict for 'a'"),
        ({"alert_id": "a", "verdict": "maybe", "reason": "x"}, "verdict 'maybe' is unknown"),
        ({"alert_id": "a", "verdict": "false_positive"}, "without a reason"),
        ({"alert_id": 7, "verdict": "false_positive", "reason": "x"}, "alert_id: expected text, found '7'"),
        ({"alert_id": "a", "verdict": "false_positive", "reason": "x", "at": "yesterday"}, "with its zone"),
        ({"alert_id": "a", "verdict": "false_positive", "reason": "x", "actor_kind": "robot"}, "human or automation"),
        ({"alert_id": "a", "verdict": "false_positive", "reason": "x" * 10_001}, "10,001 characters"),
        ("text", "no alert_id"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_rest_is_read(row: object, says: str) -> None:
    good = {"alert_id": "b", "verdict": "false_positive", "reason": "x"}

    found, problems = read_judgements(json.dumps([row, good]).encode(), "f.json", "me")

    assert [one.alert_id for one in found] == ["b"]
    (problem,) = problems
    assert problem.startswith("f.json item 1: ")
    assert says in problem


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b"", "no column alert_id, verdict, reason"),
        (b"alert_id,reason\n", "no column verdict"),
        (b"[1, 2", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": 1}', "expected a list"),
        (b'alert_id,verdict,reason\n"' + b"x" * 200_000, "is not CSV"),
    ],
)
def test_a_file_of_another_kind_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(AlertError, match=says):
        read_judgements(content, "f", "me")


def test_a_file_that_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brought_in, "MAX_BYTES", 10)

    with pytest.raises(AlertError, match="split it"):
        read_judgements(b"x" * 11, "f", "me")


def test_an_instant_needs_its_zone() -> None:
    assert parse_instant(" 2026-03-02T12:00:00Z") == datetime(2026, 3, 2, 12, tzinfo=UTC)
    for text in ("2026-03-02T12:00:00", "noon", ""):
        with pytest.raises(AlertError, match="with its zone"):
            parse_instant(text)
