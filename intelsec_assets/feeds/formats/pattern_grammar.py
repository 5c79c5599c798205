"""The STIX pattern grammar of stix2-patterns, read into equalities and whatever says more than "any of these values".

Which equalities are indicators is decided in `patterns`.
"""
# ruff: noqa: N802 - the grammar names the methods

from __future__ import annotations

import re
from typing import Any

from stix2patterns.exceptions import ParseException
from stix2patterns.v21.grammars.STIXPatternListener import STIXPatternListener
from stix2patterns.v21.pattern import Pattern

Equality = tuple[str, tuple[str, ...], str]  # object type, property path, value

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class NotAPattern(Exception):
    """The text is not in the pattern language; the message says where it leaves it."""


def read(pattern: str) -> tuple[list[Equality], list[str]]:
    """(equalities in order, what else the pattern says, in words). Raises NotAPattern."""
    reader = _Reader()
    try:
        Pattern(pattern).walk(reader)
    except ParseException as error:
        raise NotAPattern(str(error)[:200]) from None
    except RecursionError:
        raise NotAPattern("parentheses nested too deep") from None
    return reader.found, reader.obstacles


class _Reader(STIXPatternListener):  # type: ignore[misc]
    def __init__(self) -> None:
        self.found: list[Equality] = []
        self.obstacles: list[str] = []
        self._object_type = ""
        self._path: tuple[str, ...] = ()

    def exitObjectType(self, ctx: Any) -> None:
        self._object_type = ctx.getText()

    def exitFirstPathComponent(self, ctx: Any) -> None:
        self._path = (_step(ctx),)

    def exitKeyPathStep(self, ctx: Any) -> None:
        self._path += (_step(ctx),)

    def exitIndexPathStep(self, ctx: Any) -> None:
        self._path += (ctx.getText(),)

    def exitPropTestEqual(self, ctx: Any) -> None:
        if ctx.NOT() or not ctx.EQ():
            self.obstacles.append("a negation")
        self._take(ctx.primitiveLiteral())

    def exitPropTestSet(self, ctx: Any) -> None:
        if ctx.NOT():
            self.obstacles.append("a negation")
        for literal in ctx.setLiteral().primitiveLiteral():
            self._take(literal)

    def _take(self, literal: Any) -> None:
        text = literal.getText()
        if text.startswith("'"):
            self.found.append((self._object_type, self._path, _ESCAPED.sub(r"\1", text[1:-1])))
        else:
            self.obstacles.append(f"the value {text[:40]} that is no string")

    def exitComparisonExpressionAnd(self, ctx: Any) -> None:
        self._note("AND between comparisons", ctx.AND())

    def exitObservationExpressionAnd(self, ctx: Any) -> None:
        self._note("AND between observations", ctx.AND())

    def exitObservationExpressions(self, ctx: Any) -> None:
        self._note("FOLLOWEDBY", ctx.FOLLOWEDBY())

    def exitStartStopQualifier(self, ctx: Any) -> None:
        self._note("the qualifier START", ctx)

    def exitWithinQualifier(self, ctx: Any) -> None:
        self._note("the qualifier WITHIN", ctx)

    def exitRepeatedQualifier(self, ctx: Any) -> None:
        self._note("the qualifier REPEATS", ctx)

    def exitPropTestOrder(self, ctx: Any) -> None:
        self._note("the operator < or >", ctx)

    def exitPropTestLike(self, ctx: Any) -> None:
        self._note("the operator LIKE", ctx)

    def exitPropTestRegex(self, ctx: Any) -> None:
        self._note("the operator MATCHES", ctx)

    def exitPropTestIsSubset(self, ctx: Any) -> None:
        self._note("the operator ISSUBSET", ctx)

    def exitPropTestIsSuperset(self, ctx: Any) -> None:
        self._note("the operator ISSUPERSET", ctx)

    def exitPropTestExists(self, ctx: Any) -> None:
        self._note("the operator EXISTS", ctx)

    def _note(self, words: str, present: object) -> None:
        if present is not None:
            self.obstacles.append(words)


def _step(ctx: Any) -> str:
    text: str = ctx.getText().removeprefix(".")
    return _ESCAPED.sub(r"\1", text[1:-1]) if ctx.StringLiteral() else text
