"""The terms of feeds and warninglists as rows: what the catalogue said on a day, as the lake's tables want it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from intelsec_assets import engine
from intelsec_assets.feeds.catalogue import (
    Contract,
    ExtraList,
    Feed,
    ListPolicy,
    Protected,
    WarninglistPolicies,
    load_catalogue,
)
from intelsec_assets.feeds.terms import feed_terms
from intelsec_assets.indicators.list_terms import warninglist_terms
from intelsec_assets.indicators.warninglists import load_lists
from intelsec_assets.settings import SAMPLE_DATA
from intelsec_assets.tables import FEED_TERMS, WARNINGLIST_TERMS, Table

DAY = date(2026, 3, 4)
FEED = Feed(
    name="harbour",
    title="Harbour posts",
    publisher="Harbour Watch",
    licence="CC0-1.0",
    local="a",
    format="plain",
    trust="B",
    tlp="green",
    types=("url", "domain"),
    contract=Contract(min_rows=10, max_rows=500, max_shrink=0.4, max_unchanged_days=3, max_rejected=0.1),
)


def as_written(rows: pa.Table, table: Table) -> list[dict]:
    """The rows in the columns and types that the lake gives them."""
    columns = ", ".join(f'"{c.name}"::{c.type} as "{c.name}"' for c in table.columns)
    with engine.quick_session() as con:
        return con.from_arrow(rows).project(columns).to_arrow_table().to_pylist()


def test_a_feeds_terms_are_what_its_entry_says() -> None:
    (row,) = as_written(feed_terms([FEED], DAY), FEED_TERMS)
    assert row == {
        "day": DAY,
        "feed": "harbour",
        "title": "Harbour posts",
        "publisher": "Harbour Watch",
        "licence": "CC0-1.0",
        "url": None,
        "format": "plain",
        "mode": "snapshot",
        "trust": "B",
        "trust_weight": 0.75,
        "tlp": "green",
        "types": ["domain", "url"],
        "min_rows": 10,
        "max_rows": 500,
        "max_shrink": 0.4,
        "max_unchanged_days": 3,
        "max_rejected": 0.1,
    }


def test_a_contract_without_a_limit_says_null() -> None:
    (row,) = as_written(feed_terms([replace(FEED, contract=Contract())], DAY), FEED_TERMS)
    assert (row["max_rows"], row["max_unchanged_days"]) == (None, None)


def test_a_feed_that_is_not_due_has_terms_all_the_same() -> None:
    assert feed_terms([replace(FEED, from_day=date(2027, 1, 1))], DAY).num_rows == 1


def test_every_enabled_feed_of_a_catalogue_has_one_row() -> None:
    feeds = load_catalogue(SAMPLE_DATA / "catalogue.yaml").enabled_feeds
    rows = as_written(feed_terms(feeds, DAY), FEED_TERMS)
    assert [(row["feed"], row["trust_weight"]) for row in rows] == [(feed.name, feed.trust_weight) for feed in feeds]


def test_no_feeds_are_an_empty_table_of_the_same_columns() -> None:
    assert as_written(feed_terms([], DAY), FEED_TERMS) == []


def test_a_lists_terms_say_its_policy_its_reason_and_how_long_it_is(tmp_path: Path) -> None:
    (tmp_path / "scanners.txt").write_text("# survey\n192.0.2.7\n198.51.100.0/24\n")
    policies = WarninglistPolicies(extra=(ExtraList("scanners", "scanners.txt", "penalise", "they knock everywhere"),))
    lists = load_lists(tmp_path, policies, Protected(domains=("ours.example",)))
    rows = {row["list"]: row for row in as_written(warninglist_terms(lists, DAY), WARNINGLIST_TERMS)}
    assert sorted(rows) == ["protected", "public-suffixes", "scanners", "special-purpose-addresses"]
    assert rows["protected"]["policy"] == "protect"
    scanners = rows["scanners"]
    assert (scanners["day"], scanners["policy"], scanners["reason"], scanners["entries"]) == (
        DAY, "penalise", "they knock everywhere", 2,
    )  # fmt: skip
    assert scanners["types"] == sorted(scanners["types"])


def test_a_rule_for_a_built_in_list_shows_in_its_terms() -> None:
    rule = ListPolicy("public-suffixes", "annotate", "we look at each")
    rows = warninglist_terms(load_lists(None, WarninglistPolicies(rules=(rule,))), DAY).to_pylist()
    (suffixes,) = [row for row in rows if row["list"] == "public-suffixes"]
    assert (suffixes["policy"], suffixes["reason"]) == ("annotate", "we look at each")
