"""What Sigma means, in plain Python: rules over dictionaries, correlations by looking at every window.

It reads pySigma's parsed rules and shares nothing with the backend but them; it is slow and meant to be read.
"""

import ipaddress
import itertools
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import re2
from sigma.conditions import ConditionAND, ConditionNOT, ConditionOR, ConditionValueExpression
from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionNOT,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SpecialChars,
)

# one event


def rule_matches(rule, event):
    """Whether an event (field -> text or None; `event` -> JSON text) matches one of the rule's conditions."""
    return any(_holds(condition.parsed, event) for condition in rule.detection.parsed_condition)


def _holds(tree, event):
    if isinstance(tree, ConditionAND):
        return all(_holds(arg, event) for arg in tree.args)
    if isinstance(tree, ConditionOR):
        return any(_holds(arg, event) for arg in tree.args)
    if isinstance(tree, ConditionNOT):
        return not _holds(tree.args[0], event)
    if isinstance(tree, ConditionValueExpression):
        return any(_keyword(tree.value, value) for value in _values(event.get("event")))
    return _field_matches(tree.value, event.get(tree.field), event)


def _field_matches(value, text, event):
    if isinstance(value, SigmaExpansion):
        return any(_field_matches(inner, text, event) for inner in value.values)
    if isinstance(value, SigmaNull):
        return text is None
    if isinstance(value, SigmaExists):
        return (text is not None) == value.exists
    if text is None:
        return False
    match value:
        case SigmaString():
            return _string_matches(value, text)
        case SigmaTimestampPart():
            return _timestamp_part(value.timestamp_part.name, text) == value.number
        case SigmaNumber():
            return text in {str(value.number), f"{value.number}.0"}
        case SigmaBool():
            return lower(text) == str(value.boolean).lower()
        case SigmaRegularExpression():
            return _regex(value, text)
        case SigmaCIDRExpression():
            return _in_network(value.network, text)
        case SigmaCompareExpression():
            return _compares(value, text)
        case SigmaFieldReference():
            return _refers(value, text, event.get(value.field))
    raise AssertionError(value)


def lower(text):
    """Lower case, one character for one character."""
    return "".join("i" if c == "İ" else c.lower() if len(c.lower()) == 1 else c for c in text)


def _string_matches(value, text, *, inside=False):
    cased = isinstance(value, SigmaCasedString)
    pattern = "".join(
        ".*"
        if part is SpecialChars.WILDCARD_MULTI
        else "."
        if part is SpecialChars.WILDCARD_SINGLE
        else re.escape(part if cased else lower(part))
        for part in value.s
    )
    find = re.search if inside else re.fullmatch
    return find(pattern, text if cased else lower(text), re.DOTALL) is not None


def _regex(value, text):
    names = {
        SigmaRegularExpressionFlag.IGNORECASE: "i",
        SigmaRegularExpressionFlag.MULTILINE: "m",
        SigmaRegularExpressionFlag.DOTALL: "s",
    }
    flags = "".join(sorted(names[flag] for flag in value.flags))
    return re2.search((f"(?{flags})" if flags else "") + str(value.regexp), text) is not None


def _in_network(network, text):
    try:
        address = ipaddress.ip_address(text.split("%")[0] if re.fullmatch("[^%]*(%[^%]+)?", text) else text)
    except ValueError:
        return False
    if network.version == 4 and address.version == 6 and re.fullmatch(r"(?i)(::|(0{1,4}:){5})ffff:[0-9.]+", text):
        address = address.ipv4_mapped
    return address is not None and address.version == network.version and address in network


def number(text):
    """A decimal number, or None."""
    if text is None or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _compares(value, text):
    left, right = number(text), value.number.number
    if left is None:
        return False
    return {
        CompareOperators.LT: left < right,
        CompareOperators.LTE: left <= right,
        CompareOperators.GT: left > right,
        CompareOperators.GTE: left >= right,
        CompareOperators.NEQ: left != right,
    }[value.op]


def _refers(value, text, other):
    if other is None:
        return False
    left, right = lower(text), lower(other)
    if value.starts_with and value.ends_with:
        return right in left
    if value.starts_with:
        return left.startswith(right)
    return left.endswith(right) if value.ends_with else left == right


def _timestamp_part(part, text):
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    instant = instant.astimezone(UTC) if instant.tzinfo else instant
    return instant.isocalendar().week if part == "WEEK" else getattr(instant, part.lower())


def _values(event):
    if event is None:
        return []
    try:
        return list(_scalars(json.loads(event, parse_float=str, parse_int=str)))
    except ValueError:
        return [event]


