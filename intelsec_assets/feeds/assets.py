"""Assets of the feeds: a snapshot a feed, then the day's observations, quarantine, and terms and health of every feed.

Fetching, parsing and judging a feed are the pure modules beside this one.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from intelsec_assets import engine, policies
from intelsec_assets.feeds import formats, status
from intelsec_assets.feeds.catalogue import Catalogue, Feed
from intelsec_assets.feeds.snapshot import RawStore, RawStoreError, Snapshot
from intelsec_assets.feeds.take import take_snapshot
from intelsec_assets.feeds.terms import feed_terms
from intelsec_assets.indicators.observations import observe
from intelsec_assets.resources.lake import Lake, LakeError, LakeFile
from intelsec_assets.resources.partition import (
    Built,
    Target,
    build,
    build_together,
    builds_from_stored,
    materialized,
    partition_day,
)
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import FEED_ROWS, FEED_STATUS, FEED_TERMS, OBSERVATIONS, REJECTED_OBSERVATIONS


def feed_key(feed: Feed) -> dg.AssetKey:
    """Key of a feed's asset."""
    return dg.AssetKey(["feeds", feed.asset_name])


def feed_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition]:
    """The assets of the domain for the feeds that the catalogue enables."""
    feeds = catalogue.enabled_feeds
    return [*(_snapshot_asset(feed) for feed in feeds), _observations_asset(feeds), _status_asset(feeds)]


def _snapshot_asset(feed: Feed) -> dg.AssetsDefinition:
    key = feed_key(feed)

    @dg.asset(
        key=key,
        group_name="feeds",
        partitions_def=policies.DAILY,
        kinds={"parquet", "json" if feed.format in ("misp_feed", "misp_event", "taxii", "stix") else "csv"},
        owners=[policies.INTEL_TEAM],
        code_version="1",
        retry_policy=policies.RETRY_EDGES,
        description=f"{FEED_ROWS.grain.capitalize()}: {feed.title} of {feed.publisher} ({feed.licence}), "
        f"{feed.format}, {feed.mode}.\n\n{feed.note}",
        metadata={"publisher": feed.publisher, "licence": feed.licence, "trust": feed.trust, "tlp": feed.tlp}
        | ({"url": dg.MetadataValue.url(feed.url)} if feed.url else {}),
        check_specs=[
            dg.AssetCheckSpec(
                "readable", asset=key, description="The snapshot of the day could be read and is what its format says."
            )
        ],
    )
    def snapshot(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster looks for the bare class
        day = partition_day(context)
        try:
            with workspace.store() as store:
                taken = take_snapshot(
                    feed,
                    day,
                    workspace.raw_store(),
                    workspace.data,
                    fetch_states=store,
                    clock=system_clock,
                    allowed_networks=tuple(workspace.allowed_networks),
                    stored_first=builds_from_stored(context),
                )
            built = snapshot_rows(workspace.lake(), workspace.raw_store(), feed, day, taken)
        except (RawStoreError, LakeError) as error:
            # a full disk or a damaged file is the same in half a minute
            raise dg.Failure(description=str(error), allow_retries=False) from error
        return materialized(
            FEED_ROWS,
            built,
            check_results=[_readable(taken, built.file)],
            snapshot=taken.sha256 or "",
            status=taken.status,
            files=len(taken.files),
            source=taken.source,
            note=built.file.note,
        )

    return snapshot


def snapshot_rows(lake: Lake, raw: RawStore, feed: Feed, day: date, taken: Snapshot) -> Built:
    """Parse what was taken into the feed's table; a feed that cannot be used has no rows and a note that says why."""
    contents = [(file, raw.get(file.sha256)) for file in taken.files] if taken.status == "read" else []
    parsed = formats.parse(feed, contents, day)
    note = (parsed.error or "") if taken.status == "read" else f"{taken.status}: {taken.reason}"
    return build(
        lake,
        FEED_ROWS,
        day,
        lambda con: con.from_arrow(parsed.rows),
        inputs=[],
        code_version="1",
        configuration=f"{feed.digest} {taken.status} {taken.sha256}",
        asset=f"feeds/{feed.name}",
        note=note,
    )


def _readable(taken: Snapshot, file: LakeFile) -> dg.AssetCheckResult:
    passed = taken.status == "not_due" or not file.note
    return dg.AssetCheckResult(
        check_name="readable",
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "found": file.note or f"{file.rows:,} rows",
            "source": taken.source,
            "what to do": "nothing"
            if passed
            else "Open the source and compare it with the feed's entry in the catalogue; its indicators are held, "
            "none is withdrawn. `intelsec feeds check` shows the same without a run.",
        },
    )


