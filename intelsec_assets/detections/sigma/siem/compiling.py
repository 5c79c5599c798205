"""A Sigma rule as a query of a SIEM: exact, or the nearest one with what it does otherwise, or none and why.

What each SIEM can do is said by its target, conversion is pySigma's; where outputs are written is `outputs`.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError

from intelsec_assets.detections.audit import fields
from intelsec_assets.detections.sigma.siem import lists, search_bodies
from intelsec_assets.detections.sigma.siem.backends import NothingLeft, make_backend
from intelsec_assets.detections.sigma.siem.constructs import (
    CONTEXT,
    Construct,
    constructs,
    correlation_fields,
    correlations,
    demands,
    event_rules,
)
from intelsec_assets.detections.sigma.siem.targets import PRESENCE, SLIDING, TEXT, UNREAD, Target, Targets

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.rules import Rule, RuleSet

EXACT, NEAREST, NONE = "exact", "nearest", "none"
# what a call carries: objects whose fields differ by operation
_CONTAINERS = ("requestParameters.", "responseElements.", "additionalEventData.", "serviceEventDetails.")


@dataclass(frozen=True, order=True)
class Deviation:
    """One thing that a query does otherwise than its rule: a code of the targets, and what it is about."""

    code: str
    about: str = ""

    def words(self, targets: Targets) -> str:
        """In words, for people."""
        return targets.codes[self.code] + (f" ({self.about})" if self.about else "")


@dataclass(frozen=True)
class Query:
    """One query; a rule has several where its SIEM cannot correlate and the rules it counts stand alone."""

    title: str
    text: str


@dataclass(frozen=True)
class Compiled:
    """What became of a rule for a target: exact without deviations, none without queries, else nearest."""

    rule: Rule
    target: Target
    queries: tuple[Query, ...]
    deviations: tuple[Deviation, ...]
    extension: str

    @property
    def verdict(self) -> str:
        """exact, nearest or none."""
        if not self.queries:
            return NONE
        return NEAREST if self.deviations else EXACT

    @property
    def text(self) -> str:
        """The queries as one text, ended by a line break."""
        return "\n\n".join(query.text.strip() for query in self.queries) + "\n"


def compile_rule(ruleset: RuleSet, rule: Rule, target: Target, targets: Targets) -> Compiled:
    """The rule as a query of the target, with the exceptions of the set.

    Never raises for what a SIEM cannot do: that is the verdict. SiemExtraMissing without the extra `siem`.
    """
    collection = ruleset.only([rule.rule_id]).collection  # as written: what the rule asks for
    if (absent := _absent(rule, target)) is not None:
        return Compiled(rule, target, (), (Deviation("table.absent", f"the rule {absent}"),), target.extension)
    found = frozenset().union(*(constructs(event_rule) for event_rule in event_rules(collection)))
    deviations = set(_construct_deviations(found, target, targets))
    whole = _by_value(ruleset.only([rule.rule_id]).collection, target, targets)
    if whole:
        code = "field.array" if target.lists == PRESENCE else "field.array_whole"
        deviations.add(Deviation(code, ", ".join(sorted(whole))))
    reason = ""
    for without in _attempts(found):
        try:
            if rule.is_correlation:
                made = _correlation(ruleset, rule, collection, target, targets, without)
            else:
                made = _event_query(ruleset, rule, found, target, targets, without)
        except (SigmaError, NotImplementedError) as error:
            reason = reason or _told(error)
            continue
        if without:
            about = ", ".join(sorted(c.field for c in found if c.name in without))
            deviations.add(Deviation("construct.dropped", f"{about}: {reason}"))
        return replace(made, deviations=tuple(sorted({*made.deviations, *deviations})))
    return Compiled(rule, target, (), tuple(sorted({*deviations, Deviation("refused", reason)})), target.extension)


def compile_all(ruleset: RuleSet, targets: Targets, names: Iterable[str] | None = None) -> list[Compiled]:
    """Every rule of the set for every target (or those named), by target, then rule."""
    chosen = [targets.target(name) for name in names] if names is not None else list(targets.targets.values())
    return [compile_rule(ruleset, rule, target, targets) for target in chosen for rule in ruleset.rules]


def _absent(rule: Rule, target: Target) -> str | None:
    """Which log the rule reads that the target has no mapping for."""
    for source in (document["logsource"] for document in rule.documents if "logsource" in document):
        provider = fields.provider_of_logsource(source)
        if provider is None:
            return fields.no_log_of_ours(source)
        if provider not in target.products:
            return f"reads {provider}"
    return None


def _attempts(found: frozenset[Construct]) -> list[frozenset[str]]:
    """What to leave out, the least first: nothing, one construct that SIEMs refuse, all of them."""
    present = [name for name in ("cased", "regex", "fieldref") if any(c.name == name for c in found)]
    attempts = [frozenset[str](), *(frozenset({name}) for name in present), frozenset(present)]
    return list(dict.fromkeys(attempts))


def _told(error: Exception) -> str:
    """A backend's reason without where the rule lay."""
    return re.sub(r" \(while [^()]*\)$", "", str(error)).rstrip(".")


