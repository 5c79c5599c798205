"""The dbt project as data: models, columns, tests and where each column comes from, read once per version of its files.

Parsing takes dbt seconds, so its outcome lies in `target/` until a file of the project changes. Nothing is built here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from intelsec_assets.kpis.warehouse.dbt_call import Order, call_dbt
from intelsec_assets.kpis.warehouse.dbt_process import PARSED
from intelsec_assets.kpis.warehouse.docs import ColumnDoc, ModelDoc
from intelsec_assets.settings import REPOSITORY
from intelsec_assets.tables import TABLES

PROJECT_FOLDER = REPOSITORY / "dbt_warehouse"
MARTS = "marts"  # the schema that is published
_DIGEST = "project.json"
_DIGEST_VERSION = "2"  # raised when what is read from dbt's manifest changes


@dataclass(frozen=True)
class Model:
    """A model: what it is, what it is made from (other models, lake tables), and the columns each column comes from.

    `lineage` maps a column to pairs (model or lake table, column).
    """

    doc: ModelDoc
    schema: str
    materialized: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    lake_tables: tuple[str, ...]
    checksum: str
    meta: Mapping[str, Any]
    lineage: Mapping[str, tuple[tuple[str, str], ...]]

    @property
    def name(self) -> str:
        """Its name, the same in dbt, Dagster and the database."""
        return self.doc.name


@dataclass(frozen=True)
class ModelTest:
    """A test: the model it is shown at, whether its failure stops a publication, what it claims."""

    unique_id: str
    name: str
    model: str
    blocking: bool
    description: str


@dataclass(frozen=True)
class Exposure:
    """Somebody outside who reads models."""

    name: str
    description: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """The project at one version of its files."""

    version: str
    models: tuple[Model, ...]
    tests: tuple[ModelTest, ...]
    exposures: tuple[Exposure, ...]
    parsed: Path

    @property
    def marts(self) -> tuple[Model, ...]:
        """What is published."""
        return tuple(model for model in self.models if model.schema == MARTS)

    @property
    def lake_tables(self) -> tuple[str, ...]:
        """Tables of the lake that some model reads, sorted."""
        return tuple(sorted({table for model in self.models for table in model.lake_tables}))

    def lake_tables_of(self, name: str) -> frozenset[str]:
        """Tables of the lake that a model is made from, over all models between."""
        model = next(model for model in self.models if model.name == name)
        return frozenset(model.lake_tables).union(*(self.lake_tables_of(parent) for parent in model.models))


def load_project(folder: Path = PROJECT_FOLDER) -> Project:
    """The project, parsed again only if one of its files is another than at the last time. Raises DbtError."""
    return _load(folder, _version(folder))


@lru_cache(maxsize=2)
def _load(folder: Path, wanted: str) -> Project:
    digest = folder / "target" / _DIGEST
    if (found := _read(digest, wanted)) is None:
        with _one_at_a_time(folder / "target" / ".parse.lock"):
            if (found := _read(digest, wanted)) is None:
                found = _parse(folder, wanted)
                unfinished = digest.with_suffix(".unfinished")
                unfinished.write_text(json.dumps(found))
                unfinished.replace(digest)
    return _project(found, folder / "target" / f"{wanted}.msgpack")


def _version(folder: Path) -> str:
    """Hash over every file that dbt reads, over dbt, and over how its answer is read."""
    digest = hashlib.sha256(f"{version('dbt-core')} {version('dbt-duckdb')} {_DIGEST_VERSION}".encode())
    for path in sorted(folder.rglob("*")):
        is_told_to_people = path.name == "README.md"
        is_read = path.suffix in {".sql", ".yml", ".yaml", ".md", ".csv"} and not is_told_to_people
        if is_read and "target" not in path.relative_to(folder).parts:
            digest.update(f"\0{path.relative_to(folder)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(digest: Path, wanted: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(digest.read_text())
    except (FileNotFoundError, ValueError):
        return None
    is_whole = found.get("version") == wanted and (digest.parent / f"{wanted}.msgpack").exists()
    return found if is_whole else None


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Processes that find the project unparsed at the same moment wait for the first."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _parse(folder: Path, wanted: str) -> dict[str, Any]:
    target = folder / "target" / "parse"
    (target / "warehouse.duckdb").unlink(missing_ok=True)
    call_dbt(folder, [Order(["compile"], {"build_file": str(target / "warehouse.duckdb")})], target_path=target)
    manifest = json.loads((target / "manifest.json").read_text())
    for old in (folder / "target").glob("*.msgpack"):
        old.unlink()
    (target / PARSED).rename(folder / "target" / f"{wanted}.msgpack")
    return _digest(manifest, wanted)


def _digest(manifest: Mapping[str, Any], wanted: str) -> dict[str, Any]:
    nodes = manifest["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    tests = [node for node in nodes.values() if node["resource_type"] == "test"]
    lineages = _lineages({node["name"]: node for node in models.values()})
    return {
        "version": wanted,
        "models": [_model(models[key], manifest, lineages[models[key]["name"]]) for key in _in_order(models)],
        "tests": [_test(node, at) for node in tests if (at := _shown_at(node, models)) is not None],
        "exposures": [
            {
                "name": exposure["name"],
                "description": exposure["description"].strip(),
                "models": [nodes[key]["name"] for key in exposure["depends_on"]["nodes"] if key in models],
            }
            for exposure in manifest["exposures"].values()
        ],
    }


def _in_order(models: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Keys of the models, each after those it reads; the order does not depend on chance."""
    reads = {key: sorted(set(models[key]["depends_on"]["nodes"]) & set(models)) for key in sorted(models)}
    return list(TopologicalSorter(reads).static_order())


