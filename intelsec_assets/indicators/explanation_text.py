"""An explanation as text for a terminal: defanged, without control characters, a part a paragraph.

What it says is gathered in `explain`; JSON for machines is `Explanation.to_json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from intelsec_assets.indicators.explain import Change, Explanation, Row, Source
from intelsec_assets.wording import counted

_INDENT = " " * 12
_COMPONENTS = ("source_trust", "recency", "hit_rate", "cooccurrence")  # shown with the value the points are made from
_STATES = {
    "live": "live",
    "left": "no feed lists it any more",
    "rejected": "not an indicator here: feeds had it only in rows that could not be used",
    "never_seen": "never seen: no feed listed it in the days looked through",
    "invalid": "not an indicator, and in no feed row of the days looked through",
}


def render(explanation: Explanation) -> str:
    """The explanation in lines of text, ending in a newline. Values are defanged: nothing in it can be clicked."""
    return "\n".join(_lines(explanation)) + "\n"


def defang(text: str) -> str:
    """A value that no program takes for a link: hxxp, [.] and [@]. `canonical` reads it back."""
    text = re.sub(r"(?i)http(?=s?:)", lambda match: "hXXp" if match[0].isupper() else "hxxp", text)
    return re.sub(r"(?<!\[)([.@])(?!\])", r"[\1]", text)


def shown(text: str) -> str:
    """Text of a feed made safe for a terminal: control, format and unassigned characters escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _value(text: str) -> str:
    return shown(defang(text))


def _lines(explanation: Explanation) -> Iterator[str]:
    value = _value(explanation.value or explanation.asked)
    yield f"{explanation.indicator_type or 'text'} {value} on {explanation.day}"
    yield _part("state", _STATES[explanation.state])
    yield from _form(explanation)
    yield from _score(explanation)
    if explanation.indicator is not None:
        hits = [f"{hit['list']} ({hit['policy']}), entry {shown(hit['entry'])}" for hit in explanation.hits]
        yield from _paragraph("lists", hits or ["on none"])
        independent = explanation.indicator["independent_sources"]
        yield from _paragraph(
            "sources", [f"{len(explanation.sources)}, {independent} independent", *map(_source, explanation.sources)]
        )
    yield from _verdicts(explanation)
    yield from _paragraph("feed lines", _more([_line(row) for row in explanation.lines], explanation.lines_total))
    yield from _paragraph(
        "rejected", _more([_rejection(r) for r in explanation.rejections], explanation.rejections_total)
    )
    related = [f"{row['indicator_type']} {_value(row['value'])}" for row in explanation.related]
    yield from _paragraph("same host", _more(related, explanation.related_total))
    yield from _plan(explanation.plan)
    yield from _changes(explanation)


def _form(explanation: Explanation) -> Iterator[str]:
    if explanation.value is None:
        yield _part("form", shown(_safe(explanation.detail or "", explanation.asked)))
    elif explanation.value != explanation.asked:
        yield _part("form", f"from {_value(explanation.asked)} by {', '.join(explanation.rules) or 'no rule'}")


def _score(explanation: Explanation) -> Iterator[str]:
    score = explanation.score
    if score is None:
        return
    yield _part("decision", f"{score['decision']}: {shown(score['reason'])}")
    yield _part("score", f"{score['score']:.3f} by model {score['model_version']}, the sum of")
    for name, points in explanation.contributions.items():
        if name in _COMPONENTS:
            yield f"{_INDENT}{points:+.3f}  {name} {score[name]:.3f}"
        elif points:
            yield f"{_INDENT}{points:+.3f}  {name} {score.get(name) or ''}".rstrip()


def _verdicts(explanation: Explanation) -> Iterator[str]:
    said = explanation.outcome
    if said is None:
        return
    summed = f"{said['true_positives']} true and {said['false_positives']} false positives behind the hit rate"
    if said["neither"]:
        summed += f"; {said['neither']} benign or duplicate, which say nothing of it"
    yield from _paragraph(
        "verdicts", [summed, *_more([_verdict(row) for row in explanation.verdicts], explanation.verdicts_total)]
    )


def _verdict(row: Row) -> str:
    because = f": {shown(row['reason'])}" if row["reason"] else ""
    about = f"alert {shown(row['alert_id'])} of rule {shown(row['rule_id'])}"
    return f"{row['at']:%Y-%m-%d} {row['verdict'].replace('_', ' ')} by {shown(row['actor'])}, {about}{because}"


def _source(source: Source) -> str:
    said = f"{source.feed}: {source.first_listed} to {source.last_listed}, {counted(source.observations, 'row')}"
    if source.copy_of:
        said += f", a copy of {', '.join(source.copy_of)}: adds no corroboration"
    return said if source.counts else f"{said}, too long ago to count"


def _line(row: Row) -> str:
    rules = f"  by {', '.join(row['canon_rules'])}" if row["canon_rules"] else ""
    return f"{row['day']} {row['feed']} {shown(row['file'])}:{row['line']}  {_value(row['raw_value'])}{rules}"


def _rejection(row: Row) -> str:
    detail = shown(_safe(row["detail"], row["raw_value"]))
    place = f"{row['day']} {row['feed']} {shown(row['file'])}:{row['line']}"
    return f"{place}  {_value(row['raw_value'][:200])}  {row['reason']}: {detail}"


def _plan(plan: Row | None) -> Iterator[str]:
    if plan is not None:
        since = f"first exported {plan['first_exported']}, content of {plan['changed_on']}"
        yield _part("export", f"{plan['state']} in {shown(plan['event'])}, {since}")
        yield f"{_INDENT}{plan['action']}: {shown(plan['reason'])}"


def _changes(explanation: Explanation) -> Iterator[str]:
    if explanation.changes is None:
        yield _part("changes", "no day before to compare with")
    else:
        yield from _paragraph(
            "changes", [_change(change) for change in explanation.changes] or ["none since the day before"]
        )


def _change(change: Change) -> str:
    if isinstance(change.before, list) and isinstance(change.after, list):
        lost = [f"-{item}" for item in change.before if item not in change.after]
        won = [f"+{item}" for item in change.after if item not in change.before]
        return f"{change.what}: {' '.join([*won, *lost])}"
    delta = f" ({change.after - change.before:+.3f})" if _is_number(change.before) and _is_number(change.after) else ""
    return f"{change.what}: {_cell(change.before)} -> {_cell(change.after)}{delta}"


def _is_number(value: Any) -> bool:
    return isinstance(value, float)


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return shown(", ".join(value) if isinstance(value, list) else str(value))


def _safe(text: str, value: str) -> str:
    """A sentence that quotes a value, with the value defanged in it; numbers in the sentence keep their points."""
    return text.replace(value, defang(value)) if value else text


def _more(lines: Sequence[str], total: int) -> list[str]:
    return [*lines, f"… and {total - len(lines):,} more"] if total > len(lines) else list(lines)


def _paragraph(name: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield _INDENT + line if number else _part(name, line)


def _part(name: str, text: str) -> str:
    return f"{name:<{len(_INDENT)}}{text}"
