"""The gate before an export: it opens only for checks of this very day and these very bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from intelsec_assets.exports.gate import RequiredCheck, refusals
from intelsec_assets.records import CheckResult

DAY = date(2026, 3, 5)
REQUIRED = [RequiredCheck("observations", "rows_conserved", DAY), RequiredCheck("indicators", "unique", DAY)]
VERSIONS = {"observations": "a" * 64, "indicators": "b" * 64}
AT = datetime(2026, 3, 6, tzinfo=UTC)
PASSED = [
    CheckResult(need.asset, need.check, DAY, True, "ERROR", True, VERSIONS[need.asset], "run", AT) for need in REQUIRED
]


def test_it_opens_when_every_check_passed_on_the_files_as_they_are() -> None:
    assert refusals(REQUIRED, PASSED, VERSIONS) == []


def test_nothing_required_refuses_nothing() -> None:
    assert refusals([], [], {}) == []


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (PASSED[1:], "has not run"),
        ([replace(PASSED[0], passed=False), PASSED[1]], "did not pass"),
        ([replace(PASSED[0], data_version="c" * 64), PASSED[1]], "is now aaaaaaaaaaaa"),
        ([replace(PASSED[0], data_version=None), PASSED[1]], "version unknown"),
        ([replace(PASSED[0], day=date(2026, 3, 4)), PASSED[1]], "has not run"),
    ],
)
def test_it_stays_shut_and_names_the_check(results: list[CheckResult], said: str) -> None:
    (reason,) = refusals(REQUIRED, results, VERSIONS)
    assert "rows_conserved of observations for 2026-03-05" in reason
    assert said in reason


def test_a_file_that_is_gone_shuts_it() -> None:
    (reason,) = refusals(REQUIRED, PASSED, {"observations": "a" * 64})
    assert "indicators has no file" in reason


def test_every_reason_is_told_not_only_the_first() -> None:
    assert len(refusals(REQUIRED, [], VERSIONS)) == 2
