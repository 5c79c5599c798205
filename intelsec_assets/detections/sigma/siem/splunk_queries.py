"""Queries of Splunk over CloudTrail as its add-on for AWS brings it in: SPL.

The package they build on does nearly all of it; comparisons there ignore case, also where a rule asks for it, and the
add-on puts a word of its own into some fields that the event lacks.
"""

# ruff: noqa: D102 - pySigma says what each method converts
from __future__ import annotations

from typing import Any

from sigma.backends.splunk.splunk import SplunkBackend, SplunkDeferredORRegularExpression

from intelsec_assets.detections.sigma.siem.targets import Target


class SplunkQueries(SplunkBackend):
    """SPL; `cased` is compared without case, which its target says."""

    target: Target
    bare: bool

    def convert_rule(self, rule: Any, *args: Any, **kwargs: Any) -> Any:
        """Numbers of fields start anew: the package keeps them for all its life, also those of rules it refused."""
        SplunkDeferredORRegularExpression.reset()  # type: ignore[no-untyped-call]
        return super().convert_rule(rule, *args, **kwargs)

    def convert_condition_field_eq_val_str_case_sensitive(self, cond: Any, state: Any) -> Any:
        return self.convert_condition_field_eq_val_str(cond, state)

    def convert_condition_field_eq_val_null(self, cond: Any, state: Any) -> Any:
        return self._absent(cond.field) or super().convert_condition_field_eq_val_null(cond, state)

    def convert_condition_field_not_exists(self, cond: Any, state: Any) -> Any:
        return self._absent(cond.field) or super().convert_condition_field_not_exists(cond, state)

    def convert_condition_field_exists(self, cond: Any, state: Any) -> Any:
        return self._present(cond.field) or super().convert_condition_field_exists(cond, state)

    def _absent(self, field: str) -> str | None:
        """The field is not there, whether or not it was filled in; None if it never is."""
        word = self.target.filled_in.get(field)
        return f'(NOT {field}=* OR {field}="{word}")' if word else None

    def _present(self, field: str) -> str | None:
        """The opposite of `_absent`."""
        word = self.target.filled_in.get(field)
        return f'({field}=* {field}!="{word}")' if word else None
