"""Conditions of Sigma rules with some of their parts left out, so that they find at least what the whole finds.

Which parts a SIEM cannot look at is said by its target; here is only the logic of leaving them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)

Leaf = ConditionFieldEqualsValueExpression | ConditionValueExpression
Node = ConditionItem | ConditionFieldEqualsValueExpression | ConditionValueExpression


def leaves(node: Node | None) -> Iterator[Leaf]:
    """The comparisons of a condition, in order."""
    if isinstance(node, ConditionItem):
        for inner in node.args:
            yield from leaves(inner)
    elif node is not None:
        yield node


def relaxed(node: Node, leaves_out: Callable[[Leaf], bool], *, wide: bool = True) -> Node | bool:
    """The condition without the comparisons that `leaves_out` names, true for all that the whole is true for.

    True if nothing is left that could exclude an event. `wide=False` gives a condition true for no more than the whole
    (what is below a `not`), False if nothing of it is left.
    """
    if not isinstance(node, ConditionItem):
        return wide if leaves_out(node) else node
    if isinstance(node, ConditionNOT):
        inner = relaxed(node.args[0], leaves_out, wide=not wide)  # type: ignore[arg-type]
        return not inner if isinstance(inner, bool) else _with(node, [inner])
    parts = [relaxed(part, leaves_out, wide=wide) for part in node.args]  # type: ignore[arg-type]
    decides = isinstance(node, ConditionOR)  # one true part makes an OR true, one false part an AND false
    if any(part is decides for part in parts):
        return decides
    kept = [part for part in parts if not isinstance(part, bool)]
    if not kept:
        return not decides
    return kept[0] if len(kept) == 1 else _with(node, kept)


def _with(node: ConditionItem, args: list[Any]) -> ConditionItem:
    """The same operator over other parts; parts know what they are part of."""
    assert isinstance(node, (ConditionAND, ConditionOR, ConditionNOT))
    result = type(node)(args, source=node.source)
    result.parent = getattr(node, "parent", None)
    for part in args:
        part.parent = result
    return result
