"""Rules made ready for a scan: compiled, with the fields they need and what their findings say.

Which events they are asked about is `routing`; rules that cannot be used are here named, with the reason.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from sigma.backends.duckdb import DuckDBBackend
from sigma.backends.duckdb.bursts import Node
from sigma.backends.duckdb.correlation import CompiledCorrelation, rule_id
from sigma.backends.duckdb.ruleset import CompiledRule, CompiledRuleset, compile_ruleset
from sigma.collection import SigmaCollection
from sigma.rule import SigmaDetection, SigmaRule

from intelsec_assets.detections.audit import fields as audit_fields
from intelsec_assets.detections.errors import EventError
from intelsec_assets.detections.sigma.rules import Rule, RuleMeta, RuleSet, logsource_of
from intelsec_assets.detections.sigma.scan.relaxing import bounds

# findings of a rule from elsewhere, that does not say it: an hour is the median of published rules (Panther's 428)
DEFAULT_SUPPRESSION = timedelta(hours=1)
DEFAULT_FLOOD = 1_000  # matches a day; nobody reads more, and one finding with the number says as much
BUDGETS_OF_FLOOD = 50  # times the alerts a day that a rule says it may cost

# fields with service and operation as the provider names them: what rules are routed by
ROUTED: Mapping[str, tuple[str, str]] = {
    audit_fields.AWS: ("eventSource", "eventName"),
    audit_fields.GCP: ("protoPayload.serviceName", "protoPayload.methodName"),
    audit_fields.AZURE: ("category", "operationName"),
}
ROUTED_FIELDS = frozenset(name for names in ROUTED.values() for name in names)
_CONTROL = re.compile("[\x00-\x08]")

column = audit_fields.column  # of a scan's tables, too


@dataclass(frozen=True)
class RuleFailure:
    """A rule that could not be used or whose evaluation failed; the others ran."""

    rule_id: str
    title: str
    reason: str


@dataclass(frozen=True)
class Firing:
    """What the findings of a rule say of it."""

    rule_id: str
    title: str
    level: str
    digest: str
    mode: str
    attack: tuple[str, ...]
    runbook: str | None
    entity: str | None
    dedup: tuple[str, ...]
    suppression_seconds: int
    noise_budget: float | None
    evidence: tuple[str, ...]  # fields besides those that the conditions read

    def flood_limit(self, default: int = DEFAULT_FLOOD) -> int:
        """Matches a day over which one finding with their number stands for all."""
        return max(default, int(BUDGETS_OF_FLOOD * (self.noise_budget or 0)))


@dataclass(frozen=True)
class EventRule:
    """A rule over single events. `needs` are all fields that its condition, findings and correlations read."""

    number: int
    compiled: CompiledRule
    provider: str
    needs: tuple[str, ...]
    looks_at: tuple[str, ...]  # states of the context that its condition looks at
    bound: str | None  # what holds of the columns of every event it matches, over cloud_audit_events
    firing: Firing | None  # None: it only feeds correlations
    token: str  # what the marks of routed fields in its condition hold, so that no text can be one

    @property
    def shows(self) -> tuple[str, ...]:
        """Fields of its evidence."""
        return tuple(sorted({*self.compiled.fields, *(self.firing.evidence if self.firing else ())}))

    @property
    def told(self) -> tuple[str, ...]:
        """All fields that its findings are made of: evidence, key, whom they are about, whether context was there."""
        return tuple(sorted({*self.shows, *self.looks_at, *_shown(self.firing)}))

    def asked_with(self, values: Mapping[str, str]) -> str:
        """Its condition (possibly NULL) with SQL for every routed field, and for its `folded` name of its lower case.

        What is put in is not searched again.
        """
        return re.sub(_marked(self.token, "([A-Za-z.~]+)"), lambda mark: values[mark[1]], self.compiled.predicate)


@dataclass(frozen=True)
class CorrelationRule:
    """A correlation that fires; `shows` are the fields of its evidence."""

    number: int
    compiled: CompiledCorrelation
    firing: Firing
    shows: tuple[str, ...]
    looks_at: tuple[str, ...]  # states of context that its rules look at

    @property
    def must_stay_empty(self) -> bool:
        """Whether windows in which something does not come are among what it looks for."""
        return _waits(self.compiled.node)


@dataclass(frozen=True)
class Prepared:
    """Rules ready for a scan."""

    events: tuple[EventRule, ...]
    correlations: tuple[CorrelationRule, ...]
    failures: tuple[RuleFailure, ...]
    warnings: tuple[RuleFailure, ...]  # rules that run, and what is odd about them: fields that no provider publishes

    @cached_property
    def by_id(self) -> Mapping[str, EventRule]:
        """Event rules by id."""
        return {rule.compiled.rule_id: rule for rule in self.events}

    @property
    def lookback(self) -> timedelta:
        """How far before a day the events must reach for its correlations to be right."""
        return timedelta(seconds=max((rule.compiled.lookback_seconds for rule in self.correlations), default=0))


def prepare(rules: RuleSet) -> Prepared:
    """Compile the rules, exceptions applied. Rules that DuckDB cannot evaluate are in `failures`, with the reason."""
    token = secrets.token_hex(16)  # of this compilation: who writes rules or events cannot know it
    backend = DuckDBBackend(
        collect_errors=True,
        field_sql=lambda name: _marked(token, name) if name in ROUTED_FIELDS else column(name),
        folded_sql=lambda name: _marked(token, folded(name)) if name in ROUTED_FIELDS else lowered(column(name)),
    )
    collection = rules.collection
    compiled = compile_ruleset(collection, backend)
    bounded = bounds(collection)
    heads = {rule.rule_id: rule for rule in rules.rules}
    owners: dict[str, Rule] = {}
    for rule in rules.rules:
        for name in rule.rule_ids:
            owners.setdefault(name, rule)
    failures = [
        RuleFailure(str(rule.id or rule.title), rule.title, " ".join(str(error).split()))
        for rule, error in compiled.errors
    ]
    firings = {
        one.rule_id: _firing(one, heads.get(one.rule_id), owners.get(one.rule_id))
        for one in _all(compiled)
        if one.output
    }
    logsources = {rule_id(rule): logsource_of(rule) for rule in collection.rules if isinstance(rule, SigmaRule)}
    unprintable = _with_control_characters(collection)
    refused: set[str] = set()
    counted: dict[str, set[str]] = {}
    for correlation in compiled.correlations:
        firing = firings.get(correlation.rule_id)
        read_too = {name for names in correlation.needed_fields.values() for name in names}
        if reason := _unreadable([*sorted(read_too), *_shown(firing)]):
            failures.append(RuleFailure(correlation.rule_id, correlation.title, reason))
            refused.add(correlation.rule_id)
            continue
        for name, needed in correlation.needed_fields.items():
            counted.setdefault(name, set()).update(needed, _shown(firing))
    events = []
    for number, one in enumerate(compiled.rules):
        logsource = logsources[one.rule_id]
        provider = audit_fields.provider_of_logsource(logsource)
        reason = unprintable.get(one.rule_id) or _unreadable([*one.fields, *_shown(firings.get(one.rule_id))])
        if provider is None:
            reason = audit_fields.no_log_of_ours(logsource)
        if provider is None or reason is not None:
            failures.append(RuleFailure(one.rule_id, one.title, reason or ""))
            continue
        firing = firings.get(one.rule_id)
        states = _states(one.fields)
        needs = {*one.fields, *states, *_shown(firing), *counted.get(one.rule_id, ())}
        bound = bounded.get(one.rule_id)
        events.append(EventRule(number, one, provider, tuple(sorted(needs)), states, bound, firing, token))
    known = {rule.compiled.rule_id: rule for rule in events}
    correlations: list[CorrelationRule] = []
    for correlation in compiled.correlations:
        if correlation.rule_id in refused:
            continue
        missing = [name for name in correlation.referenced if name not in known]
        if missing:
            reason = f"counts the rule {missing[0]}, which cannot be used"
            failures.append(RuleFailure(correlation.rule_id, correlation.title, reason))
        elif correlation.rule_id in firings:
            firing = firings[correlation.rule_id]
            read = {name for one in correlation.referenced for name in known[one].compiled.fields}
            read_too = {name for names in correlation.needed_fields.values() for name in names}
            shows = tuple(sorted(read | read_too | set(_shown(firing))))
            number = len(compiled.rules) + len(correlations)
            correlations.append(CorrelationRule(number, correlation, firing, shows, _states(sorted(read))))
    return Prepared(tuple(events), tuple(correlations), tuple(failures), tuple(_warnings(events, correlations)))


def _waits(node: Node) -> bool:
    inner = (reference.node for reference in node.references)
    return any(clause.absent for clause in node.clauses) or any(_waits(one) for one in inner if one is not None)


def _all(compiled: CompiledRuleset) -> Iterator[CompiledRule | CompiledCorrelation]:
    yield from compiled.rules
    yield from compiled.correlations


def _marked(token: str, name: str) -> str:
    """What stands for a routed field in compiled conditions."""
    return f'"{token}:{name}"'


def _with_control_characters(collection: SigmaCollection) -> Mapping[str, str]:
    """Why rules with control characters in fields or values are refused, by id: no log holds them."""
    found = {}
    for rule in collection.rules:
        if isinstance(rule, SigmaRule):
            texts = (text for detection in rule.detection.detections.values() for text in _texts(detection))
            if bad := next((text for text in texts if _CONTROL.search(text)), None):
                found[rule_id(rule)] = (
                    f"{bad[:80]!r} holds control characters: expected fields and values of plain text"
                )
    return found


def _texts(part: Any) -> Iterator[str]:
    """Field names and values of a part of a detection."""
    if isinstance(part, SigmaDetection):
        for item in part.detection_items:
            yield from _texts(item)
        return
    yield part.field or ""
    for value in (*part.value, *(part.original_value or ())):
        yield str(getattr(value, "regexp", value))


def folded(name: str) -> str:
    """Name of the lower case of a routed field."""
    return f"{name}~"


def lowered(sql: str) -> str:
    """SQL of a text's lower case."""
    return f"lower({sql})"


