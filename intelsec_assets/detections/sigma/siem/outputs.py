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
_ELSEWHERE = "elsewhere"  # key of manifests that tell of rules from elsewhere


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


def as_files(compiled: Iterable[Compiled], *, elsewhere: bool = False) -> dict[str, str]:
    """The files of compiled rules by their path: one a rule that has a query, and a manifest a target.

    The manifest tells each rule's id, the digest of its text, the verdict and what the query does otherwise; and
    whether the rules are the project's own or from elsewhere.
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
        told = {"target": target, **({_ELSEWHERE: True} if elsewhere else {}), "rules": rules}
        files[f"{target}/{MANIFEST}"] = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    return files


def manifest_of_others(folder: Path, targets: Iterable[str], *, elsewhere: bool) -> Path | None:
    """The first manifest in the folder that is not of such rules (from elsewhere, or the project's own), if any."""
    for target in targets:
        path = folder / target / MANIFEST
        if path.is_file() and bool(_manifest(path).get(_ELSEWHERE)) != elsewhere:
            return path
    return None


def differences(
    files: Mapping[str, str], folder: Path, *, whole: Iterable[str] = (), named_only: bool = False
) -> list[Difference]:
    """How a folder differs from what it should hold; of the targets in `whole` nothing else may lie there.

    With `named_only` that is said only of files which the folder's manifest names: others are not ours.
    """
    found = []
    for name, text in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            found.append(Difference(path, "missing"))
        elif path.read_text(encoding="utf-8") != text:
            found.append(Difference(path, "changed"))
    found += [Difference(path, "superfluous") for path in _superfluous(files, folder, whole, named_only=named_only)]
    return found


def write(files: Mapping[str, str], folder: Path, *, whole: Iterable[str] = (), named_only: bool = False) -> None:
    """Write the files below a folder; of the targets in `whole` what belongs to no rule any more is removed.

    With `named_only` only what the folder's manifest, as it was before, names is removed.
    """
    superfluous = _superfluous(files, folder, whole, named_only=named_only)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in superfluous:
        path.unlink()


def _superfluous(files: Mapping[str, str], folder: Path, whole: Iterable[str], *, named_only: bool) -> list[Path]:
    present = (path for name in whole for path in sorted((folder / name).glob("*")) if path.is_file())
    strays = [path for path in present if path.relative_to(folder).as_posix() not in files]
    return [path for path in strays if not named_only or path.name in _named(path.parent / MANIFEST)]


def _named(manifest: Path) -> set[str]:
    """The files that a manifest names."""
    rules = _manifest(manifest).get("rules")
    return {str(rule.get("file")) for rule in rules if isinstance(rule, dict)} if isinstance(rules, list) else set()


def _manifest(path: Path) -> Mapping[str, object]:
    """What a manifest tells; nothing if it is none of ours."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
