"""What can be wrong in detections: one tree of errors, each message names file, rule or alert and the way out.

Whether an error is retried or shown is decided by who catches it.
"""

from __future__ import annotations


class DetectionError(Exception):
    """Something is wrong with detections; permanent unless a subclass says else."""


class EventError(DetectionError):
    """Audit logs, or the description of where they lie, cannot be used."""


class DamagedPart(EventError):
    """A part of the landing is not what was written; `Landing.set_aside` has its files taken again."""


class ContextError(DetectionError):
    """A source of context (tickets, ASN, history) cannot be used."""


class RuleError(DetectionError):
    """A rule, its samples or an exception cannot be used; the message lists every problem."""


class UnknownRule(RuleError):
    """No rule has the name or id that was given; the message names those there are."""


class AlertError(DetectionError):
    """An alert is not there, or what was asked of it does not fit its state."""
