"""What an entry of the catalogue may state about a feed's quality, and how it answers when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.feeds.catalogue import Catalogue, CatalogueError, Feed, load_catalogue
from intelsec_assets.feeds.quality.expectations import Expectation, digest
from intelsec_assets.feeds.quality.suites import default_suite, suite

HEAD = "version: 1\nfirst_day: 2026-03-02\nfeeds:\n"
TABLE = """\
  - name: table-one
    title: Table one
    publisher: Somebody
    licence: CC0-1.0
    local: feeds/{day}.csv
    format: csv
    options: {columns: {value: ioc, type: kind, first_seen: first, last_seen: last, confidence: sure, tags: tags}}
    trust: B
    types: [domain, sha256]
"""


def load(tmp_path: Path, text: str) -> Catalogue:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def stated(tmp_path: Path, expectations: str) -> Feed:
    return load(tmp_path, f"{HEAD}{TABLE}    expectations:\n{expectations}").feeds[0]


def refused(tmp_path: Path, expectations: str) -> str:
    with pytest.raises(CatalogueError) as caught:
        stated(tmp_path, expectations)
    return str(caught.value)


def named(feed: Feed, name: str) -> Expectation:
    return {expectation.name: expectation for expectation in suite(feed)}[name]


def entry(feed_format: str, options: str = "{}", types: str = "[domain, ipv4]", mode: str = "snapshot") -> str:
    return (
        f"  - {{name: new-feed, title: New, publisher: P, licence: CC0-1.0, local: f, format: {feed_format}, "
        f"options: {options}, trust: B, types: {types}, mode: {mode}}}\n"
    )


def test_without_a_word_about_quality_a_feed_has_its_default_suite(tmp_path):
    feed = load(tmp_path, HEAD + TABLE).feeds[0]

    assert feed.expectations == ()
    assert suite(feed) == default_suite(feed)


ALWAYS = [
    "columns_are_complete",
    "columns_keep_their_types",
    "required_values_are_there",
    "lines_count_from_one",
    "tlp_is_not_below_the_feeds",
    "volume_is_usual",
    "schema_is_stable",
]
SIGHTINGS = ["sightings_are_not_in_the_future", "sightings_are_not_absurdly_old", "newest_sighting_is_recent"]


@pytest.mark.parametrize(
    ("feed_format", "options", "more"),
    [
        ("plain", "{}", []),
        ("hosts", "{}", ["types_are_in_the_catalogue"]),
        ("csv", "{columns: {value: 0}}", []),
        ("tsv", "{columns: {value: 0, listings: 1}}", ["listings_count_from_one"]),
        (
            "csv",
            "{columns: {value: 0, type: 1, first_seen: 2, last_seen: 3, confidence: 4, tags: 5, threat_type: 6}}",
            [
                "types_are_in_the_catalogue",
                "confidence_is_a_ratio",
                *SIGHTINGS,
                "sightings_are_in_order",
                "type_mix_is_usual",
                "threat_mix_is_usual",
                "tag_mix_is_usual",
            ],
        ),
        *(
            (kind, "{}", ["types_are_in_the_catalogue", *SIGHTINGS, *mixes, *confidence])
            for mixes in [["type_mix_is_usual", "threat_mix_is_usual", "tag_mix_is_usual"]]
            for kind, confidence in [
                ("misp_feed", []),
                ("misp_event", []),
                ("taxii", ["confidence_is_a_ratio"]),
                ("stix", ["confidence_is_a_ratio"]),
            ]
        ),
        ("families", "{}", []),
        ("families", "{threat_type_from_folder: true}", ["threat_mix_is_usual"]),
    ],
)
def test_a_new_feed_of_any_format_gets_a_suite_from_its_entry_alone(tmp_path, feed_format, options, more):
    feed = load(tmp_path, HEAD + entry(feed_format, options)).feeds[0]

    assert sorted(expectation.name for expectation in suite(feed)) == sorted([*ALWAYS, *more])


def test_figures_follow_from_the_entry(tmp_path):
    daily = load(tmp_path, HEAD + entry("stix", types="[domain, md5, sha512]", mode="incremental")).feeds[0]
    resting = load(tmp_path, HEAD + TABLE + "    tlp: green\n    contract: {max_unchanged_days: 20}\n").feeds[0]

    assert named(daily, "newest_sighting_is_recent").kwargs["min_value"] == "{day_start - 1 days}"
    assert named(resting, "newest_sighting_is_recent").kwargs["min_value"] == "{day_start - 21 days}"
    assert list(named(daily, "hashes_have_their_length").by_column) == ["value_of_md5", "value_of_sha512"]
    assert named(resting, "tlp_is_not_below_the_feeds").kwargs["value_set"] == [
        "green",
        "amber",
        "amber+strict",
        "red",
    ]


def test_no_limit_of_the_contract_is_stated_again(tmp_path):
    """Rows, shrinking, resting and rejected rows are what `feed_status` holds a feed for."""
    limits = "{min_rows: 4711, max_rows: 815000, max_shrink: 0.123, max_rejected: 0.456}"
    bare, limited = (load(tmp_path, HEAD + TABLE + contract).feeds[0] for contract in ("", f"    contract: {limits}\n"))

    assert suite(limited) == suite(bare)


def test_an_entry_switches_a_default_off_with_its_reason(tmp_path):
    off = '      - {name: newest_sighting_is_recent, enabled: false, reason: "an archive"}\n'
    feed = stated(tmp_path, off)

    assert "newest_sighting_is_recent" not in {expectation.name for expectation in suite(feed)}
    assert "say why" in refused(tmp_path, "      - {name: volume_is_usual, enabled: false}\n")


def test_an_entry_states_a_default_otherwise(tmp_path):
    other = '      - {name: sightings_are_not_absurdly_old, arguments: {min_value: "2020-01-01"}, severity: info}\n'
    expectation = named(stated(tmp_path, other), "sightings_are_not_absurdly_old")

    assert (expectation.kwargs["min_value"], expectation.severity) == ("2020-01-01", "info")
    assert expectation.kwargs["column"] == "sighting"


def test_an_entry_adds_an_expectation_at_the_end(tmp_path):
    feed = stated(
        tmp_path,
        """\
      - name: posts_are_tagged
        claim: Every post has a tag.
        expectation: expect_column_value_lengths_to_be_between
        arguments: {column: tags, min_value: 1, mostly: 0.5}
        what_to_do: Ask the publisher.
