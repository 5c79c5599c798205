"""Publishing beside readers, under kill -9 and on a disk that is really full: old or new, never between, nothing left.

What is published and what is refused is in `tests/unit/test_warehouse_snapshots.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import PublicationFailed, publish_snapshot
from intelsec_assets.kpis.warehouse.snapshots import list_snapshots, published, rollback, snapshot_file
from tests.forked import Forked
from tests.warehouse_builds import MARTS, at, build_seen, published_build, write_build


def started(program: str, *arguments: object) -> Forked:
    return Forked(program, *map(str, arguments))


# ---------------------------------------------------------------- readers beside a writer

READER = """
import sys
from pathlib import Path
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.snapshots import published
from tests.warehouse_builds import build_seen

folder, reads, seen = WarehouseFolder(Path(sys.argv[1])), 0, set()
stop = Path(sys.argv[2])
print("reading", flush=True)
while reads < 20 or not stop.exists():
    seen.add(build_seen(folder.published))  # fails if the tables disagree
    manifest = published(folder)
    assert manifest.build == f"build-{manifest.snapshot}", manifest
    assert manifest.tables == {"fct_left": manifest.snapshot % 5, "dim_right": 1}, manifest
    reads += 1
print(reads, len(seen), flush=True)
"""


@pytest.mark.parametrize(
    ("publications", "rollbacks", "readers"), [(6, 14, 1), pytest.param(100, 0, 3, marks=pytest.mark.slow)]
)
def test_readers_beside_a_writer_see_old_or_new_and_never_an_error(
    tmp_path: Path, publications: int, rollbacks: int, readers: int
) -> None:
    folder, stop = WarehouseFolder(tmp_path), tmp_path / "stop"
    published_build(folder, 1, rows=1)
    reading = [started(READER, tmp_path, stop) for _ in range(readers)]
    for process in reading:
        assert process.stdout.readline() == "reading\n", process.communicate()
    for number in range(2, publications + 2):
        write_build(folder, number, rows=number % 5)
        assert publish_snapshot(folder, MARTS, clock=at(), keep=3).is_new
    newest = publications + 1
    for number in range(rollbacks):
        rollback(folder, newest - 1 + number % 2)
    stop.touch()
    for process in reading:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        reads, builds = map(int, out.split())
        assert reads >= 20
        assert builds > 1
    assert list(folder.snapshots.glob(".*")) == []


# flips the link at full speed, as no publisher could
FLIPS = """
import os, sys
from pathlib import Path
root, stop, number = Path(sys.argv[1]), Path(sys.argv[2]), 0
print("flipping", flush=True)
while not stop.exists():
    number += 1
    os.symlink(f"snapshots/{1 + number % 2:06}/intelsec.duckdb", root / "flip")
    os.replace(root / "flip", root / "intelsec.duckdb")
print(number)
"""


@pytest.mark.parametrize("reads", [30, pytest.param(600, marks=pytest.mark.slow)])
def test_who_opens_the_file_at_the_very_moment_of_a_replacement_reads_one_snapshot(tmp_path: Path, reads: int) -> None:
    """DuckDB opens a file twice. With a file in the place of the link one of 20 reads here lacks tables."""
    folder, stop = WarehouseFolder(tmp_path), tmp_path / "stop"
    published_build(folder, 1, rows=3)
    published_build(
        folder, 2, rows=4000, more="create table intermediate.more as select md5(i::text) from range(9999) r(i)"
    )
    flipping = started(FLIPS, folder.root, stop)
    try:
        assert flipping.stdout.readline() == "flipping\n"
        attached = {build_seen(folder.published) for _ in range(reads // 2)}
        opened = {build_opened(folder.published) for _ in range(reads // 2)}
    finally:
        stop.touch()
        out, errors = flipping.communicate()
    assert int(out) > reads, errors
    assert attached == opened == {1, 2}


def build_opened(file: Path) -> int:
    """The same as `build_seen`, opened the way people do."""
    with duckdb.connect(str(file), read_only=True, config={"threads": 1}) as con:
        found = con.execute("select build from main.fct_left union select build from marts.dim_right").fetchall()
    ((number,),) = found
    return int(number)


# ---------------------------------------------------------------- kill -9

# One process that never opens a database itself, so that it can fork: each child runs into its own point. The points
# are the calls of the system through which files come into being: before and after each the child is killed.
KILLS = """
import os, shutil, signal, sys
from pathlib import Path
from intelsec_assets.kpis.warehouse import contents, placing
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import publish_snapshot
from intelsec_assets.kpis.warehouse.snapshots import rollback
from tests.warehouse_builds import MARTS, at

begun, homes, what = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
point = 0

def killing(call, wanted):
    def counted(*arguments, **more):
        global point
        for after in (False, True):
            if after:
                result = call(*arguments, **more)
            point += 1
            if point == wanted:
                os.kill(os.getpid(), signal.SIGKILL)
        return result
    return counted