def _construct_deviations(found: frozenset[Construct], target: Target, targets: Targets) -> Iterable[Deviation]:
    about: dict[str, set[str]] = {}
    for construct in found:
        name = construct.field
        if name.startswith(CONTEXT):
            continue
        code = target.features.get(construct.name)
        if code is not None and not (construct.name == "string" and name in targets.spelled_by_provider):
            about.setdefault(code, set()).add(name or "keywords")
        if targets.holds_list(name) and target.lists == UNREAD:
            about.setdefault("field.array", set()).add(name)
        if targets.holds_list(name) and target.lists == TEXT and construct.name == "string":
            about.setdefault("field.array_text", set()).add(name)
        inside = name.startswith(_CONTAINERS) and bool(target.text_objects)
        if inside and (not target.text_objects_when or construct.name in target.text_objects_when):
            about.setdefault("field.text", set()).add(name)
        if name in target.not_kept:
            about.setdefault("field.not_kept", set()).add(name)
    return [Deviation(code, ", ".join(sorted(names))) for code, names in about.items()]


def _event_query(
    ruleset: RuleSet,
    rule: Rule,
    found: frozenset[Construct],
    target: Target,
    targets: Targets,
    without: frozenset[str],
) -> Compiled:
    """The query of an event rule: context by look-ups where there are some, else without the conditions on it."""
    asked = {c.field for c in found if c.field.startswith(CONTEXT)} - target.native_context
    joined = {field for field in asked if any(field.startswith(prefix) for prefix in target.lookups)}
    deviations = set()
    joined = asked if target.joins_context else joined
    if joined:
        deviations.add(Deviation("context.lookup", ", ".join(sorted(joined))))
        for prefix, lost in target.lookup_losses.items():
            if any(field.startswith(prefix) for field in joined):
                deviations |= {Deviation(code) for code in lost}
    if asked - joined:
        deviations.add(Deviation("context.dropped", ", ".join(sorted(asked - joined))))
    unseen = _left_out(target, targets)
    dropped = {_as_mapped(field, target) for field in asked - joined}

    def keeps_joined(name: str) -> bool:
        return name in dropped or (not _is_context(name) and unseen(name))

    if target.joins_context:
        text = _convert(make_backend(target, leaves_out=keeps_joined, without=without), ruleset, rule, targets)
    else:
        text = _convert(make_backend(target, leaves_out=unseen, without=without), ruleset, rule, targets)
        if joined:
            full = make_backend(target, leaves_out=keeps_joined, without=without, bare=True)
            text = _with_lookups(target, joined, text, _convert(full, ruleset, rule, targets))
    return Compiled(rule, target, (Query(rule.title, text),), tuple(deviations), target.extension)


def _with_lookups(target: Target, joined: set[str], base: str, full: str) -> str:
    """The wide query, the look-ups that the joined fields need, the whole condition."""
    lines: dict[str, None] = {}
    for prefix, text in target.lookups.items():
        if any(field.startswith(prefix) for field in joined):
            lines |= dict.fromkeys(text.splitlines())  # look-ups share lines: the principal is worked out once
    assert target.combine is not None
    return target.combine.format(base=base, lookups="\n".join(lines), full=full)


