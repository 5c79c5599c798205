"""Compiled queries as files: where each lies, what a folder of them holds, whether it is what the rules give today.

What a query is, is `compiling`; the table for people is `coverage_table`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from intelsec_assets.detections.sigma.siem.compiling import Compiled
from intelsec_assets.settings import REPOSITORY

COMPILED = REPOSITORY / "detections" / "compiled"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Difference:
    """A file that is not what it should be: missing, changed, or there for no rule."""

    path: Path
    what: str  # missing | changed | superfluous

    def __str__(self) -> str:
        """`changed: detections/compiled/splunk/root-use.spl`."""
        return f"{self.what}: {self.path}"


def query_path(compiled: Compiled) -> str:
    """Where a compiled rule lies below the folder of all targets."""
    return f"{compiled.target.name}/{compiled.rule.name}.{compiled.extension}"


def as_files(compiled: Iterable[Compiled]) -> dict[str, str]:
    """The files of compiled rules by their path: one a rule that has a query, and a manifest a target.

    The manifest tells each rule's id, the digest of its text, the verdict and what the query does otherwise.
    """
    files: dict[str, str] = {}
    manifests: dict[str, list[Mapping[str, object]]] = {}
    for one in compiled:
        if one.queries:
            files[query_path(one)] = one.text
        manifests.setdefault(one.target.name, []).append(
            {
                "rule": one.rule.name,
                "id": one.rule.rule_id,
                "title": one.rule.title,
                "level": one.rule.level,
                "digest": one.rule.digest,
                "verdict": one.verdict,
                "file": Path(query_path(one)).name if one.queries else None,
                "deviations": [{"code": d.code, "about": d.about} for d in one.deviations],
            }
        )
    for target, rules in manifests.items():
        files[f"{target}/{MANIFEST}"] = (
            json.dumps({"target": target, "rules": rules}, indent=1, ensure_ascii=False) + "\n"
        )
    return files


def differences(files: Mapping[str, str], folder: Path, *, whole: Iterable[str] = ()) -> list[Difference]:
    """How a folder differs from what it should hold; of the targets in `whole` nothing else may lie there."""
    found = []
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            found.append(Difference(path, "missing"))
        elif path.read_text(encoding="utf-8") != text:
            found.append(Difference(path, "changed"))
    found += [Difference(path, "superfluous") for path in _superfluous(files, folder, whole)]
    return found


def write(files: Mapping[str, str], folder: Path, *, whole: Iterable[str] = ()) -> None:
    """Write the files below a folder; of the targets in `whole` what belongs to no rule any more is removed."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in _superfluous(files, folder, whole):
        path.unlink()


def _superfluous(files: Mapping[str, str], folder: Path, whole: Iterable[str]) -> list[Path]:
    present = (path for name in whole for path in sorted((folder / name).glob("*")) if path.is_file())
    return [path for path in present if path.relative_to(folder).as_posix() not in files]
