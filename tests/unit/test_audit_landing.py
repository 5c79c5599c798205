"""Taking audit logs from a folder into the landing: nothing twice, nothing skipped, late events wake their own day.

S3 and processes that are killed are in tests/integration.
"""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from intelsec_assets import engine
from intelsec_assets.detections.audit.days import build_events, build_rejected, day_counts, find_event
from intelsec_assets.detections.audit.inbox import FolderInbox, InboxError, Listed, arrivals
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.taking import Intake, take
from intelsec_assets.detections.audit.telemetry import AuditSource
from intelsec_assets.detections.errors import DamagedPart, EventError
from intelsec_assets.detections.tables import CLOUD_AUDIT_EVENTS, REJECTED_AUDIT_RECORDS
from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.resources.lake import Lake
from tests.audit_logs import compact, event, lines, wrapped, zipped

DAY = date(2026, 8, 20)
SOURCE = AuditSource("trail", "aws", "logs")
NOW = datetime(2026, 8, 21, 9, tzinfo=UTC)


class Place:
    """A data root with one source, and the landing of its workspace."""

    def __init__(self, root: Path, con: duckdb.DuckDBPyConnection) -> None:
        self.root, self.con = root, con
        self.landing = Landing(root / "home" / "audit")
        (root / "logs").mkdir()

    def deliver(self, name: str, data: bytes, at: datetime = NOW) -> None:
        path = self.root / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))

    def take(self, **more: Any) -> Intake:
        return take(self.con, self.landing, SOURCE, self.root, clock=lambda: NOW, **more)

    def events(self, day: date = DAY) -> list[tuple[Any, ...]]:
        found = build_events(self.con, self.landing.landed(day).parts, day)
        return found.project("event_id, file, record").order("file, record").fetchall()

    def built(self, day: date = DAY) -> str:
        found = build_events(self.con, self.landing.landed(day).parts, day)
        lake = Lake(self.root / "lake")
        return lake.write(self.con, CLOUD_AUDIT_EVENTS, "events", day, found, fingerprint="", inputs={}).sha256


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with engine.quick_session() as con:
        yield Place(tmp_path, con)


def ids(*numbers: int) -> list[str]:
    return [event(number)["eventID"] for number in numbers]


def test_a_file_is_taken_once(place: Place) -> None:
    place.deliver("1.json.gz", zipped(wrapped([event(1), event(2)])))

    first, second = place.take(), place.take()

    assert (first.files, first.events, first.days) == (1, 2, {DAY})
    assert (second.files, second.events) == (0, 0)
    assert [row[0] for row in place.events()] == ids(1, 2)


def test_a_file_that_comes_late_into_an_old_folder_is_not_skipped(place: Place) -> None:
    place.deliver("2026/08/20/2.json", wrapped([event(2)]))
    place.take()

    place.deliver("2026/08/19/1.json", wrapped([event(1)]))

    assert place.take().files == 1
    assert [row[0] for row in place.events()] == ids(1, 2)


def test_a_late_event_wakes_its_own_day_and_no_other(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1), event(2, eventTime="2026-08-19T10:00:00Z")]))
    place.take()
    seen = place.landing.versions()

    place.deliver("2.json", wrapped([event(3, eventTime="2026-08-19T23:59:59Z")]))
    place.take()

    now = place.landing.versions()
    assert [day for day in now if now[day] != seen.get(day)] == [date(2026, 8, 19)]
    assert place.landing.versions() == now


def test_of_an_event_delivered_twice_the_first_delivery_counts_in_whatever_order_it_is_taken(place: Place) -> None:
    early, late = datetime(2026, 8, 20, 13, tzinfo=UTC), datetime(2026, 8, 20, 14, tzinfo=UTC)
    place.deliver("b.json", wrapped([event(1), event(1), event(2)]), late)
    place.take()
    place.deliver("z.json", wrapped([event(1)]), early)
    place.take()

    assert [(row[0], row[1], row[2]) for row in place.events()] == [
        (ids(2)[0], "b.json", 3),
        (ids(1)[0], "z.json", 1),
    ]


