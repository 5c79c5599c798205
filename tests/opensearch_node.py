"""A real OpenSearch node for tests: its jars fetched by Maven once, the node started on a free port of this machine.

What is asked of it is the tests'.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from intelsec_assets.settings import REPOSITORY
from tests.workspaces import once

_SOURCE = REPOSITORY / "tests" / "opensearch"
# a node of two minutes never earns back what the optimising compiler and parallel collection cost
_SHORT_LIVED = ("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"


def jars(factory: pytest.TempPathFactory) -> Path:
    """Folder of the node's jars in the folder of tools, where the next session finds them."""
    kept = REPOSITORY / ".tools" / "opensearch"
    wanted = (_SOURCE / "pom.xml").read_text()

    def fetch(folder: Path) -> None:
        if (kept / "pom.xml").is_file() and (kept / "pom.xml").read_text() == wanted:
            return
        command = ["mvn", "-B", "-q", "-f", _SOURCE / "pom.xml", f"{_MAVEN_PLUGIN}:copy-dependencies"]
        fetched = subprocess.run(
            [*command, f"-DoutputDirectory={folder / 'jars'}"], capture_output=True, text=True, check=False
        )
        if fetched.returncode != 0:
            (folder / "failed").write_text(fetched.stdout[-2000:])
            return
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(folder / "jars", kept)
        (kept / "pom.xml").write_text(wanted)

    failed = once(factory, "opensearch-jars", fetch) / "failed"
    assert not failed.exists(), f"Maven could not fetch OpenSearch:\n{failed.read_text()}"
    return kept


@contextmanager
def running(jars_folder: Path, home: Path) -> Iterator[httpx.Client]:
    """A client of a node that runs as long as the context; its log is `<home>/node.log`."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "node.log").open("w") as log:
        process = subprocess.Popen(
            ["java", *_SHORT_LIVED, "-cp", f"{jars_folder}/*", _SOURCE / "RunNode.java", home / "data"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = next((line for line in process.stdout if line.startswith("http ")), None)
            assert line is not None, f"the node did not start:\n{(home / 'node.log').read_text()[-2000:]}"
            with httpx.Client(base_url=f"http://{line.split()[1]}", timeout=60, trust_env=False) as client:
                yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
