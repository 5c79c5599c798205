"""What a step of the detections could not ask while it worked, in words: sources of logs, tickets, indicators, rules.

What is of a day is kept in the note of its partition, where its checks find it; what is of the run is a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from intelsec_assets.invariants import SAMPLE, Verdict
from intelsec_assets.wording import counted

# what a line of a note is about: the check tells those that explain what it found
TICKETS, INDICATORS, NETWORKS = "tickets: ", "indicators: ", "networks: "


def lines_about(note: str, what: str) -> list[str]:
    """The lines of a note that are about tickets, indicators or networks, without that word."""
    return [line.removeprefix(what) for line in note.splitlines() if line.startswith(what)]


def on_a_line(text: str) -> str:
    """Text of an error on one line, so that a note has one line a gap."""
    return " ".join(text.split())


def rules_asked(note: str) -> Verdict:
    """Whether every rule was asked, by the note of the findings: a line there is a rule, or part of one, left out."""
    left_out = note.splitlines()
    if not left_out:
        return Verdict(passed=True, found="all rules were asked")
    return Verdict(
        passed=False,
        count=len(left_out),
        sample=tuple({"left out": line} for line in left_out[:SAMPLE]),
        found=f"{len(left_out):,} left out, the first: {left_out[0]}",
    )


def sources_read(away: Mapping[str, str], not_read: Iterable[tuple[str, str, str]]) -> Verdict:
    """Whether all that was delivered could be read: sources that are away, and why; files as (source, file, why)."""
    files = [{"source": source, "file": file, "why": why} for source, file, why in not_read]
    rows = [*({"source": source, "file": "", "why": why} for source, why in away.items()), *files]
    if not rows:
        return Verdict(passed=True, found="every source answered, every file could be read")
    parts = [f"{source} is away: {why}" for source, why in away.items()]
    if files:
        first = " ".join((files[0]["source"], f"{files[0]['file']}:", files[0]["why"]))
        parts.append(f"{counted(len(files), 'file')} could not be read, the first: {first}")
    return Verdict(passed=False, count=len(rows), sample=tuple(rows[:SAMPLE]), found="; ".join(parts))
