"""What came of an expectation: held, did not hold, could not be evaluated, or could not be judged yet; with evidence.

How it came is `evaluation` and `schema_drift`; what a verdict costs is `report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from intelsec_assets.feeds.catalogue_expectations import CRITICAL

PASSED, FAILED, ERROR, NO_VERDICT = "passed", "failed", "error", "no_verdict"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a named claim about a feed's day.

    `outcome` is passed, failed, error (it could not be evaluated, which says nothing about the data) or no_verdict
    (there is nothing to judge, or too little history). `count` = rows against it, `sample` a few, with file and line.
    """

    name: str
    outcome: str
    severity: str
    found: str
    expected: str
    what_to_do: str
    count: int = 0
    sample: tuple[Mapping[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """False if somebody should look: at the data, or at why the claim could not be evaluated."""
        return self.outcome in (PASSED, NO_VERDICT)

    @property
    def is_severe(self) -> bool:
        """True if what was found is an error, not a warning; a claim nobody could evaluate is one."""
        return self.outcome == ERROR or self.severity == CRITICAL

    def evidence(self, suite: str, sampled: str = "") -> dict[str, Any]:
        """What the UI and the store show; `suite` is the digest of the suite it was stated in."""
        shown = {
            "outcome": self.outcome,
            "severity": self.severity,
            "count": self.count,
            "threshold": self.expected,
            "found": self.found,
            "sample": [dict(row) for row in self.sample],
            "what to do": "nothing" if self.passed else self.what_to_do,
            "suite": suite,
        }
        return shown | ({"sampled": sampled} if sampled else {})
