"""The smallest filter that takes false positives away and no true one, searched over the fields of their events.

A filter found here is a guess from few events; `proposals` proves by the real engine that it holds.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

EQUALS, STARTS_WITH = "equals", "startswith"

LEAST_COVERED = 2  # false positives a selection: one alone is no pattern
LEAST_SHARE = 0.1  # of all false positives: among many alerts chance makes small patterns that mean nothing
MOST_CONDITIONS = 3
MOST_SELECTIONS = 5  # more say that the rule is wrong, not its surroundings
_MOST_ALERTS = 300  # the newest; older ones are proved with the rest, not searched
_MOST_CANDIDATES = (400, 200, 60)  # conditions tried in conjunctions of one, two, three: some 35,000 each at most

# who called, the narrowest first
CALLERS = (
    "userIdentity.arn",
    "userIdentity.sessionContext.sessionIssuer.arn",
    "userIdentity.invokedBy",
    "userIdentity.userName",
    "userIdentity.sessionContext.sessionIssuer.userName",
    "userIdentity.principalId",
    "protoPayload.authenticationInfo.principalEmail",
    "protoPayload.authenticationInfo.serviceAccountKeyName",
    "protoPayload.authenticationInfo.principalSubject",
    "caller",
)
PLACES = (
    "vpcEndpointId",
    "context.asn.number",
    "sourceIPAddress",
    "protoPayload.requestMetadata.callerIp",
    "callerIpAddress",
)
# a filter that names neither would let anybody through who imitates the rest
ANCHORS = (*CALLERS, *PLACES)
# what a call is about; tells apart what one caller may do from what it may not
_ABOUT = re.compile(
    r"(eventName|eventSource|awsRegion|userAgent|errorCode|recipientAccountId|requestParameters\..+|resourceId"
    r"|operationName(\.value)?|protoPayload\.(methodName|serviceName|resourceName|requestMetadata\.callerSuppliedUserAgent))"
)
# another value each time, or a value that expires
_FLEETING = re.compile(
    r"(?i)(^|\.)[\w]*(requestid|eventid|token|nonce|timestamp|date|time|accesskeyid|uploadid|rolesessionname)$"
)
_BOUNDARY = re.compile(r"[/:._@\- ]")
_LEAST_PREFIX = 8
_ARN_PREFIX = re.compile(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:[^/:]+[/:].{3,}")  # names more than an account's users
_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_MOST_VALUE = 512  # characters: longer values are documents

# an event as its fields: dotted name -> text as the engine compares it
Fields = Mapping[str, str]


@dataclass(frozen=True, order=True)
class Condition:
    """A field that equals a value or starts with it, letter case aside."""

    field: str
    kind: str  # equals | startswith
    value: str

    def holds(self, event: Fields) -> bool:
        """Whether the event fulfils it, as Sigma compares text."""
        text = event.get(self.field)
        if text is None:
            return False
        text, value = text.casefold(), self.value.casefold()
        return text == value if self.kind == EQUALS else text.startswith(value)

    def __str__(self) -> str:
        """`userIdentity.arn starts with arn:aws:…`."""
        return f"{self.field} {'is' if self.kind == EQUALS else 'starts with'} {self.value}"


@dataclass(frozen=True)
class Selection:
    """Conditions that hold together, and the false positives (places in the list searched) that they cover."""

    conditions: tuple[Condition, ...]
    covers: frozenset[int]


def fields_of(event: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The fields of an event as text: dotted names of its JSON, `context.*` as given; lists and nulls are left out."""
    flat = dict(_walk(event, ""))
    for name, value in (context or {}).items():
        if name.startswith("context.") and value is not None:
            flat[name] = _text(value)
    return flat


