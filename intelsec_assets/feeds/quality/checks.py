"""Dagster checks of the feeds' expectations: a step a feed, a check an expectation, verdicts kept in the store.

They are no part of the daily run, which would pay for loading what evaluates them: `QUALITY_CHECKS` selects them for a
job of their own and takes them out of the others. What they claim is `suites`.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

import dagster as dg

from intelsec_assets.feeds.assets import feed_key
from intelsec_assets.feeds.catalogue import Catalogue, Feed
from intelsec_assets.feeds.quality.evaluation import QualityPartMissing
from intelsec_assets.feeds.quality.suites import suite
from intelsec_assets.records import CheckResult
from intelsec_assets.resources.feed_verdicts import asset_of, healthy_days, judge, keep
from intelsec_assets.resources.lake import LakeError, MissingPartition
from intelsec_assets.resources.partition import partition_day
from intelsec_assets.resources.workspace import Workspace, system_clock

# metadata of a check that belongs here
MARK = "intelsec/quality"


class _QualityChecks(dg.AssetSelection):
    """Every check with the mark, whatever feeds the catalogue of a location has."""

    def resolve_inner(self, asset_graph: Any, allow_missing: bool) -> AbstractSet[dg.AssetKey]:  # noqa: FBT001 - Dagster's
        return set()

    def resolve_checks_inner(self, asset_graph: Any, allow_missing: bool) -> AbstractSet[dg.AssetCheckKey]:  # noqa: FBT001 - Dagster's
        return {key for key in asset_graph.asset_check_keys if MARK in asset_graph.get_check_spec(key).metadata}

    def to_serializable_asset_selection(self, asset_graph: Any) -> dg.AssetSelection:
        return dg.AssetSelection.checks(*self.resolve_checks_inner(asset_graph, allow_missing=False))

    def needs_parentheses_when_operand(self) -> bool:
        return False

    def to_selection_str(self) -> str:
        return "quality checks"


QUALITY_CHECKS: dg.AssetSelection = _QualityChecks()


def quality_checks(catalogue: Catalogue) -> list[dg.AssetChecksDefinition]:
    """The checks of every feed that the catalogue enables."""
    return [_feed_checks(feed) for feed in catalogue.enabled_feeds]


def _feed_checks(feed: Feed) -> dg.AssetChecksDefinition:
    key, names = feed_key(feed), [expectation.name for expectation in suite(feed)]

    @dg.multi_asset_check(
        name=f"{feed.asset_name}_quality",
        specs=[
            dg.AssetCheckSpec(
                expectation.name,
                asset=key,
                description=f"{expectation.claim} {expectation.what_to_do}",
                metadata={
                    MARK: True,
                    "severity": expectation.severity,
                    "expectation": expectation.gx_type or "comparison of the source's columns with the day before",
                },
            )
            for expectation in suite(feed)
        ],
        can_subset=True,
    )
    def checks(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> Iterator[dg.AssetCheckResult]:
        asked = {check.name for check in context.selected_asset_check_keys}
        results = _results(workspace, feed, _day(context, workspace, feed), asked, context.run.run_id)
        for result in sorted(results, key=lambda one: names.index(one.check)):
            yield dg.AssetCheckResult(
                check_name=result.check,
                asset_key=key,
                passed=result.passed,
                severity=dg.AssetCheckSeverity.ERROR if result.severity == "ERROR" else dg.AssetCheckSeverity.WARN,
                metadata=dict(result.evidence),
            )

    return checks


def _day(context: dg.AssetCheckExecutionContext, workspace: Workspace, feed: Feed) -> date:
    """The run's partition; executed by itself in the UI a check gets none, then it is about the newest day."""
    if context.has_partition_key:
        return partition_day(context)
    days = workspace.lake().days(asset_of(feed))
    if not days:
        raise MissingPartition(f"the lake holds no day of {asset_of(feed)} to look at. Build one: intelsec run")
    return days[-1]


def _results(workspace: Workspace, feed: Feed, day: date, asked: set[str], run_id: str) -> list[CheckResult]:
    """Results of the checks asked for, as the store has them; what this run has judged already is not judged again."""
    lake = workspace.lake()
    with workspace.store() as store:

        def known() -> list[CheckResult]:
            latest = store.latest_checks(day, [asset_of(feed)])
            return [result for result in latest if result.check in asked and result.run_id == run_id]

        if {result.check for result in known()} != asked:
            try:
                healthy = healthy_days(lake, day).get(feed.name, {})
                judged = judge(lake, workspace.raw_store(), feed, day, healthy, asked)
            except QualityPartMissing as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error
            except LakeError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error
            keep(store, judged, run_id, system_clock())
        return known()
