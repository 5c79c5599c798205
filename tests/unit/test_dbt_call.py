"""The child that runs dbt: one that was loaded early is used, one nobody needs is gone, and locks live on in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from intelsec_assets.kpis.warehouse import dbt_call
from intelsec_assets.kpis.warehouse.dbt_call import DbtError, Order, call_dbt, dbt_loading
from intelsec_assets.kpis.warehouse.project import PROJECT_FOLDER


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_that_was_loaded_early_is_the_one_that_is_asked_and_keeps_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    seen: list[tuple[int, bool]] = []

    def ask(child: dbt_call._Child, asked: object, inherited: object) -> None:
        whole(child, asked, inherited)  # type: ignore[arg-type]
        os.close(lock)
        other = os.open(tmp_path / "lock", os.O_RDWR)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            seen.append((child._process.pid, True))
        else:
            seen.append((child._process.pid, False))
        finally:
            os.close(other)

    whole = dbt_call._Child.ask
    monkeypatch.setattr(dbt_call._Child, "ask", ask)
    with dbt_loading():
        (child,) = dbt_call._WAITING
        pid = child._process.pid
        with pytest.raises(DbtError, match="dbt no-such-order could not run: No such command"):
            call_dbt(PROJECT_FOLDER, [Order(["no-such-order"], {})], target_path=tmp_path, inherited=[lock])
        assert seen == [(pid, True)]
        assert not is_alive(pid)
        assert dbt_call._WAITING == []


def test_a_child_that_nobody_asked_is_gone(tmp_path: Path) -> None:
    with dbt_loading():
        (child,) = dbt_call._WAITING
        assert is_alive(child._process.pid)
    assert not is_alive(child._process.pid)
    assert dbt_call._WAITING == []


def test_a_child_that_ended_before_it_was_asked_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_call, "_CHILD", "intelsec_assets.no_such_module")
    with dbt_loading():
        dbt_call._WAITING[0]._process.wait()
        with pytest.raises(DbtError, match=r"No module named .*no_such_module"):
            call_dbt(PROJECT_FOLDER, [Order(["build"], {})], target_path=tmp_path)
