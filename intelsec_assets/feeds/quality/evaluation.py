"""Expectations put to Great Expectations: one suite, one frame, one call; its answers as verdicts with rows to open.

The library takes seconds to load and is imported in here alone, inside the function. An error of its own is an error,
never a failed expectation: it reports both as `success: false`.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intelsec_assets.extras import installing
from intelsec_assets.feeds.quality.batches import Batch
from intelsec_assets.feeds.quality.expectations import Expectation, NotKnown
from intelsec_assets.feeds.quality.verdict_text import expected_words, found_words
from intelsec_assets.feeds.quality.verdicts import ERROR, FAILED, NO_VERDICT, PASSED, Verdict

SAMPLE = 5  # rows of evidence: enough to find the cause, little enough to read
_PLACE = ("file", "line", "raw_value")
_ROW_COUNT = "expect_table_row_count_to_be_between"


class QualityPartMissing(Exception):
    """The libraries that evaluate expectations are not installed; the message names the command that installs them."""


def require_quality_part() -> None:
    """Raise QualityPartMissing unless Great Expectations and pandas are installed. Loads neither."""
    missing = [name for name in ("great_expectations", "pandas") if importlib.util.find_spec(name) is None]
    if missing:
        raise QualityPartMissing(
            f"expectations cannot be evaluated: {' and '.join(missing)} not installed; {installing('quality')}"
        )


def evaluate(stated: Sequence[tuple[Expectation, Expectation | NotKnown]], batch: Batch) -> list[Verdict]:
    """A verdict for each expectation, in order. `stated` pairs each with itself bound to the day, or why it is not.

    Raises QualityPartMissing.
    """
    require_quality_part()
    verdicts: dict[str, Verdict] = {}
    asked: list[Expectation] = []
    for expectation, bound in stated:
        if batch.usable < expectation.least_rows:
            reason = f"{batch.usable:,} usable rows of {expectation.least_rows:,} that it takes"
            verdicts[expectation.name] = _no_verdict(expectation, reason)
        elif isinstance(bound, NotKnown):
            verdicts[expectation.name] = _no_verdict(expectation, bound.reason)
        else:
            asked.append(bound)
    answers = _ask(asked, batch)
    for expectation in asked:
        verdicts[expectation.name] = _verdict(expectation, answers[expectation.name], batch)
    return [verdicts[expectation.name] for expectation, _ in stated]


def _no_verdict(expectation: Expectation, reason: str) -> Verdict:
    return Verdict(
        expectation.name, NO_VERDICT, expectation.severity, f"no verdict: {reason}", expectation.claim, "nothing"
    )


def _ask(expectations: Sequence[Expectation], batch: Batch) -> dict[str, list[dict[str, Any]]]:
    """What Great Expectations says of each, an answer a part, as plain values."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity

    answers: dict[str, list[dict[str, Any]]] = {expectation.name: [] for expectation in expectations}
    objects = []
    for expectation in expectations:
        for part in expectation.parts():
            arguments = _scaled(expectation, part, batch.stride)
            try:
                objects.append(
                    ExpectationConfiguration(
                        type=expectation.gx_type,
                        kwargs=dict(arguments),
                        severity=FailureSeverity(expectation.severity),
                        meta={"name": expectation.name},
                    ).to_domain_obj()
                )
            except Exception as error:  # noqa: BLE001 - whatever it does not like of one must not cost the others
                answers[expectation.name].append(_raised(part, error))
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    suite = gx.ExpectationSuite(name="feed", expectations=objects)
    format_ = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": SAMPLE,
        "unexpected_index_column_names": [name for name in _PLACE if name in batch.table.column_names],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas and SciPy about what it does to empty columns
        frame = batch.table.to_pandas()
        whole = context.data_sources.add_pandas("feeds").add_dataframe_asset("rows")
        rows = whole.add_batch_definition_whole_dataframe("day").get_batch({"dataframe": frame})
        result = rows.validate(suite, result_format=format_)
    for one in result.results:
        answer: dict[str, Any] = one.to_json_dict()
        answers[answer["expectation_config"]["meta"]["name"]].append(answer)
    return answers


def _scaled(expectation: Expectation, part: Mapping[str, Any], stride: int) -> Mapping[str, Any]:
    """The arguments as they hold for every `stride`-th row: only a number of rows depends on it."""
    if expectation.gx_type != _ROW_COUNT or stride == 1:
        return part
    return {**part, "min_value": part["min_value"] // stride, "max_value": -(-part["max_value"] // stride) + 1}


def _raised(part: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    return {
        "success": False,
        "expectation_config": {"kwargs": dict(part)},
        "result": {},
        "exception_info": {"raised_exception": True, "exception_message": str(error)},
    }


def _verdict(expectation: Expectation, answers: Sequence[Mapping[str, Any]], batch: Batch) -> Verdict:
    raised = [message for answer in answers for message in _exceptions(answer["exception_info"])]
    expected = expected_words(expectation)
    if raised or not answers:
        why = " ".join((raised or ["no answer"])[0].split())[:300]
        action = f"The claim could not be evaluated, which says nothing about the data. {expectation.what_to_do}"
        return Verdict(
            expectation.name, ERROR, expectation.severity, f"could not be evaluated: {why}", expected, action
        )
    failed = [answer for answer in answers if not answer["success"]]
    against = sum(int(answer["result"].get("unexpected_count") or 0) for answer in failed) * batch.stride
    return Verdict(
        expectation.name,
        FAILED if failed else PASSED,
        expectation.severity,
        found_words(expectation, failed or answers, batch),
        expected,
        expectation.what_to_do,
        against if failed else 0,
        tuple(_samples(failed))[:SAMPLE],
    )


def _exceptions(info: Mapping[str, Any]) -> Iterator[str]:
    """Messages of what was raised: the info is one record, or one for each metric that broke."""
    if "raised_exception" in info:
        if info["raised_exception"]:
            yield str(info.get("exception_message") or "an exception without a message")
        return
    for nested in info.values():
        if isinstance(nested, Mapping):
            yield from _exceptions(nested)


def _samples(failed: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for answer in failed:
        for row in answer["result"].get("partial_unexpected_index_list") or ():
            placed = {name: row[name] for name in _PLACE if name in row}
            yield placed | {name: value for name, value in row.items() if name not in placed}
