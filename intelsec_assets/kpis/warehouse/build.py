"""One build of the private warehouse file: dbt over the partitions that changed, its verdict, and what is loaded now.

What has to be read is planned in `sources`; what is published of it is the business of `publish`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.invariants import SAMPLE
from intelsec_assets.kpis.warehouse.dbt_call import NodeResult, Order, Progress, call_dbt
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.project import PROJECT_FOLDER, Model, ModelTest, Project
from intelsec_assets.kpis.warehouse.sources import Load

NOT_EVALUATED = "not evaluated: what it looks at was not built"
_SUCCESS, _PASSED, _SKIPPED = "success", "pass", "skipped"
_DISK_FULL = "No space left on device"
_LONGEST_MESSAGE = 500  # characters
_AS_IT_SHOULD_BE = frozenset({_SUCCESS, _PASSED})


@dataclass(frozen=True)
class Loaded:
    """What the private file holds: how it was made (`made_by`), and content hashes of partitions by `table@day`."""

    made_by: str | None
    partitions: Mapping[str, str]
    problem: str = ""


@dataclass(frozen=True)
class ModelTestOutcome:
    """A test's outcome; `sample` holds a few of the rows against it. A test that was skipped has not passed."""

    test: ModelTest
    passed: bool
    failures: int
    found: str
    sample: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class ModelOutcome:
    """What became of a model; `rows` of what is a table."""

    model: Model
    built: bool
    message: str
    rows: int | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """A build: complete if every model was built, passed if no blocking test failed."""

    build: str
    load: Load
    models: tuple[ModelOutcome, ...]
    tests: tuple[ModelTestOutcome, ...]

    @property
    def failed(self) -> list[str]:
        """Why it may not be published, a sentence each: causes first, then how much waits for them."""
        models = [m for m in self.models if not m.built]
        tests = [t for t in self.tests if t.test.blocking and not t.passed]
        causes = [f"model {m.model.name}: {m.message}" for m in models if m.message != _SKIPPED]
        causes += [f"test {t.test.name}: {t.found}" for t in tests if t.found != NOT_EVALUATED]
        waiting = len(models) + len(tests) - len(causes)
        return causes + ([f"{waiting} models and tests wait for that"] if waiting else [])

    @property
    def warned(self) -> list[str]:
        """What somebody should look at although it may be published."""
        found = [f"test {t.test.name}: {t.found}" for t in self.tests if not t.test.blocking and not t.passed]
        if self.load.vanished:
            found.append(
                f"{len(self.load.vanished)} days from {self.load.vanished[0]} on are no longer in the lake; "
                "their rows stay until the warehouse is built anew"
            )
        return found

    def verdict(self) -> dict[str, Any]:
        """The outcome as `verdict.json` holds it."""
        passed = sum(test.passed for test in self.tests)
        return {
            "build": self.build,
            "day": str(self.load.newest),
            "complete": all(model.built for model in self.models),
            "passed": not self.failed,
            "failed": self.failed,
            "warned": self.warned,
            "sources": dict(sorted(self.load.versions.items())),
            "checks": {
                "passed": passed,
                "failed": sum(test.test.blocking and not test.passed for test in self.tests),
                "warned": sum(not test.test.blocking and not test.passed for test in self.tests),
            },
            "models": {outcome.model.name: outcome.rows for outcome in self.models if outcome.rows is not None},
            "tests": {outcome.test.unique_id: outcome.found for outcome in self.tests if not outcome.passed},
        }


def made_by(project: Project, export_threshold: float) -> str:
    """What decides, beside the partitions, what is in the tables: another one makes all of them anew."""
    return f"{project.version} export_threshold={export_threshold}"


