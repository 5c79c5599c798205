"""`intelsec doctor` in front of a MISP server: what it says when it answers, refuses, or shows a strange certificate.

What is pushed to a server is tested in test_misp_push.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from intelsec_assets.commands import doctor_detections
from intelsec_assets.commands.doctor import Finding, misp_finding
from intelsec_assets.settings import Settings, from_environment

KEY = "k" * 40


class _Version(BaseHTTPRequestHandler):
    """Answers any question with a version, and a wrong key with 403."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == KEY
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(json.dumps({"version": "2.5.1"}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of an https server whose certificate nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("the certificate is made by openssl")
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout {key} -out {certificate} -subj /CN=localhost"
    subprocess.run(made.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), _Version) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


@pytest.fixture
def settings(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name the server, with the right key and without verification."""
    monkeypatch.setenv("INTELSEC_MISP_KEY", KEY)
    named = {"INTELSEC_HOME": str(tmp_path), "INTELSEC_MISP_URL": f"https://localhost:{server}"}
    return from_environment({**named, "INTELSEC_MISP_VERIFY_TLS": "false"})


def test_a_certificate_nobody_signed_is_accepted_only_where_verification_is_off(settings: Settings) -> None:
    found = Finding("misp", "ok", f"{settings.misp_url}, MISP 2.5.1")

    assert misp_finding(settings) == found
    assert misp_finding(replace(settings, misp_verify_tls=True)).state == "broken"


def test_a_wrong_key_is_told_and_not_shown(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELSEC_MISP_KEY", "wrong" * 8)

    found = misp_finding(settings)

    assert (found.state, found.found) == ("broken", f"{settings.misp_url} answers 403")
    assert "wrong" not in str(found)


def test_without_a_key_the_variable_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTELSEC_MISP_KEY")

    assert misp_finding(settings).what_to_do == "set INTELSEC_MISP_KEY"


def test_detections_are_looked_at_source_by_source(tmp_path: Path) -> None:
    (tmp_path / "telemetry.yaml").write_text(
        "version: 1\naudit:\n  - {name: away, provider: aws, location: away}\n"
        "  - {name: here, provider: aws, location: here}\ntickets: {csv: tickets.csv}\n"
    )
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.json").write_text("{}")
    settings = from_environment({"INTELSEC_DATA": str(tmp_path), "INTELSEC_HOME": str(tmp_path / "home")})

    told = {(part, state): found for part, state, found, _ in doctor_detections.looks(settings)}

    assert "away" in told["audit logs", "broken"]
    assert "here: newest file of" in told["audit logs", "ok"]
    assert "tickets.csv" in told["tickets", "broken"]
    assert told["networks", "missing"] == "no prefixes named under `asn`"
    assert told["rules", "ok"].endswith(" rules")


def test_entries_of_a_source_that_cannot_be_read_are_told_beside_its_newest_file(tmp_path: Path) -> None:
    (tmp_path / "telemetry.yaml").write_text("version: 1\naudit:\n  - {name: here, provider: aws, location: here}\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "old").symlink_to(tmp_path)
    settings = from_environment({"INTELSEC_DATA": str(tmp_path), "INTELSEC_HOME": str(tmp_path / "home")})

    told = {(part, state): found for part, state, found, _ in doctor_detections.looks(settings)}

    assert told["audit logs", "missing"] == "here: no files"
    assert told["audit logs", "broken"] == "here: 1 entry cannot be read, first old"


def test_tickets_that_count_in_every_account_are_told(tmp_path: Path) -> None:
    (tmp_path / "telemetry.yaml").write_text(
        "version: 1\naudit:\n  - {name: here, provider: aws, location: here}\ntickets: {csv: tickets.csv}\n"
    )
    (tmp_path / "here").mkdir()
    row = "CHG-1,aws,ana,batch,CreateAccessKey,2020-01-01T00:00:00Z,2099-01-01T00:00:00Z,approved"
    (tmp_path / "tickets.csv").write_text(
        f"ticket_id,system,requester,target,action,valid_from,valid_to,status,account\n{row},\n{row},111122223333\n"
    )
    settings = from_environment({"INTELSEC_DATA": str(tmp_path), "INTELSEC_HOME": str(tmp_path / "home")})

    (told,) = (look for look in doctor_detections.looks(settings) if look[0] == "tickets")

    assert told[1:3] == ("ok", "2 tickets of today; 1 of them names no account and counts in every account")
    assert "`account`" in told[3]
