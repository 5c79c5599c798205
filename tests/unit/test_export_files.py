"""The folder of a day: there whole or not at all, same plan same bytes, every format readable by its own rules."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stix2
import stix2patterns.validator
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.exports.content import PlanRow, epoch, rows
from intelsec_assets.exports.errors import ExportBusy, ExportError
from intelsec_assets.exports.events import event_uuid
from intelsec_assets.exports.files import write_export
from intelsec_assets.exports.lists import safe_cell, safe_label
from intelsec_assets.exports.misp_content import (
    MOST_COMMENT_BYTES,
    MOST_TAG_CHARACTERS,
    attribute,
    merged_by_misp,
    misp_value,
    tags,
)
from intelsec_assets.exports.stix_bundle import pattern
from tests.plans import DAY, plan_row, plan_table

NEXT = DAY + timedelta(days=1)
EVENT = event_uuid("phishing/2026-03")
VALUES = {
    "domain": "bad.example.org",
    "url": "http://bad.example.org/a?b='c'\\d",
    "ipv4": "198.51.100.7",
    "ipv6": "2001:db8::7",
    "cidr": "198.51.100.0/24",
    "md5": "a" * 32,
    "sha1": "b" * 40,
    "sha256": "c" * 64,
    "sha512": "d" * 128,
    "email": "x@bad.example.org",
}


def one_of_each() -> list[PlanRow]:
    return [plan_row(value, kind) for kind, value in VALUES.items()]


def content(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def feed(root: Path, day: date = DAY) -> tuple[dict[str, Any], dict[str, Any]]:
    """Manifest and events of the MISP feed folder, events by uuid."""
    folder = root / str(day) / "misp"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {p.stem for p in folder.glob("*-*.json")} == manifest.keys()
    return manifest, {key: json.loads((folder / f"{key}.json").read_text())["Event"] for key in manifest}


# the folder


def test_the_folder_holds_every_format_and_sums_that_fit(tmp_path: Path) -> None:
    written = write_export(plan_table(one_of_each()), DAY, tmp_path)
    names = set(content(written.folder))
    assert {"SHA256SUMS", "misp/manifest.json", "misp/hashes.csv", "stix/bundle.json", "csv/indicators.csv"} <= names
    assert {f"lists/{kind}.txt" for kind in VALUES} <= names
    sums = dict(line.split("  ")[::-1] for line in (written.folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest() for name, data in content(written.folder).items() if name != "SHA256SUMS"
    }
    assert {file.name: file.sha256 for file in written.files}.items() >= sums.items()
    assert (written.events, written.active, written.tombstones, written.is_new) == (1, 10, 0, True)
    assert oct(written.folder.stat().st_mode & 0o777) == "0o755"


def test_the_same_plan_again_writes_nothing(tmp_path: Path) -> None:
    def files_and_links() -> dict[Path, tuple[int, int]]:
        found = (p for p in tmp_path.rglob("*") if (p.is_file() or p.is_symlink()) and p.name != ".lock")
        return {p: (p.lstat().st_ino, p.lstat().st_mtime_ns) for p in found}

    write_export(plan_table(one_of_each()), DAY, tmp_path)
    before = files_and_links()
    assert tmp_path / "latest" in before
    assert not write_export(plan_table(one_of_each()), DAY, tmp_path).is_new
    assert files_and_links() == before


def test_the_same_plan_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    first = write_export(plan_table(one_of_each()), DAY, tmp_path / "a")
    second = write_export(plan_table(one_of_each()[::-1]), DAY, tmp_path / "b")
    assert content(first.folder) == content(second.folder)


def test_a_file_changed_by_hand_is_mended(tmp_path: Path) -> None:
    written = write_export(plan_table(one_of_each()), DAY, tmp_path)
    whole = content(written.folder)
    (written.folder / "lists" / "domain.txt").write_text("ours.example\n")
    assert write_export(plan_table(one_of_each()), DAY, tmp_path).is_new
    assert content(written.folder) == whole


def test_latest_names_the_newest_day_even_after_an_old_one_is_rebuilt(tmp_path: Path) -> None:
    write_export(plan_table(one_of_each()), NEXT, tmp_path)
    write_export(plan_table(one_of_each()), DAY, tmp_path)
    assert (tmp_path / "latest").resolve() == (tmp_path / str(NEXT)).resolve()


def test_an_empty_plan_gives_empty_files_not_missing_ones(tmp_path: Path) -> None:
    written = write_export(plan_table([]), DAY, tmp_path)
    assert (written.folder / "lists" / "ipv4.txt").read_bytes() == b""
    assert feed(tmp_path) == ({}, {})
    assert json.loads((written.folder / "stix" / "bundle.json").read_text())["objects"]


def test_old_builds_and_the_remains_of_killed_runs_are_cleared(tmp_path: Path) -> None:
    write_export(plan_table(one_of_each()), DAY, tmp_path)
    (tmp_path / ".builds" / "unfinished-x").mkdir()
    write_export(plan_table(one_of_each()[:3]), DAY, tmp_path)
    assert len(list((tmp_path / ".builds").iterdir())) == 1


def test_two_exports_at_once_do_not_mix(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExportBusy, match="another export"):
            write_export(plan_table(one_of_each()), DAY, tmp_path)
    assert write_export(plan_table(one_of_each()), DAY, tmp_path).is_new


def test_a_folder_somebody_made_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / str(DAY)).mkdir(parents=True)
    (tmp_path / str(DAY) / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="move it away"):
        write_export(plan_table(one_of_each()), DAY, tmp_path)
    assert (tmp_path / str(DAY) / "mine.txt").read_text() == "mine"


_IN_A_CHILD = """
import os, sys
from pathlib import Path
from tests.plans import DAY, plan_row, plan_table
from intelsec_assets.exports.files import write_export
from intelsec_assets.exports.errors import ExportError