def _observations_asset(feeds: tuple[Feed, ...]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="observe_feeds",
        specs=[
            dg.AssetSpec(
                table.name,
                deps=[feed_key(feed) for feed in feeds],
                group_name="feeds",
                kinds={"duckdb", "parquet"},
                owners=[policies.INTEL_TEAM],
                code_version="1",
                description=f"{table.grain.capitalize()}.\n\n{why}",
            )
            for table, why in (
                (OBSERVATIONS, "Canonical value, the rules that made it so, and the feed line it came from."),
                (REJECTED_OBSERVATIONS, "Quarantine: nothing is dropped silently; rows in = kept + rejected."),
                (FEED_TERMS, "What the catalogue said that day: day by day the history of trust and contracts."),
            )
        ],
        partitions_def=policies.DAILY,
    )
    def observe_feeds(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.MaterializeResult[Any]]:
        lake, day = workspace.lake(), partition_day(context)
        files = {feed.name: lake.read(f"feeds/{feed.name}", day) for feed in feeds}
        # the terms are made in this step too: one of their own would take longer than their rows
        targets = [Target(table, table.name) for table in (OBSERVATIONS, REJECTED_OBSERVATIONS, FEED_TERMS)]
        built = build_together(
            lake,
            targets,
            day,
            lambda con: (
                *observe(con, feed_rows(con, files), feeds, day),
                con.from_arrow(feed_terms(feeds, day)),
            ),
            inputs=list(files.values()),
            code_version="1",
            configuration="".join(feed.digest for feed in feeds),
        )
        for target, result in zip(targets, built, strict=True):
            yield materialized(target.table, result, asset_key=dg.AssetKey(target.asset))

    return observe_feeds


def feed_rows(con: duckdb.DuckDBPyConnection, files: dict[str, LakeFile]) -> duckdb.DuckDBPyRelation:
    """Rows of all feeds of a day with the feed's name in front, in a table: as a view each look opens every file."""
    parts = [
        f"select {engine.sql_text(name)} as feed, * from read_parquet({engine.sql_text(file.path)})"  # noqa: S608 - names of our own, quoted
        for name, file in files.items()
    ]
    if not parts:  # every feed is disabled
        columns = ", ".join(f"null::{column.type} as {column.name}" for column in FEED_ROWS.columns)
        parts = [f"select null::varchar as feed, {columns} where false"]
    con.execute(f"create or replace temp table feed_rows as {' union all '.join(parts)}")
    return con.table("feed_rows")


def _status_asset(feeds: tuple[Feed, ...]) -> dg.AssetsDefinition:
    @dg.asset(
        key=FEED_STATUS.name,
        deps=[
            OBSERVATIONS.name,
            REJECTED_OBSERVATIONS.name,
            dg.AssetDep(FEED_STATUS.name, partition_mapping=policies.YESTERDAY),
        ],
        group_name="feeds",
        partitions_def=policies.DAILY,
        kinds={"duckdb", "parquet"},
        owners=[policies.INTEL_TEAM],
        code_version="1",
        description=f"{FEED_STATUS.grain.capitalize()}.\n\n"
        "A feed outside its contract is held: what it listed stays exported.",
    )
    def feed_status(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
        lake, raw, day = workspace.lake(), workspace.raw_store(), partition_day(context)
        files = {feed.name: lake.read(f"feeds/{feed.name}", day) for feed in feeds}
        observations, rejected = lake.read("observations", day), lake.read("rejected_observations", day)
        before = lake.previous(FEED_STATUS.name, day)
        built = build(
            lake,
            FEED_STATUS,
            day,
            lambda con: status.statuses(
                con,
                feeds,
                day,
                {name: (raw.load(name, day), file.note, file.rows) for name, file in files.items()},
                lake.relation(con, observations),
                lake.relation(con, rejected),
                lake.relation(con, before) if before else None,
            ),
            inputs=[observations, rejected, *files.values(), *([before] if before else [])],
            code_version="1",
            configuration="".join(f"{feed.digest} {files[feed.name].note}" for feed in feeds),
        )
        return materialized(FEED_STATUS, built)

    return feed_status
