"""The live state: what a day's observations do to what was known. Which feeds are copies is in test_copies."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.days import day_end, day_start
from intelsec_assets.engine import quick_session
from intelsec_assets.indicators import state
from intelsec_assets.indicators.copies import COPY_MIN_INDICATORS
from intelsec_assets.indicators.identity import indicator_id
from intelsec_assets.tables import INDICATORS, OBSERVATIONS
from tests.searching import examples

DAY = date(2026, 3, 2)
NEXT = DAY + timedelta(days=1)
Row = dict[str, Any]


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with quick_session() as opened:
        yield opened


def _observed(con: duckdb.DuckDBPyConnection, rows: Sequence[Row], day: date = DAY) -> duckdb.DuckDBPyRelation:
    """Observations with these columns, the others as of a plain list of addresses."""
    plain = {
        "feed": "alpha",
        "indicator_type": "ipv4",
        "value": "198.51.100.7",
        "tlp": "clear",
        "tags": [],
        "canon_rules": [],
        "listings": 1,
    }
    name = f"observed_{random.randrange(10**12)}"
    con.execute(f"create temp table {name} ({OBSERVATIONS.ddl()})")
    filled = [
        {**plain, "day": day, "file": "list.txt", "line": line, "snapshot_sha256": "s", **row}
        for line, row in enumerate(rows, 1)
    ]
    for row in filled:
        row.setdefault("raw_value", row["value"])
    con.executemany(
        f"insert into {name} values ({', '.join('?' * len(OBSERVATIONS.columns))})",
        [[row.get(column) for column in OBSERVATIONS.column_names] for row in filled]
        or [[None] * len(OBSERVATIONS.columns)],
    )
    return con.table(name) if rows else con.table(name).filter("day is not null")


def _rows(relation: duckdb.DuckDBPyRelation) -> list[Row]:
    ordered = relation.select(*INDICATORS.column_names).order(", ".join(INDICATORS.sort_by))
    return [dict(zip(INDICATORS.column_names, row, strict=True)) for row in ordered.fetchall()]


def _merged(con: duckdb.DuckDBPyConnection, rows: Sequence[Row]) -> Row:
    (row,) = _rows(state.merge(con, _observed(con, rows), None, DAY))
    return row


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_row_without_claims_was_seen_all_day(con: duckdb.DuckDBPyConnection) -> None:
    row = _merged(con, [{}])
    assert (row["first_seen"], row["last_seen"]) == (day_start(DAY), day_end(DAY))


def test_a_list_that_names_a_host_dead_since_2018_does_not_make_it_fresh(con: duckdb.DuckDBPyConnection) -> None:
    row = _merged(con, [{"first_seen": _at("2017-01-01"), "last_seen": _at("2018-01-01")}])
    assert (row["first_seen"], row["last_seen"]) == (_at("2017-01-01"), _at("2018-01-01"))


def test_a_first_sighting_without_a_last_one_is_the_only_sighting(con: duckdb.DuckDBPyConnection) -> None:
    row = _merged(con, [{"first_seen": _at("2026-02-01")}])
    assert (row["first_seen"], row["last_seen"]) == (_at("2026-02-01"), _at("2026-02-01"))


def test_nothing_is_seen_after_the_end_of_the_day(con: duckdb.DuckDBPyConnection) -> None:
    row = _merged(con, [{"first_seen": _at("2031-01-01"), "last_seen": _at("2033-01-01")}])
    assert (row["first_seen"], row["last_seen"]) == (day_end(DAY), day_end(DAY))


def test_the_strictest_tlp_and_the_highest_confidence_stay(con: duckdb.DuckDBPyConnection) -> None:
    row = _merged(con, [{"tlp": "amber", "confidence": 0.4}, {"tlp": "green", "confidence": 0.9}, {"tlp": "clear"}])
    assert (row["tlp"], row["confidence"]) == ("amber", 0.9)


def test_a_marking_that_nobody_knows_is_the_strictest(con: duckdb.DuckDBPyConnection) -> None:
    assert _merged(con, [{"tlp": "clear"}, {"tlp": "purple"}])["tlp"] == "red"


def test_labels_are_sorted_distinct_and_bounded(con: duckdb.DuckDBPyConnection) -> None:
    many = [f"tag-{number:03}" for number in range(100)]
    row = _merged(
        con,
        [
            {"tags": many[50:], "campaign": "b"},
            {"tags": many[:60], "campaign": "a", "malware_family": "mirai"},
            {"campaign": "b"},
        ],
    )
    assert row["tags"] == many[: state.MOST_LABELS]
    assert (row["campaigns"], row["families"], row["threat_types"]) == (["a", "b"], ["mirai"], [])


def test_each_feed_has_a_record_of_its_own(con: duckdb.DuckDBPyConnection) -> None:
    before = state.merge(con, _observed(con, [{"feed": "beta"}, {"feed": "alpha"}, {"feed": "alpha"}]), None, DAY)
    (row,) = _rows(state.merge(con, _observed(con, [{"feed": "beta"}], NEXT), before, NEXT))
    assert row["source_records"] == [
        {"feed": "alpha", "first_listed": DAY, "last_listed": DAY, "last_seen": day_end(DAY), "observations": 2},
        {"feed": "beta", "first_listed": DAY, "last_listed": NEXT, "last_seen": day_end(NEXT), "observations": 2},
    ]
    assert (row["observations"], row["first_listed"], row["last_listed"]) == (4, DAY, NEXT)


def test_a_feed_outside_the_corroboration_window_is_no_source_any_more(con: duckdb.DuckDBPyConnection) -> None:
    before = state.merge(con, _observed(con, [{"feed": "old"}]), None, DAY)
    for days, sources in ((30, ["new", "old"]), (31, ["new"])):
        day = DAY + timedelta(days=days)
        (row,) = _rows(state.merge(con, _observed(con, [{"feed": "new"}], day), before, day, corroboration_days=30))
        assert (row["sources"], row["independent_sources"]) == (sources, len(sources))


def test_an_indicator_leaves_when_no_feed_has_listed_it_for_the_retirement_time(con: duckdb.DuckDBPyConnection) -> None:
    before = state.merge(con, _observed(con, [{}]), None, DAY)
    for days, live in ((90, 1), (91, 0)):
        day = DAY + timedelta(days=days)
        assert len(_rows(state.merge(con, _observed(con, [], day), before, day, retire_after_days=90))) == live


def test_an_indicator_that_comes_back_after_it_left_starts_anew(con: duckdb.DuckDBPyConnection) -> None:
    before = state.merge(con, _observed(con, [{"tags": ["old"]}]), None, DAY)
    day = DAY + timedelta(days=91)
    (row,) = _rows(state.merge(con, _observed(con, [{}], day), before, day, retire_after_days=90))
    assert (row["first_listed"], row["observations"], row["tags"]) == (day, 1, [])


def test_an_indicator_that_nobody_lists_today_stays_as_it_was(con: duckdb.DuckDBPyConnection) -> None:
    before = state.merge(
        con,
        _observed(con, [{"tags": ["a"], "confidence": 0.5}, {"indicator_type": "url", "value": "http://x.test/"}]),
        None,
        DAY,
    )
    after = state.merge(con, _observed(con, [{"value": "203.0.113.9"}], NEXT), before, NEXT)
    assert [row for row in _rows(after) if row["value"] != "203.0.113.9"] == _rows(before)


def test_a_copied_feed_adds_no_corroboration_not_even_to_what_was_listed_before_it_was_known(
    con: duckdb.DuckDBPyConnection,
) -> None:
    few = [
        {"feed": feed, "value": f"198.51.100.{n}"}
        for n in range(COPY_MIN_INDICATORS - 1)
        for feed in ("copycat", "original")
    ]
    before = state.merge(con, _observed(con, few), None, DAY)
    assert {row["independent_sources"] for row in _rows(before)} == {2}
    one_more = [{"feed": feed, "value": "203.0.113.1"} for feed in ("copycat", "original")]
    after = _rows(state.merge(con, _observed(con, one_more, NEXT), before, NEXT))
    assert {tuple(row["sources"]) for row in after} == {("copycat", "original")}
    assert {row["independent_sources"] for row in after} == {1}


@pytest.mark.parametrize(
    ("indicator_type", "value", "host", "registered", "parents"),
    [
        ("domain", "shop.example.co.uk", "shop.example.co.uk", "example.co.uk", [("domain", "example.co.uk")]),
        ("domain", "example.com", "example.com", "example.com", []),
        ("domain", "evil.vercel.app", "evil.vercel.app", "evil.vercel.app", []),
        ("domain", "vercel.app", "vercel.app", None, []),
        (
            "url",
            "https://a.evil.vercel.app:8443/x?y=/z#@",
            "a.evil.vercel.app",
            "evil.vercel.app",
            [("domain", "a.evil.vercel.app"), ("domain", "evil.vercel.app")],
        ),
        ("url", "http://example.com/", "example.com", "example.com", [("domain", "example.com")]),
        ("url", "http://192.0.2.1:8080/a", "192.0.2.1", None, [("ipv4", "192.0.2.1")]),
        ("url", "http://[2001:db8::1]:80/a", "2001:db8::1", None, [("ipv6", "2001:db8::1")]),
        (
            "email",
            "a@mail.example.com",
            "mail.example.com",
            "example.com",
            [("domain", "mail.example.com"), ("domain", "example.com")],
        ),
        ("ipv4", "192.0.2.1", None, None, []),
        ("sha256", "0" * 64, None, None, []),
    ],
)
def test_names_are_linked_to_their_host_and_registered_domain(
    con: duckdb.DuckDBPyConnection,
    indicator_type: str,
    value: str,
    host: str | None,
    registered: str | None,
    parents: list[tuple[str, str]],
) -> None:
    row = _merged(con, [{"indicator_type": indicator_type, "value": value}])
    assert (row["host"], row["registered_domain"]) == (host, registered)
    assert row["parent_ids"] == [indicator_id(*parent) for parent in parents]
    assert row["indicator_id"] == indicator_id(indicator_type, value)
    later = state.merge(
        con,
        _observed(con, [{"indicator_type": indicator_type, "value": value}], NEXT),
        state.merge(con, _observed(con, [{"indicator_type": indicator_type, "value": value}]), None, DAY),
        NEXT,
    )
    (again,) = _rows(later)
    assert [again[name] for name in ("indicator_id", "host", "registered_domain", "parent_ids")] == [
        row[name] for name in ("indicator_id", "host", "registered_domain", "parent_ids")
    ]


_INSTANTS = st.none() | st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
_OBSERVATION = st.fixed_dictionaries(
    {
        "feed": st.sampled_from(["alpha", "beta", "gamma"]),
        "value": st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        "tags": st.lists(st.sampled_from(["a", "b", "é"]), max_size=2, unique=True),
        "campaign": st.none() | st.sampled_from(["x", "y"]),
        "confidence": st.none() | st.sampled_from([0.1, 0.5]),
        "tlp": st.sampled_from(["clear", "amber", "amber+strict"]),
        "first_seen": _INSTANTS,
        "last_seen": _INSTANTS,
    }
)
_DAYS = st.lists(st.lists(_OBSERVATION, max_size=12), min_size=1, max_size=3)


def _written(con: duckdb.DuckDBPyConnection, days: list[list[Row]], folder: Path) -> list[bytes]:
    """The file of each day, each merged into the one before, as the lake does it."""
    columns = ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in INDICATORS.columns)
    written: list[bytes] = []
    previous = None
    for number, rows in enumerate(days):
        day, path = DAY + timedelta(days=number), folder / f"{number}.parquet"
        state.amend(con, _observed(con, rows, day), previous, day).write(columns, path)
        previous = con.read_parquet(str(path))
        written.append(path.read_bytes())
    return written


@examples(7)  # up to six days each
@given(days=_DAYS, order=st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order_of_rows(days: list[list[Row]], order: random.Random) -> None:
    shuffled = [order.sample(rows, len(rows)) for rows in days]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, quick_session() as con:
        assert _written(con, days, Path(one)) == _written(con, shuffled, Path(other))


@examples(7)  # up to six days each
@given(days=_DAYS)
def test_days_merged_in_order_equal_a_recount_of_all_rows(days: list[list[Row]]) -> None:
    with quick_session() as con:
        relation = None
        for number, rows in enumerate(days):
            day = DAY + timedelta(days=number)
            relation = state.merge(con, _observed(con, rows, day), relation, day)
        assert relation is not None
        counted = {row["value"]: row for row in _rows(relation)}
    dated = [(DAY + timedelta(days=number), row) for number, rows in enumerate(days) for row in rows]
    assert counted.keys() == {row["value"] for _, row in dated}
    for value, found in counted.items():
        mine = [(day, row) for day, row in dated if row["value"] == value]
        sightings = []
        for day, row in mine:
            claims = [claim for claim in (row["first_seen"], row["last_seen"]) if claim is not None]
            sightings += [min(claim, day_end(day)) for claim in claims] or [day_start(day), day_end(day)]
        confidences = [row["confidence"] for _, row in mine if row["confidence"] is not None]
        levels = ["clear", "green", "amber", "amber+strict", "red"]
        expected = {
            "first_seen": min(sightings),
            "last_seen": max(sightings),
            "first_listed": min(day for day, _ in mine),
            "last_listed": max(day for day, _ in mine),
            "observations": len(mine),
            "sources": sorted({row["feed"] for _, row in mine}),
            "independent_sources": len({row["feed"] for _, row in mine}),
            "campaigns": sorted({row["campaign"] for _, row in mine if row["campaign"] is not None}),
            "tags": sorted({tag for _, row in mine for tag in row["tags"]}),
            "confidence": max(confidences, default=None),
            "tlp": max((row["tlp"] for _, row in mine), key=levels.index),
        }
        assert {name: found[name] for name in expected} == expected
        assert sum(record["observations"] for record in found["source_records"]) == len(mine)
