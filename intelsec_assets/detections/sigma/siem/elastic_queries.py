"""Queries of Elasticsearch that mean what the Sigma rule means: ES|QL and Lucene over fields of the AWS integration.

The packages they build on compare with case kept, lose rows in a negated comparison with a missing field (ES|QL), and
look into flattened objects where the language cannot.
"""

# ruff: noqa: D102 - pySigma says what each method converts
from __future__ import annotations

import copy
import re
from typing import Any

from sigma.backends.elasticsearch.elasticsearch_esql import ESQLBackend
from sigma.backends.elasticsearch.elasticsearch_lucene import LuceneBackend
from sigma.conditions import ConditionFieldEqualsValueExpression
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma.types import SigmaCasedString, SigmaString, SpecialChars

from intelsec_assets.detections.sigma.siem.targets import Target

_FOLDED = "\0folded\0"  # before a field's name: compare its lower case
_REGEXP_SPECIAL = re.compile(r'([.?+*|{}\[\]()"\\#@&<>~^$-])')


def lowered(value: SigmaString) -> SigmaString:
    """The same pattern in lower case."""
    result = copy.copy(value)
    result.s = [part.lower() if isinstance(part, str) else part for part in value.s]
    return result


def text_object(target: Target, field: str) -> tuple[str, str] | None:
    """Where an object is kept as one text: (field of the text, key in it); None if the field is one of its own."""
    for prefix, text in target.text_objects.items():
        if field.startswith(prefix):
            return text, field.removeprefix(prefix).rsplit(".", 1)[-1]
    return None


def _literal(text: str) -> str:
    return _REGEXP_SPECIAL.sub(r"\\\1", text)


def _parts(value: SigmaString, multi: str, single: str, escape: re.Pattern[str]) -> str:
    signs = {SpecialChars.WILDCARD_MULTI: multi, SpecialChars.WILDCARD_SINGLE: single}
    return "".join(escape.sub(r"\\\1", part) if isinstance(part, str) else signs[part] for part in value.s)  # type: ignore[index]


