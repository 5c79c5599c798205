"""A past day again: from stored snapshots, in another home, by Dagster's own way, on other numbers of threads.

Every time the same bytes; what is in them is tested elsewhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml

from intelsec_assets import engine
from intelsec_assets.detections.tables import DETECTION_TABLES
from intelsec_assets.feeds.quality.expectations import Expectation
from intelsec_assets.feeds.quality.verdicts import PASSED, Verdict
from intelsec_assets.resources import feed_verdicts
from intelsec_assets.settings import SAMPLE_DATA
from intelsec_assets.tables import TABLES
from tests.workspaces import Workspace, days, on_the_sample, once

# delimited with gzip and without, MISP and STIX; whole feeds and the day's news
FEEDS = {"tally-list", "harbour-phish", "lighthouse-misp", "beacon-taxii"}
FIRST = date(2026, 3, 3)
SPAN = days(FIRST, 3)
MIDDLE, LAST = SPAN[1], SPAN[2]


def part_of_the_sample(folder: Path) -> Path:
    """A copy of the sample's data root with the days of SPAN and some of its feeds."""

    def ignored(_: str, names: list[str]) -> list[str]:
        dated = [name for name in names if name.startswith("2026")]
        wanted = tuple(text for day in SPAN for text in (str(day), f"{day:%Y%m%d}"))
        return [name for name in dated if not name.startswith(wanted)]

    shutil.copytree(SAMPLE_DATA, folder, ignore=ignored)
    catalogue = yaml.safe_load((SAMPLE_DATA / "catalogue.yaml").read_text())
    catalogue["feeds"] = [feed for feed in catalogue["feeds"] if feed["name"] in FEEDS]
    (folder / "catalogue.yaml").write_text(yaml.safe_dump(catalogue))
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three days built in order, the middle one exported too."""

    def build(folder: Path) -> None:
        workspace = Workspace(part_of_the_sample(folder / "data"), folder / "home")
        outcomes = [*workspace.run(*SPAN[:2]), *workspace.run(LAST)]
        assert [outcome.error for outcome in outcomes] == [None, None, None]

    folder = once(tmp_path_factory, "rebuild", build)
    return Workspace(folder / "data", folder / "home")


def test_a_past_day_is_rebuilt_from_stored_snapshots_when_its_sources_are_gone(
    original: Workspace, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(original.data / "catalogue.yaml", data)  # feeds and warninglists are gone
    workspace = Workspace(data, original.copy(tmp_path / "home").home)
    gone = list((workspace.home / "lake").rglob(f"{MIDDLE}.*"))
    assert len(gone) > 2 * len(FEEDS)
    for path in gone:
        path.unlink()
    shutil.rmtree(workspace.home / "exports")
    (outcome,) = workspace.run(MIDDLE)
    assert outcome.error is None
    assert outcome.changed == len(gone) // 2 + 1  # every table, and the exported files
    assert workspace.content("lake") == original.content("lake")
    exported = {
        path: digest for path, digest in original.content("exports").items() if path.split("/")[1] == str(MIDDLE)
    }
    assert exported
    assert exported.items() <= workspace.content("exports").items()


def test_a_backfill_takes_what_is_stored_even_if_sources_say_something_else_now(
    original: Workspace, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(original.data, data)
    (data / f"feeds/tally-list/{MIDDLE}.tsv.gz").unlink()
    (data / f"feeds/harbour-phish/{MIDDLE:%Y%m%d}.csv").write_text("2026-03-04 08:00:00,me,domain,new.test,#x,,\n")
    (data / "lists/tidepool-survey.txt").write_text("198.51.100.99\n")
    workspace = Workspace(data, original.copy(tmp_path / "home").home)
    (outcome,) = workspace.run(MIDDLE, job="backfill", from_stored=True)
    assert (outcome.error, outcome.changed) == (None, 0)
    assert workspace.content("lake") == original.content("lake")
    (outcome,) = workspace.run(MIDDLE)
    assert outcome.error is None
    assert outcome.changed > 0  # a plain run reads the sources again


def test_a_backfill_in_order_into_a_new_home_gives_the_same_bytes_on_one_thread(
    original: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_threads(monkeypatch, 1)
    workspace = Workspace(original.data, tmp_path / "home")
    outcomes = workspace.run(*SPAN[:2], job="backfill", from_stored=True)
    assert [outcome.error for outcome in outcomes] == [None, None]
    built = workspace.content("lake")
    assert {f"lake/indicators/{day}.parquet" for day in SPAN[:2]} <= built.keys()
    assert built == {path: digest for path, digest in original.content("lake").items() if str(LAST) not in path}
    assert not workspace.content("exports")  # a backfill tells no target


def test_seven_threads_give_the_same_bytes(
    original: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_threads(monkeypatch, 7)
    workspace = without_day(original.copy(tmp_path / "home"), LAST)
    (outcome,) = workspace.run(LAST)
    assert outcome.error is None
    assert workspace.content("lake", "exports") == original.content("lake", "exports")


def test_materialising_a_day_as_the_ui_does_gives_the_same_bytes(
    original: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from intelsec_jobs.definitions import build_defs

    def holds(stated: Sequence[tuple[Expectation, object]], _batch: object) -> list[Verdict]:
        return [Verdict(e.name, PASSED, e.severity, "holds", e.claim, e.what_to_do) for e, _ in stated]

    monkeypatch.setattr(feed_verdicts, "evaluate", holds)  # what evaluates takes seconds to load and writes no bytes
    workspace = without_day(original.copy(tmp_path / "home"), LAST)
    definitions = build_defs(settings=workspace.settings)
    names = ("alert_dispositions", "export_plan", "export_files", "misp_export", "daily_summary")
    one_by_one = dg.AssetSelection.assets(*names)
    keys = (dg.AssetSelection.groups("feeds", "indicators") | one_by_one).resolve(definitions.resolve_asset_graph())
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=str(LAST), instance=instance, asset_selection=sorted(keys)
        )
    assert result.success
    assert workspace.content("lake", "exports") == original.content("lake", "exports")


def test_the_terms_of_a_day_are_those_it_was_built_with(original: Workspace, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(original.data, data)
    catalogue = yaml.safe_load((data / "catalogue.yaml").read_text())
    tally = next(feed for feed in catalogue["feeds"] if feed["name"] == "tally-list")
    assert tally["trust"] == "D"
    tally["trust"] = "A"
    (data / "catalogue.yaml").write_text(yaml.safe_dump(catalogue))
    workspace = Workspace(data, original.copy(tmp_path / "home").home)
    (outcome,) = workspace.run(LAST)
    assert outcome.error is None
    terms = (
        f"select day, trust, trust_weight from '{workspace.home}/lake/feed_terms/*.parquet' where feed = 'tally-list'"
    )
    with duckdb.connect() as con:
        assert con.sql(f"{terms} order by day").fetchall() == [
            (SPAN[0], "D", 0.25), (MIDDLE, "D", 0.25), (LAST, "A", 1.0),
        ]  # fmt: skip


def test_the_ui_may_start_an_empty_lake_on_the_catalogues_first_day_and_no_other(tmp_path: Path) -> None:
    from intelsec_assets.resources.lake import MissingPartition
    from intelsec_assets.resources.workspace import Workspace as Resource

    lake = Resource.of(on_the_sample(tmp_path / "home").settings).lake()
    with pytest.raises(MissingPartition, match=r"starts at 2026-03-02.*--from 2026-03-02 --to 2026-03-05"):
        lake.previous("indicators", date(2026, 3, 5))
    assert lake.origin() is None
    assert lake.previous("indicators", date(2026, 3, 2)) is None
    assert lake.origin() == date(2026, 3, 2)


def test_no_two_rows_of_a_table_share_the_key_that_orders_them(original: Workspace) -> None:
    """Rows that tie could change places with the number of threads."""
    known = TABLES | DETECTION_TABLES
    with duckdb.connect() as con:
        for path in sorted((original.home / "lake").rglob("*.parquet")):
            table = known.get(path.parent.name, TABLES["feed_rows"])
            key = ", ".join(table.sort_by)
            ties = f"select {key}, count(*) from '{path}' group by all having count(*) > 1"
            assert con.sql(ties).fetchall() == [], path


@pytest.mark.slow
def test_fourteen_days_of_the_whole_sample_rebuild_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = days(date(2026, 3, 2), 14)
    first, second = on_the_sample(tmp_path / "first"), on_the_sample(tmp_path / "second")
    assert not [outcome.error for outcome in first.run(*span) if outcome.error]
    on_threads(monkeypatch, 1)
    assert not [outcome.error for outcome in second.run(*span) if outcome.error]
    assert first.content("lake", "exports") == second.content("lake", "exports")
    without_day(second, span[8])
    (outcome,) = second.run(span[8], job="backfill", from_stored=True)
    assert outcome.error is None
    assert first.content("lake") == second.content("lake")


def without_day(workspace: Workspace, day: date) -> Workspace:
    """The workspace after its tables and files of a day were deleted."""
    for path in (workspace.home / "lake").rglob(f"{day}.*"):
        path.unlink()
    (workspace.home / "exports" / str(day)).unlink(missing_ok=True)
    return workspace


def on_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Let every session of the engine have that many threads, whatever the machine has."""
    session = engine.session
    monkeypatch.setattr(engine, "session", lambda **more: session(**{**more, "threads": threads}))
