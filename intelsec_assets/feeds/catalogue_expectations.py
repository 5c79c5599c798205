"""What a feed's entry may state about its quality: kinds of expectation, their arguments, columns and placeholders.

A vocabulary and its defects as words. What a feed is expected to keep without saying so is `quality.suites`; that the
keys have the right JSON types is `catalogue.schema.json`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from intelsec_assets.tables import FEED_ROWS

CRITICAL, WARNING, INFO = "critical", "warning", "info"

# Columns a batch has beside those of FEED_ROWS: the last moment a row claims to have seen the thing, the value where
# the feed declares a hash, and the row's kind as usual days have kinds.
HASH_TYPES = ("md5", "sha1", "sha256", "sha512")
INSTANTS = ("first_seen", "last_seen", "sighting")
MIXES = {"type_mix": "indicator_type", "threat_mix": "threat_type", "tag_mix": "tags"}
DERIVED = ("sighting", *(f"value_of_{kind}" for kind in HASH_TYPES), *MIXES)
COLUMNS = (*FEED_ROWS.column_names, *DERIVED)

_BOUNDS = ("min_value", "max_value", "strict_min", "strict_max")
# Kinds an entry may state anew, with their arguments. The first ones must be given; of bounds at least one.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "expect_column_values_to_be_between": (("column",), (*_BOUNDS, "mostly")),
    "expect_column_value_lengths_to_be_between": (("column",), (*_BOUNDS, "mostly")),
    "expect_column_values_to_be_in_set": (("column", "value_set"), ("mostly",)),
    "expect_column_values_to_not_be_in_set": (("column", "value_set"), ("mostly",)),
    "expect_column_values_to_match_regex": (("column", "regex"), ("mostly",)),
    "expect_column_values_to_not_match_regex": (("column", "regex"), ("mostly",)),
    "expect_column_values_to_not_be_null": (("column",), ("mostly",)),
    "expect_column_distinct_values_to_contain_set": (("column", "value_set"), ()),
    "expect_column_max_to_be_between": (("column",), _BOUNDS),
    "expect_column_min_to_be_between": (("column",), _BOUNDS),
    "expect_column_mean_to_be_between": (("column",), _BOUNDS),
    "expect_column_unique_value_count_to_be_between": (("column",), _BOUNDS),
    "expect_column_proportion_of_unique_values_to_be_between": (("column",), _BOUNDS),
}

# What the default suite of some feed states, and which arguments of it an entry may set otherwise.
DEFAULTS: dict[str, tuple[str, ...]] = {
    "columns_are_complete": (),
    "columns_keep_their_types": (),
    "required_values_are_there": (),
    "lines_count_from_one": (),
    "types_are_in_the_catalogue": ("mostly",),
    "hashes_have_their_length": ("mostly",),
    "confidence_is_a_ratio": ("mostly",),
    "listings_count_from_one": ("mostly",),
    "tlp_is_not_below_the_feeds": ("mostly",),
    "sightings_are_not_in_the_future": ("max_value", "mostly"),
    "sightings_are_not_absurdly_old": ("min_value", "mostly"),
    "sightings_are_in_order": ("mostly",),
    "newest_sighting_is_recent": ("min_value",),
    "volume_is_usual": (),
    "type_mix_is_usual": ("threshold",),
    "threat_mix_is_usual": ("threshold",),
    "tag_mix_is_usual": ("threshold",),
    "schema_is_stable": (),
}

# `{day_end}`, `{day_start - 3 days}`: an instant that goes with the day
PLACEHOLDER = re.compile(r"^\{(?P<name>[a-z_]+)(?: - (?P<days>[0-9]{1,4}) days?)?\}$")
DAY_PLACEHOLDERS = ("day_start", "day_end")
_INSTANT = re.compile(r"^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}(?:Z|\+00:00))?$")


def claims(format_name: str, options: Mapping[str, Any]) -> frozenset[str]:
    """What rows of a feed can claim by its entry alone: names of FEED_ROWS columns that do not come from the entry."""
    if format_name in ("csv", "tsv"):
        columns = options.get("columns")
        named = set(columns) if isinstance(columns, Mapping) else set()
        return frozenset(named - {"value", "type"} | ({"indicator_type"} if "type" in named else set()))
    if format_name in ("misp_feed", "misp_event"):
        return frozenset({"indicator_type", "last_seen", "tags", "threat_type"})
    if format_name in ("taxii", "stix"):
        return frozenset({"indicator_type", "last_seen", "tags", "threat_type", "confidence"})
    if format_name == "families" and options.get("threat_type_from_folder", False):
        return frozenset({"threat_type"})
    return frozenset({"indicator_type"} if format_name == "hosts" else ())


def default_names(format_name: str, options: Mapping[str, Any], types: Iterable[str]) -> tuple[str, ...]:
    """Which of DEFAULTS are stated of a feed: a claim that its format cannot make needs no expectation."""
    said = claims(format_name, options)
    declares = "indicator_type" in said
    left_out = {
        name
        for name, stated in {
            "types_are_in_the_catalogue": declares,
            "hashes_have_their_length": declares and bool(set(HASH_TYPES).intersection(types)),
            "confidence_is_a_ratio": "confidence" in said,
            "listings_count_from_one": "listings" in said,
            "sightings_are_not_in_the_future": bool(said & {"first_seen", "last_seen"}),
            "sightings_are_not_absurdly_old": bool(said & {"first_seen", "last_seen"}),
            "sightings_are_in_order": said >= {"first_seen", "last_seen"},
            "newest_sighting_is_recent": bool(said & {"first_seen", "last_seen"}),
            "type_mix_is_usual": declares and format_name != "hosts",  # a hosts file has but one type
            "threat_mix_is_usual": "threat_type" in said,
            "tag_mix_is_usual": "tags" in said,
        }.items()
        if not stated
    }
    return tuple(name for name in DEFAULTS if name not in left_out)


def defects(feed: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Place below the feed's entry and words of everything in `expectations` that a schema cannot say."""
    stated = feed.get("expectations")
    if not isinstance(stated, list):
        return
    options, types = feed.get("options"), feed.get("types")
    defaults = default_names(
        str(feed.get("format")),
        options if isinstance(options, dict) else {},
        [kind for kind in types if isinstance(kind, str)] if isinstance(types, list) else [],
    )
    seen: set[str] = set()
    for position, entry in enumerate(stated):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            continue  # the schema says so
        name = entry["name"]
        if name in seen:
            yield ("expectations", position, "name"), f"{name!r} is stated twice; names must be unique within a feed"
        seen.add(name)
        found = _of_a_default(entry, defaults) if name in DEFAULTS else _of_a_new_one(entry, defaults)
        for where, text in found:
            yield ("expectations", position, *where), text


