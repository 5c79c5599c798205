"""The gate before an export: it opens only for checks of this very day and these very bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from intelsec_assets.exports.gate import RequiredCheck, protected_refusals, refusals
from intelsec_assets.feeds.catalogue import Protected
from intelsec_assets.indicators.protected import Guard
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
        ([replace(PASSED[0], passed=None), PASSED[1]], "did not pass"),
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


def plan(*rows: tuple[str, str, str]) -> pa.Table:
    """A plan of these (indicator type, value, state)."""
    return pa.table(dict(zip(("indicator_type", "value", "state"), zip(*rows, strict=True), strict=True)))


OURS = Guard(Protected(domains=("corp.example",), networks=("192.0.2.0/24",)))


@pytest.mark.parametrize(
    ("kind", "value", "entry"),
    [
        ("domain", "vpn.corp.example", "corp.example"),
        ("url", "https://corp.example/login", "corp.example"),
        ("ipv4", "192.0.2.9", "192.0.2.0/24"),
        ("url", "http://192.0.2.9/a", "192.0.2.0/24"),
        ("ipv6", "2002:c000:209::1", "192.0.2.0/24"),
        ("cidr", "192.0.0.0/16", "192.0.2.0/24"),
    ],
)
def test_what_is_ours_is_refused_by_its_value_whatever_led_to_its_export(kind: str, value: str, entry: str) -> None:
    (reason,) = protected_refusals(plan(("domain", "evil.test", "active"), (kind, value, "active")), OURS)
    assert f"{kind} {value} is ours (protected entry {entry})" in reason


def test_what_is_ours_may_be_withdrawn() -> None:
    assert protected_refusals(plan(("domain", "corp.example", "withdrawn")), OURS) == []


def test_every_reason_is_told_not_only_the_first() -> None:
    assert len(refusals(REQUIRED, [], VERSIONS)) == 2