def _model(
    node: Mapping[str, Any], manifest: Mapping[str, Any], lineage: Mapping[str, list[tuple[str, str]]]
) -> dict[str, Any]:
    parents = node["depends_on"]["nodes"]
    meta = {**node["meta"], **node["config"].get("meta", {})}
    columns = [
        {
            "name": column["name"],
            "type": column.get("data_type") or "",
            "description": column["description"].strip(),
            "machine": bool({**column.get("config", {}).get("meta", {}), **column.get("meta", {})}.get("machine")),
        }
        for column in node["columns"].values()
    ]
    return {
        "name": node["name"],
        "description": node["description"].strip(),
        "grain": list(meta.get("grain", [])),
        "columns": columns,
        "schema": node["schema"],
        "materialized": node["config"]["materialized"],
        "tags": sorted(node["tags"]),
        "models": [manifest["nodes"][key]["name"] for key in parents if key.startswith("model.")],
        "lake_tables": [manifest["sources"][key]["name"] for key in parents if key.startswith("source.")],
        "checksum": node["checksum"]["checksum"],
        "meta": {key: value for key, value in meta.items() if key != "grain"},
        "lineage": lineage,
    }


def _test(node: Mapping[str, Any], model: str) -> dict[str, Any]:
    meta = {**node.get("meta", {}), **node["config"].get("meta", {})}
    return {
        "unique_id": node["unique_id"],
        "name": node["name"],
        "model": model,
        "blocking": node["config"]["severity"].upper() == "ERROR",
        "description": (node.get("description") or meta.get("description") or "").strip(),
    }


def _shown_at(node: Mapping[str, Any], models: Mapping[str, Any]) -> str | None:
    """The model a test is about: the one it is written at, else the last that it reads."""
    attached = node.get("attached_node")
    if attached is not None and attached in models:
        return str(models[attached]["name"])
    read = [models[key]["name"] for key in node["depends_on"]["nodes"] if key in models]
    return str(read[-1]) if read else None


def _lineages(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Where the columns of each model come from, as far as its compiled SQL tells."""
    from intelsec_assets.kpis.warehouse.column_lineage import column_sources

    known = {name: list(node["columns"]) for name, node in models.items()}
    known |= {name: [*table.column_names, "partition_day"] for name, table in TABLES.items()}
    return {name: column_sources(node["compiled_code"] or "", known) for name, node in models.items()}


def _project(found: Mapping[str, Any], parsed: Path) -> Project:
    return Project(
        version=found["version"],
        models=tuple(
            Model(
                doc=ModelDoc(
                    name=model["name"],
                    description=model["description"],
                    grain=tuple(model["grain"]),
                    columns=tuple(ColumnDoc(**column) for column in model["columns"]),
                ),
                schema=model["schema"],
                materialized=model["materialized"],
                tags=tuple(model["tags"]),
                models=tuple(model["models"]),
                lake_tables=tuple(model["lake_tables"]),
                checksum=model["checksum"],
                meta=model["meta"],
                lineage={column: tuple((t, c) for t, c in origins) for column, origins in model["lineage"].items()},
            )
            for model in found["models"]
        ),
        tests=tuple(ModelTest(**test) for test in found["tests"]),
        exposures=tuple(Exposure(one["name"], one["description"], tuple(one["models"])) for one in found["exposures"]),
        parsed=parsed,
    )
