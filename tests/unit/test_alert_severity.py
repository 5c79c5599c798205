"""Severity from rule, asset, indicator and certainty, with its reason; and the file that says what assets are worth.

Pure but for the file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.detections.alerts.asset_policy import AssetClass, AssetPolicy, load_asset_policy
from intelsec_assets.detections.alerts.severity import AssetWorth, severity
from intelsec_assets.detections.errors import AlertError
from intelsec_assets.detections.findings import LEVELS
from tests.alert_findings import ALICE, finding

ANY = AssetWorth()


@pytest.mark.parametrize("level", LEVELS)
def test_without_more_the_severity_is_the_level_of_the_rule(level: str) -> None:
    assert severity(finding(level=level), ANY).level == level


def test_a_strong_indicator_lifts_every_level_but_the_lowest_and_a_weak_one_lifts_none() -> None:
    strong = [severity(finding(level=level, indicator_score=0.7), ANY).level for level in LEVELS]
    weak = [severity(finding(level=level, indicator_score=0.69), ANY).level for level in LEVELS]

    assert strong == ["informational", "medium", "high", "critical", "critical"]
    assert weak == list(LEVELS)


def test_a_precious_asset_lifts_a_level_and_a_sandbox_takes_one() -> None:
    assert severity(finding(level="high"), AssetWorth(1.25, "production")).level == "critical"
    assert severity(finding(level="high"), AssetWorth(0.5, "sandbox")).level == "medium"


def test_unknown_context_costs_the_two_upper_levels_one_and_silences_none() -> None:
    found = [severity(finding(level=level, certainty="context_unknown"), ANY).level for level in LEVELS]

    assert found == ["informational", "low", "medium", "medium", "high"]


def test_the_reason_is_the_calculation_in_words() -> None:
    one = finding(level="high", indicator_score=0.8, certainty="context_unknown")

    assert severity(one, AssetWorth(1.25, "production")).reason == (
        "rule high (75), asset production x 1.25, indicator score 0.80 x 1.45, context unknown x 0.75 = 100: critical"
    )


@given(st.sampled_from(LEVELS), st.floats(0, 1), st.floats(0, 1), st.floats(0.25, 2), st.floats(0.25, 2))
def test_more_of_anything_is_never_less_severe(level: str, low: float, high: float, a: float, b: float) -> None:
    less, more = sorted((low, high))
    worth_less, worth_more = sorted((a, b))

    low_rank = severity(finding(level=level, indicator_score=less), AssetWorth(worth_less, "a")).rank
    assert low_rank <= severity(finding(level=level, indicator_score=more), AssetWorth(worth_more, "b")).rank


def test_of_several_kinds_of_assets_the_one_worth_most_counts() -> None:
    policy = AssetPolicy(
        (
            AssetClass("sandbox", 0.5, account="1111*"),
            AssetClass("administrators", 1.5, entity="arn:aws:iam::*:user/al*", resource="*user/bob"),
        )
    )

    assert policy.worth(finding()) == AssetWorth(1.5, "administrators")
    assert policy.worth(finding(resource=None)) == AssetWorth(0.5, "sandbox")
    assert policy.worth(finding(account=None, entity=ALICE.upper())) == ANY


def test_a_policy_is_read_from_its_file_and_its_absence_means_all_are_alike(tmp_path: Path) -> None:
    file = tmp_path / "asset_policy.yaml"
    assert load_asset_policy(file) == load_asset_policy(None) == AssetPolicy()
    file.write_text("version: 1\nassets:\n  - {name: production, account: '1111*', factor: 1.25}\n")

    assert load_asset_policy(file).worth(finding()) == AssetWorth(1.25, "production")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("version: 1\nassets:\n  - {name: a, account: b, factor: 9}", "line 3, assets.0..factor: 9 is greater"),
        ("version: 1\nassets:\n  - {name: a, factor: 1}", "line 3"),
        ("version: 1\nassets:\n  - {name: a, user: b, factor: 1}", "line 3.*'user' was unexpected"),
        ("version: 2\nassets: []", "line 1, version"),
        ("a: &a [x, x]\nb: [*a, *b]", "not YAML"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_by_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "asset_policy.yaml"
    file.write_text(text)

    with pytest.raises(AlertError, match=says):
        load_asset_policy(file)
