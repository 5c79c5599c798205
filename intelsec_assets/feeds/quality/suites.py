"""The expectations of a feed: what its catalogue entry alone implies, and what the entry states of its own.

Data, readable from top to bottom. Limits that hold a feed are its contract's and are not stated here again.
"""

from __future__ import annotations

from dataclasses import replace

from intelsec_assets.feeds.catalogue import TLP_LEVELS, Feed, StatedExpectation
from intelsec_assets.feeds.catalogue_expectations import (
    CRITICAL,
    DEFAULTS,
    HASH_TYPES,
    MIXES,
    WARNING,
    default_names,
)
from intelsec_assets.feeds.quality.anomalies import LEAST_ROWS_OF_A_MIX
from intelsec_assets.feeds.quality.expectations import Expectation
from intelsec_assets.tables import FEED_ROWS, Column

# the one claim that is not about rows: it compares two snapshots (`schema_drift`)
SCHEMA_IS_STABLE = "schema_is_stable"

# DuckDB's types as Great Expectations names them in a pandas frame; lists come as text
_PANDAS_TYPES = {
    "VARCHAR": "str",
    "BIGINT": "int64",
    "INTEGER": "int32",
    "DOUBLE": "float64",
    "TIMESTAMPTZ": "Timestamp",
}
_HASH_LENGTHS = dict(zip(HASH_TYPES, (32, 40, 64, 128), strict=True))

# No list of network indicators is older; what dates before it is a default that leaked (1970-01-01, 1999-11-30).
OLDEST_SIGHTING = "2000-01-01T00:00:00+00:00"
# A snapshot is taken up to hours after the day, when the next day's first sightings are in it.
MOSTLY_BY_THE_END = 0.95
# Days that the newest sighting of a whole list may lie back where its contract does not say how long it may rest.
QUIET_DAYS = 7


def default_suite(feed: Feed) -> tuple[Expectation, ...]:
    """What every feed with such an entry is expected to keep, in the order of reading."""
    stated = default_names(feed.format, feed.options, feed.types)
    return tuple(expectation for expectation in _all_defaults(feed) if expectation.name in stated)


def suite(feed: Feed) -> tuple[Expectation, ...]:
    """The default suite with the entry's own `expectations`: switched off, stated otherwise, or added at the end."""
    own = {stated.name: stated for stated in feed.expectations}
    changed = [_changed(expectation, own.get(expectation.name)) for expectation in default_suite(feed)]
    added = [_added(stated) for stated in feed.expectations if stated.enabled and stated.name not in DEFAULTS]
    return (*(expectation for expectation in changed if expectation is not None), *added)


def _changed(expectation: Expectation, own: StatedExpectation | None) -> Expectation | None:
    if own is None:
        return expectation
    if not own.enabled:
        return None
    return replace(
        expectation,
        kwargs={**expectation.kwargs, **own.arguments},
        severity=own.severity or expectation.severity,
        what_to_do=own.what_to_do or expectation.what_to_do,
    )


def _added(own: StatedExpectation) -> Expectation:
    return Expectation(
        own.name, own.claim, own.expectation or "", dict(own.arguments), own.severity or WARNING, own.what_to_do
    )


