"""The store when processes compete, are killed, or cannot write: nothing lost, nothing half-done, a clear way out.

What the rows are and how they come back is in test_store.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from intelsec_assets.records import LedgerEntry
from intelsec_assets.resources.store import LockHeld, Store, StoreError, StoreUnavailable
from tests import postgresql
from tests.forked import Forked

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 3, tzinfo=UTC)

_PRELUDE = """
import sys
from datetime import UTC, date, datetime
from intelsec_assets.records import LedgerEntry
from intelsec_assets.resources.store import Store

def entry(n, content):
    return LedgerEntry(f"{n:06}", "event", content, "active", date(2026, 3, 2), datetime(2026, 3, 3, tzinfo=UTC))

def say(word):
    print(word, flush=True)

url = sys.argv[1]
"""


@contextmanager
def process(script: str, url: str) -> Iterator[Forked]:
    """A Python process that runs the script on the store; it is ended with the block."""
    started = Forked(_PRELUDE + script, url)
    try:
        yield started
    finally:
        started.kill()


def heard(running: Forked, word: str) -> None:
    """Wait until the process says the word."""
    line = running.stdout.readline().strip()
    assert line == word, f"{line!r}: {running.errors()}"


def outcome(running: Forked) -> str:
    """Let the process go on to its end; what it said."""
    out, err = running.communicate("go\n")
    assert running.returncode == 0, err
    return out


def test_processes_that_confirm_at_once_lose_no_row(store: Store, store_url: str) -> None:
    """Each writes its own rows and the ones all share, in opposite orders, a chunk at a time."""
    script = """
with Store.open(url) as store:
    say("ready")
    number = int(sys.stdin.readline())
    own = [entry(n * 10 + number, f"own {number}") for n in range(3000)]
    shared = [entry(900_000 + n, f"shared {number}") for n in range(1000)]
    everything = own + shared if number % 2 else list(reversed(own + shared))
    for start in range(0, 4000, 400):
        store.confirm("misp", everything[start : start + 400])
"""
    with process(script, store_url) as first, process(script, store_url) as second, process(script, store_url) as third:
        writers = {1: first, 2: second, 3: third}
        for writer in writers.values():
            heard(writer, "ready")
        for number, writer in writers.items():
            writer.stdin.write(f"{number}\n")
            writer.stdin.flush()
        for writer in writers.values():
            outcome(writer)

    confirmed = store.confirmed("misp")
    assert len(confirmed) == 3 * 3000 + 1000
    actions = [(write.indicator_id, write.action) for write in store.writes(DAY)]
    assert sorted(i for i, action in actions if action == "add") == sorted(confirmed), "each is added once"
    assert len(actions) == 3 * 4000
    for number in writers:
        assert sum(row.content_hash == f"own {number}" for row in confirmed.values()) == 3000


def test_processes_that_open_a_new_store_at_once_all_get_it(store_url: str) -> None:
    script = """
say("ready"); sys.stdin.readline()
with Store.open(url) as store:
    store.add_notice("opened", "s", "t", datetime(2026, 3, 3, tzinfo=UTC))
"""
    with process(script, store_url) as a, process(script, store_url) as b, process(script, store_url) as c:
        opening = [a, b, c]
        for one in opening:
            heard(one, "ready")
        for one in opening:
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in opening:
            outcome(one)

    with Store.open(store_url) as store:
        assert len(store.notices()) == 3


def test_a_confirmation_killed_half_way_leaves_the_ledger_as_it_was(store: Store, store_url: str) -> None:
    """The process dies after 10,000 of 25,000 rows went to the database; then the same confirmation goes through."""
    store.confirm("misp", [_entry(n, "old") for n in range(5000)], through=date(2026, 3, 1))
    before = store.confirmed("misp")
    script = """
import sqlalchemy
store = Store.open(url)
@sqlalchemy.event.listens_for(store._database.engine, "after_cursor_execute")
def stop(con, cursor, statement, parameters, context, many):
    if "INSERT INTO" in statement:
        say("half-way"); sys.stdin.readline()
