"""What a Sigma value stands for when it is compared: texts, numbers, the members of an OR.

How they are compared in SQL stands in text.py.
"""

from collections.abc import Iterable
from typing import Any

from sigma.conditions import ConditionFieldEqualsValueExpression, ConditionOR, ConditionValueExpression
from sigma.types import SigmaBool, SigmaExpansion, SigmaNumber, SigmaString, SigmaTimestampPart, SigmaType

from . import text


def alternatives(args: Iterable[Any]) -> Iterable[Any]:
    """Arguments of an OR with those of inner ORs and expansions in their place."""
    for arg in args:
        if isinstance(arg, ConditionOR):
            yield from alternatives(arg.args)
        elif isinstance(arg, ConditionFieldEqualsValueExpression) and isinstance(arg.value, SigmaExpansion):
            yield from alternatives(ConditionFieldEqualsValueExpression(arg.field, value) for value in arg.value.values)
        elif isinstance(arg, ConditionValueExpression) and isinstance(arg.value, SigmaExpansion):
            yield from alternatives(ConditionValueExpression(value) for value in arg.value.values)
        else:
            yield arg


def keyword(cond: object) -> SigmaString | None:
    """The text of a keyword; None for anything else, regular expressions included."""
    if isinstance(cond, ConditionValueExpression):
        if isinstance(cond.value, SigmaString):
            return cond.value
        if isinstance(cond.value, SigmaNumber):
            return SigmaString(str(cond.value))
    return None


def comparable(cond: object) -> tuple[bool, list[tuple[text.Part, ...]]] | None:
    """(cased, texts) if the condition compares a field with texts."""
    if not isinstance(cond, ConditionFieldEqualsValueExpression):
        return None
    value: SigmaType = cond.value
    match value:
        case SigmaString():
            return text.is_cased(value), [text.folded_parts(value)]
        case SigmaTimestampPart():
            return None
        case SigmaNumber():
            return False, [(spelling,) for spelling in _spellings(value)]
        case SigmaBool():
            return False, [("true" if value.boolean else "false",)]
        case _:
            return None


def _spellings(value: SigmaNumber) -> list[str]:
    """A number as text; a whole one also as DOUBLE and JSON may spell it."""
    spelled = number(value)
    return [spelled, spelled + ".0"] if isinstance(value.number, int) else [spelled]


def is_rounded(value: object) -> bool:
    """Whether pySigma has rounded the number that the rule spells: it keeps integers only if a float holds them."""
    # every float from 2^53 on is whole, and those that were spelled so are kept as integers
    return isinstance(value, SigmaNumber) and isinstance(value.number, float) and abs(value.number) >= 2**53


def number(value: SigmaNumber) -> str:
    """A number in SQL."""
    return text.fold(str(value.number))
