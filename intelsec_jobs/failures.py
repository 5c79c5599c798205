"""What a failed step says to people: the reason in the words of our own errors, without what Dagster wraps around it.

Who is told, and when, belongs to the runner and the sensors.
"""

from __future__ import annotations

from typing import Any


def reason(failure: Any) -> str:
    """What was raised in the step, in its own words; where it came from in turn is in the trace."""
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = _raised(failure)
    if error is None:
        return "no reason was given"
    message: str = error.message.strip()
    # our own errors are sentences; of a stranger the class is half of what there is to know
    return message.removeprefix("intelsec_assets.").partition(": ")[2] if message.startswith("intelsec_") else message


def is_failed_check(failure: Any) -> bool:
    """True when the step only says that a blocking check did not pass."""
    error = _raised(failure)
    return error is not None and error.cls_name == "DagsterAssetCheckFailedError"


def _raised(failure: Any) -> Any:
    """The error of the step's own code, without what Dagster wraps around it."""
    error = failure.error
    if error is not None and error.cls_name == "DagsterExecutionStepExecutionError" and error.cause is not None:
        return error.cause
    return error
