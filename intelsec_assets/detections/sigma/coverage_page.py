"""The page `docs/rule-coverage.md`, made from the rules: what they see of ATT&CK, and what each of them is.

What coverage means is `coverage`; a test holds the committed page to what this gives.
"""

from __future__ import annotations

from collections.abc import Iterator

from intelsec_assets.detections.sigma.coverage import Coverage
from intelsec_assets.detections.sigma.rules import Rule

_HEAD = """# What the rules cover

Written by `docs/write_rule_coverage.py` from the rules in `detections/sigma/` and the tables of MITRE ATT&CK
{version} in `detections/attack/`; change it there. `intelsec rules coverage` prints the same. Coverage says what
rules are meant to see; that they do is shown by their samples (`intelsec rules test`), how well by
`intelsec rules quality`."""


def page(coverage: Coverage) -> str:
    """The whole page."""
    return "\n".join(_lines(coverage)) + "\n"


def _lines(coverage: Coverage) -> Iterator[str]:
    yield from _HEAD.format(version=coverage.version).splitlines()
    yield from ("", "## Rules", "", "| rule | what it finds | level | kind | window | samples | runbook |")
    yield "|---|---|---|---|---|---|---|"
    for rule in coverage.rules:
        yield _rule_row(rule)
    yield from (
        "",
        "## Techniques",
        "",
        "**Sole** marks a technique that one rule alone sees: retiring it loses the technique.",
    )
    yield from ("", "| technique | name | tactics | rules | |", "|---|---|---|---|---|")
    for covered in coverage.techniques:
        technique = covered.technique
        names = [f"`{name}`" for name in covered.rules] + [f"`{name}` (test)" for name in covered.in_test]
        mark = "sole" if covered.is_sole else ""
        cells = (technique.technique_id, technique.name, ", ".join(technique.tactics), ", ".join(names), mark)
        yield f"| {' | '.join(cells)} |"
    yield from ("", "## Tactics and gaps", "")
    yield "*Gaps*: techniques without a rule whose name says that they are about clouds; logs can show others too."
    yield from ("", "| tactic | rules | techniques seen | gaps |", "|---|---|---|---|")
    for tactic in coverage.tactics:
        gaps = ", ".join(f"{gap.technique_id} {gap.name}" for gap in tactic.cloud_gaps) or "-"
        yield f"| {tactic.tactic} | {len(tactic.rules) or 'none'} | {tactic.covered} of {tactic.techniques} | {gaps} |"
    yield from ("", "## Sources of logs", "", "| logsource | rules |", "|---|---|")
    for name, rules in coverage.logsources:
        yield f"| {name} | {len(rules)} |"


def _rule_row(rule: Rule) -> str:
    kind = "event"
    if rule.is_correlation:
        kind = str(rule.documents[-1]["correlation"]["type"])
    window = str(rule.documents[-1]["correlation"]["timespan"]) if rule.is_correlation else ""
    positives = sum(sample.kind == "positive" for sample in rule.samples)
    link = f"[`{rule.name}`](../detections/sigma/{rule.name}/rule.yml)"
    book = f"[page](../{rule.meta.runbook})" if rule.meta.runbook else ""
    samples = f"{positives} + {len(rule.samples) - positives}"
    return f"| {link} | {rule.title} | {rule.level} | {kind} | {window} | {samples} | {book} |"
