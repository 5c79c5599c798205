"""Invariants of lake tables as Dagster checks: one step a table, evidence in the UI, verdicts kept in the store.

Exports read those verdicts; which invariants there are belongs to the domains.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from intelsec_assets import engine
from intelsec_assets.days import days_between, parse_day
from intelsec_assets.invariants import AS_WRITTEN, Day, Invariant, Verdict
from intelsec_assets.records import CheckResult
from intelsec_assets.resources.lake import Lake, LakeError, LakeFile, MissingPartition
from intelsec_assets.resources.partition import partition_day
from intelsec_assets.resources.store import Store
from intelsec_assets.resources.workspace import Workspace, system_clock


class Outcome:
    """A verdict with what it was about."""

    def __init__(self, name: str, verdict: Verdict, data_version: str, what_to_do: str, *, blocking: bool) -> None:
        self.name, self.blocking, self.verdict, self.data_version = name, blocking, verdict, data_version
        self.evidence: dict[str, Any] = {
            "count": verdict.count,
            "threshold": verdict.threshold,
            "found": verdict.found or _found(verdict),
            "sample": [dict(row) for row in verdict.sample],
            "what to do": "nothing" if verdict.passed else what_to_do,
        }


def _found(verdict: Verdict) -> str:
    if verdict.passed:
        return "holds"
    first = ", ".join(f"{name} {value}" for name, value in verdict.sample[0].items()) if verdict.sample else ""
    return f"{verdict.count:,} against it, first: {first}"


def table_checks(asset: str, invariants: Sequence[Invariant]) -> dg.AssetChecksDefinition:
    """The checks of one table: its file is the one that was written, and each invariant holds."""
    specs = [
        dg.AssetCheckSpec(
            AS_WRITTEN, asset=asset, blocking=True, description="The file in the lake is the one that was written."
        ),
        *(
            dg.AssetCheckSpec(i.name, asset=asset, blocking=i.blocking, description=f"{i.claim} {i.what_to_do}")
            for i in invariants
        ),
    ]

    # with subsets the UI can execute one check by itself, without making the table again
    @dg.multi_asset_check(name=f"{asset}_checks", specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, workspace: Workspace) -> Iterator[dg.AssetCheckResult]:
        lake = workspace.lake()
        asked = {key.name for key in context.selected_asset_check_keys}
        by_day = {
            day: [outcome for outcome in evaluate(lake, asset, day, invariants) if outcome.name in asked]
            for day in _days_looked_at(context, lake, asset)
        }
        with workspace.store() as store:
            record(store, asset, by_day, context.run.run_id)
        for of_days in zip(*by_day.values(), strict=True):
            yield told(asset, dict(zip(by_day, of_days, strict=True)))

    return checks


def record(store: Store, asset: str, by_day: Mapping[date, Iterable[Outcome]], run_id: str) -> None:
    """Keep verdicts where exports and commands read them."""
    now = system_clock()
    store.record_checks(
        [
            CheckResult(
                asset=asset,
                check=outcome.name,
                day=day,
                passed=outcome.verdict.passed,
                severity="ERROR" if outcome.blocking else "WARN",
                blocking=outcome.blocking,
                data_version=outcome.data_version,
                run_id=run_id,
                at=now,
                evidence=outcome.evidence,
            )
            for day, outcomes in by_day.items()
            for outcome in outcomes
        ]
    )


def told(asset: str, by_day: Mapping[date, Outcome]) -> dg.AssetCheckResult:
    """One check over the days of a run, as the UI shows it: the evidence of the newest day on which it does not hold.

    A check has no partitions of its own there, so its days are evidence too.
    """
    failed = [day for day, outcome in by_day.items() if not outcome.verdict.passed]
    day = (failed or list(by_day))[-1]
    shown = by_day[day]
    evidence = {"day": str(day)} | {name: value for name, value in shown.evidence.items() if name != "sample"}
    if len(by_day) > 1 and failed:
        evidence["days"] = f"{len(failed)} of {len(by_day)}: {', '.join(map(str, failed))}"
    if sample := shown.evidence["sample"]:
        evidence["sample"] = dg.MetadataValue.table([dg.TableRecord(row) for row in sample])
    return dg.AssetCheckResult(
        check_name=shown.name,
        asset_key=asset,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if shown.blocking else dg.AssetCheckSeverity.WARN,
        metadata=evidence,
    )


def _days_looked_at(context: dg.AssetCheckExecutionContext, lake: Lake, asset: str) -> list[date]:
    """The run's partitions. Executed by itself in the UI a check gets none; then it is about the newest day.

    Checks with partitions of their own are a preview in Dagster 1.13, "not considered ready for production use".
    """
    if context.has_partition_key:
        return [partition_day(context)]
    bounds = [context.run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    if bounds[0] and bounds[1]:
        return days_between(parse_day(bounds[0]), parse_day(bounds[1]))
    days = lake.days(asset)
    if not days:
        raise MissingPartition(f"the lake holds no day of {asset} to look at. Build one: intelsec run")
    return days[-1:]


def evaluate(lake: Lake, asset: str, day: date, invariants: Sequence[Invariant]) -> list[Outcome]:
    """Verdicts on a table of a day. A file that is not the one that was written fails every claim about it."""
    try:
        file = lake.read(asset, day)
    except LakeError as error:
        broken = Verdict(passed=False, count=1, found=str(error))
        names = [(AS_WRITTEN, True), *((i.name, i.blocking) for i in invariants)]
        return [Outcome(name, broken, "", f"intelsec run --day {day}", blocking=blocking) for name, blocking in names]
    outcomes = [Outcome(AS_WRITTEN, Verdict(passed=True, found=file.sha256), file.sha256, "", blocking=True)]
    with engine.quick_session() as con:
        opened: dict[LakeFile, duckdb.DuckDBPyRelation] = {}
        for invariant in invariants:
            verdict = _judge(lake, con, file, invariant, opened)
            what_to_do = invariant.what_to_do.replace("--day DAY", f"--day {day}")
            outcomes.append(Outcome(invariant.name, verdict, file.sha256, what_to_do, blocking=invariant.blocking))
    return outcomes


def _judge(
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    file: LakeFile,
    invariant: Invariant,
    opened: dict[LakeFile, duckdb.DuckDBPyRelation],
) -> Verdict:
    """A verdict; `opened` keeps what one invariant has opened for the next."""

    def rows(of: LakeFile) -> duckdb.DuckDBPyRelation:
        if of not in opened:
            opened[of] = lake.relation(con, of)
        return opened[of]

    try:
        tables = {file.asset: rows(file)}
        tables |= {name: rows(lake.read(name, file.day)) for name in invariant.needs}
        before = {name: lake.previous(name, file.day) for name in invariant.needs_before}
        relations = {name: rows(found) for name, found in before.items() if found is not None}
        return invariant.evaluate(Day(file.day, con, tables, relations, file.note))
    except (LakeError, duckdb.Error) as error:
        # could not be evaluated: not the same as failed, but just as little a reason to go on
        return Verdict(passed=False, count=1, found=f"could not be evaluated: {error}")
