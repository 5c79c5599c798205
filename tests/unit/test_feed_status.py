"""The health of a feed against its contract, case by case."""

from __future__ import annotations

from datetime import date

import duckdb
import pytest

from intelsec_assets.feeds.catalogue import Contract, Feed
from intelsec_assets.feeds.snapshot import Snapshot, SnapshotFile
from intelsec_assets.feeds.status import Counts, content_hash, feed_status, statuses
from intelsec_assets.tables import FEED_STATUS, OBSERVATIONS, REJECTED_OBSERVATIONS

DAY = date(2026, 3, 4)
READ = Snapshot("f", DAY, "read", (SnapshotFile("a", "0" * 64, 1),), "aa")
SAME = content_hash(READ.files)
UNREADABLE = Snapshot("f", DAY, "unreadable", reason="a.txt: no such file")


def feed(name: str = "f", **keys) -> Feed:
    return Feed(name=name, title="F", publisher="P", licence="CC0-1.0", local="a", format="plain", **keys)


def rows(rows_in: int, rejected: int = 0) -> Counts:
    return Counts(rows_in, rows_in - rejected, rejected, rows_in - rejected, rows_in - rejected)


def before(
    rows_in: int, status: str = "ok", baseline: int | None = None, unchanged: int = 0, sha256: str | None = SAME
):
    row = {"status": status, "rows_in": rows_in, "baseline_rows": baseline, "unchanged_days": unchanged}
    return {**row, "snapshot_sha256": sha256}


STRICT = Contract(min_rows=10, max_rows=1000, max_shrink=0.5, max_unchanged_days=3, max_rejected=0.2)


@pytest.mark.parametrize(
    ("keys", "snapshot", "error", "counts", "previous", "status", "words"),
    [
        ({}, READ, None, rows(100), None, "ok", "100 rows, 0 of them rejected"),
        ({"from_day": date(2026, 4, 1)}, None, None, rows(0), None, "not_due", "from 2026-04-01"),
        ({"until_day": date(2026, 3, 1)}, READ, None, rows(0), before(100), "not_due", "until 2026-03-01"),
        ({}, UNREADABLE, None, rows(0), before(100), "unreadable", "no such file"),
        ({}, None, None, rows(0), before(100), "unreadable", "no snapshot"),
        ({}, READ, "an HTML page", rows(0), before(100), "unreadable", "an HTML page"),
        ({}, READ, None, rows(0), before(100), "empty", "0 rows; the contract asks for at least 10"),
        ({"contract": Contract()}, READ, None, rows(0), None, "ok", "0 rows"),
        ({"contract": Contract()}, READ, None, rows(0), before(500), "shrunk", "100.0% fewer than the 500"),
        ({}, READ, None, rows(9), None, "shrunk", "9 rows; the contract asks for at least 10 (min_rows)"),
        ({}, READ, None, rows(1001), None, "shrunk", "1,001 rows; the contract allows 1,000 (max_rows)"),
        ({}, READ, None, rows(49), before(100), "shrunk", "51.0% fewer than the 100 of its last healthy day"),
        ({}, READ, None, rows(50), before(100), "ok", "50 rows"),
        ({}, READ, None, rows(49), before(60, "shrunk", baseline=100), "shrunk", "fewer than the 100"),
        ({}, READ, None, rows(10), before(19, sha256=None), "ok", "10 rows"),
        ({"mode": "incremental"}, READ, None, rows(10), before(900), "ok", "10 rows"),
        ({}, READ, None, rows(100, rejected=21), None, "shrunk", "21 of 100 rows (21.0%) were rejected"),
        ({}, READ, None, rows(100, rejected=20), None, "ok", "20 of them rejected"),
        ({}, READ, None, rows(12, rejected=3), None, "ok", "3 of them rejected"),
        ({}, READ, None, rows(12, rejected=12), None, "shrunk", "12 of 12 rows"),
        ({}, READ, None, rows(100), before(100, unchanged=2), "ok", "100 rows"),
        (
            {},
            READ,
            None,
            rows(100),
            before(100, unchanged=3),
            "stale",
            "the same bytes for 4 days; the contract allows 3",
        ),
        ({"mode": "incremental"}, READ, None, rows(100), before(100, unchanged=9), "ok", "100 rows"),
        ({"contract": Contract()}, READ, None, rows(100), before(100, unchanged=99), "ok", "100 rows"),
    ],
)
def test_a_day_of_a_feed_is_judged_by_its_contract(keys, snapshot, error, counts, previous, status, words):
    row = feed_status(feed(**{"contract": STRICT, **keys}), DAY, snapshot, error, counts, previous)
    assert row["status"] == status
    assert words in row["reason"]
    assert row["held"] == (status in ("unreadable", "empty", "stale", "shrunk"))
    assert list(row) == FEED_STATUS.column_names


