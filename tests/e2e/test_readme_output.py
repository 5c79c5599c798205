"""README shows what the commands print: the whole sample is run and its output compared, line by line.

That README's commands exist at all is tested, without running them, in tests/graph/test_readme.py.
"""

from __future__ import annotations

import re

import pytest

from intelsec_assets.settings import REPOSITORY
from tests.workspaces import Workspace, on_the_sample

# lines that name a folder of the machine
WHERE = re.compile(r"(?m)^(files|lake|warehouse) +\S+/(exports/latest|lake|warehouse/intelsec\.duckdb)(?=\s)")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return on_the_sample(tmp_path_factory.mktemp("readme") / "home")


def shown(first_words: str) -> str:
    """The block of output in README that begins with these words."""
    blocks = re.findall(r"^```text\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(first_words)]
    return str(found)


@pytest.mark.slow
def test_readme_shows_what_a_first_run_and_an_explanation_print(workspace: Workspace) -> None:
    """After a change of what is printed: paste this output into README."""
    ran = workspace.command("run")
    assert ran.returncode == 0, ran.stderr
    assert WHERE.sub(r"\1 \2", ran.stdout) == WHERE.sub(r"\1 \2", shown("2026-03-15  feed"))

    explained = workspace.command("explain", "203.0.113.150")
    expected = shown("ipv4 203")
    assert explained.stdout.splitlines()[: len(expected.splitlines())] == expected.splitlines()
