"""Everything that is wrong with a day, in the order of what it costs, each with the command that comes next.

Judged from facts that are handed in: the gate's reasons, held feeds, recorded verdicts. Reading them is the asset's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum
from typing import Any

from intelsec_assets.feeds.catalogue_expectations import INFO
from intelsec_assets.feeds.quality.verdicts import ERROR, NO_VERDICT
from intelsec_assets.records import CheckResult


class Rank(IntEnum):
    """What a problem costs, the dearest first; within a rank the figure decides."""

    EXPORTS_BLOCKED = 1  # nothing leaves the house
    BLOCKING_FAILED = 2  # what is downstream of it, such as the published warehouse, stays at an older day
    FEED_HELD = 3  # what it lists can neither be withdrawn nor renewed
    NOT_EVALUATED = 4  # nobody knows
    CRITICAL = 5
    WARNING = 6
    INFORMATION = 7

    @property
    def words(self) -> str:
        """As a heading."""
        return _HEADINGS[self]


_HEADINGS = {
    Rank.EXPORTS_BLOCKED: "exports are blocked",
    Rank.BLOCKING_FAILED: "blocking checks failed",
    Rank.FEED_HELD: "feeds are held",
    Rank.NOT_EVALUATED: "could not be evaluated",
    Rank.CRITICAL: "failed",
    Rank.WARNING: "warnings",
    Rank.INFORMATION: "to know",
}


@dataclass(frozen=True)
class Refusal:
    """Why the gate lets nothing out: the check it asked for, and its sentence."""

    asset: str
    check: str
    reason: str


@dataclass(frozen=True)
class HeldFeed:
    """A feed outside its contract: what is exported that it lists, and of that what no other feed lists."""

    feed: str
    status: str
    reason: str
    exported: int
    only_here: int


@dataclass(frozen=True)
class Facts:
    """What is known of a day. `rows` = rows of each asset, `waiting` = planned changes that the gate holds back."""

    day: date
    checks: Sequence[CheckResult] = ()
    refusals: Sequence[Refusal] = ()
    waiting: int = 0
    held: Sequence[HeldFeed] = ()
    rows: Mapping[str, int] = field(default_factory=dict)
    unjudged: Sequence[str] = ()  # feeds whose verdicts are missing or speak of other content
    unbuilt: Sequence[str] = ()  # feeds of which there is no such day


@dataclass(frozen=True)
class Problem:
    """Something wrong: `cost` counts `unit`; `next_step` is a command."""

    rank: Rank
    cost: int
    unit: str
    subject: str
    found: str
    next_step: str

    @property
    def is_wrong(self) -> bool:
        """False if it is only to be known."""
        return self.rank is not Rank.INFORMATION

    def to_json(self) -> dict[str, Any]:
        """For machines; keys are stable."""
        return {
            "rank": int(self.rank),
            "kind": self.rank.name.lower(),
            "cost": self.cost,
            "unit": self.unit,
            "subject": self.subject,
            "found": self.found,
            "next": self.next_step,
        }


def problems(facts: Facts) -> list[Problem]:
    """Every problem of the day, the dearest first.

    A held feed is one problem: the check that says that some feed is held is not another. So is a check that the gate
    waits for: its own failure is the gate's reason.
    """
    told = {(refusal.asset, refusal.check) for refusal in facts.refusals}
    if facts.held:
        told.add(("feed_status", "feeds_keep_their_contract"))
    found = [
        *(_blocked(refusal, facts) for refusal in facts.refusals),
        *(_held(feed, facts.day) for feed in facts.held),
        *(
            _failed(check, facts)
            for check in facts.checks
            if not check.passed and (check.asset, check.check) not in told
        ),
    ]
    return sorted(found, key=lambda problem: (problem.rank, -problem.cost, problem.subject))


def _blocked(refusal: Refusal, facts: Facts) -> Problem:
    evidence = {(check.asset, check.check): check.evidence for check in facts.checks}
    found = evidence.get((refusal.asset, refusal.check), {}).get("found", "")
    return Problem(
        Rank.EXPORTS_BLOCKED,
        facts.waiting,
        "planned changes wait",
        f"{refusal.asset}.{refusal.check}",
        f"{refusal.reason}: {found}" if found else refusal.reason,
        f"intelsec run --day {facts.day}",
    )


def _held(feed: HeldFeed, day: date) -> Problem:
    alone = f", {feed.only_here:,} of them no other feed's" if feed.only_here else ""
    return Problem(
        Rank.FEED_HELD,
        feed.exported,
        f"exported indicators depend on it{alone}",
        feed.feed,
        f"{feed.status}: {feed.reason}",
        _look(feed.feed, day),
    )


def _failed(check: CheckResult, facts: Facts) -> Problem:
    count = int(check.evidence.get("count") or 0)
    whole = facts.rows.get(check.asset, 0)
    is_feed = check.asset.startswith("feeds/")
    subject = f"{check.asset.removeprefix('feeds/')}.{check.check}"
    rank = _rank(check)
    concerned = whole if rank is Rank.NOT_EVALUATED or (is_feed and not _has_rows(check)) else count
    unit = "rows that nobody judged" if rank is Rank.NOT_EVALUATED else "rows concerned"
    return Problem(rank, concerned, unit, subject, str(check.evidence.get("found", "")), _look(subject, facts.day))


def _has_rows(check: CheckResult) -> bool:
    """True if the rows against a claim can be opened; volume, mix, freshness and columns concern the day as a whole."""
    sample = check.evidence.get("sample") or ()
    return any("line" in row for row in sample)


def _rank(check: CheckResult) -> Rank:
    if check.evidence.get("outcome") == ERROR:
        return Rank.NOT_EVALUATED
    if check.blocking:
        return Rank.BLOCKING_FAILED
    if check.evidence.get("severity") == INFO:
        return Rank.INFORMATION
    return Rank.CRITICAL if check.severity == "ERROR" else Rank.WARNING


def _look(what: str, day: date) -> str:
    return f"intelsec quality {what} --day {day}"


def tally(checks: Iterable[CheckResult]) -> dict[str, int]:
    """How many verdicts of each outcome; checks that know only passed and failed count as such."""
    counts = dict.fromkeys(("passed", "failed", "error", "no_verdict"), 0)
    for check in checks:
        outcome = check.evidence.get("outcome") or ("passed" if check.passed else "failed")
        counts[outcome] = counts.get(outcome, 0) + 1
    return counts


def summary(facts: Facts) -> str:
    """The last line: how many verdicts there are, and what nobody has judged."""
    counts = tally(facts.checks)
    line = f"{counts['passed']:,} passed, {counts['failed']:,} failed, {counts[ERROR]:,} could not be evaluated"
    if counts[NO_VERDICT]:
        line += f", {counts[NO_VERDICT]:,} without a verdict (cold start, or nothing to judge)"
    return line


def markdown(facts: Facts, found: Sequence[Problem]) -> str:
    """The report for the UI."""
    lines = [f"**{facts.day}**: {summary(facts)}", ""]
    if facts.unjudged:
        lines += [f"Not evaluated: {', '.join(facts.unjudged)}. Next: `intelsec quality --day {facts.day}`", ""]
    if not any(problem.is_wrong for problem in found):
        lines = [*lines, "Nothing is wrong in what was evaluated." if facts.unjudged else "Nothing is wrong.", ""]
    if not found:
        return "\n".join(lines).strip()
    lines += ["| costs | what | found | next |", "|---|---|---|---|"]
    for problem in found:
        cells = (
            f"{problem.rank.words}: {problem.cost:,} {problem.unit}",
            problem.subject,
            problem.found,
            f"`{problem.next_step}`",
        )
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text that cannot break a table; a published value may hold anything."""
    plain = re.sub(r"([\\|\[\]!`])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")
    return plain if len(plain) <= 400 else plain[:399] + "…"
