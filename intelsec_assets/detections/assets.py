"""Assets of detections: audit events of a day, their context, findings, alerts, what became of them, how rules do.

A run may take several days at once, in order; what a day holds is in the pure modules beside this one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb

from intelsec_assets import engine, policies, progress
from intelsec_assets.days import day_end, day_start, days_between, previous_day
from intelsec_assets.detections import gaps
from intelsec_assets.detections.alerts.service import AlertService
from intelsec_assets.detections.alerts.snapshots import alerts_of_day, dispositions_of_day, events_of_day
from intelsec_assets.detections.audit.days import build_events, build_rejected
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.context.asn import AsnPrefixes
from intelsec_assets.detections.context.audit_context import build_context, with_context
from intelsec_assets.detections.context.indicator_match import MAX_AGE, IndicatorsOfDay
from intelsec_assets.detections.context.principals import LEARNING, build_principal_asns
from intelsec_assets.detections.context.tickets import TicketReading
from intelsec_assets.detections.errors import DamagedPart
from intelsec_assets.detections.findings import Finding, of_row
from intelsec_assets.detections.quality.rule_quality import quality_relation
from intelsec_assets.detections.tables import (
    ALERT_DISPOSITIONS,
    ALERT_EVENTS,
    ALERTS,
    AUDIT_CONTEXT,
    CLOUD_AUDIT_EVENTS,
    FEED_ACCURACY,
    PRINCIPAL_ASNS,
    REJECTED_AUDIT_RECORDS,
    RULE_QUALITY,
    SIGMA_FINDINGS,
)
from intelsec_assets.indicators.outcomes import accuracy_relation
from intelsec_assets.resources.detection_history import History
from intelsec_assets.resources.detection_scans import AskedDay, DayScans
from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.resources.lake import Lake, LakeError, LakeFile
from intelsec_assets.resources.lake_checks import Outcome, record, told
from intelsec_assets.resources.partition import (
    Built,
    Target,
    build,
    build_together,
    keep,
    made_from,
    materialized_days,
    partition_day,
    partition_days,
)
from intelsec_assets.resources.workspace import Workspace, system_clock
from intelsec_assets.tables import INDICATOR_SCORES, INDICATORS, Table

if TYPE_CHECKING:  # what scans takes its time to load
    from intelsec_assets.detections.sigma.scan.firing import RuleFailure

DETECTIONS, OUTCOMES = "detections", "detection_outcomes"
_SOURCES_READ = "sources_could_be_read"
_MEND_SOURCES = "Mend the place or its rights; what was missed is taken by itself: intelsec audit status"
_ONE_DAY_BACK = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0)


# what makes the rows of a table; raised, days made before are stale: in Dagster and for whoever builds them again
_CODE_VERSIONS = {CLOUD_AUDIT_EVENTS.name: "2", SIGMA_FINDINGS.name: "2"}


def _code_version(table: Table) -> str:
    return _CODE_VERSIONS.get(table.name, "1")


def _spec(table: Table, deps: list[Any], why: str, group: str = DETECTIONS) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=deps,
        group_name=group,
        kinds={"duckdb", "parquet"},
        owners=[policies.SECOPS_TEAM],
        code_version=_code_version(table),
        description=f"{table.grain[0].upper()}{table.grain[1:]}.\n\n{why}",  # Sigma is a name
    )


def _table_asset(
    table: Table,
    deps: list[Any],
    why: str,
    group: str = DETECTIONS,
    partitions: dg.PartitionsDefinition[Any] = policies.LIVE,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declares the asset that makes one table, any number of days in a run."""
    return dg.multi_asset(
        name=table.name,
        specs=[_spec(table, deps, why, group)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )


@dg.multi_asset(
    name="take_audit_logs",
    specs=[
        _spec(CLOUD_AUDIT_EVENTS, [], "What lies at the sources is taken in first. Late events land in their own day."),
        _spec(REJECTED_AUDIT_RECORDS, [], "Nothing is dropped silently: the file or record, and why."),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            _SOURCES_READ,
            asset=CLOUD_AUDIT_EVENTS.name,
            description=f"Every source answered, and each file that arrived could be read. {_MEND_SOURCES}",
        )
    ],
    partitions_def=policies.LIVE,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def take_audit_logs(
    context: dg.AssetExecutionContext, workspace: Workspace
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    days = partition_days(context)
    arrived = workspace.detection_sources().take(system_clock)
    built = {
        table.name: [_of_whole_parts(context, workspace, day, of_day) for day in days]
        for table, of_day in ((CLOUD_AUDIT_EVENTS, _events), (REJECTED_AUDIT_RECORDS, _rejected))
    }
    for table in (CLOUD_AUDIT_EVENTS, REJECTED_AUDIT_RECORDS):
        yield _told(context, table, built[table.name])
    verdict = gaps.sources_read(arrived.away, arrived.not_read)
    by_day = {
        one.file.day: Outcome(_SOURCES_READ, verdict, one.file.sha256, _MEND_SOURCES, blocking=False)
        for one in built[CLOUD_AUDIT_EVENTS.name]
    }
    with workspace.store() as store:
        record(store, CLOUD_AUDIT_EVENTS.name, {day: [one] for day, one in by_day.items()}, context.run.run_id)
    yield told(CLOUD_AUDIT_EVENTS.name, dict(list(by_day.items())[-1:]))  # it is of the run, whatever its days


def _of_whole_parts(
    context: dg.AssetExecutionContext, workspace: Workspace, day: date, of_day: Callable[[Lake, Landing, date], Built]
) -> Built:
    """A day's table; if a part of the landing is damaged, of what its files say when they are taken again."""
    lake, sources = workspace.lake(), workspace.detection_sources()
    try:
        return of_day(lake, sources.landing(), day)
    except DamagedPart:
        told = sources.take_again(day, system_clock)
    with workspace.store() as store:
        for text in told:
            context.log.error("%s", text)
            store.add_notice("audit_part_damaged", str(day), text, system_clock())
    return of_day(lake, sources.landing(), day)


def _events(lake: Lake, landing: Landing, day: date) -> Built:
    landed = landing.landed(day)

    def compute(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        landing.check(landed)
        return build_events(con, landed.parts, day)

    version = _code_version(CLOUD_AUDIT_EVENTS)
    return build(lake, CLOUD_AUDIT_EVENTS, day, compute, inputs=[], code_version=version, configuration=landed.version)


def _rejected(lake: Lake, landing: Landing, day: date) -> Built:
    landed = landing.rejected(day)

    def compute(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        landing.check(landed)
        return build_rejected(con, landed.parts, day)

    return build(lake, REJECTED_AUDIT_RECORDS, day, compute, inputs=[], code_version="1", configuration=landed.version)


@dg.multi_asset(
    name="join_audit_context",
    specs=[
        _spec(
            AUDIT_CONTEXT,
            [
                CLOUD_AUDIT_EVENTS.name,
                dg.AssetDep(INDICATORS.name, partition_mapping=policies.YESTERDAY),
                dg.AssetDep(INDICATOR_SCORES.name, partition_mapping=policies.YESTERDAY),
            ],
            "Change ticket, network and its novelty for the principal, indicator: joined in before rules run. What a "
            "source cannot say is unknown, never absent. Networks are judged by `principal_asns` of the day before.",
        ),
        _spec(
            PRINCIPAL_ASNS,
            [AUDIT_CONTEXT.name, dg.AssetDep(PRINCIPAL_ASNS.name, partition_mapping=policies.YESTERDAY)],
            "Yesterday's state and today's calls; failed calls and exported indicators teach nothing.",
        ),
    ],
    partitions_def=policies.LIVE,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def join_audit_context(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[dg.MaterializeResult[Any]]:
    lake, sources = workspace.lake(), workspace.detection_sources()
    prefixes, landing = sources.prefixes(), sources.landing()
    now = system_clock()
    built = [_context(lake, landing, day, sources.tickets(day, now), prefixes) for day in partition_days(context)]
    yield _told(context, AUDIT_CONTEXT, [of_day[0] for of_day in built])
    yield _told(context, PRINCIPAL_ASNS, [of_day[1] for of_day in built])


def _context(
    lake: Lake, landing: Landing, day: date, tickets: TicketReading, prefixes: AsnPrefixes | None
) -> list[Built]:
    """Context of a day and what it teaches: each day's needs the one before."""
    events, before, known = (
        lake.read(CLOUD_AUDIT_EVENTS.name, day),
        _history_before(lake, landing, day),
        _known_before(lake, day),
    )

    def compute(con: duckdb.DuckDBPyConnection) -> Sequence[duckdb.DuckDBPyRelation]:
        rows = lake.relation(con, events)
        history = lake.relation(con, before) if before else None
        joined = build_context(
            con,
            day,
            rows,
            tickets=tickets,
            asn=prefixes,
            history_before=history,
            known=IndicatorsOfDay(known[0].day, *(lake.relation(con, file) for file in known)) if known else None,
        )
        return joined, build_principal_asns(con, day, with_context(con, rows, joined), history)

    unknown = [f"{gaps.TICKETS}{gap}" for gap in tickets.gaps(day_start(day), day_end(day))]
    if not known:
        unknown.append(f"{gaps.INDICATORS}the lake has no scores of the {MAX_AGE.days} days before {day}")
    unknown += [f"{gaps.NETWORKS}{reason}" for reason in (prefixes.reasons if prefixes else ())]
    return build_together(
        lake,
        [
            Target(AUDIT_CONTEXT, AUDIT_CONTEXT.name, remarks=[gaps.on_a_line(gap) for gap in unknown]),
            Target(PRINCIPAL_ASNS, PRINCIPAL_ASNS.name),
        ],
        day,
        compute,
        inputs=[events, *([before] if before else []), *known],
        code_version="1",
        configuration=f"{tickets.digest} {prefixes.digest if prefixes else ''} {LEARNING}",
    )


def _history_before(lake: Lake, landing: Landing, day: date) -> LakeFile | None:
    """The state of the newest day before, if nothing has landed since; None if there never was one: cold start.

    Raises MissingPartition for a day between that has events and was not built: it would have taught something.
    """
    earlier = [d for d in lake.days(PRINCIPAL_ASNS.name) if d < day]
    if not earlier:
        return None
    for skipped in days_between(earlier[-1], previous_day(day))[1:]:
        if landing.landed(skipped).parts:
            return lake.read(PRINCIPAL_ASNS.name, skipped)
    return lake.read(PRINCIPAL_ASNS.name, earlier[-1])


def _known_before(lake: Lake, day: date) -> list[LakeFile]:
    """Scores and indicators of the newest day before this one that is not too old to judge by; else none."""
    days = [d for d in lake.days(INDICATOR_SCORES.name) if day - MAX_AGE <= d < day]
    return [lake.read(table.name, days[-1]) for table in (INDICATOR_SCORES, INDICATORS)] if days else []


@_table_asset(
    SIGMA_FINDINGS,
    [
        dg.AssetDep(CLOUD_AUDIT_EVENTS.name, partition_mapping=_ONE_DAY_BACK),
        dg.AssetDep(AUDIT_CONTEXT.name, partition_mapping=_ONE_DAY_BACK),
    ],
    "All rules of `detections/sigma` in one scan, with "
    "the exceptions and modes of the day; correlations look back over the day's border.",
)
def sigma_findings(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, sources = workspace.lake(), workspace.detection_sources()
    if unusable := sources.unusable():
        context.log.error("left out, the other rules run: %s", "\n".join(unusable))
    days, asked = partition_days(context), dict[date, _Asked]()
    with suppress(LakeError):  # it is told when it is that day's turn; the days before are built first
        for day in days:
            asked[day] = _asked(lake, sources, day)
    scans = DayScans(lake, [one.scan for one in asked.values() if not one.is_current(lake)])
    built = [_sigma_findings(lake, asked.get(day) or _asked(lake, sources, day), scans) for day in days]
    return _told(context, SIGMA_FINDINGS, built)


@dataclass(frozen=True)
class _Asked:
    """A day's scan, and what decides its findings beside the partitions it looks at."""

    scan: AskedDay
    target: Target
    configuration: str

    def is_current(self, lake: Lake) -> bool:
        made = made_from(
            self.target,
            inputs=self.scan.inputs,
            code_version=_code_version(SIGMA_FINDINGS),
            configuration=self.configuration,
        )
        return lake.current(SIGMA_FINDINGS.name, self.scan.day, made) is not None


def _asked(lake: Lake, sources: DetectionSources, day: date) -> _Asked:
    rules = sources.prepared(day)
    first = (day_start(day) - rules.lookback).date()
    looked_at = [d for d in days_between(first, day) if d == day or d in lake.days(CLOUD_AUDIT_EVENTS.name)]
    inputs = [lake.read(table.name, d) for table in (CLOUD_AUDIT_EVENTS, AUDIT_CONTEXT) for d in looked_at]
    note = "\n".join([*map(gaps.on_a_line, sources.unusable()), *map(_not_asked, rules.failures)])
    target = Target(SIGMA_FINDINGS, SIGMA_FINDINGS.name, note)
    return _Asked(AskedDay(day, rules, first, inputs), target, sources.rules_digest(day))


def _sigma_findings(lake: Lake, asked: _Asked, scans: DayScans) -> Built:
    day, missed = asked.scan.day, list[str]()

    def compute(con: duckdb.DuckDBPyConnection) -> Sequence[duckdb.DuckDBPyRelation]:
        found, broken = scans.of(con, asked.scan)
        for failure in (*asked.scan.rules.failures, *broken):
            progress.report(SIGMA_FINDINGS.name, str(day), _not_asked(failure))
        missed.extend(map(_not_asked, broken))
        return [con.from_arrow(found)]

    return build_together(
        lake,
        [replace(asked.target, missed=missed)],
        day,
        compute,
        inputs=asked.scan.inputs,
        code_version=_code_version(SIGMA_FINDINGS),
        configuration=asked.configuration,
    )[0]


def _not_asked(failure: "RuleFailure") -> str:
    return gaps.on_a_line(f"{failure.title} was not asked: {failure.reason}")


@_table_asset(
    ALERTS,
    [SIGMA_FINDINGS.name],
    "Findings are taken into the inbox of alerts: each once, those of "
    "a key and window together. What people do with them is in the store and, day by day, in `alert_events`.",
)
def alerts(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, sources, built = workspace.lake(), workspace.detection_sources(), []
    # what a sensor or a schedule finds is news now, however late it was delivered; days run by hand are replayed
    raised_at = system_clock() if policies.AUTOMATIC_TAGS & context.run.tags.keys() else None
    with workspace.store() as store:
        service = AlertService(store, system_clock, sources.asset_policy())
        for day in partition_days(context):
            taken = service.take(_findings(lake, day), raised_at=raised_at)
            progress.report(ALERTS.name, str(day), f"{len(taken.created)} raised, {len(taken.merged)} joined one")
            if taken.held:
                context.log.warning("over their noise budget on %s, one alert for the rest: %s", day, taken.held)
            built.append(keep(lake, ALERTS, day, alerts_of_day(store, day)))
    return _told(context, ALERTS, built)


def _findings(lake: Lake, day: date) -> list[Finding]:
    with engine.quick_session() as con:
        rows = lake.relation(con, lake.read(SIGMA_FINDINGS.name, day)).to_arrow_table()
    return [of_row(row) for row in rows.to_pylist()]


@dg.multi_asset(  # a day a run, as everything else of the job that it belongs to: scores of the day wait for it
    name=ALERT_DISPOSITIONS.name,
    specs=[
        _spec(
            ALERT_DISPOSITIONS,
            [],
            "From the store, on the day they became known: they feed hit rates of indicators, the accuracy of feeds "
            "and the quality of rules.",
            OUTCOMES,
        )
    ],
    partitions_def=policies.DAILY,
)
def alert_dispositions(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    day = partition_day(context)
    with workspace.store() as store:
        return _told(
            context,
            ALERT_DISPOSITIONS,
            [keep(workspace.lake(), ALERT_DISPOSITIONS, day, dispositions_of_day(store, day))],
        )


@_table_asset(
    ALERT_EVENTS,
    [ALERTS.name],
    "The life of alerts: what times to acknowledgement and triage are measured from.",
    group=OUTCOMES,
    partitions=policies.DAILY,
)
def alert_events(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake = workspace.lake()
    with workspace.store() as store:
        built = [keep(lake, ALERT_EVENTS, day, events_of_day(store, day)) for day in partition_days(context)]
    return _told(context, ALERT_EVENTS, built)


@_table_asset(
    RULE_QUALITY,
    [
        ALERTS.name,
        ALERT_DISPOSITIONS.name,
        SIGMA_FINDINGS.name,
        dg.AssetDep(RULE_QUALITY.name, partition_mapping=policies.YESTERDAY),
    ],
    "False-positive rate with its interval, noise, trend, "
    "silence and coverage; `intelsec rules proposals` says what could be done.",
    group=OUTCOMES,
    partitions=policies.DAILY,
)
def rule_quality(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake, sources = workspace.lake(), workspace.detection_sources()
    return _told(context, RULE_QUALITY, [_rule_quality(lake, sources, day) for day in partition_days(context)])


def _rule_quality(lake: Lake, sources: DetectionSources, day: date) -> Built:
    rules, modes = sources.all_rules(day), sources.modes(day)

    def compute(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        return quality_relation(con, History(lake, con, day).quality(rules, modes))

    with engine.quick_session() as con:
        inputs = History(lake, con, day).of_quality()
    return build(
        lake, RULE_QUALITY, day, compute, inputs=inputs, code_version="1", configuration=sources.rules_digest(day)
    )


@_table_asset(
    FEED_ACCURACY,
    [ALERT_DISPOSITIONS.name, INDICATORS.name],
    "What people's verdicts say of the feeds whose indicators raised alerts; `intelsec feeds accuracy` shows it.",
    group=OUTCOMES,
    partitions=policies.DAILY,
)
def feed_accuracy(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
    lake = workspace.lake()
    return _told(context, FEED_ACCURACY, [_feed_accuracy(lake, day) for day in partition_days(context)])


def _feed_accuracy(lake: Lake, day: date) -> Built:
    indicators = lake.read(INDICATORS.name, day)

    def compute(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        judged = History(lake, con, day).table(ALERT_DISPOSITIONS)
        return accuracy_relation(con, judged, lake.relation(con, indicators), day)

    with engine.quick_session() as con:
        inputs = [indicators, *History(lake, con, day).files(ALERT_DISPOSITIONS)]
    return build(lake, FEED_ACCURACY, day, compute, inputs=inputs, code_version="1")


def _told(context: dg.AssetExecutionContext, table: Table, built: Sequence[Built]) -> dg.MaterializeResult[Any]:
    return materialized_days(context, table, built, asset_key=dg.AssetKey(table.name))
