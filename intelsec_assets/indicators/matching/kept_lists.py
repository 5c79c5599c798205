"""The warninglists of a day as they were matched: kept beside the raw feed bytes, laid out again to rebuild the day.

What the files say is `list_files`; without this a past day would be rebuilt against the lists of today.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from intelsec_assets.feeds.catalogue import WarninglistPolicies
from intelsec_assets.feeds.snapshot import READ, RawStore, Snapshot, SnapshotFile, snapshot_hash

# Their name in the raw store; the catalogue takes no feed of that name.
LISTS = "warninglists"


def list_paths(root: Path, lists: WarninglistPolicies) -> list[Path]:
    """Files that the catalogue names below `root`, whether or not all are there."""
    files = [root / extra.local for extra in lists.extra]
    return files if lists.local is None else [*sorted((root / lists.local).glob("*.json")), *files]


@contextmanager
def lists_of_day(
    raw: RawStore, day: date, root: Path, lists: WarninglistPolicies, *, stored_first: bool
) -> Iterator[Path]:
    """A folder with the day's lists, for the block to read; what it read is kept for a rebuild.

    That is `root` itself, or a temporary folder with the lists kept for the day, as with feeds: if the sources are
    gone, or with `stored_first` whenever some are kept. Raises RawStoreError.
    """
    kept = raw.load(LISTS, day)
    if kept is not None and (stored_first or not _are_there(root, lists)):
        with tempfile.TemporaryDirectory(prefix="intelsec-lists-") as folder:
            for file in kept.files:
                path = Path(folder, file.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(raw.get(file.sha256))
            yield Path(folder)
        return
    yield root
    _keep(raw, day, root, lists)


def _are_there(root: Path, lists: WarninglistPolicies) -> bool:
    paths = list_paths(root, lists)
    return all(path.exists() for path in paths) and (lists.local is None or len(paths) > len(lists.extra))


def _keep(raw: RawStore, day: date, root: Path, lists: WarninglistPolicies) -> None:
    contents = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in list_paths(root, lists)]
    if contents:
        files = tuple(SnapshotFile(name, raw.put(content), len(content)) for name, content in sorted(contents))
        raw.save(Snapshot(LISTS, day, READ, files, snapshot_hash(files), source=str(lists.local or "extra lists")))
