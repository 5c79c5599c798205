"""The manifest of a snapshot: number, day, what it was made from, what it holds. As a value and as JSON.

Which snapshots there are is the business of `snapshots`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from intelsec_assets.days import parse_day


@dataclass(frozen=True)
class SourceDays:
    """What a lake table gave: how many days, from when to when, and a hash over the content of all."""

    days: int
    first: date
    last: date
    version: str


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds and was made from. `sha256` and `size` (bytes) are of its file; `tables` counts rows.

    `rolled_back_from` is set on what is published after a rollback: the newest snapshot that it stands in for.
    """

    snapshot: int
    day: date
    published_at: datetime
    build: str
    storage_version: str
    sources: Mapping[str, SourceDays]
    tables: Mapping[str, int]
    checks: Mapping[str, int]
    warnings: tuple[str, ...]
    sha256: str = ""
    size: int = 0
    rolled_back_from: int | None = None

    def __str__(self) -> str:
        """For people: which one, and of when."""
        return f"snapshot {self.snapshot} of {self.day}, published at {_instant(self.published_at)}"

    def inside(self) -> dict[str, Any]:
        """What the file says of itself: all but what is only known once it is finished."""
        return {
            "snapshot": self.snapshot,
            "day": str(self.day),
            "published_at": _instant(self.published_at),
            "storage_version": self.storage_version,
            "sources": {
                table: {"days": s.days, "first": str(s.first), "last": str(s.last), "version": s.version}
                for table, s in sorted(self.sources.items())
            },
            "tables": {table: {"rows": rows} for table, rows in sorted(self.tables.items())},
            "checks": dict(self.checks),
            "warnings": list(self.warnings),
            "build": self.build,
        }

    def as_json(self) -> dict[str, Any]:
        """The manifest as it lies beside the file."""
        whole = {**self.inside(), "sha256": self.sha256, "bytes": self.size}
        return whole if self.rolled_back_from is None else {**whole, "rolled_back_from": self.rolled_back_from}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Manifest:
        """The manifest of its JSON form. Raises KeyError, ValueError or TypeError for anything else."""
        return cls(
            snapshot=int(said["snapshot"]),
            day=parse_day(said["day"]),
            published_at=datetime.fromisoformat(said["published_at"]),
            build=said["build"],
            storage_version=said["storage_version"],
            sources={
                table: SourceDays(s["days"], parse_day(s["first"]), parse_day(s["last"]), s["version"])
                for table, s in said["sources"].items()
            },
            tables={table: found["rows"] for table, found in said["tables"].items()},
            checks=said["checks"],
            warnings=tuple(said["warnings"]),
            sha256=said.get("sha256", ""),
            size=said.get("bytes", 0),
            rolled_back_from=said.get("rolled_back_from"),
        )


def source_days(partitions: Mapping[str, str]) -> dict[str, SourceDays]:
    """Per lake table what its partitions (`table@day` to content hash) come to."""
    by_table: dict[str, dict[date, str]] = {}
    for key, sha256 in partitions.items():
        table, day = key.rsplit("@", 1)
        by_table.setdefault(table, {})[parse_day(day)] = sha256
    return {
        table: SourceDays(len(days), min(days), max(days), _version(days)) for table, days in sorted(by_table.items())
    }


def _version(days: Mapping[date, str]) -> str:
    return hashlib.sha256("\n".join(f"{day}={days[day]}" for day in sorted(days)).encode()).hexdigest()


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
