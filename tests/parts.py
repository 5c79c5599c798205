"""The real parts that tests use: how each is found, what it tests, how to install it.

A test names what it needs with `@pytest.mark.needs("postgresql")`; skipping, failing and the table are in conftest.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Part:
    """A real part. `find` gives its place, or None; `everywhere` is False if not every machine can have it."""

    name: str
    tests: str
    install: str
    find: Callable[[], Path | None]
    everywhere: bool = True


def _postgresql() -> Path | None:
    """Folder of the server's programs, the newest version's: Debian keeps them off the PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    on_path = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    return next((folder for folder in [*debian, *on_path] if (folder / "initdb").exists()), None)


def _java() -> Path | None:
    """Folder of a JDK's programs, if Maven is there too, which fetches the driver."""
    compiler = shutil.which("javac")
    return Path(compiler).resolve().parent if compiler and shutil.which("mvn") else None


def _chromium() -> Path | None:
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((Path(path) for path in found if path), None)


def _realdata() -> Path | None:
    folder = Path(os.environ.get("INTELSEC_REALDATA") or REPOSITORY / ".." / "shared" / "data").resolve()
    return folder if (folder / "feeds").is_dir() else None


def _pandas() -> Path | None:
    """Its package; looked for, not imported."""
    found = importlib.util.find_spec("pandas")
    return Path(found.origin).parent if found and found.origin else None


PARTS: Mapping[str, Part] = {
    part.name: part
    for part in (
        Part(
            "postgresql",
            "operational store and Dagster instance on a real PostgreSQL",
            "apt-get install postgresql",
            _postgresql,
        ),
        Part("chromium", "pages in a real browser", "apt-get install chromium", _chromium),
        Part(
            "java",
            "the published warehouse through JDBC, as DBeaver reads it; rules compiled for OpenSearch on OpenSearch",
            "apt-get install default-jdk-headless maven",
            _java,
        ),
        Part(
            "realdata",
            "days of the real public feeds",
            "a folder of recorded feeds, named by INTELSEC_REALDATA",
            _realdata,
            everywhere=False,
        ),
        Part(
            "pandas",
            "the peer of the benchmarks",
            "make bench",
            _pandas,
            everywhere=False,
        ),
    )
}


@cache
def find(name: str) -> Path | None:
    """Where the part is on this machine; None if it is not there. Raises KeyError for a part nobody registered."""
    return PARTS[name].find()


def is_required(part: Part, required: str) -> bool:
    """Whether INTELSEC_REQUIRE (`all`, or names separated by commas) says that tests may not be skipped without it.

    `all` leaves out what not every machine can have; such a part is required by its name only.
    """
    names = {name.strip() for name in required.split(",")}
    return part.name in names or ("all" in names and part.everywhere)


def missing(part: Part) -> str:
    """What to tell whoever misses the part."""
    return f"{part.name} is not there: {part.tests} cannot be tested; to have it: {part.install}"
