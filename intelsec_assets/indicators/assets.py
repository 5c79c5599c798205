"""Assets of the indicators: the live state of a day, what overlaps, what is on a warninglist, what it scores.

Each builds on its own day before where it says so; how, is in the pure modules beside this one.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg

from intelsec_assets import policies
from intelsec_assets.days import day_end
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.feeds.catalogue import Catalogue, Protected, WarninglistPolicies
from intelsec_assets.indicators import copies, outcomes, scoring, state, warninglists
from intelsec_assets.indicators.list_terms import warninglist_terms
from intelsec_assets.indicators.matching.kept_lists import list_paths, lists_of_day
from intelsec_assets.indicators.models import load_model
from intelsec_assets.resources.partition import (
    Target,
    build,
    build_together,
    builds_from_stored,
    materialized,
    partition_day,
)
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.tables import (
    FEED_OVERLAPS,
    INDICATOR_SCORES,
    INDICATORS,
    WARNINGLIST_HITS,
    WARNINGLIST_TERMS,
    Table,
)


def _lists(root: Path, catalogue: Catalogue) -> warninglists.Warninglists:
    """The lists as they lie in the folder now; a process that builds several days reads unchanged files once."""
    files = [file for file in list_paths(root, catalogue.warninglists) if file.exists()]
    state = tuple((str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    return _read_lists(root, catalogue.warninglists, catalogue.protected, state)


@lru_cache(maxsize=1)
def _read_lists(
    root: Path, lists: WarninglistPolicies, protected: Protected, _state: tuple[tuple[str, int, int], ...]
) -> warninglists.Warninglists:
    return warninglists.load_lists(root, lists, protected)


def _yesterday(table: Table) -> dg.AssetDep:
    return dg.AssetDep(table.name, partition_mapping=policies.YESTERDAY)


@dg.asset(
    deps=["observations", _yesterday(INDICATORS)],
    group_name="indicators",
    partitions_def=policies.DAILY,
    kinds={"duckdb", "parquet"},
    owners=[policies.INTEL_TEAM],
    code_version="1",
    freshness_policy=policies.FRESH_DAILY,
    description=f"{INDICATORS.grain.capitalize()}.\n\n"
    "Yesterday's state and today's observations, merged; what no feed has "
    f"listed for {state.RETIRE_AFTER_DAYS} days leaves.",
)
def indicators(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day = workspace.lake(), partition_day(context)
    observations, before = lake.read("observations", day), lake.previous(INDICATORS.name, day)
    built = build(
        lake,
        INDICATORS,
        day,
        lambda con: state.amend(
            con, lake.relation(con, observations), lake.relation(con, before) if before else None, day
        ),
        inputs=[observations, *([before] if before else [])],
        code_version="1",
    )
    return materialized(INDICATORS, built)


@dg.asset(
    deps=[INDICATORS.name],
    group_name="indicators",
    partitions_def=policies.DAILY,
    kinds={"duckdb", "parquet"},
    owners=[policies.INTEL_TEAM],
    code_version="1",
    description=f"{FEED_OVERLAPS.grain.capitalize()}.\n\n"
    "Which feeds are copies of one another, measured; a copy adds no corroboration.",
)
def feed_overlaps(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day = workspace.lake(), partition_day(context)
    live = lake.read(INDICATORS.name, day)
    built = build(
        lake,
        FEED_OVERLAPS,
        day,
        lambda con: copies.overlaps(con, lake.relation(con, live)),
        inputs=[live],
        code_version="1",
    )
    return materialized(FEED_OVERLAPS, built)


_OF_LISTS: tuple[tuple[Table, list[dg.AssetDep], str], ...] = (
    (
        WARNINGLIST_HITS,
        [dg.AssetDep(INDICATORS.name), _yesterday(WARNINGLIST_HITS)],
        "Warninglists by their policy, and our own values. New indicators are matched, all of them if a list changed.",
    ),
    (
        WARNINGLIST_TERMS,
        [],
        "What each list was allowed to do that day, and why: day by day the history of the policies.",
    ),
)


@dg.multi_asset(
    name="match_warninglists",
    specs=[
        dg.AssetSpec(
            table.name,
            deps=deps,
            group_name="indicators",
            kinds={"duckdb", "parquet"},
            owners=[policies.INTEL_TEAM],
            code_version="1",
            description=f"{table.grain.capitalize()}.\n\n{why}",
        )
        for table, deps, why in _OF_LISTS
    ],
    partitions_def=policies.DAILY,
)
def match_warninglists(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.MaterializeResult[Any]]:
    lake, day, catalogue = workspace.lake(), partition_day(context), workspace.catalogue()
    live, before = lake.read(INDICATORS.name, day), lake.previous(WARNINGLIST_HITS.name, day)
    root, from_stored = workspace.data or Path(workspace.home), builds_from_stored(context)
    with lists_of_day(workspace.raw_store(), day, root, catalogue.warninglists, stored_first=from_stored) as place:
        lists = _lists(place, catalogue)
    # both in one step, as only here are the lists of the day at hand
    hits, terms = build_together(
        lake,
        [
            Target(WARNINGLIST_HITS, WARNINGLIST_HITS.name, note=lists.digest),
            Target(WARNINGLIST_TERMS, WARNINGLIST_TERMS.name),
        ],
        day,
        lambda con: (
            warninglists.update_hits(
                con,
                lake.relation(con, live),
                lake.relation(con, before) if before else None,
                lists,
                day,
                lists_changed=before is None or before.note != lists.digest,
            ),
            con.from_arrow(warninglist_terms(lists, day)),
        ),
        inputs=[live, *([before] if before else [])],
        code_version="1",
        configuration=f"{lists.lists}",
    )
    yield materialized(
        WARNINGLIST_HITS,
        hits,
        asset_key=dg.AssetKey(WARNINGLIST_HITS.name),
        lists=len(lists),
        lists_digest=lists.digest,
    )
    yield materialized(WARNINGLIST_TERMS, terms, asset_key=dg.AssetKey(WARNINGLIST_TERMS.name))


@dg.asset(
    deps=[INDICATORS.name, WARNINGLIST_HITS.name, ALERT_DISPOSITIONS.name],
    group_name="indicators",
    partitions_def=policies.DAILY,
    kinds={"duckdb", "parquet"},
    owners=[policies.INTEL_TEAM],
    code_version="1",
    freshness_policy=policies.FRESH_DAILY,
    automation_condition=dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed(),
    description=f"{INDICATOR_SCORES.grain.capitalize()}.\n\n"
    "The score, the contributions that sum to it, the decision and its reason.",
)
def indicator_scores(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day, catalogue = workspace.lake(), partition_day(context), workspace.catalogue()
    live, hits = lake.read(INDICATORS.name, day), lake.read(WARNINGLIST_HITS.name, day)
    earlier = [d for d in lake.days(ALERT_DISPOSITIONS.name) if d < day]
    verdicts = [lake.read(ALERT_DISPOSITIONS.name, d) for d in (*earlier, day)]
    model = load_model(catalogue.scoring_model)
    trust = {feed.name: (feed.trust, feed.trust_weight) for feed in catalogue.feeds}
    built = build(
        lake,
        INDICATOR_SCORES,
        day,
        lambda con: scoring.scores(
            con,
            lake.relation(con, live),
            lake.relation(con, hits),
            model=model,
            trust=trust,
            export=catalogue.export,
            as_of=day_end(day),
            outcomes=outcomes.outcomes(con, con.read_parquet([str(file.path) for file in verdicts]), day),
        ),
        inputs=[live, hits, *verdicts],
        code_version="1",
        configuration=f"{model} {sorted(trust.items())} {catalogue.export}",
    )
    return materialized(INDICATOR_SCORES, built, model=model.version)