root, plan = Path(sys.argv[1]), plan_table([plan_row(f"h{n:05d}.example.org") for n in range(int(sys.argv[2]))])
dies_at = int(sys.argv[3])
TOUCHES = {"open", "os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}

def run(step):
    count = 0
    def die(event, arguments):
        nonlocal count
        if event in TOUCHES and str(root) in str(arguments[0]):
            count += 1
            if count == step:
                os._exit(9)
    if step:
        sys.addaudithook(die)
    try:
        write_export(plan, DAY, root)
    except ExportError as error:
        sys.exit(f"refused: {error}")

if not dies_at:
    run(0)
while dies_at:  # a child a step: the interpreter is started once
    child = os.fork()
    if not child:
        run(dies_at)
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    kept = sorted(p.relative_to(root / str(DAY)).as_posix() + str(p.stat().st_size)
                  for p in (root / str(DAY)).rglob("*") if p.is_file())
    print(dies_at, ended, hash(tuple(kept)), (root / "latest").resolve() == (root / str(DAY)).resolve(), flush=True)
    if ended == 0:
        break
    dies_at += int(sys.argv[4])
"""


def child(root: Path, count: int, dies_at: int, step: int = 1, **options: Any) -> subprocess.CompletedProcess[str]:
    """write_export of `count` rows in its own process; with `dies_at`, one process after another, each dying later."""
    return subprocess.run(
        [sys.executable, "-c", _IN_A_CHILD, str(root), str(count), str(dies_at), str(step)],
        cwd=Path(__file__).resolve().parents[2], text=True, capture_output=True, timeout=120, check=False, **options,
    )  # fmt: skip


def test_a_disk_that_refuses_leaves_the_old_folder_whole(tmp_path: Path) -> None:
    old = content(write_export(plan_table(one_of_each()), DAY, tmp_path).folder)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    ended = child(tmp_path, 5_000, 0, preexec_fn=small_files)
    assert ended.returncode == 1
    assert "what was there before is untouched" in ended.stderr
    assert content(tmp_path / str(DAY)) == old
    assert len(list((tmp_path / ".builds").iterdir())) == 1


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_touch_of_the_disk_a_reader_finds_the_old_folder_or_the_new_one(
    tmp_path: Path, step: int
) -> None:
    write_export(plan_table([plan_row("h00000.example.org")]), DAY, tmp_path)
    new = content(
        write_export(plan_table([plan_row(f"h{n:05d}.example.org") for n in range(9)]), DAY, tmp_path / "x").folder
    )
    ended = child(tmp_path, 9, 1, step)
    assert ended.returncode == 0, ended.stderr
    steps = [line.split() for line in ended.stdout.splitlines()]
    assert [exit_code for _, exit_code, _, _ in steps] == ["9"] * (len(steps) - 1) + ["0"]
    assert len(steps) > 40 // step
    found = [kept for _, _, kept, _ in steps]
    assert len(set(found)) == 2, "the old one and the new one, and nothing in between"
    assert found == sorted(found, key=found.index)
    assert all(latest == "True" for *_, latest in steps)
    assert content(tmp_path / str(DAY)) == new
    assert len(list((tmp_path / ".builds").iterdir())) == 1


# MISP feed


def test_manifest_and_event_say_the_same_and_the_timestamp_is_the_last_change(tmp_path: Path) -> None:
    write_export(plan_table([plan_row("a.example.org"), plan_row("b.example.org", changed_on=NEXT)]), NEXT, tmp_path)
    manifest, events = feed(tmp_path, NEXT)
    assert manifest[EVENT]["timestamp"] == events[EVENT]["timestamp"] == str(epoch(NEXT))
    assert {key: events[EVENT][key] for key in manifest[EVENT]} == manifest[EVENT]


def test_an_event_in_which_nothing_changed_keeps_its_bytes(tmp_path: Path) -> None:
    still = plan_row("a.example.org")
    other = plan_row("b.example.org", event="c2/2026-03")
    write_export(plan_table([still, other]), DAY, tmp_path)
    write_export(
        plan_table([replace(still, action="keep"), replace(other, tlp="green", changed_on=NEXT)]), NEXT, tmp_path
    )
    name = f"misp/{EVENT}.json"
    assert content(tmp_path / str(DAY))[name] == content(tmp_path / str(NEXT))[name]
    changed = event_uuid("c2/2026-03")
    assert int(feed(tmp_path, NEXT)[0][changed]["timestamp"]) > int(feed(tmp_path, DAY)[0][changed]["timestamp"])


def test_a_withdrawn_attribute_stays_as_deleted_with_a_newer_timestamp(tmp_path: Path) -> None:
    row = plan_row("a.example.org")
    write_export(plan_table([row]), DAY, tmp_path)
    write_export(plan_table([replace(row, state="withdrawn", changed_on=NEXT)]), NEXT, tmp_path)
    (before,), (after,) = (feed(tmp_path, day)[1][EVENT]["Attribute"] for day in (DAY, NEXT))
    assert (before["uuid"], before["deleted"], after["deleted"]) == (after["uuid"], False, True)
    assert int(after["timestamp"]) > int(before["timestamp"])
    assert (tmp_path / str(NEXT) / "misp" / "hashes.csv").read_text() == ""


def test_a_changed_score_takes_the_old_tag_off(tmp_path: Path) -> None:
    write_export(plan_table([plan_row("a.example.org", score_band="medium", changed_on=NEXT)]), NEXT, tmp_path)
    (shown,) = feed(tmp_path, NEXT)[1][EVENT]["Attribute"]
    assert {"name": 'intelsec:score="medium"'} in shown["Tag"]
    assert {"name": 'intelsec:score="high"', "deleted": True} in shown["Tag"]


def test_hashes_are_md5_of_active_values_with_their_event(tmp_path: Path) -> None:
    write_export(plan_table([plan_row("a.example.org")]), DAY, tmp_path)
    digest = hashlib.md5(b"a.example.org").hexdigest()
    assert (tmp_path / str(DAY) / "misp" / "hashes.csv").read_text() == f"{digest},{EVENT}\n"


def test_every_type_has_a_misp_type_and_category_that_misp_knows_together() -> None:
    from pymisp import MISPAttribute

    for row in one_of_each():
        told = attribute(row)
        parsed = MISPAttribute()
        parsed.from_dict(**told)  # raises for a pair that MISP does not have
        assert parsed.uuid == told["uuid"]


def test_values_that_differ_in_case_only_are_one_to_misp_and_the_first_exported_stands() -> None:
    upper = plan_row("http://c.example/A", "url", first_exported=NEXT)
    lower = plan_row("http://c.example/a", "url")
    elsewhere = plan_row("http://c.example/A?", "url", event="c2/2026-03")
    assert merged_by_misp(plan_table([upper, lower, elsewhere])) == {upper.indicator_id: lower.indicator_id}
    gone = replace(lower, state="withdrawn")
    assert merged_by_misp(plan_table([upper, gone])) == {}


def test_an_address_and_its_network_of_one_are_one_to_misp() -> None:
    network, address = plan_row("198.51.100.7/32", "cidr", first_exported=NEXT), plan_row("198.51.100.7", "ipv4")
    assert merged_by_misp(plan_table([network, address])) == {network.indicator_id: address.indicator_id}


@given(st.text())
def test_no_text_reaches_misp_that_its_tables_cannot_keep(text: str) -> None:
    row = plan_row("x@y.example", "email", families=(text,), threat_types=(text,), campaign=text, sources=(text,))
    for said in (*tags(row), attribute(row)["comment"], misp_value("email", text), misp_value("url", text)):
        assert all(ord(c) <= 0xFFFF for c in said)
    assert all(len(tag) <= MOST_TAG_CHARACTERS for tag in tags(row))
    assert len(attribute(row)["comment"].encode(errors="surrogatepass")) <= MOST_COMMENT_BYTES


def test_a_comment_too_long_for_misp_is_cut() -> None:
    row = plan_row("a.example.org", sources=tuple(f"feed-\u00e9-{n}" for n in range(9000)))
    assert len(attribute(row)["comment"].encode()) <= MOST_COMMENT_BYTES


# STIX


def bundle(root: Path) -> dict[str, Any]:
    return json.loads((root / str(DAY) / "stix" / "bundle.json").read_text())


def test_the_bundle_is_valid_stix_and_its_patterns_parse(tmp_path: Path) -> None:
    write_export(
        plan_table([*one_of_each(), plan_row("g.example.org", tlp="green", families=("emotet",))]), DAY, tmp_path
    )
    parsed = stix2.parse(bundle(tmp_path), allow_custom=True)
    indicators = [thing for thing in parsed.objects if thing["type"] == "indicator"]
    assert len(indicators) == 11
    known = {thing["id"] for thing in parsed.objects}
    for indicator in indicators:
        assert stix2patterns.validator.run_validator(indicator["pattern"], stix_version="2.1") == []
        assert set(indicator["object_marking_refs"]) <= known
        assert indicator["created_by_ref"] in known
    assert len(known) == len(parsed.objects)


def test_the_id_is_the_indicators_and_revoked_is_what_was_withdrawn(tmp_path: Path) -> None:
    live, gone = plan_row("a.example.org"), plan_row("b.example.org", state="withdrawn")
    write_export(plan_table([live, gone]), DAY, tmp_path)
    shown = {thing["id"]: thing for thing in bundle(tmp_path)["objects"] if thing["type"] == "indicator"}
    assert shown.keys() == {f"indicator--{live.indicator_id}", f"indicator--{gone.indicator_id}"}
    assert shown[f"indicator--{gone.indicator_id}"]["revoked"] is True
    assert "revoked" not in shown[f"indicator--{live.indicator_id}"]


def test_modified_moves_with_the_content_and_created_does_not(tmp_path: Path) -> None:
    write_export(plan_table([plan_row("a.example.org", changed_on=NEXT)]), DAY, tmp_path)
    (shown,) = (thing for thing in bundle(tmp_path)["objects"] if thing["type"] == "indicator")
    assert (shown["created"], shown["modified"]) == ("2026-03-06T00:00:00.000Z", "2026-03-07T00:00:00.000Z")
    assert shown["valid_from"] == "2026-03-01T12:30:00.000Z"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_value_gives_a_pattern_that_parses(value: str) -> None:
    assert stix2patterns.validator.run_validator(pattern("url", value), stix_version="2.1") == []


# CSV and lists


def table(root: Path) -> list[dict[str, str]]:
    with (root / str(DAY) / "csv" / "indicators.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_holds_active_indicators_with_all_that_is_told(tmp_path: Path) -> None:
    write_export(
        plan_table([plan_row("a.example.org", sources=("x", "y")), plan_row("b.example.org", state="withdrawn")]),
        DAY,
        tmp_path,
    )
    (row,) = table(tmp_path)
    assert (row["value"], row["sources"], row["first_seen"]) == ("a.example.org", "x|y", "2026-03-01T12:30:00+00:00")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_begins_as_a_formula(start: str, tmp_path: Path) -> None:
    write_export(plan_table([plan_row("a.example.org", campaign=f"{start}cmd|' /C calc'!A0")]), DAY, tmp_path)
    campaign = table(tmp_path)[0]["campaign"]
    assert "cmd" in campaign
    assert not campaign.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.text())
def test_a_safe_cell_keeps_the_text_and_never_begins_as_a_formula(text: str) -> None:
    cell = safe_cell(text)
    assert cell in (text, f"'{text}")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_list_holds_the_active_values_of_its_type_a_line_each(tmp_path: Path) -> None:
    write_export(
        plan_table(
            [plan_row("b.example.org"), plan_row("a.example.org"), plan_row("c.example.org", state="withdrawn")]
        ),
        DAY,
        tmp_path,
    )
    assert (tmp_path / str(DAY) / "lists" / "domain.txt").read_bytes() == b"a.example.org\nb.example.org\n"


def test_a_value_with_a_line_break_never_becomes_two_entries(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="line break"):
        write_export(plan_table([plan_row("a.example.org\n0.0.0.0", "domain")]), DAY, tmp_path)


# rows


def test_rows_read_ids_from_whatever_a_column_keeps_them_in() -> None:
    import pyarrow as pa

    row = plan_row("a.example.org")
    plan = plan_table([row])
    assert list(rows(plan)) == [row]
    raw = pa.array([uuid.UUID(row.indicator_id).bytes], pa.binary(16))
    kept = plan.set_column(0, "indicator_id", pa.ExtensionArray.from_storage(pa.uuid(), raw))
    assert list(rows(kept)) == [row]
    assert next(iter(rows(plan))).first_seen == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _usual_file_rights() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_label_is_one_line_a_terminal_obeys_nothing_of() -> None:
    hostile = "\x1b[31mred\x1b[0m\x07\nline\u202etwo|three" + "x" * 5000
    label = safe_label(hostile)
    assert label.startswith("[31mred [0m line two/three")
    assert len(label) == 255
    assert label.isprintable()
