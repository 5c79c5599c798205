"""Assets of the export: the plan of a day, the files made from it, what MISP was told, and the history of both.

Both targets fail closed: they read the latest blocking checks of their own partition and refuse unless all passed.
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa

from intelsec_assets import engine, policies, progress
from intelsec_assets.exports import plan
from intelsec_assets.exports.delta import Delta, difference
from intelsec_assets.exports.errors import PushRefused, PushUnavailable
from intelsec_assets.exports.files import write_export
from intelsec_assets.exports.gate import RequiredCheck, protected_refusals, refusals
from intelsec_assets.exports.history import attempts_table, news, writes_table
from intelsec_assets.exports.invariants import PLAN_INVARIANTS
from intelsec_assets.exports.misp_client import MispClient, MispServer
from intelsec_assets.exports.misp_push import PushResult, Surroundings, push
from intelsec_assets.feeds.invariants import OBSERVATION_INVARIANTS, STATUS_INVARIANTS
from intelsec_assets.indicators.invariants import INDICATOR_INVARIANTS, SCORE_INVARIANTS
from intelsec_assets.indicators.protected import Guard
from intelsec_assets.invariants import AS_WRITTEN
from intelsec_assets.records import SUCCEEDED, UNAVAILABLE, ExportRun
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.misp import Misp
from intelsec_assets.resources.partition import (
    Built,
    build,
    keep,
    listing,
    materialized,
    materialized_days,
    partition_day,
    partition_days,
)
from intelsec_assets.resources.store import Store
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import (
    EXPORT_ATTEMPTS,
    EXPORT_PLAN,
    EXPORT_WRITES,
    FEED_STATUS,
    INDICATOR_SCORES,
    INDICATORS,
    WARNINGLIST_HITS,
)

FILES, MISP = "files", "misp"
# reasons of a refusal: read in its message, kept in the event log
_TOLD, _KEPT = 20, 1000
GUARDED = (*OBSERVATION_INVARIANTS, *STATUS_INVARIANTS, *INDICATOR_INVARIANTS, *SCORE_INVARIANTS, *PLAN_INVARIANTS)


def required_checks(day: date) -> list[RequiredCheck]:
    """Every blocking check between the feeds and a target, for one day."""
    blocking = [(i.asset, i.name) for i in GUARDED if i.blocking]
    as_written = [(asset, AS_WRITTEN) for asset in dict.fromkeys(i.asset for i in GUARDED)]
    return [RequiredCheck(asset, check, day) for asset, check in [*as_written, *blocking]]


@dg.asset(
    deps=[
        INDICATORS.name,
        INDICATOR_SCORES.name,
        FEED_STATUS.name,
        WARNINGLIST_HITS.name,
        dg.AssetDep(EXPORT_PLAN.name, partition_mapping=policies.YESTERDAY),
    ],
    group_name="exports",
    partitions_def=policies.DAILY,
    kinds={"duckdb", "parquet"},
    owners=[policies.INTEL_TEAM],
    code_version="1",
    description=f"{EXPORT_PLAN.grain.capitalize()}.\n\n"
    "A difference from the plan of the day before, made from lake tables only; "
    "what a held feed listed is kept instead of withdrawn.",
)
def export_plan(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, day, catalogue = workspace.lake(), partition_day(context), workspace.catalogue()
    scores, live, status = (lake.read(t.name, day) for t in (INDICATOR_SCORES, INDICATORS, FEED_STATUS))
    before = lake.previous(EXPORT_PLAN.name, day)
    grades = {feed.name: feed.trust for feed in catalogue.feeds}
    built = build(
        lake,
        EXPORT_PLAN,
        day,
        lambda con: plan.build(
            con,
            lake.relation(con, scores),
            lake.relation(con, live),
            lake.relation(con, before) if before else None,
            lake.relation(con, status),
            day,
            catalogue.export,
            grades,
        ),
        inputs=[scores, live, status, *([before] if before else [])],
        code_version="1",
        configuration=f"{catalogue.export} {sorted(grades.items())}",
    )
    return materialized(EXPORT_PLAN, built)


@dg.asset(
    deps=[EXPORT_PLAN.name],
    group_name="exports",
    partitions_def=policies.DAILY,
    kinds={"json", "csv", "file"},
    owners=[policies.SECOPS_TEAM],
    code_version="1",
    description="One folder of files a day: MISP feed, STIX 2.1 bundle, CSV, plain lists a type, SHA256SUMS.\n\n"
    "Written whole or not at all; `latest` names the newest day. Refuses unless the day's blocking checks passed.",
)
def export_files(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    day = partition_day(context)
    with workspace.store() as store:
        rows = _released_plan(workspace.lake(), store, day, Guard(workspace.catalogue().protected))
        progress.report("export_files", str(day))
        written = write_export(rows, day, workspace.exports)
        delta = _account(store, FILES, rows, day, context.run.run_id)
    sums = next(file.sha256 for file in written.files if file.name == "SHA256SUMS")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": written.active,
            "dagster/partition_row_count": written.active,
            "dagster/uri": written.folder.as_uri(),
            "changed": written.is_new,
            "events": written.events,
            "tombstones": written.tombstones,
            **_counts(delta),
            **listing(
                [{"file": f.name, "bytes": f.size, "sha256": f.sha256} for f in written.files],
                {"file": "path below the folder", "bytes": "size", "sha256": "content hash, as in SHA256SUMS"},
            ),
        },
        data_version=dg.DataVersion(sums),
    )


def _released_plan(lake: Lake, store: Store, day: date, guard: Guard) -> pa.Table:
    """The plan of the day if every blocking check before it passed on the files as they are now, else Failure.

    The guard is asked last and by itself, for each active row: checks look at the tables the decision came from.
    """
    required = required_checks(day)
    assets = {check.asset for check in required}
    versions = {asset: lake.read(asset, day).sha256 for asset in assets}
    reasons = refusals(required, store.latest_checks(day, assets), versions)
    if reasons:
        raise _refused(day, reasons)
    with engine.session() as con:
        rows = lake.relation(con, lake.read(EXPORT_PLAN.name, day)).to_arrow_table()
    if ours := protected_refusals(rows, guard):
        raise _refused(day, ours)
    return rows


def _refused(day: date, reasons: list[str]) -> dg.Failure:
    more = f"; and {len(reasons) - _TOLD:,} more" if len(reasons) > _TOLD else ""
    return dg.Failure(
        description=f"export of {day} refused: " + "; ".join(reasons[:_TOLD]) + more,
        metadata={"reasons": dg.MetadataValue.json(reasons[:_KEPT])},
        allow_retries=False,  # what failed fails again until someone mends its cause
    )


def _account(store: Store, target: str, rows: pa.Table, day: date, run_id: str) -> Delta:
    """Bring a target's ledger to the plan it has just taken whole, unless it already stands at a later day."""
    now = system_clock()
    delta = difference(rows, store.confirmed(target), day, now)
    newest = store.confirmed_day(target)
    if newest is not None and newest > day:
        detail = f"{day} written again; the ledger stands at {newest} and stays there"
        delta = Delta(0, 0, 0, delta.unchanged, ())
    else:
        detail = ""
        if delta.entries or newest != day:
            store.confirm(target, delta.entries, through=day)
    counts = (delta.added, delta.updated, delta.withdrawn, delta.unchanged)
    store.record_export(ExportRun(target, day, run_id, SUCCEEDED, *counts, 0, detail, now))
    return delta


