"""The PostgreSQL database that serves the marts to many readers, as a Dagster resource.

How the marts get there is `kpis.warehouse.serving`; the address holds a password, so it is read from the environment
when a copy begins and kept nowhere.
"""

from __future__ import annotations

import os

import dagster as dg

from intelsec_assets.kpis.warehouse.serving import READER, SCHEMA
from intelsec_assets.settings import Settings


class ServingDatabase(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the marts are copied to; without an address there is only the published file."""

    url_variable: str = "INTELSEC_WAREHOUSE_URL"
    schema_name: str = SCHEMA
    reader: str = READER

    @classmethod
    def of(cls, settings: Settings) -> ServingDatabase:
        """The database that the settings name."""
        return cls(
            url_variable=settings.warehouse_url_variable,
            schema_name=settings.warehouse_schema,
            reader=settings.warehouse_reader,
        )

    def url(self) -> str | None:
        """The address from the environment; None if it is not set."""
        return os.environ.get(self.url_variable) or None
