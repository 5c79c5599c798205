"""The gate before targets, with real runs: a day leaves the house only if its checks passed on its files as they are.

The judgement itself is tested with `exports.gate`.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from intelsec_assets.resources.store import Store
from tests.doubles.misp_server import KEY, MispDouble, misp_double
from tests.workspaces import FIRST_DAY, Workspace, data_root, days, hosts, once, publish

DAY, NEXT = days(FIRST_DAY, 2)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A day built and exported to files."""

    def build(folder: Path) -> None:
        root = data_root(folder / "data", [{"name": "alpha"}])
        publish(root, "alpha", DAY, hosts("alpha", 60))
        publish(root, "alpha", NEXT, hosts("alpha", 80))
        (outcome,) = Workspace(root, folder / "home").run(DAY)
        assert outcome.error is None

    folder = once(tmp_path_factory, "gate", build)
    return Workspace(folder / "data", folder / "home")


def export(workspace: Workspace, day: date = DAY, asset: str = "export_files") -> str:
    """Why the export of a day in a run of its own failed; empty if it did not."""
    import dagster as dg

    from intelsec_jobs.definitions import build_defs

    job = build_defs(settings=workspace.settings).resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            partition_key=str(day),
            instance=instance,
            asset_selection=[dg.AssetKey(asset)],
            raise_on_error=False,
            run_config=QUIET,
        )
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return " ".join(
        f"{f.user_failure_data and f.user_failure_data.description} {f.error.to_string()}" for f in failures
    )


def failed(store: Store, asset: str, check: str) -> None:
    """Let the newest result of a check say that it did not pass."""
    (passed,) = [result for result in store.latest_checks(DAY, {asset}) if result.check == check]
    store.record_checks([replace(passed, passed=False, run_id="later", at=passed.at.replace(year=2027))])


def test_a_day_whose_checks_passed_is_exported_and_a_second_time_nothing_is_written(
    built: Workspace, tmp_path: Path
) -> None:
    workspace = built.copy(tmp_path / "home")
    before = workspace.content("exports")
    assert export(workspace) == ""
    assert workspace.content("exports") == before != {}


