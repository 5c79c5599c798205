"""The published marts on a real PostgreSQL: exact, swapped whole under readers, kept when server or copy dies."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors, sql

from intelsec_assets.kpis.warehouse import postgresql_copy, postgresql_schema
from intelsec_assets.kpis.warehouse.docs import ColumnDoc, ModelDoc, sql_name
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import publish_snapshot
from intelsec_assets.kpis.warehouse.reading import NotPublished
from intelsec_assets.kpis.warehouse.serving import ServerUnavailable, ServingError, serve
from intelsec_assets.kpis.warehouse.snapshots import rollback
from tests import parts, postgresql
from tests.parts import REPOSITORY
from tests.warehouse_builds import DAY, LEFT, MARTS, at, published_build, write_build

pytestmark = pytest.mark.needs("postgresql")
PROMPT = 120


@pytest.fixture
def folder(tmp_path: Path) -> WarehouseFolder:
    made = WarehouseFolder(tmp_path)
    published_build(made, 1, rows=5)
    return made


@pytest.fixture
def reader(postgresql_server: postgresql.Server) -> Iterator[str]:
    """Name of a role for the test: roles belong to the whole server."""
    name = f'r "{uuid.uuid4().hex[:8]}" ü'
    yield name
    with suppress(errors.UndefinedObject, errors.DependentObjectsStillExist):
        postgresql_server.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@contextmanager
def connected(url: str) -> Iterator[Any]:
    with closing(psycopg2.connect(url)) as con:
        con.autocommit = True
        yield con


def rows(url: str, statement: str | sql.Composable, *values: Any) -> list[tuple[Any, ...]]:
    with connected(url) as con, con.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def schemas(url: str) -> set[str]:
    return {name for (name,) in rows(url, "select nspname from pg_namespace") if name.startswith("intelsec")}


def served_build(url: str) -> int:
    ((number,),) = rows(url, "select distinct build from intelsec.fct_left")
    return int(number)


# ---------------------------------------------------------------- what is there


def test_readers_find_all_marts_with_keys_comments_and_the_manifest(
    folder: WarehouseFolder, postgresql_url: str, reader: str
) -> None:
    done = serve(folder, postgresql_url, reader=reader)
    assert (done.is_new, done.rows, done.notes) == (True, {"dim_right": 1, "fct_left": 5}, ())
    assert rows(postgresql_url, "select * from intelsec.fct_left order by n")[4] == (DAY, 4, 1, "x")
    tables = rows(postgresql_url, "select tablename from pg_tables where schemaname = 'intelsec' order by 1")
    assert [name for (name,) in tables] == ["about", "dim_right", "fct_left", "snapshot"]
    ((manifest,),) = rows(postgresql_url, "select manifest from intelsec.snapshot")
    assert json.loads(manifest) == done.manifest.inside()
    about = "select key_columns, row_count from intelsec.about where table_name = 'fct_left'"
    assert rows(postgresql_url, about) == [("day, n", 5)]
    keys = (
        "select relname, indisprimary, array_length(indkey::int[], 1) "
        "from pg_index join pg_class c on c.oid = indrelid where relnamespace = 'intelsec'::regnamespace order by 1"
    )
    assert rows(postgresql_url, keys) == [("dim_right", True, 1), ("fct_left", True, 2)]
    assert rows(
        postgresql_url,
        "select obj_description('intelsec.fct_left'::regclass), col_description('intelsec.fct_left'::regclass, 2)",
    ) == [(LEFT.description, "which one it's")]
    assert schemas(postgresql_url) == {"intelsec"}


NAME = 'Feed\'s "name"'
ODD = ModelDoc(
    'dim "odd" ü',
    "One odd thing.",
    (NAME,),
    (
        ColumnDoc(NAME, "VARCHAR", "'; drop table x --"),
        *(
            ColumnDoc(name, "", f"column {name}")
            for name in ["d", "f", "t", "day", "id", "yes", "huge", "dec", "select"]
        ),
    ),
)
ODD_ROWS = rf"""
create table marts.{sql_name(ODD.name)} as
select * from (values
    (
        'it''s "quoted", with spaces', 0.1::double, 'infinity'::float, timestamptz '2026-03-01 02:00:00.123456+02',
        date '0001-01-01', uuid '00000000-0000-0000-0000-000000000007', true,
        170141183460469231731687303715884105727::hugeint, 1.10::decimal(10, 2), ''
    ),
    (
        'пример' || chr(10) || '\.' || chr(10) || 'x', 'nan', '-infinity', 'infinity',
        null, null, false, -1, -0.01, null
    ),
    (
        'nul' || chr(0) || 'byte', 5e-324, 'nan', timestamptz '1969-12-31 23:59:59.999999+00',
        date '9999-12-31', null, null, 0, 0, '\N'
    ),
    (
        'emoji 🦠', '-0.0'::double, 1, null,
        'infinity', null, null, null, null, chr(9) || ',"' || chr(13) || chr(10)
    )
) v({sql_name(NAME)}, d, f, t, day, id, yes, huge, dec, "select")
"""


def test_odd_names_and_values_arrive_exactly(tmp_path: Path, postgresql_url: str, reader: str) -> None:
    folder, schema = WarehouseFolder(tmp_path), 'intel "sec" ü'
    write_build(folder, 1, more=ODD_ROWS)
    publish_snapshot(folder, [*MARTS, ODD], clock=at())
    done = serve(folder, postgresql_url, reader=reader, schema=schema)
    assert done.notes == ('dim "odd" ü: 1 texts hold NUL, which PostgreSQL has not: it stands there as ␀',)
    table = sql.Identifier(schema, ODD.name)
    columns = sql.SQL('{}, d::text, f::text, t::text, day::text, id::text, yes::text, huge::text, dec::text, "select"')
    asked = sql.SQL("select {} from {}").format(columns.format(sql.Identifier(NAME)), table)
    found = {row[0]: list(row[1:]) for row in rows(f"{postgresql_url}?options=-ctimezone%3Dutc", asked)}
    assert found == {
        'it\'s "quoted", with spaces': [
            "0.1", "Infinity", "2026-03-01 00:00:00.123456+00", "0001-01-01",
            "00000000-0000-0000-0000-000000000007", "true", "170141183460469231731687303715884105727", "1.10", "",
        ],
        "пример\n\\.\nx": ["NaN", "-Infinity", "infinity", None, None, "false", "-1", "-0.01", None],
        "nul␀byte": ["5e-324", "NaN", "1969-12-31 23:59:59.999999+00", "9999-12-31", None, None, "0", "0.00", "\\N"],
        "emoji 🦠": ["-0", "1", None, "infinity", None, None, None, None, '\t,"\r\n'],
    }  # fmt: skip
    name_of_column = "select col_description(format('%%I.%%I', %s, %s)::regclass, 1)"
    assert rows(postgresql_url, name_of_column, schema, ODD.name) == [("'; drop table x --",)]


def test_a_column_of_a_kind_that_is_not_copied_is_named(tmp_path: Path, postgresql_url: str, reader: str) -> None:
    folder = WarehouseFolder(tmp_path)
    write_build(folder, 1, more="create table marts.lists as select [1, 2] as tags")
    lists = ModelDoc("lists", "One list.", (), (ColumnDoc("tags", "INTEGER[]", "numbers"),))
    publish_snapshot(folder, [*MARTS, lists], clock=at())
    with pytest.raises(ServingError, match=r"lists\.tags has the type INTEGER\[\], .* cast it in the model"):
        serve(folder, postgresql_url, reader=reader)
    assert schemas(postgresql_url) == set()


def test_a_key_too_long_for_an_index_is_left_out_and_said(tmp_path: Path, postgresql_url: str, reader: str) -> None:
    folder = WarehouseFolder(tmp_path)
    write_build(folder, 1, more="update marts.dim_right set name = repeat('ü', 4000)")
    publish_snapshot(folder, MARTS, clock=at())
    done = serve(folder, postgresql_url, reader=reader)
    assert done.notes == ("dim_right has no key there: one takes 8,000 bytes, an index holds 2,600",)
    assert rows(postgresql_url, "select length(name) from intelsec.dim_right") == [(4000,)]


def test_an_unchanged_snapshot_is_not_copied_again(folder: WarehouseFolder, postgresql_url: str, reader: str) -> None:
    serve(folder, postgresql_url, reader=reader)
    tables = "select oid, relname from pg_class where relnamespace = 'intelsec'::regnamespace"
    before = rows(postgresql_url, tables)
    again = serve(folder, postgresql_url, reader=reader)
    assert (again.is_new, again.rows) == (False, {"dim_right": 1, "fct_left": 5})
    assert rows(postgresql_url, tables) == before


def test_a_rollback_is_served_too(folder: WarehouseFolder, postgresql_url: str, reader: str) -> None:
    published_build(folder, 2)
    serve(folder, postgresql_url, reader=reader)
    rollback(folder)
    assert serve(folder, postgresql_url, reader=reader).is_new
    assert served_build(postgresql_url) == 1
    assert schemas(postgresql_url) == {"intelsec"}


# ---------------------------------------------------------------- who may what


def test_the_role_reads_everything_and_writes_nothing(
    folder: WarehouseFolder, postgresql_url: str, reader: str
) -> None:
    serve(folder, postgresql_url, reader=reader)
    published_build(folder, 2)
    serve(folder, postgresql_url, reader=reader)
    with connected(postgresql_url) as con, con.cursor() as cursor:
        cursor.execute("select rolcanlogin from pg_roles where rolname = %s", [reader])
        assert cursor.fetchone() == (False,)
        cursor.execute(sql.SQL("set role {}").format(sql.Identifier(reader)))
        for table in ("fct_left", "dim_right", "about", "snapshot"):
            cursor.execute(f"select count(*) from intelsec.{table}")
        for statement in (
            "insert into intelsec.dim_right values ('x', 1)",
            "update intelsec.dim_right set build = 0",
            "delete from intelsec.dim_right",
            "truncate intelsec.dim_right",
            "drop table intelsec.dim_right",
            "create table intelsec.mine (x int)",
            "alter schema intelsec rename to mine",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(statement)


def test_a_role_that_could_write_is_refused(folder: WarehouseFolder, postgresql_url: str) -> None:
    with pytest.raises(ServingError, match="the role intelsec could write there"):
        serve(folder, postgresql_url, reader=postgresql.USER)
    assert "intelsec" not in schemas(postgresql_url)


def test_a_user_who_may_not_make_the_role_is_told_what_to_ask_for(
    folder: WarehouseFolder, postgresql_url: str, postgresql_server: postgresql.Server, reader: str
) -> None:
    name = f"u_{uuid.uuid4().hex[:8]}"
    postgresql_server.execute(f"create role {name} login password 'pw'")
    database = postgresql_url.rsplit("/", 1)[1]
    postgresql_server.execute(f"grant create on database {database} to {name}")
    try:
        limited = postgresql_url.replace(f"{postgresql.USER}:{postgresql_server.password}", f"{name}:pw")
        with pytest.raises(ServingError, match=r"may not create it\. Let an administrator run: create role"):
            serve(folder, limited, reader=reader)
        postgresql_server.execute(sql.SQL("create role {}").format(sql.Identifier(reader)))
        assert serve(folder, limited, reader=reader).is_new
    finally:
        rows(postgresql_url, f"drop owned by {name} cascade")
        postgresql_server.execute(f"drop role {name}")


@pytest.mark.parametrize(
    "made",
    ["view precious as select 1", pytest.param("function precious() returns int return 1", marks=pytest.mark.slow)],
)
def test_what_others_put_into_the_schema_is_not_taken_away(
    folder: WarehouseFolder, postgresql_url: str, reader: str, made: str
) -> None:
    serve(folder, postgresql_url, reader=reader)
    rows(postgresql_url, f"create {made.replace('precious', 'intelsec.precious')}")
    published_build(folder, 2)
    with pytest.raises(ServingError, match="precious there was not put there by intelsec"):
        serve(folder, postgresql_url, reader=reader)
    assert served_build(postgresql_url) == 1


def test_a_schema_of_others_is_not_taken_over(folder: WarehouseFolder, postgresql_url: str, reader: str) -> None:
    rows(postgresql_url, "create schema intelsec; create table intelsec.theirs (x int)")
    with pytest.raises(ServingError, match="theirs there was not put there by intelsec"):
        serve(folder, postgresql_url, reader=reader)
    assert rows(postgresql_url, "select count(*) from intelsec.theirs") == [(0,)]


def test_a_view_that_others_built_on_the_tables_keeps_its_old_ones_and_is_named(
    folder: WarehouseFolder, postgresql_url: str, reader: str
) -> None:
    serve(folder, postgresql_url, reader=reader)
    rows(postgresql_url, "create view public.theirs as select build from intelsec.fct_left")
    published_build(folder, 2)
    done = serve(folder, postgresql_url, reader=reader)
    assert any("view theirs depends on table intelsec__old_1.fct_left" in note for note in done.notes), done.notes
    assert rows(postgresql_url, "select distinct build from public.theirs") == [(1,)]
    rows(postgresql_url, "drop view public.theirs")
    serve(folder, postgresql_url, reader=reader)
    assert schemas(postgresql_url) == {"intelsec"}


@pytest.mark.parametrize("schema", ["public", "pg_catalog", "pg_mine", "information_schema", "", "x" * 41, "nul\0"])
def test_a_schema_that_cannot_be_ours_is_refused(folder: WarehouseFolder, schema: str) -> None:
    with pytest.raises(ServingError, match="schema"):
        serve(folder, "postgresql://u:hunter2@127.0.0.1:1/x", schema=schema)


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "127.0.0.1:1/x, schema intelsec: the server does not answer"),
        ("postgresql://u:hunter2@127.0.0.1/", "names no database"),
        ("mysql://u:hunter2@host/x", "mysql is no PostgreSQL"),
        ("u:hunter2@host:port/x", "is not an address: expected postgresql://"),
        ("postgresql://u:hunter2@h:x/y", "is not an address: expected postgresql://"),
        ("postgresql://u:hunter2@127.0.0.1:1/x?sslpassword=hunter2", "does not answer"),
        ("postgresql://u@127.0.0.1:1/x?nosuch=hunter2", "nosuch"),
    ],
)
def test_an_address_that_does_not_work_is_explained_without_its_password(
    folder: WarehouseFolder, url: str, says: str
) -> None:
    with pytest.raises(ServingError) as failed:
        serve(folder, url)
    assert says in str(failed.value)
    shown = f"{failed.value!s} {failed.value!r} {failed.value.__cause__!s}"
    assert "hunter2" not in shown


def test_a_wrong_password_is_explained_without_it(folder: WarehouseFolder, postgresql_url: str) -> None:
    head, tail = postgresql_url.split("@")
    wrong = f"{head.rsplit(':', 1)[0]}:hunter2@{tail}"
    with pytest.raises(ServerUnavailable, match="password authentication failed") as failed:
        serve(folder, wrong)
    assert "hunter2" not in str(failed.value)


def test_where_nothing_is_published_nothing_is_served(tmp_path: Path, postgresql_url: str) -> None:
    with pytest.raises(NotPublished):
        serve(WarehouseFolder(tmp_path), postgresql_url)


def test_a_database_that_has_not_every_character_is_refused(
    folder: WarehouseFolder, postgresql_server: postgresql.Server, reader: str
) -> None:
    name = f"t_{uuid.uuid4().hex}"
    postgresql_server.execute(f"create database {name} template template0 encoding 'LATIN1' locale 'C'")
    try:
        with pytest.raises(ServingError, match="encoded in LATIN1"):
            serve(folder, postgresql_server.url(name), reader=reader)
    finally:
        postgresql_server.execute(f"drop database {name} with (force)")


# ---------------------------------------------------------------- readers beside the swap

READER = """
import sys
from pathlib import Path
import psycopg2
url, stop, reads, seen = sys.argv[1], Path(sys.argv[2]), 0, set()
con = psycopg2.connect(url)
print("reading", flush=True)
while reads < 50 or not stop.exists():
    with con, con.cursor() as cursor:  # one transaction, several statements
        cursor.execute("select distinct build from intelsec.fct_left")
        left = cursor.fetchall()
        cursor.execute("select build from intelsec.dim_right")
        right = cursor.fetchall()
        cursor.execute("select l.build, r.build, replace(s.build, 'build-', '')::int from intelsec.fct_left l "
                       "join intelsec.dim_right r using (build) cross join intelsec.snapshot s limit 1")
        both = cursor.fetchall()
    assert left == right and both == [left[0] * 3], (left, right, both)
    seen.add(left[0][0])
    reads += 1
