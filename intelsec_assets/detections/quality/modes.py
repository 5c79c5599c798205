"""Rules put into test mode or retired for a time: a file of its own beside the rules, with reason and end of each.

A rule's own mode stands in its rule.yml and is not touched; who puts a rule into another mode is `applying`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.quality.rule_facts import RETIRED, TEST
from intelsec_assets.feeds.located_yaml import LocatedYaml, read_located_yaml

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.rules import RuleSet

# not among the exceptions: those are Sigma filters, which every Sigma tool can read
MODES_FILE = "modes.yml"

LONGEST = timedelta(days=365)  # what is for longer belongs into the rule

_KEYS = ("mode", "reason", "begins", "expires", "author", "proposal")
_HEAD = """\
# Rules in another mode than their rule.yml says, by rule id. Written by `intelsec rules proposals --apply`; to end one
# before its time, delete its entry. `begins` and `expires` are the first and last day it holds, UTC; before and after,
# the rule's own mode counts.
"""


@dataclass(frozen=True)
class ModeOverride:
    """A rule's mode for a time."""

    rule_id: str
    mode: str  # test | retired
    reason: str
    expires: date  # the last day it holds, UTC
    author: str
    proposal: str
    begins: date  # the first: days before it ran in the rule's own mode and stay so

    def holds_on(self, day: date) -> bool:
        """Whether it holds on that day, its first and its last included."""
        return self.begins <= day <= self.expires


def read_modes(path: Path) -> dict[str, ModeOverride]:
    """All overrides of the file by rule id, expired ones too; none without a file. RuleError lists every problem."""
    if not path.exists():
        return {}
    try:
        located = read_located_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: cannot be read: {error}") from error
    problems = [f"{path}:{problem}" for problem in located.problems]
    found: dict[str, ModeOverride] = {}
    if located.value is not None and not isinstance(located.value, dict):
        problems.append(f"{path}:1: expected a mapping of rule ids to mode, reason and expires")
    elif isinstance(located.value, dict):
        for rule_id, entry in located.value.items():
            wrong = list(_problems(rule_id, entry, located))
            problems += [f"{path}:{line}: {rule_id}: {text}" for line, text in wrong]
            if not wrong and isinstance(entry, dict):
                found[rule_id] = ModeOverride(
                    rule_id,
                    str(entry["mode"]),
                    str(entry["reason"]).strip(),
                    date.fromisoformat(str(entry["expires"])),
                    str(entry.get("author", "")),
                    str(entry.get("proposal", "")),
                    date.fromisoformat(str(entry["begins"])),
                )
    if problems:
        raise RuleError("\n".join(problems))
    return found


def _problems(rule_id: str, entry: Any, located: LocatedYaml) -> Iterable[tuple[int, str]]:
    if not isinstance(entry, dict):
        yield located.line((rule_id,)), "expected mode, reason and expires"
        return
    for key in sorted(set(entry) - set(_KEYS)):
        yield located.line((rule_id, key)), f"unknown key {key!r}; allowed: {', '.join(_KEYS)}"
    if entry.get("mode") not in {TEST, RETIRED}:
        yield located.line((rule_id, "mode")), f"`mode` is {entry.get('mode')!r}; expected {TEST} or {RETIRED}"
    if not isinstance(entry.get("reason"), str) or len(entry["reason"].strip()) < 10:
        yield located.line((rule_id, "reason")), "`reason` says in a sentence why"
    days = {}
    for key, which in (("begins", "first"), ("expires", "last")):
        try:
            days[key] = date.fromisoformat(str(entry.get(key)))
        except ValueError:
            text = f"`{key}` is {entry.get(key)!r}; expected the {which} day it holds, YYYY-MM-DD"
            yield located.line((rule_id, key)), text
    if len(days) == 2 and days["expires"] - days["begins"] > LONGEST:
        text = f"holds from {days['begins']} to {days['expires']}; {LONGEST.days} days are the longest"
        yield located.line((rule_id, "expires")), text


def modes_on(overrides: Mapping[str, ModeOverride], day: date) -> dict[str, str]:
    """The mode of each rule whose override holds on the day."""
    return {rule_id: one.mode for rule_id, one in overrides.items() if one.holds_on(day)}


def with_modes(ruleset: RuleSet, modes: Mapping[str, str]) -> RuleSet:
    """The rules to run: those put into test mode run in it, retired ones are left out."""
    running = [rule for rule in ruleset.rules if modes.get(rule.rule_id) != RETIRED]
    return replace(
        ruleset,
        rules=tuple(
            replace(rule, meta=replace(rule.meta, mode=TEST)) if modes.get(rule.rule_id) == TEST else rule
            for rule in running
        ),
    )


def modes_text(overrides: Iterable[ModeOverride]) -> str:
    """The file that holds the overrides, in order of rule id."""
    entries = {
        one.rule_id: {
            "mode": one.mode,
            "reason": one.reason,
            "begins": one.begins.isoformat(),
            "expires": one.expires.isoformat(),
            "author": one.author,
            "proposal": one.proposal,
        }
        for one in sorted(overrides, key=lambda one: one.rule_id)
    }
    body = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=110) if entries else "{}\n"
    return _HEAD + body