def named(place: Place) -> dict[str, tuple[str, list[str]]]:
    found = build_events(place.con, place.landing.landed(DAY).parts, DAY)
    rows = found.project("event_id, event_name, anomalies").fetchall()
    assert len(rows) == len({row[0] for row in rows})
    return {row[0]: (row[1], row[2]) for row in rows}


def test_an_event_cannot_hide_behind_the_id_of_another(place: Place) -> None:
    early, late = datetime(2026, 8, 20, 13, tzinfo=UTC), datetime(2026, 8, 20, 14, tzinfo=UTC)
    place.deliver("real.json", wrapped([event(1), event(2)]), late)
    place.deliver("again.json", wrapped([event(1), dict(reversed(event(1).items()))]), late)
    place.deliver("shadow.json", wrapped([event(1, eventName="DescribeRegions")]), early)
    place.deliver("third.json", wrapped([event(1, eventName="GetUser")]), NOW)
    place.take()
    one, two = ids(1, 2)

    assert named(place) == {
        one: ("DescribeRegions", []),
        f"{one}~2": ("CreateAccessKey", ["id_conflict"]),
        f"{one}~3": ("GetUser", ["id_conflict"]),
        two: ("CreateAccessKey", []),
    }
    found = find_event(place.con, place.landing, f"{one}~2")
    assert found is not None
    assert (found["event_name"], found["event_id"]) == ("CreateAccessKey", f"{one}~2")
    assert find_event(place.con, place.landing, f"{one}~4") is None


def test_an_entry_of_google_delivered_with_its_instant_spelt_otherwise_is_one_event(place: Place) -> None:
    def entry(instant: str, name: str = "SetIamPolicy") -> bytes:
        called = {"serviceName": "iam.googleapis.com", "methodName": name}
        return compact({"insertId": "1", "timestamp": instant, "protoPayload": called}).encode() + b"\n"

    spellings = ("2026-08-20T10:00:00.123Z", "2026-08-20T10:00:00.123000Z", "2026-08-20T10:00:00.123+00:00")
    for number, instant in enumerate(spellings):
        place.deliver(f"{number}.json", entry(instant))
    place.deliver("other.json", entry(spellings[1], "DeleteRole"))
    take(place.con, place.landing, AuditSource("google", "gcp", "logs"), place.root, clock=lambda: NOW)

    found = {name: (called, "id_conflict" in anomalies) for name, (called, anomalies) in named(place).items()}
    assert found == {
        "1@2026-08-20T10:00:00.123Z": ("SetIamPolicy", False),
        "1@2026-08-20T10:00:00.123Z~2": ("DeleteRole", True),
    }


def test_an_event_that_says_a_key_twice_is_not_taken_for_the_one_that_its_last_says(place: Place) -> None:
    plain = compact(event(1, eventName="GetUser")).encode()
    twice = plain.replace(b'"eventName":', b'"eventName":"CreateAccessKey","eventName":', 1)
    place.deliver("1.json", b'{"Records":[' + plain + b"]}")
    place.deliver("2.json", b'{"Records":[' + twice + b"]}")
    place.take()
    assert sorted(name for name, _ in named(place).values()) == ["CreateAccessKey", "GetUser"]


def test_an_event_delivered_under_an_id_that_would_be_given_is_kept_too(place: Place) -> None:
    one = ids(1)[0]
    place.deliver("1.json", wrapped([event(1), event(1, eventName="A"), event(1, eventID=f"{one}~2", eventName="B")]))
    place.take()

    assert named(place) == {
        one: ("CreateAccessKey", []),
        f"{one}~2": ("B", []),
        f"{one}~2~": ("A", ["id_conflict"]),
    }


