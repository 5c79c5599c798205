"""A sample of the same rows through IntelMQ in library mode: its generic CSV parser, then its deduplicator.

    python -m benchmarks.feeds_intelmq [--quick]

The deduplicator remembers in a dict in place of Redis, which is faster. It merges nothing and scores nothing, so its
rows a second are those of a part of the work.
"""

from __future__ import annotations

import base64
import csv
import io
import logging
from typing import Any

from intelmq.bots.experts.deduplicator.expert import DeduplicatorExpertBot
from intelmq.bots.parsers.generic.parser_csv import GenericCsvParserBot
from intelmq.lib.bot import BotLibSettings

from benchmarks.children import answer, arguments, watched
from benchmarks.feeds_intelsec import rows_of
from benchmarks.recorded_feeds import data_root, recordings

SAMPLE, QUICK_SAMPLE = 40_000, 500

# a value is added under the first name whose rules it meets; what has a scheme is looked at as a URL first
ADDRESS_OR_NAME = "source.ip|source.network|source.fqdn|malware.hash.md5|malware.hash.sha1|malware.hash.sha256"


class Deduplicator(DeduplicatorExpertBot):
    """The deduplicator with a memory of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.remembered: dict[str, Any] = {}
        super().__init__(*args, **kwargs)

    def cache_exists(self, key: str) -> bool:
        """Whether the message was seen."""
        return key in self.remembered

    def cache_set(self, key: str, value: Any, ttl: int | None = None) -> None:
        """Remember the message."""
        self.remembered[key] = value


def sample(size: int, *, quick: bool) -> list[tuple[str, str, str]]:
    """(feed, value, day) of every n-th usable row of all feeds."""
    recorded = recordings(data_root(), quick=quick)
    rows = []
    for source in recorded.sources:
        table = rows_of(source, recorded.root)
        usable = table.filter(table["reject_reason"].is_null())["raw_value"].to_pylist()
        rows += [(source.feed.name, value, str(source.day)) for value in usable]
    return rows[:: max(1, len(rows) // size)]


def report(feed: str, rows: list[tuple[str, str]]) -> dict[str, str]:
    """A report of one feed as its collector would hand it on: a CSV of time and value."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    raw = base64.b64encode(text.getvalue().encode()).decode()
    return {"raw": raw, "feed.name": feed, "feed.accuracy": "75", "time.observation": "2026-08-22T00:00:00+00:00"}


def main() -> None:
    """Measure once."""
    wanted = arguments(__doc__)
    logging.disable(logging.CRITICAL)
    rows = sample(QUICK_SAMPLE if wanted.quick else SAMPLE, quick=wanted.quick)
    by_feed: dict[tuple[str, bool], list[tuple[str, str]]] = {}
    for feed, value, day in rows:
        by_feed.setdefault((feed, "://" in value), []).append((f"{day}T00:00:00+00:00", value))
    reports = [(report(feed, part), is_url) for (feed, is_url), part in by_feed.items()]

    def parser(columns: str) -> GenericCsvParserBot:
        settings = {"columns": f"time.source,{columns}", "type": "undetermined"}
        return GenericCsvParserBot("parser", settings=BotLibSettings | settings)

    parsers = {True: parser("source.url"), False: parser(ADDRESS_OR_NAME)}
    settings = {"filter_keys": "raw,time.observation,time.source,feed.name", "filter_type": "blacklist"}
    deduplicator = Deduplicator("deduplicator", settings=BotLibSettings | settings)
    with watched() as cost:
        events = [event for given, is_url in reports for event in parsers[is_url].process_message(given)["output"]]
        kept = deduplicator.process_message(*events)["output"]
    answer(rows=len(rows), parsed=len(events), kept=len(kept), **cost, rows_per_second=len(rows) / cost["seconds"])


if __name__ == "__main__":
    main()
