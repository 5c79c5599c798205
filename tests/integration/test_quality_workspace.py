"""Verdicts on feeds in a workspace: what they are made from, when they are made anew, how the command and Dagster tell.

What Great Expectations answers is tested in `test_quality_evaluation`; here it is asked only in the slow tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from intelsec_assets import engine
from intelsec_assets.feeds import status
from intelsec_assets.feeds.assets import snapshot_rows
from intelsec_assets.feeds.catalogue import Catalogue, Feed
from intelsec_assets.feeds.quality import evaluation
from intelsec_assets.feeds.quality.evaluation import QualityPartMissing
from intelsec_assets.feeds.quality.expectations import Expectation, NotKnown
from intelsec_assets.feeds.quality.suites import suite
from intelsec_assets.feeds.quality.verdicts import PASSED, Verdict
from intelsec_assets.feeds.snapshot import RawStore
from intelsec_assets.feeds.take import take_snapshot
from intelsec_assets.resources import feed_verdicts
from intelsec_assets.resources.feed_verdicts import asset_of, bring_up_to_date, healthy_days, judge, standing
from intelsec_assets.resources.lake import MissingPartition
from intelsec_assets.tables import FEED_STATUS, OBSERVATIONS, REJECTED_OBSERVATIONS
from tests.workspaces import Workspace, data_root, days, hosts, on_the_sample, once, publish

FIRST = date(2026, 3, 2)
DAYS = days(FIRST, 9)
LAST = DAYS[-1]  # Tuesday 10 March
NOW = datetime(2026, 3, 11, 3, tzinfo=UTC)
TABLE = {
    "name": "table-two",
    "format": "csv",
    "local": "table-two/{day}.txt",
    "options": {"columns": {"value": "ioc", "confidence": "sure"}},
}
PLAIN = {"name": "list-one", "contract": {"min_rows": 10}}


def publish_all(root: Path) -> None:
    """Nine days: a list that shrinks below its contract on the third, a table that gets a column on the last."""
    for day in DAYS:
        publish(root, "list-one", day, hosts("one", 3 if day == DAYS[2] else 30 + day.day))
        header, row = ("ioc,sure,note", ",0.5,x") if day == LAST else ("ioc,sure", ",0.5")
        publish(root, "table-two", day, [header, *(f"{host}{row}" for host in hosts("two", 25))])


def build_day(place: Workspace, catalogue: Catalogue, day: date) -> None:
    """The feeds of a day and their status, as the assets make them, without a run."""
    lake, raw = place.lake, RawStore(place.home / "raw")
    taken, files = {}, {}
    for feed in catalogue.enabled_feeds:
        taken[feed.name] = take_snapshot(feed, day, raw, place.data, clock=lambda: NOW)
        files[feed.name] = snapshot_rows(lake, raw, feed, day, taken[feed.name]).file
    before = lake.previous(FEED_STATUS.name, day)
    with engine.session() as con:
        for table in (OBSERVATIONS, REJECTED_OBSERVATIONS):
            con.execute(f"create table {table.name} ({table.ddl()})")
        rows = status.statuses(
            con,
            catalogue.enabled_feeds,
            day,
            {name: (taken[name], file.note, file.rows) for name, file in files.items()},
            con.table(OBSERVATIONS.name),
            con.table(REJECTED_OBSERVATIONS.name),
            lake.relation(con, before) if before else None,
        )
        lake.write(con, FEED_STATUS, FEED_STATUS.name, day, rows, fingerprint="f", inputs={})


def catalogue_of(place: Workspace) -> Catalogue:
    from intelsec_assets.resources.workspace import Workspace as Resource

    return Resource.of(place.settings).catalogue()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    def build(folder: Path) -> None:
        root = data_root(folder / "data", [PLAIN, TABLE])
        publish_all(root)
        place = Workspace(root, folder / "home")
        place.lake.begin(FIRST)
        catalogue = catalogue_of(place)
        for day in DAYS:
            build_day(place, catalogue, day)
        place.store().close()  # made once: each test would make its own

    folder = once(tmp_path_factory, "quality", build)
    return Workspace(folder / "data", folder / "home")


@pytest.fixture
def place(built: Workspace, tmp_path: Path) -> Workspace:
    """A copy to be changed."""
    return built.copy(tmp_path / "home")


Asked = list[tuple[Expectation, Expectation | NotKnown]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What Great Expectations would be asked; everything holds."""
    seen: Asked = []

    def answer(stated: Sequence[tuple[Expectation, Expectation | NotKnown]], _batch: object) -> list[Verdict]:
        seen.extend(stated)
        return [Verdict(e.name, PASSED, e.severity, "holds", e.claim, e.what_to_do) for e, _ in stated]

    monkeypatch.setattr(feed_verdicts, "evaluate", answer)
    return seen


