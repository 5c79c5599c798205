"""What all tests share: real parts and what happens without them, the store on both databases, how long tests search.

Data of a single test is built in that test.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import parts
from tests.searching import FAST, LONG

if TYPE_CHECKING:  # most tests need neither, and both take their time to load
    from intelsec_assets.resources.store import Store
    from tests import postgresql

# two cores shared with other work: a slow example says nothing about the code
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fast", max_examples=FAST, derandomize=bool(os.environ.get("CI")), **_PATIENT)
settings.register_profile("long", max_examples=LONG, **_PATIENT)

_OWN_VARIABLES = ("INTELSEC_REALDATA", "INTELSEC_REQUIRE", "INTELSEC_TEST_ALL")

# Files are handed out whole, so that what a module sets up is set up once: those that take longest go first, for all
# processes to end together. The first makes the published sample; what waits for it comes when it is there.
_FIRST = (
    "e2e/test_main_job.py",
    "integration/test_rebuild.py",
    "integration/test_faults.py",
    "integration/test_siem_opensearch.py",
    "integration/test_bad_input.py",
    "integration/test_dbt_models.py",
    "integration/test_detection_assets.py",
    "integration/test_siem_backends.py",
    "integration/test_dbt_portable.py",
    "integration/test_warehouse_follows.py",
    "unit/test_sigma_scan.py",
    "integration",
    "unit/test_context_tickets.py",
    "unit/test_rule_quality_commands.py",
    "unit/test_rule_samples.py",
    "unit/test_proposals_engine.py",
    "unit/test_warninglists.py",
    "unit/test_audit_bad_input.py",
    "unit/test_runner.py",
    "graph",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--all`: slow tests too, and properties searched for long."""
    parser.addoption("--all", action="store_true", help="slow tests too (also INTELSEC_TEST_ALL=1)")


def _tests_all(config: pytest.Config) -> bool:
    return bool(config.getoption("--all")) or os.environ.get("INTELSEC_TEST_ALL", "") not in {"", "0"}


def pytest_configure(config: pytest.Config) -> None:
    """Choose how long properties are searched, unless the command line did."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("long" if _tests_all(config) else "fast")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note what each test needs, leave out slow tests unless asked for, and put those first that take longest."""
    for item in items:
        needed = {name for marker in item.iter_markers("needs") for name in marker.args}
        if unknown := needed - parts.PARTS.keys():
            raise pytest.UsageError(f"{item.nodeid} needs {unknown}; tests/parts.py knows {sorted(parts.PARTS)}")
        item.user_properties.extend(("needs", name) for name in sorted(needed))
    items.sort(key=_turn)
    if _tests_all(config) or "slow" in config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


def _turn(item: pytest.Item) -> int:
    """Where in the order a test's file stands; tests of a file, and files not named, keep theirs."""
    folder, file = item.path.parent.name, f"{item.path.parent.name}/{item.path.name}"
    return next((turn for turn, name in enumerate(_FIRST) if name in {file, folder}), len(_FIRST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what importing all modules leaves for good: it would walk over it at every turn.

    What tests make is collected less often too: there is memory enough, and little of it is in circles.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        gc.enable()


def pytest_sessionfinish() -> None:
    """At the end it walks over everything: libraries complain of what is left."""
    gc.unfreeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose real part is not there, or fail it if INTELSEC_REQUIRE says the part must be."""
    for kind, name in item.user_properties:
        if kind == "needs" and parts.find(str(name)) is None:
            part = parts.PARTS[str(name)]
            if parts.is_required(part, os.environ.get("INTELSEC_REQUIRE", "")):
                pytest.fail(f"{parts.missing(part)} (INTELSEC_REQUIRE asks for it)", pytrace=False)
            pytest.skip(parts.missing(part))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of real parts that the tests of this session use."""
    uses: Counter[str] = Counter()
    for category in ("passed", "failed", "skipped", "error", "xfailed"):
        for report in terminalreporter.stats.get(category, []):
            uses.update(str(name) for kind, name in getattr(report, "user_properties", ()) if kind == "needs")
    if not uses:
        return
    terminalreporter.section("real parts")
    for name, count in sorted(uses.items()):
        part, place = parts.PARTS[name], parts.find(name)
        found = f"there      {place}" if place else f"NOT THERE  {part.install}"
        terminalreporter.write_line(f"{name:<12} {count:>4} tests  {found}  ({part.tests})")


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person at the keyboard has configured must not reach a test, least of all a real server's address."""
    for name in list(os.environ):
        if name.startswith(("INTELSEC_", "DAGSTER_")) and name not in _OWN_VARIABLES:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.Server]:
    """A real PostgreSQL server, one a test process. Mark the test `needs("postgresql")`."""
    from tests import postgresql

    programs = parts.find("postgresql")
    assert programs is not None, "mark the test with needs('postgresql')"
    with postgresql.running(programs) as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: postgresql.Server) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database."""
    with postgresql_server.database() as name:
        yield postgresql_server.url(name)


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that Store.open has made, to be copied."""
    from intelsec_assets.resources.store import Store

    file = tmp_path_factory.mktemp("made-store") / "store.sqlite"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def made_database(postgresql_server: postgresql.Server) -> Iterator[str]:
    """Name of a PostgreSQL database that Store.open has made, to be copied."""
    from intelsec_assets.resources.store import Store

    with postgresql_server.database() as name:
        Store.open(postgresql_server.url(name)).close()
        yield name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a new database: the test runs on SQLite and on PostgreSQL.

    It is empty, unless the test has the store opened by the fixture below: then it is a copy of one made once, since
    the migrations take longer than most tests.
    """
    is_opened = "store" in request.fixturenames
    if request.param == "sqlite":
        file = tmp_path / "store.sqlite"
        if is_opened:
            shutil.copy(request.getfixturevalue("made_store"), file)
        yield f"sqlite:///{file}"
    else:
        server = request.getfixturevalue("postgresql_server")
        with server.database(request.getfixturevalue("made_database") if is_opened else "template0") as name:
            yield server.url(name)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new operational store: the test runs on SQLite and on PostgreSQL."""
    from intelsec_assets.resources.store import Store

    with Store.open(store_url) as opened:
        yield opened


@pytest.fixture
def realdata() -> Path:
    """Folder of the recorded real feeds. Mark the test `needs("realdata")`."""
    folder = parts.find("realdata")
    assert folder is not None, "mark the test with needs('realdata')"
    return folder
