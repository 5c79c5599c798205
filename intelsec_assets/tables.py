"""The lake's tables as data: grain, columns, types, order. One place from which files, UI, dictionary and tests read.

How a table is computed does not belong here; types are DuckDB's, all instants TIMESTAMPTZ in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

ROW_GROUP = 122_880  # DuckDB's own


@dataclass(frozen=True)
class Column:
    """A column: its DuckDB type, what it says, whether it may be NULL."""

    name: str
    type: str
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the lake: one Parquet file a day, rows sorted by `sort_by`, its key unless `key` says else."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    sort_by: tuple[str, ...]
    row_group: int = ROW_GROUP  # rows that a writer or reader holds at once: fewer where a row is large

    @property
    def column_names(self) -> list[str]:
        """Names in file order."""
        return [column.name for column in self.columns]

    def ddl(self) -> str:
        """Column list for CREATE TABLE."""
        return ", ".join(f'"{c.name}" {c.type}' for c in self.columns)


_TSTZ = "TIMESTAMPTZ"
_LIST = "VARCHAR[]"

# what a feed says about a value, the same in feed rows and in observations
_CLAIMS = (
    Column("tags", _LIST, "labels the feed gave, lower case, sorted, without #"),
    Column("campaign", "VARCHAR", "campaign the feed names", nullable=True),
    Column("threat_type", "VARCHAR", "phishing, c2, malware, scanner, … in the feed's word", nullable=True),
    Column("malware_family", "VARCHAR", "family the feed names", nullable=True),
    Column("confidence", "DOUBLE", "the feed's own confidence, ratio 0 to 1", nullable=True),
    Column("tlp", "VARCHAR", "clear, green, amber, amber+strict or red: the stricter of row and feed"),
    Column("listings", "INTEGER", "how many lists the row stands for (an aggregator states it, else 1)"),
    Column("first_seen", _TSTZ, "first sighting the feed claims", nullable=True),
    Column("last_seen", _TSTZ, "last sighting the feed claims", nullable=True),
)

FEED_ROWS = Table(
    "feed_rows",
    "one data row of a feed's snapshot of the day (comments, blank lines and headers are not rows)",
    (
        Column("file", "VARCHAR", "file inside the snapshot"),
        Column("line", "BIGINT", "line in that file from 1; for JSON the ordinal of the element"),
        Column("snapshot_sha256", "VARCHAR", "content hash of the raw file"),
        Column("raw_value", "VARCHAR", "the value as published, or the whole row where no value can be told"),
        Column("indicator_type", "VARCHAR", "type the feed declares; NULL = to be detected", nullable=True),
        *_CLAIMS,
        Column("reject_reason", "VARCHAR", "why the row cannot be used; NULL = usable", nullable=True),
        Column("reject_detail", "VARCHAR", "what was found and what was expected", nullable=True),
    ),
    ("file", "line"),
)

OBSERVATIONS = Table(
    "observations",
    "one accepted feed row of the day",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("feed", "VARCHAR", "feed of the catalogue"),
        Column("file", "VARCHAR", "file inside the snapshot"),
        Column("line", "BIGINT", "line in that file from 1"),
        Column("snapshot_sha256", "VARCHAR", "content hash of the raw file"),
        Column("indicator_type", "VARCHAR", "domain, url, ipv4, ipv6, cidr, md5, sha1, sha256, sha512 or email"),
        Column("value", "VARCHAR", "canonical value"),
        Column("raw_value", "VARCHAR", "the value as published"),
        Column("canon_rules", _LIST, "canonical rules applied, in order"),
        *_CLAIMS,
    ),
    ("feed", "file", "line"),
)

REJECTED_OBSERVATIONS = Table(
    "rejected_observations",
    "one feed row of the day that could not be used",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("feed", "VARCHAR", "feed of the catalogue"),
        Column("file", "VARCHAR", "file inside the snapshot"),
        Column("line", "BIGINT", "line in that file from 1"),
        Column("snapshot_sha256", "VARCHAR", "content hash of the raw file"),
        Column("raw_value", "VARCHAR", "the row or value as published, first 4,096 characters"),
        Column("reason", "VARCHAR", "short code of the reason"),
        Column("detail", "VARCHAR", "what was found and what was expected"),
    ),
    ("feed", "file", "line"),
)

FEED_STATUS = Table(
    "feed_status",
    "one enabled feed as of the end of the day",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("feed", "VARCHAR", "feed of the catalogue"),
        Column("status", "VARCHAR", "ok, not_due, unreadable, empty, stale or shrunk"),
        Column("held", "BOOLEAN", "true = its indicators are held in exports instead of withdrawn"),
        Column("reason", "VARCHAR", "what was found and what the contract asks"),
        Column("rows_in", "BIGINT", "rows of the snapshot"),
        Column("rows_kept", "BIGINT", "rows accepted as observations"),
        Column("rows_rejected", "BIGINT", "rows in quarantine"),
        Column("listings", "BIGINT", "list memberships that the kept rows stand for"),
        Column("distinct_indicators", "BIGINT", "distinct (type, value) among the kept rows"),
        Column("baseline_rows", "BIGINT", "rows of the last healthy snapshot before this day", nullable=True),
        Column("unchanged_days", "INTEGER", "days in a row with the very same bytes"),
        Column(
            "snapshot_sha256",
            "VARCHAR",
            "hash over the content of the snapshot's files, their names left out",
            nullable=True,
        ),
    ),
    ("feed",),
)

INDICATORS = Table(
    "indicators",
    "one (type, value) live as of the end of the day",
    (
        Column("indicator_id", "UUID", "UUIDv5 in the STIX namespace over `type:value`"),
        Column("indicator_type", "VARCHAR", "domain, url, ipv4, ipv6, cidr, md5, sha1, sha256, sha512 or email"),
        Column("value", "VARCHAR", "canonical value"),
        Column(
            "first_seen", _TSTZ, "earliest sighting any feed claims; without a claim the start of the day it was listed"
        ),
        Column("last_seen", _TSTZ, "latest sighting any feed claims; without a claim the end of the day it was listed"),
        Column("first_listed", "DATE", "first day a feed listed it here"),
        Column("last_listed", "DATE", "last day a feed listed it here"),
        Column("observations", "BIGINT", "accepted rows so far"),
        Column("sources", _LIST, "feeds that list it within the corroboration window, sorted"),
        Column("independent_sources", "INTEGER", "largest number of those feeds no two of which are copies"),
        Column(
            "source_records",
            "STRUCT(feed VARCHAR, first_listed DATE, last_listed DATE, last_seen TIMESTAMPTZ, observations BIGINT)[]",
            "the same a feed, sorted by feed",
        ),
        Column("campaigns", _LIST, "campaigns named so far, sorted"),
        Column("families", _LIST, "malware families named so far, sorted"),
        Column("threat_types", _LIST, "threat types named so far, sorted"),
        Column("tags", _LIST, "labels given so far, sorted"),
        Column("confidence", "DOUBLE", "highest confidence a feed claims, ratio 0 to 1", nullable=True),
        Column("tlp", "VARCHAR", "strictest TLP of its observations"),
        Column("host", "VARCHAR", "host of a URL or e-mail address, the name itself of a domain", nullable=True),
        Column(
            "registered_domain",
            "VARCHAR",
            "registrable domain of the host by the public suffix list, private suffixes included",
            nullable=True,
        ),
        Column(
            "parent_ids", "UUID[]", "indicator ids of host and registered domain, nearest first, whether or not listed"
        ),
    ),
    ("indicator_type", "value"),
)

FEED_OVERLAPS = Table(
    "feed_overlaps",
    "one ordered pair of feeds that share indicators as of the end of the day",
    (
        Column("feed", "VARCHAR", "the feed looked at"),
        Column("other", "VARCHAR", "the feed it is compared with"),
        Column("indicators", "BIGINT", "indicators that `feed` lists"),
        Column("shared", "BIGINT", "of those, listed by `other` too"),
        Column("containment", "DOUBLE", "shared / indicators, ratio 0 to 1"),
        Column("is_copy", "BOOLEAN", "true = `feed` lies in `other`: the two count as one source"),
    ),
    ("feed", "other"),
)

WARNINGLIST_HITS = Table(
    "warninglist_hits",
    "one list that a live indicator is on, as of the end of the day",
    (
        Column("indicator_id", "UUID", "the indicator"),
        Column("list", "VARCHAR", "name of the list; `protected` = our own domains, addresses and networks"),
        Column("policy", "VARCHAR", "protect, block, penalise or annotate"),
        Column("entry", "VARCHAR", "the entry of the list that matched"),
    ),
    ("indicator_id", "list"),
)

INDICATOR_SCORES = Table(
    "indicator_scores",
    "one live indicator as of the end of the day",
    (
        Column("indicator_id", "UUID", "the indicator"),
        Column("indicator_type", "VARCHAR", "type"),
        Column("value", "VARCHAR", "canonical value"),
        Column("model_version", "VARCHAR", "scoring model"),
        Column("source_trust", "DOUBLE", "highest trust among its sources, ratio 0 to 1"),
        Column("recency", "DOUBLE", "0.5 ** (age / half-life), age from last_seen to the end of the day, ratio 0 to 1"),
        Column(
            "hit_rate", "DOUBLE", "share of true positives among its dispositions, with the model's prior, ratio 0 to 1"
        ),
        Column("cooccurrence", "DOUBLE", "1 - 0.5 ** (independent sources - 1), ratio 0 to 1; 0 for known scanners"),
        Column("sandbox", "VARCHAR", "malicious, benign or unknown"),
        Column("warninglist", "VARCHAR", "strictest policy of the lists it is on", nullable=True),
        Column("score", "DOUBLE", "sum of the contributions, 0 to 1"),
        Column("decision", "VARCHAR", "export, hold or suppress"),
        Column("reason", "VARCHAR", "why that decision"),
        Column(
            "contributions",
            "STRUCT(source_trust DOUBLE, recency DOUBLE, hit_rate DOUBLE, cooccurrence DOUBLE, sandbox DOUBLE, "
            "warninglist DOUBLE, clamp DOUBLE)",
            "points each component adds; they sum to the score",
        ),
    ),
    ("indicator_type", "value"),
)

EXPORT_PLAN = Table(
    "export_plan",
    "one indicator that targets should hold, or should have withdrawn, as of the end of the day",
    (
        Column("indicator_id", "UUID", "the indicator"),
        Column("indicator_type", "VARCHAR", "type"),
        Column("value", "VARCHAR", "canonical value"),
        Column("event", "VARCHAR", "collection it belongs to: `<campaign or theme>/<YYYY-MM>` of its first export"),
        Column("state", "VARCHAR", "active or withdrawn (withdrawn ones stay as tombstones for a while)"),
        Column("action", "VARCHAR", "add, update, keep, hold, withdraw or gone: what changed against the day before"),
        Column("reason", "VARCHAR", "why"),
        Column("changed_on", "DATE", "last day its exported content changed"),
        Column("first_exported", "DATE", "day it first became active"),
        Column("content_hash", "VARCHAR", "hash of everything a target is told about it"),
        Column("score_band", "VARCHAR", "high (>= 0.8), medium (>= 0.6) or low"),
        Column("admiralty", "VARCHAR", "source grade, a to f"),
        Column("tlp", "VARCHAR", "marking"),
        Column("campaign", "VARCHAR", "campaign", nullable=True),
        Column("families", _LIST, "malware families"),
        Column("threat_types", _LIST, "threat types"),
        Column("sources", _LIST, "feeds"),
        Column("first_seen", _TSTZ, "earliest sighting, frozen at first export"),
    ),
    ("indicator_type", "value"),
)

FEED_TERMS = Table(
    "feed_terms",
    "one enabled feed of the catalogue as the day was built with it",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("feed", "VARCHAR", "feed of the catalogue"),
        Column("title", "VARCHAR", "its name for people"),
        Column("publisher", "VARCHAR", "who publishes it"),
        Column("licence", "VARCHAR", "terms of use, SPDX where there is one"),
        Column("url", "VARCHAR", "where it is published", nullable=True),
        Column("format", "VARCHAR", "wire format"),
        Column("mode", "VARCHAR", "snapshot = the whole list every day; incremental = the day's new rows only"),
        Column("trust", "VARCHAR", "Admiralty grade of the source, A to F"),
        Column("trust_weight", "DOUBLE", "the grade as the score takes it, ratio 0 to 1"),
        Column("tlp", "VARCHAR", "marking of the feed"),
        Column("types", _LIST, "indicator types it may hold, sorted"),
        Column("min_rows", "BIGINT", "contract: fewest rows of a healthy day"),
        Column("max_rows", "BIGINT", "contract: most rows of a healthy day; NULL = no limit", nullable=True),
        Column("max_shrink", "DOUBLE", "contract: largest loss of rows against the last healthy day, ratio 0 to 1"),
        Column(
            "max_unchanged_days",
            "INTEGER",
            "contract: days with the very same bytes; NULL = no limit",
            nullable=True,
        ),
        Column("max_rejected", "DOUBLE", "contract: largest share of rejected rows, ratio 0 to 1"),
    ),
    ("feed",),
)

WARNINGLIST_TERMS = Table(
    "warninglist_terms",
    "one list that indicators of the day were matched against",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("list", "VARCHAR", "name of the list; `protected` = our own domains, addresses and networks"),
        Column("policy", "VARCHAR", "protect, block, penalise or annotate"),
        Column("reason", "VARCHAR", "why that policy"),
        Column("title", "VARCHAR", "its name for people"),
        Column("types", _LIST, "indicator types it speaks about, sorted"),
        Column("entries", "BIGINT", "entries of the list"),
    ),
    ("list",),
)

EXPORT_WRITES = Table(
    "export_writes",
    "one write about one indicator that a target confirmed for the plan of the day",
    (
        Column("day", "DATE", "day whose plan was told, UTC"),
        Column("seq", "BIGINT", "order of the writes in the ledger"),
        Column("target", "VARCHAR", "files or misp"),
        Column("indicator_id", "UUID", "the indicator"),
        Column("action", "VARCHAR", "add, update or withdraw"),
        Column("event", "VARCHAR", "collection it was written to"),
        Column("content_hash", "VARCHAR", "hash of everything the target was told about it"),
        Column("confirmed_at", _TSTZ, "when the target confirmed it"),
    ),
    ("target", "seq"),
)

EXPORT_ATTEMPTS = Table(
    "export_attempts",
    "one attempt to bring a target up to the plan of the day",
    (
        Column("day", "DATE", "day whose plan was to be told, UTC"),
        Column("seq", "BIGINT", "order of the attempts"),
        Column("target", "VARCHAR", "files or misp"),
        Column("status", "VARCHAR", "succeeded, open, unavailable, refused or failed"),
        Column("added", "BIGINT", "indicators the target newly holds"),
        Column("updated", "BIGINT", "indicators told again with other content"),
        Column("withdrawn", "BIGINT", "indicators the target gave up"),
        Column("unchanged", "BIGINT", "indicators it held already with this content"),
        Column("refused", "BIGINT", "indicators the target would not take"),
        Column("detail", "VARCHAR", "what happened, in words"),
        Column("attempted_at", _TSTZ, "when"),
    ),
    ("seq",),
)

DAILY_SUMMARY = Table(
    "daily_summary",
    "one figure of the day",
    (
        Column("day", "DATE", "partition day, UTC"),
        Column("section", "VARCHAR", "feed, dedup, decision, plan or check"),
        Column("name", "VARCHAR", "feed, window, decision, action or check"),
        Column("metric", "VARCHAR", "what is counted"),
        Column("value", "DOUBLE", "the figure; ratios 0 to 1, else counts"),
    ),
    ("section", "name", "metric"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        FEED_ROWS,
        OBSERVATIONS,
        REJECTED_OBSERVATIONS,
        FEED_STATUS,
        INDICATORS,
        FEED_OVERLAPS,
        WARNINGLIST_HITS,
        INDICATOR_SCORES,
        EXPORT_PLAN,
        FEED_TERMS,
        WARNINGLIST_TERMS,
        EXPORT_WRITES,
        EXPORT_ATTEMPTS,
        DAILY_SUMMARY,
    )
}
