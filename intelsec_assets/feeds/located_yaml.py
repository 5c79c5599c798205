"""YAML read with the line of every key: safe scalars only, duplicate keys refused, aliases and size bounded.

What the values must look like is `catalogue_rules`; this module knows YAML only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import yaml

MAX_BYTES = 1_000_000  # the catalogue of 40 public feeds has 30 kB
MAX_VALUES = 100_000  # after aliases are expanded: a "billion laughs" of 1 kB has 10^9
MAX_DEPTH = 50

YamlPath = tuple[str | int, ...]
YamlValue = None | bool | int | float | str | list["YamlValue"] | dict[str, "YamlValue"]


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a YAML file: where, in words, and what would be right."""

    line: int
    path: YamlPath
    text: str

    def __str__(self) -> str:
        """`line 12, feeds[3].tlp: …`."""
        where = render_path(self.path)
        return f"line {self.line}{', ' + where if where else ''}: {self.text}"


@dataclass
class LocatedYaml:
    """The values of a YAML text, the line of each path (keys and list items), and what was wrong with the YAML."""

    value: YamlValue = None
    lines: dict[YamlPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    first_line: int = 1

    def line(self, path: YamlPath) -> int:
        """Line of a path, or of its nearest parent that is in the text."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.first_line)


def render_path(path: YamlPath) -> str:
    """A path as people write it: `feeds[3].contract.min_rows`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Scalars of YAML 1.2's core schema: no dates, no `yes` and `no`, no base-60 numbers."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


_BOOL, _INT, _FLOAT, _NULL, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float", "null", "merge"))
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?[0-9]{1,18}$"), list("-+0123456789"))
_Loader.add_implicit_resolver(_FLOAT, re.compile(r"^[-+]?[0-9]+\.[0-9]*(?:e[-+]?[0-9]{1,3})?$"), list("-+0123456789"))
_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])


def read_located_yaml(text: str) -> LocatedYaml:
    """Values, lines and problems of a YAML text. Never raises: text that is no YAML is a problem with its line."""
    documents = _read(text, lambda: [yaml.compose(text, Loader=_Loader)])
    return documents[0] if documents else LocatedYaml()


def read_located_documents(text: str) -> list[LocatedYaml]:
    """The same for a text of several documents between `---` lines; an empty document is left out.

    Text that is no YAML gives one document that holds nothing but the problem.
    """
    return _read(text, lambda: yaml.compose_all(text, Loader=_Loader))


def _read(text: str, compose: Callable[[], Iterable[yaml.Node | None]]) -> list[LocatedYaml]:
    unreadable = LocatedYaml()
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        unreadable.problems.append(Problem(1, (), f"the file is larger than the {MAX_BYTES:,} bytes allowed"))
        return [unreadable]
    try:
        nodes = [node for node in compose() if node is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        unreadable.problems.append(Problem(line, (), f"not YAML: {error.problem}"))
        return [unreadable]
    except (yaml.YAMLError, UnicodeError) as error:
        unreadable.problems.append(Problem(1, (), f"not YAML: {' '.join(str(error).split())}"))
        return [unreadable]
    except RecursionError:
        unreadable.problems.append(Problem(1, (), f"nested deeper than the {MAX_DEPTH} levels allowed"))
        return [unreadable]
    documents = []
    for node in nodes:
        result = LocatedYaml(first_line=node.start_mark.line + 1)
        _Builder(result).build_root(node)
        documents.append(result)
    return documents


class _TooLarge(Exception):
    """Aliases or nesting exceed the bounds; the text says which."""


class _Builder:
    """Turns composed nodes into values, noting the line of every path."""

    def __init__(self, result: LocatedYaml) -> None:
        self.result = result
        self.values = 0
        self.open_nodes: set[int] = set()

    def build_root(self, node: yaml.Node) -> None:
        try:
            self.result.value = self._build(node, ())
        except _TooLarge as error:
            self.result.problems.append(Problem(node.start_mark.line + 1, (), str(error)))

    def _build(self, node: yaml.Node, path: YamlPath) -> YamlValue:
        self.values += 1
        if self.values > MAX_VALUES:
            raise _TooLarge(f"aliases expand to more than the {MAX_VALUES:,} values allowed")
        if len(path) > MAX_DEPTH:
            raise _TooLarge(f"nested deeper than the {MAX_DEPTH} levels allowed")
        if id(node) in self.open_nodes:
            raise _TooLarge(f"line {node.start_mark.line + 1}: an alias refers to what it is part of")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self.open_nodes.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._sequence(node, path)
        finally:
            self.open_nodes.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode, path: YamlPath) -> YamlValue:
        text: str = node.value
        if node.tag == _NULL:
            return None
        if node.tag == _BOOL:
            return text == "true"
        if node.tag == _INT:
            return int(text)
        if node.tag == _FLOAT:
            return float(text)
        if node.tag not in ("tag:yaml.org,2002:str", _MERGE):
            self._problem(node, path, f"the tag {node.tag!r} is not allowed; write a plain value")
        return text

    def _sequence(self, node: yaml.Node, path: YamlPath) -> YamlValue:
        items: list[YamlValue] = []
        for position, item in enumerate(node.value):
            self.result.lines[(*path, position)] = item.start_mark.line + 1
            items.append(self._build(item, (*path, position)))
        return items

    def _mapping(self, node: yaml.Node, path: YamlPath) -> YamlValue:
        own: dict[str, YamlValue] = {}
        merged: dict[str, YamlValue] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                for template in self._templates(key_node, value_node, path):
                    merged = {**self._merged(template, path), **merged}  # an earlier template wins, as YAML says
                continue
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, str):
                self._problem(key_node, path, "a key must be plain text")
                continue
            if key in own:
                first = self.result.lines[(*path, key)]
                self._problem(key_node, (*path, key), f"the key is given twice, first on line {first}; keep one")
                continue
            self.result.lines[(*path, key)] = key_node.start_mark.line + 1
            own[key] = self._build(value_node, (*path, key))
        return {**merged, **own}

    def _templates(self, key_node: yaml.Node, node: yaml.Node, path: YamlPath) -> Iterator[yaml.MappingNode]:
        for template in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(template, yaml.MappingNode):
                yield template
            else:
                self._problem(key_node, path, "`<<` takes a mapping, for example an alias of a template")

    def _merged(self, template: yaml.MappingNode, path: YamlPath) -> dict[str, YamlValue]:
        """Values of a template under `path`; a key the entry gives itself keeps its own line."""
        before = {at: line for at, line in self.result.lines.items() if at[: len(path)] == path and at != path}
        value = self._build(template, path)
        self.result.lines.update(before)
        return value if isinstance(value, dict) else {}

    def _problem(self, node: yaml.Node, path: YamlPath, text: str) -> None:
        self.result.problems.append(Problem(node.start_mark.line + 1, path, text))
