"""Reading one file of Sigma rules safely: bounded YAML, every problem with its line, the rules of a correlation found.

What a set of files comes to is `rules`; how good a rule is, is for `lint` to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import jsonschema
import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaDetection, SigmaRule
from sigma.rule.detection import SigmaDetectionItem

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.feeds.located_yaml import LocatedYaml, YamlPath, read_located_documents

MAX_BYTES = 256_000  # the largest of SigmaHQ's 3,777 rules has 20 kB
MAX_DOCUMENTS = 50
MAX_SELECTIONS = 500  # values of a rule's selections are bounded by the YAML reader
META = "intelsec"
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True)
class RuleProblem:
    """Why a rule, a sample or an exception cannot be used: where, and what would be right."""

    file: Path
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        """`detections/sigma/root-use/rule.yml:12: root-use: …`."""
        return f"{self.file}:{self.line}: {self.rule}: {self.text}"


class RulesRefused(RuleError):
    """Rules that cannot be used, all problems at once; nothing of the set is loaded."""

    def __init__(self, problems: list[RuleProblem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        noun = "problem" if len(self.problems) == 1 else "problems"
        super().__init__(f"{len(self.problems)} {noun} in rules:\n" + "\n".join(map(str, self.problems)))


@dataclass
class RuleDocument:
    """One YAML document of a rule file: as Sigma reads it, with the line of every key."""

    located: LocatedYaml
    values: dict[str, Any]
    parsed: SigmaRule | SigmaCorrelationRule | None = None
    is_id_derived: bool = False  # it has none of its own

    @property
    def rule_id(self) -> str:
        """The rule's id in canonical spelling; what stands there if it is no UUID."""
        return str(self.parsed.id) if self.parsed and self.parsed.id else str(self.values.get("id", ""))

    @property
    def is_correlation(self) -> bool:
        """Whether it counts matches of other rules."""
        return "correlation" in self.values

    @property
    def names(self) -> tuple[str, ...]:
        """What a correlation may call it: id and name."""
        return tuple(str(v) for v in (self.rule_id, self.values.get("name")) if v)

    @property
    def references(self) -> tuple[str, ...]:
        """Rules that a correlation names, in its order."""
        if not isinstance(self.parsed, SigmaCorrelationRule):
            return ()
        parsed = self.parsed
        if parsed.rules is not None:
            return tuple(reference.reference for reference in parsed.rules)
        get = getattr(parsed.condition, "get_referenced_rules", tuple)
        return tuple(get())


@dataclass
class RuleFile:
    """A rule file: its text, its documents, and everything wrong with it."""

    path: Path
    label: str
    text: str = ""
    documents: list[RuleDocument] = field(default_factory=list)
    problems: list[RuleProblem] = field(default_factory=list)

    def problem(self, line: int, text: str) -> None:
        """Note that something is wrong."""
        self.problems.append(RuleProblem(self.path, line, self.label, text))


def read_rule_file(path: Path, label: str, *, derives_ids: bool = False) -> RuleFile:
    """The documents of a rule file. Never raises: what is wrong stands in `problems`.

    With `derives_ids` a rule without an id, which Sigma allows, gets one of its label and title: the same at each
    reading, wherever the file lies and whatever else changes in it.

    Values are those every Sigma tool reads (YAML 1.1, where `No` is false); lines and bounds come from our own reader,
    which refuses what expands, nests or repeats too much before Sigma's parser sees it.
    """
    result = RuleFile(path, label)
    try:
        if path.stat().st_size > MAX_BYTES:
            result.problem(1, f"the file is larger than the {MAX_BYTES:,} bytes allowed; split it")
            return result
        result.text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        result.problem(1, f"cannot be read: {error}; expected a UTF-8 text file")
        return result
    read_documents(result)
    for document in result.documents:
        if derives_ids and document.values.get("id") is None:
            document.values["id"] = str(uuid5(NAMESPACE_URL, f"sigma:{label}:{document.values.get('title')}"))
            document.is_id_derived = True
        _parse(result, document)
    return result


