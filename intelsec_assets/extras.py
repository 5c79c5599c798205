"""How a part that a plain run does not need is installed: the same words wherever it turns out to be missing.

Which packages an extra holds is in `pyproject.toml`.
"""

from __future__ import annotations


def installing(extra: str) -> str:
    """What to do for an extra. Others that are there stay, and the lock decides on versions."""
    checkout = f".tools/uv/bin/uv sync --frozen --inexact --extra {extra}"
    return f"install the extra `{extra}`: {checkout} (outside a checkout: pip install 'intelsec[{extra}]')"
