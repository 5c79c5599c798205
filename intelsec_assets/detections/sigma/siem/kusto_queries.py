"""Queries of Microsoft Sentinel over its table AWSCloudTrail: KQL that means what the Sigma rule means.

The package they build on has no correlations, reads `isnull` of texts (which are never null), and writes lists with
wildcards without the brackets they need.
"""

# ruff: noqa: D102 - pySigma says what each method converts
from __future__ import annotations

import re
from typing import Any, ClassVar

from sigma.backends.kusto.kusto import KustoBackend
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma.types import SigmaString

from intelsec_assets.detections.sigma.siem.targets import Target

TABLE = "AWSCloudTrail"
# columns that are not text; comparisons of Sigma are of text
_BOOLEAN = frozenset({"ManagementEvent", "ReadOnly", "SessionMfaAuthenticated"})
# columns that hold JSON as text
_JSON = frozenset({"RequestParameters", "ResponseElements", "AdditionalEventData", "ServiceEventDetails", "Resources"})
_COLUMN = re.compile(r"^\w+$")


class SentinelQueries(KustoBackend):
    """KQL with case ignored and nested values read from their JSON text; counts in windows that do not slide."""

    target: Target
    bare: bool

    field_null_expression: ClassVar[str] = "isempty({field})"
    case_sensitive_match_expression: ClassVar[str] = "{field} == {value}"
    case_sensitive_startswith_expression: ClassVar[str] = "{field} startswith_cs {value}"
    case_sensitive_endswith_expression: ClassVar[str] = "{field} endswith_cs {value}"
    case_sensitive_contains_expression: ClassVar[str] = "{field} contains_cs {value}"
    wildcard_match_expression: ClassVar[str] = '{field} matches regex "(?i)^(?:{regex})$"'
    convert_and_as_in: ClassVar[bool] = False  # `has_all` looks for words, not for parts
    in_expressions_allow_wildcards: ClassVar[bool] = False

    correlation_methods: ClassVar[dict[str, str]] = {"summarize": "counts in windows of the time span"}
    default_correlation_method: ClassVar[str] = "summarize"
    default_correlation_query: ClassVar[dict[str, str]] = {"summarize": "{search}\n{aggregate}\n{condition}"}
    correlation_search_single_rule_expression: ClassVar[str] = "{query}{normalization}"
    correlation_search_multi_rule_expression: ClassVar[str] = "union\n{queries}"
    correlation_search_multi_rule_query_expression: ClassVar[str] = (
        '({query}{normalization}\n| extend sigma_rule = "{ruleid}")'
    )
    correlation_search_multi_rule_query_expression_joiner: ClassVar[str] = ",\n"
    correlation_search_field_normalization_expression: ClassVar[str] = "\n| extend {alias} = {field}"
    correlation_search_field_normalization_expression_joiner: ClassVar[str] = ""
    event_count_aggregation_expression: ClassVar[dict[str, str]] = {
        "summarize": "| summarize event_count = count(), first_event = min(TimeGenerated), "
        "last_event = max(TimeGenerated) by window = bin(TimeGenerated, {timespan}){groupby}"
    }
    value_count_aggregation_expression: ClassVar[dict[str, str]] = {
        "summarize": "| summarize value_count = count_distinct({field}), first_event = min(TimeGenerated), "
        "last_event = max(TimeGenerated) by window = bin(TimeGenerated, {timespan}){groupby}"
    }
    temporal_aggregation_expression: ClassVar[dict[str, str]] = {
        "summarize": "| summarize rule_count = count_distinct(sigma_rule), first_event = min(TimeGenerated), "
        "last_event = max(TimeGenerated) by window = bin(TimeGenerated, {timespan}){groupby}"
    }
    groupby_expression_nofield: ClassVar[dict[str, str]] = {"summarize": ""}
    groupby_expression: ClassVar[dict[str, str]] = {"summarize": "{fields}"}
    groupby_field_expression: ClassVar[dict[str, str]] = {"summarize": ", {field}"}
    groupby_field_expression_joiner: ClassVar[dict[str, str]] = {"summarize": ""}
    event_count_condition_expression: ClassVar[dict[str, str]] = {"summarize": "| where event_count {op} {count}"}
    value_count_condition_expression: ClassVar[dict[str, str]] = {"summarize": "| where value_count {op} {count}"}
    temporal_condition_expression: ClassVar[dict[str, str]] = {"summarize": "| where rule_count {op} {count}"}

    def escape_and_quote_field(self, field_name: str) -> str:
        """A column, or the value at a path of a column of JSON; what is written already stays."""
        if field_name.startswith("tostring("):
            return field_name
        if field_name in _BOOLEAN:
            return f"tostring({field_name})"
        column, _, path = field_name.partition(".")
        if path and column in _JSON:
            steps = path.split(".")
            kept = steps[: steps.index("items") + 1] if "items" in steps[:-1] else steps
            if column == "Resources":
                return f"tostring({column})"
            return f"tostring(parse_json({column})" + "".join(f'["{step}"]' for step in kept) + ")"
        if not _COLUMN.match(field_name):
            raise SigmaFeatureNotSupportedByBackendError(f"{TABLE} has no column for {field_name}")
        return field_name

    def convert_condition_field_eq_val_str(self, cond: Any, state: Any) -> Any:
        if not self._in_list(cond.field) or not isinstance(cond.value, SigmaString):
            return super().convert_condition_field_eq_val_str(cond, state)
        value = self.convert_value_str(SigmaString(str(cond.value).strip("*")), state)
        return f"{self.escape_and_quote_field(cond.field)} contains {value}"

    def decide_convert_condition_as_in_expression(self, cond: Any, state: Any) -> bool:
        if any(self._in_list(getattr(arg, "field", None) or "") for arg in cond.args):
            return False
        return bool(super().decide_convert_condition_as_in_expression(cond, state))

    def convert_condition_field_eq_val_bool(self, cond: Any, state: Any) -> Any:
        text = SigmaString(str(bool(cond.value)).lower())
        return self.convert_condition_field_eq_val_str(ConditionFieldEqualsValueExpression(cond.field, text), state)

    def convert_condition_field_eq_val_num(self, cond: Any, state: Any) -> Any:
        text = SigmaString(str(cond.value))
        return self.convert_condition_field_eq_val_str(ConditionFieldEqualsValueExpression(cond.field, text), state)

    def convert_condition_field_compare_op_val(self, cond: Any, state: Any) -> Any:
        sign = self.compare_operators[cond.value.op]
        return f"coalesce(todouble({self.escape_and_quote_field(cond.field)}) {sign} {cond.value.number}, false)"

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> Any:
        """Null where the text is no address: a `not` around it would lose the event."""
        version = cond.value.network.version
        field = self.escape_and_quote_field(cond.field)
        return f'coalesce(ipv{version}_is_in_range({field}, "{cond.value.network}"), false)'

    def convert_condition_field_eq_field(self, cond: Any, state: Any) -> Any:
        left, right = self.escape_and_quote_field(cond.field), self.escape_and_quote_field(cond.value.field)
        words = {(False, False): "=~", (True, False): "startswith", (False, True): "endswith", (True, True): "contains"}
        word = words[cond.value.starts_with, cond.value.ends_with]
        return f"(isnotempty({right}) and {left} {word} {right})"

    def convert_condition_val_str(self, cond: Any, state: Any) -> Any:
        return f"* contains {self.convert_value_str(SigmaString(str(cond.value).strip('*')), state)}"

    def finish_query(self, rule: Any, query: Any, state: Any) -> Any:
        text = super().finish_query(rule, query, state)
        return text if isinstance(query, str) and query.startswith((TABLE, "union")) else f"{TABLE}\n| where {text}"

    def _in_list(self, field: str) -> bool:
        column, _, path = field.partition(".")
        return column == "Resources" or "items" in path.split(".")[:-1]