def test_a_day_with_events_of_one_id_has_the_same_bytes_however_it_was_taken(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other", place.con)
    names = ["A", "B", "C", "A", "D", "B"]
    for number, name in enumerate(names):
        place.deliver(f"{number}.json", wrapped([event(1, eventName=name), event(2)]))
    place.take()
    for number, name in reversed(list(enumerate(names))):
        other.deliver(f"{number}.json", wrapped([event(1, eventName=name), event(2)]))
        other.take()

    assert len(named(place)) == 5
    assert other.built() == place.built() == place.built()


def test_a_file_that_changed_is_taken_again_and_adds_what_is_new(place: Place) -> None:
    place.deliver("1.ndjson", lines([event(1), event(2)]))
    place.take()
    place.deliver("1.ndjson", lines([event(1), event(2), event(3)]), datetime(2026, 8, 21, 10, tzinfo=UTC))

    intake = place.take()

    assert (intake.files, intake.events) == (1, 3)
    assert [row[0] for row in place.events()] == ids(1, 2, 3)
    assert [file.events for file in place.landing.register.files()] == [3]


def test_a_file_delivered_again_with_the_same_bytes_is_noted_and_not_read(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1)]))
    place.take()
    before = place.landing.versions()
    place.deliver("1.json", wrapped([event(1)]), datetime(2026, 8, 22, tzinfo=UTC))

    intake = place.take()

    assert (intake.files, intake.unchanged) == (0, 1)
    assert place.landing.versions() == before
    assert place.take().unchanged == 0


def test_unreadable_files_are_rows_and_are_not_tried_forever(place: Place) -> None:
    place.deliver("bad.json.gz", b"\x1f\x8bnonsense")
    place.deliver("empty.json", b"")
    place.deliver("page.json", b"<html>")
    place.deliver("good.json", wrapped([event(1)]))

    intake = place.take()
    rejected = build_rejected(place.con, place.landing.rejected(NOW.date()).parts, NOW.date())

    assert (intake.files, intake.unreadable, intake.rejected) == (4, 3, 3)
    assert rejected.project("file, record, reason").order("file").fetchall() == [
        ("bad.json.gz", 0, "damaged_gzip"),
        ("empty.json", 0, "empty"),
        ("page.json", 0, "not_json"),
    ]
    assert rejected.columns == REJECTED_AUDIT_RECORDS.column_names
    assert place.take().files == 0


def test_records_in_are_events_and_rejected(place: Place) -> None:
    place.deliver("1.ndjson", lines([event(1), {"a": 1}, event(2), 7]) + b"broken\n")
    place.take()

    (file,) = place.landing.register.files()

    assert (file.status, file.events, file.rejected) == ("ok", 2, 3)
    assert file.events + file.rejected == 5
    assert dict(file.days) == {DAY: 2}


def test_the_same_deliveries_give_the_same_bytes_however_they_were_taken(place: Place, tmp_path: Path) -> None:
    files = {f"{number}.json": wrapped([event(number * 3 + step) for step in range(5)]) for number in range(6)}
    for name, data in files.items():
        place.deliver(name, data)
    place.take()
    at_once = place.built()

    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other", place.con)
    shuffled = list(files.items())
    random.Random(7).shuffle(shuffled)
    for name, data in shuffled:
        other.deliver(name, data)
        other.take(max_files=1)

    assert len(other.landing.landed(DAY).parts) == 6
    assert other.built() == at_once == place.built()


def test_a_day_has_the_columns_of_its_table_also_when_nothing_landed(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1)]))
    place.take()
    full = build_events(place.con, place.landing.landed(DAY).parts, DAY)
    empty = build_events(place.con, place.landing.landed(date(2020, 1, 1)).parts, date(2020, 1, 1))

    assert full.columns == empty.columns == CLOUD_AUDIT_EVENTS.column_names
    assert full.types == empty.types
    assert empty.fetchall() == []
    assert build_rejected(place.con, (), DAY).columns == REJECTED_AUDIT_RECORDS.column_names


def test_more_files_than_are_taken_at_once_are_left_for_the_next_time(place: Place) -> None:
    for number in range(5):
        place.deliver(f"{number}.json", wrapped([event(number)]))

    intakes = [place.take(max_files=2) for _ in range(3)]

    assert [(intake.files, intake.is_complete) for intake in intakes] == [(2, False), (2, False), (1, True)]


