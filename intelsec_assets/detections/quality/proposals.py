"""What could be done about a rule, from its quality and the alerts behind it: proposals as values, none applied.

A filter is proposed only if the real engine, asked through `Prove`, still fires on every positive sample and every true
positive of the past. Writing what a person accepted is `applying`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from intelsec_assets.detections.quality.backtest import VERDICTS, Backtest
from intelsec_assets.detections.quality.filter_search import EQUALS, Condition, Fields, search
from intelsec_assets.detections.quality.firings import Raised
from intelsec_assets.detections.quality.modes import MODES_FILE
from intelsec_assets.detections.quality.rule_facts import LIVE, RETIRED, TEST
from intelsec_assets.detections.quality.rule_quality import HOLD, NEVER_FIRED, RETIRE, QualityPolicy, RuleQuality
from intelsec_assets.detections.quality.verdicts import FALSE_POSITIVE, MAY_BE_REAL

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.rules import Rule

SUPPRESS_KIND, TUNE_KIND, HOLD_KIND, RETIRE_KIND = "suppress", "tune", "hold", "retire"

SUPPRESS_LEAST = 3  # false positives about one entity: two may be chance
# days: silence about one entity is looked at again soon, a filter each quarter, a rule in test mode each month
LIFETIMES: Mapping[str, int] = {SUPPRESS_KIND: 14, TUNE_KIND: 90, HOLD_KIND: 30, RETIRE_KIND: 180}

_REASONS_QUOTED = 3


@dataclass(frozen=True)
class Case:
    """An alert of the rule with the fields of its events; `is_covered` if an exception in force takes it away."""

    alert: Raised
    events: tuple[Fields, ...]
    is_covered: bool = False


@dataclass(frozen=True)
class Effect:
    """Alerts of the window by verdict (all of backtest.VERDICTS): those that would have been removed, those kept."""

    removed: Mapping[str, int]
    kept: Mapping[str, int]

    def __str__(self) -> str:
        """`would have removed 5 of 9 alerts (4 false positive, 1 not judged); kept 4 (2 true positive, …)`."""
        total = sum(self.removed.values()) + sum(self.kept.values())
        return (
            f"would have removed {sum(self.removed.values())} of {total} alerts{_listed(self.removed)}; "
            f"kept {sum(self.kept.values())}{_listed(self.kept)}"
        )


@dataclass(frozen=True)
class Proposal:
    """Something that could be done about a rule. `file` is what applying it writes, from the folder of detections."""

    proposal_id: str
    kind: str  # suppress | tune | hold | retire
    rule_id: str
    rule_name: str
    rule_title: str
    reason: str
    expires: date  # the last day it would hold
    effect: Effect
    file: str
    selections: tuple[tuple[Condition, ...], ...] = ()  # of suppress and tune: what the filter takes away
    mode: str | None = None  # of hold and retire
    proposed_from: tuple[str, ...] = ()  # alert ids

    def to_json(self) -> dict[str, Any]:
        """The same for machines."""
        return {**asdict(self), "expires": str(self.expires)}


@dataclass(frozen=True)
class Proof:
    """What the real engine says of a filter: positive samples that no longer fire, and the past with it and without."""

    samples_lost: tuple[str, ...]
    samples_kept: int
    past: Backtest

    @property
    def holds(self) -> bool:
        """Whether no true positive is lost, and something false is removed."""
        no_loss = not self.samples_lost and not self.past.loses_true_positives and not self.past.flooded_changed
        return no_loss and self.past.alerts[FALSE_POSITIVE].lost > 0


Prove = Callable[[Sequence[Sequence[Condition]]], Proof]


def proposals(
    quality: RuleQuality,
    rule: Rule,
    cases: Sequence[Case],
    positive_samples: Sequence[Fields],
    prove: Prove,
    policy: QualityPolicy | None = None,
) -> list[Proposal]:
    """What could be done about the rule, the mildest first; empty if nothing needs to be or nothing can be proved.

    `cases` are the rule's alerts of the window, `positive_samples` the fields of all events of its positive samples.
    """
    policy = policy or QualityPolicy()
    if quality.mode == RETIRED:
        return []
    filters = list(_filters(quality, rule, cases, positive_samples, prove))
    return [*filters, *_modes(quality, rule, cases, policy)]


def proposal_id(rule_id: str, kind: str, selections: Iterable[Iterable[Condition]]) -> str:
    """The same proposal has the same name on every day."""
    said = "|".join(sorted("&".join(sorted(map(str, conditions))) for conditions in selections))
    return hashlib.sha256(f"{rule_id}|{kind}|{said}".encode()).hexdigest()[:10]


def _filters(
    quality: RuleQuality, rule: Rule, cases: Sequence[Case], positive_samples: Sequence[Fields], prove: Prove
) -> Iterator[Proposal]:
    left = [case for case in cases if not case.is_covered and case.events]
    entities = [(_about(rule, entity), found) for entity, found in _entities(left)]
    for conditions, found in entities:
        if conditions is None or not all(c.holds(event) for c in conditions for case in found for event in case.events):
            continue
        proof = prove([conditions])
        if proof.holds:
            yield _filter(SUPPRESS_KIND, quality, rule, [conditions], found, proof)
    false = [case for case in left if case.alert.verdict == FALSE_POSITIVE]
    protected = [event for case in left if case.alert.verdict in MAY_BE_REAL for event in case.events]
    unjudged = [case.events for case in left if case.alert.verdict is None]
    selections = search([case.events for case in false], [*positive_samples, *protected], unjudged, rule.meta.entity)
    wanted = [selection.conditions for selection in selections]
    if wanted:
        proof = prove(wanted)
        if proof.holds:
            covered = [false[at] for selection in selections for at in sorted(selection.covers)]
            yield _filter(TUNE_KIND, quality, rule, wanted, covered, proof)


def _entities(cases: Sequence[Case]) -> Iterator[tuple[str, list[Case]]]:
    """Entities that only false positives are about, and nothing that may be real, with those; the most first."""
    by_entity: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.alert.entity:
            by_entity[case.alert.entity].append(case)
    for entity, found in sorted(by_entity.items(), key=lambda item: (-len(item[1]), item[0])):
        false = [case for case in found if case.alert.verdict == FALSE_POSITIVE]
        if len(false) >= SUPPRESS_LEAST and not any(case.alert.verdict in MAY_BE_REAL for case in found):
            yield entity, false


def _about(rule: Rule, entity: str) -> tuple[Condition, ...] | None:
    return (Condition(rule.meta.entity, EQUALS, entity),) if rule.meta.entity else None


def _filter(
    kind: str,
    quality: RuleQuality,
    rule: Rule,
    selections: Sequence[tuple[Condition, ...]],
    cases: Sequence[Case],
    proof: Proof,
) -> Proposal:
    name = proposal_id(rule.rule_id, kind, selections)
    effect = Effect(
        {verdict: counts.lost for verdict, counts in proof.past.alerts.items()},
        {verdict: counts.kept for verdict, counts in proof.past.alerts.items()},
    )
    said = " or ".join(" and ".join(map(str, conditions)) for conditions in selections)
    reason = (
        f"{len(cases)} alerts where {said} were judged false{_quoted(cases)}; {effect}; all {proof.samples_kept} "
        f"positive samples still fire"
    )
    return Proposal(
        proposal_id=name,
        kind=kind,
        rule_id=rule.rule_id,
        rule_name=rule.name,
        rule_title=rule.title,
        reason=reason,
        expires=quality.day + timedelta(days=LIFETIMES[kind]),
        effect=effect,
        file=f"exceptions/{rule.name}-{name}.yml",
        selections=tuple(selections),
        proposed_from=tuple(case.alert.alert_id for case in cases),
    )


def _quoted(cases: Sequence[Case]) -> str:
    """What people gave as reasons, the most frequent first."""
    reasons = Counter(" ".join(case.alert.reason.split()) for case in cases if case.alert.reason)
    quoted = [f'"{reason}"' for reason, _ in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    return f" ({', '.join(quoted[:_REASONS_QUOTED])})" if quoted else ""


def _modes(quality: RuleQuality, rule: Rule, cases: Sequence[Case], policy: QualityPolicy) -> Iterator[Proposal]:
    is_silent = (
        quality.status == NEVER_FIRED and quality.window_days >= policy.silent_days and bool(quality.events_seen)
    )
    if quality.status == HOLD and quality.mode == LIVE:
        yield _mode(HOLD_KIND, TEST, quality, rule, cases)
    elif (quality.status == RETIRE or is_silent) and not quality.is_sole_coverage:
        yield _mode(RETIRE_KIND, RETIRED, quality, rule, cases)


def _mode(kind: str, mode: str, quality: RuleQuality, rule: Rule, cases: Sequence[Case]) -> Proposal:
    counts = Counter(case.alert.verdict or VERDICTS[-1] for case in cases)
    effect = Effect({verdict: counts[verdict] for verdict in VERDICTS}, dict.fromkeys(VERDICTS, 0))
    return Proposal(
        proposal_id=proposal_id(rule.rule_id, kind, ()),
        kind=kind,
        rule_id=rule.rule_id,
        rule_name=rule.name,
        rule_title=rule.title,
        reason=f"{quality.reason}; {effect}" if cases else quality.reason,
        expires=quality.day + timedelta(days=LIFETIMES[kind]),
        effect=effect,
        file=MODES_FILE,
        mode=mode,
        proposed_from=tuple(case.alert.alert_id for case in cases if case.alert.verdict == FALSE_POSITIVE),
    )


def _listed(counts: Mapping[str, int]) -> str:
    said = [f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts.items() if count]
    return f" ({', '.join(said)})" if said else ""
