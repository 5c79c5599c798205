"""`intelsec audit`: what it shows of a workspace, of one event, and of any files; its exit codes.

What the figures mean is tested with reading and landing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intelsec_assets.cli import app
from intelsec_assets.detections.audit.inbox import FolderInbox, InboxError, Listed
from intelsec_assets.detections.audit.landing import Landing
from intelsec_assets.detections.audit.taking import take
from intelsec_assets.detections.audit.telemetry import load_telemetry
from intelsec_assets.engine import session
from tests.audit_logs import event, lines, wrapped, zipped

TELEMETRY = "version: 1\naudit:\n  - {name: trail, provider: aws, location: logs}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTELSEC_HOME", str(tmp_path / "home"))
    (tmp_path / "telemetry.yaml").write_text(TELEMETRY)
    (tmp_path / "logs").mkdir()
    return tmp_path


def taken(root: Path) -> None:
    telemetry = load_telemetry(root)
    with session() as con:
        landing = Landing(root / "home" / "audit")
        take(con, landing, telemetry.audit[0], root, clock=lambda: datetime.now(UTC))


def test_status_names_sources_days_anomalies_and_what_is_unreadable(root: Path) -> None:
    good, bad = root / "logs" / "1.json.gz", root / "logs" / "\x1b[31m.json"
    good.write_bytes(zipped(wrapped([event(1), event(2, sourceIPAddress="AWS Internal")])))
    bad.write_bytes(b"<html>")
    taken(root)

    shown = CliRunner().invoke(app, ["audit", "status", "--data", str(root)])
    as_json = CliRunner().invoke(app, ["audit", "status", "--data", str(root), "--json"])

    assert (shown.exit_code, as_json.exit_code) == (1, 1)
    assert "not_json" in shown.stdout
    assert "\x1b" not in shown.stdout
    found = json.loads(as_json.stdout)
    assert {name: found["sources"][0][name] for name in ("source", "files", "events", "unreadable", "rejected")} == {
        "source": "trail",
        "files": 2,
        "events": 2,
        "unreadable": 1,
        "rejected": 1,
    }
    assert found["days"] == [
        {
            "day": "2026-08-20",
            "events": 2,
            "delivered_twice": 0,
            "sources": {"trail": 2},
            "delivered": {"trail": 2},
            "anomalies": {"service_as_address": 1},
            "damaged": [],
            "set_aside": [],
        }
    ]


def test_an_event_delivered_twice_is_one_event_of_its_source(root: Path) -> None:
    (root / "logs" / "1.json").write_bytes(wrapped([event(1), event(2)]))
    (root / "logs" / "2.json").write_bytes(wrapped([event(2)]))
    taken(root)

    shown = CliRunner().invoke(app, ["audit", "status", "--data", str(root)])
    found = json.loads(CliRunner().invoke(app, ["audit", "status", "--data", str(root), "--json"]).stdout)

    (source,), (day,) = found["sources"], found["days"]
    assert (source["events"], source["delivered"], source["delivered_twice"]) == (2, 3, 1)
    assert (day["events"], day["delivered_twice"]) == (2, 1)
    header, row, of_day = shown.stdout.splitlines()
    assert dict(zip(header.split(), row.split(), strict=True))["events"] == "2"
    assert dict(zip(header.split(), row.split(), strict=True))["twice"] == "1"
    assert "2 events, 1 delivered twice" in of_day


def test_status_without_anything_wrong_is_done(root: Path) -> None:
    (root / "logs" / "1.json").write_bytes(wrapped([event(1)]))
    taken(root)

    assert CliRunner().invoke(app, ["audit", "status", "--data", str(root)]).exit_code == 0


def test_status_names_what_could_not_be_fetched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "logs" / "1.json").write_bytes(wrapped([event(1)]))

    def opened(_self: FolderInbox, _file: Listed) -> None:
        raise InboxError("permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(FolderInbox, "opened", opened)
        taken(root)
    shown = CliRunner().invoke(app, ["audit", "status", "--data", str(root)])
    as_json = CliRunner().invoke(app, ["audit", "status", "--data", str(root), "--json"])
    taken(root)

    assert (shown.exit_code, as_json.exit_code) == (1, 1)
    assert "1.json: not fetched since" in shown.stdout
    (one,) = json.loads(as_json.stdout)["sources"][0]["not_fetched"]
    assert (one["file"], one["why"]) == ("1.json", "permission denied")
    assert CliRunner().invoke(app, ["audit", "status", "--data", str(root)]).exit_code == 0


def test_a_damaged_part_is_told_and_the_other_days_are_shown(root: Path) -> None:
    (root / "logs" / "1.json").write_bytes(wrapped([event(1), event(2, eventTime="2026-08-19T10:00:00Z")]))
    taken(root)
    (part,) = (root / "home" / "audit" / "events" / "2026-08-20").iterdir()
    part.write_bytes(b"PAR1")

    shown = CliRunner().invoke(app, ["audit", "status", "--data", str(root)])
    as_json = CliRunner().invoke(app, ["audit", "status", "--data", str(root), "--json"])
    one = CliRunner().invoke(app, ["audit", "show", event(1)["eventID"], "--data", str(root)])

    assert (shown.exit_code, as_json.exit_code, one.exit_code) == (1, 1, 1)
    assert f"damaged: {part}" in shown.stdout
    assert "intelsec run --day 2026-08-20" in shown.stdout
    found = json.loads(as_json.stdout)["days"]
    assert [(day["events"], day["damaged"]) for day in found] == [(1, []), (0, [str(part)])]
    assert str(part) in str(one.exception)


def test_line_breaks_of_an_event_make_no_lines_of_their_own(root: Path) -> None:
    sly = event(1, userIdentity={"type": "IAMUser", "arn": "arn:x\nprovider          gcp"})
    (root / "logs" / "1.json").write_bytes(wrapped([sly]))
    taken(root)

    shown = CliRunner().invoke(app, ["audit", "show", sly["eventID"], "--data", str(root)])

    assert [line for line in shown.stdout.splitlines() if line.startswith("provider")] == ["provider          aws"]


def test_one_event_is_shown_with_the_whole_of_it(root: Path) -> None:
    (root / "logs" / "1.json").write_bytes(wrapped([event(1)]))
    taken(root)

    found = CliRunner().invoke(app, ["audit", "show", event(1)["eventID"], "--data", str(root), "--json"])
    nothing = CliRunner().invoke(app, ["audit", "show", "no-such-event", "--data", str(root)])

    assert json.loads(found.stdout)["event"] == event(1)
    assert json.loads(found.stdout)["file"] == "1.json"
    assert nothing.exit_code == 1


def test_any_file_is_normalised_to_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(wrapped([event(1), event(2)]))
    (tmp_path / "b.ndjson").write_bytes(lines([event(3), {"a": 1}]))

    good = CliRunner().invoke(app, ["audit", "read", str(tmp_path / "a.json")])
    mixed = CliRunner().invoke(app, ["audit", "read", str(tmp_path / "b.ndjson"), "--json"])
    piped = CliRunner().invoke(app, ["audit", "read", "-"], input=lines([event(4)]))
    missing = CliRunner().invoke(app, ["audit", "read", str(tmp_path / "c.json")])

    assert good.exit_code == 0
    assert [json.loads(line)["event_id"] for line in good.stdout.splitlines()] == [
        event(number)["eventID"] for number in (1, 2)
    ]
    assert mixed.exit_code == 1
    assert json.loads(mixed.stdout.splitlines()[1])["reason"] == "not_an_event"
    assert json.loads(piped.stdout)["event"] == event(4)
    assert missing.exit_code == 2