def build_id(made_by: str, versions: Mapping[str, str]) -> str:
    """Name of the build of these models from these partitions: equal name, equal tables."""
    parts = [made_by, *sorted(f"{key}={sha256}" for key, sha256 in versions.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_loaded(folder: WarehouseFolder) -> Loaded:
    """What the private file says it holds; nothing, with the problem, if it is not there or cannot be read."""
    if not folder.build_file.exists():
        return Loaded(None, {})
    try:
        with _open(folder.build_file, read_only=True) as con:
            rows = con.sql("select partition, sha256 from machine.loaded").fetchall()
            ((made_by,),) = con.sql("select version from machine.project").fetchall()
    except (duckdb.Error, ValueError) as error:
        return Loaded(None, {}, f"{folder.build_file} cannot be used and is made anew: {error}")
    return Loaded(made_by, dict(rows))


def read_verdict(folder: WarehouseFolder) -> dict[str, Any] | None:
    """The last build's verdict; None if nothing was ever built, or what is there cannot be read."""
    try:
        found: dict[str, Any] = json.loads(folder.verdict_file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found


def first_rows(
    folder: WarehouseFolder, models: Sequence[Model], limit: int
) -> dict[str, tuple[list[str], list[dict[str, Any]]]]:
    """Column names and a few rows of each model, for people to look at."""
    found = {}
    with _open(folder.build_file, read_only=True) as con:
        for model in models:
            rows = con.sql(f'select * from "{model.schema}"."{model.name}" limit {limit}')  # noqa: S608  our own names
            names = rows.columns
            found[model.name] = (names, [dict(zip(names, row, strict=True)) for row in rows.fetchall()])
    return found


def build(
    folder: WarehouseFolder,
    project: Project,
    load: Load,
    parts: Sequence[tuple[Load, Mapping[str, str]]],
    *,
    export_threshold: float,
    models: Sequence[str] = (),
    progress: Progress = lambda _name, _number, _of: None,
    inherited: Sequence[int] = (),
) -> Outcome:
    """Bring the private file up to the lake, part by part; each comes with the query over its partitions by table.

    The caller holds the lock, whose descriptor goes into `inherited`. `models` restricts to some, with their tests:
    the rest stays as it was and nothing counts as loaded. Raises DbtError if dbt could not run; failed models and
    tests are in the outcome, and then the next build reads the same partitions again.
    """
    how = made_by(project, export_threshold)
    name = build_id(how, load.versions)
    folder.build_file.parent.mkdir(parents=True, exist_ok=True)
    if load.starts_anew:
        for file in (folder.build_file, folder.build_file.with_name(f"{folder.build_file.name}.wal")):
            file.unlink(missing_ok=True)
    _write_verdict(folder, _unfinished(name, load, "only some models were built" if models else "it did not end"))
    _forget(folder, load)
    results = call_dbt(
        PROJECT_FOLDER,
        [
            Order(
                [
                    *("build", "--exclude-resource-type", "unit_test"),
                    *(["--full-refresh"] if part.starts_anew else []),
                    *(["--select", *models] if models else []),
                ],
                {
                    "build_file": str(folder.build_file),
                    "lake": dict(lake),
                    "days": [str(day) for day in part.days],
                    "window_days": [str(day) for day in part.window_days],
                    "past_changed": part.past_changed,
                    "export_threshold": export_threshold,
                },
            )
            for part, lake in parts
        ],
        target_path=folder.dbt,
        parsed=project.parsed,
        progress=progress,
        inherited=inherited,
    )
    outcome = _outcome(folder, project, load, name, _over_all(results), is_whole=not models)
    if not models:
        # a kill between the two has the days read again, which costs time; the other way round it would cost the truth
        _write_verdict(folder, outcome.verdict())
        if not outcome.failed:
            _remember(folder, how, load)
    return outcome


def _unfinished(name: str, load: Load, why: str) -> dict[str, Any]:
    return {
        "build": name,
        "day": str(load.newest),
        "complete": False,
        "passed": False,
        "failed": [f"{why}: build it whole"],
        "warned": [],
    }


def _over_all(results: Sequence[Sequence[NodeResult]]) -> dict[str, NodeResult]:
    """Each node's result over all parts: the first that was not as it should be, else the last."""
    found: dict[str, NodeResult] = {}
    for part in results:
        for result in part:
            before = found.get(result.unique_id)
            if before is None or before.status in _AS_IT_SHOULD_BE:
                found[result.unique_id] = result
    return found


def _outcome(
    folder: WarehouseFolder,
    project: Project,
    load: Load,
    name: str,
    results: Mapping[str, NodeResult],
    *,
    is_whole: bool,
) -> Outcome:
    """What dbt said of each model and test. Of a whole build silence is no success: without a result nothing passed."""
    of_models = {key.split(".")[2]: result for key, result in results.items() if key.startswith("model.")}
    with _open(folder.build_file, read_only=True) as con:
        tables = set(con.sql("select schema_name, table_name from duckdb_tables()").fetchall())
        models = tuple(
            _model(con, model, of_models.get(model.name), has_rows=(model.schema, model.name) in tables)
            for model in project.models
            if is_whole or model.name in of_models
        )
        tests = tuple(
            _test(con, test, results.get(test.unique_id))
            for test in project.tests
            if is_whole or test.unique_id in results
        )
    return Outcome(name, load, models, tests)


def _model(con: duckdb.DuckDBPyConnection, model: Model, result: NodeResult | None, *, has_rows: bool) -> ModelOutcome:
    if result is None:
        return ModelOutcome(model, built=False, message="dbt told no result of it", rows=None, seconds=0)
    rows = _rows(con, model) if has_rows else None
    return ModelOutcome(model, result.status == _SUCCESS, _said(result), rows, result.seconds)


def _said(result: NodeResult) -> str:
    """Dbt's words for what became of a model, without the trace that it puts around them; that is in its log."""
    message = result.message or result.status
    if _DISK_FULL in message:
        return "the disk is full: free some space, then build again; what is published stays as it is"
    return " ".join(message.split())[:_LONGEST_MESSAGE]


def _rows(con: duckdb.DuckDBPyConnection, model: Model) -> int:
    ((rows,),) = con.sql(f'select count(*) from "{model.schema}"."{model.name}"').fetchall()  # noqa: S608  our own names
    return int(rows)


def _test(con: duckdb.DuckDBPyConnection, test: ModelTest, result: NodeResult | None) -> ModelTestOutcome:
    if result is not None and result.status == _PASSED:
        return ModelTestOutcome(test, passed=True, failures=0, found="holds")
    if result is None or result.status == _SKIPPED:
        return ModelTestOutcome(test, passed=False, failures=0, found=NOT_EVALUATED)
    failures = result.failures or 0
    if not result.compiled or not failures:
        return ModelTestOutcome(test, False, failures, f"could not be evaluated: {result.message or result.status}")
    rows = con.sql(f"select * from ({result.compiled}) limit {SAMPLE}")  # noqa: S608  compiled from our own models
    names = rows.columns
    sample = tuple({n: _plain(v) for n, v in zip(names, row, strict=True)} for row in rows.fetchall())
    first = ", ".join(f"{name} {value}" for name, value in sample[0].items()) if sample else ""
    return ModelTestOutcome(test, False, failures, f"{failures:,} against it, first: {first}", sample)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _forget(folder: WarehouseFolder, load: Load) -> None:
    """Take the days about to be written out of what is loaded: should the build not end well, they are read again."""
    if load.starts_anew or not load.days or not folder.build_file.exists():
        return
    with _open(folder.build_file, read_only=False) as con:
        con.execute(
            "delete from machine.loaded where split_part(partition, '@', 2) in (select unnest($days::varchar[]))",
            {"days": [str(day) for day in load.days]},
        )
        con.execute("checkpoint warehouse")


def _remember(folder: WarehouseFolder, how: str, load: Load) -> None:
    """Write down what the file was made from; a kill before this makes the next build read the same again."""
    with _open(folder.build_file, read_only=False) as con:
        con.execute("create schema if not exists machine")
        con.execute("create or replace table machine.project as select ? as version", [how])
        loaded = {**load.kept, **load.versions}
        con.execute(
            "create or replace table machine.loaded as "
            "select unnest($keys::varchar[]) as partition, unnest($hashes::varchar[]) as sha256",
            {"keys": list(loaded), "hashes": list(loaded.values())},
        )
        con.execute("checkpoint warehouse")


def _write_verdict(folder: WarehouseFolder, verdict: Mapping[str, Any]) -> None:
    unfinished = folder.verdict_file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(verdict, indent=1) + "\n")
    unfinished.replace(folder.verdict_file)


@contextmanager
def _open(file: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.session() as con:
        con.execute(f"attach {sql_text(file)} as warehouse {'(read_only)' if read_only else ''}")
        con.execute("use warehouse")
        yield con
