"""`intelsec dev`: the Dagster UI and daemon on this machine over the same workspace as `intelsec run`.

The processes are Dagster's own; here they get their home and their environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from intelsec_assets.commands.faces import Data, people, workspace_settings
from intelsec_assets.settings import REPOSITORY

Port = Annotated[int, typer.Option("--port", help="Port of the UI.")]


def dev(data: Data = None, port: Port = 3000) -> None:
    """Open the Dagster UI with everything in it, on the same data as `intelsec run`.

    Schedules and sensors are visible and off until INTELSEC_AUTOMATION declares them on.

    Example: intelsec dev --port 3001
    """
    from intelsec_jobs.instance import prepare_instance  # imports Dagster: not for `--help`

    settings = workspace_settings(data)
    prepare_instance(settings.dagster_home, settings.instance)
    said = f"workspace {settings.home}, data {settings.source_name}; UI on http://localhost:{port}"
    people.print(said, markup=False, soft_wrap=True)
    dagster = Path(sys.executable).with_name("dagster")
    arguments = ["dev", "-w", str(REPOSITORY / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)]
    environment = os.environ | {"DAGSTER_HOME": str(settings.dagster_home)}
    # Dagster would advise people to start it otherwise: they started it so
    environment.setdefault("PYTHONWARNINGS", "ignore:Function `dev_command` is superseded")
    os.execve(dagster, [str(dagster), *arguments], environment)  # noqa: S606  our own argv, no shell
