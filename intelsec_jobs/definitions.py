"""The one assembler: every asset, check, job, schedule, sensor and resource of the location comes together here.

Nothing is defined in this module, and nothing else imports it but the command and tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import dagster as dg

from intelsec_assets import settings as settings_module
from intelsec_assets.detections import assets as detection_assets
from intelsec_assets.detections import checks as detection_checks
from intelsec_assets.detections.tables import DETECTION_TABLES
from intelsec_assets.exports import assets as export_assets
from intelsec_assets.exports import checks as export_checks
from intelsec_assets.feeds import checks as feed_checks
from intelsec_assets.feeds.assets import feed_assets
from intelsec_assets.feeds.quality import assets as quality_assets
from intelsec_assets.feeds.quality.checks import quality_checks
from intelsec_assets.indicators import assets as indicator_assets
from intelsec_assets.indicators import checks as indicator_checks
from intelsec_assets.kpis import assets as kpi_assets
from intelsec_assets.kpis.warehouse.assets import warehouse_assets
from intelsec_assets.kpis.warehouse.project import load_project
from intelsec_assets.resources.misp import Misp
from intelsec_assets.resources.partition import with_columns
from intelsec_assets.resources.serving import ServingDatabase
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import Settings
from intelsec_assets.tables import FEED_ROWS, TABLES
from intelsec_jobs.environments import declared_on
from intelsec_jobs.jobs import JOBS
from intelsec_jobs.schedules import build_schedules
from sensors.audit_arrivals import build_audit_arrivals
from sensors.automation import build_score_automation
from sensors.run_failures import build_run_failure_sensor

_TABLES = {**TABLES, **DETECTION_TABLES}


def build_defs(overrides: Mapping[str, Any] | None = None, *, settings: Settings | None = None) -> dg.Definitions:
    """The location's definitions. `overrides` replaces resources by name, `settings` the environment's.

    Raises CatalogueError, SettingsError or UnknownAutomation: a location that cannot be whole does not load.
    """
    settings = settings or settings_module.from_environment()
    on = declared_on(settings.automation)
    workspace = Workspace.of(settings)
    catalogue = workspace.catalogue()
    modules = [indicator_assets, export_assets, detection_assets, kpi_assets, quality_assets]
    lake = [*feed_assets(catalogue), *cast("list[dg.AssetsDefinition]", dg.load_assets_from_modules(modules))]
    return dg.Definitions(
        assets=[*dg.map_asset_specs(_with_columns, lake), *warehouse_assets(load_project())],
        asset_checks=[
            *dg.load_asset_checks_from_modules([feed_checks, indicator_checks, export_checks, detection_checks]),
            *quality_checks(catalogue),
        ],
        jobs=JOBS,
        schedules=build_schedules(on),
        sensors=[
            build_run_failure_sensor(running="run_failure_notice" in on),
            build_score_automation(running="score_automation" in on),
            build_audit_arrivals(running="audit_log_arrivals" in on),
        ],
        resources={
            "workspace": workspace,
            "misp": Misp.of(settings),
            "serving_database": ServingDatabase.of(settings),
            **(overrides or {}),
        },
    )


def _with_columns(spec: dg.AssetSpec) -> dg.AssetSpec:
    kind, *feed = spec.key.path
    table = FEED_ROWS if feed and kind == "feeds" else _TABLES.get(spec.key.to_user_string())
    return spec if table is None else with_columns(spec, table)


defs = build_defs()
