"""A package of a SIEM made from compiled rules and look-ups, and put on disk.

The form of each SIEM is a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.detections.sigma.siem.packages import elastic, loki, opensearch, sentinel, splunk
from intelsec_assets.detections.sigma.siem.packages.archive import write_folder, write_tar, write_zip
from intelsec_assets.detections.sigma.siem.packages.lookups import Lookups
from intelsec_assets.detections.sigma.siem.targets import TargetError, Targets

Files = Callable[[Sequence[Compiled], Lookups, Targets], dict[str, str]]


@dataclass(frozen=True)
class Form:
    """A SIEM's package: the target its rules are compiled for, how its files are made, whether it is a tar.gz."""

    target: str
    files: Files
    is_tar: bool = False


FORMS: Mapping[str, Form] = {
    "splunk": Form("splunk", splunk.files, is_tar=True),  # an app is a tar.gz
    "elastic": Form("elasticsearch-esql", elastic.files),
    "opensearch": Form("opensearch-lucene", opensearch.files),
    "sentinel": Form("sentinel", sentinel.files),
    "loki": Form("loki", loki.files),
}


def form(name: str) -> Form:
    """The package of a name; TargetError names those there are."""
    if name not in FORMS:
        raise TargetError(f"there is no package for {name!r}; there are: {', '.join(FORMS)}")
    return FORMS[name]


def write_package(name: str, files: Mapping[str, str], out: Path) -> Path:
    """Write the folder `intelsec-<name>` and the archive of it below `out`; returns the archive."""
    write_folder(files, out / f"intelsec-{name}")
    archive = out / (f"intelsec-{name}.tar.gz" if form(name).is_tar else f"intelsec-{name}.zip")
    (write_tar if form(name).is_tar else write_zip)(files, archive)
    return archive
