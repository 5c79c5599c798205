"""The SIEMs rules are compiled for, as data: read from `detections/pipelines/targets.yml` and checked.

Making a backend of a target is `backends`, compiling is `compiling`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.feeds.located_yaml import read_located_yaml
from intelsec_assets.settings import REPOSITORY

PIPELINES = REPOSITORY / "detections" / "pipelines"
BACKENDS = ("splunk", "esql", "lucene", "opensearch", "ppl", "loki", "sentinel", "athena")
SLIDING = "sliding"  # stands for a code where windows slide as Sigma's do
# how lists are read: value by value, as one text, only whether they are there, or not at all
VALUES, TEXT, PRESENCE, UNREAD = "values", "text", "presence", "unread"
CORRELATIONS = ("event_count", "value_count", "temporal", "temporal_ordered")
FEATURES = ("string", "cased", "single_wildcard", "regex", "fieldref", "negation")

_REQUIRED = {"title", "language", "extension", "backend", "products", "correlations", "features"}
_OPTIONAL = {
    "pipeline",
    "text_objects",
    "text_objects_when",
    "cidr_fields",
    "not_kept",
    "typed",
    "native_context",
    "combine",
    "lookups",
    "exact_field",
    "lists",
    "joins_context",
    "groups_missing",
    "filled_in",
}


class TargetError(RuleError):
    """The description of the targets cannot be used; the message names line and key."""


@dataclass(frozen=True)
class Target:
    """A SIEM that rules are compiled for, and how far its language goes."""

    name: str
    title: str
    language: str
    extension: str  # of a compiled query's file
    backend: str  # one of BACKENDS
    pipeline: Path | None
    products: tuple[str, ...]  # `logsource.product` that it has a mapping for
    correlations: Mapping[str, str]  # correlation type -> code of how its window differs; absent = it has none such
    features: Mapping[str, str]  # construct of Sigma -> code of how it is read there; absent = as Sigma says
    lookups: Mapping[str, str] = field(default_factory=dict)  # prefix of context fields -> lines that fill them in
    lookup_losses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # prefix -> codes of what is missed
    combine: str | None = None  # a query with look-ups: {base}, {lookups}, {full}
    native_context: frozenset[str] = frozenset()  # context fields that events there hold already
    text_objects: Mapping[str, str] = field(default_factory=dict)  # prefix of fields -> the text that holds them
    text_objects_when: frozenset[str] = frozenset()  # constructs that need the text; empty = all
    cidr_fields: Mapping[str, str] = field(default_factory=dict)  # text of an address -> the address
    typed: Mapping[str, str] = field(default_factory=dict)  # field -> ip, number or boolean; else text
    not_kept: frozenset[str] = frozenset()  # fields of Sigma that share a name with another there
    exact_field: str | None = None  # where text is kept with its case
    lists: str = VALUES
    joins_context: bool = False  # the table of context itself can be joined
    groups_missing: bool = False  # events that lack a field they are grouped by are a group, where Sigma's are in none
    filled_in: Mapping[str, str] = field(default_factory=dict)  # field -> word that may stand there for a missing value


@dataclass(frozen=True)
class Targets:
    """All targets, the codes of what a SIEM does otherwise, and what is known of CloudTrail's fields."""

    targets: Mapping[str, Target]
    codes: Mapping[str, str]
    spelled_by_provider: frozenset[str]
    arrays: tuple[str, ...]

    def target(self, name: str) -> Target:
        """The target of a name; TargetError names those there are."""
        if name not in self.targets:
            raise TargetError(f"there is no target {name!r}; there are: {', '.join(self.targets)}")
        return self.targets[name]

    def is_list(self, name: str) -> bool:
        """Whether a field of an event is a list, or an object made of one."""
        return name in self.arrays

    def holds_list(self, name: str) -> bool:
        """Whether a field of an event lies in a list, or is one."""
        return any(name == place or name.startswith(place + ".") for place in self.arrays)


def load_targets(folder: Path = PIPELINES) -> Targets:
    """The targets of a folder of pipelines; TargetError names file, line and what was expected."""
    path = folder / "targets.yml"
    located = read_located_yaml(path.read_text(encoding="utf-8"))
    if located.problems:
        raise TargetError("\n".join(f"{path}: {problem}" for problem in located.problems))
    value: Any = located.value

    def wrong(where: tuple[str | int, ...], text: str) -> TargetError:
        return TargetError(f"{path}:{located.line(where)}: {text}")

    top = {"spelled_by_provider", "arrays", "codes", "targets"}
    if not isinstance(value, dict) or set(value) != top:
        raise wrong((), f"expected the keys {', '.join(sorted(top))}")
    codes = dict(value["codes"])
    targets = {}
    for name, given in value["targets"].items():
        here = ("targets", name)
        missing, unknown = _REQUIRED - set(given), set(given) - _REQUIRED - _OPTIONAL
        if missing or unknown:
            said = [f"lacks {key}" for key in sorted(missing)]
            said += [f"has the unknown key {key}" for key in sorted(unknown)]
            raise wrong(here, f"target {name} {', '.join(said)}")
        if given["backend"] not in BACKENDS:
            raise wrong((*here, "backend"), f"target {name}: no backend {given['backend']!r}; {', '.join(BACKENDS)}")
        for key, known in (("correlations", CORRELATIONS), ("features", FEATURES)):
            for construct, code in given[key].items():
                if construct not in known or code not in {*codes, SLIDING}:
                    raise wrong((*here, key), f"target {name}: {construct}: {code} is no {key} with a code of `codes`")
        for prefix, part in given.get("lookups", {}).items():
            for code in set(part.get("loses", ())) - set(codes):
                raise wrong((*here, "lookups", prefix), f"target {name}: {prefix}: {code} is no code of `codes`")
        pipeline = folder / given["pipeline"] if "pipeline" in given else None
        if pipeline is not None and not pipeline.is_file():
            raise wrong((*here, "pipeline"), f"target {name}: there is no file {pipeline}")
        targets[name] = _target(name, given, pipeline)
    return Targets(targets, codes, frozenset(value["spelled_by_provider"]), tuple(value["arrays"]))


def _target(name: str, given: Mapping[str, Any], pipeline: Path | None) -> Target:
    return Target(
        name=name,
        title=given["title"],
        language=given["language"],
        extension=given["extension"],
        backend=given["backend"],
        pipeline=pipeline,
        products=tuple(given["products"]),
        correlations=dict(given["correlations"]),
        features=dict(given["features"]),
        lookups={prefix: part["text"] for prefix, part in given.get("lookups", {}).items()},
        lookup_losses={prefix: tuple(part.get("loses", ())) for prefix, part in given.get("lookups", {}).items()},
        combine=given.get("combine"),
        native_context=frozenset(given.get("native_context", ())),
        text_objects=dict(given.get("text_objects", {})),
        text_objects_when=frozenset(given.get("text_objects_when", ())),
        cidr_fields=dict(given.get("cidr_fields", {})),
        typed=dict(given.get("typed", {})),
        not_kept=frozenset(given.get("not_kept", ())),
        exact_field=given.get("exact_field"),
        lists=given.get("lists", VALUES),
        joins_context=given.get("joins_context", False),
        groups_missing=given.get("groups_missing", False),
        filled_in=dict(given.get("filled_in", {})),
    )