print(reads, len(seen), flush=True)
"""


@pytest.mark.parametrize(("swaps", "readers"), [(4, 1), pytest.param(40, 4, marks=pytest.mark.slow)])
def test_readers_beside_a_swap_see_all_old_or_all_new_tables_and_never_an_error(
    folder: WarehouseFolder, postgresql_url: str, reader: str, swaps: int, readers: int
) -> None:
    published_build(folder, 2)
    serve(folder, postgresql_url, reader=reader)
    stop = folder.home / "stop"
    reading = [
        subprocess.Popen(
            [sys.executable, "-c", READER, postgresql_url, stop],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for _ in range(readers)
    ]
    for process in reading:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n", process.communicate()
    for number in range(swaps):
        rollback(folder, 1 + number % 2)
        assert serve(folder, postgresql_url, reader=reader).notes == ()
    stop.touch()
    for process in reading:
        out, said = process.communicate(timeout=PROMPT)
        assert process.returncode == 0, said
        assert int(out.split()[1]) == 2
    assert schemas(postgresql_url) == {"intelsec"}


def test_somebody_who_reads_for_long_hinders_neither_the_swap_nor_others_and_keeps_what_he_reads(
    folder: WarehouseFolder, postgresql_url: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(folder, postgresql_url, reader=reader)
    published_build(folder, 2)
    monkeypatch.setattr(postgresql_schema, "_LOCK_TRIES", 2)
    monkeypatch.setattr(postgresql_schema, "_LOCK_WAIT", "50ms")
    monkeypatch.setattr(postgresql_schema, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(postgresql_schema, "_DROP_WAIT", "50ms")
    with closing(psycopg2.connect(postgresql_url)) as long, long.cursor("half read") as cursor:
        cursor.itersize = 1
        cursor.execute("select build from intelsec.fct_left")
        assert cursor.fetchone() == (1,)
        done = serve(folder, postgresql_url, reader=reader)
        assert done.notes == (
            "somebody has been reading for long: one transaction may have seen tables of both snapshots",
            "intelsec__old_1 is still being read; the next copy removes it",
        )
        assert served_build(postgresql_url) == 2
        assert cursor.fetchall() == [(1,)] * 4
    assert serve(folder, postgresql_url, reader=reader).notes == ()
    assert schemas(postgresql_url) == {"intelsec"}


def test_two_copies_at_once_do_not_meet(folder: WarehouseFolder, postgresql_url: str, reader: str) -> None:
    second = once(lambda: serve(folder, postgresql_url, reader=reader))
    with pytest.raises(ServingError, match="another copy is under way"):
        serve(folder, postgresql_url, reader=reader, progress=second)
    assert serve(folder, postgresql_url, reader=reader).is_new


def once(act: Callable[[], object]) -> Callable[[str], None]:
    """A listener that acts when it first hears of progress."""
    heard: list[str] = []

    def listen(text: str) -> None:
        heard.append(text)
        if len(heard) == 1:
            act()

    return listen


# ---------------------------------------------------------------- a server that goes away


def test_a_server_that_ends_the_copy_in_the_middle_keeps_the_old_tables(
    folder: WarehouseFolder, postgresql_url: str, reader: str
) -> None:
    serve(folder, postgresql_url, reader=reader)
    published_build(folder, 2, rows=50_000)

    def end_it() -> None:
        rows(
            postgresql_url,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'intelsec serving'",
        )

    def listen(text: str) -> None:
        if text.startswith("fct_left 10,000"):
            end_it()

    with pytest.raises(ServerUnavailable, match="The tables that were there before still are"):
        serve(folder, postgresql_url, reader=reader, progress=listen)
    assert served_build(postgresql_url) == 1
    assert schemas(postgresql_url) == {"intelsec", "intelsec__next"}
    done = serve(folder, postgresql_url, reader=reader)
    assert (done.is_new, served_build(postgresql_url)) == (True, 2)
    assert schemas(postgresql_url) == {"intelsec"}


@pytest.mark.slow
def test_a_server_that_is_stopped_in_the_middle_has_the_old_tables_when_it_is_back(folder: WarehouseFolder) -> None:
    programs = parts.find("postgresql")
    assert programs is not None
    with postgresql.running(programs) as server:
        serve(folder, server.url("postgres"))
        published_build(folder, 2, rows=50_000)

        def stop(text: str) -> None:
            if text.startswith("fct_left 10,000"):
                server.process.send_signal(signal.SIGINT)  # it ends its sessions
                server.process.wait(PROMPT)

        with pytest.raises(ServerUnavailable, match="went away"):
            serve(folder, server.url("postgres"), progress=stop)
        (data,) = (Path(str(part)[2:]) for part in server.process.args if str(part).startswith("-D"))
        again = postgresql._start(programs, data.parent, postgresql._account(), server.password)
        try:
            assert served_build(again.url("postgres")) == 1
            assert serve(folder, again.url("postgres")).is_new
            assert served_build(again.url("postgres")) == 2
        finally:
            again.process.send_signal(signal.SIGINT)
            again.process.wait(PROMPT)


@pytest.mark.parametrize("point", ["fct_left 20,000", pytest.param("putting in place", marks=pytest.mark.slow)])
def test_a_copy_that_was_killed_leaves_nothing_to_readers_and_the_next_one_cleans_up(
    folder: WarehouseFolder, postgresql_url: str, reader: str, point: str
) -> None:
    serve(folder, postgresql_url, reader=reader)
    published_build(folder, 2, rows=50_000)
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from intelsec_assets.kpis.warehouse.folder import WarehouseFolder\n"
        "from intelsec_assets.kpis.warehouse.serving import serve\n"
        "kill = lambda text: text.startswith(sys.argv[4]) and os.kill(os.getpid(), signal.SIGKILL)\n"
        "serve(WarehouseFolder(Path(sys.argv[1])), sys.argv[2], reader=sys.argv[3], progress=kill)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder.home, postgresql_url, reader, point], check=False, cwd=REPOSITORY
    )
    assert done.returncode == -signal.SIGKILL
    assert served_build(postgresql_url) == 1
    assert serve(folder, postgresql_url, reader=reader).is_new
    assert served_build(postgresql_url) == 2
    assert schemas(postgresql_url) == {"intelsec"}


def test_rows_that_do_not_all_arrive_are_noticed(
    folder: WarehouseFolder, postgresql_url: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_copy, "_query", lambda mart, clean: f"select * from {mart.sql_name} limit 1")
    with pytest.raises(ServingError, match="1 of 2 rows of about arrived"):
        serve(folder, postgresql_url, reader=reader)
    assert "intelsec" not in schemas(postgresql_url)


MEMORY = """
import sys
from pathlib import Path
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.serving import serve
serve(WarehouseFolder(Path(sys.argv[1])), sys.argv[2], reader=sys.argv[3])
(peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(peak.split()[1])  # the kernel's ru_maxrss would count what started this process
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(folder: WarehouseFolder, postgresql_url: str, reader: str) -> None:
    published_build(folder, 2, rows=3_000_000, more="update marts.fct_left set digest = repeat(md5(n::text), 8)")
    assert folder.published.stat().st_size > 300 << 20
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, folder.home, postgresql_url, reader],
        check=True,
        cwd=REPOSITORY,
        capture_output=True,
    )
    assert int(done.stdout) >> 10 < 500  # MB
