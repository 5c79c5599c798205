"""Damaged, hostile and confused audit logs: what can be read is kept, what cannot is a row that says why.

Sound envelopes are in test_audit_envelopes.
"""

from __future__ import annotations

import gzip
import io
import json
import random
from datetime import timedelta

import pytest

from intelsec_assets.detections.audit import unpacking
from intelsec_assets.detections.audit.framing import MAX_EVENT
from intelsec_assets.detections.audit.unpacking import Unpacking
from tests.audit_logs import DELIVERED, compact, event, lines, read, rows, wrapped, zipped


def reasons(data: bytes) -> list[tuple[int, str]]:
    return [(one.odd.record, one.odd.reason) for one in read(data)[1]]


def test_a_truncated_gzip_keeps_the_events_before_the_cut() -> None:
    noise = [event(number, userAgent=f"agent {number * 7919 % 1009} {number}") for number in range(1, 400)]
    data = zipped(lines(noise))

    table, odd, files = read(data[: len(data) // 2])

    kept = table.column("event_id").to_pylist()
    assert kept == [one["eventID"] for one in noise[: len(kept)]]
    assert len(kept) > 50
    # the line that was cut, and the file that was
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(0, "truncated"), (len(kept) + 1, "malformed")]
    assert (files[0].status, files[0].reason) == ("ok", "truncated")


def test_a_truncated_wrapper_keeps_the_events_before_the_cut() -> None:
    data = wrapped([event(1), event(2), event(3)])

    table, odd, _ = read(data[:-400])

    assert table.column("record").to_pylist() == [1, 2]
    assert [one.odd.reason for one in odd] == ["truncated"]


def test_a_damaged_gzip_is_unreadable_with_its_reason() -> None:
    data = bytearray(zipped(lines([event(1)])))
    data[20] ^= 0xFF

    _, odd, files = read(bytes(data))

    assert files[0].status == "unreadable"
    assert odd[0].odd.record == 0


def test_every_size_of_a_gzip_is_unpacked_whole() -> None:
    for size in (0, 1, 2**20, 4 * 2**20 - 1, 4 * 2**20, 4 * 2**20 + 1, 30 * 2**20):
        data = random.Random(size).randbytes(min(size, 5000)) * (size // 5000 + 1)
        stream = Unpacking(io.BytesIO(gzip.compress(data[:size])), max_ratio=10_000)

        assert b"".join(stream.blocks()) == data[:size]
        assert stream.cut is None


def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = zipped(b'{"eventName": "' + b" " * 40_000_000)

    stream = Unpacking(io.BytesIO(bomb))
    held = sum(len(block) for block in stream.blocks())

    assert stream.cut is not None
    assert stream.cut.reason == "bomb"
    assert held <= unpacking.RATIO_FROM + 2**23
    assert (0, "bomb") in reasons(bomb)


def test_a_file_with_a_dense_start_is_no_bomb() -> None:
    """Of the first event 20 MB pack into less than a slice of the file; the whole packs 50 times."""
    dense = event(1, requestParameters={"policy": "x" * 20_000_000})
    noise = random.Random(7)
    others = [event(number, userAgent=noise.randbytes(100).hex()) for number in range(2, 3000)]

    table, odd, _ = read(zipped(lines([dense, *others])))

    assert table.num_rows == len(others)
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(1, "too_large")]


@pytest.mark.parametrize(
    "start",
    [b"\n" * (5 * 2**20), b"\n" + lines([event(1, userAgent="x" * 5_000_000)]) + b"\n"],
    ids=["blank lines", "a line larger than a block between blank ones"],
)
def test_one_broken_line_costs_no_other_however_the_file_starts(start: bytes) -> None:
    """Read as one document a file ends where it breaks."""
    good = [event(number) for number in range(2, 100)]

    table, odd, _ = read(start + lines(good[:1]) + b'{"eventTime": "2023-\n' + lines(good[1:]))

    assert set(table.column("event_id").to_pylist()) >= {one["eventID"] for one in good}
    assert "malformed" in {one.odd.reason for one in odd}


def test_a_text_without_end_reaches_to_the_end_of_the_file() -> None:
    """Looked for again behind each of its escaped quotes, its end costs the square of its length."""
    data = b'{"Records":[' + lines([event(1)]).strip() + b',{"eventName":"' + b'\\"}' * 60_000

    table, odd, _ = read(data)

    assert table.num_rows == 1
    assert [one.odd.reason for one in odd] == ["truncated"]


def test_a_file_of_more_bytes_than_a_file_may_have_is_cut_there() -> None:
    stream = Unpacking(io.BytesIO(lines([event(number) for number in range(3000)])), max_bytes=1_100_000)

    list(stream.blocks())

    assert stream.cut is not None
    assert stream.cut.reason == "too_large"


@pytest.mark.parametrize("wrap", [lines, wrapped, lambda events: json.dumps(events, indent=1).encode()])
def test_one_event_of_20_mb_is_refused_and_the_others_are_kept(wrap: object) -> None:
    huge = event(2, requestParameters={"policy": "x" * 20_000_000})
    data = wrap([event(1), huge, event(3)])  # type: ignore[operator]

    table, odd, _ = read(data)

    assert table.column("record").to_pylist() == [1, 3]
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(2, "too_large")]
    assert len(odd[0].odd.raw or "") == 4096
    assert len(compact(huge)) > MAX_EVENT