""",
    )
    added = suite(feed)[-1]

    assert added == Expectation(
        "posts_are_tagged",
        "Every post has a tag.",
        "expect_column_value_lengths_to_be_between",
        {"column": "tags", "min_value": 1, "mostly": 0.5},
        "warning",
        "Ask the publisher.",
    )
    assert digest(suite(feed)) != digest(default_suite(feed))


def test_stating_an_expectation_rebuilds_no_day(tmp_path):
    """The digest of a feed is part of the fingerprint of every partition made from it."""
    plain = load(tmp_path, HEAD + TABLE)
    other = load(tmp_path, f"{HEAD}{TABLE}    expectations: [{{name: volume_is_usual, severity: info}}]\n")

    assert other.feeds[0].digest == plain.feeds[0].digest
    assert other.digest != plain.digest


NEW = "{name: x, claim: C., what_to_do: W., expectation: %s, arguments: {%s}}"


@pytest.mark.parametrize(
    ("expectation", "words"),
    [
        ("{name: volume_is_unusual}", "none of the default ones; did you mean 'volume_is_usual'?"),
        ("{name: listings_count_from_one}", "whose format claims no such thing: leave it out"),
        ("{name: volume_is_usual, arguments: {mostly: 0.5}}", "it takes none"),
        ("{name: lines_count_from_one, claim: other}", "has its claim already"),
        ("{name: type_mix_is_usual, arguments: {limit: 1}}", "unknown key 'limit'"),
        ("{name: type_mix_is_usual, severity: fatal}", "'fatal' is not allowed"),
        ("{name: confidence_is_a_ratio, arguments: {mostly: 95}}", "above the greatest value allowed"),
        ("{name: newest_sighting_is_recent, arguments: {min_value: soon}}", "'soon' is no instant"),
        (
            NEW % ("expect_column_values_to_be_between", "column: confidense, min_value: 0"),
            "did you mean 'confidence'?",
        ),
        (NEW % ("expect_column_values_to_be_between", "column: line"), "needs a 'min_value' or a 'max_value'"),
        (NEW % ("expect_column_values_to_be_between", "column: line, max_value: many"), "'many' is not a number"),
        (NEW % ("expect_column_values_to_match_regex", 'column: tlp, regex: "("'), "no regular expression"),
        (NEW % ("expect_column_values_to_be_in_set", "column: tlp"), "needs 'value_set'"),
        (NEW % ("expect_column_values_to_not_be_null", "column: tlp, regex: x"), "takes no 'regex'"),
        (NEW % ("expect_table_row_count_to_be_between", "min_value: 1"), "is not allowed; allowed:"),
        ("{name: 'x\"y'}", "does not have the form"),
    ],
)
def test_what_cannot_be_stated_is_refused_with_file_line_and_key(tmp_path, expectation, words):
    message = refused(tmp_path, f"      - {expectation}\n")

    assert "catalogue.yaml, line 14, feeds[0].expectations[0]" in message
    assert words in message


def test_the_same_name_twice_is_refused(tmp_path):
    twice = "      - {name: volume_is_usual, severity: info}\n      - {name: volume_is_usual, severity: critical}\n"

    assert "expectations[1].name: 'volume_is_usual' is stated twice" in refused(tmp_path, twice)


def test_what_the_defaults_state_is_answered_for_at_the_defaults(tmp_path):
    text = f"version: 1\nfirst_day: 2026-03-02\ndefaults:\n  expectations: [{{name: nonsense}}]\nfeeds:\n{TABLE}"
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, text)

    assert "line 4, defaults.expectations[0].name: 'nonsense' is none of the default ones" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["o'hara-list", 'the "best" list', "liste française", "名簿", "a list", "a;drop table x"]
)
def test_a_feed_whose_name_holds_quotes_spaces_or_unicode_is_refused_by_name(tmp_path, name):
    """Names become assets, tables' values and files; the catalogue allows letters, digits and dashes alone."""
    quoted = name.replace("'", "''")
    with pytest.raises(CatalogueError) as caught:
        load(tmp_path, HEAD + TABLE.replace("table-one", f"'{quoted}'"))

    assert f"line 4, feeds[0].name: {name!r} does not have the form" in str(caught.value)
