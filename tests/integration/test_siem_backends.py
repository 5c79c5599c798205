"""The SIEM backends declare `pysigma<2`; the project installs them under 2 by an override. Here is the proof that they
give the same queries: every rule of ours and every construct of Sigma, converted under both, compared byte by byte.

pySigma 1.5.1 gets an environment of its own in `.tools`, made once from PyPI.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from intelsec_assets.settings import REPOSITORY
from tests.siem.convert import BACKENDS
from tests.siem.corpus import generated
from tests.workspaces import once

OLD = "1.5.1"
PACKAGES = ("splunk", "elasticsearch", "opensearch", "loki", "kusto")
CONVERTER = REPOSITORY / "tests" / "siem" / "convert.py"

# What 2 refuses and 1 converts: the negation of a group that holds a regular expression or a comparison of fields. The
# query that 1 gives is wrong: the `not` reaches only what stands before the first pipe.
REFUSED_BY_2 = "Negation of an AND/OR condition containing deferred query expressions"


@cache
def corpus() -> tuple[str, ...]:
    rules = [
        path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "detections" / "sigma").glob("*/rule.yml"))
    ]
    return tuple(dict.fromkeys([*rules, *generated()]))


@pytest.fixture(scope="module")
def old_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter with pySigma 1.5.1; skips where no registry gives it, fails where all parts are required."""
    wanted = [f"pysigma=={OLD}", *(f"pysigma-backend-{name}=={_version(name)}" for name in PACKAGES)]
    kept = REPOSITORY / ".tools" / f"pysigma-{OLD}"

    def install(folder: Path) -> None:
        if (kept / "installed.txt").is_file() and (kept / "installed.txt").read_text() == "\n".join(wanted):
            return
        uv, made = REPOSITORY / ".tools" / "uv" / "bin" / "uv", folder / "environment"
        # `--no-config`: the override of pyproject.toml would bring pySigma 2 in again
        for step in (
            ["venv", "--no-config", "--relocatable", "--python", sys.executable, made],
            ["pip", "install", "--no-config", "--python", made / "bin" / "python", *wanted],
        ):
            done = subprocess.run([uv, *step], capture_output=True, text=True, check=False) if uv.is_file() else None
            if done is None or done.returncode != 0:
                (folder / "failed").write_text(done.stderr[-500:] if done else f"there is no {uv}")
                return
        (made / "installed.txt").write_text("\n".join(wanted))
        kept.parent.mkdir(exist_ok=True)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(made, kept)

    failed = once(tmp_path_factory, "pysigma-1", install) / "failed"
    if failed.exists():
        reason = f"pysigma {OLD} cannot be installed from PyPI: {failed.read_text()}"
        if "all" in os.environ.get("INTELSEC_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return kept / "bin" / "python"


def _version(name: str) -> str:
    return metadata.version(f"pysigma-backend-{name}")


@pytest.fixture(scope="module")
def converted(old_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the backends gave under 1.5.1 and under the version installed here."""
    pythons = {"old.json": old_python, "new.json": Path(sys.executable)}

    def convert(folder: Path) -> None:
        (folder / "corpus.json").write_text(json.dumps(corpus()), encoding="utf-8")
        for name, python in pythons.items():
            with (folder / "corpus.json").open() as given, (folder / name).open("w") as results:
                subprocess.run([python, CONVERTER], stdin=given, stdout=results, check=True)

    folder = once(tmp_path_factory, "siem-backends", convert)
    old, new = (json.loads((folder / name).read_text(encoding="utf-8")) for name in pythons)
    return old, new


def test_both_versions_were_asked(converted: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = converted
    assert old["pysigma"] == OLD
    assert new["pysigma"] == metadata.version("pysigma")
    assert new["pysigma"].startswith("2.")


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_backend_gives_the_same_queries_under_both_versions(
    backend: str, converted: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    old, new = (result["backends"][backend] for result in converted)
    different = [
        (text, before, after)
        for text, before, after in zip(corpus(), old, new, strict=True)
        if _outcome(before) != _outcome(after) and not _is_refused_rightly(before, after)
    ]
    assert different == []


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_hundreds_of_queries_were_compared(backend: str, converted: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, new = converted
    assert sum(isinstance(result, list) for result in new["backends"][backend]) > 500


def test_only_splunk_refuses_what_it_converted_before(converted: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = (result["backends"] for result in converted)
    refusing = {
        backend
        for backend in BACKENDS
        for before, after in zip(old[backend], new[backend], strict=True)
        if _is_refused_rightly(before, after)
    }
    assert refusing == {"splunk"}


def test_none_of_our_rules_is_among_the_refused(converted: tuple[dict[str, Any], dict[str, Any]]) -> None:
    old, new = (result["backends"] for result in converted)
    own = len(list((REPOSITORY / "detections" / "sigma").glob("*/rule.yml")))
    assert own > 0
    for backend in BACKENDS:
        assert [_outcome(result) for result in old[backend][:own]] == [_outcome(r) for r in new[backend][:own]]


def _outcome(result: Any) -> Any:
    """Queries byte by byte; of a refusal its class, since the words may be others."""
    return result if isinstance(result, list) else result["error"]


def _is_refused_rightly(before: Any, after: Any) -> bool:
    return isinstance(before, list) and isinstance(after, dict) and after["says"].startswith(REFUSED_BY_2)
