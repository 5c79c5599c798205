"""Assets of the warehouse: every dbt model with its tests as checks, the published file, the copy on PostgreSQL.

What a model holds is in `dbt_warehouse/`; how it is built and published is in the modules beside this one.
"""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from intelsec_assets import policies, progress
from intelsec_assets.kpis.warehouse.build import ModelTestOutcome, Outcome, first_rows, read_verdict
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.postgresql_copy import ServerUnavailable
from intelsec_assets.kpis.warehouse.project import MARTS, Model, ModelTest, Project
from intelsec_assets.kpis.warehouse.publish import publish_snapshot
from intelsec_assets.kpis.warehouse.reading import ReadingError
from intelsec_assets.kpis.warehouse.serving import serve
from intelsec_assets.kpis.warehouse.sources import table_versions
from intelsec_assets.records import CheckResult
from intelsec_assets.resources.lake import LakeError
from intelsec_assets.resources.partition import PREVIEW_ROWS, listing, partition_days, preview_of
from intelsec_assets.resources.serving import ServingDatabase
from intelsec_assets.resources.workspace import Workspace, system_clock

POOL = "warehouse"  # one writer: the private file is dbt's, the published one is replaced
_GROUPS = {MARTS: "warehouse"}  # of a schema; staging and intermediate have a group each


def warehouse_assets(project: Project) -> list[dg.AssetsDefinition]:
    """The assets of the domain for the models of the project."""
    return [_models(project), _snapshot(project), warehouse_postgresql]


def _models(project: Project) -> dg.AssetsDefinition:
    """All models as one step: dbt orders them itself, and one process opens the file."""

    @dg.multi_asset(
        name="dbt_build",
        specs=[_spec(model) for model in project.models],
        check_specs=[_check_spec(test) for test in project.tests],
        partitions_def=policies.DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        can_subset=True,
    )
    def dbt_build(
        context: dg.AssetExecutionContext, workspace: Workspace
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
        days, warehouse = partition_days(context), workspace.warehouse()
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        try:
            outcome = warehouse.build(
                days,
                export_threshold=workspace.catalogue().export.threshold,
                models=() if selected == {model.name for model in project.models} else sorted(selected),
                progress=lambda text: progress.report("warehouse", str(days[-1]), text),
            )
        except (WarehouseError, LakeError) as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        if outcome is None:
            progress.report("warehouse", str(days[-1]), "unchanged")
            yield from _as_before(project, warehouse.folder, selected)
            return
        with workspace.store() as store:
            store.record_checks([_recorded(test, outcome, context.run.run_id) for test in outcome.tests])
        yield from (_check_result(test) for test in outcome.tests)
        yield from _materialized(project, outcome, warehouse.folder)
        if any(not model.built for model in outcome.models):
            raise dg.Failure(description="; ".join(outcome.failed), allow_retries=False)

    return dbt_build


def _snapshot(project: Project) -> dg.AssetsDefinition:
    """The published file, after all marts and their blocking tests."""

    @dg.multi_asset(
        name="warehouse_snapshot",
        specs=[
            dg.AssetSpec(
                "warehouse_snapshot",
                deps=[mart.name for mart in project.marts],
                group_name="warehouse",
                kinds={"duckdb"},
                owners=[policies.DATA_TEAM],
                code_version="2",
                freshness_policy=policies.FRESH_DAILY,
                description="One DuckDB file with every mart, as of the newest day.\n\nReplaced whole; readers are "
                "never locked out and lock nobody out. Refuses unless the last build is whole and its blocking tests "
                "passed: the file of before stays and says how old it is.",
            )
        ],
        partitions_def=policies.DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
    )
    def snapshot(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult[Any]:
        day = str(partition_days(context)[-1])
        folder, docs = workspace.warehouse().folder, [mart.doc for mart in project.marts]
        try:
            published = publish_snapshot(
                folder,
                docs,
                clock=system_clock,
                keep=workspace.warehouse_keep,
                progress=lambda text: progress.report("warehouse_snapshot", day, text),
            )
        except WarehouseError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        manifest = published.manifest
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(manifest.tables.values()),
                "dagster/uri": folder.published.as_uri(),
                "bytes": manifest.size,
                "snapshot": manifest.snapshot,
                "day": str(manifest.day),
                "said": published.said,
                "changed": published.is_new,
                **listing(
                    [
                        {
                            "table": mart.name,
                            "rows": manifest.tables.get(mart.name, 0),
                            "grain": mart.doc.grain_in_words,
                        }
                        for mart in project.marts
                    ],
                    {"table": "view of the file", "rows": "how many it holds", "grain": "what one row is"},
                ),
            },
            data_version=dg.DataVersion(manifest.build),
        )

    return snapshot


