"""The MISP server as a Dagster resource: its address, and the name of the variable that holds the key.

How it is talked to is `exports.misp_client`; the key itself is read when a connection is made and kept nowhere.
"""

from __future__ import annotations

import os

import dagster as dg

from intelsec_assets.settings import Settings


class Misp(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where indicators are pushed to; without an address there is no server and the plan stays open."""

    url: str | None = None
    key_variable: str = "INTELSEC_MISP_KEY"
    verify_tls: bool = True
    distribution: str = "0"  # events are for our own organisation until someone decides otherwise

    @classmethod
    def of(cls, settings: Settings) -> Misp:
        """The server that the settings name."""
        return cls(
            url=settings.misp_url,
            key_variable=settings.misp_key_variable,
            verify_tls=settings.misp_verify_tls,
            distribution=settings.misp_distribution,
        )

    def key(self) -> str:
        """The API key from the environment; empty if it is not set."""
        return os.environ.get(self.key_variable, "")
