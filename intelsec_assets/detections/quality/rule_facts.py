"""What judging a rule needs to know of it: name, mode, noise budget, techniques, and the source it waits for.

Rules themselves, with their text and samples, are loaded by `detections.sigma`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from intelsec_assets.engine import sql_text

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.rules import RuleSet

LIVE, TEST, RETIRED = "live", "test", "retired"

# products of Sigma's log sources, by the provider that cloud_audit_events names
PROVIDERS: Mapping[str, str] = {"aws": "aws", "gcp": "gcp", "azure": "azure"}

_TECHNIQUE = re.compile(r"(?:attack\.)?(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)

# events of the window by (provider, event source)
Volume = Mapping[tuple[str, str | None], int]


@dataclass(frozen=True)
class RuleFacts:
    """A rule as its judge sees it. `services` are the event sources it can match, lower case; empty = any."""

    rule_id: str
    title: str
    mode: str = LIVE  # live | test | retired
    noise_budget: float | None = None  # alerts a day
    techniques: frozenset[str] = frozenset()  # T1078, T1078.004
    provider: str | None = None
    services: frozenset[str] = frozenset()

    def events_seen(self, volume: Volume) -> int | None:
        """Events of its source in the window; None if it says nothing of a source that is counted."""
        if self.provider is None:
            return None
        return sum(
            events
            for (provider, service), events in volume.items()
            if provider == self.provider and (not self.services or (service or "").lower() in self.services)
        )


def techniques(attack: Iterable[str]) -> frozenset[str]:
    """ATT&CK techniques among tags, upper case: `attack.t1078.004` and `T1078.004` alike; tactics are left out."""
    return frozenset(match[1].upper() for tag in attack if (match := _TECHNIQUE.fullmatch(tag)))


def sole_coverage(rules: Sequence[RuleFacts]) -> Mapping[str, tuple[str, ...]]:
    """Techniques that nobody would see without the rule: no other live rule names them. By rule id, sorted."""
    live = Counter(technique for rule in rules if rule.mode == LIVE for technique in rule.techniques)
    return {
        rule.rule_id: tuple(sorted(t for t in rule.techniques if live[t] == (1 if rule.mode == LIVE else 0)))
        for rule in rules
    }


def volume_of(events: duckdb.DuckDBPyRelation, first: date, last: date) -> Volume:
    """Events by provider and event source from day `first` to `last`; `events` has columns of CLOUD_AUDIT_EVENTS."""
    within = f"day between date {sql_text(str(first))} and date {sql_text(str(last))}"
    counted = events.filter(within).aggregate("provider, event_source, count(*) as events")
    return {(provider, source): int(number) for provider, source, number in counted.fetchall()}


def facts_of(ruleset: RuleSet, modes: Mapping[str, str]) -> list[RuleFacts]:
    """What judging needs of every rule; `modes` are those that rules are in instead of their own (`modes.modes_on`)."""
    return [
        RuleFacts(
            rule.rule_id,
            rule.title,
            modes.get(rule.rule_id, rule.meta.mode),
            rule.meta.noise_budget,
            techniques(rule.attack),
            PROVIDERS.get(rule.logsource.get("product", "")),
            _services(rule.documents),
        )
        for rule in ruleset.rules
    ]


def _services(documents: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Event sources that its selections name by whole value in each place that speaks of them; empty = any.

    Read from the text, not from the condition: a rule that names a source at all waits for events of it.
    """
    found: set[str] = set()
    for document in documents:
        for selection in document.get("detection", {}).values():
            for one in selection if isinstance(selection, list) else [selection]:
                value = one.get("eventSource") if isinstance(one, Mapping) else None
                found.update(str(item).lower() for item in (value if isinstance(value, list) else [value]) if item)
    return frozenset(source for source in found if "*" not in source and "?" not in source)
