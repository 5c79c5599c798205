"""Every feed row becomes an observation or a rejected row with its reason, never both, never neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.days import day_end
from intelsec_assets.engine import quick_session
from intelsec_assets.indicators.canonical import TYPES
from intelsec_assets.indicators.observations import observe
from intelsec_assets.tables import FEED_ROWS, OBSERVATIONS, REJECTED_OBSERVATIONS
from tests.searching import examples
from tests.unit.canonical_values import declared_types, texts

DAY = date(2026, 3, 2)
END = day_end(DAY)
Row = dict[str, Any]


@dataclass(frozen=True)
class Feed:
    name: str
    types: tuple[str, ...]


EVERYTHING = Feed("everything", TYPES)
DOMAINS = Feed("domains", ("domain",))


def row(raw_value: str | None, feed: str = "everything", line: int = 1, **claims: Any) -> Row:
    plain: Row = {"file": "list.txt", "line": line, "snapshot_sha256": "00", "tags": [], "tlp": "clear", "listings": 1}
    return dict.fromkeys(FEED_ROWS.column_names) | plain | {"feed": feed, "raw_value": raw_value} | claims


def observed(*rows: Row, feeds: tuple[Feed, ...] = (EVERYTHING, DOMAINS)) -> tuple[list[Row], list[Row]]:
    """Observations and rejected rows, each in the order of their lines."""
    with quick_session() as con:
        con.execute(f"create table feed_rows (feed varchar, {FEED_ROWS.ddl()})")
        if rows:
            con.register("rows_given", pa.Table.from_pylist(list(rows)))
            con.execute("insert into feed_rows by name select * from rows_given")
        kept, rejected = observe(con, con.table("feed_rows"), feeds, DAY)
        assert kept.columns == OBSERVATIONS.column_names
        assert rejected.columns == REJECTED_OBSERVATIONS.column_names
        return tuple(relation.order("line").to_arrow_table().to_pylist() for relation in (kept, rejected))


def test_a_row_becomes_an_observation_with_its_canonical_value_and_the_rules():
    kept, rejected = observed(row("hxxp://Evil[.]example", tags=["#B", "a", "b ", ""], campaign="wave"))
    assert rejected == []
    (observation,) = kept
    assert observation["day"] == DAY
    assert (observation["indicator_type"], observation["value"]) == ("url", "http://evil.example/")
    assert observation["raw_value"] == "hxxp://Evil[.]example"
    assert observation["canon_rules"] == ["refanged", "lowercased", "empty_path_slash"]
    assert observation["tags"] == ["a", "b"]
    assert observation["campaign"] == "wave"


def test_rows_of_the_same_value_stay_rows_of_their_own():
    kept, _ = observed(row("evil.example", line=1), row("evil.example", line=2), row("EVIL.example", "domains", line=3))
    assert [(o["feed"], o["line"], o["value"]) for o in kept] == [
        ("everything", 1, "evil.example"),
        ("everything", 2, "evil.example"),
        ("domains", 3, "evil.example"),
    ]


def test_the_declared_type_decides_a_value_for_each_feed_apart():
    kept, _ = observed(row("evil.example", line=1), row("evil.example", line=2, indicator_type="url"))
    assert [o["value"] for o in kept] == ["evil.example", "http://evil.example/"]


def test_what_the_parser_rejected_stays_rejected_with_its_reason():
    _, (rejected,) = observed(row("1;2", reject_reason="columns_missing", reject_detail="found 2 columns; expected 6"))
    assert (rejected["reason"], rejected["detail"]) == ("columns_missing", "found 2 columns; expected 6")


def test_a_value_without_canonical_form_is_rejected_with_what_was_expected():
    _, (rejected,) = observed(row("198.51.100.256"))
    assert rejected["reason"] == "bad_address"
    assert rejected["detail"].startswith("found '198.51.100.256'; expected")


def test_a_type_the_feed_may_not_publish_is_rejected():
    _, (rejected,) = observed(row("http://evil.example/x", "domains"))
    assert (rejected["reason"], rejected["detail"]) == ("unexpected_type", "found url; expected domain")


def test_a_row_of_a_feed_outside_the_catalogue_is_rejected_not_lost():
    kept, (rejected,) = observed(row("evil.example", "stranger"))
    assert (kept, rejected["reason"]) == ([], "unknown_feed")


def test_a_missing_value_is_rejected_as_empty():
    _, (rejected,) = observed(row(None))
    assert (rejected["reason"], rejected["raw_value"]) == ("empty", "")


@pytest.mark.parametrize("column", ["first_seen", "last_seen"])
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (END + timedelta(days=1, seconds=1), "time_in_future"),
        (datetime(2262, 1, 1, tzinfo=UTC), "time_in_future"),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "time_before_1970"),
        (datetime(1, 1, 1, tzinfo=UTC), "time_before_1970"),
    ],
)
def test_a_sighting_that_cannot_be_is_rejected(column, at, reason):
    kept, (rejected,) = observed(row("evil.example", **{column: at}))
    assert (kept, rejected["reason"]) == ([], reason)
    assert "expected" in rejected["detail"]


def test_a_sighting_up_to_a_day_ahead_is_set_to_the_end_of_the_day_and_says_so():
    kept, _ = observed(
        row("evil.example", line=1, first_seen=END, last_seen=END + timedelta(days=1)),
        row("evil.example", line=2, first_seen=END - timedelta(hours=1), last_seen=END),
    )
    assert [(o["first_seen"], o["last_seen"]) for o in kept] == [(END, END), (END - timedelta(hours=1), END)]
    assert [o["canon_rules"] for o in kept] == [["clock_skew_clamped"], []]


def test_a_sighting_nobody_claims_stays_unclaimed():
    kept, _ = observed(row("evil.example", last_seen=END + timedelta(hours=1)))
    assert (kept[0]["first_seen"], kept[0]["last_seen"]) == (None, END)


def test_an_overlong_raw_value_is_kept_up_to_4096_characters():
    _, (rejected,) = observed(row("é" * 100_000))
    assert rejected["reason"] == "too_long"
    assert rejected["raw_value"] == "é" * 4096


def test_a_day_without_rows_has_neither():
    assert observed() == ([], [])


_instants = st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_rows = st.builds(
    row,
    (texts | st.sampled_from(["evil.example", "198.51.100.7"])).map(
        lambda text: text.encode("utf-8", "replace").decode()
    ),
    st.sampled_from(["everything", "domains", "stranger"]),
    indicator_type=declared_types,
    first_seen=_instants,
    last_seen=_instants,
    tags=st.lists(st.text(max_size=5), max_size=3),
    reject_reason=st.sampled_from([None, None, None, "not_text"]),
)


@examples(15)
@given(st.lists(_rows, max_size=15))
def test_each_row_is_kept_or_rejected_exactly_once(rows):
    for line, given_row in enumerate(rows):
        given_row["line"] = line
    kept, rejected = observed(*rows)
    assert sorted([o["line"] for o in kept] + [r["line"] for r in rejected]) == list(range(len(rows)))
    for observation in kept:
        assert observation["value"]
        assert observation["tags"] == sorted(set(observation["tags"]))
        for instant in (observation["first_seen"], observation["last_seen"]):
            assert instant is None or datetime(1970, 1, 1, tzinfo=UTC) <= instant <= END
    assert all(r["reason"] and r["detail"] and r["raw_value"] is not None for r in rejected)
