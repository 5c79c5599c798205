"""What can be wrong with a selection: fields nobody publishes, values that mean something else, comparisons too loose.

Metadata, correlations and exceptions are judged in `lint_rules`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from intelsec_assets.detections.audit import fields
from intelsec_assets.detections.sigma.lint_walk import WARNING, Item, LintMessage, items, message
from intelsec_assets.detections.sigma.rules_reading import RuleDocument, RuleFile
from intelsec_assets.detections.tables import AUDIT_CONTEXT

CONTEXT_FIELDS = frozenset(c.name for c in AUDIT_CONTEXT.columns if c.name.startswith(fields.CONTEXT))
_ADDRESS = re.compile(r"^[0-9]{1,3}(?:\.[0-9]{1,3}){0,3}\.?$")
_ADDRESS_FIELDS = {"sourceIPAddress", "protoPayload.requestMetadata.callerIp", "callerIpAddress"}
_WHOLE_NAMES = {"eventName", "eventSource", "userIdentity.type", "eventType", "operationName", "errorCode"}
_WHOLE_NAMES |= {"protoPayload.methodName", "protoPayload.serviceName"}
_OPEN = {"requestParameters", "responseElements", "additionalEventData", "protoPayload.request", "properties"}


def item_messages(file: RuleFile, document: RuleDocument) -> Iterator[LintMessage]:
    """Everything wrong with the selections of one event rule."""
    provider = provider_of(document)
    if provider is None and not document.is_correlation:
        known = ", ".join(f"{product}/{service}" for product, service in fields.LOGSOURCES)
        line = document.located.line(("logsource",))
        text = f"no source of ours has the logsource {document.values.get('logsource')!r}"
        yield message(file, line, "unknown-logsource", text, f"use one of {known}")
    for item in items(document):
        if item.field is None:
            text = f"the keywords of {item.selection!r} are looked for in the whole text of every event"
            remedy = "name the field; keywords also match what an attacker writes into a name"
            yield message(file, item.line, "keywords", text, remedy, severity=WARNING)
            continue
        yield from field_messages(file, provider, item.field, item.line)
        yield from _value_messages(file, provider, item)
        yield from _loose_messages(file, item)


def provider_of(document: RuleDocument) -> str | None:
    """The provider whose logs an event rule reads; None if it is none of ours."""
    logsource = document.values.get("logsource")
    if not isinstance(logsource, dict):
        return None
    return fields.LOGSOURCES.get((str(logsource.get("product")), str(logsource.get("service"))))


def field_messages(file: RuleFile, provider: str | None, field: str, line: int) -> Iterator[LintMessage]:
    """Whether the source has the field."""
    if field.startswith(fields.CONTEXT):
        if field not in CONTEXT_FIELDS:
            yield message(file, line, "unknown-field", f"there is no context {field!r}", _close(field, CONTEXT_FIELDS))
        return
    if provider is None or fields.is_known(field, provider):
        return
    known = {name for name in fields.known_fields(provider) if "*" not in name}
    other_case = next((name for name in known if name.lower() == field.lower()), None)
    if other_case is None:  # below an open container only the container's own spelling can be known
        head = field.split(".", maxsplit=1)[0]
        other_case = next(
            (field.replace(head, name, 1) for name in known if name.lower() == head.lower() and name != head), None
        )
    if other_case and other_case != field and fields.is_known(other_case, provider):
        text = f"{field!r} is spelled {other_case!r}; names of fields are case-sensitive, so this one is always missing"
        yield message(file, line, "field-case", text, f"write {other_case}")
        return
    text = f"{provider} publishes no field {field!r}"
    yield message(file, line, "unknown-field", text, _close(field, known))


def _close(field: str, known: frozenset[str] | set[str]) -> str:
    close = difflib.get_close_matches(field, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "look the name up in an event (intelsec sql, column event)"


def yaml_messages(file: RuleFile, document: RuleDocument) -> Iterator[LintMessage]:
    """Values that YAML 1.1, which Sigma's tools read, takes for something else than what stands there."""

    def walk(ours: Any, theirs: Any, path: tuple[str | int, ...]) -> Iterator[LintMessage]:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for key, value in ours.items():
                if key in theirs:
                    yield from walk(value, theirs[key], (*path, key))
                else:
                    line = document.located.line((*path, key))
                    text = f"the key {key!r} is no text for YAML 1.1"
                    yield message(file, line, "yaml-1.1", text, f"quote it: '{key}'")
        elif isinstance(ours, list) and isinstance(theirs, list):
            for position, (one, other) in enumerate(zip(ours, theirs, strict=False)):
                yield from walk(one, other, (*path, position))
        elif type(ours) is not type(theirs) or ours != theirs:
            line = document.located.line(path)
            text = f"{path[-1]}: {ours!r} is read as {theirs!r} by YAML 1.1, which Sigma's tools use"
            yield message(file, line, "yaml-1.1", text, f"quote it: '{ours}'")

    for key in ("detection", "correlation", "logsource"):
        if isinstance(document.located.value, dict) and key in document.values:
            yield from walk(document.located.value.get(key), document.values[key], (key,))