def _of_a_default(entry: Mapping[str, Any], defaults: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    name = entry["name"]
    if name not in defaults:
        yield ("name",), f"{name!r} is not stated of this feed, whose format claims no such thing: leave it out"
        return
    for key in ("expectation", "claim"):
        if key in entry:
            yield (key,), f"{name!r} has its {key} already; give another name to state something else"
    allowed = DEFAULTS[name]
    arguments = entry.get("arguments")
    for key, value in arguments.items() if isinstance(arguments, dict) else ():
        if key not in allowed:
            words = f"allowed: {', '.join(allowed)}" if allowed else "it takes none"
            yield ("arguments", key), f"{key!r} cannot be set otherwise for {name!r}; {words}"
        else:
            yield from ((("arguments", key), text) for text in _value_defects(key, value, "sighting"))
    if entry.get("enabled") is False and not entry.get("reason"):
        yield ("enabled",), f"{name!r} is switched off without a `reason`; say why, for whoever asks next"


def _of_a_new_one(entry: Mapping[str, Any], defaults: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    missing = [key for key in ("claim", "expectation", "arguments", "what_to_do") if key not in entry]
    if missing:
        close = difflib.get_close_matches(entry["name"], defaults, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        yield (
            ("name",),
            f"{entry['name']!r} is none of the default ones{hint or ';'} a new one needs {', '.join(missing)}",
        )
    kind, arguments = entry.get("expectation"), entry.get("arguments")
    if kind not in KINDS or not isinstance(arguments, dict):
        return  # the schema says so
    needed, further = KINDS[kind]
    for key in needed:
        if key not in arguments:
            yield ("arguments",), f"{kind} needs {key!r}"
    if "min_value" in further and not {"min_value", "max_value"}.intersection(arguments):
        yield ("arguments",), f"{kind} needs a 'min_value' or a 'max_value'"
    column = arguments.get("column")
    if isinstance(column, str) and column not in COLUMNS:
        close = difflib.get_close_matches(column, COLUMNS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        yield ("arguments", "column"), f"no column {column!r}{hint or ';'} there are: {', '.join(COLUMNS)}"
    for key, value in arguments.items():
        if key not in (*needed, *further):
            yield ("arguments", key), f"{kind} takes no {key!r}; allowed: {', '.join((*needed, *further))}"
        else:
            about = str(column) if "lengths" not in kind and "count" not in kind and "proportion" not in kind else ""
            yield from ((("arguments", key), text) for text in _value_defects(key, value, about))


def _value_defects(key: str, value: object, column: str) -> Iterator[str]:
    """Why an argument cannot be used with the column it is about."""
    if key == "regex" and isinstance(value, str):
        try:
            re.compile(value)
        except re.error as error:
            yield f"{value!r} is no regular expression: {error}"
    if key not in ("min_value", "max_value"):
        return
    if column in INSTANTS:
        found = PLACEHOLDER.match(value) if isinstance(value, str) else None
        if not isinstance(value, str) or not (_INSTANT.match(value) or (found and found["name"] in DAY_PLACEHOLDERS)):
            yield (
                f"{value!r} is no instant; write '{{day_start}}', '{{day_end - 3 days}}', 2026-03-02 or "
                "2026-03-02T00:00:00Z"
            )
    elif isinstance(value, str):
        yield f"{value!r} is not a number"
