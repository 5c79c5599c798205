"""Scoring models: weights, half-lives, points and priors as versioned data, loaded and checked.

How they are applied is `scoring`; the numbers and their reasons are in `models/<version>.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from intelsec_assets.feeds.catalogue import INDICATOR_TYPES

POLICIES = ("annotate", "penalise", "block", "protect")  # from mild to strict
VERDICTS = ("malicious", "benign", "unknown")


class ModelError(Exception):
    """A scoring model cannot be used; the message names file, key and what is allowed."""


@dataclass(frozen=True)
class Weights:
    """Points that a component of 1 adds."""

    source_trust: float
    recency: float
    hit_rate: float
    cooccurrence: float


@dataclass(frozen=True)
class ScoringModel:
    """A version of the scoring model. Points are on the score's scale 0 to 1; half-lives are in days."""

    version: str
    weights: Weights
    default_half_life_days: float
    half_life_days: Mapping[str, float]
    sandbox_points: Mapping[str, float]
    warninglist_points: Mapping[str, float]
    no_cooccurrence: tuple[str, ...]
    hit_rate_prior: tuple[float, float]

    def half_life(self, indicator_type: str) -> float:
        """Half-life of an indicator of that type in days."""
        return self.half_life_days.get(indicator_type, self.default_half_life_days)


_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_POINTS = {"type": "number", "minimum": -1, "maximum": 1}


def _closed(properties: Mapping[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties if required is None else required),
        "properties": dict(properties),
    }


_SCHEMA = _closed(
    {
        "version": {"type": "string", "pattern": "^v[0-9]+$"},
        "weights": _closed(dict.fromkeys(("source_trust", "recency", "hit_rate", "cooccurrence"), _SHARE)),
        "default_half_life_days": _POSITIVE,
        "half_life_days": _closed(dict.fromkeys(INDICATOR_TYPES, _POSITIVE), required=()),
        "sandbox_points": _closed(dict.fromkeys(VERDICTS, _POINTS)),
        "warninglist_points": _closed({policy: {"type": "number", "minimum": -1, "maximum": 0} for policy in POLICIES}),
        "no_cooccurrence": {"type": "array", "items": {"enum": list(POLICIES)}, "uniqueItems": True},
        "hit_rate_prior": _closed({"true_positives": _POSITIVE, "false_positives": _POSITIVE}),
    }
)


def load_model(version: str) -> ScoringModel:
    """The built-in model of that version, such as `load_model("v1")`. Raises ModelError that lists the versions."""
    folder = files("intelsec_assets.indicators") / "models"
    versions = sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    if version not in versions:
        raise ModelError(f"there is no scoring model {version!r}; allowed: {', '.join(versions)}")
    return _model((folder / f"{version}.yaml").read_text(encoding="utf-8"), f"models/{version}.yaml", version)


def read_model(path: Path) -> ScoringModel:
    """A model from a file of one's own; its stem is the version. Raises ModelError that names what is wrong."""
    return _model(path.read_text(encoding="utf-8"), str(path), path.stem)


def _model(text: str, name: str, version: str) -> ScoringModel:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ModelError(f"{name} is not YAML: {error}") from error
    problems = [
        f"{name}: {'.'.join(str(part) for part in error.absolute_path) or 'the file'}: {error.message}"
        for error in sorted(jsonschema.Draft202012Validator(_SCHEMA).iter_errors(data), key=str)
    ]
    if problems:
        raise ModelError("\n".join(problems))
    if data["version"] != version:
        raise ModelError(f"{name}: version: found {data['version']!r}, expected {version!r}, the name of the file")
    total = math.fsum(data["weights"].values())
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise ModelError(f"{name}: weights: they sum to {total:g}, expected 1, so that the best of everything scores 1")
    prior = data["hit_rate_prior"]
    return ScoringModel(
        version=version,
        weights=Weights(**{key: float(value) for key, value in data["weights"].items()}),
        default_half_life_days=float(data["default_half_life_days"]),
        half_life_days={key: float(value) for key, value in data["half_life_days"].items()},
        sandbox_points={key: float(value) for key, value in data["sandbox_points"].items()},
        warninglist_points={key: float(value) for key, value in data["warninglist_points"].items()},
        no_cooccurrence=tuple(data["no_cooccurrence"]),
        hit_rate_prior=(float(prior["true_positives"]), float(prior["false_positives"])),
    )
