"""The Dagster instance templates, each started: a job runs on it and its events are read back.

Which jobs intelsec has is tested in tests/graph.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import pytest
import yaml

from intelsec_assets.resources.store import Store
from intelsec_jobs.instance import TEMPLATES, prepare_instance


@dg.asset(pool="warehouse")
def proof() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


def run_a_job_and_read_it_back(home: Path) -> None:
    """Materialise the asset on the home's instance, then look at it through a second one, as the UI does."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        result = dg.materialize([proof], instance=instance)
        assert result.success
        assert instance.get_settings("concurrency")["pools"] == {"default_limit": 1, "granularity": "op"}
    with dg.DagsterInstance.from_config(str(home)) as later:
        run = later.get_run_by_id(result.run_id)
        assert run is not None
        assert run.status is dg.DagsterRunStatus.SUCCESS
        event = later.get_latest_materialization_event(dg.AssetKey("proof"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["rows"].value == 3


def postgresql_environment(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    address = urlsplit(url)
    values = {
        "USERNAME": address.username,
        "PASSWORD": address.password,
        "HOST": address.hostname,
        "PORT": address.port,
        "DB": address.path.strip("/"),
    }
    for name, value in values.items():
        monkeypatch.setenv(f"DAGSTER_PG_{name}", str(value))


def test_a_job_runs_on_the_embedded_instance_and_leaves_everything_in_its_home(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    prepare_instance(home, "embedded")

    run_a_job_and_read_it_back(home)

    assert list(home.rglob("*.db"))


@pytest.mark.needs("postgresql")
def test_a_job_runs_on_the_postgresql_instance(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgresql_environment(monkeypatch, postgresql_url)
    prepare_instance(tmp_path, "postgres")

    run_a_job_and_read_it_back(tmp_path)

    assert not list(tmp_path.rglob("*.db")), "runs and events are in PostgreSQL only"


@pytest.mark.needs("postgresql")
def test_dagster_and_the_store_share_one_database(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgresql_environment(monkeypatch, postgresql_url)
    prepare_instance(tmp_path, "postgres")
    with Store.open(postgresql_url) as store:
        run_a_job_and_read_it_back(tmp_path)
        assert store.runs() == []
    with Store.open(postgresql_url):
        run_a_job_and_read_it_back(tmp_path)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_killed_run_frees_its_pool_slot_and_nothing_is_retried_or_sent(tmp_path: Path, template: str) -> None:
    settings = yaml.safe_load(prepare_instance(tmp_path, template).read_text())

    monitoring = settings["run_monitoring"]
    assert monitoring["enabled"]
    # found at a look, marked; freed at the first look after the grace: three looks at most
    assert 2 * monitoring["poll_interval_seconds"] + monitoring["free_slots_after_run_end_seconds"] < 60
    assert settings["run_launcher"]["class"] == "WatchedRunLauncher"
    assert settings["run_retries"] == {"enabled": False}
    assert settings["telemetry"] == {"enabled": False}


def test_a_template_in_place_is_not_written_again(tmp_path: Path) -> None:
    path = prepare_instance(tmp_path, "embedded")
    before = path.stat()

    assert prepare_instance(tmp_path, "embedded") == path == tmp_path / "dagster.yaml"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_an_older_template_is_replaced_whole(tmp_path: Path) -> None:
    path = prepare_instance(tmp_path, "embedded")
    wanted = path.read_text()
    path.write_text("telemetry: {enabled: true}\n")

    assert prepare_instance(tmp_path, "embedded").read_text() == wanted
    assert [file.name for file in tmp_path.iterdir()] == ["dagster.yaml"]


def test_an_unknown_template_is_refused_with_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'kubernetes' does not exist; choose one of embedded, postgres"):
        prepare_instance(tmp_path, "kubernetes")