def child(home, wanted):
    for module, name in [(os, "replace"), (os, "fsync"), (os, "copy_file_range"), (os, "symlink"),
                         (Path, "unlink")]:
        setattr(module, name, killing(getattr(module, name), wanted))
    for name in ("strip_and_explain", "verify"):
        setattr(sys.modules["intelsec_assets.kpis.warehouse.publish"], name, killing(getattr(contents, name), wanted))
    folder = WarehouseFolder(home)
    if what == "publish":
        publish_snapshot(folder, MARTS, clock=at(), keep=2)
    else:
        rollback(folder)

step = int(sys.argv[4])
wanted = 1
while True:
    home = homes / f"{wanted:03}"
    shutil.copytree(begun, home)
    pid = os.fork()
    if pid == 0:
        try:
            child(home, wanted)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), (wanted, code)
    if code == 0:
        print(wanted - 1)
        break
    wanted += step
"""


def killed(begun: Path, homes: Path, what: str, step: int) -> list[Path]:
    """Copies of a home, each left by a process that was killed at another point."""
    homes.mkdir()
    process = started(KILLS, begun, homes, what, step)
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    assert int(out) >= 15
    *left, whole = sorted(homes.iterdir())
    assert published(WarehouseFolder(whole)).build == ("build-3" if what == "publish" else "build-1")
    return left


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_a_publication_killed_anywhere_leaves_old_or_new_and_the_next_one_heals(tmp_path: Path, step: int) -> None:
    begun = WarehouseFolder(tmp_path / "begun")
    published_build(begun, 1)
    published_build(begun, 2)
    write_build(begun, 3)
    seen = set()
    for home in killed(begun.home, tmp_path / "homes", "publish", step):
        folder = WarehouseFolder(home)
        seen.add(build_seen(folder.published))
        assert published(folder).build == f"build-{build_seen(folder.published)}"
        publish_snapshot(folder, MARTS, clock=at(), keep=2)
        assert_all_agrees(folder, 3)
        write_build(folder, 4)
        assert publish_snapshot(folder, MARTS, clock=at(), keep=2).is_new, home
        assert_all_agrees(folder, 4)
        assert len(list_snapshots(folder)) == 2
    assert seen == {2, 3}


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_rollback_killed_anywhere_leaves_old_or_new_and_can_be_repeated(tmp_path: Path, step: int) -> None:
    begun = WarehouseFolder(tmp_path / "begun")
    published_build(begun, 1)
    published_build(begun, 2)
    for home in killed(begun.home, tmp_path / "homes", "rollback", step):
        folder = WarehouseFolder(home)
        assert build_seen(folder.published) in {1, 2}
        rollback(folder, 1)
        assert_all_agrees(folder, 1)
        assert published(folder).rolled_back_from == 2
        assert len(list_snapshots(folder)) == 2


def assert_all_agrees(folder: WarehouseFolder, build: int) -> None:
    """File, manifests and hashes speak of one build, and nothing unfinished lies about."""
    now = published(folder)
    assert build_seen(folder.published) == build
    assert now.build == f"build-{build}"
    assert json.loads(folder.published_manifest.read_text()) == now.as_json()
    for manifest in list_snapshots(folder):
        assert placing.sha256_of(snapshot_file(folder, manifest.snapshot)) == manifest.sha256
    assert now.sha256 == placing.sha256_of(folder.published)
    found = {str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if not path.is_dir()}
    names = ("intelsec.duckdb", "intelsec.json")
    whole = {f"snapshots/{m.snapshot:06}/{name}" for m in list_snapshots(folder) for name in names}
    assert {name for name in found if not name.startswith("build/")} == {*whole, *names, "warehouse.lock"}
    assert len(list(folder.snapshots.iterdir())) == len(list_snapshots(folder))


# ---------------------------------------------------------------- a disk that is full


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of a few megabytes. Skips where this user may not make one."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize("filling_up", [False, True])
def test_a_full_disk_publishes_nothing_and_space_is_enough_to_heal(
    tmp_path: Path, filling_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", "10m") as disk:
        folder = WarehouseFolder(disk)
        published_build(folder, 1)
        filler = disk / "other people's"
        if filling_up:  # it looked as if there were room, then others took it
            monkeypatch.setattr("intelsec_assets.kpis.warehouse.publish._room_for", lambda _: None)
        write_build(folder, 2)
        room = os.statvfs(disk)
        filler.write_bytes(b"\0" * (room.f_bavail * room.f_frsize - 400_000))
        with pytest.raises(PublicationFailed, match="Readers keep snapshot 1"):
            publish_snapshot(folder, MARTS, clock=at())
        assert build_seen(folder.published) == 1
        assert [path.name for path in folder.snapshots.iterdir() if path.name.startswith(".")] == []
        filler.unlink()
        publish_snapshot(folder, MARTS, clock=at())
        assert_all_agrees(folder, 2)
