"""The workspace as a Dagster resource: one data root with its lake, raw bytes, catalogue, store and exports.

Tests and environments replace it as a whole through `build_defs`; what assets do with the parts is theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from intelsec_assets.feeds.catalogue import Catalogue, catalogue_for, load_catalogue
from intelsec_assets.feeds.snapshot import RawStore
from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.store import Store
from intelsec_assets.resources.warehouse import Warehouse
from intelsec_assets.settings import DETECTIONS, Settings

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Now, for live edges only: fetching, ledger, run records."""
    return datetime.now(UTC)


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where this location reads from and writes to."""

    home: str
    data_root: str | None = None
    catalogue_path: str | None = None
    detections: str = str(DETECTIONS)
    store_url: str
    allowed_networks: list[str] = []  # noqa: RUF012  pydantic copies it
    warehouse_keep: int = 7

    @classmethod
    def of(cls, settings: Settings) -> Workspace:
        """The workspace that the settings describe; an address with a password stays a name of a variable."""
        from_environment = os.environ.get("INTELSEC_STORE_URL") == settings.store_url
        return cls(
            home=str(settings.home),
            data_root=None if settings.data_root is None else str(settings.data_root),
            catalogue_path=None if settings.catalogue is None else str(settings.catalogue),
            detections=str(settings.detections),
            store_url=dg.EnvVar("INTELSEC_STORE_URL") if from_environment else settings.store_url,
            allowed_networks=list(settings.allowed_networks),
            warehouse_keep=settings.warehouse_keep,
        )

    def __repr__(self) -> str:
        """Without the store's address, which may hold a password."""
        return f"Workspace(home={self.home!r}, data_root={self.data_root!r})"

    @property
    def data(self) -> Path | None:
        """Folder the feeds are read from; None = their published addresses."""
        return None if self.data_root is None else Path(self.data_root)

    @property
    def exports(self) -> Path:
        """Folder of the exported files."""
        return Path(self.home) / "exports"

    def lake(self) -> Lake:
        """The lake of this workspace. Left empty it starts on the catalogue's first day."""
        return Lake(Path(self.home) / "lake", opens_on=lambda: self.catalogue().first_day)

    def raw_store(self) -> RawStore:
        """The raw feed bytes of this workspace."""
        return RawStore(Path(self.home) / "raw")

    def warehouse(self) -> Warehouse:
        """The warehouse of this workspace."""
        return Warehouse.of(Path(self.home), self.lake())

    def detection_sources(self) -> DetectionSources:
        """What detections read beside the lake."""
        return DetectionSources(Path(self.home), self.data, Path(self.detections))

    def catalogue(self) -> Catalogue:
        """The catalogue as it stands now. Raises CatalogueError."""
        return load_catalogue(Path(self.catalogue_path) if self.catalogue_path else catalogue_for(self.data))

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The operational store, opened and closed."""
        # Dagster puts the value in place where a run starts; the command uses the workspace as it is
        url = os.environ[self.store_url.env_var_name] if isinstance(self.store_url, dg.EnvVar) else self.store_url
        store = Store.open(url)
        try:
            yield store
        finally:
            store.close()
