"""Numbers as people say them: with the noun they count.

What is said about them is where it is said.
"""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 alert`, `2 alerts`, `1,000 queries`: the plural is the noun with an s unless given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
