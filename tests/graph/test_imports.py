"""The shape of the code, read from its syntax: which layer may import which, and what every module owes its reader.

What the Dagster definitions contain is in the other tests of this folder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("intelsec_assets", "intelsec_jobs", "sensors", "gateway")
CONTENT_FOLDERS = ("detections", "policy", "soar", "runbooks")
# a name that fits everything says nothing
EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

# a module may import its own layer and those before it
LAYERS = ("pure", "resources", "assets", "checks", "jobs", "sensors", "definitions", "faces")
# the gateway is a face, but it must start without Dagster and without what is computed by days
GATEWAY_LAYERS = {"pure", "resources", "gateway"}

# where a default clock may stand: the moment of a fetch goes into the snapshot's metadata and never into the lake
LIVE_EDGES = {"intelsec_assets.feeds.web"}


@dataclass(frozen=True)
class Module:
    """A module of the project and its syntax."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def layer(self) -> str:
        """Where the module stands in the import direction."""
        package, *rest = self.name.split(".")
        if package in {"gateway", "sensors"}:
            return package
        if package == "intelsec_jobs":
            return "definitions" if rest and rest[0] in {"definitions", "runner"} else "jobs"
        if not rest:
            return "pure"
        if rest[0] in {"cli", "commands"}:
            return "faces"
        if rest[0] in {
            "resources",
            "policies",
        }:  # policies: retry, pool and freshness as a table of Dagster's own words
            return "resources"
        return rest[-1] if rest[-1] in {"assets", "checks"} else "pure"


@cache
def modules() -> dict[str, Module]:
    """All modules of the project's packages by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, ast.parse(path.read_bytes(), path))
    return found


def imported(module: Module, within: ast.AST | None = None) -> Iterator[tuple[str, int]]:
    """What the module imports, wherever in it, as (dotted name, line); of a project package, the module meant."""
    is_package = module.path.name == "__init__.py"
    for node in ast.walk(within or module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            here = module.name.split(".")
            origin = here[: len(here) - node.level + is_package] if node.level else []
            source = ".".join([*origin, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{source}.{alias.name}" if f"{source}.{alias.name}" in modules() else source, node.lineno


def project_imports(module: Module) -> Iterator[tuple[Module, int]]:
    """Imports of other modules of the project, with their line."""
    for name, line in imported(module):
        if name in modules():
            yield modules()[name], line


def place(module: Module, line: int = 1) -> str:
    return f"{module.path.relative_to(REPOSITORY)}:{line}"


def test_the_project_is_found() -> None:
    layers = {module.layer for module in modules().values()}

    assert layers >= {"pure", "resources", "assets", "checks", "jobs", "sensors", "definitions", "faces"}


def test_imports_go_one_way() -> None:
    """pure -> resources -> assets -> checks -> jobs -> sensors -> definitions -> command line."""
    wrong = [
        f"{place(module, line)} ({module.layer}) imports {target.name} ({target.layer})"
        for module in modules().values()
        if module.layer != "gateway"
        for target, line in project_imports(module)
        if target.layer == "gateway" or LAYERS.index(target.layer) > LAYERS.index(module.layer)
    ]

    assert wrong == []


def test_the_gateway_imports_pure_modules_and_resources_only() -> None:
    wrong = [
        f"{place(module, line)} imports {target.name} ({target.layer})"
        for module in modules().values()
        if module.layer == "gateway"
        for target, line in project_imports(module)
        if target.layer not in GATEWAY_LAYERS
    ]

    assert wrong == []


def test_pure_modules_and_the_store_know_nothing_of_dagster() -> None:
    wrong = [
        place(module, line)
        for module in modules().values()
        if module.layer == "pure" or module.name.startswith("intelsec_assets.resources.store")
        for name, line in imported(module)
        if name.split(".")[0].startswith("dagster")
    ]

    assert wrong == []


def test_only_the_command_line_and_the_runner_import_the_definitions() -> None:
    wrong = [
        place(module, line)
        for module in modules().values()
        if module.layer not in {"faces", "definitions"}
        for target, line in project_imports(module)
        if target.layer == "definitions"
    ]

    assert wrong == []


def test_what_is_computed_for_a_day_reads_no_clock() -> None:
    """As-of comes with the partition: a day rebuilt later has the same bytes."""
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
    wrong = [
        place(module, node.lineno)
        for module in modules().values()
        if module.layer in {"pure", "assets", "checks"} and module.name not in LIVE_EDGES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ".".join(ast.unparse(node).split(".")[-2:]) in clocks
    ]

    assert wrong == []


def test_a_relative_import_is_read_as_the_module_it_means() -> None:
    tree = ast.parse("from . import locks\nfrom ..lake import Lake\nfrom .locks import LockHeld")
    package = "intelsec_assets.resources.store"
    inside = Module(f"{package}.store", REPOSITORY / "store.py", tree)
    itself = Module(package, REPOSITORY / "__init__.py", tree)

    expected = [f"{package}.locks", "intelsec_assets.resources.lake", f"{package}.locks"]
    assert [name for name, _ in imported(inside)] == expected
    assert [name for name, _ in imported(itself)] == expected


def test_no_two_modules_need_each_other_to_load() -> None:
    needs = {
        module.name: {
            name
            for statement in module.tree.body
            if isinstance(statement, ast.Import | ast.ImportFrom)
            for name, _ in imported(module, statement)
            if name in modules()
        }
        for module in modules().values()
    }

    try:
        TopologicalSorter(needs).prepare()
    except CycleError as cycle:
        pytest.fail(f"import cycle: {' -> '.join(cycle.args[1])}")


def test_every_module_says_what_lives_in_it() -> None:
    silent = [place(module) for module in modules().values() if not (ast.get_docstring(module.tree) or "").strip()]

    assert silent == []


def test_no_module_has_a_name_that_fits_everything() -> None:
    empty = [place(module) for module in modules().values() if EMPTY_NAMES & set(module.name.split("."))]

    assert empty == []


def test_dagster_is_imported_as_dg() -> None:
    wrong = [
        place(module, node.lineno)
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == "dagster" and alias.asname != "dg"
    ]

    assert wrong == []


def test_content_folders_hold_no_python() -> None:
    assert [path for folder in CONTENT_FOLDERS for path in (REPOSITORY / folder).rglob("*.py")] == []
