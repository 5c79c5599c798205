"""Writing what a person accepted: an exception as a Sigma filter with reason and end, or a rule's mode for a time.

Nothing is written unless asked for, and never into a rule.yml; what is worth proposing is decided in `proposals`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.quality.filter_search import EQUALS, Condition
from intelsec_assets.detections.quality.modes import ModeOverride, modes_text, read_modes
from intelsec_assets.detections.quality.proposals import Proposal

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.rules import Rule

_NAMESPACE = uuid.UUID("0b8a7c1e-5a0f-5a53-9c3c-0d6d1f1f6a21")  # ids of exceptions follow from what they are about
_SPECIAL = re.compile(r"([\\*?])")


@dataclass(frozen=True)
class Written:
    """What applying a proposal writes: the file, its whole text, whether it was written or only shown."""

    path: Path
    text: str
    is_written: bool


def apply(proposal: Proposal, rule: Rule, folder: Path, *, author: str, day: date, dry_run: bool = True) -> Written:
    """Write the file of a proposal into the folder of detections; only tell its text unless `dry_run` is False.

    RuleError if the text could not be loaded as it should, or another text is there already.
    """
    path = folder / proposal.file
    if proposal.mode is None:
        text = exception_text(proposal, rule, author, day)
        _check(text, path)
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise RuleError(f"{path} is there already with another text: look at it, and delete it to write it anew")
    else:
        overrides = read_modes(path)
        overrides[proposal.rule_id] = ModeOverride(
            proposal.rule_id, proposal.mode, proposal.reason, proposal.expires, author, proposal.proposal_id, day
        )
        text = modes_text(overrides.values())
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    return Written(path, text, is_written=not dry_run)


def exception_text(proposal: Proposal, rule: Rule, author: str, day: date) -> str:
    """The Sigma filter of a suppress or tune proposal, as the rules' loader reads it."""
    document = filter_document(rule, proposal.selections)
    document |= {
        "title": f"{rule.title}: {_shortly(proposal.selections)}",
        "id": str(uuid.uuid5(_NAMESPACE, f"{proposal.rule_id}|{proposal.proposal_id}")),
        "description": proposal.reason,
        "author": author,
        "date": day.isoformat(),
    }
    document["intelsec"] = {
        "reason": proposal.reason,
        "expires": proposal.expires.isoformat(),
        "proposed_from": list(proposal.proposed_from),
        "author": author,
    }
    order = ("title", "id", "description", "author", "date", "logsource", "filter", "intelsec")
    ordered = {key: document[key] for key in order}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110)


def filter_document(rule: Rule, selections: Sequence[Sequence[Condition]]) -> dict[str, Any]:
    """Log source and filter of the selections, over the event rules that the rule consists of."""
    events = [document for document in rule.documents if "detection" in document]
    named = {
        f"selection_{number}": {_key(one): _value(one.value) for one in conditions}
        for number, conditions in enumerate(selections, start=1)
    }
    condition = f"not ({' or '.join(named)})"
    return {
        "logsource": dict(events[0]["logsource"]) if events else dict(rule.logsource),
        "filter": {"rules": [str(document["id"]) for document in events], **named, "condition": condition},
    }


def _key(condition: Condition) -> str:
    return condition.field if condition.kind == EQUALS else f"{condition.field}|{condition.kind}"


def _value(text: str) -> str:
    """The value with what Sigma would take for a wildcard escaped."""
    return _SPECIAL.sub(r"\\\1", text)


def _shortly(selections: Sequence[Sequence[Condition]]) -> str:
    fields = sorted({condition.field for conditions in selections for condition in conditions})
    return f"not what was judged false, by {', '.join(fields)}"


def _check(text: str, path: Path) -> None:
    from intelsec_assets.detections.sigma.rules_exceptions import read_exception

    _, problems = read_exception(text, path)
    if problems:
        raise RuleError("\n".join(map(str, problems)))
