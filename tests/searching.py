"""How long properties are searched, those too whose examples take tenths of a second; the profiles are in conftest."""

from __future__ import annotations

from hypothesis import settings

FAST, LONG = 60, 2000  # examples of a property with `make test`, and with `make test-all`


def examples(fast: int) -> settings:
    """So many examples with `make test`; with `make test-all` more by the factor that holds for all properties."""
    chosen = settings.default
    assert chosen is not None
    return settings(max_examples=max(1, fast * chosen.max_examples // FAST))
