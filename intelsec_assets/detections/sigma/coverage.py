"""`intelsec rules coverage`: which ATT&CK techniques the rules see, which only one of them sees, and what nobody sees.

Whether a rule finds anything is for its samples and for `rule_quality` to say: coverage counts intentions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from intelsec_assets.detections.sigma.attack import AttackTables, Technique
from intelsec_assets.detections.sigma.rules import Rule, RuleSet


@dataclass(frozen=True)
class Covered:
    """A technique with the rules tagged with it; rules in test mode do not count as cover."""

    technique: Technique
    rules: tuple[str, ...]
    in_test: tuple[str, ...]

    @property
    def is_sole(self) -> bool:
        """Whether one rule alone sees it: retiring that rule loses the technique."""
        return len(self.rules) == 1


@dataclass(frozen=True)
class TacticCover:
    """How much of a tactic is covered; `cloud_gaps` are techniques without a rule whose name says cloud."""

    tactic: str
    rules: tuple[str, ...]
    covered: int
    techniques: int
    cloud_gaps: tuple[Technique, ...]


@dataclass(frozen=True)
class Coverage:
    """Techniques x rules, tactics with their gaps, sources of logs with their rules."""

    version: str
    techniques: tuple[Covered, ...]
    tactics: tuple[TacticCover, ...]
    logsources: tuple[tuple[str, tuple[str, ...]], ...]
    rules: tuple[Rule, ...]

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "attack_version": self.version,
            "techniques": [
                {
                    "technique": covered.technique.technique_id,
                    "name": covered.technique.name,
                    "tactics": list(covered.technique.tactics),
                    "rules": list(covered.rules),
                    "in_test": list(covered.in_test),
                    "sole": covered.is_sole,
                }
                for covered in self.techniques
            ],
            "tactics": [
                {
                    "tactic": tactic.tactic,
                    "rules": list(tactic.rules),
                    "covered": tactic.covered,
                    "techniques": tactic.techniques,
                    "cloud_gaps": [technique.technique_id for technique in tactic.cloud_gaps],
                }
                for tactic in self.tactics
            ],
            "logsources": [{"logsource": name, "rules": list(rules)} for name, rules in self.logsources],
        }


def coverage(rules: RuleSet, tables: AttackTables) -> Coverage:
    """What the rules cover of a version of ATT&CK."""
    covered = tuple(_covered(rules, tables))
    seen = {entry.technique.technique_id for entry in covered if entry.rules}
    sources: dict[str, list[str]] = {}
    for rule in rules.rules:
        sources.setdefault("/".join(rule.logsource.values()), []).append(rule.name)
    return Coverage(
        tables.version,
        covered,
        tuple(_tactic(tactic, rules, tables, seen) for tactic in tables.tactics),
        tuple((name, tuple(names)) for name, names in sorted(sources.items())),
        rules.rules,
    )


def _covered(rules: RuleSet, tables: AttackTables) -> Iterator[Covered]:
    by_technique: dict[str, list[Rule]] = {}
    for rule in rules.rules:
        for name in rule.attack:
            if name in tables.techniques:
                by_technique.setdefault(name, []).append(rule)
    for name in sorted(by_technique):
        live = tuple(rule.name for rule in by_technique[name] if rule.meta.mode == "live")
        in_test = tuple(rule.name for rule in by_technique[name] if rule.meta.mode != "live")
        yield Covered(tables.techniques[name], live, in_test)


def _tactic(tactic: str, rules: RuleSet, tables: AttackTables, seen: set[str]) -> TacticCover:
    members = [technique for technique in tables.techniques.values() if tactic in technique.tactics]
    gaps = [t for t in members if t.technique_id not in seen and "cloud" in t.name.lower()]
    return TacticCover(
        tactic,
        tuple(rule.name for rule in rules.rules if tactic in rule.attack),
        sum(technique.technique_id in seen for technique in members),
        len(members),
        tuple(sorted(gaps, key=lambda technique: technique.technique_id)),
    )
