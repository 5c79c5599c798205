"""The recorded feeds that measurements run on: which snapshots there are, read as the project reads them.

What is done with the bytes is measured in `feeds_*`; without recordings the bundled sample stands in for them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from intelsec_assets.days import days_between
from intelsec_assets.feeds.available import local_days
from intelsec_assets.feeds.catalogue import Catalogue, Feed, catalogue_for, load_catalogue
from intelsec_assets.feeds.fetch import fetch
from intelsec_assets.feeds.snapshot import READ, SnapshotFile
from intelsec_assets.settings import REPOSITORY, SAMPLE_DATA

# --quick takes the newest days of feeds that by contract are small
QUICK_DAYS, QUICK_ROWS = 2, 50_000


@dataclass(frozen=True)
class Source:
    """A feed's snapshot of a day. `dated`: another day of the feed is another snapshot."""

    feed: Feed
    day: date
    dated: bool


@dataclass(frozen=True)
class Recordings:
    """All snapshots of a data root in one batch, as of `day`, the last one it holds."""

    root: Path
    catalogue: Catalogue
    day: date
    sources: tuple[Source, ...]


def data_root() -> Path:
    """INTELSEC_REALDATA, else the folder beside the repository, else the bundled sample."""
    folder = Path(os.environ.get("INTELSEC_REALDATA") or REPOSITORY.parent / "shared" / "data")
    return folder.resolve() if (folder / "feeds").is_dir() else SAMPLE_DATA


def recordings(root: Path, *, quick: bool = False) -> Recordings:
    """Every snapshot below the root: of feeds with a file a day each day, of the others the one file there is."""
    catalogue = load_catalogue(catalogue_for(root))
    held = local_days(catalogue, root)
    last = held[-1]
    days = days_between(held[-QUICK_DAYS] if quick else held[0], last)
    sources = [
        Source(feed, day, is_dated(feed))
        for feed in catalogue.enabled_feeds
        if feed.local and not (quick and (feed.contract.max_rows or QUICK_ROWS) > QUICK_ROWS)
        for day in (days if is_dated(feed) else [last])
        if feed.is_due(day)
    ]
    return Recordings(root, catalogue, last, tuple(sources))


def is_dated(feed: Feed) -> bool:
    """Whether the feed has other content every day."""
    return "{" in (feed.local or "") or feed.options.get("events") == "day"


def read(source: Source, root: Path) -> Sequence[tuple[SnapshotFile, bytes]]:
    """Files of a snapshot, named by their day where other days have the same names. Empty if it is not there."""
    fetched = fetch(source.feed, source.day, data_root=root, clock=_recorded)
    if fetched.snapshot.status != READ:
        return ()
    prefix = f"{source.day}/" if source.dated else ""
    return [(SnapshotFile(prefix + file.name, file.sha256, file.size), content) for file, content in fetched.contents]


def _recorded() -> datetime:
    """The instant of fetching, which no result holds."""
    return datetime(1970, 1, 1, tzinfo=UTC)
