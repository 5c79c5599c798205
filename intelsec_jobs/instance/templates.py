"""Writing a template of `dagster.yaml` into a DAGSTER_HOME.

The settings themselves, each with its reason, are in the YAML files beside this one.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from intelsec_assets.settings import INSTANCES, SettingsError

TEMPLATES = INSTANCES


def prepare_instance(home: Path, template: str) -> Path:
    """Make `home` a DAGSTER_HOME with the template as its dagster.yaml; the file's path.

    A file that already says the same is left alone, so that a running webserver and daemon do not see it change.
    Raises ValueError for an unknown template, SettingsError if the folder cannot be written.
    """
    if template not in TEMPLATES:
        raise ValueError(f"Dagster instance template {template!r} does not exist; choose one of {', '.join(TEMPLATES)}")
    wanted = files("intelsec_jobs.instance").joinpath(template, "dagster.yaml").read_bytes()
    path = home / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != wanted:
            unfinished = path.with_name(f".dagster.yaml.{os.getpid()}")
            unfinished.write_bytes(wanted)
            unfinished.replace(path)
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be made or written ({error.strerror}); name a folder of this user's with INTELSEC_HOME"
        ) from error
    return path