def _counts(delta: Delta) -> dict[str, int]:
    return {"added": delta.added, "updated": delta.updated, "withdrawn": delta.withdrawn, "unchanged": delta.unchanged}


@dg.asset(
    deps=[EXPORT_PLAN.name],
    group_name="exports",
    partitions_def=policies.DAILY,
    kinds={"misp"},
    owners=[policies.SECOPS_TEAM],
    code_version="1",
    description="One push of the day's plan to the MISP server, an event a campaign or theme and month.\n\n"
    "Only the difference to what the server has confirmed is sent, and read back. Without a configured server it says "
    "so and the plan stays open. Refuses unless the day's blocking checks passed.",
)
def misp_export(context: dg.AssetExecutionContext, workspace: Workspace, misp: Misp) -> dg.MaterializeResult[Any]:
    day = partition_day(context)
    with workspace.store() as store:
        rows = _released_plan(workspace.lake(), store, day, Guard(workspace.catalogue().protected))
        if misp.url is None:
            open_rows = difference(rows, store.confirmed(MISP), day, system_clock())
            detail = f"no server configured (INTELSEC_MISP_URL); {len(open_rows.entries):,} indicators wait in the plan"
            _record(store, day, context.run.run_id, "open", PushResult(notes=[detail]), detail)
            return _told(rows, "open", PushResult(), detail)
        with store.lock(f"export-{MISP}"):
            result = _push(store, rows, day, misp, context.run.run_id)
    return _told(rows, "confirmed", result, result.detail)


