"""The lake: whole files, stamps, days that build on each other."""

from __future__ import annotations

import resource
from datetime import date
from pathlib import Path

import pytest

from intelsec_assets import engine
from intelsec_assets.resources.lake import ChangedFile, Lake, LakeError, LakeFile, MissingPartition, fingerprint
from intelsec_assets.tables import Column, Table

DAY = date(2026, 3, 4)
NUMBERS = Table(
    "numbers", "one number", (Column("n", "BIGINT", "the number"), Column("t", "VARCHAR", "a text")), ("n",)
)


def write(lake: Lake, sql: str = "select i as n, 'x' || i as t from range(1000) r(i)", day: date = DAY) -> LakeFile:
    with engine.quick_session() as con:
        return lake.write(con, NUMBERS, "numbers", day, con.sql(sql), fingerprint="made of nothing", inputs={})


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path: Path) -> None:
    forth = write(Lake(tmp_path / "a"))
    back = write(Lake(tmp_path / "b"), "select i as n, 'x' || i as t from range(999, -1, -1) r(i)")
    assert forth.path.read_bytes() == back.path.read_bytes()
    assert forth.rows == 1000


def test_writing_the_same_again_leaves_the_file_alone(tmp_path: Path) -> None:
    first = write(Lake(tmp_path))
    before = first.path.stat()
    write(Lake(tmp_path))
    after = first.path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_file_changed_by_hand_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    file.path.write_bytes(file.path.read_bytes() + b" ")
    with pytest.raises(ChangedFile, match=r"numbers/2026-03-04\.parquet.*intelsec run --day 2026-03-04"):
        Lake(tmp_path).read("numbers", DAY)
    assert Lake(tmp_path).current("numbers", DAY, "made of nothing") is None


def test_a_changed_byte_that_leaves_the_length_alone_is_noticed(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    content = bytearray(file.path.read_bytes())
    content[len(content) // 2] ^= 1
    file.path.write_bytes(content)
    with pytest.raises(ChangedFile, match="is not the file that was written"):
        Lake(tmp_path).read("numbers", DAY)


def test_a_changed_file_of_the_day_before_is_refused(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.begin(DAY)
    file = write(lake)
    assert lake.previous("numbers", date(2026, 3, 5)) == file
    file.path.write_bytes(file.path.read_bytes()[::-1])
    with pytest.raises(ChangedFile, match=r"numbers/2026-03-04\.parquet"):
        lake.previous("numbers", date(2026, 3, 5))


def test_a_deleted_file_is_not_current(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    file.path.unlink()
    assert Lake(tmp_path).current("numbers", DAY, "made of nothing") is None
    with pytest.raises(ChangedFile, match="was deleted"):
        Lake(tmp_path).read("numbers", DAY)


def test_a_stamp_that_is_not_json_is_named(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    file.path.with_suffix(".stamp.json").write_text("{")
    with pytest.raises(ChangedFile, match=r"2026-03-04\.stamp\.json"):
        Lake(tmp_path).read("numbers", DAY)


def test_only_the_origin_may_start_without_a_day_before(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.begin(DAY)
    assert lake.previous("numbers", DAY) is None
    with pytest.raises(MissingPartition, match=r"numbers of 2026-03-05, which is not there.*starts at 2026-03-04"):
        lake.previous("numbers", date(2026, 3, 6))


def test_the_origin_moves_back_and_never_forward(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for day in (date(2026, 3, 5), date(2026, 3, 7), date(2026, 3, 3)):
        lake.begin(day)
    assert lake.origin() == date(2026, 3, 3)


def test_a_disk_that_fills_up_leaves_the_old_file_whole(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    old = file.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # writes beyond 4 KiB fail as on a full disk
    try:
        with pytest.raises(LakeError, match=r"could not be written.*what was there before is untouched"):
            write(Lake(tmp_path), "select i as n, md5(i::varchar) as t from range(100000) r(i)")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.path.read_bytes() == old
    assert Lake(tmp_path).read("numbers", DAY).sha256 == file.sha256
    assert [p.name for p in file.path.parent.iterdir() if p.suffix == ".tmp"] == []


def test_the_fingerprint_tells_inputs_code_configuration_and_schema_apart(tmp_path: Path) -> None:
    file = write(Lake(tmp_path))
    other = Table("numbers", "one number", NUMBERS.columns[:1], ("n",))
    prints = {
        fingerprint(NUMBERS, "1", "", []),
        fingerprint(NUMBERS, "1", "", [file]),
        fingerprint(NUMBERS, "2", "", []),
        fingerprint(NUMBERS, "1", "half-life 7", []),
        fingerprint(other, "1", "", []),
    }
    assert len(prints) == 5


def test_a_missing_column_is_an_error_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Exception, match='"t"'):
        write(Lake(tmp_path), "select 1 as n")
    assert list((tmp_path / "numbers").glob("*")) == []