def _value_messages(file: RuleFile, provider: str | None, item: Item) -> Iterator[LintMessage]:
    assert item.field is not None
    for value in item.values:
        is_path = isinstance(value, str) and "." in value and not value.endswith((".com", ".org", ".net"))
        if is_path and provider and "fieldref" not in item.modifiers and fields.is_known(value, provider):
            text = f"{item.field} is compared with the text {value!r}, which is the name of another field"
            yield message(file, item.line, "literal-for-fieldref", text, f"write {item.field}|fieldref: {value}")
        if isinstance(value, str) and item.compares_whole_values and value.lower() in {"null", "none"}:
            text = f"{item.field} is compared with the word {value!r}"
            yield message(
                file, item.line, "word-for-null", text, "write null without quotes for a field that is missing"
            )
        if value == "" and item.compares_whole_values:
            text = f"{item.field} is compared with an empty text; providers leave a field out instead"
            yield message(file, item.line, "empty-text", text, "write null, or |exists: false", severity=WARNING)
    if not fields.leads_through_list(item.field) or not item.compares_whole_values:
        return
    wholes = [v for v in item.values if v is not None and not str(v).startswith("[") and "*" not in str(v)]
    if wholes and not _below_objects_only(item.field):
        text = f"{item.field} leads through a list, so its text is a JSON list and never equals {wholes[0]!r}"
        yield message(
            file, item.line, "equality-in-list", text, f"write {item.field}|contains, with quotes: '\"{wholes[0]}\"'"
        )


def _below_objects_only(field: str) -> bool:
    """Whether nothing in the name says that a list is on the path: the service may well have objects there."""
    return ".items." not in field and not field.startswith(("resources.", "protoPayload.authorizationInfo."))


def _loose_messages(file: RuleFile, item: Item) -> Iterator[LintMessage]:
    """Comparisons that match more than they were meant to, or cost more than they give."""
    assert item.field is not None
    texts = [value for value in item.values if isinstance(value, str)]
    modifiers = set(item.modifiers)
    for value in texts:
        way, part = _compared(item, value)
        if way == "endswith" and re.match(r"^[a-z0-9-]+\.[a-z.]+$", part, re.IGNORECASE):
            text = f"{item.field} may end in any word before {part!r}: evil{part} matches too"
            yield message(file, item.line, "unanchored", text, f"write '.{part}', or the whole value")
        if item.field in _ADDRESS_FIELDS and _ADDRESS.match(part) and way in ("contains", "startswith"):
            others = f"1{part}, {part}0" if way == "contains" else f"{part}0"
            text = f"{part!r} as a part of an address also matches others ({others})"
            if way == "startswith" and part.endswith("."):
                text = f"{part!r} is compared as text where a network is meant"
            yield message(file, item.line, "unanchored", text, "compare the whole address, or use |cidr")
        if item.field in _WHOLE_NAMES and way == "contains":
            text = f"{item.field} need only contain {part!r}; names are published, so the whole one is known"
            remedy = "list the names meant; new ones would match unseen"
            yield message(file, item.line, "unanchored", text, remedy, severity=WARNING)
        if "re" in modifiers:
            yield from _regex_messages(file, item, value)
        if value.startswith("*") and len(value) > 1 and item.compares_whole_values:
            text = f"the value {value!r} begins with a wildcard, so every event's {item.field} is searched"
            yield message(
                file,
                item.line,
                "cost",
                text,
                "use |endswith or |contains on a small field, beside a name that routes",
                severity=WARNING,
            )
    if item.field in _OPEN and modifiers & {"contains", "re"}:
        text = f"all of {item.field} is searched as text, names and values alike"
        yield message(file, item.line, "cost", text, "name the field below it", severity=WARNING)


def _compared(item: Item, value: str) -> tuple[str, str]:
    """Which part of a field the value must be, and that part: wildcards at its ends say what the modifiers say."""
    for way in ("contains", "startswith", "endswith"):
        if way in item.modifiers:
            return way, value
    part = value.strip("*") if item.compares_whole_values else value
    begins, ends = value.startswith("*") and part != value, value.endswith("*") and part != value
    ways = {(True, True): "contains", (False, True): "startswith", (True, False): "endswith"}
    return ways.get((begins, ends), "equals"), part


def _regex_messages(file: RuleFile, item: Item, value: str) -> Iterator[LintMessage]:
    if not value.startswith(("^", "(?i)^")) and not value.endswith("$"):
        text = f"the expression {value!r} matches anywhere in {item.field}"
        yield message(file, item.line, "unanchored", text, "begin it with ^ or end it with $", severity=WARNING)
    if re.search(r"[A-Za-z]", value) and "i" not in item.modifiers and not value.startswith("(?i)"):
        text = f"the expression {value!r} minds upper and lower case, which Sigma's other comparisons do not"
        yield message(
            file, item.line, "case", text, "write |re|i, or say in a comment why case matters", severity=WARNING
        )
