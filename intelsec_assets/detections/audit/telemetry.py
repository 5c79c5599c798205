"""The telemetry configuration: which audit logs there are, and where tickets and ASN tables lie. One YAML file.

What is read from those places belongs to `inbox` and `context`; no file but the configuration is opened here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from intelsec_assets.detections.errors import EventError
from intelsec_assets.feeds import located_yaml
from intelsec_assets.feeds.catalogue_rules import path_defects
from intelsec_assets.feeds.located_yaml import LocatedYaml, Problem, YamlPath

FILE = "telemetry.yaml"
S3 = "s3://"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class TelemetryError(EventError):
    """The telemetry configuration cannot be used; the message lists every problem with file, line and key."""


@dataclass(frozen=True)
class AuditSource:
    """One stream of audit logs: a folder below the data root, or an S3 prefix."""

    name: str
    provider: str
    location: str

    @property
    def is_s3(self) -> bool:
        """Whether it lies in S3."""
        return self.location.startswith(S3)

    @property
    def bucket(self) -> str:
        """Bucket of an S3 source."""
        return self.location.removeprefix(S3).partition("/")[0]

    @property
    def prefix(self) -> str:
        """Prefix of the keys of an S3 source."""
        return self.location.removeprefix(S3).partition("/")[2]


@dataclass(frozen=True)
class Telemetry:
    """A whole configuration; paths are relative to the data root. Without a file nothing is configured."""

    audit: tuple[AuditSource, ...] = ()
    tickets_csv: str | None = None
    asn_csv: tuple[str, ...] = ()
    asn_mmdb: str | None = None

    @property
    def digest(self) -> str:
        """Hash of everything that is said, layout aside."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def source(self, name: str) -> AuditSource:
        """The source of that name. Raises TelemetryError that lists the names there are."""
        for source in self.audit:
            if source.name == name:
                return source
        known = ", ".join(source.name for source in self.audit) or "none"
        raise TelemetryError(f"no audit source {name!r} in {FILE}; there are: {known}")


def load_telemetry(data_root: Path | None) -> Telemetry:
    """Configuration of a data root; without a data root or a file nothing is configured.

    Raises TelemetryError with every problem: file, line, key, what is allowed.
    """
    path = None if data_root is None else data_root / FILE
    if path is None or not path.is_file():
        return Telemetry()
    try:
        with path.open("rb") as stream:
            raw = stream.read(located_yaml.MAX_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise TelemetryError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TelemetryError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    document = located_yaml.read_located_yaml(text)
    found = sorted({(problem.line, problem.text): problem for problem in _problems(document)}.items())
    if found or not isinstance(document.value, dict):
        lines = [f"  {path}, {problem}" for _, problem in found]
        raise TelemetryError("\n".join([f"{path}: problems in the telemetry configuration", *lines]))
    return _telemetry(document.value)


def _telemetry(value: Mapping[str, Any]) -> Telemetry:
    asn = value.get("asn") or {}
    return Telemetry(
        audit=tuple(
            AuditSource(entry["name"], entry["provider"], entry["location"]) for entry in value.get("audit") or ()
        ),
        tickets_csv=(value.get("tickets") or {}).get("csv"),
        asn_csv=tuple(asn.get("csv") or ()),
        asn_mmdb=asn.get("mmdb"),
    )


@cache
def _schema() -> dict[str, Any]:
    text = files("intelsec_assets.detections.audit").joinpath("telemetry.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _problems(document: LocatedYaml) -> Iterator[Problem]:
    import jsonschema

    yield from document.problems
    value = document.value
    if not isinstance(value, dict):
        if not document.problems:
            yield Problem(1, (), "the file holds no configuration; expected the keys version and audit")
        return
    for error in jsonschema.Draft202012Validator(_schema()).iter_errors(value):
        path = tuple(error.absolute_path)
        yield Problem(document.line(path), path, str(error.message))
    for path, text in _defects(value):
        yield Problem(document.line(path), path, text)


def _defects(value: Mapping[str, Any]) -> Iterator[tuple[YamlPath, str]]:
    """What a schema cannot say; values of a wrong type are the schema's business."""
    seen: set[str] = set()
    entries = value.get("audit")
    for place, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        name, location = entry.get("name"), entry.get("location")
        if isinstance(name, str):
            if name in seen:
                yield ("audit", place, "name"), f"the name {name!r} is used twice; names must be unique"
            seen.add(name)
        if isinstance(location, str):
            yield from ((("audit", place, "location"), text) for text in _location_defects(location))
    tickets, asn = value.get("tickets"), value.get("asn")
    if isinstance(tickets, dict) and isinstance(tickets.get("csv"), str):
        yield from ((("tickets", "csv"), text) for text in path_defects(tickets["csv"]))
    if isinstance(asn, dict):
        tables = asn.get("csv")
        for place, path in enumerate(tables if isinstance(tables, list) else []):
            if isinstance(path, str):
                yield from ((("asn", "csv", place), text) for text in path_defects(path))
        if isinstance(asn.get("mmdb"), str):
            yield from ((("asn", "mmdb"), text) for text in path_defects(asn["mmdb"]))


def _location_defects(location: str) -> Iterator[str]:
    if not location.startswith(S3):
        if "://" in location:
            yield f"{location!r} is neither a folder below the data root nor s3://bucket/prefix"
            return
        yield from path_defects(location)
        return
    bucket, _, prefix = location.removeprefix(S3).partition("/")
    if not _BUCKET.fullmatch(bucket):
        yield f"{bucket!r} is no name of a bucket; expected s3://bucket/prefix"
    if ".." in prefix.split("/"):
        yield f"{location!r} holds `..`, which no key of a delivered log does"
