"""Queries of Grafana Loki over CloudTrail as delivered, one JSON line an event: LogQL.

The package they build on does nearly all of it; labels are texts there, also those of truth values.
"""

from __future__ import annotations

from typing import Any

from sigma.backends.loki import LogQLBackend
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.types import SigmaString

from intelsec_assets.detections.sigma.siem.targets import Target


class LokiQueries(LogQLBackend):  # type: ignore[misc]
    """LogQL over labels made by `json`."""

    target: Target
    bare: bool

    def convert_condition_field_eq_val_bool(self, cond: Any, state: Any) -> Any:
        cond.value = SigmaString(str(bool(cond.value)).lower())
        assert isinstance(cond, ConditionFieldEqualsValueExpression)
        return self.convert_condition_field_eq_val_str(cond, state)