def test_a_register_that_is_gone_costs_a_second_reading_and_no_second_event(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1), event(2)]))
    place.take()
    before = place.built()
    for path in place.landing.folder.glob("register*"):
        path.unlink()

    assert place.take().events == 2
    assert place.built() == before


OTHER_DAY = date(2026, 8, 19)


def two_days(place: Place) -> Path:
    """Two files of two days each; the part of the first file on DAY."""
    for number in (1, 2):
        there = event(number * 10, eventTime="2026-08-19T10:00:00Z")
        place.deliver(f"{number}.json", wrapped([event(number), there]))
        place.take()
    parts = place.landing.landed(DAY).parts
    return next(part for part in parts if ids(1)[0] in str(place.con.read_parquet(str(part)).fetchall()))


DAMAGES = {
    "cut off": lambda data: data[: len(data) // 2],
    "emptied": lambda _data: b"",
    "overwritten": lambda data: b"x" * len(data),
    "turned over": lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named_with_its_day_source_and_the_way_out(place: Place, damage: str) -> None:
    part = two_days(place)
    part.write_bytes(DAMAGES[damage](part.read_bytes()))

    with pytest.raises(DamagedPart) as told:
        place.landing.check(place.landing.landed(DAY))

    assert str(part) in str(told.value)
    assert "2026-08-20" in str(told.value)
    assert "trail" in str(told.value)
    assert "intelsec run --day 2026-08-20" in str(told.value)
    place.landing.check(place.landing.landed(OTHER_DAY))


def test_a_part_that_is_another_ones_copy_is_damaged_too(place: Place) -> None:
    part = two_days(place)
    (other,) = set(place.landing.landed(DAY).parts) - {part}
    part.write_bytes(other.read_bytes())

    with pytest.raises(DamagedPart, match=part.name):
        place.landing.check(place.landing.landed(DAY))


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_files_of_a_damaged_part_are_taken_again_and_nothing_is_lost(place: Place, damage: str) -> None:
    part = two_days(place)
    before, data = place.built(), DAMAGES[damage](part.read_bytes())
    part.write_bytes(data)

    (aside,) = place.landing.set_aside(DAY)
    intake = place.take()

    assert [(file.source, file.key) for file in aside.files] == [("trail", "1.json")]
    assert intake.files == 1
    assert place.landing.still_out(aside) == []
    assert place.built() == before
    assert aside.part.read_bytes() == data  # what can be saved of it is somebody's decision
    assert place.landing.set_aside(DAY) == []


def test_files_that_are_gone_from_their_place_are_named_and_the_rest_is_there(place: Place) -> None:
    part = two_days(place)
    part.write_bytes(b"")
    (place.root / "logs" / "1.json").unlink()

    (aside,) = place.landing.set_aside(DAY)
    place.take()

    assert [(file.source, file.key) for file in place.landing.still_out(aside)] == [("trail", "1.json")]
    assert [row[0] for row in place.events()] == ids(2)
    assert place.landing.aside(DAY) == [aside.part]


def test_a_damaged_part_of_rejected_records_is_written_anew(place: Place) -> None:
    place.deliver("bad.json", b"<html>")
    place.deliver("good.json", wrapped([event(1)]))
    place.take()
    (part,) = place.landing.rejected(NOW.date()).parts
    data = part.read_bytes()
    part.write_bytes(data[:40])

    (aside,) = place.landing.set_aside(NOW.date())
    place.take()

    assert [(file.source, file.key) for file in aside.files] == [("trail", "bad.json")]
    assert [one.read_bytes() for one in place.landing.rejected(NOW.date()).parts] == [data]


LATER = datetime(2026, 8, 21, 8, 30, tzinfo=UTC)


def taken_again(place: Place, day: date = DAY) -> str:
    """What the operator is told of the one damaged part of a day, whose files are taken again."""
    (place.root / "telemetry.yaml").write_text("version: 1\naudit:\n  - {name: trail, provider: aws, location: logs}\n")
    sources = DetectionSources(place.root / "home", place.root, place.root / "detections")
    (told,) = sources.take_again(day, lambda: NOW)
    return told


def forget_what_parts_are_made_of(place: Place) -> None:
    """The register as it was before it noted that."""
    with closing(sqlite3.connect(place.landing.register.path)) as con:
        con.execute("drop table part_files")


@pytest.mark.parametrize("kept_day", [True, False], ids=["an event of the same day", "events of another day"])
def test_what_a_rewritten_file_no_longer_gives_is_told_as_missing(place: Place, kept_day: bool) -> None:
    old = wrapped([event(1), event(2)])
    place.deliver("a.json", old)
    place.take()
    (part,) = place.landing.landed(DAY).parts
    place.deliver("a.json", wrapped([event(3) if kept_day else event(3, eventTime="2026-08-19T10:00:00Z")]), LATER)
    place.take()
    part.write_bytes(b"")

    with pytest.raises(DamagedPart, match="of the source trail"):
        place.landing.check(place.landing.landed(DAY))
    told = taken_again(place)

    assert [row[0] for row in place.events()] == (ids(3) if kept_day else [])
    assert "nothing is lost" not in told
    assert "delete" not in told
    assert "Of the 1 files that it was made of 1 " in told
    assert f"trail: a.json, sha256 {hashlib.sha256(old).hexdigest()[:16]}" in told
    assert str(DAY) in told
    assert f"Keep {part.stem}.damaged" in told
    assert f"intelsec run --day {DAY}" in told


def test_the_old_content_of_a_rewritten_file_can_be_brought_back_under_another_name(place: Place) -> None:
    old = wrapped([event(1), event(2)])
    place.deliver("a.json", old)
    place.take()
    (part,) = place.landing.landed(DAY).parts
    place.deliver("a.json", wrapped([event(3)]), LATER)
    place.take()
    part.write_bytes(b"")
    taken_again(place)

    place.deliver("a-old.json", old)
    place.take()

    assert sorted(row[0] for row in place.events()) == ids(1, 2, 3)


def test_a_file_that_is_rewritten_before_its_part_is_found_damaged_was_not_taken_again(place: Place) -> None:
    place.deliver("a.json", wrapped([event(1)]))
    place.deliver("b.json", wrapped([event(2)]))
    place.take()
    (part,) = place.landing.landed(DAY).parts
    part.write_bytes(b"")
    place.deliver("a.json", wrapped([event(3)]), LATER)

    told = taken_again(place)

    assert "Of the 2 files that it was made of 1 " in told
    assert "trail: a.json" in told
    assert "b.json" not in told


def test_nothing_is_lost_only_if_every_file_of_the_part_was_taken_again_as_it_was(place: Place) -> None:
    place.deliver("a.json", wrapped([event(1)]))
    place.deliver("b.json", wrapped([event(2)]))
    place.take()
    (part,) = place.landing.landed(DAY).parts
    part.write_bytes(b"")

    told = taken_again(place)

    assert [row[0] for row in place.events()] == ids(1, 2)
    assert "The 2 files that it was made of were taken again with the content they had" in told
    assert told.endswith("nothing is lost; delete it.")


def test_a_process_killed_after_it_forgot_the_files_of_a_part_leaves_them_known(place: Place) -> None:
    place.deliver("a.json", wrapped([event(1)]))
    place.take()
    (part,) = place.landing.landed(DAY).parts
    part.write_bytes(b"")
    place.landing.register.forget([("trail", "a.json")])
    (place.root / "logs" / "a.json").unlink()

    assert "trail: a.json" in taken_again(place)


@pytest.mark.parametrize("is_gone", [False, True], ids=["register of before", "register gone"])
def test_of_a_part_whose_files_are_not_noted_nobody_says_that_nothing_is_lost(place: Place, is_gone: bool) -> None:
    part = two_days(place)
    if is_gone:
        for path in place.landing.folder.glob("register*"):
            path.unlink()
    else:
        forget_what_parts_are_made_of(place)
    part.write_bytes(b"")

    with pytest.raises(DamagedPart, match="Of which files it was made is not noted"):
        place.landing.check(place.landing.landed(DAY))
    told = taken_again(place)

    assert sorted(row[0] for row in place.events()) == ids(1, 2)  # all the same, what is known was taken again
    assert "Of which files it was made is not noted" in told
    assert "nothing is lost" not in told
    assert "delete" not in told
    assert ("Known of 2026-08-20 are 2 files of the source trail" in told) is not is_gone
    assert f"Keep {part.stem}.damaged" in told


def test_a_file_of_which_nothing_could_be_read_is_taken_again_by_a_register_of_before(place: Place) -> None:
    place.deliver("bad.json", b"<html>")
    place.take()
    forget_what_parts_are_made_of(place)
    (part,) = place.landing.rejected(NOW.date()).parts
    data = part.read_bytes()
    part.write_bytes(b"")

    (aside,) = place.landing.set_aside(NOW.date())
    place.take()

    assert [(file.key, file.sha256) for file in aside.files] == [("bad.json", hashlib.sha256(b"<html>").hexdigest())]
    assert not aside.is_known
    assert [one.read_bytes() for one in place.landing.rejected(NOW.date()).parts] == [data]


def test_a_part_that_cannot_be_read_for_another_reason_is_left_where_it_is(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = two_days(place)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(EventError, match="Permission denied"):
        place.landing.set_aside(DAY)
    monkeypatch.undo()

    assert part in place.landing.landed(DAY).parts


def test_what_is_delivered_twice_is_counted_apart_from_events_and_what_is_taken_twice_is_not(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1), event(2)]))
    place.deliver("2.json", wrapped([event(2), event(3), event(3)]))
    place.take()
    for path in place.landing.folder.glob("register*"):
        path.unlink()
    place.deliver("3.json", wrapped([event(1)]))
    place.take()

    (count,) = day_counts(place.con, place.landing)

    assert (count.events, count.sources, count.delivered) == (3, {"trail": 3}, {"trail": 6})
    assert count.delivered_twice == 3


