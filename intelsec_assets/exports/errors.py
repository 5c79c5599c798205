"""What can go wrong in an export, as one tree: files not written, a server that is away, a server that says no.

Defects of single rows are not here: they become quarantine rows with a reason.
"""

from __future__ import annotations


class ExportError(Exception):
    """An export could not be done; the message says what, where, and what to do."""


class ExportBusy(ExportError):
    """Another process writes the same export folder now."""


class PushUnavailable(ExportError):
    """The server could not be reached or broke down; nothing is lost, the next run goes on. Worth a retry."""


class PushRefused(ExportError):
    """The server answered and says no (key, rights, blocked event); a retry changes nothing until somebody mends it."""