LARGE = {
    "wrapper": lambda events: json.dumps({"Records": events}),
    "bare list": json.dumps,
    "something before the records": lambda events: compact({"meta": {"a": 1}, "Records": events}),
    "something before the records, spaced": lambda events: json.dumps({"meta": {"a": 1}, "Records": events}) + "\n",
}


@pytest.mark.parametrize("layout", LARGE)
def test_a_document_larger_than_an_event_may_be_is_no_event(layout: str) -> None:
    events = [event(number) for number in range(7000)]
    data = LARGE[layout](events).encode()
    assert len(data) > MAX_EVENT

    assert [row["event_id"] for row in rows(data)] == [one["eventID"] for one in events]


@pytest.mark.parametrize("layout", LARGE)
def test_of_a_document_only_the_event_that_is_too_large_is_refused(layout: str) -> None:
    huge = event(2, requestParameters={"policy": "x" * 5_000_000})
    turned = dict(reversed(event(3).items()))

    table, odd, _ = read(LARGE[layout]([event(1), huge, turned]).encode())

    assert table.column("record").to_pylist() == [1, 3]
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(2, "too_large")]


def test_a_large_azure_export_with_spaces_is_read() -> None:
    records = [
        {
            "time": "2026-08-20T10:00:00Z",
            "operationName": "A/B/ACTION",
            "resourceId": "/x",
            "properties": {"eventDataId": str(number), "p": "q" * 400},
        }
        for number in range(9000)
    ]

    assert len(rows(json.dumps({"records": records}).encode(), provider="azure")) == 9000


def test_wrappers_a_line_each_that_start_with_something_else_are_unwrapped() -> None:
    data = "".join(compact({"meta": 1, "Records": [event(number)]}) + "\n" for number in (1, 2)).encode()

    assert [row["event_id"][-1] for row in rows(data)] == ["1", "2"]


@pytest.mark.parametrize("layout", ["lines", "wrapper", "pretty"])
def test_an_event_nested_a_thousand_deep_is_read_like_any_other(layout: str) -> None:
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    first, second = compact(event(1)), compact(event(2))
    nested = second.replace('{"userName":"ada"}', deep)
    text = {
        "lines": f"{first}\n{nested}\n",
        "wrapper": f'{{"Records":[{first},{nested}]}}',
        "pretty": f'{{"Records": [\n {first},\n {nested}\n]}}',
    }[layout]

    found = rows(text.encode())

    assert [row["event_id"][-1] for row in found] == ["1", "2"]
    assert found[1]["event"] == nested


WRONG = [None, True, 7, -1.5, "", "x", [], ["a"], [{"a": 1}], {}, {"a": {"b": None}}]


@pytest.mark.parametrize("name", sorted(event().keys() - {"eventTime", "eventName", "eventSource"}))
def test_a_wrong_type_in_any_field_costs_nothing_but_that_field(name: str) -> None:
    events = [{**event(number), name: value} for number, value in enumerate(WRONG, 1)]

    found = rows(lines(events))

    assert [row["record"] for row in found] == list(range(1, len(WRONG) + 1))
    assert [row["event_name"] for row in found] == ["CreateAccessKey"] * len(WRONG)


