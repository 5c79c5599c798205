"""The workspace as the command and as Dagster use it: its store, wherever that is, and no password shown.

What a store does is tested in tests/integration/test_store.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import from_environment


def test_the_store_named_by_the_environment_is_opened_outside_dagster_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere" / "store.sqlite"
    monkeypatch.setenv("INTELSEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INTELSEC_STORE_URL", f"sqlite:///{elsewhere}")

    with Workspace.of(from_environment()).store() as store:
        assert store.place == str(elsewhere)


def test_a_password_in_the_stores_address_is_in_no_picture_of_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTELSEC_STORE_URL", "postgresql://intelsec:s3cret-word@db.example/intelsec")
    workspace = Workspace.of(from_environment())

    assert "s3cret-word" not in f"{workspace!r} {workspace} {workspace.model_dump()}"
