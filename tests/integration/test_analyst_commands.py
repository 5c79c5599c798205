"""What analysts type: intelsec sql, tables, describe on the published sample; and the file in the clients they have."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from intelsec_assets.settings import REPOSITORY
from tests.warehouses import borrowed, published_sample
from tests.workspaces import Workspace, on_the_sample

DECISIONS = """
select decision, count(*) as indicators
from fct_indicator_day
where day = (select day from snapshot)
group by decision
order by decision
"""
COUNTED = [("export", 2314), ("hold", 2421), ("suppress", 10)]

Captured = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return published_sample(tmp_path_factory)


def test_an_answer_is_a_table_without_a_space_at_the_end_of_a_line(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured
) -> None:
    assert workspace.here(monkeypatch, "sql", DECISIONS) == 0

    assert capsys.readouterr().out == (
        "decision  indicators\nexport          2314\nhold            2421\nsuppress          10\n"
    )


def test_the_query_may_come_from_a_pipe_or_a_file(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured, tmp_path: Path
) -> None:
    file = tmp_path / "question.sql"
    file.write_text(DECISIONS)

    assert workspace.here(monkeypatch, "sql", "-f", str(file), "--json") == 0
    from_file = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(sys, "stdin", io.StringIO(DECISIONS))
    assert workspace.here(monkeypatch, "sql", "-", "--format", "csv") == 0
    from_pipe = list(csv.reader(io.StringIO(capsys.readouterr().out)))

    assert [(row["decision"], row["indicators"]) for row in from_file] == COUNTED
    assert from_pipe == [["decision", "indicators"], *([name, str(number)] for name, number in COUNTED)]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_file_gets_the_form_of_its_name_and_is_never_overwritten_unasked(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured, tmp_path: Path, form: str
) -> None:
    output = tmp_path / f"answer.{form}"

    assert workspace.here(monkeypatch, "sql", DECISIONS, "-o", str(output)) == 0
    reader = {"csv": "read_csv", "json": "read_json", "parquet": "read_parquet"}[form]
    with duckdb.connect() as con:
        assert con.execute(f"select decision, indicators from {reader}('{output}')").fetchall() == COUNTED
    assert "3 rows" in capsys.readouterr().err

    before = output.read_bytes()
    assert workspace.here(monkeypatch, "sql", "select 1", "-o", str(output)) == 2
    assert f"{output} is there already" in capsys.readouterr().err.replace("\n", "")
    assert output.read_bytes() == before
    assert workspace.here(monkeypatch, "sql", "select 1 as n", "-o", str(output), "--overwrite") == 0
    assert output.read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_a_query_that_fails_leaves_no_file(workspace: Workspace, monkeypatch: Patch, tmp_path: Path) -> None:
    for form in ("csv", "json", "parquet"):
        query = "select error('broke') from fct_observation where line > 1"
        assert workspace.here(monkeypatch, "sql", query, "-o", str(tmp_path / f"answer.{form}")) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_long_answer_is_cut_and_says_so(workspace: Workspace, monkeypatch: Patch, capsys: Captured) -> None:
    assert workspace.here(monkeypatch, "sql", "select line from fct_observation", "--limit", "5") == 0

    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 6
    assert "only the first 5 rows" in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["select scor from kpi_dedup"], 2, "kpi_dedup has day, scope, feed, window_name"),
        (["select 1 from fct_observations"], 2, 'Did you mean "fct_observation"?'),
        (["select 1 from blueprints"], 2, "there are kpi_dedup, kpi_feed_health"),
        (["drop table marts.kpi_dedup"], 2, "DROP is not allowed: queries only read"),
        (["from read_csv('/etc/passwd')"], 2, "queries read the published tables, no files"),
        (
            ["select sum(a.range * b.range) from range(1000000) a, range(1000000) b", "--timeout", "0.3"],
            1,
            "takes longer than 0.3 s",
        ),
        (["select list(range) from range(50000000)", "--memory", "64MB"], 1, "--memory"),
        (["select 1", "--memory", "plenty"], 2, "expected a size such as 512MB"),
        (["select 1", "--day", "2026-03-14"], 3, "there is no snapshot of 2026-03-14"),
        (["select 1", "--day", "yesterday"], 2, "--day"),
        (["select 1", "--format", "parquet"], 2, "name it with --output FILE"),
        (["select 1", "--format", "csv", "--json"], 2, "exclude each other"),
        (["select 1", "-f", "question.sql"], 2, "give one query"),
        ([], 2, "give one query"),
        (["-f", "nowhere.sql"], 2, "nowhere.sql cannot be read"),
        (["select 1", "-o", "no/such/folder/x.csv"], 2, "nothing was written"),
    ],
)
def test_what_goes_wrong_says_what_to_do_and_ends_with_its_code(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured, arguments: list[str], code: int, message: str
) -> None:
    assert workspace.here(monkeypatch, "sql", *arguments) == code

    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    "command", [["sql", "select 1"], ["tables"], ["describe", "kpi_dedup"], ["lineage", "kpi_dedup"]]
)
def test_where_nothing_is_published_the_command_that_does_it_is_named(
    tmp_path: Path, monkeypatch: Patch, capsys: Captured, command: list[str]
) -> None:
    assert on_the_sample(tmp_path / "home").here(monkeypatch, *command) == 3

    assert "nothing was published yet. Build and publish: intelsec run" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", [["sql", "select 1"], ["tables"], ["describe", "kpi_dedup"]])
def test_a_file_that_is_older_than_the_lake_says_so_unless_its_day_was_asked_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: Patch, capsys: Captured, command: list[str]
) -> None:
    behind = borrowed(workspace, tmp_path / "home", "lake")
    (behind.home / "lake" / "daily_summary" / "2026-03-16.stamp.json").write_text("{}")

    assert behind.here(monkeypatch, *command) == 0
    assert "as of 2026-03-15; the lake has 1 newer day, up to 2026-03-16" in " ".join(capsys.readouterr().err.split())
    assert behind.here(monkeypatch, *command, "--day", "2026-03-15") == 0
    assert capsys.readouterr().err == ""


def test_tables_are_listed_with_grain_rows_and_newest_day(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured
) -> None:
    assert workspace.here(monkeypatch, "tables") == 0
    lines = capsys.readouterr().out.splitlines()
    assert workspace.here(monkeypatch, "tables", "--json") == 0
    told = json.loads(capsys.readouterr().out)

    assert len(lines) == 1 + len(told) == 15
    assert "fct_observation              25,089  2026-03-15  One accepted feed row of a day" in "\n".join(lines)
    assert all(len(line) <= 120 for line in lines)
    (observation,) = [entry for entry in told if entry["name"] == "fct_observation"]
    assert (observation["key"], observation["rows"]) == (["day", "feed", "file", "line"], 25089)


def test_a_table_is_described_with_what_people_need_and_nothing_else(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured
) -> None:
    assert workspace.here(monkeypatch, "describe", "fct_observation") == 0
    printed = capsys.readouterr().out
    assert workspace.here(monkeypatch, "describe", "fct_observation", "--json") == 0
    told = json.loads(capsys.readouterr().out)

    assert re.search(r"^a row is    One accepted feed row of a day", printed, re.MULTILINE)
    assert re.search(r"^key         day, feed, file, line$", printed, re.MULTILINE)
    assert re.search(r"^rows        25,089, newest day 2026-03-15$", printed, re.MULTILINE)
    assert re.search(r"^made from   indicators, observations", printed, re.MULTILINE)
    assert re.search(r"^ {12}last_seen +TIMESTAMPTZ  ", printed, re.MULTILINE)
    assert "snapshot_sha256" not in printed
    assert [column["name"] for column in told["columns"]][:4] == told["key"]
    assert all(column["meaning"] for column in told["columns"])
    assert len(told["examples"]) >= 2


def test_a_table_that_is_not_there_says_which_comes_near(
    workspace: Workspace, monkeypatch: Patch, capsys: Captured
) -> None:
    assert workspace.here(monkeypatch, "describe", "observations") == 2

    assert "did you mean fct_observation" in capsys.readouterr().err


def test_the_duckdb_shell_opens_the_file_read_only(workspace: Workspace) -> None:
    shell = Path(sys.executable).with_name("duckdb")
    file = workspace.home / "warehouse" / "intelsec.duckdb"
    asked = subprocess.run(
        [shell, "-readonly", "-json", file, "-c", DECISIONS], capture_output=True, text=True, check=True
    )

    assert [(row["decision"], row["indicators"]) for row in json.loads(asked.stdout)] == COUNTED


def test_the_python_of_the_guide_makes_a_frame(workspace: Workspace, monkeypatch: Patch, tmp_path: Path) -> None:
    (tmp_path / ".intelsec").mkdir()
    (tmp_path / ".intelsec" / "sample").symlink_to(workspace.home)
    monkeypatch.chdir(tmp_path)
    guide = (REPOSITORY / "docs" / "analyst-guide.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}

    exec(code, names)

    frame = names["frame"]
    assert len(frame) == 28
    assert str(frame["as_of"].dtype).endswith("UTC]")