def test_the_baseline_moves_on_healthy_days_only():
    baseline = []
    previous = None
    for found in (100, 40, 45, 90, 80):
        previous = feed_status(feed(contract=Contract(max_shrink=0.5)), DAY, READ, None, rows(found), previous)
        baseline.append((previous["status"], previous["baseline_rows"]))
    assert baseline == [("ok", None), ("shrunk", 100), ("shrunk", 100), ("ok", 100), ("ok", 90)]


def test_days_with_the_same_bytes_are_counted_until_the_bytes_change():
    first = feed_status(feed(), DAY, READ, None, rows(5), None)
    second = feed_status(feed(), DAY, READ, None, rows(5), first)
    other = Snapshot("f", DAY, "read", (), "bb")
    third = feed_status(feed(), DAY, other, None, rows(5), second)
    assert [row["unchanged_days"] for row in (first, second, third)] == [0, 1, 0]


def test_the_rows_of_a_day_are_counted_a_feed():
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute(f"create table o ({OBSERVATIONS.ddl()})")
    con.execute(f"create table r ({REJECTED_OBSERVATIONS.ddl()})")
    con.execute(
        "insert into o by name select * from (values ('f', 'domain', 'a.example', 2), ('f', 'domain', 'a.example', 1), "
        "('f', 'url', 'http://a.example/', 1)) as t(feed, indicator_type, value, listings)"
    )
    con.execute("insert into r by name select 'f' as feed")
    before_today = None
    for _ in range(2):
        relation = statuses(
            con,
            [feed("f"), feed("g"), feed("h", from_day=date(2026, 4, 1))],
            DAY,
            {"f": (READ, "", 4), "g": (UNREADABLE, "unreadable: a.txt: no such file", 0), "h": (None, "", 0)},
            con.table("o"),
            con.table("r"),
            before_today,
        )
        assert relation.columns == FEED_STATUS.column_names
        assert [str(kind) for kind in relation.types] == [column.type for column in FEED_STATUS.columns]
        table = relation.to_arrow_table()
        before_today = con.from_arrow(table)
    found = {row["feed"]: row for row in table.to_pylist()}
    first = found["f"]
    assert (first["rows_in"], first["rows_kept"], first["rows_rejected"]) == (4, 3, 1)
    assert (first["listings"], first["distinct_indicators"]) == (4, 2)
    assert (first["baseline_rows"], first["unchanged_days"]) == (4, 1)
    assert (found["g"]["status"], found["h"]["status"]) == ("unreadable", "not_due")
    assert found["g"]["reason"] == "a.txt: no such file"


def test_a_dated_file_with_the_same_bytes_is_the_same_again() -> None:
    keys = {"contract": Contract(max_unchanged_days=1)}
    row = before(100)
    for number in (5, 6):
        files = (SnapshotFile(f"2026-03-0{number}.txt", "0" * 64, 1),)
        snapshot = Snapshot("f", date(2026, 3, number), "read", files, f"names {number}")
        row = feed_status(feed(**keys), date(2026, 3, number), snapshot, None, rows(100), row)
    assert (row["status"], row["unchanged_days"]) == ("stale", 2)