@dg.multi_asset(
    name="warehouse_postgresql",
    specs=[
        dg.AssetSpec(
            "warehouse_postgresql",
            deps=["warehouse_snapshot"],
            group_name="warehouse",
            kinds={"postgres"},
            owners=[policies.DATA_TEAM],
            code_version="1",
            description="One copy of the published marts on PostgreSQL.\n\nMade aside and put in place in one "
            "transaction, for many readers; a role that may only read comes with it. Without a server it says so.",
        )
    ],
    partitions_def=policies.DAILY,
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=policies.RETRY_EDGES,
)
def warehouse_postgresql(
    context: dg.AssetExecutionContext, workspace: Workspace, serving_database: ServingDatabase
) -> dg.MaterializeResult[Any]:
    day, url = str(partition_days(context)[-1]), serving_database.url()
    if url is None:
        detail = f"no server configured ({serving_database.url_variable}); the published file is what there is"
        return dg.MaterializeResult(metadata={"state": "open", "detail": detail, "changed": False})
    try:
        served = serve(
            WarehouseFolder(Path(workspace.home)),
            url,
            schema=serving_database.schema_name,
            reader=serving_database.reader,
            progress=lambda text: progress.report("warehouse_postgresql", day, text),
        )
    except ServerUnavailable:
        raise  # it may answer in a minute
    except (WarehouseError, ReadingError) as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(served.rows.values()),
            "state": "served",
            "detail": "; ".join([served.place, str(served.manifest), *served.notes]),
            "changed": served.is_new,
            **listing(
                [{"table": name, "rows": rows} for name, rows in sorted(served.rows.items())],
                {"table": "table of the schema", "rows": "how many it holds"},
            ),
        },
        data_version=dg.DataVersion(served.manifest.build),
    )


def _spec(model: Model) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(
            column.name,
            column.type or "unknown",
            description=column.description,
            constraints=dg.TableColumnConstraints(unique=[column.name] == list(model.doc.grain)),
        )
        for column in model.doc.columns
    ]
    lineage = {
        column: [dg.TableColumnDep(dg.AssetKey(table), origin) for table, origin in origins]
        for column, origins in model.lineage.items()
        if origins
    }
    return dg.AssetSpec(
        model.name,
        deps=[*model.models, *model.lake_tables],
        group_name=_GROUPS.get(model.schema, f"warehouse_{model.schema}"),
        kinds={"dbt", "duckdb", "view" if model.materialized == "view" else "table"},
        owners=[policies.DATA_TEAM],
        code_version=model.checksum[:12],
        tags={f"intelsec/{tag}": "" for tag in model.tags},
        description=model.doc.description,
        metadata={
            "dagster/table_name": f"{model.schema}.{model.name}",
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "dagster/column_lineage": dg.TableColumnLineage(lineage),
            "grain": ", ".join(model.doc.grain),
        },
    )


def _check_spec(test: ModelTest) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        test.name,
        asset=test.model,
        blocking=test.blocking,
        description=f"{test.description} {_what_to_do(test)}".strip(),
    )


def _what_to_do(test: ModelTest) -> str:
    """Every test of the warehouse leads back to the same place: the rows it shows, and the day they came from."""
    consequence = "Nothing is published until it holds." if test.blocking else "It is published all the same."
    return f"{consequence} The rows against it are in the evidence; follow one with: intelsec lineage {test.model} KEY"


def _evidence(test: ModelTestOutcome) -> dict[str, Any]:
    return {
        "count": test.failures,
        "threshold": "0",
        "found": test.found,
        "sample": [dict(row) for row in test.sample],
        "what to do": "nothing" if test.passed else _what_to_do(test.test),
    }


def _severity(test: ModelTest) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if test.blocking else dg.AssetCheckSeverity.WARN


def _check_result(test: ModelTestOutcome) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=test.test.name,
        asset_key=test.test.model,
        passed=test.passed,
        severity=_severity(test.test),
        metadata=_evidence(test),
    )


def _recorded(test: ModelTestOutcome, outcome: Outcome, run_id: str) -> CheckResult:
    """The same for the store, where the command finds it beside the checks of the lake."""
    return CheckResult(
        asset=test.test.model,
        check=test.test.name,
        day=outcome.load.newest,
        passed=test.passed,
        severity=_severity(test.test).value,
        blocking=test.test.blocking,
        data_version=outcome.build,
        run_id=run_id,
        at=system_clock(),
        evidence=_evidence(test),
    )


def _as_before(
    project: Project, folder: WarehouseFolder, selected: Collection[str]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """The last build's word on models and tests, when there was nothing to build."""
    verdict = read_verdict(folder) or {}
    rows, against = verdict.get("models", {}), verdict.get("tests", {})
    for test in project.tests:
        if test.model in selected:
            found = against.get(test.unique_id)
            yield _check_result(ModelTestOutcome(test, found is None, 0, found or "holds, as at the last build"))
    for model in project.models:
        if model.name in selected:
            counted = {"dagster/row_count": rows[model.name]} if model.name in rows else {}
            yield dg.MaterializeResult(asset_key=model.name, metadata={"changed": False, **counted})


def _materialized(project: Project, outcome: Outcome, folder: WarehouseFolder) -> Iterator[dg.MaterializeResult[Any]]:
    """What the UI shows of each model that was built; its data version follows from the partitions it is made from."""
    previews = first_rows(folder, [built.model for built in outcome.models if built.built], PREVIEW_ROWS)
    for built in outcome.models:
        if not built.built:
            continue
        versions = table_versions(outcome.load.versions, project.lake_tables_of(built.model.name))
        version = hashlib.sha256("".join([built.model.checksum, *versions.values()]).encode()).hexdigest()
        names, rows = previews[built.model.name]
        yield dg.MaterializeResult(
            asset_key=built.model.name,
            metadata={
                **({"dagster/row_count": built.rows} if built.rows is not None else {}),
                "dagster/uri": folder.build_file.as_uri(),
                "preview": preview_of(names, rows),
                "days": len(outcome.load.days),
                "seconds": round(built.seconds, 2),
                "changed": True,
            },
            data_version=dg.DataVersion(version),
        )
