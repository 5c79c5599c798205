"""Where the warehouse of a workspace lies: the private build, the published file, its past snapshots, the lock.

Only names of places; what is written there is the business of `build`, `publish` and `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Grafana's plugin and older clients carry DuckDB 1.x, which refuses the format that 2.0 writes by default
STORAGE_VERSION = "v1.4.0"


@dataclass(frozen=True)
class WarehouseFolder:
    """`<home>/warehouse` and the places in it."""

    home: Path

    @property
    def root(self) -> Path:
        """The folder itself."""
        return self.home / "warehouse"

    @property
    def build_file(self) -> Path:
        """The private database that dbt writes. dbt names the catalogue after the file: it stays `warehouse`."""
        return self.root / "build" / "warehouse.duckdb"

    @property
    def verdict_file(self) -> Path:
        """Outcome of the last build: whether it is whole, which tests failed, what it was made from."""
        return self.root / "build" / "verdict.json"

    @property
    def dbt(self) -> Path:
        """Artefacts and logs of dbt for this workspace."""
        return self.root / "dbt"

    @property
    def snapshots(self) -> Path:
        """A folder a published snapshot, by number: its file and its manifest, which never change again."""
        return self.root / "snapshots"

    @property
    def published(self) -> Path:
        """What readers open: a link to the file of a snapshot."""
        return self.root / "intelsec.duckdb"

    @property
    def published_manifest(self) -> Path:
        """What the published file holds and was made from."""
        return self.root / "intelsec.json"

    @property
    def lock_file(self) -> Path:
        """Held by whoever builds or publishes."""
        return self.root / "warehouse.lock"
