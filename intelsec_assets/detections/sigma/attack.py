"""MITRE ATT&CK offline: which techniques and tactics there are, from the tables in `detections/attack/`.

Where the tables come from and how they are renewed stands beside them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from intelsec_assets.detections.errors import RuleError

_VERSION = re.compile(r"Enterprise \*\*([0-9.]+)\*\*")
_TECHNIQUE = re.compile(r"^t[0-9]{4}(?:\.[0-9]{3})?$")


@dataclass(frozen=True)
class Technique:
    """A technique or sub-technique: `T1098.001`, its name, the tactics it serves."""

    technique_id: str
    name: str
    tactics: tuple[str, ...]


@dataclass(frozen=True)
class AttackTables:
    """One version of ATT&CK: techniques by id, tactics as Sigma's tags spell them, in the order of an attack."""

    version: str
    techniques: Mapping[str, Technique]
    tactics: tuple[str, ...]


# the order in which MITRE shows them; the numbers of the ids are not that order
_ORDER = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
)


@cache
def attack_tables(folder: Path) -> AttackTables:
    """The tables of a folder; RuleError if they are not there."""
    try:
        with (folder / "techniques.csv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        with (folder / "tactics.csv").open(encoding="utf-8", newline="") as lines:
            named = {row["tactic"] for row in csv.DictReader(lines)}
        found = _VERSION.search((folder / "README.md").read_text(encoding="utf-8"))
        techniques = {row["id"]: Technique(row["id"], row["name"], tuple(row["tactics"].split())) for row in rows}
    except (OSError, KeyError) as error:
        raise RuleError(f"{folder}: ATT&CK's tables cannot be read: {error}; restore the folder from git") from error
    order = {tactic: place for place, tactic in enumerate(_ORDER)}
    tactics = tuple(sorted(named, key=lambda tactic: (order.get(tactic, len(order)), tactic)))
    return AttackTables(found[1] if found else "unknown", techniques, tactics)


def is_technique(name: str) -> bool:
    """Whether what follows `attack.` in a tag is meant as a technique: `t1098.001`."""
    return bool(_TECHNIQUE.match(name.lower()))
