"""The report on a day's quality as an asset, and the facts it is made from: gate, held feeds, verdicts.

What follows from the facts is `report`; the command `intelsec quality` shows the same.
"""

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg

from intelsec_assets import engine, policies
from intelsec_assets.exports.assets import required_checks
from intelsec_assets.exports.gate import refusals
from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.quality.evaluation import QualityPartMissing
from intelsec_assets.feeds.quality.report import Facts, HeldFeed, Refusal, markdown, problems, summary
from intelsec_assets.resources.feed_verdicts import bring_up_to_date, standing
from intelsec_assets.resources.lake import Lake, LakeError
from intelsec_assets.resources.partition import listing, partition_day
from intelsec_assets.resources.store import Store
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import EXPORT_PLAN, FEED_STATUS


@dg.asset(
    deps=[FEED_STATUS.name, EXPORT_PLAN.name],
    group_name="quality",
    partitions_def=policies.DAILY,
    kinds={"greatexpectations"},
    owners=[policies.INTEL_TEAM],
    code_version="1",
    description="One problem of the day with what it costs and the command that comes next.\n\n"
    "Blocked exports first, then held feeds, claims that nobody could evaluate, failed ones and warnings; by what "
    "depends on them. Verdicts on feeds that are missing or speak of other content are made first.",
)
def quality_report(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day, feeds = workspace.lake(), partition_day(context), workspace.catalogue().enabled_feeds
    with workspace.store() as store:
        waiting, run_id = standing(lake, store, feeds, day).waiting, context.run.run_id
        try:
            bring_up_to_date(lake, workspace.raw_store(), store, waiting, day, run_id=run_id, clock=system_clock)
        except QualityPartMissing as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        facts = gather(lake, store, feeds, day)
    found = problems(facts)
    rows: list[dict[str, str | int]] = [
        {
            "costs": problem.rank.words,
            "figure": problem.cost,
            "unit": problem.unit,
            "what": problem.subject,
            "found": problem.found,
            "next": problem.next_step,
        }
        for problem in found
    ]
    text = markdown(facts, found)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found),
            "dagster/partition_row_count": len(found),
            "report": dg.MetadataValue.md(text),
            "verdicts": summary(facts),
            **listing(
                rows,
                {
                    "costs": "what it costs, dearest first",
                    "figure": "how many of the unit",
                    "unit": "what is counted",
                    "what": "feed, or table and check",
                    "found": "what was found",
                    "next": "the command that comes next",
                },
            ),
        },
        data_version=dg.DataVersion(hashlib.sha256(text.encode()).hexdigest()),
    )


def gather(lake: Lake, store: Store, feeds: Iterable[Feed], day: date) -> Facts:
    """What is known of a built day. Raises MissingPartition if it is not built."""
    status = lake.read(FEED_STATUS.name, day)
    known = standing(lake, store, feeds, day)
    refused, planned, exported = _exports(lake, store, day)
    with engine.session() as con:
        held = lake.relation(con, status).filter("held").project("feed, status, reason").order("feed").fetchall()
    return Facts(
        day=day,
        checks=known.current,
        refusals=refused,
        waiting=planned,
        held=[HeldFeed(feed, state, reason, *exported.get(feed, (0, 0))) for feed, state, reason in held],
        rows={asset: _rows(lake, asset, day) for asset in {check.asset for check in known.current}},
        unjudged=[feed.name for feed in known.waiting],
        unbuilt=[feed.name for feed in known.unbuilt],
    )


def _exports(lake: Lake, store: Store, day: date) -> tuple[list[Refusal], int, dict[str, tuple[int, int]]]:
    """Why the day may not leave the house, how many changes wait for that, and what each feed's exports are.

    A day whose plan is not built yet has nothing to refuse.
    """
    required = required_checks(day)
    versions = {}
    for asset in {check.asset for check in required}:
        try:
            versions[asset] = lake.read(asset, day).sha256
        except LakeError:
            continue  # the gate says that there is no such file
    latest = store.latest_checks(day, {check.asset for check in required})
    refused = [
        Refusal(need.asset, need.check, reason) for need in required for reason in refusals([need], latest, versions)
    ]
    if EXPORT_PLAN.name not in versions:
        return refused, 0, {}
    with engine.session() as con:
        plan = lake.relation(con, lake.read(EXPORT_PLAN.name, day))
        changes = plan.filter("action in ('add', 'update', 'withdraw')").aggregate("count(*)").fetchall()[0][0]
        named = (
            plan.filter("state = 'active'")
            .project("unnest(sources) as feed, len(sources) as feeds")
            .aggregate("feed, count(*), count(*) filter (where feeds = 1)", "feed")
            .fetchall()
        )
    return refused, int(changes), {feed: (int(total), int(alone)) for feed, total, alone in named}


def _rows(lake: Lake, asset: str, day: date) -> int:
    """Rows of an asset's day; 0 of what is no table of the lake, such as a model of the warehouse."""
    try:
        return lake.read(asset, day).rows
    except LakeError:
        return 0
