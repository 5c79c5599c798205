"""Explaining a value: every part is there, says the same as the tables, and can be shown without harm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.explain import Explanation, explain
from intelsec_assets.indicators.explanation_text import defang, render, shown
from intelsec_assets.tables import TABLES

TODAY, YESTERDAY = date(2026, 3, 5), date(2026, 3, 4)
ID = "00000000-0000-5000-8000-000000000001"
SEEN = datetime(2026, 3, 4, 10, tzinfo=UTC)
DEFAULTS: dict[str, Any] = {"BIGINT": 1, "INTEGER": 1, "DOUBLE": 0.5, "DATE": TODAY, "TIMESTAMPTZ": SEEN, "UUID": ID}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.quick_session() as con:
        yield con


def table(con: duckdb.DuckDBPyConnection, name: str, *rows: dict[str, Any], alias: str = "") -> duckdb.DuckDBPyRelation:
    """A lake table of these rows; columns that a row does not speak of hold something unremarkable."""
    schema, alias = TABLES[name], alias or name
    con.execute(f"create or replace table {alias} ({schema.ddl()})")
    for row in rows:
        assert row.keys() <= set(schema.column_names)
        empty = {
            c.name: [] if c.type.endswith("[]") else None if c.nullable else DEFAULTS.get(c.type, "")
            for c in schema.columns
        }
        cells = {**empty, **row}
        con.execute(f"insert into {alias} values ({', '.join('?' * len(cells))})", list(cells.values()))
    return con.table(alias)


def indicator(value: str = "evil.test", kind: str = "domain", **more: Any) -> dict[str, Any]:
    record = {"first_listed": YESTERDAY, "last_listed": TODAY, "last_seen": SEEN, "observations": 2}
    feeds = more.get("sources", ["copycat", "tweets"])
    return {
        "indicator_id": ID,
        "indicator_type": kind,
        "value": value,
        "host": value,
        "sources": feeds,
        "source_records": [{"feed": feed, **record} for feed in feeds],
        **more,
    }


def score(value: str = "evil.test", **more: Any) -> dict[str, Any]:
    points = {
        "source_trust": 0.3,
        "recency": 0.25,
        "hit_rate": 0.1,
        "cooccurrence": 0.05,
        "sandbox": 0.0,
        "warninglist": 0.0,
    }
    return {
        "indicator_type": "domain",
        "value": value,
        "model_version": "v1",
        "score": 0.7,
        "decision": "export",
        "reason": "score 0.70 >= 0.60",
        "contributions": {**points, "clamp": 0.0},
        **more,
    }


def day_tables(con: duckdb.DuckDBPyConnection) -> dict[str, duckdb.DuckDBPyRelation]:
    """A domain that two feeds list, one of them a copy, that is on one list and about to be exported."""
    line = {"day": TODAY, "indicator_type": "domain", "value": "evil.test", "canon_rules": ["refang_dot"]}
    overlap = {"is_copy": True, "shared": 9}
    return {
        "indicators": table(con, "indicators", indicator()),
        "indicator_scores": table(con, "indicator_scores", score()),
        "warninglist_hits": table(
            con,
            "warninglist_hits",
            {"indicator_id": ID, "list": "dynamic-dns", "policy": "annotate", "entry": ".test"},
        ),
        "observations": table(
            con,
            "observations",
            {**line, "feed": "tweets", "file": "20260305.csv", "line": 12, "raw_value": "evil[.]test"},
            {**line, "feed": "tweets", "file": "20260304.csv", "line": 3, "raw_value": "EVIL.test", "day": YESTERDAY},
            {**line, "feed": "copycat", "file": "list.txt", "line": 7, "raw_value": "evil.test"},
            {**line, "feed": "tweets", "file": "20260305.csv", "line": 99, "value": "other.test"},
        ),
        "rejected_observations": table(con, "rejected_observations"),
        "feed_overlaps": table(
            con,
            "feed_overlaps",
            {"feed": "copycat", "other": "tweets", "containment": 1.0, **overlap},
            {"feed": "tweets", "other": "copycat", "containment": 0.4, **overlap},
        ),
        "export_plan": table(
            con,
            "export_plan",
            {
                "indicator_type": "domain",
                "value": "evil.test",
                "event": "phishing/2026-03",
                "state": "active",
                "action": "add",
                "reason": "score 0.70 >= 0.60",
                "content_hash": "b",
            },
        ),
    }


def test_a_live_indicator_is_explained_from_feed_line_to_export(con):
    found = explain(con, "Evil[.]test", TODAY, day_tables(con))
    assert (found.state, found.indicator_type, found.value) == ("live", "domain", "evil.test")
    assert found.score is not None
    assert found.score["decision"] == "export"
    assert found.hits == ({"list": "dynamic-dns", "policy": "annotate", "entry": ".test"},)
    assert [(row["day"], row["feed"], row["file"], row["line"], row["raw_value"]) for row in found.lines] == [
        (TODAY, "copycat", "list.txt", 7, "evil.test"),
        (TODAY, "tweets", "20260305.csv", 12, "evil[.]test"),
        (YESTERDAY, "tweets", "20260304.csv", 3, "EVIL.test"),
    ]
    assert found.plan is not None
    assert (found.plan["state"], found.plan["event"]) == ("active", "phishing/2026-03")


def test_the_contributions_sum_to_the_score(con):
    found = explain(con, "evil.test", TODAY, day_tables(con))
    assert found.score is not None
    assert sum(found.contributions.values()) == pytest.approx(found.score["score"])


def test_the_copy_is_named_and_the_original_is_not(con):
    found = explain(con, "evil.test", TODAY, day_tables(con))
    assert [(source.feed, source.copy_of) for source in found.sources] == [("copycat", ("tweets",)), ("tweets", ())]


def test_of_two_equal_feeds_one_is_the_copy(con):
    tables = day_tables(con)
    pair = {"containment": 1.0, "is_copy": True}
    tables["feed_overlaps"] = table(
        con,
        "feed_overlaps",
        {"feed": "copycat", "other": "tweets", **pair},
        {"feed": "tweets", "other": "copycat", **pair},
    )
    found = explain(con, "evil.test", TODAY, tables)
    assert [(source.feed, source.copy_of) for source in found.sources] == [("copycat", ()), ("tweets", ("copycat",))]


def test_what_changed_since_yesterday_is_told_by_component(con):
    points = {
        "source_trust": 0.3,
        "recency": 0.1,
        "hit_rate": 0.1,
        "cooccurrence": 0.05,
        "sandbox": 0.0,
        "warninglist": 0.0,
    }
    before = {
        "indicators": table(con, "indicators", indicator(sources=["tweets"]), alias="before_indicators"),
        "indicator_scores": table(
            con,
            "indicator_scores",
            score(score=0.55, decision="hold", reason="below 0.60", contributions={**points, "clamp": 0.0}),
            alias="before_scores",
        ),
        "export_plan": table(con, "export_plan", alias="before_plan"),
    }
    found = explain(con, "evil.test", TODAY, day_tables(con), before)
    assert found.changes is not None
    changes = {change.what: (change.before, change.after) for change in found.changes}
    assert changes == {
        "decision": ("hold", "export"),
        "reason": ("below 0.60", "score 0.70 >= 0.60"),
        "score": (0.55, 0.7),
        "contribution recency": (0.1, 0.25),
        "sources": (["tweets"], ["copycat", "tweets"]),
        "export state": (None, "active"),
        "export event": (None, "phishing/2026-03"),
        "export score_band": (None, ""),
        "export content_hash": (None, "b"),
    }


def test_nothing_changed_between_equal_days_and_nothing_is_compared_without_one(con):
    tables = day_tables(con)
    assert explain(con, "evil.test", TODAY, tables, tables).changes == ()
    assert explain(con, "evil.test", TODAY, tables).changes is None


def test_a_rejected_value_is_found_in_the_quarantine(con):
    row = {
        "day": TODAY,
        "feed": "tweets",
        "file": "a.csv",
        "line": 4,
        "reason": "bad_host",
        "detail": "found evil..test",
    }
    rejected = table(
        con, "rejected_observations", {**row, "raw_value": "evil..test"}, {**row, "raw_value": "x", "line": 5}
    )
    found = explain(con, "evil..test", TODAY, {"rejected_observations": rejected})
    assert found.state == "rejected"
    assert [(r["feed"], r["line"], r["reason"]) for r in found.rejections] == [("tweets", 4, "bad_host")]


def test_a_value_inside_a_quarantined_row_is_found_too(con):
    raw = "2026-03-05;;evil.test;phishing"
    rejected = table(con, "rejected_observations", {"day": TODAY, "raw_value": raw, "reason": "columns"})
    assert explain(con, "evil[.]test", TODAY, {"rejected_observations": rejected}).rejections[0]["raw_value"] == raw


def test_a_value_no_feed_had_was_never_seen(con):
    assert explain(con, "unknown.test", TODAY, day_tables(con)).state == "never_seen"


def test_text_that_is_no_indicator_says_why(con):
    found = explain(con, "no indicator at all", TODAY, day_tables(con))
    assert found.state == "invalid"
    assert found.detail


def test_an_indicator_that_left_since_yesterday_is_not_never_seen(con):
    before = {"indicators": table(con, "indicators", indicator(), alias="before_indicators")}
    now = {"indicators": table(con, "indicators")}
    found = explain(con, "evil.test", TODAY, now, before)
    assert found.state == "left"
    assert found.changes is not None
    assert (found.changes[0].what, found.changes[0].after) == ("live", False)


def test_a_domain_shows_what_is_listed_on_it(con):
    url = indicator(
        "https://evil.test/login", "url", indicator_id="00000000-0000-5000-8000-000000000002", host="evil.test"
    )
    found = explain(con, "evil.test", TODAY, {"indicators": table(con, "indicators", url)})
    assert found.state == "never_seen"
    assert [row["value"] for row in found.related] == ["https://evil.test/login"]
    found = explain(con, "https://evil.test/login", TODAY, {"indicators": table(con, "indicators", url, indicator())})
    assert [row["value"] for row in found.related] == ["evil.test"]


def test_json_holds_every_part_with_instants_as_text(con):
    document = json.loads(explain(con, "evil.test", TODAY, day_tables(con)).to_json())
    assert document["day"] == "2026-03-05"
    assert document["indicator"]["indicator_id"] == ID
    assert document["sources"][0]["last_seen"].startswith("2026-03-04T10:00:00")
    assert document.keys() == Explanation.__dataclass_fields__.keys()


def test_the_text_reads_as_an_answer_and_nothing_in_it_can_be_clicked(con):
    tables = day_tables(con)
    text = render(explain(con, "Evil[.]test", TODAY, tables, tables))
    assert "evil.test" not in text.lower()
    assert text.splitlines() == [
        "domain evil[.]test on 2026-03-05",
        "state       live",
        f"form        from Evil[.]test by {', '.join(canonical('Evil[.]test').rules)}",
        "decision    export: score 0.70 >= 0.60",
        "score       0.700 by model v1, the sum of",
        "            +0.300  source_trust 0.500",
        "            +0.250  recency 0.500",
        "            +0.100  hit_rate 0.500",
        "            +0.050  cooccurrence 0.500",
        "lists       dynamic-dns (annotate), entry .test",
        "sources     2, 1 independent",
        "            copycat: 2026-03-04 to 2026-03-05, 2 rows, a copy of tweets: adds no corroboration",
        "            tweets: 2026-03-04 to 2026-03-05, 2 rows",
        "feed lines  2026-03-05 copycat list.txt:7  evil[.]test  by refang_dot",
        "            2026-03-05 tweets 20260305.csv:12  evil[.]test  by refang_dot",
        "            2026-03-04 tweets 20260304.csv:3  EVIL[.]test  by refang_dot",
        "export      active in phishing/2026-03, first exported 2026-03-05, content of 2026-03-05",
        "            add: score 0.70 >= 0.60",
        "changes     none since the day before",
    ]


def test_text_of_a_feed_cannot_steer_the_terminal(con):
    raw = "\x1b[2Jhttps://evil.test/\u202egpj\x00"
    rejected = table(
        con, "rejected_observations", {"day": TODAY, "raw_value": raw, "reason": "control", "detail": f"found {raw}"}
    )
    text = render(explain(con, "https://evil.test/", TODAY, {"rejected_observations": rejected}))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "https://" not in text
    assert "hxxps://evil[.]test/" in text


@pytest.mark.parametrize(
    "value", ["https://a.b.test/x.php?y=1.2", "evil.test", "192.0.2.1", "192.0.2.0/24", "2001:db8::1", "a@b.test"]
)
def test_a_defanged_value_is_read_back(value):
    assert canonical(defang(value)).value == value
    assert not {".", "@"} & set(defang(value).replace("[.]", "").replace("[@]", ""))


@given(st.text())
def test_any_text_can_be_shown(text):
    assert shown(defang(text)).isprintable()


def test_any_text_can_be_asked(con):
    tables = day_tables(con)

    @given(st.text(alphabet=st.characters(exclude_categories=())))  # lone surrogates and NUL too
    def asked(text: str) -> None:
        found = explain(con, text, TODAY, tables, tables)
        assert all(line.isprintable() for line in render(found).splitlines())
        json.loads(found.to_json().encode())

    asked()
