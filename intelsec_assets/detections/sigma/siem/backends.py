"""pySigma backends for the targets, each able to leave out what its SIEM cannot look at.

The packages of the SIEMs are the extra `siem`: they are imported when a backend is made, not before. What a single
language needs beyond its package is in the modules `<language>_queries`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from sigma.conversion.base import TextQueryBackend
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma.processing.pipeline import ProcessingPipeline

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.sigma.siem.constructs import names_of
from intelsec_assets.detections.sigma.siem.relaxing import Leaf, relaxed
from intelsec_assets.detections.sigma.siem.targets import Target
from intelsec_assets.extras import installing

# backend of a target -> module and class that convert for it
_CLASSES = {
    "athena": ("intelsec_assets.detections.sigma.siem.athena_queries", "AthenaQueries"),
    "splunk": ("intelsec_assets.detections.sigma.siem.splunk_queries", "SplunkQueries"),
    "loki": ("intelsec_assets.detections.sigma.siem.loki_queries", "LokiQueries"),
    "esql": ("intelsec_assets.detections.sigma.siem.elastic_queries", "EsqlQueries"),
    "lucene": ("intelsec_assets.detections.sigma.siem.elastic_queries", "LuceneQueries"),
    "opensearch": ("intelsec_assets.detections.sigma.siem.opensearch_queries", "OpenSearchQueries"),
    "ppl": ("intelsec_assets.detections.sigma.siem.opensearch_queries", "PplQueries"),
    "sentinel": ("intelsec_assets.detections.sigma.siem.kusto_queries", "SentinelQueries"),
}


class SiemExtraMissing(RuleError):
    """The packages that compile for SIEMs are not installed."""


class NothingLeft(SigmaFeatureNotSupportedByBackendError):
    """Without what the SIEM cannot look at, the condition holds for every event."""


def make_backend(
    target: Target,
    *,
    leaves_out: Callable[[str], bool],
    without: frozenset[str] = frozenset(),
    bare: bool = False,
) -> Any:
    """A backend of the target with its pipeline.

    `leaves_out` names the fields, as the target calls them, whose comparisons are left out, `without` the constructs;
    `bare` gives the condition alone, without what reads the events. SiemExtraMissing if its package is not installed.
    """
    made = _class(target.backend)(_pipeline(target))
    made.target, made.leaves_out, made.without, made.bare = target, leaves_out, without, bare
    return made


def _pipeline(target: Target) -> ProcessingPipeline:
    if target.pipeline is None:
        return ProcessingPipeline()
    return ProcessingPipeline.from_yaml(target.pipeline.read_text(encoding="utf-8"))


@cache
def _class(backend: str) -> type:
    module, name = _CLASSES[backend]
    try:
        found = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("sigma."):
            raise
        raise SiemExtraMissing(
            f"compiling for {backend} needs the package of its pySigma backend ({error.name} is not there); "
            f"{installing('siem')}"
        ) from error
    return type(name, (_LeavingOut, found), {})


class _LeavingOut:
    """What every backend here can do besides: leave comparisons out, and give the condition alone."""

    target: Target
    leaves_out: Callable[[str], bool]
    without: frozenset[str]
    bare: bool
    _at_root = False

    def convert_rule(self, rule: Any, *args: Any, **kwargs: Any) -> Any:
        self._at_root = True
        return super().convert_rule(rule, *args, **kwargs)  # type: ignore[misc]

    def convert_condition(self, cond: Any, state: Any) -> Any:
        if not self._at_root:
            return super().convert_condition(cond, state)  # type: ignore[misc]
        self._at_root = False
        left = relaxed(cond, self._is_left_out)
        if isinstance(left, bool):
            raise NothingLeft("nothing of the condition is left that could exclude an event")
        return super().convert_condition(left, state)  # type: ignore[misc]

    def _is_left_out(self, leaf: Leaf) -> bool:
        if self.without & names_of(leaf.value):
            return True
        named = getattr(leaf, "field", None)
        compared = getattr(leaf.value, "field", None)  # the other field of a fieldref
        return any(isinstance(name, str) and self.leaves_out(name) for name in (named, compared))

    def finish_query(self, rule: Any, query: Any, state: Any) -> Any:
        if not self.bare:
            return super().finish_query(rule, query, state)  # type: ignore[misc]
        return TextQueryBackend.finish_query(self, rule, query, state)  # type: ignore[arg-type]

    def finalize_query_default(self, rule: Any, query: Any, index: int, state: Any) -> Any:
        if self.bare:
            return query
        return super().finalize_query_default(rule, query, index, state)  # type: ignore[misc]