@pytest.mark.parametrize("name", ["type", "arn", "accountId", "userName", "sessionContext"])
def test_a_wrong_type_in_any_part_of_the_identity_costs_nothing_but_that_part(name: str) -> None:
    events = [
        {**event(number), "userIdentity": {**event()["userIdentity"], name: value}}
        for number, value in enumerate(WRONG, 1)
    ]

    assert [row["actor_principal"] for row in rows(lines(events))] == ["AIDAEXAMPLE"] * len(WRONG)


def test_wrong_types_are_named() -> None:
    found = rows(lines([event(1, readOnly="perhaps"), event(2, sourceIPAddress=["a"]), event(3, eventName={"a": 1})]))

    assert (found[0]["read_only"], found[0]["anomalies"]) == (None, ["wrong_type"])
    assert "invalid_address" in found[1]["anomalies"]
    assert (found[2]["event_name"], "wrong_type" in found[2]["anomalies"]) == ('{"a":1}', True)


def test_bytes_that_are_no_utf8_are_replaced_and_named() -> None:
    good, bad = lines([event(1)]), lines([event(2, userAgent="agent")]).replace(b"agent", b"ag\xff\xfent")

    found = rows(good + bad)

    assert found[1]["user_agent"] == "ag��nt"
    assert [row["anomalies"] for row in found] == [[], ["invalid_utf8"]]
    assert rows(b'{"Records":[' + bad.rstrip() + b"]}")[0]["anomalies"] == ["invalid_utf8"]


def test_what_only_some_readers_take_is_put_right_and_named() -> None:
    texts = [
        compact(event(1, requestParameters={"n": 1})).replace('"n":1', '"n":NaN'),
        compact(event(2, requestParameters={"n": 1})).replace('"n":1', '"n":-Infinity'),
        compact(event(3)).replace("aws-cli", "aws\\u0000cli"),
        compact(event(4)).replace("aws-cli", "aws\\ud800cli"),
        compact(event(5)).replace("aws-cli", "aws\x01cli"),
        compact(event(6, userAgent="NaN and Infinity")),
    ]

    found = rows("\n".join(texts).encode())

    assert [row["anomalies"] for row in found] == [
        ["non_finite_number"],
        ["non_finite_number"],
        ["nul_character"],
        ["lone_surrogate"],
        ["control_character"],
        [],
    ]
    assert [row["record"] for row in found] == [1, 2, 3, 4, 5, 6]
    assert json.loads(found[0]["event"], parse_constant=pytest.fail)["requestParameters"] == {"n": None}
    assert found[2]["user_agent"] == "aws�cli/2.15"


def test_of_a_key_given_twice_the_first_counts() -> None:
    text = compact(event(1)).replace('"eventName":"CreateAccessKey"', '"eventName":"First","eventName":"Second"')

    assert [row["event_name"] for row in rows(text.encode() + b"\n" + text.encode())] == ["First", "First"]


def test_a_record_that_is_no_event_is_a_row_with_its_place_and_text() -> None:
    data = lines([event(1), {"hello": "world"}, 5, "text", [1]]) + b"not json at all\n"

    table, odd, _ = read(data)

    assert table.column("record").to_pylist() == [1]
    assert [(one.odd.record, one.odd.reason) for one in odd] == [
        (2, "not_an_event"),
        (3, "not_an_event"),
        (4, "not_an_event"),
        (5, "not_an_event"),
        (6, "malformed"),
    ]
    assert odd[0].odd.raw == '{"hello":"world"}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "empty"), (b" \n\n ", "empty"), (zipped(b""), "empty"), (b"<xml/>", "not_json"), (b"[]", "empty")],
)
def test_a_file_without_records_says_so(data: bytes, reason: str) -> None:
    table, odd, files = read(data)

    assert table.num_rows == 0
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(0, reason)]
    assert files[0].status == "unreadable"


def test_an_event_from_the_future_is_refused_and_a_clock_within_the_hour_is_noted() -> None:
    ahead = [timedelta(0), timedelta(minutes=59), timedelta(minutes=61), timedelta(days=400)]
    times = [(DELIVERED + by).strftime("%Y-%m-%dT%H:%M:%SZ") for by in ahead]

    table, odd, _ = read(lines([event(number, eventTime=time) for number, time in enumerate(times, 1)]))

    assert table.column("anomalies").to_pylist() == [[], ["ahead_of_delivery"]]
    assert [(one.odd.record, one.odd.reason) for one in odd] == [(3, "future"), (4, "future")]
    assert times[2] in odd[0].odd.detail


