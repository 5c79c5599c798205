"""What can be wrong with a rule as a whole: its metadata, ATT&CK tags, condition, correlation, cost, and exceptions.

Single items of selections are judged in `lint_items`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sigma.correlations import SigmaCorrelationRule, SigmaExtendedCorrelationCondition
from sigma.rule import SigmaRule

from intelsec_assets.detections.sigma.attack import AttackTables, is_technique
from intelsec_assets.detections.sigma.lint_items import field_messages, provider_of
from intelsec_assets.detections.sigma.lint_walk import ERROR, WARNING, LintMessage, items, message
from intelsec_assets.detections.sigma.rules_exceptions import RuleException
from intelsec_assets.detections.sigma.rules_reading import META, RuleDocument, RuleFile

_FOLDER = re.compile(r"^[a-z0-9]+(?:-[a-z0-9]+)*$")
LONGEST_WINDOW = timedelta(hours=24)  # each day's scan reads this much of the days before
SOON = timedelta(days=7)


def head_messages(file: RuleFile, document: RuleDocument, tables: AttackTables, root: Path) -> Iterator[LintMessage]:
    """Metadata of the rule that fires."""
    located, values = document.located, document.values
    if not _FOLDER.match(file.label):
        yield message(file, 1, "name", f"the folder {file.label!r} is not in small letters with dashes", "rename it")
    yield from _attack_messages(file, document, tables)
    if not str(values.get("description") or "").strip():
        yield message(file, located.first_line, "no-description", "has no description", "say what it finds and why")
    positives = [str(v).strip().lower() for v in values.get("falsepositives") or [] if v]
    if not positives or set(positives) <= {"unknown", "none", "unlikely"}:
        line = located.line(("falsepositives",))
        text = "names no false positives"
        yield message(
            file, line, "no-false-positives", text, "name what is harmless and looks the same; there always is"
        )
    for position, reference in enumerate(values.get("references") or []):
        if not str(reference).startswith("https://"):
            line = located.line(("references", position))
            yield message(
                file, line, "reference", f"the reference {reference!r} is no https link", "give the page's address"
            )
    meta = values.get(META)
    if isinstance(meta, Mapping):
        yield from _meta_messages(file, document, meta, root)


def _attack_messages(file: RuleFile, document: RuleDocument, tables: AttackTables) -> Iterator[LintMessage]:
    located = document.located
    tags = [str(tag) for tag in document.values.get("tags") or []]
    named = [(position, tag.removeprefix("attack.")) for position, tag in enumerate(tags) if tag.startswith("attack.")]
    tactics = {name for _, name in named if not is_technique(name)}
    if not any(is_technique(name) for _, name in named):
        text = "is tagged with no ATT&CK technique"
        yield message(file, located.line(("tags",)), "attack", text, "add attack.tNNNN, so that coverage counts it")
    for position, name in named:
        line = located.line(("tags", position))
        if not is_technique(name):
            if name not in tables.tactics:
                text = f"ATT&CK {tables.version} has no tactic {name!r}"
                yield message(file, line, "attack", text, f"use one of {', '.join(tables.tactics)}")
            continue
        technique = tables.techniques.get(name.upper())
        if technique is None:
            text = f"ATT&CK {tables.version} has no technique {name.upper()}"
            yield message(file, line, "attack", text, "look it up in detections/attack/techniques.csv")
        elif not tactics & set(technique.tactics):
            text = f"{name.upper()} ({technique.name}) serves {', '.join(technique.tactics)}, none of which is tagged"
            yield message(file, line, "attack", text, f"add attack.{technique.tactics[0]}")


def _meta_messages(
    file: RuleFile, document: RuleDocument, meta: Mapping[str, Any], root: Path
) -> Iterator[LintMessage]:
    located = document.located
    runbook = meta.get("runbook")
    if isinstance(runbook, str):
        line = located.line((META, "runbook"))
        path = root / runbook
        if not path.is_file():
            text = f"the runbook {runbook} does not exist"
            yield message(file, line, "runbook", text, "write it: what it means, first five minutes, queries, closing")
        elif file.label not in path.read_text(encoding="utf-8", errors="replace"):
            text = f"the runbook {runbook} does not name the rule"
            yield message(file, line, "runbook", text, f"name `{file.label}` in it, or link the right page")
    providers = {p for d in file.documents if not d.is_correlation and (p := provider_of(d))}
    provider = next(iter(providers)) if len(providers) == 1 else None
    groups = set(document.parsed.group_by or ()) if isinstance(document.parsed, SigmaCorrelationRule) else set()
    for key in ("entity", "dedup", "evidence"):
        listed = meta.get(key)
        for field in listed if isinstance(listed, list) else [listed] if isinstance(listed, str) else []:
            yield from field_messages(file, provider, str(field), located.line((META, key)))
            if key == "dedup" and document.is_correlation and field not in groups:
                text = f"dedup uses {field!r}, which differs from event to event of a burst"
                remedy = f"use the group-by fields: {', '.join(sorted(groups))}"
                yield message(file, located.line((META, key)), "dedup", text, remedy)
    budget = meta.get("noise_budget")
    if isinstance(budget, (int, float)) and budget > 100:
        text = f"a noise budget of {budget:g} alerts a day is more than people look at"
        yield message(
            file,
            located.line((META, "noise_budget")),
            "budget",
            text,
            "tune the rule or run it in test mode",
            severity=WARNING,
        )


def condition_messages(file: RuleFile, document: RuleDocument) -> Iterator[LintMessage]:
    """The condition of an event rule: what it leaves out, and whether it asks for anything."""
    if not isinstance(document.parsed, SigmaRule):
        return
    located = document.located
    detection = document.values.get("detection") or {}
    condition = detection.get("condition")
    text = " ".join(condition) if isinstance(condition, list) else str(condition)
    line = located.line(("detection", "condition"))
    names = [str(name) for name in detection if name != "condition"]
    words = re.findall(r"[A-Za-z0-9_*-]+", text)
    if "them" in words and any(name.startswith("filter") for name in names):
        yield message(file, line, "them", "`of them` takes the filters in as well", "write `of selection*`")
    for name in names:
        if "them" not in words and not any(_covers(word, name) for word in words):
            at = located.line(("detection", name))
            remedy = "use it in the condition or remove it"
            yield message(file, at, "unused-selection", f"{name!r} stands in no condition", remedy)
    if not any(_asks(item.modifiers, value) for item in items(document) for value in item.values):
        remedy = "ask for at least one value, best an event's name"
        yield message(file, line, "matches-everything", "asks only whether fields are there or missing", remedy)


def _covers(word: str, name: str) -> bool:
    pattern = "".join(".*" if sign == "*" else re.escape(sign) for sign in word)
    return re.fullmatch(pattern, name) is not None


def _asks(modifiers: tuple[str, ...], value: Any) -> bool:
    return "exists" not in modifiers and value is not None and str(value).strip("*") != ""


def routing_messages(file: RuleFile, document: RuleDocument, necessary: Mapping[str, Any]) -> Iterator[LintMessage]:
    """Whether a scan can pass events by without looking at the whole condition."""
    if not necessary and not document.is_correlation:
        line = document.located.line(("detection", "condition"))
        text = "no field must equal a known value, so every event is put to the whole condition"
        remedy = "add the eventSource or the eventNames it is about to the selection"
        yield message(file, line, "cost", text, remedy, severity=WARNING)


def correlation_messages(file: RuleFile, document: RuleDocument) -> Iterator[LintMessage]:
    """Windows, thresholds and groups of a correlation."""
    parsed = document.parsed
    if not isinstance(parsed, SigmaCorrelationRule):
        return
    located = document.located
    span = timedelta(seconds=parsed.timespan.seconds)
    if span > LONGEST_WINDOW:
        text = f"the window of {parsed.timespan.spec} makes every day's scan read that much of the days before"
        yield message(
            file, located.line(("correlation", "timespan")), "window", text, "keep it within 24h", severity=WARNING
        )
    if not parsed.group_by:
        text = "has no group-by, so everybody's events are counted together"
        yield message(
            file, located.line(("correlation",)), "group", text, "group by who does it, for example userIdentity.arn"
        )
    providers = {p for d in file.documents if not d.is_correlation and (p := provider_of(d))}
    provider = next(iter(providers)) if len(providers) == 1 else None
    aliases = set(parsed.aliases.aliases)
    for field in parsed.group_by or ():
        if field not in aliases:
            yield from field_messages(file, provider, field, located.line(("correlation", "group-by")))
    condition = parsed.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        return
    line = located.line(("correlation", "condition"))
    counted = condition.fieldref if isinstance(condition.fieldref, list) else [condition.fieldref or ""]
    for field in counted:
        if field and field not in aliases:
            yield from field_messages(file, provider, field, line)
    if parsed.type.name in {"EVENT_COUNT", "VALUE_COUNT"}:
        operator = condition.op.name
        if operator in {"LT", "LTE", "NEQ"}:
            text = f"{operator.lower()} fires where little happens, also where nothing was logged"
            yield message(
                file, line, "threshold", text, "use gte; for a silent source there is a check", severity=WARNING
            )
        elif condition.count < (1 if operator == "GT" else 2):
            text = f"the threshold {operator.lower()} {condition.count} is met by a single event"
            yield message(file, line, "threshold", text, "make it an event rule, or count higher")


def exception_messages(exceptions: tuple[RuleException, ...], as_of: date) -> Iterator[LintMessage]:
    """Exceptions that have ended, end soon, or hardly ever end."""
    for exception in exceptions:
        left = exception.expires - as_of
        line = next((n for n, t in enumerate(exception.text.splitlines(), 1) if t.strip().startswith("expires:")), 1)
        severity, text, remedy = WARNING, "", ""
        if left < timedelta(0):
            severity, text = ERROR, f"ended on {exception.expires} and no longer applies"
            remedy = "remove the file, or judge the matches again and set a new end"
        elif left <= SOON:
            text, remedy = f"ends on {exception.expires}", "judge its matches again before it does"
        if text:
            code = "exception-expired" if severity == ERROR else "exception-end"
            yield LintMessage(exception.path, line, code, severity, exception.path.stem, text, remedy)