def _unreadable(names: Sequence[str]) -> str | None:
    """Why a field can be in no event; None if all can."""
    for name in names:
        if _CONTROL.search(name):
            return f"{name!r} is no name of a field: it holds control characters"
        try:
            audit_fields.json_sql(name)
        except EventError as error:
            return str(error)
    return None


def _shown(firing: Firing | None) -> tuple[str, ...]:
    if firing is None:
        return ()
    return (*firing.evidence, *firing.dedup, *([firing.entity] if firing.entity else []))


def _states(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """State fields of the kinds of context that the names belong to."""
    kinds = {name.split(".")[1] for name in names if name.startswith(audit_fields.CONTEXT) and name.count(".") > 1}
    return tuple(sorted(f"{audit_fields.CONTEXT}{kind}.state" for kind in kinds))


def _firing(compiled: CompiledRule | CompiledCorrelation, head: Rule | None, owner: Rule | None) -> Firing:
    meta = head.meta if head is not None else RuleMeta()
    return Firing(
        rule_id=compiled.rule_id,
        title=compiled.title,
        level=head.level if head is not None else owner.level if owner is not None else "medium",
        digest=(owner.digest if owner is not None else "") or hashlib.sha256(compiled.rule_id.encode()).hexdigest(),
        mode=meta.mode,
        attack=head.attack if head is not None else (),
        runbook=meta.runbook,
        entity=meta.entity,
        dedup=meta.dedup,
        suppression_seconds=int((meta.suppression or DEFAULT_SUPPRESSION).total_seconds()),
        noise_budget=meta.noise_budget,
        evidence=meta.evidence,
    )


def _warnings(rules: list[EventRule], correlations: list[CorrelationRule]) -> list[RuleFailure]:
    found = [
        RuleFailure(
            one.compiled.rule_id,
            one.compiled.title,
            "looks for what does not come: of a window that reaches over midnight (UTC) that is not known on its day, "
            "so it is not told",
        )
        for one in correlations
        if one.must_stay_empty
    ]
    for rule in rules:
        unknown = [
            name
            for name in rule.compiled.fields
            if not name.startswith(audit_fields.CONTEXT) and not audit_fields.is_known(name, rule.provider)
        ]
        if unknown:
            named = ", ".join(repr(name) for name in unknown)
            reason = f"reads {named}, which {rule.provider} does not publish; it is taken as missing from every event"
            found.append(RuleFailure(rule.compiled.rule_id, rule.compiled.title, reason))
    return found
