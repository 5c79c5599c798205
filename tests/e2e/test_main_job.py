"""The command a stranger types, on the bundled sample: what it prints, what it writes, and how it ends.

What the figures should be is counted here from the sample's files, with nothing of the project's parsers.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.settings import SAMPLE_DATA
from intelsec_jobs.runner import DayOutside
from tests.warehouses import LAST_DAY, printed_of_the_sample, published_sample
from tests.workspaces import Workspace, on_the_sample

FEEDS = SAMPLE_DATA / "feeds"
LAST = LAST_DAY


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """The sample in a fresh home, and what the command printed."""
    return published_sample(tmp_path_factory), printed_of_the_sample(tmp_path_factory)


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def misp_rows(folder: Path, of_day: date | None = None) -> int:
    """An attribute is a row; `domain|ip` says two things."""
    rows = 0
    for path in folder.glob("*.json"):
        if path.name == "manifest.json":
            continue
        event = json.loads(path.read_text())["Event"]
        if of_day is not None and event["date"] != str(of_day):
            continue
        attributes = event["Attribute"] + [a for o in event.get("Object", []) for a in o["Attribute"]]
        rows += sum(2 if attribute["type"] == "domain|ip" else 1 for attribute in attributes)
    return rows


def stix_rows(*paths: Path) -> int:
    """A row a value that an indicator's pattern compares with."""
    rows = 0
    for path in paths:
        document = json.loads(path.read_text())
        objects = document["objects"] if isinstance(document, dict) else document
        patterns = [o["pattern"] for o in objects if o["type"] == "indicator"]
        rows += sum(len(re.findall(r"[\w'.:-]+ = '", pattern)) for pattern in patterns)
    return rows


def rows_published(day: date) -> dict[str, int]:
    foundry = lines_of((FEEDS / f"foundry-c2/{day}.csv").read_text())
    return {
        "harbour-phish": len(list(csv.reader(lines_of((FEEDS / f"harbour-phish/{day:%Y%m%d}.csv").read_text())))),
        "foundry-c2": len(list(csv.reader(foundry, skipinitialspace=True))),
        "tally-list": len(lines_of(gzip.decompress((FEEDS / f"tally-list/{day}.tsv.gz").read_bytes()).decode())),
        "quay-hosts": len(lines_of((FEEDS / f"quay-hosts/{day}.txt").read_text())),
        "lighthouse-misp": misp_rows(FEEDS / f"lighthouse-misp/{day}", of_day=day),
        "orchard-events": misp_rows(FEEDS / f"orchard-events/{day}"),
        "beacon-taxii": stix_rows(*FEEDS.glob(f"beacon-taxii/{day}.*.json")),
        "summit-stix": stix_rows(FEEDS / f"summit-stix/{day}.json"),
        "workshop-trails": sum(
            len(lines_of(path.read_text())) for path in (FEEDS / f"workshop-trails/{day}").rglob("*.txt")
        ),
        "magpie-list": len(lines_of((FEEDS / f"magpie-list/{day}.txt").read_text())),
    }


def feed_figures(printed: str) -> dict[str, list[int]]:
    """Feed -> rows in, kept, merged, rejected, as the summary says."""
    rows = re.findall(r"^ +([a-z0-9-]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)", printed, re.MULTILINE)
    return {name: [int(figure.replace(",", "")) for figure in figures] for name, *figures in rows}


def test_the_summary_fits_a_screen_and_its_rows_are_those_of_the_files(built: tuple[Workspace, str]) -> None:
    _, printed = built
    figures = feed_figures(printed)
    assert len(printed.splitlines()) <= 25
    assert max(map(len, printed.splitlines())) <= 160
    assert {name: row[0] for name, row in figures.items()} == rows_published(LAST)
    assert all(rows_in == kept + rejected for rows_in, kept, _, rejected in figures.values())


def test_the_summary_says_where_the_files_are_and_they_are_there(built: tuple[Workspace, str]) -> None:
    workspace, printed = built
    files = Path(re.findall(r"^files +(/.+)$", printed, re.MULTILINE)[0])
    assert files.resolve() == (workspace.home / "exports" / str(LAST)).resolve()
    assert {path.name for path in files.iterdir()} == {"misp", "stix", "csv", "lists", "SHA256SUMS"}
    exported = int(re.findall(r"([\d,]+) export,", printed)[0].replace(",", ""))
    with (files / "csv" / "indicators.csv").open(newline="") as table:
        assert len(list(csv.DictReader(table))) == exported
    assert re.search(r"^next +\S", printed, re.MULTILINE)