def _told(rows: pa.Table, state: str, result: PushResult, detail: str) -> dg.MaterializeResult[Any]:
    """What the server was told; the data version is the plan's content and how far the server is with it."""
    counts = {
        "added": result.added,
        "updated": result.updated,
        "withdrawn": result.withdrawn,
        "unchanged": result.unchanged,
        "refused": result.quarantined,
        "merged": result.merged,
    }
    content = hashlib.sha256("".join(rows["content_hash"].to_pylist()).encode()).hexdigest()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.added + result.updated + result.unchanged,
            "state": state,
            "detail": detail,
            "changed": bool(result.writes),
            "calls": result.calls,
            "writes": result.writes,
            **listing(
                [{"outcome": name, "indicators": count} for name, count in counts.items()],
                {"outcome": "what became of indicators of the plan", "indicators": "how many"},
            ),
        },
        data_version=dg.DataVersion(f"{state}-{content}"),
    )


def _push(store: Store, rows: pa.Table, day: date, misp: Misp, run_id: str) -> PushResult:
    """Push and leave a record of it; a server that is away or says no fails the step with what to do."""
    server = MispServer(misp.url or "", misp.key(), verify_tls=misp.verify_tls, distribution=misp.distribution)
    surroundings = Surroundings(
        clock=system_clock, progress=lambda text: progress.report("misp_export", str(day), text)
    )
    try:
        result = push(rows, day, store, MispClient(server), surroundings, target=MISP)
    except PushUnavailable as error:
        _record(store, day, run_id, UNAVAILABLE, PushResult(), str(error))
        raise dg.Failure(
            description=f"{error} The files of {day} are written; the ledger stays open, the next export catches up.",
            allow_retries=False,  # the push has already waited and asked again
        ) from error
    except PushRefused as error:
        _record(store, day, run_id, "refused", PushResult(), str(error))
        raise dg.Failure(description=str(error), allow_retries=False) from error
    _record(store, day, run_id, SUCCEEDED, result, result.detail)
    return result


def _record(store: Store, day: date, run_id: str, status: str, result: PushResult, detail: str) -> None:
    counts = (result.added, result.updated, result.withdrawn, result.unchanged, result.quarantined)
    store.record_export(ExportRun(MISP, day, run_id, status, *counts, detail, system_clock()))


@dg.multi_asset(
    name="export_history",
    specs=[
        dg.AssetSpec(
            table.name,
            deps=["export_files", "misp_export"],
            group_name="exports",
            kinds={"duckdb", "parquet"},
            owners=[policies.SECOPS_TEAM],
            code_version="1",
            description=f"{table.grain.capitalize()}.\n\n{why}",
        )
        for table, why in (
            (
                EXPORT_WRITES,
                "From the log that the ledger is written with, so that the past is not lost with the present.",
            ),
            (EXPORT_ATTEMPTS, "Those that failed or found nobody there too, with what happened in words."),
        )
    ],
    partitions_def=policies.DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def export_history(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.MaterializeResult[Any]]:
    lake, days = workspace.lake(), partition_days(context)
    with workspace.store() as store:
        # a day whose export nobody wrote down then is written down now: what was told must not get lost
        built: dict[date, tuple[Built, Built]] = {}
        late = sorted(store.days_told() - set(lake.days(EXPORT_ATTEMPTS.name)) - set(days))
        for day in (*late, *days):
            writes = keep(lake, EXPORT_WRITES, day, writes_table(store.writes(day)))
            attempts = keep(lake, EXPORT_ATTEMPTS, day, attempts_table(news(store.attempts(day))))
            built[day] = (writes, attempts)
    for n, table in enumerate((EXPORT_WRITES, EXPORT_ATTEMPTS)):
        of_days = [built[day][n] for day in days]
        yield materialized_days(context, table, of_days, asset_key=dg.AssetKey(table.name))