def meta_problems(document: RuleDocument) -> Iterator[tuple[int, str]]:
    """Line and words of what is wrong under the key `intelsec`."""
    located = document.located
    value = located.value.get(META) if isinstance(located.value, dict) else None
    if value is None:
        yield located.first_line, f"the key `{META}` is missing; it says goal, triage, entity, dedup and budget"
        return
    for error in jsonschema.Draft202012Validator(_meta_schema()).iter_errors(value):
        path: YamlPath = (META, *error.absolute_path)
        where = ".".join(str(step) for step in path)
        yield located.line(path), f"{where}: {error.message}"


@cache
def _meta_schema() -> dict[str, Any]:
    text = files("intelsec_assets.detections.sigma").joinpath("rule_meta.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def read_documents(result: RuleFile) -> None:
    """Put the documents of the file's text into it, unparsed, or the problems that keep it from being YAML."""
    located = read_located_documents(result.text)
    for document in located:
        for problem in document.problems:
            result.problem(problem.line, problem.text)
    if result.problems:
        return
    if len(located) > MAX_DOCUMENTS:
        result.problem(1, f"holds {len(located)} documents; at most {MAX_DOCUMENTS} are read")
        return
    # the second reading is the one of all Sigma tools; its size is bounded by the first
    try:
        loaded = [value for value in yaml.load_all(result.text, Loader=_SAFE) if value is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a tag, or a date of the 31st of February
        result.problem(1, f"cannot be read as Sigma's tools read it: {_words(error)}")
        return
    for document, values in zip([d for d in located if d.value is not None], loaded, strict=True):
        if isinstance(values, dict):
            result.documents.append(RuleDocument(document, values))
        else:
            result.problem(document.first_line, "holds no rule; expected a mapping with title, logsource and detection")
    if not result.documents and not result.problems:
        result.problem(1, "holds no rule; expected a mapping with title, logsource and detection")


def _parse(result: RuleFile, document: RuleDocument) -> None:
    line = document.located.first_line
    if "action" in document.values:
        result.problem(document.located.line(("action",)), "`action` is not supported; write each rule out in full")
        return
    if "filter" in document.values:
        text = "is a filter; exceptions lie in detections/exceptions/"
        result.problem(document.located.line(("filter",)), text)
        return
    try:
        parsed = SigmaCollection.from_dicts([document.values], collect_errors=True, resolve_references=False).rules[0]
    except (SigmaError, TypeError, ValueError, AttributeError, KeyError, RecursionError) as error:
        result.problem(*_blame(document, error, line))
        return
    for sigma_error in parsed.errors:
        result.problem(*_blame(document, sigma_error, line))
    if parsed.errors:
        return
    document.parsed = parsed
    if not isinstance(parsed.id, UUID):
        result.problem(line, "has no `id`; give it a random UUID (version 4)")
    if not parsed.title:
        result.problem(line, "has no `title`")
    if isinstance(parsed, SigmaRule):
        for position, condition in enumerate(parsed.detection.parsed_condition):
            try:
                _ = condition.parsed
            except (SigmaError, RecursionError) as error:
                where: YamlPath = ("detection", "condition", position)
                result.problem(document.located.line(where), f"the condition cannot be used: {_words(error)}")


def _blame(document: RuleDocument, error: Exception, line: int) -> tuple[int, str]:
    """Line and words of an error of Sigma's parser, which knows no lines: those of the part that raises it alone."""
    located, text = document.located, _words(error)
    detection = document.values.get("detection")
    for name, definition in detection.items() if isinstance(detection, Mapping) else ():
        if name == "condition" or not _raises(SigmaDetection.from_definition, definition):
            continue
        for key, value in definition.items() if isinstance(definition, Mapping) else ():
            if _raises(SigmaDetectionItem.from_mapping, key, value):
                return located.line(("detection", name, key)), f"{name}.{key}: {text}"
        return located.line(("detection", str(name))), f"{name}: {text}"
    for key in ("correlation", "level", "status", "id", "date", "modified", "tags", "related", "logsource"):
        if key in document.values and key in text.lower():
            return located.line((key,)), text
    return line, text


def _raises(function: Any, *arguments: Any) -> bool:
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001 - the question is whether, not why
        return True
    return False


def _words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
