"""How urgent a finding is: its rule's level, what the asset is worth, the indicator that matched, and how sure it is.

Pure; where the worth of assets is written down is `asset_policy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from intelsec_assets.detections.alerts.records import SEVERITY_RANK
from intelsec_assets.detections.findings import CONTEXT_UNKNOWN, Finding

# points of a level by itself, in the middle of its band: a factor must be worth a band to change it
_POINTS = {"informational": 10.0, "low": 25.0, "medium": 50.0, "high": 75.0, "critical": 95.0}
_BANDS = (("critical", 85.0), ("high", 60.0), ("medium", 35.0), ("low", 15.0), ("informational", 0.0))
EXPORTED = 0.7  # score of an indicator that we would hand on to others
# such an indicator lifts every level but the lowest by one; a weak one lifts none
_INDICATOR_LIFT = 1.45
# what fires because a source of context was away is likely noise; it costs high and critical one level, others none
_UNKNOWN_CONTEXT = 0.75


@dataclass(frozen=True, slots=True)
class AssetWorth:
    """What the policy says of the asset that a finding is about: 1 = as any other."""

    factor: float = 1.0
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Severity:
    """A level with its points, 0 to 100, and how it came about in words."""

    level: str
    points: float
    reason: str

    @property
    def rank(self) -> int:
        """0 informational to 4 critical."""
        return SEVERITY_RANK[self.level]


def severity(finding: Finding, asset: AssetWorth) -> Severity:
    """Points of the rule's level x worth of the asset x lift by the indicator x certainty, and the level they give."""
    lift = _INDICATOR_LIFT if (finding.indicator_score or 0.0) >= EXPORTED else 1.0
    doubt = _UNKNOWN_CONTEXT if finding.certainty == CONTEXT_UNKNOWN else 1.0
    points = min(100.0, _POINTS[finding.level] * asset.factor * lift * doubt)
    level = next(name for name, least in _BANDS if points >= least)
    because = [f"rule {finding.level} ({_POINTS[finding.level]:.0f})"]
    if asset.factor != 1.0:
        because.append(f"asset {asset.name} x {asset.factor:g}")
    if finding.indicator_score is not None:
        because.append(f"indicator score {finding.indicator_score:.2f} x {lift:g}")
    if doubt != 1.0:
        because.append(f"context unknown x {doubt:g}")
    return Severity(level, points, f"{', '.join(because)} = {points:.0f}: {level}")
