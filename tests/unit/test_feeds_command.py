"""`intelsec feeds`: what is listed, and what a check of a file says before anything is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intelsec_assets.cli import app
from intelsec_assets.settings import SAMPLE_DATA


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTELSEC_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def invoke(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["feeds", *map(str, arguments)])
    return result.exit_code, result.stdout


def test_every_feed_is_listed_with_its_trust_and_source() -> None:
    code, out = invoke("list", "--json")
    feeds = {feed["name"]: feed for feed in json.loads(out)}
    assert code == 0
    assert feeds["foundry-c2"]["trust"] == "A"
    assert feeds["tally-list"]["source"] == "feeds/tally-list/{day}.tsv.gz"


def test_a_sample_file_is_recognised_by_its_place() -> None:
    code, out = invoke("check", SAMPLE_DATA / "feeds" / "tally-list" / "2026-03-05.tsv.gz")
    assert (code, "as tally-list: 571 rows, 571 usable" in out) == (0, True)


def test_rows_that_would_be_quarantined_are_counted_by_reason_with_examples(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("127.0.0.1\tgood.example\n127.0.0.1\tbad..example\n127.0.0.1\talso..bad\n")
    code, out = invoke("check", file, "--feed", "quay-hosts", "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["rows"], told["usable"], told["reasons"]) == (3, 1, {"empty_label": 2})
    assert told["samples"]["empty_label"][0].startswith("line 2: 'bad..example'")


def test_a_page_in_place_of_a_list_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("<!doctype html><html><body>503</body></html>")
    code, out = invoke("check", file, "--feed", "quay-hosts")
    assert code == 1
    assert "cannot be used as quay-hosts" in out


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    whole = (SAMPLE_DATA / "feeds" / "tally-list" / "2026-03-05.tsv.gz").read_bytes()
    (tmp_path / "cut.tsv.gz").write_bytes(whole[: len(whole) // 2])
    code, out = invoke("check", tmp_path / "cut.tsv.gz", "--feed", "tally-list")
    assert code == 1
    assert "cut.tsv.gz" in out


def test_a_catalogue_is_checked_whole(tmp_path: Path) -> None:
    code, out = invoke("check", SAMPLE_DATA / "catalogue.yaml")
    assert (code, "10 feeds, 10 enabled, nothing wrong" in out) == (0, True)


@pytest.mark.parametrize(
    "arguments", [("check", "nowhere.txt"), ("check", __file__), ("check", __file__, "--feed", "x")]
)
def test_wrong_use_ends_with_code_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments)[0] == 2


def test_checking_writes_nothing(home: Path) -> None:
    invoke("check", SAMPLE_DATA / "feeds" / "quay-hosts" / "2026-03-07.txt")
    assert not home.exists()
