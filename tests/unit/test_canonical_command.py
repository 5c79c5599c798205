"""`intelsec canon` answers line for line, whatever the lines hold."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from intelsec_assets.commands.canon import canon, read_lines
from intelsec_assets.indicators.canonical import canonical

app = typer.Typer(add_completion=False)
app.command("canon")(canon)
_PROGRAM = "import typer; from intelsec_assets.commands.canon import canon; typer.run(canon)"


def run(given_bytes: bytes, *arguments: str) -> tuple[int, bytes]:
    result = CliRunner().invoke(app, list(arguments), input=given_bytes)
    return result.exit_code, result.stdout_bytes


def test_each_line_is_answered_in_order_with_raw_type_value_rules_and_error():
    code, output = run(b"hxxp://Evil[.]example\n198.51.100.7\nlocalhost\n")
    assert output.decode().splitlines() == [
        "hxxp://Evil[.]example\turl\thttp://evil.example/\trefanged,lowercased,empty_path_slash\t",
        "198.51.100.7\tipv4\t198.51.100.7\t\t",
        "localhost\t\t\t\tsingle_label",
    ]
    assert code == 1


def test_the_exit_code_is_0_if_every_value_has_a_canonical_form():
    assert run(b"evil.example\n")[0] == 0
    assert run(b"") == (0, b"")


def test_json_gives_an_object_a_line_with_the_detail():
    code, output = run(b"evil.example\nlocalhost", "--json")
    first, second = map(json.loads, output.splitlines())
    assert first == {
        "raw": "evil.example",
        "type": "domain",
        "value": "evil.example",
        "rules": [],
        "error": None,
        "detail": None,
    }
    assert second["detail"] == "found 'localhost'; expected a name of two labels or more"
    assert code == 1


def test_the_declared_type_is_respected():
    assert run(b"evil.example\n", "--type", "url")[1].split(b"\t")[2] == b"http://evil.example/"


def test_a_file_is_read_like_the_standard_input(tmp_path: Path):
    path = tmp_path / "values.txt"
    path.write_bytes(b"evil.example\n")
    assert run(b"", str(path)) == run(b"evil.example\n", "-") == run(b"evil.example\n")


def test_an_unknown_type_or_a_missing_file_is_wrong_use(tmp_path: Path):
    assert run(b"", "--type", "hostname") == (2, b"")
    assert run(b"", str(tmp_path / "missing.txt")) == (2, b"")
    assert run(b"", str(tmp_path)) == (2, b"")


def test_a_line_end_of_windows_is_no_part_of_the_value():
    assert run(b"evil.example\r\n")[1] == run(b"evil.example\n")[1]


def test_what_would_break_the_columns_is_escaped():
    _, output = run(b"a\tb\\c\x00\r\x1b[31m\xe2\x80\xa8\n")
    assert output == b"a\\tb\\\\c\\x00\\r\\x1b[31m\\u2028\t\t\ttrimmed\tcontrol_character\n"


def test_bytes_that_are_not_utf8_are_an_error_of_their_line_alone():
    _, output = run(b"caf\xe9.example\nevil.example\n")
    assert output == b"caf\\xe9.example\t\t\t\tinvalid_utf8\nevil.example\tdomain\tevil.example\t\t\n"
    parsed = json.loads(run(b"caf\xe9.example\n", "--json")[1])
    assert (parsed["raw"], parsed["error"]) == (r"caf\xe9.example", "invalid_utf8")


def test_a_line_of_50_mb_is_refused_and_the_next_one_answered():
    _, output = run(b"x" * 50_000_000 + b"\nevil.example\n")
    refused, answered = output.splitlines()
    assert refused.endswith(b"\xe2\x80\xa6\t\t\t\ttoo_long")
    assert len(refused) < 400
    assert answered.startswith(b"evil.example\tdomain")
    detail = json.loads(run(b"x" * 50_000_000, "--json")[1])["detail"]
    assert detail == "found a line of 50000000 bytes; expected at most 8192"


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a slow pipe does."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes = content, sizes

    def read(self, size: int = -1) -> bytes:
        take = min(self._sizes.pop(0) if self._sizes else size, size)
        given_bytes, self._content = self._content[:take], self._content[take:]
        return given_bytes


@given(
    st.lists(st.sampled_from([b"", b"a.com", b"x" * 8193, b"x" * 8195, b"y" * 20_000, b"b.org\r"]), max_size=8),
    st.lists(st.integers(1, 9000), max_size=20),
    st.booleans(),
)
def test_lines_are_the_same_however_the_pipe_cuts_them(lines, sizes, ends_with_newline):
    content = b"\n".join(lines) + (b"\n" if ends_with_newline and lines else b"")
    expected = content.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    found = []
    for part in read_lines(Dribble(content, list(sizes))):
        found += [(line[:8194], part.cut.get(position, len(line))) for position, line in enumerate(part.lines)]
    assert found == [(line[:8194], len(line)) for line in expected]


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=10))
def test_any_bytes_give_as_many_answers_as_lines(lines):
    content = b"".join(line + b"\n" for line in lines)
    code, output = run(content)
    answers = output.decode().split("\n")[:-1]
    assert len(answers) == len(lines)
    assert all(answer.count("\t") == 4 for answer in answers)
    errors = [canonical(line.decode("utf-8", "surrogateescape").removesuffix("\r")).error for line in lines]
    assert [answer.rpartition("\t")[2] or None for answer in answers] == errors
    assert code == (1 if any(errors) else 0)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_goes_away_ends_the_command_quietly():
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdin.write(b"a.com\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"a.com\tdomain")  # answered before the end of input
        process.stdout.close()
        process.stdin.write(b"b.com\n" * 10_000)
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""
