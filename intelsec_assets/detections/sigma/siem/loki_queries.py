"""Queries of Grafana Loki over CloudTrail as delivered, one JSON line an event: LogQL.

The package they build on does nearly all of it; labels are texts there, also those of truth values.
"""

# ruff: noqa: D102 - pySigma says what each method converts
from __future__ import annotations

from typing import Any

from sigma.backends.loki.loki import LogQLBackend
from sigma.types import SigmaString

from intelsec_assets.detections.sigma.siem.targets import Target


class LokiQueries(LogQLBackend):
    """LogQL over labels made by `json`."""

    target: Target
    bare: bool

    def convert_condition_field_eq_val_bool(self, cond: Any, state: Any) -> Any:
        cond.value = SigmaString(str(bool(cond.value)).lower())
        return self.convert_condition_field_eq_val_str(cond, state)

    def convert_condition_field_eq_val_num(self, cond: Any, state: Any) -> Any:
        """As a text: compared as a number, an event without the label is lost also where the rule negates."""
        cond.value = SigmaString(str(cond.value))
        return self.convert_condition_field_eq_val_str(cond, state)
