"""Athena."""

from __future__ import annotations

from typing import Any


class NotInAthena(Exception):
    """x."""


def queries(collection: Any, *, is_correlation: bool) -> Any:
    """X."""
    raise NotInAthena("later")