def _scalars(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif isinstance(value, bool):
        yield str(value).lower()
    elif value is not None:
        yield str(value)


def _keyword(value, text):
    if isinstance(value, SigmaExpansion):
        return any(_keyword(inner, text) for inner in value.values)
    if isinstance(value, SigmaRegularExpression):
        return _regex(value, text)
    return _string_matches(value if isinstance(value, SigmaString) else SigmaString(str(value)), text, inside=True)


# many events


@dataclass(frozen=True)
class Occurrence:
    """A match of a referenced rule: of an event, or a window of an inner correlation with the events it stands for."""

    slot: int
    identity: str
    time: int
    group: tuple
    shown: tuple
    value: object
    events: frozenset


@dataclass(frozen=True)
class Burst:
    """Overlapping windows of one group that satisfy a correlation."""

    group: tuple
    events: tuple
    value: float


@dataclass(frozen=True)
class Window:
    clause: int
    group: tuple
    start: int
    end: int
    value: float


def correlate(rule, matches, observed_until):
    """Bursts of a correlation.

    Args:
        matches: rule name -> list of (event id, time in seconds, event).
        observed_until: seconds up to which events are complete.
    """
    windows, occurrences, ordered_clauses = _windows(rule, matches, observed_until)
    return [burst for burst, _ in _bursts(rule, windows, occurrences, ordered_clauses)]


def _windows(rule, matches, observed_until):
    occurrences = [
        o
        for slot, ref in enumerate(rule.referenced_rules)
        for o in _occurrences(rule, slot, ref, matches, observed_until)
    ]
    kind, span = rule.type.name.lower(), rule.timespan.seconds
    clauses = _clauses(rule)
    windows = []
    for group in sorted({o.group for o in occurrences}):
        inside = [o for o in occurrences if o.group == group]
        if not clauses:
            for end in sorted({o.time for o in inside}):
                seen = [o for o in inside if end - span <= o.time <= end]
                measure = _measure(kind, seen, rule)
                if measure is not None and _satisfies(rule.condition, measure):
                    windows.append(Window(0, group, end - span, end, measure))
        for index, (present, absent, ordered) in enumerate(clauses):
            for anchor in sorted({o.time for o in inside if o.slot in present}):
                start, end = (anchor, anchor + span) if absent else (anchor - span, anchor)
                if absent and end > observed_until:
                    continue
                seen = [o for o in inside if start <= o.time <= end]
                if any(o.slot in absent for o in seen) or not all(any(o.slot == s for o in seen) for s in present):
                    continue
                if ordered and not _chain(seen, present):
                    continue
                # a backward window of an ordered clause is that of its last step
                if (
                    ordered
                    and not absent
                    and not any(
                        o.slot == present[-1]
                        and o.time == end
                        and _chain([*[x for x in seen if x.time < end], o], present)
                        for o in seen
                    )
                ):
                    continue
                windows.append(Window(index, group, start, end, len(present)))
    return windows, occurrences, clauses


def _occurrences(rule, slot, ref, matches, observed_until):
    names = (ref.reference, ref.rule.name, str(ref.rule.id))
    aliases = {a.alias: f for a in rule.aliases for r, f in a.mapping.items() if r.reference in names}
    fields = [aliases.get(f, f) for f in rule.group_by or []]
    value_field = None if isinstance(rule.condition, SigmaExtendedCorrelationCondition) else rule.condition.fieldref
    value_field = aliases.get(value_field, value_field)
    if not isinstance(ref.rule, SigmaCorrelationRule):
        for identity, time, event in matches[ref.rule.name]:
            shown = tuple(event.get(f) for f in fields)
            if None not in shown:
                yield Occurrence(
                    slot,
                    identity,
                    time,
                    tuple(map(lower, shown)),
                    shown,
                    event.get(value_field),
                    frozenset({(time, identity)}),
                )
        return
    windows, inner, clauses = _windows(ref.rule, matches, observed_until)
    for burst, members in _bursts(ref.rule, windows, inner, clauses):
        for start, end in sorted({(w.start, w.end) for w in members}):
            columns = dict(zip(ref.rule.group_by or [], burst.group, strict=True))
            shown = tuple(columns[f] for f in fields)
            events = frozenset((t, i) for t, i in burst.events if start <= t <= end)
            yield Occurrence(
                slot,
                f"{id(ref)}{burst}{start}{end}",
                end,
                tuple(map(lower, shown)),
                shown,
                columns.get(value_field),
                events,
            )


def _measure(kind, seen, rule):
    if kind == "event_count":
        return len({o.identity for o in seen})
    if kind == "value_count":
        return len({lower(o.value) for o in seen if o.value is not None})
    if kind == "temporal":
        return len({o.slot for o in seen})
    numbers = sorted(n for _, n in {(o.identity, number(o.value)) for o in seen} if n is not None)
    if not numbers:
        return None
    if kind == "value_sum":
        return math.fsum(numbers)
    if kind == "value_avg":
        return math.fsum(numbers) / len(numbers)
    position = (len(numbers) - 1) * (50 if kind == "value_median" else rule.condition.percentile) / 100
    low = math.floor(position)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (position - low)


def _satisfies(condition, measure):
    return {
        "LT": measure < condition.count,
        "LTE": measure <= condition.count,
        "GT": measure > condition.count,
        "GTE": measure >= condition.count,
        "EQ": measure == condition.count,
        "NEQ": measure != condition.count,
    }[condition.op.name]


def _clauses(rule):
    """(present slots, absent slots, ordered): every way to make an ordered or extended condition true."""
    ordered = rule.type.name == "TEMPORAL_ORDERED"
    slots = range(len(rule.referenced_rules))
    if not isinstance(rule.condition, SigmaExtendedCorrelationCondition):
        if not ordered:
            return []
        wanted = (
            math.floor(rule.condition.count) + 1 if rule.condition.op.name == "GT" else math.ceil(rule.condition.count)
        )
        return [(chosen, (), True) for chosen in itertools.combinations(slots, wanted)]
    names = {ref.reference: slot for slot, ref in enumerate(rule.referenced_rules)}
    ways = []
    for states in itertools.product(["present", "absent", "any"], repeat=len(slots)):
        # true whatever the slots left open do
        open_slots = [s for s in slots if states[s] == "any"]
        if all(
            _extended(
                rule.condition.parsed,
                names,
                {s: states[s] == "present" for s in slots} | dict(zip(open_slots, values, strict=True)),
            )
            for values in itertools.product([True, False], repeat=len(open_slots))
        ):
            ways.append(
                (tuple(s for s in slots if states[s] == "present"), tuple(s for s in slots if states[s] == "absent"))
            )
    minimal = [w for w in ways if not any(v != w and set(v[0]) <= set(w[0]) and set(v[1]) <= set(w[1]) for v in ways)]
    return [(present, absent, ordered) for present, absent in sorted(minimal)]


def _extended(tree, names, present):
    if isinstance(tree, SigmaRuleReference):
        return present[names[tree.reference]]
    if isinstance(tree, CorrelationConditionNOT):
        return not _extended(tree.args[0], names, present)
    join = all if isinstance(tree, CorrelationConditionAND) else any
    return join(_extended(arg, names, present) for arg in tree.args)


def _chain(seen, steps):
    """Whether the steps occur strictly one after the other."""
    return any(
        all(a.time < b.time for a, b in itertools.pairwise(chosen))
        for chosen in itertools.product(*([o for o in seen if o.slot == step] for step in steps))
    )


def _bursts(rule, windows, occurrences, clauses):
    """(burst, its windows): windows of a group that overlap, with the events that take part."""
    better = min if not clauses and rule.condition.op.name in ("LT", "LTE") else max
    found = []
    for group in sorted({w.group for w in windows}):
        covers = []
        for clause in sorted({w.clause for w in windows if w.group == group}):
            covers += _overlapping([w for w in windows if w.group == group and w.clause == clause])
        for joined in _overlapping_covers(covers):
            taken = set()
            for members in joined:
                start, end = min(w.start for w in members), max(w.end for w in members)
                inside = [o for o in occurrences if o.group == group and start <= o.time <= end]
                taken |= {o for o in inside if _takes_part(o, inside, rule, clauses, members[0].clause)}
            if not taken:
                continue
            events = tuple(sorted(set().union(*(o.events for o in taken))))
            shown = min(taken, key=lambda o: (o.time, o.identity)).shown
            members = [w for members in joined for w in members]
            found.append((Burst(shown, events, better(w.value for w in members)), members))
    return found


def _takes_part(occurrence, inside, rule, clauses, clause):
    if not clauses:
        return rule.type.name in ("EVENT_COUNT", "VALUE_COUNT", "TEMPORAL") or number(occurrence.value) is not None
    present, absent, ordered = clauses[clause]
    if occurrence.slot not in present:
        return False
    if not ordered:
        return True
    step = present.index(occurrence.slot)
    if absent:  # a forward window: the steps from this one on follow it
        later = [o for o in inside if o.time > occurrence.time]
        return _chain([occurrence, *later], present[step:])
    earlier = [o for o in inside if o.time < occurrence.time]
    return _chain([*earlier, occurrence], present[: step + 1])


def _overlapping(windows):
    covers = []
    for window in sorted(windows, key=lambda w: (w.end, w.start)):
        if covers and window.start <= max(w.end for w in covers[-1]):
            covers[-1].append(window)
        else:
            covers.append([window])
    return covers


def _overlapping_covers(covers):
    joined = []
    for cover in sorted(covers, key=lambda c: (min(w.start for w in c), max(w.end for w in c))):
        if joined and min(w.start for w in cover) <= max(w.end for c in joined[-1] for w in c):
            joined[-1].append(cover)
        else:
            joined.append([cover])
    return joined


def counts(bursts):
    """Bursts as a multiset."""
    return Counter(bursts)
