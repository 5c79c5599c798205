"""What happens to a test whose real part is not there: skipped and listed, or failed where the part is required.

The parts themselves are used by the tests that need them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import parts

_NEEDS_REALDATA = """
import pytest

@pytest.mark.needs("realdata")
def test_a_day(realdata):
    assert (realdata / "feeds").is_dir()

@pytest.mark.slow
def test_that_takes_long():
    pass
"""


def session(folder: Path, *options: str, content: str = _NEEDS_REALDATA, **env: str) -> tuple[int, str]:
    """Exit code and output of a pytest session of its own on the content, with our conftest."""
    (folder / "test_it.py").write_text(content)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("INTELSEC_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", *options]
    ended = subprocess.run(
        [*command, f"--rootdir={parts.REPOSITORY}", f"--config-file={parts.REPOSITORY / 'pyproject.toml'}", folder],
        cwd=parts.REPOSITORY,
        env=own | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_a_test_without_its_real_part_is_skipped_and_the_table_says_how_to_get_it(tmp_path: Path) -> None:
    code, output = session(tmp_path, INTELSEC_REALDATA=str(tmp_path / "nowhere"), INTELSEC_REQUIRE="all")

    assert code == 0, output
    assert "1 skipped" in output
    table = output[output.index("real parts") :]
    assert "realdata" in table
    assert "NOT THERE  a folder of recorded feeds, named by INTELSEC_REALDATA" in table


def test_a_required_part_that_is_not_there_fails_the_test(tmp_path: Path) -> None:
    code, output = session(tmp_path, INTELSEC_REALDATA=str(tmp_path / "nowhere"), INTELSEC_REQUIRE="all,realdata")

    assert code == 1, output
    assert "realdata is not there" in output
    assert "INTELSEC_REQUIRE asks for it" in output


def test_a_part_that_is_there_is_handed_to_the_test_and_listed(tmp_path: Path) -> None:
    (tmp_path / "data" / "feeds").mkdir(parents=True)
    code, output = session(tmp_path, INTELSEC_REALDATA=str(tmp_path / "data"), INTELSEC_REQUIRE="realdata")

    assert code == 0, output
    assert "1 passed" in output
    assert f"there      {tmp_path / 'data'}" in output


def test_slow_tests_run_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "data" / "feeds").mkdir(parents=True)
    data = str(tmp_path / "data")

    assert "1 passed, 1 deselected" in session(tmp_path, INTELSEC_REALDATA=data)[1]
    assert "2 passed" in session(tmp_path, "--all", INTELSEC_REALDATA=data)[1]
    assert "2 passed" in session(tmp_path, INTELSEC_REALDATA=data, INTELSEC_TEST_ALL="1")[1]


def test_a_part_nobody_registered_is_a_usage_error(tmp_path: Path) -> None:
    code, output = session(tmp_path, content="import pytest\n@pytest.mark.needs('mysql')\ndef test_it(): pass\n")

    assert code == pytest.ExitCode.USAGE_ERROR, output
    assert "tests/parts.py knows ['chromium', 'java', 'pandas', 'postgresql', 'realdata']" in output


def test_settings_of_the_machine_do_not_reach_a_test(tmp_path: Path) -> None:
    content = "import os\ndef test_it():\n    assert 'INTELSEC_MISP_URL' not in os.environ\n"
    code, output = session(tmp_path, content=content, INTELSEC_MISP_URL="https://misp.example")

    assert code == 0, output


@pytest.mark.parametrize(
    ("name", "required", "expected"),
    [
        ("postgresql", "", False),
        ("postgresql", "all", True),
        ("postgresql", "chromium", False),
        ("postgresql", "chromium, postgresql", True),
        ("realdata", "all", False),
        ("realdata", "all,realdata", True),
    ],
)
def test_required_is_what_is_named_and_all_is_what_every_machine_can_have(
    name: str, required: str, expected: bool
) -> None:
    assert parts.is_required(parts.PARTS[name], required) is expected


def test_every_part_says_what_it_tests_and_how_to_install_it() -> None:
    for part in parts.PARTS.values():
        assert part.tests, part.name
        assert part.install, part.name
        assert part.install in parts.missing(part)