def test_a_second_run_says_that_nothing_changed_and_writes_nothing(
    built: tuple[Workspace, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, first = built[0].copy(tmp_path / "home"), built[1]

    def written() -> dict[str, tuple[int, int, int]]:
        files = [p for top in ("lake", "raw", "exports") for p in (workspace.home / top).rglob("*") if p.is_file()]
        stats = {path: path.stat() for path in files if path.name != ".lock"}
        return {str(path): (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}

    before, ledger = written(), workspace.ledger()
    assert len(before) > 100
    assert workspace.here(monkeypatch, "run", "--day", str(LAST)) == 0
    again = capsys.readouterr().out
    assert "nothing changed, nothing written" in again
    assert "files       0 added, 0 updated, 0 withdrawn" in again
    assert feed_figures(again) == feed_figures(first)
    assert written() == before
    assert workspace.ledger() == ledger


def test_json_is_one_document_with_the_same_figures(
    built: tuple[Workspace, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = built[0].copy(tmp_path / "home")
    assert workspace.here(monkeypatch, "run", "--day", str(LAST), "--no-warehouse", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {feed["feed"]: feed["rows_in"] for feed in told["feeds"]} == rows_published(LAST)
    assert (told["day"], told["changed"], told["errors"]) == (str(LAST), 0, [])
    assert [check["check"] for check in told["checks"]["failed"]] == ["context_is_known"]  # the register ends at noon
    live = re.findall(r"([\d,]+) live", built[1])[0]
    assert sum(told["decisions"].values()) == int(live.replace(",", ""))
    with duckdb.connect() as con:
        events = con.sql(f"select count(*) from '{workspace.lake.path('cloud_audit_events', LAST)}'").fetchall()
    assert events == [(told["detections"]["events"],)]
    assert told["detections"]["in_doubt"] == 1
    assert sum(told["detections"]["raised"].values()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--day", "4 March"), "'4 March' is not a day: expected YYYY-MM-DD"),
        (("--data", "/no/such/folder"), "/no/such/folder: no such folder"),
        (("--day", "2026-03-03", "--from", "2026-03-02"), "exclude each other"),
        (("--from", "2026-03-04", "--to", "2026-03-02"), "--from 2026-03-04 is after --to 2026-03-02"),
        (("--day", "2026-04-01"), "2026-04-01 is outside the data"),
        (("--day", "2025-03-02"), "holds 2026-03-02 to 2026-03-15"),
        (("--yesterday",), "No such option"),
    ],
)
def test_wrong_use_ends_with_code_2_and_says_what_is_right(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert on_the_sample(tmp_path / "home").here(monkeypatch, "run", *arguments) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_a_missing_day_before_is_an_error_that_names_it(
    built: tuple[Workspace, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = built[0].copy(tmp_path / "home")
    for path in (workspace.home / "lake" / "indicators").glob("2026-03-1[45].*"):
        path.unlink()
    assert workspace.here(monkeypatch, "run", "--day", "2026-03-15") == 1
    told = capsys.readouterr().err
    assert "indicators of 2026-03-15 builds on indicators of 2026-03-14, which is not there" in told
    assert "intelsec backfill --from 2026-03-02 --to 2026-03-15" in told
    assert not workspace.lake.path("indicators", LAST).exists()


def test_days_before_the_first_that_do_not_join_it_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Else the lake would start anew before days it already has, and these could not be run again."""
    workspace = on_the_sample(tmp_path)
    workspace.lake.begin(date(2026, 3, 8))
    with pytest.raises(DayOutside, match=r"intelsec run --from 2026-03-04 --to 2026-03-08"):
        workspace.run(date(2026, 3, 4))
    assert workspace.lake.origin() == date(2026, 3, 8)


def test_the_real_command_ends_with_code_2_for_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = on_the_sample(tmp_path / "home").command("run", "--data", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such folder" in done.stderr