def verdicts_of(place: Workspace, name: str, day: date = LAST) -> dict[str, Verdict]:
    feed = catalogue_of(place).feed(name)
    healthy = healthy_days(place.lake, day).get(name, {})
    judged = judge(place.lake, RawStore(place.home / "raw"), feed, day, healthy)
    return {verdict.name: verdict for verdict in judged.verdicts}


def update(place: Workspace, only: Sequence[Feed] | None = None) -> None:
    feeds = catalogue_of(place).enabled_feeds if only is None else only
    with place.store() as store:
        bring_up_to_date(place.lake, RawStore(place.home / "raw"), store, feeds, LAST, run_id=None, clock=lambda: NOW)


def waiting(place: Workspace) -> list[str]:
    with place.store() as store:
        known = standing(place.lake, store, catalogue_of(place).enabled_feeds, LAST)
    return [feed.name for feed in known.waiting]


def test_usual_is_learnt_from_healthy_days_alone(place: Workspace, asked: Asked) -> None:
    """3 March is in, 4 March was held: its three rows teach nothing."""
    assert sorted(healthy_days(place.lake, LAST)["list-one"]) == [day for day in DAYS[:-1] if day != DAYS[2]]
    verdicts_of(place, "list-one")
    bound = next(bound for expectation, bound in asked if expectation.name == "volume_is_usual")

    assert isinstance(bound, Expectation)
    assert 25 < bound.kwargs["min_value"] < 35
    assert bound.basis == "7 days, too few Tuesdays among them"


def test_a_new_column_of_the_source_is_among_the_verdicts(place: Workspace, asked: Asked) -> None:
    verdict = verdicts_of(place, "table-two")["schema_is_stable"]

    assert (verdict.outcome, verdict.found) == ("failed", "column note is new, after sure, against 2026-03-09")
    assert verdicts_of(place, "table-two", DAYS[3])["schema_is_stable"].outcome == "passed"


def test_a_feed_that_could_not_be_read_has_no_verdict_and_says_why(place: Workspace, asked: Asked) -> None:
    publish(place.data, "table-two", date(2026, 3, 11), "<!DOCTYPE html><title>502</title>")
    publish(place.data, "list-one", date(2026, 3, 11), hosts("one", 40))
    build_day(place, catalogue_of(place), date(2026, 3, 11))
    verdicts = verdicts_of(place, "table-two", date(2026, 3, 11))

    assert {verdict.outcome for verdict in verdicts.values()} == {"no_verdict"}
    assert "HTML page titled '502'" in verdicts["volume_is_usual"].found
    assert asked == []


def test_a_damaged_file_is_an_error_of_every_claim_and_names_the_way_out(place: Workspace, asked: Asked) -> None:
    place.lake.path("feeds/list-one", LAST).write_bytes(b"PAR1")
    verdicts = verdicts_of(place, "list-one")

    assert {verdict.outcome for verdict in verdicts.values()} == {"error"}
    assert "intelsec run --day 2026-03-10" in verdicts["volume_is_usual"].found


def test_usual_is_not_learnt_from_a_file_that_somebody_changed(place: Workspace, asked: Asked) -> None:
    place.lake.path("feeds/list-one", DAYS[4]).write_bytes(b"PAR1")

    assert {verdict.outcome for verdict in verdicts_of(place, "list-one").values()} == {"error"}