def _all_defaults(feed: Feed) -> tuple[Expectation, ...]:
    name = feed.name
    look = f"Look at the rows: intelsec quality {name} --day DAY."
    defect = "The lake's file is of another version of this program or damaged: run the day again."
    return (
        Expectation(
            "columns_are_complete",
            "The rows have every column of feed rows.",
            "expect_table_columns_to_match_set",
            {"column_set": list(FEED_ROWS.column_names), "exact_match": False},
            CRITICAL,
            defect,
        ),
        Expectation(
            "columns_keep_their_types",
            "Every column has the type that feed rows have.",
            "expect_column_values_to_be_of_type",
            {},
            CRITICAL,
            defect,
            by_column={column.name: {"type_": _pandas_type(column)} for column in FEED_ROWS.columns},
        ),
        Expectation(
            "required_values_are_there",
            "No column that every row fills has an empty place.",
            "expect_column_values_to_not_be_null",
            {},
            CRITICAL,
            defect,
            by_column={column.name: {} for column in FEED_ROWS.columns if not column.nullable},
        ),
        Expectation(
            "lines_count_from_one",
            "Every row names a line of its file, quarantined ones too.",
            "expect_column_values_to_be_between",
            {"column": "line", "min_value": 1},
            CRITICAL,
            f"{look} The parser lost their place; report a defect.",
        ),
        Expectation(
            "types_are_in_the_catalogue",
            "Every declared type is one that the entry lists.",
            "expect_column_values_to_be_in_set",
            {"column": "indicator_type", "value_set": list(feed.types)},
            WARNING,
            f"{look} Rows of other types are in quarantine: add the type to the entry's `types`, or leave them there.",
        ),
        Expectation(
            "hashes_have_their_length",
            "What the feed declares a hash has the digits of one.",
            "expect_column_values_to_match_regex",
            {},
            WARNING,
            f"{look} Either the publisher's column has shifted or the entry's `type_map` is wrong.",
            by_column={
                f"value_of_{kind}": {"regex": f"^[0-9A-Fa-f]{{{_HASH_LENGTHS[kind]}}}$"}
                for kind in HASH_TYPES
                if kind in feed.types
            },
        ),
        Expectation(
            "confidence_is_a_ratio",
            "Confidence lies between 0 and 1.",
            "expect_column_values_to_be_between",
            {"column": "confidence", "min_value": 0, "max_value": 1},
            CRITICAL,
            f"{look} Correct `confidence_scale` in the entry.",
        ),
        Expectation(
            "listings_count_from_one",
            "A row stands for at least one list.",
            "expect_column_values_to_be_between",
            {"column": "listings", "min_value": 1},
            CRITICAL,
            f"{look} Correct the column of `listings` in the entry.",
        ),
        Expectation(
            "tlp_is_not_below_the_feeds",
            "No row is marked more openly than its feed.",
            "expect_column_values_to_be_in_set",
            {"column": "tlp", "value_set": list(TLP_LEVELS[TLP_LEVELS.index(feed.tlp) :])},
            CRITICAL,
            f"{look} Do not export: what the publisher restricts would leave the house; report a defect.",
        ),
        Expectation(
            "sightings_are_not_in_the_future",
            "Almost no sighting lies after the end of the day.",
            "expect_column_values_to_be_between",
            {"column": "sighting", "max_value": "{day_end}", "mostly": MOSTLY_BY_THE_END},
            WARNING,
            f"{look} The publisher's clock or zone is wrong: scores of these rows are too high until it is mended.",
        ),
        Expectation(
            "sightings_are_not_absurdly_old",
            "No sighting dates from before there were such lists.",
            "expect_column_values_to_be_between",
            {"column": "sighting", "min_value": OLDEST_SIGHTING},
            WARNING,
            f"{look} A default stands in place of a date: correct `time_format`, or tell the publisher.",
        ),
        Expectation(
            "sightings_are_in_order",
            "No row was last seen before it was first seen.",
            "expect_column_pair_values_a_to_be_greater_than_b",
            {
                "column_A": "last_seen",
                "column_B": "first_seen",
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            },
            WARNING,
            f"{look} The entry's columns may be the wrong way round.",
        ),
        Expectation(
            "newest_sighting_is_recent",
            "The newest sighting is about as young as the day.",
            "expect_column_max_to_be_between",
            {"column": "sighting", "min_value": f"{{day_start - {_quiet_days(feed)} days}}"},
            WARNING,
            "The publisher has stopped, or republishes old rows: look at its page, then lower `trust` or set `until`.",
            least_rows=1,
        ),
        Expectation(
            "volume_is_usual",
            "As many rows as this weekday usually has.",
            "expect_table_row_count_to_be_between",
            {"min_value": "{rows_low}", "max_value": "{rows_high}"},
            WARNING,
            f"Compare with the days before: intelsec quality {name} --day DAY. If it stays so, the history learns it.",
        ),
        *(
            Expectation(
                f"{column}_is_usual",
                f"The day divides into {words} as this weekday usually does.",
                "expect_column_kl_divergence_to_be_less_than",
                {"column": column, "partition_object": f"{{{column}}}", "threshold": f"{{{column}_limit}}"},
                WARNING,
                f"See which share moved: intelsec quality {name} --day DAY. A new campaign does that, and so does a "
                "column that has shifted.",
                least_rows=LEAST_ROWS_OF_A_MIX,
            )
            for column, words in zip(MIXES, ("types", "kinds of threat", "tags"), strict=True)
        ),
        Expectation(
            SCHEMA_IS_STABLE,
            "The source has the columns or keys, and the kinds of values, of the last day that was read.",
            "",
            {},
            WARNING,
            "Compare with the publisher's announcement; map a new name in the entry's `columns`.",
        ),
    )


def _pandas_type(column: Column) -> str:
    return _PANDAS_TYPES["VARCHAR" if column.type.endswith("[]") else column.type]


def _quiet_days(feed: Feed) -> int:
    if feed.mode == "incremental":
        return 1
    return max(1, feed.interval.days) + (feed.contract.max_unchanged_days or QUIET_DAYS)
