"""Publishing a build and going back: what readers find, what is refused, what stays, what heals.

Readers beside writers, kills and full disks are in `tests/integration/test_warehouse_publish.py`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.contents import UnfitFile
from intelsec_assets.kpis.warehouse.docs import ColumnDoc, ModelDoc
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.locking import WarehouseBusy, warehouse_lock
from intelsec_assets.kpis.warehouse.manifest import Manifest
from intelsec_assets.kpis.warehouse.publish import NotPublishable, PublicationFailed, publish_snapshot
from intelsec_assets.kpis.warehouse.snapshots import (
    DamagedSnapshot,
    UnknownSnapshot,
    list_snapshots,
    published,
    rollback,
    snapshot_file,
    snapshot_of_day,
)
from tests.warehouse_builds import (
    DAY,
    LEFT,
    MARTS,
    NOON,
    RIGHT,
    at,
    build_seen,
    published_build,
    with_published,
    write_build,
    write_verdict,
)

SHELL = Path(sys.executable).with_name("duckdb")


@pytest.fixture
def folder(tmp_path: Path) -> WarehouseFolder:
    return WarehouseFolder(tmp_path)


@pytest.fixture
def one(tmp_path: Path) -> WarehouseFolder:
    """With one snapshot, published."""
    return with_published(tmp_path, 1)


@pytest.fixture
def two(tmp_path: Path) -> WarehouseFolder:
    """With two snapshots, the second of them published."""
    return with_published(tmp_path, 2)


def opened(folder: WarehouseFolder) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(folder.published), read_only=True)


def numbers(folder: WarehouseFolder) -> list[int]:
    return [manifest.snapshot for manifest in list_snapshots(folder)]


def content(folder: WarehouseFolder) -> dict[str, tuple[int, bytes]]:
    """Every published file and manifest, with the inode that a replacement would change."""
    paths = [folder.published, folder.published_manifest, *folder.snapshots.rglob("*.*")]
    return {str(path.relative_to(folder.root)): (path.lstat().st_ino, path.read_bytes()) for path in paths}


# ---------------------------------------------------------------- what readers find


def test_readers_find_the_rows_that_were_built(folder: WarehouseFolder) -> None:
    published_build(folder, 1, rows=5)
    with opened(folder) as con:
        assert con.sql("select day, n, build from fct_left order by n").fetchall() == [(DAY, n, 1) for n in range(5)]
        assert con.sql("from dim_right").fetchall() == [("it", 1)]


def test_views_hide_what_only_machines_need_and_the_tables_behind_them_do_not(one: WarehouseFolder) -> None:
    with opened(one) as con:
        assert con.sql("from fct_left").columns == ["day", "n", "build"]
        assert con.sql("from marts.fct_left").columns == ["day", "n", "build", "digest"]


def test_nothing_of_the_build_but_its_marts_is_in_the_file(folder: WarehouseFolder) -> None:
    published_build(
        folder, 1, more="create table main.dbt_left_over as select 1 as x; create view fct_left as select 2"
    )
    with opened(folder) as con:
        tables = con.sql("select schema_name, table_name from duckdb_tables() order by all").fetchall()
        views = con.sql("select schema_name, view_name from duckdb_views() where not internal order by all").fetchall()
    assert tables == [("main", "about"), ("main", "snapshot"), ("marts", "dim_right"), ("marts", "fct_left")]
    assert views == [("main", "dim_right"), ("main", "fct_left")]


def test_every_table_view_and_column_says_what_it_is(one: WarehouseFolder) -> None:
    with opened(one) as con:
        tables = con.sql("select table_name, comment from duckdb_tables() union all select view_name, comment "
                         "from duckdb_views() where not internal").fetchall()  # fmt: skip
        columns = con.sql("select table_name, column_name, comment from duckdb_columns() where not internal").fetchall()
    assert ("fct_left", LEFT.description) in tables
    assert [name for name, comment in tables if not comment] == []
    assert [(table, column) for table, column, comment in columns if not comment] == []
    assert columns.count(("fct_left", "n", "which one it's")) == 2  # of the table and of the view


def test_about_lists_the_tables_with_grain_rows_and_newest_day(folder: WarehouseFolder) -> None:
    published_build(folder, 1, rows=5)
    with opened(folder) as con:
        assert con.sql("select * exclude (description) from about order by table_name").fetchall() == [
            ("dim_right", "One right thing", "name", 1, DAY),
            ("fct_left", "One 'left' thing on a day", "day, n", 5, DAY),
        ]


def test_the_file_names_itself_in_one_row(folder: WarehouseFolder) -> None:
    done = published_build(folder, 1)
    with opened(folder) as con:
        ((number, day, at_, build, passed, warned, manifest),) = con.sql("from snapshot").fetchall()
    assert (number, day, at_, build, passed, warned) == (1, DAY, NOON, "build-1", 7, 1)
    assert json.loads(manifest) == done.manifest.inside()


def test_the_manifest_beside_the_file_says_what_went_in_and_what_came_out(folder: WarehouseFolder) -> None:
    done = published_build(folder, 1)
    said = json.loads(folder.published_manifest.read_text())
    assert said == json.loads(snapshot_file(folder, 1).with_suffix(".json").read_text())
    assert Manifest.of(said) == done.manifest == published(folder)
    assert said["sha256"] == placing.sha256_of(folder.published)
    assert said["bytes"] == folder.published.stat().st_size
    assert said["storage_version"] == "v1.4.0"
    assert said["published_at"] == "2026-03-03T12:00:00Z"
    assert said["tables"] == {"dim_right": {"rows": 1}, "fct_left": {"rows": 3}}
    assert said["warnings"] == ["test assert_little: 1 against it"]
    source = said["sources"]["observations"]
    assert (source["days"], source["first"], source["last"]) == (2, "2026-03-01", "2026-03-02")


def test_the_version_of_a_source_changes_with_the_content_of_any_day(folder: WarehouseFolder) -> None:
    versions = {published_build(folder, number).manifest.sources["observations"].version for number in (1, 2)}
    assert len(versions) == 2


def test_views_hold_under_whatever_name_the_file_is_opened(one: WarehouseFolder) -> None:
    with duckdb.connect() as con:
        con.execute(f"attach '{snapshot_file(one, 1)}' as \"their own\" (read_only)")
        assert con.sql('select count(*) from "their own".fct_left').fetchall() == [(3,)]


@pytest.mark.skipif(not SHELL.exists(), reason="the duckdb shell is not installed: make dev installs it")
def test_the_shell_of_duckdb_1_opens_it_and_lists_the_views(one: WarehouseFolder) -> None:
    views = "select comment = 'One right thing.' from duckdb_views() where view_name = 'dim_right'"
    questions = f"show tables; select count(*) from fct_left; {views}"
    done = subprocess.run(
        [SHELL, "-readonly", "-csv", "-noheader", one.published, "-c", questions],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:6] == ["about", "dim_right", "fct_left", "snapshot", "3", "true"]


@pytest.mark.needs("pandas")
def test_pandas_reads_it(one: WarehouseFolder) -> None:
    with opened(one) as con:
        frame = con.sql("from fct_left").df()
    assert list(frame.columns) == ["day", "n", "build"]
    assert frame["n"].sum() == 3


def test_nobody_opens_it_for_writing_by_accident(one: WarehouseFolder) -> None:
    assert one.published.stat().st_mode & 0o222 == 0


def test_what_the_build_wrote_last_and_left_beside_its_file_is_published_too(folder: WarehouseFolder) -> None:
    write_build(folder, 1)
    program = (
        "import duckdb, os; con = duckdb.connect(); con.execute(\"attach '{}' as warehouse\")\n"
        "con.execute('update warehouse.marts.dim_right set build = 2'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program.format(folder.build_file)], check=False)
    assert folder.build_file.with_name("warehouse.duckdb.wal").exists()
    publish_snapshot(folder, MARTS, clock=at())
    with opened(folder) as con:
        assert con.sql("select build from dim_right").fetchall() == [(2,)]


# ---------------------------------------------------------------- what is refused


def test_a_build_with_a_failed_test_is_not_published_and_the_old_one_says_how_old_it_is(
    one: WarehouseFolder,
) -> None:
    before = content(one)
    failed = [f"test assert_{n}: 3 against it" for n in range(5)]
    write_build(one, 2, day=DAY + timedelta(days=2), passed=False, failed=failed)
    with pytest.raises(NotPublishable) as refusal:
        publish_snapshot(one, MARTS, clock=at())
    assert str(refusal.value) == (
        "the build of 2026-03-04 is not published: test assert_0: 3 against it; test assert_1: 3 against it; "
        "test assert_2: 3 against it; and 2 more. Readers keep snapshot 1 of 2026-03-02, published at "
        "2026-03-03T12:00:00Z, 2 days behind this build. Mend what failed (`intelsec quality` shows the rows) and "
        "build again: intelsec run"
    )
    assert content(one) == before


@pytest.mark.parametrize("said", [{"complete": False}, {"passed": False}, {"passed": None}, {"complete": "yes"}])
def test_only_a_build_that_is_whole_and_passed_is_published(folder: WarehouseFolder, said: dict[str, object]) -> None:
    write_build(folder, 1, **said)
    with pytest.raises(NotPublishable, match=r"it did not end\. Nothing was published before"):
        publish_snapshot(folder, MARTS, clock=at())
    assert not folder.published.exists()


def test_without_a_build_there_is_nothing_to_publish(folder: WarehouseFolder) -> None:
    with pytest.raises(NotPublishable, match="nothing was built yet"):
        publish_snapshot(folder, MARTS, clock=at())


def test_a_file_with_other_rows_than_were_tested_is_not_published(one: WarehouseFolder) -> None:
    before = content(one)
    write_build(one, 2, rows=4)
    write_verdict(one, 2, DAY, {"models": {"fct_left": 3, "dim_right": 1}})
    with pytest.raises(PublicationFailed, match=r"fct_left has 4 rows, the verdict says 3.* Readers keep snapshot 1"):
        publish_snapshot(one, MARTS, clock=at())
    assert content(one) == before


def test_a_build_that_lacks_a_mart_is_not_published(folder: WarehouseFolder) -> None:
    write_build(folder, 1, more="drop table marts.dim_right", models={})
    with pytest.raises(PublicationFailed, match="lacks dim_right: it is not a build of this project") as failed:
        publish_snapshot(folder, MARTS, clock=at())
    assert isinstance(failed.value.__cause__, UnfitFile)


def test_a_column_that_is_described_and_not_there_fails_the_publication_and_leaves_nothing(
    folder: WarehouseFolder,
) -> None:
    write_build(folder, 1)
    wrong = ModelDoc("dim_right", "One right thing.", ("name",), (ColumnDoc("nosuch", "TEXT", "not there"),))
    with pytest.raises(PublicationFailed, match="nosuch"):
        publish_snapshot(folder, [LEFT, wrong], clock=at())
    assert list(folder.snapshots.iterdir()) == []


def test_a_build_in_the_newer_format_is_not_published(folder: WarehouseFolder) -> None:
    write_build(folder, 1)
    folder.build_file.unlink()
    with duckdb.connect(str(folder.build_file)) as con:
        con.execute("create schema marts; create table marts.dim_right as select 'it' as name, 1::bigint as build")
    write_verdict(folder, 1, DAY, {"models": {}})
    with pytest.raises(PublicationFailed, match=r"storage version v2.*, expected v1\.4\.0"):
        publish_snapshot(folder, [RIGHT], clock=at())


def test_a_table_that_no_model_makes_any_more_is_left_out_and_named(folder: WarehouseFolder) -> None:
    done = published_build(folder, 1, more="create table marts.fct_of_old as select 1 as x")
    assert done.left_out == ("fct_of_old",)
    with opened(folder) as con, pytest.raises(duckdb.CatalogException):
        con.sql("from marts.fct_of_old")


def test_while_somebody_builds_nobody_publishes(folder: WarehouseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_build(folder, 1)
    monkeypatch.setattr("intelsec_assets.kpis.warehouse.publish.warehouse_lock", at_once)
    with warehouse_lock(folder), pytest.raises(WarehouseBusy, match=f"process {os.getpid()}"):
        publish_snapshot(folder, MARTS, clock=at())


def at_once(folder: WarehouseFolder) -> object:
    return warehouse_lock(folder, wait_seconds=0)


# ---------------------------------------------------------------- when nothing changed


def test_the_same_build_is_not_published_twice(one: WarehouseFolder) -> None:
    before = content(one)
    again = publish_snapshot(one, MARTS, clock=at(NOON + timedelta(days=1)))
    assert not again.is_new
    assert again.said == "nothing changed: snapshot 1 of 2026-03-02, published at 2026-03-03T12:00:00Z holds this build"
    assert content(one) == before


def test_a_build_that_was_rolled_back_is_not_published_again_until_another_one_is_built(
    two: WarehouseFolder,
) -> None:
    rollback(two)
    again = publish_snapshot(two, MARTS, clock=at())
    assert not again.is_new
    assert "was rolled back" in again.said
    assert "intelsec warehouse rollback --to 2" in again.said
    assert build_seen(two.published) == 1
    assert published_build(two, 3).manifest.snapshot == 3
    assert build_seen(two.published) == 3


# ---------------------------------------------------------------- going back, and how long snapshots stay


def test_the_way_back_leads_to_the_snapshot_before_and_the_next_build_supersedes_it(folder: WarehouseFolder) -> None:
    for number in (1, 2, 3):
        published_build(folder, number)
    assert rollback(folder).snapshot == 2
    assert build_seen(folder.published) == 2
    assert rollback(folder).snapshot == 1
    now = published(folder)
    assert (now.snapshot, now.rolled_back_from) == (1, 3)
    assert json.loads(folder.published_manifest.read_text())["rolled_back_from"] == 3
    published_build(folder, 4)
    assert published(folder).rolled_back_from is None
    assert "rolled_back_from" not in json.loads(folder.published_manifest.read_text())


def test_a_snapshot_can_be_chosen_by_number_or_day_and_the_way_leads_forward_too(folder: WarehouseFolder) -> None:
    for number in (1, 2, 3):
        published_build(folder, number, day=DAY + timedelta(days=number))
    assert rollback(folder, 1).day == DAY + timedelta(days=1)
    assert rollback(folder, DAY + timedelta(days=2)).snapshot == 2
    assert published(folder).rolled_back_from == 3
    assert rollback(folder, 3).rolled_back_from is None
    assert build_seen(folder.published) == 3


@pytest.mark.parametrize(("to", "asked"), [(9, "9"), (date(2020, 1, 1), "of 2020-01-01"), (None, "before what is")])
def test_a_snapshot_that_is_not_there_is_an_error_that_lists_those_there_are(
    one: WarehouseFolder, to: int | date | None, asked: str
) -> None:
    with pytest.raises(UnknownSnapshot, match=rf"there is no snapshot {asked}.* there are 1 \(2026-03-02\)"):
        rollback(one, to)


def test_where_nothing_was_published_there_is_no_way_back(folder: WarehouseFolder) -> None:
    with pytest.raises(UnknownSnapshot, match="none was published yet"):
        rollback(folder)
    with pytest.raises(UnknownSnapshot, match="none was published yet"):
        snapshot_of_day(folder, DAY)


def test_a_damaged_snapshot_is_not_published_again(two: WarehouseFolder) -> None:
    damaged = snapshot_file(two, 1)
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedSnapshot, match=r"000001/intelsec\.duckdb is not the file that was published"):
        rollback(two)
    assert build_seen(two.published) == 2


def test_the_last_snapshots_stay_and_the_published_one_whatever_its_age(folder: WarehouseFolder) -> None:
    for number in range(1, 5):
        write_build(folder, number)
        done = publish_snapshot(folder, MARTS, clock=at(), keep=2)
    assert (numbers(folder), done.removed) == ([3, 4], (2,))
    rollback(folder)
    for number in (5, 6):
        write_build(folder, number)
        done = publish_snapshot(folder, MARTS, clock=at(), keep=1)
    assert (numbers(folder), done.removed) == ([5, 6], (3,))
    assert sorted(path.name for path in folder.snapshots.iterdir()) == ["000005", "000006"]


def test_the_snapshot_of_a_day_is_the_last_of_it_unless_an_earlier_one_is_published(folder: WarehouseFolder) -> None:
    for number in (1, 2):
        published_build(folder, number)
    assert snapshot_of_day(folder, DAY).snapshot == 2
    rollback(folder)
    assert snapshot_of_day(folder, DAY).snapshot == 1


def test_a_clock_that_was_set_back_brings_no_disorder(one: WarehouseFolder) -> None:
    write_build(one, 2)
    publish_snapshot(one, MARTS, clock=at(NOON - timedelta(days=400)))
    assert numbers(one) == [1, 2]
    assert published(one).snapshot == 2
    assert rollback(one).snapshot == 1


def test_a_number_is_never_given_twice_even_if_its_snapshot_is_gone(folder: WarehouseFolder) -> None:
    for number in (1, 2):
        published_build(folder, number)
    rollback(folder)
    shutil.rmtree(folder.snapshots)
    assert published_build(folder, 3).manifest.snapshot == 3


def test_who_has_a_snapshot_open_reads_it_on_when_it_is_removed(folder: WarehouseFolder) -> None:
    published_build(folder, 1, rows=50_000)
    with opened(folder) as con:
        for number in (2, 3):
            write_build(folder, number)
            publish_snapshot(folder, MARTS, clock=at(), keep=1)
        assert not snapshot_file(folder, 1).exists()
        assert con.sql("select count(*), sum(n), max(build) from fct_left").fetchall() == [(50_000, 1249975000, 1)]


def test_what_readers_open_is_a_link_to_a_snapshot_that_moves_with_its_home(
    one: WarehouseFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert one.published.samefile(snapshot_file(one, 1))
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "home"
    shutil.move(one.home, elsewhere)
    assert build_seen(WarehouseFolder(elsewhere).published) == 1


def test_every_snapshot_has_the_same_name_for_sql(one: WarehouseFolder) -> None:
    for file in (one.published, snapshot_file(one, 1)):
        with duckdb.connect(str(file), read_only=True) as con:
            assert con.sql("select count(*) from intelsec.main.fct_left").fetchall() == [(3,)]


def test_the_snapshot_that_was_published_until_now_is_not_removed_under_a_reader_who_is_about_to_open_it(
    folder: WarehouseFolder,
) -> None:
    for number in (1, 2):
        write_build(folder, number)
        publish_snapshot(folder, MARTS, clock=at(), keep=1)
    assert numbers(folder) == [1, 2]
    write_build(folder, 3)
    assert publish_snapshot(folder, MARTS, clock=at(), keep=1).removed == (1,)


# ---------------------------------------------------------------- what heals


def test_a_link_and_manifests_that_were_deleted_come_back_with_the_next_publication(two: WarehouseFolder) -> None:
    whole = {name: data for name, (_, data) in content(two).items()}
    for gone in ("intelsec.duckdb", "intelsec.json", "snapshots/000002/intelsec.json"):
        (two.root / gone).unlink()
        assert not publish_snapshot(two, MARTS, clock=at()).is_new
        assert {name: data for name, (_, data) in content(two).items()} == whole, gone


def test_a_published_snapshot_that_was_deleted_is_made_again_and_meanwhile_the_way_back_is_open(
    two: WarehouseFolder,
) -> None:
    shutil.rmtree(snapshot_file(two, 2).parent)
    assert published(two) is None
    assert rollback(two).snapshot == 1
    rollback(two, 1)
    assert publish_snapshot(two, MARTS, clock=at()).manifest.snapshot == 3
    assert build_seen(two.published) == 2


def test_a_published_file_that_lost_its_end_is_made_again(one: WarehouseFolder) -> None:
    os.truncate(snapshot_file(one, 1), 100_000)
    assert publish_snapshot(one, MARTS, clock=at()).is_new
    assert build_seen(one.published) == 1


def test_a_snapshot_that_somebody_put_in_the_place_of_the_link_is_kept(one: WarehouseFolder) -> None:
    data = one.published.read_bytes()
    shutil.rmtree(one.snapshots)
    one.published.unlink()
    one.published.write_bytes(data)
    assert published(one).snapshot == 1
    assert not publish_snapshot(one, MARTS, clock=at()).is_new
    assert one.published.is_symlink()
    assert numbers(one) == [1]


def test_the_manifest_of_an_earlier_snapshot_is_made_again(two: WarehouseFolder) -> None:
    path = snapshot_file(two, 1).with_suffix(".json")
    before = path.read_text()
    path.write_text("{ half")
    assert numbers(two) == [2]
    publish_snapshot(two, MARTS, clock=at())
    assert path.read_text() == before


def test_what_killed_publications_left_does_not_pile_up(one: WarehouseFolder) -> None:
    for place in (one.root, one.snapshots / "000001"):
        (place / f"{placing.UNFINISHED}1").write_bytes(b"half a file")
    for left in (f"{placing.UNFINISHED}2", "000009"):
        (one.snapshots / left).mkdir()
        (one.snapshots / left / "intelsec.duckdb").write_bytes(b"half a file")
    assert published_build(one, 2).manifest.snapshot == 2
    assert sorted(path.name for path in one.snapshots.iterdir()) == ["000001", "000002"]
    assert list(one.root.rglob(f"{placing.UNFINISHED}*")) == []


def test_a_published_file_that_is_none_is_named_to_readers_and_replaced_by_the_next(folder: WarehouseFolder) -> None:
    folder.root.mkdir()
    folder.published.write_bytes(b"a file of another time")
    with pytest.raises(DamagedSnapshot, match="is not a snapshot that was published"):
        published(folder)
    published_build(folder, 1)
    assert build_seen(folder.published) == 1


def test_a_manifest_that_lags_behind_the_file_misleads_nobody(one: WarehouseFolder) -> None:
    """A kill between the two leaves the file of one snapshot beside the manifest of another."""
    lagging = one.published_manifest.read_text()
    published_build(one, 2)
    newest = one.published_manifest.read_text()
    one.published_manifest.write_text(lagging)
    assert published(one).snapshot == 2
    rollback(one)
    one.published_manifest.write_text(newest)
    assert (published(one).snapshot, published(one).rolled_back_from) == (1, 2)


# ---------------------------------------------------------------- a full disk


def test_a_disk_that_fills_up_while_publishing_leaves_the_old_snapshot_and_nothing_else(
    one: WarehouseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(one)
    write_build(one, 2)

    def full(read: int, write: int, count: int) -> int:
        os.write(write, b"some")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(placing, "_move", full)
    with pytest.raises(
        PublicationFailed, match=r"No space left on device.* MB are free there\. Readers keep snapshot 1"
    ):
        publish_snapshot(one, MARTS, clock=at())
    assert content(one) == before


def test_a_disk_without_room_for_a_copy_is_not_filled_up(
    folder: WarehouseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_build(folder, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(PublicationFailed, match=r"no space for a copy .* 0 MB are free"):
        publish_snapshot(folder, MARTS, clock=at())


def test_a_file_system_that_cannot_copy_by_itself_is_copied_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(placing, "_CHUNK", 1000)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(3500))
    heard: list[float] = []
    placing.copy(source, target, heard.append)
    assert target.read_bytes() == source.read_bytes()
    assert heard == [1000 / 3500, 2000 / 3500, 3000 / 3500, 1.0]
