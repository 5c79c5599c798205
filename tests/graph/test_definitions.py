"""The location as a whole: it loads from anywhere, holds what the golden list says, and every asset says what it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from intelsec_assets.detections.tables import DETECTION_TABLES
from intelsec_assets.settings import REPOSITORY, from_environment
from intelsec_assets.tables import FEED_ROWS, TABLES
from intelsec_jobs.definitions import build_defs
from intelsec_jobs.environments import AUTOMATION, UnknownAutomation, declared_on

GOLDEN = Path(__file__).with_name("golden.txt")
ACCEPT = "INTELSEC_WRITE_GOLDEN" in os.environ  # read before the fixture that clears the environment


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs(settings=from_environment({}))


def listing(definitions: dg.Definitions) -> list[str]:
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    lines = [f"asset {key.to_user_string()}" for key in graph.get_all_asset_keys()]
    lines += [
        f"check {key.asset_key.to_user_string()}.{key.name}"
        + (" blocking" if graph.get_check_spec(key).blocking else "")
        for key in graph.asset_check_keys
    ]
    lines += [f"job {job.name}" for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]
    lines += [f"schedule {s.name} {s.cron_schedule} {s.execution_timezone}" for s in repository.schedule_defs]
    lines += [f"sensor {sensor.name}" for sensor in repository.sensor_defs]
    return sorted(lines)


def test_assets_checks_jobs_schedules_and_sensors_are_the_golden_list(definitions: dg.Definitions) -> None:
    """To accept a change: INTELSEC_WRITE_GOLDEN=1 pytest tests/graph/test_definitions.py"""
    found = "\n".join(listing(definitions)) + "\n"
    if ACCEPT:
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_every_asset_has_description_owner_group_kinds_and_code_version(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert (spec.description or "").startswith("One "), f"{name}: the first line says the grain"
        assert all([spec.owners, spec.kinds, spec.code_version, spec.group_name != "default"]), name


def test_every_asset_that_is_a_table_shows_its_columns_before_it_has_rows(definitions: dg.Definitions) -> None:
    shown = {
        spec.key.to_user_string(): spec.metadata["dagster/column_schema"].columns
        for spec in definitions.resolve_all_asset_specs()
        if "dagster/column_schema" in spec.metadata
    }
    tables = {**TABLES, **DETECTION_TABLES}
    feeds = {name for name in shown if name.startswith("feeds/")}

    assert len(feeds) == 10
    assert shown.keys() >= tables.keys() - {"feed_rows"}
    for name in {*tables, *feeds} - {"feed_rows"}:
        table = FEED_ROWS if name in feeds else tables[name]
        assert [(c.name, c.description) for c in shown[name]] == [(c.name, c.description) for c in table.columns]


def test_every_asset_of_detections_has_checks_and_each_can_be_executed_by_itself(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    groups = ("detections", "detection_outcomes")
    assets = {spec.key for spec in definitions.resolve_all_asset_specs() if spec.group_name in groups}
    checks = {key for key in graph.asset_check_keys if key.asset_key in assets}
    of_the_run = {dg.AssetCheckKey(dg.AssetKey("cloud_audit_events"), "sources_could_be_read")}

    assert {key.asset_key for key in checks} == assets
    assert {key for key in checks if len(graph.get_execution_set_asset_and_check_keys(key)) > 1} == of_the_run


def test_everything_is_daily_in_utc(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert isinstance(spec.partitions_def, dg.DailyPartitionsDefinition), spec.key
        assert spec.partitions_def.timezone == "UTC"


def test_schedules_and_sensors_are_off_until_declared_on(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    automation = {s.name: s.default_status for s in [*repository.schedule_defs, *repository.sensor_defs]}
    assert set(automation) == AUTOMATION
    assert {status.value for status in automation.values()} == {"STOPPED"}
    on = build_defs(settings=from_environment({"INTELSEC_AUTOMATION": "export_schedule"})).get_repository_def()
    assert [s.name for s in on.schedule_defs if s.default_status == dg.DefaultScheduleStatus.RUNNING] == [
        "export_schedule"
    ]


def test_an_unknown_name_to_declare_on_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(UnknownAutomation, match="unknown exports; allowed are audit_log_arrivals, "):
        declared_on({"exports"})


def test_overrides_replace_a_resource() -> None:
    workspace = build_defs().resources["workspace"] if build_defs().resources else None
    other = type(workspace)(home="/nowhere", store_url="sqlite://")
    assert build_defs({"workspace": other}).resources["workspace"] is other


def test_the_location_loads_from_any_directory(tmp_path: Path) -> None:
    dagster = Path(sys.executable).with_name("dagster")
    done = subprocess.run(
        [dagster, "definitions", "validate", "-w", REPOSITORY / "workspace.yaml"],
        cwd=tmp_path,
        env=os.environ | {"DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_definitions_loads_no_heavy_library() -> None:
    """`dagster` itself takes its time; the location adds what it needs to describe itself, not what it runs with."""
    heavy = ["pandas", "great_expectations", "pymisp", "dbt", "alembic", "psycopg2", "stix2patterns"]
    code = f"import sys, intelsec_jobs.definitions; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert found.stdout.strip() == "[]"
