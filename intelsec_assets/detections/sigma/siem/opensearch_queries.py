"""Queries of OpenSearch over CloudTrail as delivered, with the index template of the package: Lucene and PPL.

The template keeps text in lower case for comparing and with its case beside it (`.exact`), addresses as such (`.ip`).
"""

# ruff: noqa: D102 - pySigma says what each method converts
from __future__ import annotations

from typing import Any

from sigma.backends.opensearch.opensearch import OpensearchLuceneBackend
from sigma.backends.opensearch.opensearch_ppl import OpenSearchPPLBackend
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.types import SigmaString

from intelsec_assets.detections.sigma.siem.elastic_queries import unanchored
from intelsec_assets.detections.sigma.siem.targets import Target


class OpenSearchQueries(OpensearchLuceneBackend):
    """Lucene: text without case, `cased` and patterns over the exact text, networks over addresses."""

    target: Target
    bare: bool

    def convert_condition_field_eq_val_str_case_sensitive(self, cond: Any, state: Any) -> Any:
        return self.convert_condition_field_eq_val_str(_exact(self.target, cond), state)

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> Any:
        return super().convert_condition_field_eq_val_cidr(_address(self.target, cond), state)

    def convert_condition_field_eq_val_re(self, cond: Any, state: Any) -> Any:
        field = self.escape_and_quote_field(_exact(self.target, cond).field)
        return f"{field}:/{unanchored(str(cond.value.regexp)).replace('/', chr(92) + '/')}/"


class PplQueries(OpenSearchPPLBackend):
    """PPL: counts in windows (the package counts over all time), cased text and patterns over the exact text."""

    target: Target
    bare: bool

    re_expression = "regex_match({field}, '{regex}')"  # `match`, which the package writes, is a search for words
    event_count_aggregation_expression = {  # noqa: RUF012
        "default": "count() as event_count by span({time_field}, {timespan}){groupby}"
    }
    default_aggregation_expression = event_count_aggregation_expression
    value_count_aggregation_expression = {  # noqa: RUF012
        "default": "distinct_count(`{field}`) as value_count by span({time_field}, {timespan}){groupby}"
    }
    groupby_expression = {"default": ", {fields}"}  # noqa: RUF012
    groupby_field_expression = {"default": "`{field}`"}  # noqa: RUF012

    def convert_correlation_rule_from_template(self, rule: Any, correlation_type: Any, method: str) -> list[str]:
        """By the name of the type: the package looks templates up by its `repr` and finds none."""
        name: Any = str(getattr(correlation_type, "name", correlation_type)).lower()
        return list(super().convert_correlation_rule_from_template(rule, name, method))

    def convert_condition_field_eq_val_bool(self, cond: Any, state: Any) -> Any:
        """The index keeps truth values as text."""
        text = SigmaString(str(bool(cond.value)).lower())
        return self.convert_condition_field_eq_val_str(ConditionFieldEqualsValueExpression(cond.field, text), state)

    def convert_condition_field_eq_val_re(self, cond: Any, state: Any) -> Any:
        return super().convert_condition_field_eq_val_re(_exact(self.target, cond), state)

    def _get_index_pattern(self, rule: Any) -> str:
        return "cloudtrail-*"

    def convert_condition_field_eq_val_str_case_sensitive(self, cond: Any, state: Any) -> Any:
        return self.convert_condition_field_eq_val_str(_exact(self.target, cond), state)

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> Any:
        renamed = _address(self.target, cond)
        return f'cidrmatch({self.escape_and_quote_field(renamed.field)}, "{renamed.value.network}")'


def _exact(target: Target, cond: Any) -> Any:
    name = (target.exact_field or "{field}").format(field=cond.field)
    return ConditionFieldEqualsValueExpression(name, cond.value)


def _address(target: Target, cond: Any) -> Any:
    return ConditionFieldEqualsValueExpression(target.cidr_fields.get(cond.field, cond.field), cond.value)
