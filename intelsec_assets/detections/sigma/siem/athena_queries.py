"""Queries of Amazon Athena over the CloudTrail table that AWS documents, from the conditions of our own DuckDB backend.

What a condition means is said there; here its SQL is put into Athena's dialect, function by function, and refused where
a function has no counterpart. Windows slide as in Sigma. CloudTrail delivers at least once, so what is counted is made
distinct first: an event that lies in two files counts once.
"""

# ruff: noqa: D102, S608 - pySigma says what each method converts; the queries are texts that nobody runs here
from __future__ import annotations

import re
from typing import Any, ClassVar

import sqlglot
from sigma.backends.duckdb import DuckDBBackend, text  # type: ignore[import-untyped, unused-ignore]
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma.rule import SigmaRule
from sigma.types import SigmaString
from sqlglot import exp

from intelsec_assets.detections.sigma.siem.constructs import CONTEXT
from intelsec_assets.detections.sigma.siem.targets import Target

TABLE, CONTEXT_TABLE = "cloudtrail_logs", "audit_context"
_PLAIN = frozenset(
    {
        *("eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent"),
        *("errorCode", "errorMessage", "requestID", "eventID", "eventType", "apiVersion", "readOnly"),
        *("recipientAccountId", "sharedEventID", "vpcEndpointId", "eventCategory"),
    }
)
_ISSUER = ("type", "principalId", "arn", "accountId", "userName")
_STRUCTS = frozenset(
    {
        *(f"userIdentity.{name}" for name in (*_ISSUER, "invokedBy", "accessKeyId")),
        *(f"userIdentity.sessionContext.attributes.{name}" for name in ("mfaAuthenticated", "creationDate")),
        *(f"userIdentity.sessionContext.sessionIssuer.{name}" for name in _ISSUER),
        "userIdentity.sessionContext.ec2RoleDelivery",
        *(f"tlsDetails.{name}" for name in ("tlsVersion", "cipherSuite", "clientProvidedHostHeader")),
    }
)
_JSON = frozenset({"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"})
_STEP = re.compile(r"^[\w.$@:/-]+$")
# names for what sqlglot would translate into something else on the way
_SCALAR, _ANY, _IN_NETWORK = "athena_json_scalar", "athena_json", "athena_in_network"
_NAMES = {_SCALAR: "json_extract_scalar", _ANY: "json_extract", "isfinite": "is_finite"}
# functions of Athena that a condition may come to; anything else is refused
_KNOWN = frozenset(
    {
        *("AND", "OR", "NOT", "CASE", "IF", "COALESCE", "NULLIF", "CAST", "TRY_CAST", "TRY"),
        *("LOWER", "STARTS_WITH", "STRPOS", "SUBSTR", "LENGTH", "CONCAT", "REGEXP_LIKE", "IS_FINITE", "CONTAINS"),
        *("JSON_EXTRACT_SCALAR", "JSON_EXTRACT", "JSON_FORMAT"),
    }
)


