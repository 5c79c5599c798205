"""What an expectation asks and what was found, in words people read.

Great Expectations' answers come in as plain values; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from intelsec_assets.feeds.quality.batches import Batch
from intelsec_assets.feeds.quality.expectations import Expectation

_SHOWN = 6  # of a set of values
_TEXT = 80  # characters of a value


def expected_words(expectation: Expectation) -> str:
    """What is expected: the claim, and its figures where it has some."""
    details = [text for text in map(_arguments, expectation.parts()) if text]
    details += [f"learnt from {expectation.basis}"] if expectation.basis else []
    return f"{expectation.claim} ({'; '.join(dict.fromkeys(details))})" if details else expectation.claim


def _arguments(part: Mapping[str, Any]) -> str:
    words = []
    column = part.get("column") or part.get("column_A")
    low, high = part.get("min_value"), part.get("max_value")
    if low is not None and high is not None:
        words.append(f"{_value(low)} to {_value(high)}")
    elif low is not None:
        words.append(f"at least {_value(low)}")
    elif high is not None:
        words.append(f"at most {_value(high)}")
    if "value_set" in part:
        words.append(f"one of {_several(part['value_set'])}")
    if "regex" in part:
        words.append(f"of the form {part['regex']}")
    if "threshold" in part:
        words.append(f"a divergence of at most {part['threshold']:.2f}")
    if part.get("mostly") is not None:
        words.append(f"for {part['mostly']:.0%} of the rows")
    return f"{column} {', '.join(words)}" if words and column else ", ".join(words)


def found_words(expectation: Expectation, answers: Sequence[Mapping[str, Any]], batch: Batch) -> str:
    """What was found: for a claim about rows how many are against it and the first, else the figure."""
    against = [answer for answer in answers if answer["result"].get("unexpected_count")]
    sampled = f", looking at {batch.sampled}" if batch.sampled else ""
    if against:
        result = against[0]["result"]
        first = next(iter(result.get("partial_unexpected_index_list") or ()), None)
        count = sum(int(answer["result"]["unexpected_count"]) for answer in against)
        return f"{count:,} of {int(result['element_count']):,} rows{_place(first)}{sampled}"
    details = [_observed(expectation, answer, batch) for answer in answers]
    found = "; ".join(dict.fromkeys(text for text in details if text))
    return (found or f"holds for {batch.rows:,} rows") + sampled


def _place(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    own = [f"{name} {_value(value)}" for name, value in row.items() if name not in ("file", "line", "raw_value")]
    said = f" in {_value(row['raw_value'])!r}" if row.get("raw_value") else ""
    return f", first: {row.get('file')} line {row.get('line')}: {', '.join(own)}{said}"


def _observed(expectation: Expectation, answer: Mapping[str, Any], batch: Batch) -> str:
    result = answer["result"]
    observed, details = result.get("observed_value"), result.get("details") or {}
    if expectation.gx_type == "expect_table_row_count_to_be_between":
        low, high = expectation.kwargs["min_value"], expectation.kwargs["max_value"]
        return f"{batch.rows:,} rows, usually {low:,} to {high:,}"
    if "observed_partition" in details:
        moved = _moved(details["observed_partition"], details["expected_partition"])
        figure = "beyond measure" if observed is None else f"{observed:.2f}"
        return f"a divergence of {figure}: {moved}"
    missing = (details.get("mismatched") or {}).get("missing")
    if missing:
        return f"without {', '.join(missing)}"
    if answer["success"] and expectation.by_column:
        return ""
    column = answer["expectation_config"]["kwargs"].get("column")
    if observed is None or isinstance(observed, list | dict) or str(observed) == "NaT":
        return "" if answer["success"] else f"nothing in {column}"
    return f"{column} {_value(observed)}" if column else _value(observed)


def _moved(observed: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """The shares that moved most."""
    usual = dict(zip(expected["values"], expected["weights"], strict=True))
    shares = dict(zip(observed["values"], observed["weights"], strict=True))
    most = sorted(shares, key=lambda kind: (-abs(shares[kind] - usual.get(kind, 0)), str(kind)))[:3]
    return ", ".join(f"{kind} {shares[kind]:.0%} (usually {usual.get(kind, 0):.0%})" for kind in most)


def _several(values: Sequence[Any]) -> str:
    shown = ", ".join(_value(value) for value in values[:_SHOWN])
    return f"{shown} and {len(values) - _SHOWN} more" if len(values) > _SHOWN else shown


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