def test_a_damaged_raw_file_is_an_error_of_the_claim_about_columns(place: Workspace, asked: Asked) -> None:
    raw = RawStore(place.home / "raw")
    snapshot = raw.load("table-two", LAST)
    assert snapshot is not None
    sha256 = snapshot.files[0].sha256
    (place.home / "raw" / sha256[:2] / f"{sha256}.zst").write_bytes(b"damaged")

    assert verdicts_of(place, "table-two")["schema_is_stable"].outcome == "error"


def test_a_day_that_is_not_built_is_not_judged(place: Workspace, asked: Asked) -> None:
    with pytest.raises(MissingPartition, match="feeds/list-one of 2026-04-01 is not in the lake"):
        verdicts_of(place, "list-one", date(2026, 4, 1))


def test_verdicts_are_kept_with_what_they_are_about(place: Workspace, asked: Asked) -> None:
    update(place)
    with place.store() as store:
        results = {result.check: result for result in store.latest_checks(LAST, ["feeds/table-two"])}
    found = results["schema_is_stable"]

    assert results.keys() == {expectation.name for expectation in suite(catalogue_of(place).feed("table-two"))}
    assert (found.passed, found.severity, found.blocking) == (False, "WARN", False)
    assert found.data_version == place.lake.read("feeds/table-two", LAST).sha256
    assert found.evidence["sample"] == [{"change": "new", "field": "note", "words": "column note is new, after sure"}]


def test_a_feed_is_judged_anew_when_its_content_or_its_suite_has_changed(place: Workspace, asked: Asked) -> None:
    assert waiting(place) == ["list-one", "table-two"]
    update(place)
    assert waiting(place) == []

    changed = place.copy(place.home.with_name("changed"))
    root = data_root(place.data.with_name("other"), [PLAIN, TABLE])
    publish_all(root)
    publish(root, "list-one", LAST, hosts("other", 40))
    other = Workspace(root, changed.home)
    build_day(other, catalogue_of(other), LAST)
    assert waiting(other) == ["list-one"]

    data_root(root, [{**PLAIN, "expectations": [{"name": "volume_is_usual", "severity": "info"}]}, TABLE])
    update(other, [catalogue_of(other).feed("table-two")])
    assert waiting(other) == ["list-one"]


