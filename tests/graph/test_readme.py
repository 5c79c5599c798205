"""What the documents promise is there: commands, options, variables, assets, files, tests, links, the picture.

Whether what a command prints is what README shows is seen by running it; here nothing is run.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer.main

from docs.draw_asset_graph import PICTURE, picture
from intelsec_assets.cli import app
from intelsec_assets.feeds.catalogue import load_catalogue
from intelsec_assets.settings import REPOSITORY, from_environment
from intelsec_jobs.definitions import build_defs
from intelsec_jobs.environments import AUTOMATION

README = REPOSITORY / "README.md"
DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "samples" / "README.md"]
)
SOURCES = [
    path
    for folder in ("intelsec_assets", "intelsec_jobs", "sensors", "tests")
    for path in (REPOSITORY / folder).rglob("*")
]
NOT_FOR_USERS = {"INTELSEC_WRITE_GOLDEN"}  # of a test, told where the test is told of: in CONTRIBUTING


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def code_of(path: Path) -> Iterator[str]:
    """Lines of shell blocks, and code within sentences."""
    text = path.read_text()
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def calls(program: str) -> Iterator[tuple[str, list[str]]]:
    """Every use of a program in the documents: (document, words after the program's name)."""
    for path in DOCUMENTS:
        for line in code_of(path):
            try:
                words = shlex.split(line.split("|")[-1] if "'" not in line else line)
            except ValueError:  # a piece of text with a quote in it, no command
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words and words[0].removeprefix(".venv/bin/") == program and len(words) > 1:
                yield name(path), words[1:]


def table(heading: str, path: Path = README) -> list[list[str]]:
    """Rows of the first table below a heading, cell by cell, without its header."""
    below = path.read_text().split(f"\n{heading}\n", 1)[1]
    rows = re.search(r"((?:^\|.*\n)+)", below, re.MULTILINE)
    assert rows, heading
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1].splitlines()[2:]]


def coded(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs(settings=from_environment({}))


def test_every_make_verb_in_the_documents_exists() -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    used = [(path, word) for path, words in calls("make") for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]

    assert len({word for _, word in used}) >= 5
    assert [(path, verb) for path, verb in used if verb not in verbs] == []


def test_every_call_of_the_command_in_the_documents_is_one_it_understands() -> None:
    wrong = []
    used = list(calls("intelsec"))
    intelsec = typer.main.get_command(app)
    for path, words in used:
        command: Any = intelsec
        rest = list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            found = command.commands.get(rest.pop(0))
            if found is None:
                wrong.append((path, words))
                break
            command = found
        options = {o for parameter in command.params for o in [*parameter.opts, *parameter.secondary_opts, "--help"]}
        wrong += [(path, words) for word in rest if word.startswith("--") and word.split("=")[0] not in options]

    assert len({words[0] for _, words in used}) >= 7
    assert wrong == []


def test_every_subcommand_is_in_readme() -> None:
    told = {words[0] for path, words in calls("intelsec") if path == "README.md"}

    assert set(typer.main.get_command(app).commands) <= told  # type: ignore[attr-defined]  # the app is a group


def test_every_guarantee_names_tests_that_exist() -> None:
    rows = table("## What is guaranteed, and by which test")
    missing = []
    for claim, tests in rows:
        assert coded(tests), f"{claim}: no test named"
        for test in coded(tests):
            file, _, function = test.partition("::")
            path = REPOSITORY / file
            functions = (
                {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}
                if path.is_file()
                else set()
            )
            if not functions or (function and function not in functions):
                missing.append(test)

    assert len(rows) >= 15
    assert missing == []


def test_the_entry_of_a_new_feed_is_one_the_catalogue_takes(tmp_path: Path) -> None:
    (entry,) = re.findall(r"^```yaml\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(f"version: 1\nfirst_day: 2026-03-02\nfeeds:\n{entry}")

    assert [feed.asset_name for feed in load_catalogue(catalogue).feeds] == ["harbour_hosts"]


def test_the_table_of_variables_is_what_the_code_reads() -> None:
    told = {word for row in table("## Configuration") for word in coded(row[0])}
    read = {
        word
        for path in SOURCES
        if path.suffix in {".py", ".yaml"} and path != Path(__file__)
        for word in re.findall(r"\bINTELSEC_[A-Z_]*[A-Z]\b", path.read_text())
    }
    told_with_their_test = {word for word in NOT_FOR_USERS if word in (REPOSITORY / "CONTRIBUTING.md").read_text()}

    assert (
        told
        == {word for word in read if not word.startswith("INTELSEC_TEST_") or word == "INTELSEC_TEST_ALL"}
        - NOT_FOR_USERS
    )
    assert told_with_their_test == NOT_FOR_USERS


def test_the_table_of_automation_is_what_there_is() -> None:
    rows = table("## Automation")

    assert {word for row in rows for word in coded(row[0])} == AUTOMATION
    assert {row[2] for row in rows} == {"off"}


def test_the_table_of_assets_is_what_there_is_and_its_files_exist(definitions: dg.Definitions) -> None:
    below = README.read_text().split("\n| asset | what a row is |", 1)[1]
    rows = [line.split(" | ") for line in below.split("\n\n", 1)[0].splitlines()[2:]]
    told = {word for row in rows for word in coded(row[0])}
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    prefix = re.compile(r"^(stg|int|dim|fct|kpi)_.*")
    there = {"feeds/<name>" if len(key.path) > 1 else prefix.sub(r"\1_*", key.path[0]) for key in keys}
    package = REPOSITORY / "intelsec_assets"
    files = [word for row in rows for word in coded(" ".join(row[2:])) if "/" in word or "." in word]
    places = (REPOSITORY, package, package / "feeds")

    assert told == there
    assert [file for file in files if not any((place / file).exists() for place in places)] == []


def test_every_link_leads_somewhere() -> None:
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if re.match(r"[a-z]+://", target):
                continue
            file, _, anchor = target.partition("#")
            there = path.parent / file if file else path
            headings = (
                re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
                if there.suffix == ".md" and there.is_file()
                else []
            )
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            if not there.exists() or (anchor and anchor not in anchors):
                broken.append((name(path), target))

    assert broken == []


def test_every_decision_is_in_the_list_of_decisions() -> None:
    decisions = {name(path).removeprefix("docs/") for path in (REPOSITORY / "docs" / "decisions").glob("*.md")}

    assert decisions == set(re.findall(r"\((decisions/[^)]+)\)", (REPOSITORY / "docs" / "architecture.md").read_text()))


def test_documents_name_no_place_of_one_machine() -> None:
    private = re.compile(r"(?:^|[\s`'\"(=])/(?:home|root|tmp|work|Users|opt|mnt)/|pythonhosted|\bpypi\.")
    assert [(name(path), hit.group()) for path in DOCUMENTS for hit in private.finditer(path.read_text())] == []


def test_the_picture_is_the_graph_as_it_is(definitions: dg.Definitions) -> None:
    """To draw it anew: python docs/draw_asset_graph.py"""
    assert PICTURE.read_text() == picture(definitions)


def test_actions_are_pinned_by_commit_and_ci_does_what_people_do() -> None:
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    actions = re.findall(r"uses: (\S+)", workflow)

    assert actions
    assert [action for action in actions if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []
    assert "run: .ci/run\n" in workflow
    assert "make test\n" in (REPOSITORY / ".ci" / "run").read_text()
