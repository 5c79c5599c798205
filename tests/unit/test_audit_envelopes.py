"""However a delivery wraps its events, the rows are the same: wrappers, lines, layouts, gzip, order of keys, BOM.

What is damaged or hostile is in test_audit_bad_input.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.audit import reading
from intelsec_assets.detections.audit.framing import frames, of_documents
from intelsec_assets.detections.audit.reading import batches
from intelsec_assets.detections.audit.typed import Delivery, typed
from tests.audit_logs import DELIVERED, compact, connected, event, lines, read, rows, wrapped, zipped
from tests.searching import examples

EVENTS = [event(1), event(2, errorCode="AccessDenied"), event(3, requestParameters={"items": [{"a": 1}, {"a": [2]}]})]

ENVELOPES = {
    "records wrapper": wrapped(EVENTS),
    "gzip": zipped(wrapped(EVENTS)),
    "gzip in two members": zipped(wrapped(EVENTS)[:300]) + zipped(wrapped(EVENTS)[300:]),
    "lines": lines(EVENTS),
    "lines in gzip": zipped(lines(EVENTS)),
    "lines without the last end": lines(EVENTS).rstrip(b"\n"),
    "lines as Windows ends them": lines(EVENTS).replace(b"\n", b"\r\n"),
    "blank lines between": lines(EVENTS).replace(b"\n", b"\n\n"),
    "bare list": compact(EVENTS).encode(),
    "pretty list": json.dumps(EVENTS, indent=3).encode(),
    "pretty wrapper": json.dumps({"Records": EVENTS}, indent=1).encode(),
    "wrapper with more in it": compact({"version": 1, "Records": EVENTS, "next": None}).encode(),
    "BOM": b"\xef\xbb\xbf" + lines(EVENTS),
    "pretty objects one after the other": "\n".join(json.dumps(one, indent=2) for one in EVENTS).encode(),
    "spaces": "".join(json.dumps(one) + "\n" for one in EVENTS).encode(),
}


def without_place(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("file", "record")}


@pytest.mark.parametrize("name", ENVELOPES)
def test_every_envelope_gives_the_same_rows(name: str) -> None:
    expected = [(one["eventID"], compact(one)) for one in EVENTS]

    found = rows(ENVELOPES[name])

    assert [(row["event_id"], row["event"]) for row in found] == expected
    assert [row["record"] for row in found] == [1, 2, 3]
    assert found == rows(ENVELOPES["records wrapper"])


def test_one_object_is_one_event() -> None:
    assert [row["event_id"] for row in rows(compact(EVENTS[0]).encode())] == [EVENTS[0]["eventID"]]
    assert [row["event_id"] for row in rows(json.dumps(EVENTS[0], indent=2).encode())] == [EVENTS[0]["eventID"]]


def test_events_with_their_keys_in_other_orders_are_read_from_one_list() -> None:
    turned = [dict(reversed(one.items())) if place % 2 else one for place, one in enumerate(EVENTS)]

    found = rows(wrapped(turned))

    assert [row["event_id"] for row in found] == [one["eventID"] for one in EVENTS]
    assert [row["event"] for row in found] == [compact(one) for one in turned]


def test_a_list_inside_an_event_is_not_cut_where_its_objects_start_like_events() -> None:
    nested = event(1, requestParameters={"entries": [{"eventVersion": 1}, {"eventVersion": 2}]})

    found = rows(wrapped([nested, event(2)]))

    assert [row["record"] for row in found] == [1, 2]
    assert json.loads(found[0]["event"]) == nested


def test_a_text_that_looks_like_the_gap_between_two_events_is_left_alone() -> None:
    sly = event(1, userAgent='x"},{"eventVersion":"1.08"')

    assert [row["user_agent"] for row in rows(wrapped([sly, event(2)]))] == [sly["userAgent"], "aws-cli/2.15"]


def test_a_digest_beside_the_logs_is_recognised_and_holds_no_events() -> None:
    digest = {"awsAccountId": "1", "digestStartTime": "2026-08-20T10:00:00Z", "digestS3Object": "x", "logFiles": []}

    table, odd, files = read(zipped(compact(digest).encode()), json.dumps(digest, indent=2).encode())

    assert (table.num_rows, odd) == (0, [])
    assert [file.status for file in files] == ["digest", "digest"]


def test_an_insight_is_an_event_of_its_own_category() -> None:
    insight = event(1, eventType="AwsCloudTrailInsight", eventCategory="Insight", insightDetails={"state": "Start"})

    assert [(row["event_category"], row["event_type"]) for row in rows(wrapped([insight]))] == [
        ("Insight", "AwsCloudTrailInsight")
    ]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "eventID",
        "eventName",
        "sourceIPAddress",
        "userIdentity",
        "readOnly",
        "errorCode",
        "requestParameters",
        "resources",
        "x",
    ]
)


@examples(20)
@given(st.lists(st.dictionaries(FIELDS, VALUES, max_size=4), min_size=1, max_size=5), st.booleans())
def test_the_fast_way_and_the_patient_way_give_the_same_rows(changes: list[dict[str, Any]], as_lines: bool) -> None:
    events = [{**event(number), **change} for number, change in enumerate(changes, 1)]
    data = lines(events) if as_lines else wrapped(events)
    delivery = Delivery("trail", "aws", "file", DELIVERED)

    with connected() as con:
        fast = typed(con, [(frame, delivery) for frame in frames([data])])
        patient = typed(con, [(of_documents(data), delivery)])

    assert fast.table.to_pylist() == patient.table.to_pylist()
    assert fast.odd == patient.odd
    assert fast.table.num_rows + len(fast.odd) == len(events)


@examples(12)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 5))
def test_rows_do_not_depend_on_how_blocks_are_cut(numbers: list[int], parts: int) -> None:
    data = lines(event(number, eventID=f"id{place}") for place, number in enumerate(numbers))
    ends = [place + 1 for place, byte in enumerate(data) if byte == 10]
    cuts = sorted({ends[len(ends) * part // parts - 1] for part in range(1, parts + 1) if len(ends) * part // parts})
    blocks = [data[start:end] for start, end in zip([0, *cuts], cuts, strict=False)]
    delivery = Delivery("trail", "aws", "file", DELIVERED)

    with connected() as con:
        whole = typed(con, [(frame, delivery) for frame in frames([data])])
        pieces = typed(con, [(frame, delivery) for frame in frames(blocks)])

    assert pieces.table.to_pylist() == whole.table.to_pylist()


def test_a_first_line_as_large_as_a_block_does_not_make_the_file_one_document() -> None:
    """Read as one document a file must fit in memory."""
    first, others = lines(EVENTS[:1]), lines(EVENTS[1:])

    found = [frame.records.to_pylist() for frame in frames([first, others, lines([event(4)])])]

    assert found == [[1, 2, 3], [4]]


def test_rows_do_not_depend_on_how_many_are_typed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        (Delivery("trail", "aws", name, DELIVERED), data)
        for name, data in (("a", wrapped(EVENTS)), ("b", lines(EVENTS)), ("c", lines([*EVENTS, {"no": "event"}])))
    ]

    def read_in(together: int) -> tuple[int, list[Any], list[Any]]:
        with connected() as con:
            found = list(batches(con, ((delivery, io.BytesIO(data)) for delivery, data in files), together=together))
        rows_of = [row for batch in found for row in batch.rows.table.to_pylist()]
        return len(found), rows_of, [one for batch in found for one in batch.rows.odd]

    (one, *at_once), (many, *apart) = read_in(2**20), read_in(1)
    monkeypatch.setattr(reading, "FIRST", 1)
    assert read_in(2**20) == (many, *apart)  # the first ones are small
    monkeypatch.setattr(reading, "FIRST", 2**20)
    monkeypatch.setattr(reading, "MOST_RECORDS", 1)
    assert read_in(2**20) == (many, *apart)  # however small they are

    assert (one, many) == (1, 4)  # the last says which files are complete
    assert at_once == apart
    assert len(at_once[0]) == 9
    assert len(at_once[1]) == 1
