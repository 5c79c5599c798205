"""What assets are worth: a small YAML file of accounts, entities and resources with a factor each.

How a factor becomes severity is `severity`. Without a file every asset is worth the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema

from intelsec_assets.detections.alerts.severity import AssetWorth
from intelsec_assets.detections.errors import AlertError
from intelsec_assets.detections.findings import Finding
from intelsec_assets.feeds.located_yaml import Problem, read_located_yaml

FILE = "asset_policy.yaml"  # below the data root
_MATCHED = ("account", "entity", "resource")
_PATTERN = {"type": "string", "minLength": 1, "maxLength": 500}
_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "assets"],
    "properties": {
        "version": {"const": 1},
        "assets": {
            "type": "array",
            "maxItems": 1000,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "factor"],
                "minProperties": 3,
                "properties": {
                    "name": _PATTERN,
                    # beyond these a factor would make the rule's level meaningless
                    "factor": {"type": "number", "minimum": 0.25, "maximum": 2},
                    **dict.fromkeys(_MATCHED, _PATTERN),
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class AssetClass:
    """A kind of asset: patterns with * and ?, all of those given must match, letter case counts."""

    name: str
    factor: float
    account: str | None = None
    entity: str | None = None
    resource: str | None = None

    def holds(self, finding: Finding) -> bool:
        """Whether the finding is about such an asset."""
        patterns = ((getattr(self, field), getattr(finding, field)) for field in _MATCHED)
        return all(p is None or (value is not None and fnmatchcase(value, p)) for p, value in patterns)


@dataclass(frozen=True, slots=True)
class AssetPolicy:
    """The kinds of assets. Of several that a finding is about the one worth most counts."""

    assets: tuple[AssetClass, ...] = ()

    def worth(self, finding: Finding) -> AssetWorth:
        """What the finding's asset is worth."""
        found = [asset for asset in self.assets if asset.holds(finding)]
        if not found:
            return AssetWorth()
        most = max(found, key=lambda asset: asset.factor)
        return AssetWorth(most.factor, most.name)


def load_asset_policy(path: Path | None) -> AssetPolicy:
    """The policy of a file, the neutral one where there is none. Raises AlertError that lists every problem by line."""
    if path is None or not path.exists():
        return AssetPolicy()
    try:
        located = read_located_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise AlertError(f"{path} cannot be read ({error}): expected a UTF-8 text file") from error
    problems = list(located.problems)
    if not problems and located.value is None:
        problems.append(Problem(1, (), "the file is empty"))
    if not problems:
        for wrong in jsonschema.Draft202012Validator(_SCHEMA).iter_errors(located.value):
            at = tuple(wrong.absolute_path)
            problems.append(Problem(located.line(at), at, wrong.message[:300]))
    if problems or not isinstance(located.value, dict):
        found = "\n".join(f"{path}: {problem}" for problem in problems)
        raise AlertError(f"{found}\nexpected: version: 1, assets: [{{name, factor, account|entity|resource}}]")
    value: Any = located.value
    return AssetPolicy(tuple(AssetClass(**asset) for asset in value["assets"]))
