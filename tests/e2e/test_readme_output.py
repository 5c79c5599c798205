"""README shows what the commands print: the whole sample is run and its output compared, line by line.

That README's commands exist at all is tested, without running them, in tests/graph/test_readme.py.
"""

from __future__ import annotations

import re

import pytest

from intelsec_assets.settings import REPOSITORY
from tests.warehouses import printed_of_the_sample, published_sample

# lines that name a folder of the machine
WHERE = re.compile(r"(?m)^(files|lake|warehouse) +\S+/(exports/latest|lake|warehouse/intelsec\.duckdb)(?=\s)")


def shown(first_words: str) -> str:
    """The block of output in README that begins with these words."""
    blocks = re.findall(r"^```text\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(first_words)]
    return str(found)


def test_readme_shows_what_a_first_run_and_an_explanation_print(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a change of what is printed: paste this output into README."""
    printed = printed_of_the_sample(tmp_path_factory)
    assert WHERE.sub(r"\1 \2", printed) == WHERE.sub(r"\1 \2", shown("2026-03-15  feed"))

    assert published_sample(tmp_path_factory).here(monkeypatch, "explain", "203.0.113.150") == 0
    expected = shown("ipv4 203").splitlines()
    assert capsys.readouterr().out.splitlines()[: len(expected)] == expected