store.confirm("misp", [entry(n, "new") for n in range(25_000)], through=date(2026, 3, 2))
"""
    with process(script, store_url) as writer:
        heard(writer, "half-way")
        writer.send_signal(signal.SIGKILL)
        writer.wait(30)

    assert store.confirmed("misp") == before
    assert store.confirmed_day("misp") == date(2026, 3, 1)
    assert sum(1 for _ in store.writes(DAY)) == 5000

    store.confirm("misp", [_entry(n, "new") for n in range(25_000)], through=DAY)
    actions = [write.action for write in store.writes(DAY)]
    assert (len(actions), actions.count("update")) == (30_000, 5000)
    assert {row.content_hash for row in store.confirmed("misp").values()} == {"new"}
    assert len(store.confirmed("misp")) == 25_000


def test_a_reader_does_not_wait_for_a_writer(store: Store, store_url: str) -> None:
    store.confirm("misp", [_entry(1, "old")])
    with Store.open(store_url) as other, other._database.writing() as con:
        con.exec_driver_sql("update intelsec_ledger set content_hash = 'unfinished'")
        assert store.confirmed("misp")["000001"].content_hash == "old"


def test_a_held_lock_is_refused_at_once_and_names_its_owner(store: Store, store_url: str) -> None:
    script = 'with Store.open(url).lock("export misp"): say("held"); sys.stdin.readline()'
    with process(script, store_url) as holder:
        heard(holder, "held")
        with pytest.raises(LockHeld, match=rf"export misp .*process {holder.pid} on .*wait until it ends") as refused:
            store.lock("export misp").__enter__()
        assert refused.value.name == "export misp"
        with store.lock("export files"):
            pass
        outcome(holder)
    with store.lock("export misp"):
        pass


def test_a_lock_is_free_when_its_holder_is_killed(store: Store, store_url: str) -> None:
    script = 'with Store.open(url).lock("run"): say("held"); sys.stdin.readline()'
    with process(script, store_url) as holder:
        heard(holder, "held")
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)

    _take_once_free(store, "run")


def test_a_process_cannot_take_its_own_lock_twice(store: Store) -> None:
    with store.lock("run"), pytest.raises(LockHeld, match=f"process {os.getpid()} "), store.lock("run"):
        pass
    with store.lock("run"):
        pass


def test_a_lock_is_free_again_when_its_block_fails(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("run"):
        1 / 0  # noqa: B018 - the failure under test
    with store.lock("run"):
        pass


@pytest.mark.parametrize(("one", "other"), [("a/b", "a b"), ("../x", "x"), ("day é", "day e"), ("", " ")])
def test_names_that_look_alike_as_files_are_two_locks(store: Store, one: str, other: str) -> None:
    with store.lock(one), store.lock(other):
        pass


def test_the_lock_of_a_sqlite_store_lies_beside_it_and_names_its_holder(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'home' / 'store.sqlite'}") as store, store.lock("../../escape"):
        (held,) = [file for file in (tmp_path / "home" / "locks").iterdir() if "escape" in file.name]
        assert f"process {os.getpid()}" in held.read_text()


def test_a_lock_is_held_on_a_full_disk_too(tmp_path: Path) -> None:
    """Who asks what is wrong with a full disk must get an answer; only the holder's name has no room."""
    with Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # the kernel refuses every byte, as a full disk does
        try:
            refused = pytest.raises(LockHeld, match="run is being worked on by another process")
            with store.lock("run"), refused, store.lock("run"):
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- a store that cannot be used -------------------------------------------------------------------------------------


