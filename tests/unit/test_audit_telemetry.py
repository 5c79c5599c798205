"""The telemetry configuration: what it may say, and that every mistake is shown with its line.

What lies at the places it names is tested with inbox and context.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.detections.audit.telemetry import AuditSource, Telemetry, TelemetryError, load_telemetry

WHOLE = """\
version: 1
audit:
  - {name: org-trail, provider: aws, location: audit/aws}
  - {name: lake, provider: aws, location: s3://logs-bucket/AWSLogs/1}
  - {name: gcp-audit, provider: gcp, location: audit/gcp}
tickets: {csv: audit/tickets.csv}
asn: {csv: [audit/asn_prefixes.csv], mmdb: null}
"""


def load(folder: Path, text: str) -> Telemetry:
    (folder / "telemetry.yaml").write_text(text)
    return load_telemetry(folder)


def test_a_configuration_is_read_whole(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)

    assert found == Telemetry(
        audit=(
            AuditSource("org-trail", "aws", "audit/aws"),
            AuditSource("lake", "aws", "s3://logs-bucket/AWSLogs/1"),
            AuditSource("gcp-audit", "gcp", "audit/gcp"),
        ),
        tickets_csv="audit/tickets.csv",
        asn_csv=("audit/asn_prefixes.csv",),
        asn_mmdb=None,
    )
    assert (found.audit[1].bucket, found.audit[1].prefix) == ("logs-bucket", "AWSLogs/1")


def test_without_a_file_or_a_data_root_nothing_is_configured(tmp_path: Path) -> None:
    assert load_telemetry(tmp_path) == load_telemetry(None) == Telemetry()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("audit: []\n", 1, "version"),
        ("version: 2\n", 1, "1 was expected"),
        ("version: 1\naudit:\n  - {name: a, provider: ibm, location: x}\n", 3, "ibm"),
        ("version: 1\naudit:\n  - {name: A b, provider: aws, location: x}\n", 3, "A b"),
        ("version: 1\naudit:\n  - {name: a, provider: aws, location: ../secrets}\n", 3, "leaves the data root"),
        ("version: 1\naudit:\n  - {name: a, provider: aws, location: /etc}\n", 3, "below the data root"),
        ("version: 1\naudit:\n  - {name: a, provider: aws, location: 'https://x/y'}\n", 3, "neither a folder"),
        ("version: 1\naudit:\n  - {name: a, provider: aws, location: 's3://UPPER/x'}\n", 3, "no name of a bucket"),
        ("version: 1\naudit:\n  - {name: a, provider: aws, location: 's3://logs/../x'}\n", 3, "`..`"),
        ("version: 1\ntickets: {csv: ../t.csv}\n", 2, "leaves the data root"),
        ("version: 1\nasn:\n  csv:\n    - a.csv\n    - ~/b.csv\n", 5, "below the data root"),
        ("version: 1\nasn: {mmdb: /x.mmdb}\n", 2, "below the data root"),
        ("version: 1\nsurprise: true\n", 1, "surprise"),
        (
            "version: 1\naudit:\n" + "  - {name: a, provider: aws, location: x}\n" * 2,
            4,
            "used twice",
        ),
        ("- 1\n", 1, "no configuration"),
        ("version: 1\naudit: [\n", 2, ""),
    ],
)
def test_every_mistake_is_shown_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(TelemetryError) as error:
        load(tmp_path, text)

    assert "telemetry.yaml" in str(error.value)
    assert words in str(error.value)
    assert f"line {line}" in str(error.value) or words in ("surprise", "")


def test_all_mistakes_are_shown_at_once(tmp_path: Path) -> None:
    with pytest.raises(TelemetryError) as error:
        load(tmp_path, "version: 1\naudit:\n  - {name: a, provider: x, location: ../y}\n")

    assert str(error.value).count("line 3") == 2


def test_the_digest_changes_with_what_is_said_and_not_with_how(tmp_path: Path) -> None:
    first = load(tmp_path, WHOLE).digest

    assert load(tmp_path, "# a comment\n" + WHOLE).digest == first
    assert load(tmp_path, WHOLE.replace("audit/gcp", "audit/google")).digest != first