def test_days_beside_a_damaged_part_are_counted_and_their_events_found(place: Place) -> None:
    part = two_days(place)
    part.write_bytes(part.read_bytes()[:100])

    other, damaged = day_counts(place.con, place.landing)

    assert (other.day, other.events, other.damaged) == (OTHER_DAY, 2, ())
    assert (damaged.day, damaged.events, damaged.damaged) == (DAY, 1, (part,))
    assert find_event(place.con, place.landing, ids(10)[0]) is not None
    assert find_event(place.con, place.landing, ids(2)[0]) is not None
    with pytest.raises(DamagedPart, match=part.name):
        find_event(place.con, place.landing, ids(1)[0])


def test_a_folder_that_is_not_there_concludes_nothing(place: Place) -> None:
    (place.root / "logs").rmdir()

    with pytest.raises(InboxError, match="no such folder"):
        place.take()


def test_a_file_that_cannot_be_opened_stays_an_arrival(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.deliver("1.json", wrapped([event(1)]))
    place.deliver("2.json", wrapped([event(2)]))
    real = FolderInbox.opened

    def opened(self: FolderInbox, file: Listed) -> Any:
        if file.key == "1.json":
            raise InboxError("1.json: cannot be read: permission denied")
        return real(self, file)

    monkeypatch.setattr(FolderInbox, "opened", opened)
    intake = place.take()
    monkeypatch.undo()

    assert intake.not_fetched == {"1.json": "1.json: cannot be read: permission denied"}
    assert intake.files == 1
    assert place.take().files == 1


def breaking(monkeypatch: pytest.MonkeyPatch, broken: set[str], after: int) -> None:
    """Files of some keys fail after so many bytes when they are read for the second time; the first is for the hash."""
    real = FolderInbox.opened

    class Failing:
        def __init__(self, stream: Any) -> None:
            self.stream, self.left = stream, None

        def seek(self, place: int) -> int:
            self.left = after
            return int(self.stream.seek(place))

        def read(self, size: int = -1) -> bytes:
            if self.left is not None:
                size = min(size, self.left)
                self.left -= size
                if not size:
                    raise OSError(5, "Input/output error")
            return bytes(self.stream.read(size))

    @contextmanager
    def opened(self: FolderInbox, file: Listed) -> Iterator[Any]:
        with real(self, file) as stream:
            yield Failing(stream) if file.key in broken else stream

    monkeypatch.setattr(FolderInbox, "opened", opened)


@pytest.mark.parametrize("after", [0, 300, 700])
def test_a_file_that_breaks_off_while_it_is_read_costs_nothing_of_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    place.deliver("a.json", lines([event(1), event(2)]))
    place.deliver("b.json", lines([event(3), event(4)]))
    place.deliver("c.json", lines([event(5)]))
    breaking(monkeypatch, {"b.json"}, after)
    intake = place.take()
    (noted,) = place.landing.register.not_fetched("trail")
    monkeypatch.undo()

    assert intake.files == 2
    assert list(intake.not_fetched) == ["b.json"]
    assert (noted.key, noted.since) == ("b.json", NOW)
    assert "Input/output error" in noted.why
    assert place.take().files == 1
    assert place.landing.register.not_fetched("trail") == []
    assert [row[0] for row in place.events()] == ids(1, 2, 3, 4, 5)


def test_files_that_cannot_be_read_do_not_keep_out_those_that_come_after(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.json", "b.json"):
        place.deliver(name, wrapped([event(1)]))
    place.deliver("c.json", wrapped([event(3)]))
    breaking(monkeypatch, {"a.json", "b.json"}, 0)

    taken = [place.take(max_files=2).files for _ in range(2)]

    assert taken == [0, 1]
    assert [file.key for file in place.landing.register.not_fetched("trail")] == ["a.json", "b.json"]


def test_a_folder_that_may_not_be_listed_costs_nothing_of_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.deliver("closed/1.json", wrapped([event(1)]))
    place.deliver("open/2.json", wrapped([event(2)]))
    real = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    intake = place.take()
    monkeypatch.undo()

    assert (intake.files, list(intake.not_fetched)) == (1, ["closed"])
    assert place.take().files == 1


def test_a_name_that_is_no_utf8_is_a_file_like_any_other(place: Place) -> None:
    place.deliver(os.fsdecode(b"bad\xff.json"), wrapped([event(1)]))
    place.deliver("good.json", wrapped([event(2)]))

    intake = place.take()

    assert [row[:2] for row in place.events()] == [(ids(1)[0], "bad\\xff.json"), (ids(2)[0], "good.json")]
    assert (intake.files, place.take().files) == (2, 0)


def test_a_name_that_holds_what_bytes_of_another_are_written_as_is_a_file_of_its_own(place: Place) -> None:
    place.deliver(os.fsdecode(b"bad\xff.json"), wrapped([event(1)]))
    place.deliver("bad\\xff.json", wrapped([event(2)]))

    place.take()

    assert sorted(row[0] for row in place.events()) == ids(1, 2)
    assert place.take().files == 0


FUTURE_NAME = "1_CloudTrail_us-east-1_20990101T0000Z_x.json"
OLD_NAME = "1_CloudTrail_us-east-1_20200101T0000Z_x.json"


@pytest.mark.parametrize("at", [NOW, datetime(2099, 1, 1, tzinfo=UTC)])
def test_neither_name_nor_time_stamp_of_a_file_makes_an_event_of_the_future_believable(
    place: Place, at: datetime
) -> None:
    place.deliver(FUTURE_NAME, wrapped([event(1), event(2, eventTime="2099-01-01T00:00:00Z")]), at)
    intake = place.take()

    rejected = build_rejected(place.con, place.landing.rejected(NOW.date()).parts, NOW.date())
    assert (intake.events, intake.days) == (1, {DAY})
    assert rejected.project("record, reason").fetchall() == [(2, "future")]


def test_an_old_name_costs_no_event_of_today_and_is_named(place: Place) -> None:
    place.deliver(OLD_NAME, wrapped([event(1), event(2, eventTime="2026-08-21T10:30:00Z")]))

    assert place.take().rejected == 1
    assert named(place) == {ids(1)[0]: ("CreateAccessKey", ["delivery_name_disagrees"])}


def test_the_time_stamp_of_a_copy_changes_no_row(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other", place.con)
    for one, at in ((place, NOW), (other, datetime(2026, 8, 21, 8, tzinfo=UTC))):
        one.deliver("1_CloudTrail_us-east-1_20260820T1115Z_x.json", wrapped([event(1), event(2)]), at)
        one.take()

    assert place.built() == other.built()


def test_links_do_not_lead_out_of_the_data_root(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.json").write_bytes(wrapped([event(1)]))
    (place.root / "logs" / "link.json").symlink_to(outside / "secret.json")
    (place.root / "logs" / "folder").symlink_to(outside)
    place.deliver(".being-written.json", wrapped([event(2)]))

    assert place.take().files == 0


def test_a_link_to_a_file_of_the_data_root_is_followed(place: Place) -> None:
    (place.root / "elsewhere.json").write_bytes(wrapped([event(1)]))
    (place.root / "logs" / "link.json").symlink_to(place.root / "elsewhere.json")

    assert place.take().events == 1


LINKS = {"to a folder": "../elsewhere", "to a file outside": "/etc/hostname", "to nothing": "gone", "to itself": "link"}


@pytest.mark.parametrize("target", LINKS.values(), ids=LINKS)
def test_a_link_that_is_not_followed_is_named_and_costs_nothing_of_the_others(place: Place, target: str) -> None:
    (place.root / "elsewhere").mkdir()
    (place.root / "logs" / "link").symlink_to(target)
    place.deliver("sub/good.json", wrapped([event(1)]))

    intake = place.take()

    assert (intake.files, list(intake.not_fetched)) == (1, ["link"])
    assert "a link, which is not followed" in intake.not_fetched["link"]
    assert "deliver the file itself" in intake.not_fetched["link"]


def test_what_is_no_file_is_named_and_never_opened(place: Place) -> None:
    """Opening a pipe waits until somebody writes into it."""
    os.mkfifo(place.root / "logs" / "fifo.json.gz")
    place.deliver("good.json", wrapped([event(1)]))

    intake = place.take()

    assert (intake.files, list(intake.not_fetched)) == (1, ["fifo.json.gz"])
    assert "fifo.json.gz: not a regular file" in intake.not_fetched["fifo.json.gz"]


def test_what_cannot_be_taken_is_noted_once_and_until_it_is_gone(place: Place) -> None:
    (place.root / "elsewhere").mkdir()
    link = place.root / "logs" / "link"
    link.symlink_to("../elsewhere")
    place.deliver("good.json", wrapped([event(1)]))
    place.take()
    noted, landed = place.landing.register.not_fetched("trail"), place.landing.versions()

    later = place.take()

    assert [file.key for file in noted] == ["link"]
    assert (later.files, later.days, place.landing.versions()) == (0, set(), landed)
    assert place.landing.register.not_fetched("trail") == noted
    link.unlink()
    place.take()
    assert place.landing.register.not_fetched("trail") == []


def test_arrivals_are_what_is_new_and_what_changed() -> None:
    def listed(key: str, version: str) -> Listed:
        return Listed(key, 1, version, NOW)

    found = arrivals([listed("b", "1"), listed("a", "2"), listed("c", "1")], {"b": "1", "a": "1"})

    assert [file.key for file in found.new] == ["c"]
    assert [file.key for file in found.changed] == ["a"]
    assert [file.key for file in found.all] == ["a", "c"]


def test_an_event_is_found_by_its_id_and_days_are_counted(place: Place) -> None:
    place.deliver("1.json", wrapped([event(1), event(2, sourceIPAddress="AWS Internal")]))
    place.take()

    found = find_event(place.con, place.landing, ids(2)[0])
    (count,) = day_counts(place.con, place.landing)

    assert found is not None
    assert found["source_service"] == "AWS Internal"
    assert find_event(place.con, place.landing, "' or 1=1") is None
    assert (count.events, count.sources, count.anomalies) == (2, {"trail": 2}, {"service_as_address": 1})