def test_a_file_that_is_no_database_is_named_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    file.write_text("<html>not a database, whatever its name says</html>" * 100)

    with pytest.raises(StoreUnavailable, match=r"store\.sqlite is not a SQLite database: .*restore it from a backup"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text().startswith("<html>")


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite"
    with Store.open(f"sqlite:///{file}") as store:
        store.confirm("misp", [_entry(n, "old") for n in range(2000)])
    content = bytearray(file.read_bytes())
    content[8192:-4096] = b"\xa5" * (len(content) - 12288)
    file.write_bytes(content)

    damaged = pytest.raises(StoreUnavailable, match=r"store\.sqlite is damaged: .*\.recover")
    with damaged, Store.open(f"sqlite:///{file}") as store:
        store.confirmed("misp")


def test_a_full_disk_is_named_and_changes_nothing(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        store.confirm("misp", [_entry(1, "old")])
        with store._database.reading() as con:  # the pool's only connection so far: the limit stays on it
            con.exec_driver_sql(f"pragma max_page_count = {con.exec_driver_sql('pragma page_count').scalar()}")

        with pytest.raises(
            StoreUnavailable, match=r"store\.sqlite does not fit: the disk is full\. Nothing was changed"
        ):
            store.confirm("misp", [_entry(n, "new") for n in range(20_000)])
        assert store.confirmed("misp") == {"000001": _entry(1, "old")}


def test_a_disk_that_refuses_to_write_is_named_and_changes_nothing(tmp_path: Path) -> None:
    """The kernel refuses files over 1 MB to the writer, as a quota does."""
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with Store.open(url) as store:
        store.confirm("misp", [_entry(1, "old")])
        script = """
import resource, signal
from intelsec_assets.resources.store import StoreUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    Store.open(url).confirm("misp", [entry(n, "new") for n in range(60_000)])
except StoreUnavailable as error:
    say(error)
"""
        with process(script, url) as writer:
            said = outcome(writer)

        assert "store.sqlite cannot be written: the disk refuses" in said
        assert store.confirmed("misp") == {"000001": _entry(1, "old")}


def test_a_store_that_may_not_be_written_is_named_with_the_way_out() -> None:
    folder = Path(tempfile.mkdtemp(prefix="intelsec-readonly-"))
    url = f"sqlite:///{folder / 'store.sqlite'}"
    Store.open(url).close()
    try:
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        with _without_the_rights_of_root(), pytest.raises(StoreUnavailable) as refused:
            Store.open(url)
        for word in (str(folder), "Permission denied", "the right to write", "INTELSEC_STORE_URL"):
            assert word in str(refused.value)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_database_is_named_with_the_way_out(store: Store, store_url: str) -> None:
    with store._database.reading() as con:
        read_only = "pragma query_only = on" if store._database.file else "set default_transaction_read_only = on"
        con.exec_driver_sql(read_only)
        con.exec_driver_sql("commit")

    with pytest.raises(StoreError, match="read-only"):
        store.confirm("misp", [_entry(1, "new")])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(StoreUnavailable, match=r"taken.*cannot be made.*INTELSEC_STORE_URL"):
        Store.open(f"sqlite:///{tmp_path / 'taken' / 'store.sqlite'}")


@pytest.mark.parametrize(
    "url",
    [
        "store.sqlite",
        "mysql://u:hunter2@h/db",
        "sqlite://",
        "postgresql://u:hun:ter2@h@x:port/db",
        "postgresql+asyncpg://u:hunter2@h/db",
        "postgresql+asyncpg://h/db?user=u&password=hunter2",
        "",
    ],
)
def test_an_address_that_cannot_work_says_what_is_expected_and_no_secret(url: str) -> None:
    with pytest.raises(
        StoreError, match=r"expected sqlite:////absolute/path/store\.sqlite or postgresql://"
    ) as refused:
        Store.open(url)
    assert "hunter2" not in str(refused.value)
    assert "ter2" not in str(refused.value)


@pytest.mark.needs("postgresql")
def test_a_wrong_password_is_refused_without_repeating_it(postgresql_server: postgresql.Server) -> None:
    url = postgresql_server.url("postgres").replace(postgresql_server.password, "hunter2")

    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1.*does not answer or refuses.*intelsec doctor") as refused:
        Store.open(url)
    assert "hunter2" not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match=r"intelsec:\*\*\*@127\.0\.0\.1:1/db .*does not answer") as refused:
        Store.open("postgresql://intelsec:hunter2@127.0.0.1:1/db")
    assert "hunter2" not in str(refused.value)


@pytest.mark.needs("postgresql")
def test_a_store_shows_its_place_and_not_its_password(
    postgresql_url: str, postgresql_server: postgresql.Server
) -> None:
    with Store.open(postgresql_url) as store:
        assert "127.0.0.1" in repr(store)
        assert postgresql_server.password not in repr(store) + store.place


@pytest.mark.needs("postgresql")
def test_a_server_that_ended_all_sessions_is_reached_again(
    postgresql_url: str, postgresql_server: postgresql.Server
) -> None:
    with Store.open(postgresql_url) as store:
        store.confirm("misp", [_entry(1, "old")])
        sessions = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'intelsec'"
        postgresql_server.execute(sessions)
        assert list(store.confirmed("misp")) == ["000001"]


def _entry(n: int, content: str) -> LedgerEntry:
    return LedgerEntry(f"{n:06}", "event", content, "active", DAY, AT)


def _take_once_free(store: Store, name: str) -> None:
    """PostgreSQL notices a dead client within moments; flock is free the moment the process is gone."""
    deadline = datetime.now(UTC).timestamp() + 30
    while True:
        try:
            with store.lock(name):
                return
        except LockHeld:
            assert datetime.now(UTC).timestamp() < deadline


@contextmanager
def _without_the_rights_of_root() -> Iterator[None]:
    """Root may write everything, as in CI containers; somebody else may not."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)
