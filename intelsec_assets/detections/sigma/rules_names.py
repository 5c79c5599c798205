"""What rules from elsewhere are called: each by its file, and where several would be called the same, by more.

The project's own rules are called by their folders, of which there is one each (`rules`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

_SLUG_LENGTH = 40  # of a title in the name of a file, of which file systems take 255 bytes
_BY_FILE, _BY_TITLE, _BY_ID = range(3)


class Named(NamedTuple):
    """What a rule can be called by."""

    file: str  # its name without extension
    title: str
    rule_id: str


def own_names(rules: Sequence[Named]) -> list[str]:
    """A name for each rule that no other has, in their order; which one does not depend on that order.

    The file's where it is the only one, else `file-title`, else `file-id`. Names that differ in case alone are the
    same, as they are to some file systems. The ids are UUIDs and differ.
    """
    steps = [_BY_FILE] * len(rules)
    giving_way = [0]
    while giving_way:
        called: dict[str, list[int]] = defaultdict(list)
        for place, rule in enumerate(rules):
            called[_name(rule, steps[place]).casefold()].append(place)
        giving_way = []
        for places in called.values():
            if len(places) > 1:
                # a file that is called like another's title keeps its name, and the title gives way
                by_title = [place for place in places if steps[place] == _BY_TITLE]
                giving_way += by_title or [place for place in places if steps[place] == _BY_FILE]
        for place in giving_way:
            steps[place] += 1
    return [_name(rule, step) for rule, step in zip(rules, steps, strict=True)]


def _name(rule: Named, step: int) -> str:
    slug = re.sub(r"[\W_]+", "-", rule.title.casefold())[:_SLUG_LENGTH].strip("-")
    return (rule.file, f"{rule.file}-{slug}", f"{rule.file}-{rule.rule_id}")[step]