def test_a_failed_check_refuses_both_targets_by_name_and_nothing_reaches_them(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELSEC_MISP_KEY", KEY)
    with misp_double() as server:
        workspace = built.copy(tmp_path / "home", INTELSEC_MISP_URL=server.url)
        with workspace.store() as store:
            failed(store, "indicators", "keys_are_unique")
        (workspace.home / "exports" / str(DAY)).unlink()
        said = export(workspace)
        assert f"export of {DAY} refused: check keys_are_unique of indicators for {DAY} did not pass" in said
        assert "check keys_are_unique of indicators" in export(workspace, asset="misp_export")
        assert not (workspace.home / "exports" / str(DAY)).exists()
        assert server.requests == []
        assert workspace.ledger("misp") == {}


def test_a_lake_file_changed_by_hand_is_named_by_its_check_and_the_export_refuses(
    built: Workspace, tmp_path: Path
) -> None:
    workspace = built.copy(tmp_path / "home")
    tampered = workspace.lake.path("indicator_scores", DAY)
    tampered.write_bytes(tampered.read_bytes()[:-1] + b"?")
    before = workspace.content("exports")
    said = export(workspace)
    assert f"{tampered} is not the file that was written" in said
    assert f"intelsec run --day {DAY}" in said
    assert workspace.content("exports") == before
    evidence = verdicts(workspace, "indicator_scores")
    assert set(evidence) == {"file_is_as_written", "every_indicator_is_scored", "contributions_sum_to_score"}
    assert all(str(tampered) in found for found in evidence.values())


def verdicts(workspace: Workspace, asset: str) -> dict[str, str]:
    """What the failing checks of a table say when executed by themselves, as in the UI: about the newest day."""
    import dagster as dg

    from intelsec_jobs.definitions import build_defs

    only_checks = dg.define_asset_job("only_checks", selection=dg.AssetSelection.checks_for_assets(asset))
    both = dg.Definitions.merge(build_defs(settings=workspace.settings), dg.Definitions(jobs=[only_checks]))
    with dg.DagsterInstance.ephemeral() as instance:
        done = both.resolve_job_def("only_checks").execute_in_process(
            instance=instance, raise_on_error=False, run_config=QUIET
        )
    found = done.get_asset_check_evaluations()
    return {check.check_name: str(check.metadata["found"].value) for check in found if not check.passed}


def test_the_command_builds_a_tampered_day_again_and_says_that_it_wrote(built: Workspace, tmp_path: Path) -> None:
    workspace = built.copy(tmp_path / "home")
    tampered = workspace.lake.path("indicators", DAY)
    tampered.write_bytes(b"")
    workspace.lake.path("observations", DAY).with_suffix(".stamp.json").write_text('{"sha256": 1}')
    (outcome,) = workspace.run(DAY)
    assert (outcome.error, outcome.changed) == (None, 1)
    assert workspace.content("lake", "exports") == built.content("lake", "exports")


def test_a_tampered_day_before_stops_the_next_day_by_name(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = built.copy(tmp_path / "home")
    tampered = workspace.lake.path("indicators", DAY)
    tampered.write_bytes(tampered.read_bytes() + b" ")
    assert workspace.here(monkeypatch, "run", "--day", str(NEXT)) == 1
    said = capsys.readouterr().err
    assert f"{tampered} is not the file that was written" in said
    assert f"intelsec run --day {DAY}" in said
    assert not workspace.lake.path("export_plan", NEXT).exists()
    assert not (workspace.home / "exports" / str(NEXT)).exists()


def test_tables_whose_checks_never_ran_are_not_exported(built: Workspace, tmp_path: Path) -> None:
    workspace = Workspace(built.data, tmp_path / "home")
    shutil.copytree(built.home / "lake", workspace.home / "lake")  # the tables without the record of their checks
    said = export(workspace)
    assert f"check file_is_as_written of observations for {DAY} has not run" in said
    assert f"check nothing_protected_is_exported of export_plan for {DAY} has not run" in said
    assert not (workspace.home / "exports" / str(DAY)).exists()
    assert workspace.ledger() == {}


def test_what_is_ours_is_refused_though_neither_hits_nor_checks_know_of_it(built: Workspace, tmp_path: Path) -> None:
    shutil.copytree(built.data, tmp_path / "data")
    data_root(tmp_path / "data", [{"name": "alpha"}], protected={"domains": ["alpha-7.example"], "networks": []})
    copied = built.copy(tmp_path / "home")
    workspace = Workspace(tmp_path / "data", copied.home, copied.more)
    told = workspace.content("exports")
    said = export(workspace)
    assert f"export of {DAY} refused: domain alpha-7.example is ours (protected entry alpha-7.example)" in said
    assert workspace.content("exports") == told
    assert "domain alpha-7.example is ours" in export(workspace, asset="misp_export")


def test_a_file_rebuilt_without_its_checks_is_not_exported(built: Workspace, tmp_path: Path) -> None:
    workspace = built.copy(tmp_path / "home")
    with workspace.store() as store:
        results = [replace(r, data_version="0" * 64) for r in store.latest_checks(DAY, {"export_plan"})]
        store.record_checks([replace(r, run_id="later", at=r.at.replace(year=2027)) for r in results])
    assert "looked at version 000000000000, but the file is now" in export(workspace)


def held(server: MispDouble) -> set[str]:
    """Values that a server shows."""
    events = server.misp.events.values()
    return {a.value for event in events for a in event.attributes.values() if not a.deleted}


def test_a_refused_day_goes_out_once_its_checks_have_passed_again(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELSEC_MISP_KEY", KEY)
    with misp_double() as server:
        workspace = built.copy(tmp_path / "home", INTELSEC_MISP_URL=server.url)
        with workspace.store() as store:
            (result,) = [r for r in store.latest_checks(DAY, {"indicators"}) if r.check == "keys_are_unique"]
            store.record_checks([replace(result, passed=False, run_id="later")])
        assert export(workspace, asset="misp_export") != ""
        outcomes = workspace.run(DAY, last="export")
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert held(server) == set(hosts("alpha", 60))
