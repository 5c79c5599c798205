"""What every package says for people: rules with their verdicts, what is nearest and why, what the look-ups lack.

The steps to import it are the SIEM's module's.
"""

from __future__ import annotations

from collections.abc import Sequence

from intelsec_assets.detections.sigma.siem.compiling import NONE, Compiled
from intelsec_assets.detections.sigma.siem.packages.lookups import COLUMNS, Lookups
from intelsec_assets.detections.sigma.siem.targets import Targets


def readme(title: str, steps: str, compiled: Sequence[Compiled], lookups: Lookups, targets: Targets) -> str:
    """The README of a package as Markdown."""
    lines = [f"# {title}", "", steps.strip(), "", "## Rules", "", "| rule | level | query |", "|---|---|---|"]
    lines += [f"| {one.rule.title} | {one.rule.level} | {one.verdict} |" for one in compiled]
    lines += ["", "## What the queries do otherwise", ""]
    for one in compiled:
        if one.deviations:
            lines.append(f"- **{one.rule.title}** ({one.verdict}):")
            lines += [f"  - {deviation.words(targets)}" for deviation in one.deviations]
    lines += ["", "## Look-ups", ""]
    lines += [
        f"- `{name}`: {len(lookups.rows.get(name, ()))} rows; columns {', '.join(COLUMNS[name])}" for name in COLUMNS
    ]
    lines += [f"- {note}" for note in lookups.notes]
    lines += ["", "Make the package again as often as the look-ups should be fresh: each day after `intelsec run`.", ""]
    return "\n".join(lines)


def deployable(compiled: Sequence[Compiled]) -> list[Compiled]:
    """Those that have a query."""
    return [one for one in compiled if one.verdict != NONE]


def described(one: Compiled, targets: Targets) -> str:
    """What an alert of the rule means, what its query does otherwise, and where the runbook is, in one paragraph."""
    parts = [" ".join(one.rule.description.split()) or one.rule.title]
    if one.deviations:
        parts.append("Nearest query: " + "; ".join(deviation.words(targets) for deviation in one.deviations) + ".")
    if one.rule.meta.runbook:
        parts.append(f"Runbook: {one.rule.meta.runbook}")
    return " ".join(parts)