def test_what_was_found_by_an_expectation_that_is_switched_off_since_no_longer_counts(
    place: Workspace, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    update(place)
    off = {"name": "schema_is_stable", "enabled": False, "reason": "its publisher adds a column a week"}
    root = data_root(place.data.with_name("other"), [PLAIN, {**TABLE, "expectations": [off]}])
    publish_all(root)
    Workspace(root, place.home).here(monkeypatch, "quality", "--json")
    report = json.loads(capsys.readouterr().out)

    assert {problem["kind"] for problem in report["problems"]} == {"exports_blocked"}


def test_a_feed_that_came_to_the_catalogue_after_the_day_is_not_built(
    place: Workspace, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = data_root(place.data.with_name("other"), [PLAIN, TABLE, {"name": "list-three"}])
    Workspace(root, place.home).here(monkeypatch, "quality", "--data", str(root))
    told = capsys.readouterr().out

    assert f"not built (1): list-three\n      next: intelsec run --day 2026-03-10 --data {root}\n" in told


def test_the_command_tells_what_is_wrong_by_cost_with_commands(
    place: Workspace, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a run no blocking check was made: the gate lets nothing out, and says so first."""
    code = place.here(monkeypatch, "quality", "--json")
    report = json.loads(capsys.readouterr().out)

    assert code == 1
    kinds = [problem["kind"] for problem in report["problems"]]
    assert kinds == sorted(kinds, key=["exports_blocked", "warning"].index)
    assert report["problems"][-1] == {
        "rank": 6,
        "kind": "warning",
        "cost": 25,
        "unit": "rows concerned",
        "subject": "table-two.schema_is_stable",
        "found": "column note is new, after sure, against 2026-03-09",
        "next": "intelsec quality table-two.schema_is_stable --day 2026-03-10",
    }
    assert (report["day"], report["not_evaluated"]) == ("2026-03-10", [])


def test_each_next_step_is_a_command_that_works(
    place: Workspace, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.here(monkeypatch, "quality", "--json")
    step = json.loads(capsys.readouterr().out)["problems"][-1]["next"]
    code = place.here(monkeypatch, *step.split()[1:])
    told = capsys.readouterr().out

    assert code == 1
    assert "failed      schema_is_stable: column note is new, after sure, against 2026-03-09" in told
    assert "what to do: Compare with the publisher's announcement" in told


def test_a_held_feed_is_told_with_the_days_before_it(
    place: Workspace, asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.here(monkeypatch, "quality", "--day", "2026-03-04") == 1
    told = capsys.readouterr().out
    assert "feeds are held (1)" in told
    assert "list-one: shrunk: 3 rows; the contract asks for at least 10 (min_rows)" in told

    assert place.here(monkeypatch, "quality", "list-one", "--day", "2026-03-04") == 1
    told = capsys.readouterr().out
    assert "held        shrunk: 3 rows" in told
    assert "before      2026-03-02 Mon         32 rows        0 rejected  ok" in told


def test_without_evaluating_the_command_says_which_feeds_nobody_judged(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place.here(monkeypatch, "quality", "--no-evaluate")

    assert "not evaluated (2): list-one, table-two" in capsys.readouterr().out


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed."""
    find: Callable[[str], Any] = evaluation.importlib.util.find_spec
    monkeypatch.setattr(
        evaluation.importlib.util, "find_spec", lambda name: None if name == "great_expectations" else find(name)
    )


def test_without_the_extra_the_command_names_what_installs_it_and_goes_on(
    place: Workspace, missing: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = place.here(monkeypatch, "quality")
    told = capsys.readouterr().out

    assert code == 1  # the gate has something to say all the same
    assert "not evaluated (2): list-one, table-two" in told
    assert "great_expectations not installed; install the extra `quality`: " in told
    assert place.here(monkeypatch, "quality", "--evaluate") == 3
    assert "uv sync --frozen --inexact --extra quality" in capsys.readouterr().err
    with pytest.raises(QualityPartMissing):
        verdicts_of(place, "list-one")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "nonsense: no verdict on 2026-03-10 about that; there are verdicts on list-one, table-two"),
        (["--day", "2026-04-01"], 1, "feed_status of 2026-04-01 is not in the lake"),
        (["--day", "tomorrow"], 2, "'tomorrow' is not a day"),
    ],
    ids=["unknown name", "day not built", "no day"],
)
def test_wrong_use_is_answered_with_the_way_out(
    arguments: list[str],
    code: int,
    words: str,
    place: Workspace,
    asked: Asked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert place.here(monkeypatch, "quality", *arguments) == code
    assert words in " ".join(capsys.readouterr().err.split())


def test_an_empty_workspace_says_what_to_do(
    built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Workspace(built.data, tmp_path / "none").here(monkeypatch, "quality") == 1
    assert "Next: intelsec run" in capsys.readouterr().err


def definitions(place: Workspace) -> Any:
    """The feeds with their quality checks and the report, as a location has them."""
    import dagster as dg

    from intelsec_assets.exports.assets import export_plan
    from intelsec_assets.feeds.assets import feed_assets
    from intelsec_assets.feeds.quality.assets import quality_report
    from intelsec_assets.feeds.quality.checks import QUALITY_CHECKS, quality_checks
    from intelsec_assets.resources.workspace import Workspace as Resource

    workspace = Resource.of(place.settings)
    together = dg.in_process_executor
    return dg.Definitions(
        assets=[*feed_assets(workspace.catalogue()), export_plan, quality_report],
        asset_checks=quality_checks(workspace.catalogue()),
        jobs=[
            dg.define_asset_job("quality", QUALITY_CHECKS | dg.AssetSelection.groups("quality"), executor_def=together),
            dg.define_asset_job("daily", dg.AssetSelection.groups("feeds") - QUALITY_CHECKS, executor_def=together),
        ],
        resources={"workspace": workspace},
    )


def test_the_checks_run_in_a_job_of_their_own_and_report_with_evidence(place: Workspace, asked: Asked) -> None:
    import dagster as dg

    location = definitions(place)
    daily = {check.name for check in location.resolve_job_def("daily").asset_layer.asset_graph.asset_check_keys}
    done = location.resolve_job_def("quality").execute_in_process(partition_key=str(LAST))
    evaluations = {(e.asset_key.to_user_string(), e.check_name): e for e in done.get_asset_check_evaluations()}
    failed = evaluations["feeds/table_two", "schema_is_stable"]

    assert daily == {"readable"}
    assert len(evaluations) == sum(len(suite(feed)) for feed in catalogue_of(place).enabled_feeds)
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert failed.metadata["found"].value == "column note is new, after sure, against 2026-03-09"
    assert failed.metadata["what to do"].value.startswith("Compare with the publisher's announcement")
    (report,) = done.asset_materializations_for_node("quality_report")
    assert "table-two.schema_is_stable" in report.metadata["report"].value
    # whichever step came first judged; the other took its verdicts
    assert len(asked) == len(evaluations) - 2


@pytest.mark.slow
def test_one_check_can_be_run_by_itself(place: Workspace, asked: Asked) -> None:
    import dagster as dg

    key = dg.AssetCheckKey(dg.AssetKey(["feeds", "table_two"]), "volume_is_usual")
    job = dg.define_asset_job("one", dg.AssetSelection.checks(key), executor_def=dg.in_process_executor)
    location = dg.Definitions.merge(definitions(place), dg.Definitions(jobs=[job]))
    done = location.resolve_job_def("one").execute_in_process()  # without a partition: the newest day

    assert [e.check_name for e in done.get_asset_check_evaluations()] == ["volume_is_usual"]
    with place.store() as store:
        assert [result.check for result in store.latest_checks(LAST, ["feeds/table-two"])] == ["volume_is_usual"]


def test_without_the_extra_a_check_fails_with_the_command_that_installs_it(place: Workspace, missing: None) -> None:
    done = (
        definitions(place).resolve_job_def("quality").execute_in_process(partition_key=str(LAST), raise_on_error=False)
    )
    reasons = [e.step_failure_data.user_failure_data.description for e in done.all_events if e.is_step_failure]

    assert not done.success
    assert len(reasons) == 3
    assert all("uv sync --frozen --inexact --extra quality" in reason for reason in reasons)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The bundled sample, all its days run."""
    home = once(tmp_path_factory, "quality-sample", lambda folder: on_the_sample(folder / "home").run(*days(FIRST, 14)))
    return on_the_sample(home / "home")


@pytest.mark.slow
def test_on_the_sample_all_that_is_told_of_fourteen_days_is_what_happened(sample: Workspace) -> None:
    """The column on the 9th, the tally's loss on the 10th, the workshop's growth after it was stale for a week."""
    raw, told = RawStore(sample.home / "raw"), []
    for day in days(FIRST, 14):
        healthy = healthy_days(sample.lake, day)
        for feed in catalogue_of(sample).enabled_feeds:
            judged = judge(sample.lake, raw, feed, day, healthy.get(feed.name, {}))
            assert "error" not in {verdict.outcome for verdict in judged.verdicts}
            told += [(day.day, asset_of(feed), v.name) for v in judged.verdicts if not v.passed]

    assert told == [
        (9, "feeds/foundry-c2", "schema_is_stable"),
        (10, "feeds/tally-list", "volume_is_usual"),
        (13, "feeds/workshop-trails", "volume_is_usual"),
        (14, "feeds/workshop-trails", "volume_is_usual"),
    ]


@pytest.mark.slow
def test_on_the_sample_the_last_day_has_nothing_wrong(
    sample: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sample.copy(tmp_path / "home").here(monkeypatch, "quality") == 0
    assert capsys.readouterr().out.startswith("2026-03-15  nothing is wrong; data is ")
