"""How long properties are searched, those too whose examples take tenths of a second; the profiles are in conftest."""

from __future__ import annotations

from hypothesis import settings

FAST, LONG = 40, 2000  # examples of a property with `make test`, and with `make test-all`
_GIVEN = 60  # for so many of a property that says nothing the numbers below are given


def examples(fast: int) -> settings:
    """So many examples for every 60 of a property that says nothing, with `make test` as with `make test-all`."""
    chosen = settings.default
    assert chosen is not None
    return settings(max_examples=max(1, fast * chosen.max_examples // _GIVEN))
