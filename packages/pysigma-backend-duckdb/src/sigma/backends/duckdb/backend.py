"""`DuckDBBackend`: one Sigma detection rule as a condition of DuckDB, and the statements around it.

How texts, addresses and windows become SQL stands in text.py, addresses.py and correlation.py.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import re2  # type: ignore[import-untyped]
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.conversion.base import Backend
from sigma.conversion.state import ConversionState
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError, SigmaFeatureNotSupportedByBackendError
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule
from sigma.types import (
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaQueryExpression,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
)

from . import addresses, keywords, statements, text
from .correlation import compile_correlation, rule_id
from .values import alternatives, comparable, is_rounded, keyword, number

Comparison = SigmaCompareExpression.CompareOperators
Condition = ConditionItem | ConditionFieldEqualsValueExpression | ConditionValueExpression
Leaf = ConditionFieldEqualsValueExpression | ConditionValueExpression

OPERATORS = {
    Comparison.LT: "<",
    Comparison.LTE: "<=",
    Comparison.GT: ">",
    Comparison.GTE: ">=",
    Comparison.NEQ: "!=",
}
OFFSET_TEXT = r":[0-9.]+ ?(Z|z|UTC|[+-][0-9]{2}(:?[0-9]{2})?)$"


class DuckDBBackend(Backend):
    """Sigma rules as SQL of DuckDB, with Sigma's own semantics (README: semantics table).

    Args:
        processing_pipeline: pySigma pipeline applied to every rule.
        collect_errors: gather the errors of rules in `errors` instead of raising the first.
        field_sql: SQL expression of any type for a Sigma field; default: the column of that (dotted) name.
        json_fields: column with JSON from which fields are read by their dotted path (instead of `field_sql`).
        folded_sql: SQL expression of the field's text in lower case, if the relation has it; default: lower(text).
        table: relation that `default` and `matches` read; dots part its catalogue and schema.
        timestamp, event_id: its columns with the time of an event (TIMESTAMPTZ) and its identity.
        event_json: its column with the whole event as JSON, which keywords search; None refuses keywords.
        observed_until: SQL expression of the time the events are complete to (absence is judged only up to it);
            default: the latest event.
    """

    identifier: ClassVar[str] = "duckdb"
    name: ClassVar[str] = "DuckDB"
    formats: ClassVar[dict[str, str]] = {
        "default": "SELECT statement a rule; a correlation's statement gives one row a burst with its evidence",
        "condition": "Boolean SQL expression a rule, TRUE or FALSE and never NULL",
        "matches": "One statement for all detection rules, one scan: a row an event and rule it matches",
    }
    requires_pipeline: ClassVar[bool] = False
    correlation_methods: ClassVar[dict[str, str] | None] = {"default": "Sliding windows with window functions"}

    def __init__(
        self,
        processing_pipeline: ProcessingPipeline | None = None,
        collect_errors: bool = False,  # noqa: FBT001, FBT002 - pySigma's own signature
        *,
        field_sql: Callable[[str], str] | None = None,
        json_fields: str | None = None,
        folded_sql: Callable[[str], str] | None = None,
        table: str = "events",
        timestamp: str = "event_time",
        event_id: str = "event_id",
        event_json: str | None = "event",
        observed_until: str | None = None,
        **backend_options: Any,
    ) -> None:
        super().__init__(processing_pipeline, collect_errors, **backend_options)
        self.field_sql = field_sql or (partial(text.json_path, json_fields) if json_fields else text.identifier)
        self.folded_sql = folded_sql
        self.table = table
        self.timestamp = timestamp
        self.event_id = event_id
        self.event_json = event_json or None
        self.observed_until = observed_until

    # texts of fields

    def text(self, field: str) -> str:
        """SQL expression of a field as text; booleans are 'true' and 'false', nothing is NULL."""
        return f"CAST({self.field_sql(field)} AS VARCHAR)"

    def folded(self, field: str) -> str:
        """SQL expression of a field as text in lower case."""
        return self.folded_sql(field) if self.folded_sql else f"lower({self.text(field)})"

    def number(self, field: str) -> str:
        """SQL expression of a field as DOUBLE, NULL if its text is no decimal number or not finite."""
        return text.number(self.text(field))

    def relation(self, state: ConversionState | None = None) -> str:
        """Quoted name of the table; a pipeline may set it (SetStateTransformation of `table`)."""
        table = (state.processing_state.get("table") if state else None) or self.table
        return ".".join(text.identifier(part) for part in str(table).split("."))

    # conditions

    def convert_condition_or(self, cond: ConditionOR, state: ConversionState) -> str | None:
        """OR; the values of one field are compared together."""
        others: list[str] = []
        words: list[ConditionValueExpression] = []
        values: dict[tuple[str, bool], list[tuple[text.Part, ...]]] = {}
        networks: dict[str, list[SigmaCIDRExpression]] = {}
        for arg in alternatives(cond.args):
            self._refuse_rounded(arg)
            compared = comparable(arg)
            if compared is not None and isinstance(arg, ConditionFieldEqualsValueExpression):
                cased, parts = compared
                values.setdefault((arg.field, cased), []).extend(parts)
            elif isinstance(arg, ConditionFieldEqualsValueExpression) and isinstance(arg.value, SigmaCIDRExpression):
                networks.setdefault(arg.field, []).append(arg.value)
            elif keyword(arg) is not None:
                words.append(arg)
            else:
                converted = self.convert_condition(arg, state)
                if converted is not None:
                    others.append(converted)
        grouped = [
            text.any_match(self.text(field) if cased else self.folded(field), parts)
            for (field, cased), parts in values.items()
        ]
        grouped += [
            addresses.in_any(self.text(field), [cidr.network for cidr in cidrs]) for field, cidrs in networks.items()
        ]
        if words:
            found = [word for word in map(keyword, words) if word is not None]
            grouped.append(keywords.contains(self._event(words[0]), found))
        return _joined("OR", grouped + others)

    def convert_condition_and(self, cond: ConditionAND, state: ConversionState) -> str | None:
        """AND."""
        converted = (self.convert_condition(arg, state) for arg in cond.args)
        return _joined("AND", [expression for expression in converted if expression is not None])

    def convert_condition_not(self, cond: ConditionNOT, state: ConversionState) -> str | None:
        """NOT of TRUE or FALSE: a comparison with a missing field is FALSE, so its NOT is TRUE."""
        expression = self.convert_condition(cond.args[0], state)
        return None if expression is None else f"NOT coalesce({expression}, FALSE)"

    def convert_condition_as_in_expression(
        self, cond: ConditionOR | ConditionAND, state: ConversionState
    ) -> str | None:
        """Not used: `convert_condition_or` groups values itself."""
        return (
            self.convert_condition_or(cond, state)
            if isinstance(cond, ConditionOR)
            else self.convert_condition_and(cond, state)
        )

    # a field and a value

    def convert_condition_field_eq_val_str(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Text, without regard to case."""
        return self._any_of(cond)

    def convert_condition_field_eq_val_str_case_sensitive(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Text, `|cased`."""
        return self._any_of(cond)

    def convert_condition_field_eq_val_num(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Number as it is spelled; a whole one also with `.0`, as DOUBLE and JSON may spell it."""
        return self._any_of(cond)

    def convert_condition_field_eq_val_bool(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """The texts true and false."""
        return self._any_of(cond)

    def _refuse_rounded(self, cond: Condition) -> None:
        value = getattr(cond, "value", None)
        if isinstance(value, SigmaCompareExpression) and value.op == Comparison.NEQ:
            value = value.number
        if is_rounded(value) and isinstance(cond, (ConditionFieldEqualsValueExpression, ConditionValueExpression)):
            msg = (
                f"{self._where(cond)}: pySigma rounds the integer to {value}, so it would equal nothing; quote it in "
                "the rule, then it is compared as text"
            )
            raise SigmaFeatureNotSupportedByBackendError(msg, source=getattr(cond, "source", None))

    def _any_of(self, cond: ConditionFieldEqualsValueExpression) -> str:
        self._refuse_rounded(cond)
        compared = comparable(cond)
        assert compared is not None
        cased, parts = compared
        return text.any_match(self.text(cond.field) if cased else self.folded(cond.field), parts)

    def convert_condition_field_eq_val_re(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """RE2 anywhere in the text, with the flags i, m and s inside the pattern."""
        return f"regexp_matches({self.text(cond.field)}, {text.literal(self._pattern(cond))})"

    def _pattern(self, cond: Leaf) -> str:
        value = cond.value
        assert isinstance(value, SigmaRegularExpression)
        pattern = value.escape(escape_escape_char=False)
        quiet = re2.Options()
        quiet.log_errors = False
        try:
            re2.compile(pattern, options=quiet)
        except re2.error as error:
            where = self._where(cond)
            msg = f"{where}: RE2 refuses {pattern!r} ({error}); write it without look-around and back references"
            raise SigmaFeatureNotSupportedByBackendError(msg, source=getattr(cond, "source", None)) from error
        return pattern

    def convert_condition_field_eq_val_cidr(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Address inside a network; text that is no address is in none."""
        assert isinstance(cond.value, SigmaCIDRExpression)
        return addresses.in_any(self.text(cond.field), [cond.value.network])

    def convert_condition_field_compare_op_val(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Comparison of numbers; text that is no number compares with nothing."""
        value = cond.value
        assert isinstance(value, SigmaCompareExpression)
        self._refuse_rounded(cond)
        return f"({self.number(cond.field)}) {OPERATORS[value.op]} {number(value.number)}"

    def convert_condition_field_eq_field(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Two fields of one event as texts without regard to case; nothing equals nothing."""
        value = cond.value
        assert isinstance(value, SigmaFieldReference)
        left, right = self.folded(cond.field), self.folded(value.field)
        match (value.starts_with, value.ends_with):
            case (False, False):
                return f"{left} = {right}"
            case (True, False):
                return f"starts_with({left}, {right})"
            case (False, True):
                return f"ends_with({left}, {right})"
            case _:
                return f"contains({left}, {right})"

    def convert_condition_field_eq_val_timestamp_part(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Part of a time in UTC (week: ISO 8601); time without an offset is UTC."""
        value = cond.value
        assert isinstance(value, SigmaTimestampPart)
        instant = self.text(cond.field)
        micros = (
            f"CASE WHEN regexp_matches({instant}, {text.literal(OFFSET_TEXT)}) "
            f"THEN epoch_us(TRY_CAST({instant} AS TIMESTAMPTZ)) ELSE epoch_us(TRY_CAST({instant} AS TIMESTAMP)) END"
        )
        utc = f"make_timestamp({micros})"
        return f"{value.timestamp_part.name.lower()}({utc}) = {int(value.number)}"

    def convert_condition_field_eq_val_null(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Nothing there: missing or JSON null."""
        return f"{self.field_sql(cond.field)} IS NULL"

    def convert_condition_field_exists(self, cond: ConditionFieldEqualsValueExpression, state: ConversionState) -> str:
        """Something there."""
        return f"{self.field_sql(cond.field)} IS NOT NULL"

    def convert_condition_field_not_exists(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """Nothing there."""
        return f"{self.field_sql(cond.field)} IS NULL"

    explicit_not_exists_expression: ClassVar[bool] = True

    def convert_condition_field_eq_query_expr(
        self, cond: ConditionFieldEqualsValueExpression, state: ConversionState
    ) -> str:
        """SQL that a pipeline gives for a placeholder; `{field}` in it is the field's text."""
        assert isinstance(cond.value, SigmaQueryExpression)
        return f"({cond.value.finalize(field=self.text(cond.field))})"

    # values without a field

    def convert_condition_val(self, cond: ConditionValueExpression, state: ConversionState) -> str | None:
        """Keyword: somewhere in a value of the event."""
        if isinstance(cond.value, SigmaExpansion):
            return self.convert_condition_or(
                ConditionOR([ConditionValueExpression(value) for value in cond.value.values]), state
            )
        if isinstance(cond.value, (SigmaString, SigmaNumber, SigmaRegularExpression, SigmaQueryExpression)):
            return str(super().convert_condition_val(cond, state))
        kind = type(cond.value).__name__.removeprefix("Sigma")
        msg = f"{self._where(cond)}: a {kind} needs a field; name the field it belongs to"
        raise SigmaFeatureNotSupportedByBackendError(msg, source=getattr(cond, "source", None))

    def _event(self, cond: ConditionValueExpression) -> str:
        if self.event_json is None:
            msg = f"{self._where(cond)}: keywords search whole events; give event_json=<column with the event as JSON>"
            raise SigmaFeatureNotSupportedByBackendError(msg, source=getattr(cond, "source", None))
        return text.identifier(self.event_json)

    def convert_condition_val_str(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        """Text anywhere in a value of the event."""
        return self._keyword(cond)

    def convert_condition_val_num(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        """The number as it is spelled anywhere in a value of the event."""
        return self._keyword(cond)

    def _keyword(self, cond: ConditionValueExpression) -> str:
        self._refuse_rounded(cond)
        word = keyword(cond)
        assert word is not None
        return keywords.contains(self._event(cond), [word])

    def convert_condition_val_re(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        """RE2 anywhere in a value of the event."""
        return keywords.matches(self._event(cond), self._pattern(cond))

    def convert_condition_query_expr(self, cond: ConditionValueExpression, state: ConversionState) -> str:
        """SQL that a pipeline gives."""
        assert isinstance(cond.value, SigmaQueryExpression)
        return f"({cond.value.finalize()})"

    # rules

    _rule: SigmaRule | SigmaCorrelationRule | None = None

    def _where(self, cond: Leaf) -> str:
        rule = f"rule {self._rule.title!r}" if self._rule is not None else "rule"
        return f"{rule}, field {cond.field!r}" if isinstance(cond, ConditionFieldEqualsValueExpression) else rule

    def convert_rule(self, rule: SigmaRule, output_format: str | None = None, callback: Any = None) -> list[Any]:
        """Queries of a rule, one a condition; a rule that only feeds correlations has none."""
        self._rule = rule
        if rule.errors:
            if not self.collect_errors:
                raise unread(rule)
            self.errors.append((rule, unread(rule)))
            return []
        queries = super().convert_rule(rule, output_format, callback)
        if queries and rule._backreferences and not self.finalize_correlation_subqueries:  # noqa: SLF001
            # with `generate` pySigma hands back the bare conditions it keeps for the correlation
            states = rule.get_conversion_states()
            return [
                self.finalize_query(rule, query, index, states[index], output_format or self.default_format)
                for index, query in enumerate(queries)
            ]
        return queries

    def finalize_query_default(
        self, rule: SigmaRule | SigmaCorrelationRule, query: str, index: int, state: ConversionState
    ) -> str:
        """The statement of a rule."""
        if isinstance(rule, SigmaCorrelationRule):
            return query
        return f"SELECT * FROM {self.relation(state)} WHERE {query}"

    def finalize_query_condition(
        self, rule: SigmaRule | SigmaCorrelationRule, query: str, index: int, state: ConversionState
    ) -> str:
        """The condition of a rule, never NULL."""
        if isinstance(rule, SigmaCorrelationRule):
            msg = f"rule {rule.title!r}: a correlation is no condition on one event; take the format 'default'"
            raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
        return f"coalesce({query}, FALSE)"

    def finalize_output_condition(self, queries: list[Any]) -> list[Any]:
        """The conditions."""
        return queries

    def finalize_query_matches(
        self, rule: SigmaRule | SigmaCorrelationRule, query: str, index: int, state: ConversionState
    ) -> tuple[str, str, str]:
        """(table, rule id, condition), to be joined to one statement."""
        if isinstance(rule, SigmaCorrelationRule):
            msg = f"rule {rule.title!r}: a correlation is no condition on one event; take the format 'default'"
            raise SigmaFeatureNotSupportedByBackendError(msg, source=rule.source)
        return self.relation(state), rule_id(rule), query

    def finalize_output_matches(self, queries: list[Any]) -> str:
        """The statement for all rules."""
        tables: dict[str, list[tuple[str, str]]] = {}
        for table, identity, condition in queries:
            tables.setdefault(table, []).append((identity, condition))
        return "\nUNION ALL\n".join(statements.matches(self, table, rules) for table, rules in tables.items())

    # correlations

    def convert_correlation_rule(
        self,
        rule: SigmaCorrelationRule,
        output_format: str | None = None,
        method: str | None = None,
        callback: Any = None,
    ) -> list[Any]:
        """Statement of a correlation; pySigma itself gathers errors of detection rules only."""
        try:
            return super().convert_correlation_rule(rule, output_format, method, callback)
        except SigmaError as error:
            if not self.collect_errors:
                raise
            self.errors.append((rule, error))  # type: ignore[arg-type]
            return []

    def _convert_correlation(
        self, rule: SigmaCorrelationRule, output_format: str | None = None, method: str = "default"
    ) -> list[str]:
        return [statements.correlation(self, rule, compile_correlation(rule))]

    convert_correlation_event_count_rule = _convert_correlation
    convert_correlation_value_count_rule = _convert_correlation
    convert_correlation_temporal_rule = _convert_correlation
    convert_correlation_temporal_ordered_rule = _convert_correlation
    convert_correlation_extended_temporal_rule = _convert_correlation
    convert_correlation_extended_temporal_ordered_rule = _convert_correlation
    convert_correlation_value_sum_rule = _convert_correlation
    convert_correlation_value_avg_rule = _convert_correlation
    convert_correlation_value_percentile_rule = _convert_correlation
    convert_correlation_value_median_rule = _convert_correlation


def unread(rule: SigmaRule | SigmaCorrelationRule) -> SigmaError:
    """Why pySigma could not read a rule of a collection with `collect_errors`: its error, with the rule's title."""
    error = copy.copy(rule.errors[0])
    error.args = (f"rule {rule.title!r} could not be read: {' '.join(map(str, error.args))}",)
    return error


def _joined(operator: str, expressions: list[str]) -> str | None:
    if not expressions:
        return None
    return expressions[0] if len(expressions) == 1 else "(" + f" {operator} ".join(expressions) + ")"
