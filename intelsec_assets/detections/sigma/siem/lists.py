"""Comparisons with lists, told apart: one value of the list, or the list as a whole.

A rule here compares a list's JSON text (`["80","443"]`); SIEMs compare value by value. A quote in the pattern marks the
border of a value, so `contains: '/0"'` is a value that ends in `/0`. What compares the whole list has no counterpart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from sigma.collection import SigmaCollection
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaRule
from sigma.types import SigmaExists, SigmaNull, SigmaString, SigmaType, SpecialChars

WHOLE = "whole_list."  # before the name of a field that is compared as a whole list


def compare_values(
    collection: SigmaCollection, holds_list: Callable[[str], bool], is_list: Callable[[str], bool] | None = None
) -> frozenset[str]:
    """Turn patterns over lists of the collection's rules into patterns over their values, in place.

    With `is_list` nothing is known of a list (of a field that is one, not of one inside it) but whether it is there.
    Gives the fields whose comparisons have no counterpart; they get the name `whole_list.<field>`.
    """
    whole = set()
    for rule in collection.rules:
        if not isinstance(rule, SigmaRule):
            continue
        for detection in rule.detection.detections.values():
            for item in _items(detection):
                if item.field is None or not holds_list(item.field):
                    continue
                if is_list is not None:
                    known = is_list(item.field)
                    values: list[SigmaType | None] = [
                        value if known and isinstance(value, SigmaExists | SigmaNull) else None for value in item.value
                    ]
                else:
                    values = [_of_value(value) for value in item.value]
                if any(value is None for value in values):
                    whole.add(item.field)
                    item.field = WHOLE + item.field
                else:
                    item.value = [value for value in values if value is not None]
    return frozenset(whole)


def _items(detection: SigmaDetection) -> Iterator[SigmaDetectionItem]:
    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            yield from _items(item)
        else:
            yield item


def _of_value(value: SigmaType) -> SigmaType | None:
    """The pattern for one value of a list; None if it is about the list."""
    if not isinstance(value, SigmaString) or not any('"' in part for part in value.s if isinstance(part, str)):
        return value
    anywhere, parts = SpecialChars.WILDCARD_MULTI, list(value.s)
    if len(parts) != 3 or parts[0] is not anywhere or parts[2] is not anywhere or not isinstance(parts[1], str):
        return None
    text = parts[1]
    starts, ends = text.startswith('"'), text.endswith('"') and len(text) > 1
    inner = text[1 if starts else 0 : -1 if ends else None]
    if '"' in inner or not inner:
        return None
    result = copy.copy(value)
    result.s = [*([] if starts else [anywhere]), inner, *([] if ends else [anywhere])]
    return result