def _walk(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, item in value.items():
        name = prefix + str(key)
        if isinstance(item, Mapping):
            yield from _walk(item, name + ".")
        elif item is not None and not isinstance(item, list):
            yield name, _text(item)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def search(
    false_positives: Sequence[Sequence[Fields]],
    protected: Sequence[Fields],
    unjudged: Sequence[Sequence[Fields]] = (),
    entity: str | None = None,
) -> list[Selection]:
    """Selections that together cover many false positives, each at least two and a tenth, no protected event.

    A false positive is an alert's events, the newest alert last; it is covered if all events are. `protected` are
    events of true positives and of positive samples. Each selection has as few conditions as do, one of them on who
    called or from where; among equals the one that takes away more false positives and fewer `unjudged` alerts. Empty
    if nothing is protected: a filter that nothing could refute is no filter. The same input gives the same answer.

    Silence about one value of `entity`, the field that alerts are about, is no filter either: who, or from where,
    stands alone only if it covers several of them, else a second condition is needed.
    """
    if not protected:
        return []
    found: list[Selection] = []
    left = frozenset([at for at, events in enumerate(false_positives) if events][-_MOST_ALERTS:])
    least = max(LEAST_COVERED, math.ceil(LEAST_SHARE * len(left)))
    while len(left) >= least and len(found) < MOST_SELECTIONS:
        best = _best(false_positives, left, least, protected, unjudged, entity)
        if best is None:
            break
        found.append(best)
        left -= best.covers
    return found


@dataclass(frozen=True)
class _Weighed:
    """A condition; as bits, the false positives it covers, protected events it hits, unjudged alerts it covers."""

    condition: Condition
    covers: int
    hits: int
    unjudged: int

    @property
    def is_anchor(self) -> bool:
        return self.condition.field in ANCHORS

    @property
    def kind(self) -> str:
        """What it speaks of: two names of one caller, or two of one place, say no more than one."""
        field = self.condition.field
        return "caller" if field in CALLERS else "place" if field in PLACES else field


def _best(
    alerts: Sequence[Sequence[Fields]],
    left: frozenset[int],
    least: int,
    protected: Sequence[Fields],
    unjudged: Sequence[Sequence[Fields]],
    entity: str | None,
) -> Selection | None:
    candidates = sorted(_weighed(alerts, left, least, protected, unjudged), key=_rank)
    for size in range(1, MOST_CONDITIONS + 1):
        fitting = [
            chosen
            for chosen in combinations(candidates[: _MOST_CANDIDATES[size - 1]], size)
            if any(one.is_anchor for one in chosen)
            and len({one.kind for one in chosen}) == size
            and (size > 1 or _stands_alone(chosen[0], alerts, entity))
            and not _all(one.hits for one in chosen)
            and _all(one.covers for one in chosen).bit_count() >= least
        ]
        if fitting:
            chosen = min(fitting, key=_worth)
            covered = _all(one.covers for one in chosen)
            conditions = tuple(sorted(one.condition for one in chosen))
            return Selection(conditions, frozenset(at for at in left if covered >> at & 1))
    return None


def _stands_alone(one: _Weighed, alerts: Sequence[Sequence[Fields]], entity: str | None) -> bool:
    """Whether it covers alerts about more than one entity (or caller, where alerts are about nothing)."""
    if one.kind == "caller" and entity is None:
        return True
    names = CALLERS if entity is None else (entity,)
    covered = [event for at, events in enumerate(alerts) if one.covers >> at & 1 for event in events]
    return len({next((event[name] for name in names if name in event), "") for event in covered}) > 1


def _weighed(
    alerts: Sequence[Sequence[Fields]],
    left: frozenset[int],
    least: int,
    protected: Sequence[Fields],
    unjudged: Sequence[Sequence[Fields]],
) -> Iterator[_Weighed]:
    """The conditions that cover most, weighed; those that cover fewer alerts than `least` left out."""
    covering = [(one, bits) for one, bits in _conditions(alerts, left).items() if bits.bit_count() >= least]
    covering.sort(key=lambda pair: (-pair[1].bit_count(), *_place(pair[0])))
    for condition, covers in covering[: _MOST_CANDIDATES[0]]:
        hits = _bits((at, condition.holds(event)) for at, event in enumerate(protected))
        if hits.bit_count() == len(protected) and condition.field not in ANCHORS:
            continue  # the rule asks for it anyway
        others = _bits((at, bool(e) and all(map(condition.holds, e))) for at, e in enumerate(unjudged))
        yield _Weighed(condition, covers, hits, others)


def _conditions(alerts: Sequence[Sequence[Fields]], left: frozenset[int]) -> dict[Condition, int]:
    """Conditions that hold of all events of an alert, with the alerts as bits: equality, and beginnings of values."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    spelled: dict[tuple[str, str, str], str] = {}
    for at in sorted(left):
        first, *others = alerts[at]
        for name, text in first.items():
            if not is_usable(name) or not 0 < len(text) <= _MOST_VALUE:
                continue
            values = {text.casefold(), *(event.get(name, "").casefold() for event in others)}
            keys = [(name, EQUALS, text)] if len(values) == 1 else []
            keys += [
                (name, STARTS_WITH, prefix)
                for prefix in prefixes(text)
                if all(value.startswith(prefix.casefold()) for value in values)
            ]
            for field, kind, value in keys:
                key = (field, kind, value.casefold())
                spelled[key] = min(spelled.get(key, value), value)
                found[key] |= 1 << at
    return {Condition(key[0], key[1], spelled[key]): bits for key, bits in found.items()}


def is_usable(field: str) -> bool:
    """Whether a filter may look at the field: it says who, from where or what about, and not other things each time."""
    return (field in ANCHORS or _ABOUT.fullmatch(field) is not None) and _FLEETING.search(field) is None


def prefixes(text: str) -> list[str]:
    """Beginnings of a value that name something: up to a boundary, not of a whole cloud, account or network.

    `arn:aws:iam::1:user/ci-7` -> `arn:aws:iam::1:user/ci-`; of an IPv4 address the first three octets.
    """
    if _IPV4.fullmatch(text):
        return [text[: text.rindex(".") + 1]]
    ends = [match.end() for match in _BOUNDARY.finditer(text) if _LEAST_PREFIX <= match.end() < len(text)]
    found = [text[:end] for end in ends]
    return [prefix for prefix in found if not text.startswith("arn:") or _ARN_PREFIX.fullmatch(prefix)]


def _rank(one: _Weighed) -> tuple[Any, ...]:
    """Order in which conditions are tried: most covered and least protected first, anchors before the rest."""
    return (-one.covers.bit_count(), one.hits.bit_count(), *_place(one.condition))


def _place(condition: Condition) -> tuple[Any, ...]:
    anchor = ANCHORS.index(condition.field) if condition.field in ANCHORS else len(ANCHORS)
    return (anchor, condition.kind != EQUALS, condition)


def _worth(chosen: tuple[_Weighed, ...]) -> tuple[Any, ...]:
    """Most false positives, fewest unjudged, fewest prefixes, the better anchor, the longer values."""
    anchor = min(ANCHORS.index(one.condition.field) for one in chosen if one.is_anchor)
    return (
        -_all(one.covers for one in chosen).bit_count(),
        _all(one.unjudged for one in chosen).bit_count(),
        sum(one.condition.kind != EQUALS for one in chosen),
        -sum(one.is_anchor for one in chosen),
        anchor,
        -sum(len(one.condition.value) for one in chosen),
        [one.condition for one in chosen],
    )


def _all(masks: Iterator[int]) -> int:
    found = next(masks)
    for mask in masks:
        found &= mask
    return found


def _bits(flags: Iterator[tuple[int, bool]]) -> int:
    return sum(1 << at for at, flag in flags if flag)
