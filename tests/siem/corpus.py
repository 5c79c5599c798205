"""Rules that use every construct of Sigma a SIEM backend can meet, generated: each alone, negated, in lists and groups.

What is made of them is the tests'; nothing here is a rule anybody would run.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import yaml

_ID_SPACE = uuid.UUID("0d1f5a6e-6c1b-5d7e-8a44-3b1f5f1a9c02")

# modifier chain -> values that it takes
_VALUES: dict[str, list[Any]] = {
    "": [
        "plain",
        "with space",
        "CreateAccessKey",
        "a*b",
        "*end",
        "start*",
        "*mid*",
        "a?b",
        r"back\slash",
        r"C:\dir\*",
        'quo"te',
        "apos'trophe",
        "dash-and+plus",
        "brackets(){}[]",
        "colon:slash/",
        "ünïcode",
        "",
        0,
        42,
        -3,
        1.5,
        True,
        False,
        None,
        ["one", "two"],
        ["one", "tw*", "three"],
        [1, 2, 3],
        ["one", 2],
        "percent%under_score",
        r"escaped\*star",
        "tab\tnew",
        "$dollar^caret|pipe&amp;",
        "<angle>~tilde#hash@at!bang",
    ],
    "contains": ["part", ["a", "b"], "with space", 'q"', "a*b", r"x\y"],
    "startswith": ["pre", ["a", "b"], "pre fix", "a?"],
    "endswith": ["post", ["a", "b"], ".exe", r"\cmd.exe"],
    "contains|all": [["a", "b"], ["a b", "c"]],
    "all": [["*a*", "*b*"]],
    "cased": ["CaseD", "Ca*", ["A", "B"]],
    "contains|cased": ["CaseD"],
    "startswith|cased": ["CaseD"],
    "endswith|cased": ["CaseD"],
    "re": ["^abc$", "a.*b", r"\d+", "[a-z]{2,3}", "a/b", 'a"b', "(x|y)z", ["^a", "b$"], r"foo\.bar"],
    "re|i": ["^abc$"],
    "re|m": ["^abc$"],
    "re|s": ["a.b"],
    "cidr": ["10.0.0.0/8", "192.168.1.0/24", "203.0.113.7/32", "2001:db8::/32", ["10.0.0.0/8", "172.16.0.0/12"]],
    "exists": [True, False],
    "gt": [5, 1.5],
    "gte": [5],
    "lt": [5],
    "lte": [5],
    "neq": ["x", 5],
    "fieldref": ["otherField"],
    "fieldref|startswith": ["otherField"],
    "fieldref|endswith": ["otherField"],
    "fieldref|contains": ["otherField"],
    "base64": ["text"],
    "base64offset|contains": ["text"],
    "wide|base64offset|contains": ["text"],
    "windash": ["-flag value"],
    "windash|contains": [" -x "],
    "minute": [5],
    "hour": [5],
    "day": [5],
    "week": [5],
    "month": [5],
    "year": [2024],
}
_FIELDS = ("eventName", "userIdentity.arn", "field with space")
_SHAPES = (
    "selection",
    "not selection",
    "selection and not other",
    "selection or other",
    "other and (selection or third)",
)
_MORE_SHAPES = (
    "not (selection or other)",
    "not (selection and other)",
    "1 of sel*",
    "all of sel*",
    "not 1 of sel*",
    "selection and not 1 of filter*",
    "(selection or other) and not third",
    "not selection and not other",
    "not (not selection)",
)


def generated() -> Iterator[str]:
    """The texts: one rule each, then correlations with the rules they count."""
    yield from dict.fromkeys(_single())
    yield from _grouped()
    yield from _keywords()
    yield from _correlations()


def _single() -> Iterator[str]:
    for (modifiers, values), field in product(_VALUES.items(), _FIELDS):
        key = f"{field}|{modifiers}" if modifiers else field
        for value in values if field == _FIELDS[0] else values[:2]:
            for shape in _SHAPES if field == _FIELDS[0] else _SHAPES[:2]:
                yield _rule({"selection": {key: value}, "other": {"b": "x"}, "third": {"c": [1, 2]}}, shape)


def _grouped() -> Iterator[str]:
    chosen = ["", "contains", "re", "cidr", "fieldref", "cased"]
    for left, right in product(chosen, repeat=2):
        for shape in _MORE_SHAPES:
            detections = {
                "selection": [{f"a|{left}".rstrip("|"): _VALUES[left][0], "z": "y"}, {"q": "r*"}],
                "selection_two": {"b": ["x", "y*"]},
                "other": {f"b|{right}".rstrip("|"): _VALUES[right][0]},
                "third": {"c": None},
                "filter_one": {f"d|{right}".rstrip("|"): _VALUES[right][0]},
                "filter_two": {"e": "f", "g|contains": "h"},
            }
            yield _rule(detections, shape)


def _keywords() -> Iterator[str]:
    for values, shape in product(
        (["word"], ["two words", "other"], ["a*b"], [42], ['q"uote']),
        ("keywords", "not keywords", "keywords and other"),
    ):
        yield _rule({"keywords": values, "other": {"b": "x"}}, shape)
    yield _rule({"keywords": {"|all": ["one", "two"]}, "other": {"b": "x"}}, "keywords")
    yield _rule({"keywords": {"|re": ["a.*b"]}, "other": {"b": "x"}}, "keywords or other")


def _correlations() -> Iterator[str]:
    groups: tuple[list[str] | None, ...] = (None, ["userIdentity.arn"], ["userIdentity.arn", "sourceIPAddress"])
    for group, span in product(groups, ("30s", "10m", "2h", "1d")):
        for operator, number in (("gte", 5), ("gt", 1), ("lt", 3), ("eq", 2), ("lte", 4)):
            yield _correlation("event_count", ["one"], group, span, {operator: number})
            yield _correlation(
                "value_count", ["one"], group, span, {operator: number, "field": "requestParameters.key"}
            )
        for kind in ("temporal", "temporal_ordered"):
            yield _correlation(kind, ["one", "two"], group, span, None)
            yield _correlation(kind, ["one", "two"], group, span, "one and two")
        for kind in ("value_sum", "value_avg", "value_median"):
            yield _correlation(kind, ["one"], group, span, {"gte": 10, "field": "bytes"})
        percentile = {"gte": 10, "field": "bytes", "percentile": 95}
        yield _correlation("value_percentile", ["one"], group, span, percentile)
        yield _correlation("event_count", ["one", "two"], group, span, {"gte": 5})
    yield _correlation("temporal", ["one", "two"], ["who"], "10m", None, {"who": {"one": "a.b", "two": "c"}})


def _rule(detections: dict[str, Any], condition: str) -> str:
    used = [name for name in detections if name in condition or any(_covers(word, name) for word in condition.split())]
    kept = {name: detections[name] for name in used}
    return yaml.safe_dump(
        _document({"detection": {**kept, "condition": condition}}), allow_unicode=True, sort_keys=False
    )


def _covers(word: str, name: str) -> bool:
    return word.strip("()").endswith("*") and name.startswith(word.strip("()")[:-1])


def _document(parts: dict[str, Any]) -> dict[str, Any]:
    identity = str(uuid.uuid5(_ID_SPACE, repr(parts)))
    return {
        "title": "generated",
        "id": identity,
        "status": "test",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        **parts,
    }


def _correlation(
    kind: str,
    rules: list[str],
    group: list[str] | None,
    span: str,
    condition: Any,
    aliases: dict[str, Any] | None = None,
) -> str:
    bases = [
        {**_document({"detection": {"selection": {"eventName": name}, "condition": "selection"}}), "name": name}
        for name in ("one", "two")
        if name in rules
    ]
    correlation: dict[str, Any] = {"type": kind, "rules": rules, "timespan": span}
    if group is not None:
        correlation["group-by"] = group
    if condition is not None:
        correlation["condition"] = condition
    if aliases is not None:
        correlation["aliases"] = aliases
    head = {"title": "correlation", "id": str(uuid.uuid5(_ID_SPACE, repr(correlation))), "correlation": correlation}
    return yaml.safe_dump_all([*bases, head], allow_unicode=True, sort_keys=False)
