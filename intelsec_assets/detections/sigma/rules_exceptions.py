"""Exceptions: Sigma filters with a reason and an end, which keep a rule from matching what was judged harmless.

Who proposes them is `detections.quality`; here they are read, checked against the rules they name, and told apart by
whether they still apply.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from intelsec_assets.detections.sigma.rules_reading import META, RuleDocument, RuleFile, RuleProblem, read_documents
from intelsec_assets.feeds.located_yaml import LocatedYaml

# what is harmless for longer belongs into the rule
LONGEST = timedelta(days=180)

_KEYS = {"reason", "expires", "proposed_from", "author"}


@dataclass(frozen=True)
class RuleException:
    """A filter with the reason for it; `rules` are ids or names as the filter gives them."""

    title: str
    path: Path
    rules: tuple[str, ...]
    reason: str
    expires: date  # the last day it applies, UTC
    begins: date  # the first: its `date`; days before it were judged without it and stay so
    proposed_from: tuple[str, ...]
    text: str
    values: dict[str, Any]

    def applies_on(self, day: date) -> bool:
        """Whether it holds on that day, its first and its last included."""
        return self.begins <= day <= self.expires

    def filter(self) -> SigmaFilter:
        """The Sigma filter, made anew: applying it changes what it is applied to."""
        return SigmaFilter.from_dict(copy.deepcopy(self.values))


def read_exceptions(
    folder: Path | None, without: Collection[str] = ()
) -> tuple[list[RuleException], list[RuleProblem]]:
    """Every exception of a folder, expired ones too, and what is wrong with its files."""
    exceptions: list[RuleException] = []
    problems: list[RuleProblem] = []
    for path in sorted(folder.glob("*.yml")) if folder and folder.is_dir() else ():
        if path.stem in without:
            continue
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(RuleProblem(path, 1, path.stem, f"cannot be read: {error}"))
            continue
        read, wrong = read_exception(text, path)
        exceptions += [read] if read else []
        problems += wrong
    return exceptions, problems


def read_exception(text: str, path: Path) -> tuple[RuleException | None, list[RuleProblem]]:
    """An exception of a text; None if it cannot be used, with the problems."""
    result = RuleFile(path, path.stem, text)
    read_documents(result)
    if result.problems:
        return None, result.problems
    if len(result.documents) != 1:
        result.problem(1, f"holds {len(result.documents)} documents; one exception a file")
        return None, result.problems
    document = result.documents[0]
    located, values = document.located, document.values
    meta = located.value.get(META) if isinstance(located.value, dict) else None
    expires = _meta(result, located, meta)
    begins = _begins(result, located, values, expires)
    references = _filter(result, document)
    if result.problems or expires is None or begins is None or not isinstance(meta, dict):
        return None, result.problems
    title = str(values.get("title") or path.stem)
    origins = tuple(str(origin) for origin in _listed(meta.get("proposed_from")))
    reason = str(meta["reason"]).strip()
    return RuleException(title, path, references, reason, expires, begins, origins, text, values), []


def exception_problems(exception: RuleException, documents: dict[str, RuleDocument]) -> list[RuleProblem]:
    """Why an exception would not do what it says, given the rules by id and name."""
    wrong = []

    def problem(text: str) -> None:
        wrong.append(RuleProblem(exception.path, 1, exception.path.stem, text))

    for reference in exception.rules:
        document = documents.get(reference)
        if document is None:
            problem(f"names the rule {reference!r}, which there is not; give a rule's id or name")
        elif isinstance(document.parsed, SigmaCorrelationRule):
            inner = ", ".join(document.references)
            problem(f"names the correlation {reference!r}, which filters do not reach; name what it counts: {inner}")
        elif isinstance(document.parsed, SigmaRule) and document.parsed.logsource not in exception.filter().logsource:
            problem(f"has another logsource than the rule {reference!r}, so it would not apply; copy the rule's")
        else:
            for name in _wide_selections(exception.values, document.values):
                problem(
                    f"the selection {name!r} says nothing that the rule {reference!r} does not ask for anyway, so it "
                    "would silence it; add what tells the harmless events apart"
                )
    return wrong


def _meta(result: RuleFile, located: LocatedYaml, meta: Any) -> date | None:
    if not isinstance(meta, dict):
        result.problem(located.first_line, f"the key `{META}` is missing; it gives reason and expires")
        return None
    for key in sorted(set(meta) - _KEYS):
        result.problem(located.line((META, key)), f"unknown key {key!r}; allowed: {', '.join(sorted(_KEYS))}")
    if not isinstance(meta.get("reason"), str) or len(meta["reason"].strip()) < 10:
        result.problem(located.line((META, "reason")), "`reason` says in a sentence why this is harmless")
    expires = _date(meta.get("expires"))
    if expires is None:
        text = f"`expires` is {meta.get('expires')!r}; expected the last day it applies, YYYY-MM-DD"
        result.problem(located.line((META, "expires")), text)
    return expires


def _begins(result: RuleFile, located: LocatedYaml, values: dict[str, Any], expires: date | None) -> date | None:
    begins = _date(values.get("date"))
    if begins is None:
        text = f"`date` is {values.get('date')!r}; expected the first day it applies, YYYY-MM-DD"
        result.problem(located.line(("date",)), text)
    elif expires is not None and expires - begins > LONGEST:
        text = f"applies from {begins} to {expires}; {LONGEST.days} days are the longest: judge its matches again then"
        result.problem(located.line((META, "expires")), text)
    return begins


def _date(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _filter(result: RuleFile, document: RuleDocument) -> tuple[str, ...]:
    located, values = document.located, document.values
    try:
        parsed = SigmaFilter.from_dict(copy.deepcopy(values))
    except (SigmaError, TypeError, ValueError, AttributeError, KeyError) as error:
        result.problem(located.line(("filter",)), f"is no Sigma filter: {' '.join(str(error).split())}")
        return ()
    if isinstance(parsed.filter.rules, str):
        result.problem(located.line(("filter", "rules")), "`rules: any` would silence every rule; name the rules")
        return ()
    if not parsed.filter.condition[0].strip().lower().startswith("not "):
        text = "the condition is joined by AND as written, so it must begin with `not`, for example `not selection`"
        result.problem(located.line(("filter", "condition")), text)
    return tuple(reference.reference for reference in parsed.filter.rules)


def _wide_selections(values: dict[str, Any], rule: dict[str, Any]) -> list[str]:
    """Selections of a filter that narrow nothing: bare wildcards, and values the rule itself asks for."""
    asked: dict[str, set[str]] = {}
    detection = rule.get("detection")
    for selection in detection.values() if isinstance(detection, dict) else ():
        for entry in _listed(selection):
            for key, value in entry.items() if isinstance(entry, dict) else ():
                asked.setdefault(str(key), set()).update(str(one).lower() for one in _listed(value))
    selections = {key: value for key, value in values["filter"].items() if key not in ("rules", "condition")}
    return [name for name, selection in selections.items() if any(_is_wide(one, asked) for one in _listed(selection))]


def _is_wide(entry: Any, asked: dict[str, set[str]]) -> bool:
    """Whether every item of a selection, or of an alternative of it, holds for whatever the rule matches."""
    if not isinstance(entry, dict):
        return _is_bare("", entry)
    return all(
        any(_is_bare(str(key), one) or str(one).lower() in asked.get(str(key), ()) for one in _listed(value))
        for key, value in entry.items()
    )


def _is_bare(key: str, value: Any) -> bool:
    """Whether a value fits any text: `*`, an empty part of a text, `exists: true`, an expression that asks nothing."""
    modifiers, text = key.split("|")[1:], str(value)
    if "exists" in modifiers:
        return value is True
    if "re" in modifiers:
        return not any(character.isalnum() for character in text)
    partly = bool({"contains", "startswith", "endswith"} & set(modifiers))
    return value is not None and not text.strip("*?") and (partly or bool(text))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
