"""What detections of a workspace read: one source that is away, or one rule that cannot be used, stops no other."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from intelsec_assets.resources.detections import DetectionSources
from intelsec_assets.settings import DETECTIONS

DAY = date(2026, 3, 5)
NOW = datetime(2026, 3, 6, tzinfo=UTC)
TWO_SOURCES = """\
version: 1
audit:
  - {name: away, provider: aws, location: not/there}
  - {name: trail, provider: aws, location: logs}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of detections with two rules."""
    for name in ("root-use", "iam-key-without-ticket"):
        shutil.copytree(DETECTIONS / "sigma" / name, tmp_path / "detections" / "sigma" / name)
    shutil.copytree(DETECTIONS.parent / "runbooks", tmp_path / "runbooks")
    return tmp_path / "detections"


def sources(folder: Path) -> DetectionSources:
    return DetectionSources(folder.parent / "home", folder.parent, folder)


def names(found: DetectionSources) -> list[str]:
    return [rule.name for rule in found.all_rules(DAY).rules]


def test_a_source_that_is_away_stops_no_other(folder: Path) -> None:
    root = folder.parent
    (root / "telemetry.yaml").write_text(TWO_SOURCES)
    (root / "logs").mkdir()
    event = {
        "eventID": "1",
        "eventTime": "2026-03-05T10:00:00Z",
        "eventName": "GetUser",
        "eventSource": "iam.amazonaws.com",
    }
    (root / "logs" / "1_CloudTrail_eu_20260305T1005Z_a.json").write_text(json.dumps({"Records": [event]}))

    arrived = sources(folder).take(lambda: NOW)

    assert [intake.events for intake in arrived.taken] == [1]
    assert list(arrived.away) == ["away"]
    assert "not/there" in arrived.away["away"]


def test_a_bucket_without_its_package_is_away_with_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "telemetry.yaml").write_text(TWO_SOURCES.replace("not/there", "s3://logs/trail"))
    (folder.parent / "logs").mkdir()
    for package in ("boto3", "botocore", "botocore.exceptions"):
        monkeypatch.setitem(sys.modules, package, None)

    arrived = sources(folder).take(lambda: NOW)

    assert arrived.away["away"].startswith("s3://logs/trail/ needs boto3; install the extra `s3`: ")


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        ("sigma/root-use/rule.yml", "title: [never closed"),
        ("sigma/root-use/positive/a.json", "\xff"),
        ("exceptions/wide.yml", "title: no filter"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_named_and_the_others_run(folder: Path, broken: str, text: str) -> None:
    path = folder / broken
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("latin-1"))
    found = sources(folder)

    assert names(found) == [name for name in ("iam-key-without-ticket", "root-use") if name not in broken]
    assert [problem for problem in found.unusable() if Path(broken).name in problem]
    assert len(found.prepared(DAY).events) >= 1


def test_modes_that_cannot_be_read_leave_every_rule_live(folder: Path) -> None:
    (folder / "modes.yml").write_text("nonsense: [")
    found = sources(folder)

    assert found.modes(DAY) == {}
    assert any("modes.yml" in problem for problem in found.unusable())


def test_with_nothing_wrong_nothing_is_left_out(folder: Path) -> None:
    found = sources(folder)

    assert found.unusable() == ()
    assert names(found) == ["iam-key-without-ticket", "root-use"]
