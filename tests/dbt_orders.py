"""dbt by itself for tests: several orders carried out one after the other by one child process.

A process of its own because dbt takes over logging and signals of whatever imports it; one for several orders because
it takes seconds to load. This module is what the child runs, so it imports little.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intelsec_assets.settings import REPOSITORY

PROJECT_FOLDER = REPOSITORY / "dbt_warehouse"
_MODULE = "tests.dbt_orders"


@dataclass(frozen=True)
class Order:
    """One call of dbt: its arguments and vars; `parsed` is the project as it was parsed, None = parse it now."""

    arguments: tuple[str, ...]
    variables: Mapping[str, Any]
    parsed: Path | None
    target_path: Path


@dataclass(frozen=True)
class NodeResult:
    """What became of a model or test."""

    name: str
    status: str
    message: str
    failures: int | None
    compiled: str | None


def carry_out(*orders: Order, environment: Mapping[str, str] | None = None) -> list[list[NodeResult]]:
    """The results of each order, carried out one after the other; an order that could not run at all is an error."""
    told = [
        {
            "arguments": [
                "--quiet",
                "--no-use-colors",
                *order.arguments,
                *("--project-dir", str(PROJECT_FOLDER), "--profiles-dir", str(PROJECT_FOLDER)),
                *("--target-path", str(order.target_path), "--log-path", str(order.target_path)),
                *("--vars", json.dumps(order.variables)),
            ],
            "parsed": None if order.parsed is None else str(order.parsed),
        }
        for order in orders
    ]
    done = subprocess.run(
        [sys.executable, "-m", _MODULE],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT_FOLDER.parent,
        env=os.environ | {"DO_NOT_TRACK": "1"} | dict(environment or {}),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    answers = json.loads(done.stdout)
    problems = [answer["error"] for answer in answers if answer["error"]]
    assert not problems, problems
    return [[NodeResult(**result) for result in answer["results"]] for answer in answers]


def _serve() -> None:
    """In the child: carry out the orders of standard input."""
    orders = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr  # dbt prints where it likes

    from dbt.cli.main import dbtRunner

    from intelsec_assets.kpis.warehouse.dbt_process import _parsed

    told = []
    for order in orders:
        manifest = None if order["parsed"] is None else _parsed(Path(order["parsed"]))
        outcome = dbtRunner(manifest=manifest).invoke(order["arguments"])
        results = getattr(outcome.result, "results", None) or []
        told.append(
            {
                "error": None if outcome.exception is None else str(outcome.exception),
                "results": [
                    {
                        "name": result.node.name,
                        "status": str(result.status),
                        "message": result.message or "",
                        "failures": result.failures,
                        "compiled": getattr(result.node, "compiled_code", None),
                    }
                    for result in results
                ],
            }
        )
    json.dump(told, answers)


if __name__ == "__main__":
    _serve()
