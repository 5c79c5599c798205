"""A rule's detection as a list of items with their lines, for whoever judges a rule item by item.

What is wrong with an item is for `lint_items` to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelsec_assets.detections.sigma.rules_reading import RuleDocument, RuleFile
from intelsec_assets.feeds.located_yaml import YamlPath

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, order=True)
class LintMessage:
    """One thing to correct in a rule: where, how bad, what it is, what to do."""

    file: Path
    line: int
    code: str
    severity: str  # error | warning
    rule: str
    text: str
    remedy: str

    def __str__(self) -> str:
        """`detections/sigma/root-use/rule.yml:12: error: unknown-field: …; do this`."""
        return f"{self.file}:{self.line}: {self.severity}: {self.code}: {self.text}; {self.remedy}"


@dataclass(frozen=True)
class Item:
    """One line of a selection: a field with modifiers and its values, or keywords (field None)."""

    selection: str
    field: str | None
    modifiers: tuple[str, ...]
    values: tuple[Any, ...]
    line: int
    path: YamlPath

    @property
    def compares_whole_values(self) -> bool:
        """Whether the value must equal the whole field, wildcards aside."""
        return not {"contains", "startswith", "endswith", "re", "exists", "cidr", "fieldref"} & set(
            self.modifiers
        ) and (not {"gt", "gte", "lt", "lte"} & set(self.modifiers))


def items(document: RuleDocument) -> Iterator[Item]:
    """Every item of every selection, also those of lists of selections."""
    detection = document.values.get("detection")
    for name, definition in detection.items() if isinstance(detection, dict) else ():
        if name != "condition":
            yield from _items(document, str(name), definition, ("detection", str(name)))


def _items(document: RuleDocument, selection: str, definition: Any, path: YamlPath) -> Iterator[Item]:
    if isinstance(definition, dict):
        for key, value in definition.items():
            field, *modifiers = str(key).split("|")
            values = tuple(value) if isinstance(value, list) else (value,)
            at = (*path, str(key))
            yield Item(selection, field or None, tuple(modifiers), values, document.located.line(at), at)
    elif isinstance(definition, list):
        plain = tuple(value for value in definition if not isinstance(value, (dict, list)))
        if plain:
            yield Item(selection, None, (), plain, document.located.line(path), path)
        for position, inner in enumerate(definition):
            if isinstance(inner, (dict, list)):
                yield from _items(document, selection, inner, (*path, position))
    else:
        yield Item(selection, None, (), (definition,), document.located.line(path), path)


def message(file: RuleFile, line: int, code: str, text: str, remedy: str, *, severity: str = ERROR) -> LintMessage:
    """A message about a rule file."""
    return LintMessage(file.path, line, code, severity, file.label, text, remedy)