class EsqlQueries(ESQLBackend):
    """ES|QL with case ignored, `not` true where the field is missing, and objects read from their text."""

    target: Target
    bare: bool

    def escape_and_quote_field(self, field_name: str) -> str:
        if not field_name.startswith(_FOLDED):
            return str(super().escape_and_quote_field(field_name))
        name = field_name.removeprefix(_FOLDED)
        quoted = super().escape_and_quote_field(name)
        return f"to_lower({quoted})" if name not in self.target.typed else f"to_lower(to_string({quoted}))"

    def convert_condition_field_eq_val_str(self, cond: Any, state: Any) -> Any:
        found = text_object(self.target, cond.field)
        if found is not None:
            text, key = found
            cased = isinstance(cond.value, SigmaCasedString)
            wanted = cond.value if cased else lowered(cond.value)
            value = _parts(wanted, "[^,}]*", "[^,}]", _REGEXP_SPECIAL)
            pattern = f".*[{{ ]{_literal(key if cased else key.lower())}={value}[,}}].*"
            escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
            name = self.escape_and_quote_field(text if cased else _FOLDED + text)
            return f'{name} rlike "{escaped}"'
        return super().convert_condition_field_eq_val_str(_folded(cond), state)

    def convert_condition_field_eq_val_str_case_sensitive(self, cond: Any, state: Any) -> Any:
        return self.convert_condition_field_eq_val_str(cond, state)

    def convert_condition_as_in_expression(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.args[0].field) is not None:
            joined = f" {self.or_token} ".join(
                str(self.convert_condition_field_eq_val(arg, state)) for arg in cond.args
            )
            return self.group_expression.format(expr=joined)
        folded = copy.copy(cond)
        folded.args = [_folded(arg) for arg in cond.args]
        return super().convert_condition_as_in_expression(folded, state)

    def decide_convert_condition_as_in_expression(self, cond: Any, state: Any) -> bool:
        plain = all(type(getattr(arg, "value", None)) is SigmaString for arg in cond.args)
        return plain and bool(super().decide_convert_condition_as_in_expression(cond, state))

    def convert_condition_field_eq_val_num(self, cond: Any, state: Any) -> Any:
        if self.target.typed.get(cond.field) == "number":
            return super().convert_condition_field_eq_val_num(cond, state)
        return self._as_text(cond, str(cond.value), state)

    def convert_condition_field_eq_val_bool(self, cond: Any, state: Any) -> Any:
        if self.target.typed.get(cond.field) == "boolean":
            return super().convert_condition_field_eq_val_bool(cond, state)
        return self._as_text(cond, str(bool(cond.value)).lower(), state)

    def convert_condition_field_compare_op_val(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is not None:
            raise _unreadable(cond)
        name = self.escape_and_quote_field(cond.field)
        sign = self.compare_operators[cond.value.op]
        return f"coalesce(to_double({name}){sign}{cond.value.number}, false)"

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is not None:
            raise _unreadable(cond)
        return super().convert_condition_field_eq_val_cidr(_renamed(cond, self.target.cidr_fields), state)

    def convert_condition_field_eq_val_re(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is not None:
            raise _unreadable(cond)
        name = self.escape_and_quote_field(cond.field)
        pattern = unanchored(str(cond.value.regexp)).replace("\\", "\\\\").replace('"', '\\"')
        return f'{name} rlike "{pattern}"'

    def convert_condition_field_eq_field(self, cond: Any, state: Any) -> Any:
        if any(text_object(self.target, name) for name in (cond.field, cond.value.field)):
            raise SigmaFeatureNotSupportedByBackendError("compares with a field that is kept inside a text")
        if cond.value.starts_with or cond.value.ends_with:
            raise SigmaFeatureNotSupportedByBackendError("compares with a part of another field")
        return super().convert_condition_field_eq_field(cond, state)

    def convert_condition_field_exists(self, cond: Any, state: Any) -> Any:
        found = text_object(self.target, cond.field)
        if found is None:
            return super().convert_condition_field_exists(cond, state)
        return f'{self.escape_and_quote_field(found[0])} rlike ".*[{{ ]{found[1]}=.*"'

    def convert_condition_field_not_exists(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is None:
            return super().convert_condition_field_not_exists(cond, state)
        return f"not coalesce({self.convert_condition_field_exists(cond, state)}, false)"

    def convert_condition_field_eq_val_null(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is None:
            return super().convert_condition_field_eq_val_null(cond, state)
        return self.convert_condition_field_not_exists(cond, state)

    def convert_condition_not(self, cond: Any, state: Any) -> Any:
        """`not x` is null where x is: the event would be lost."""
        return f"not coalesce({self.convert_condition(cond.args[0], state)}, false)"

    def _as_text(self, cond: Any, text: str, state: Any) -> Any:
        named = ConditionFieldEqualsValueExpression(cond.field, SigmaString(text))
        return self.convert_condition_field_eq_val_str(named, state)


class LuceneQueries(LuceneBackend):
    """Lucene over the AWS integration; patterns inside flattened objects look into the object's text."""

    target: Target
    bare: bool

    def convert_condition_field_eq_val_str(self, cond: Any, state: Any) -> Any:
        return self._in_text(cond) or super().convert_condition_field_eq_val_str(cond, state)

    def convert_condition_field_eq_val_str_case_sensitive(self, cond: Any, state: Any) -> Any:
        return self.convert_condition_field_eq_val_str(cond, state)

    def convert_condition_as_in_expression(self, cond: Any, state: Any) -> Any:
        texts = [self._in_text(arg) for arg in cond.args]
        if not any(texts):
            return super().convert_condition_as_in_expression(cond, state)
        pairs = zip(texts, cond.args, strict=True)
        plain = [text or str(self.convert_condition_field_eq_val(arg, state)) for text, arg in pairs]
        return self.group_expression.format(expr=f" {self.or_token} ".join(plain))

    def convert_condition_field_eq_val_cidr(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is not None:
            raise _unreadable(cond)
        return super().convert_condition_field_eq_val_cidr(_renamed(cond, self.target.cidr_fields), state)

    def convert_condition_field_eq_val_re(self, cond: Any, state: Any) -> Any:
        if text_object(self.target, cond.field) is not None:
            raise _unreadable(cond)
        return f"{cond.field}:/{unanchored(str(cond.value.regexp)).replace('/', chr(92) + '/')}/"

    def _in_text(self, cond: Any) -> str | None:
        """The comparison over the object's text; None if the field itself can be asked."""
        value = cond.value
        if not isinstance(value, SigmaString):
            return None
        found = text_object(self.target, cond.field)
        if found is None or not value.contains_special() or _is_prefix(value):
            return None
        escape = re.compile("([" + re.escape(self.add_escaped) + "])")
        return f"{found[0]}:*{found[1]}=" + _parts(value, "*", "?", escape) + "*"


def _is_prefix(value: SigmaString) -> bool:
    return bool(value.endswith(SpecialChars.WILDCARD_MULTI)) and not value[:-1].contains_special()


def _folded(cond: Any) -> Any:
    """The comparison in lower case, unless the rule keeps case."""
    if isinstance(cond.value, SigmaCasedString) or not isinstance(cond.value, SigmaString):
        return cond
    return ConditionFieldEqualsValueExpression(_FOLDED + cond.field, lowered(cond.value))


def _renamed(cond: Any, names: Any) -> Any:
    return ConditionFieldEqualsValueExpression(names.get(cond.field, cond.field), cond.value)


def _unreadable(cond: Any) -> SigmaFeatureNotSupportedByBackendError:
    return SigmaFeatureNotSupportedByBackendError(
        f"{cond.field} is kept inside a text, where only equality and wildcards can be looked for"
    )


def unanchored(pattern: str) -> str:
    """A pattern that is searched for, for a language whose patterns must cover the whole value."""
    start = "" if pattern.startswith("^") else ".*"
    end = "" if pattern.endswith("$") and not pattern.endswith(r"\$") else ".*"
    body = pattern.removeprefix("^")
    body = body if end else body.removesuffix("$")
    return f"{start}({body}){end}" if "|" in body else f"{start}{body}{end}"