def _correlation(
    ruleset: RuleSet,
    rule: Rule,
    collection: SigmaCollection,
    target: Target,
    targets: Targets,
    without: frozenset[str],
) -> Compiled:
    """The query of a correlation; where the target has none such, the queries of the rules it counts."""
    head = correlations(collection)[-1]
    kind = head.type.name.lower()
    deviations: set[Deviation] = set()
    asked = {c.field for r in event_rules(collection) for c in constructs(r) if c.field.startswith(CONTEXT)}
    asked -= target.native_context
    if asked:
        deviations.add(Deviation("context.parts", ", ".join(sorted(asked))))
    unsure = _may_lack(collection, head.group_by or ())
    documents = [copy.deepcopy(dict(document)) for document in rule.documents]
    if kind == "temporal_ordered" and kind not in target.correlations and "temporal" in target.correlations:
        deviations.add(Deviation("correlation.ordered"))
        documents[-1]["correlation"]["type"] = kind = "temporal"
    reason = _not_correlated(head, kind, target, len(correlations(collection)))
    if reason is None:
        changed = SigmaCollection.from_dicts(documents)
        changed.apply_filters([exception.filter() for exception in ruleset.exceptions])
        _by_value(changed, target, targets)
        try:
            text, extension = _correlated(changed, head, target, targets, without)
        except (SigmaError, NotImplementedError) as error:
            reason = _told(error)
        else:
            if target.correlations[kind] != SLIDING:
                deviations.add(Deviation(target.correlations[kind]))
            if target.groups_missing and unsure:
                deviations.add(Deviation("group.missing", ", ".join(unsure)))
            return Compiled(rule, target, (Query(rule.title, text),), tuple(deviations), extension)
    deviations -= {Deviation("correlation.ordered")}
    deviations.add(Deviation("correlation.parts", reason))
    queries = []
    for event_rule in event_rules(collection):
        backend = make_backend(target, leaves_out=_left_out(target, targets), without=without)
        document = next(d for d in rule.documents if str(d.get("id")) == str(event_rule.id))
        alone = SigmaCollection.from_dicts([copy.deepcopy(dict(document))])
        _by_value(alone, target, targets)
        queries += [Query(event_rule.title, str(text)) for text in backend.convert(alone)]
    return Compiled(rule, target, tuple(queries), tuple(deviations), target.extension)


def _may_lack(collection: SigmaCollection, names: Iterable[str]) -> list[str]:
    """Fields of these that an event which some counted rule matches may lack."""
    trees = [condition.parsed for rule in event_rules(collection) for condition in rule.detection.parsed_condition]
    return [name for name in names if not all(demands(tree, name) for tree in trees)]


def _correlated(
    collection: SigmaCollection,
    head: SigmaCorrelationRule,
    target: Target,
    targets: Targets,
    without: frozenset[str],
) -> tuple[str, str]:
    """Text and file extension of a correlation's query."""
    backend = make_backend(target, leaves_out=_left_out(target, targets), without=without)
    if target.backend not in {"lucene", "opensearch"}:
        return _joined(backend.convert(collection)), target.extension
    for event_rule in event_rules(collection):
        event_rule._output = True  # noqa: SLF001  # what it counts is a query here, not a part of one
    alone = SigmaCollection(list(event_rules(collection)))
    for counted in alone.rules:
        counted._backreferences = []  # noqa: SLF001
    queries = [str(text) for text in backend.convert(alone)]
    backend.last_processing_pipeline.apply(head)  # its fields by the names of the target
    return json.dumps(search_bodies.counting(queries, head), indent=2) + "\n", "json"


def _not_correlated(head: SigmaCorrelationRule, kind: str, target: Target, count: int) -> str | None:
    """Why the target cannot hold the correlation; None if it can."""
    if kind not in target.correlations:
        return f"no {kind} in {target.language}"
    if count > 1:
        return "a correlation of correlations"
    inside = sorted(field for field in correlation_fields(head) if field.startswith(_CONTAINERS))
    if inside and target.text_objects and not target.text_objects_when:
        return f"groups or counts by {', '.join(inside)}, which is kept inside a text"
    return None


def _convert(backend: Any, ruleset: RuleSet, rule: Rule, targets: Targets) -> str:
    collection = ruleset.only([rule.rule_id]).collection
    _by_value(collection, backend.target, targets)
    return _joined(backend.convert(collection))


def _by_value(collection: SigmaCollection, target: Target, targets: Targets) -> frozenset[str]:
    """Patterns over lists as patterns over their values, for a target that reads lists so: fields that have none."""
    if target.lists == UNREAD:
        return frozenset()
    is_list = targets.is_list if target.lists == PRESENCE else None
    return lists.compare_values(collection, targets.holds_list, is_list)


def _joined(queries: Any) -> str:
    texts = [str(query) for query in queries]
    if not texts:
        raise NothingLeft("gives no query")
    return "\n\n".join(texts)


def _left_out(target: Target, targets: Targets) -> Callable[[str], bool]:
    """Fields the events of the target do not hold: context, and lists where it reads none."""
    return lambda name: (
        _is_context(name) or name.startswith(lists.WHOLE) or (target.lists == UNREAD and targets.holds_list(name))
    )


def _is_context(name: str) -> bool:
    return name.startswith((CONTEXT, "context_"))


def _as_mapped(field: str, target: Target) -> str:
    return field.replace("context.", "context_", 1) if target.backend == "sentinel" else field