def test_clocks_that_disagree_by_an_hour_change_no_day_but_their_own() -> None:
    slow, fast = event(1, eventTime="2026-08-20T00:30:00Z"), event(2, eventTime="2026-08-19T23:30:00Z")

    assert [str(row["day"]) for row in rows(lines([slow, fast]))] == ["2026-08-20", "2026-08-19"]


@pytest.mark.parametrize("data", [b'{"Records":[]}', b' {"meta": {"a": 1}, "Records": [ ], "next": null}\n'])
def test_a_wrapper_without_records_is_nothing_unusual(data: bytes) -> None:
    table, odd, files = read(data)

    assert (table.num_rows, odd, files[0].status) == (0, [], "ok")


@pytest.mark.parametrize(
    ("behind", "name"),
    [
        ('"more":[{"a":1}]', '"more"'),
        ('"next":null,"Records":[{"eventName":"x"}]', '"Records"'),
        ('"one":{"eventName":"x"}', '"one"'),
        ('"nextLink":"https://example.com","none":[],"empty":{ }', None),
    ],
)
@pytest.mark.parametrize("space", ["", " "])
def test_what_stands_behind_the_records_is_refused_by_name(behind: str, name: str | None, space: str) -> None:
    data = f'{{"Records":[{compact(event(1))},{compact(event(2))}],{space}{behind}}}\n{compact(event(3))}'

    for text in (data, data.partition("\n")[0]):
        table, odd, _ = read(text.encode())

        assert table.column("event_id").to_pylist()[:2] == [event(1)["eventID"], event(2)["eventID"]]
        assert [one.odd.reason for one in odd] == ["beside_the_records"] * (name is not None)
        assert all(str(name) in one.odd.detail for one in odd)


def test_a_list_before_the_records_is_refused() -> None:
    data = compact({"more": [event(1)], "Records": [event(2)]}).encode()

    table, odd, _ = read(data)

    assert table.column("event_id").to_pylist() == [event(2)["eventID"]]
    assert [one.odd.reason for one in odd] == ["beside_the_records"]


@pytest.mark.parametrize(
    "more",
    [
        {"Records": [event(1)]},
        {"logFiles": [event(1)]},
        {**event(1), "requestParameters": {"digestS3Object": "x"}},
    ],
)
def test_events_do_not_pass_for_a_digest(more: dict[str, object]) -> None:
    digest = {"awsAccountId": "1", "digestStartTime": "2026-08-20T10:00:00Z", "digestS3Object": "x"}

    table, odd, files = read(compact(digest | more).encode())

    assert files[0].status != "digest"
    assert table.num_rows + len(odd) == 1


@pytest.mark.parametrize("zone", ["+99:00", "-99", "+15:00", "+14:30", "+1500"])
def test_a_time_of_no_zone_there_is_is_refused(zone: str) -> None:
    assert reasons(lines([event(1, eventTime=f"2026-08-20T10:00:00{zone}")])) == [(1, "no_time")]


@pytest.mark.parametrize(("zone", "hour"), [("+14:00", 20), ("-05:30", 15), ("+00", 10), ("Z", 10), ("", 10)])
def test_a_time_of_any_zone_is_read(zone: str, hour: int) -> None:
    day = 19 if zone == "+14:00" else 20

    (row,) = rows(lines([event(1, eventTime=f"2026-08-20T10:00:00{zone}")]), delivered=DELIVERED + timedelta(days=1))

    assert (row["event_time"].day, row["event_time"].hour) == (day, hour)


@pytest.mark.parametrize("time", ["yesterday", "infinity", "", "2026-13-45T99:99:99Z", None, 5, True, {}, "9" * 30])
def test_a_time_that_is_none_is_refused(time: object) -> None:
    assert reasons(lines([{**event(1), "eventTime": time}, event(2)])) == [(1, "no_time")]


def test_a_time_before_there_were_logs_is_refused() -> None:
    assert reasons(lines([event(1, eventTime="1970-01-01T00:00:00Z"), event(2)])) == [(1, "past")]


def test_records_are_conserved_whatever_is_thrown_in() -> None:
    junk = [b"{", b"nonsense", b'{"a":1}', b"\xff\xfe", b"null", b'{"eventName":"x"}']
    data = b"\n".join(line for number, bad in enumerate(junk) for line in (bad, compact(event(number)).encode()))

    table, odd, _ = read(b"{}\n" + data)

    assert table.num_rows + len(odd) == 1 + 2 * len(junk)
    assert table.num_rows == len(junk)