class AthenaQueries(DuckDBBackend):  # type: ignore[misc, unused-ignore]
    """SQL of Athena: a condition a rule, counts over windows that slide."""

    target: Target
    bare: bool
    _asks_context = False

    correlation_methods: ClassVar[dict[str, str] | None] = {"default": "window functions over a range of time"}

    def __init__(self, processing_pipeline: Any = None, **options: Any) -> None:
        super().__init__(processing_pipeline, field_sql=self._field, event_json=None, **options)

    def _field(self, name: str) -> str:
        if name.startswith(CONTEXT):
            self._asks_context = True
            return f'c."{name}"'
        if name in _PLAIN or name in _STRUCTS:
            return f"e.{name.lower()}"
        column, _, path = name.partition(".")
        if column in _JSON and path:
            steps = path.split(".")
            if not all(_STEP.match(step) for step in steps):
                raise SigmaFeatureNotSupportedByBackendError(f"{name} holds a character that no JSON path takes here")
            keys = "".join(f'["{step}"]' for step in steps)
            return f"{_SCALAR}(e.{column.lower()}, '${keys}')"
        raise SigmaFeatureNotSupportedByBackendError(f"the table of CloudTrail in Athena has no column for {name}")

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> str:
        return f"{_IN_NETWORK}('{cond.value.network}', {self.text(cond.field)})"

    def convert_condition_or(self, cond: Any, state: Any) -> str | None:
        """Whole values of a field as a list, all else one by one: the backend's patterns are for its own engine."""
        lists: dict[str, list[str]] = {}
        kept = []
        for arg in cond.args:
            value = getattr(arg, "value", None)
            whole = text.whole_value(text.folded_parts(value)) if type(value) is SigmaString else None
            if whole is not None and hasattr(arg, "field"):
                lists.setdefault(self.folded(arg.field), []).append(text.literal(whole))
            else:
                kept.append(self.convert_condition(arg, state))
        listed = [
            f"{field} IN ({', '.join(values)})" if len(values) > 1 else f"{field} = {values[0]}"
            for field, values in lists.items()
        ]
        parts = [part for part in (*listed, *kept) if part is not None]
        return None if not parts else parts[0] if len(parts) == 1 else "(" + " OR ".join(parts) + ")"

    def convert_condition_field_exists(self, cond: Any, state: Any) -> str:
        return f"{self._present(cond.field)} IS NOT NULL"

    def convert_condition_field_not_exists(self, cond: Any, state: Any) -> str:
        return f"{self._present(cond.field)} IS NULL"

    def convert_condition_field_eq_val_null(self, cond: Any, state: Any) -> str:
        return f"{self._present(cond.field)} IS NULL"

    def _present(self, name: str) -> str:
        """Objects and lists are there too, though they are no scalars; JSON null is not."""
        found = self._field(name)
        if not found.startswith(_SCALAR):
            return found
        return f"nullif(json_format({_ANY}{found.removeprefix(_SCALAR)}), 'null')"

    def finalize_query_default(self, rule: Any, query: str, index: int, state: Any) -> str:
        if isinstance(rule, SigmaCorrelationRule):
            return query
        return f"SELECT e.*\n{self._source()}\nWHERE {self._translated(query)}"

    def _source(self) -> str:
        joined = (
            f"\nLEFT JOIN {CONTEXT_TABLE} AS c ON c.event_id = e.eventid AND c.provider = 'aws'"
            if self._asks_context
            else ""
        )
        return f"FROM {TABLE} AS e{joined}"

    def _translated(self, condition: str) -> str:
        """A condition of DuckDB in Athena's dialect."""
        tree = sqlglot.parse_one(condition, read="duckdb")
        while (changed := tree.transform(_athena)) != tree:  # what replaces a node is not looked into the same time
            tree = changed
        for node in tree.find_all(exp.Func, exp.Lambda, exp.Bracket, exp.Array):
            name = (
                node.name if isinstance(node, exp.Anonymous) else node.sql_name() if isinstance(node, exp.Func) else ""
            )
            if name.upper() not in _KNOWN and not isinstance(node, exp.RegexpLike | exp.Connector | exp.StrPosition):
                raise SigmaFeatureNotSupportedByBackendError(
                    f"{name or type(node).__name__} has no counterpart in Athena"
                )
        return tree.sql("athena")

    # correlations

    def _convert_correlation(
        self, rule: SigmaCorrelationRule, output_format: Any = None, method: Any = None
    ) -> list[str]:
        """One row an event at which the count over the window before it is over the line."""
        condition = rule.condition
        if not isinstance(condition, SigmaCorrelationCondition) or rule.aliases.aliases:
            raise SigmaFeatureNotSupportedByBackendError("aliases and conditions over several rules")
        groups = [self._translated(self.text(field)) for field in rule.group_by or ()]
        names = [f'"{field}"' for field in rule.group_by or ()]
        kind = rule.type.name.lower()
        counted = ""
        if kind == "value_count":
            counted = f", {self._translated(self.text(str(condition.fieldref)))} AS counted_value"
        shown = "".join(f", {group} AS {name}" for group, name in zip(groups, names, strict=True))
        branches = []
        for reference in rule.referenced_rules:
            base = reference.rule
            if not isinstance(base, SigmaRule):
                raise SigmaFeatureNotSupportedByBackendError("a correlation of correlations")
            where = " OR ".join(self._translated(query) for query in base.get_conversion_result())
            label = str(base.name or base.id).replace("'", "''")
            columns = "from_iso8601_timestamp(e.eventtime) AS happened_at, e.eventid"
            if kind == "temporal":  # elsewhere an event that several rules match is one event
                columns += f", '{label}' AS sigma_rule"
            columns += shown + counted
            branches.append(f"  SELECT DISTINCT {columns}\n  {self._source()}\n  WHERE {where}")
        # who lacks a field is in no group
        grouped = f" WHERE {' AND '.join(f'{name} IS NOT NULL' for name in names)}" if names else ""
        window = f"PARTITION BY {', '.join(names)} " if names else ""
        span = f"INTERVAL '{rule.timespan.seconds}' SECOND"
        window += f"ORDER BY happened_at RANGE BETWEEN {span} PRECEDING AND CURRENT ROW"
        kept = "FILTER (WHERE counted_value IS NOT NULL)"
        value = {
            "event_count": f"count(*) OVER ({window})",
            # no DISTINCT in window functions: the values of the window as an array, each once
            "value_count": f"cardinality(array_distinct(array_agg(counted_value) {kept} OVER ({window})))",
            "temporal": f"cardinality(array_distinct(array_agg(sigma_rule) OVER ({window})))",
        }[kind]
        sign = {"LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=", "EQ": "=", "NEQ": "<>"}[condition.op.name]
        return [
            "WITH matches AS (\n"
            + "\n  UNION\n".join(branches)
            + f"\n),\ncounted AS (\n  SELECT *, {value} AS value FROM matches{grouped}\n)\n"
            + f"SELECT * FROM counted WHERE value {sign} {condition.count} ORDER BY happened_at"
        ]

    convert_correlation_event_count_rule = _convert_correlation
    convert_correlation_value_count_rule = _convert_correlation
    convert_correlation_temporal_rule = _convert_correlation


def _athena(node: exp.Expression) -> exp.Expression:
    """A function of DuckDB as what does the same in Athena."""
    if isinstance(node, exp.Contains | exp.ArrayContains):
        return exp.GT(
            this=exp.Anonymous(this="strpos", expressions=[node.this, node.expression]),
            expression=exp.Literal.number(0),
        )
    if isinstance(node, exp.EndsWith):
        length = exp.Anonymous(this="length", expressions=[node.expression.copy()])
        tail = exp.Anonymous(this="substr", expressions=[node.this, exp.Neg(this=length)])
        return exp.Paren(this=exp.EQ(this=tail, expression=node.expression))
    if isinstance(node, exp.RegexpFullMatch):
        whole = exp.Literal.string(r"\A(?:" + node.expression.name + r")\z")
        return exp.Anonymous(this="regexp_like", expressions=[node.this, whole])
    if isinstance(node, exp.Anonymous) and node.name.lower() in _NAMES:
        return exp.Anonymous(this=_NAMES[node.name.lower()], expressions=node.expressions)
    if isinstance(node, exp.Anonymous) and node.name.lower() == _IN_NETWORK:
        network, text = node.expressions
        address = exp.TryCast(this=text, to=exp.DataType.build("ipaddress", dialect="trino"))
        return exp.Anonymous(this="contains", expressions=[network, address])
    return node
