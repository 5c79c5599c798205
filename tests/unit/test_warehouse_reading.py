"""A stranger's query: it reads the published tables of a day, and nothing else, within its time and memory.

Most refusals are tried in this process on the connection that such a query gets; limits need the real one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from intelsec_assets.kpis.warehouse import query_process, reading
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.publish import publish_snapshot
from intelsec_assets.kpis.warehouse.query_frames import FAILED, REFUSED
from intelsec_assets.kpis.warehouse.reading import (
    LakeTables,
    LimitReached,
    NotPublished,
    QueryFailed,
    ReadingError,
    Refused,
    Result,
    connect,
    query,
)
from intelsec_assets.kpis.warehouse.snapshots import snapshot_file
from tests.warehouse_builds import DAY, MARTS, at, published_build, write_build

NEXT = DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> WarehouseFolder:
    """Two days, published one after the other."""
    made = WarehouseFolder(tmp_path_factory.mktemp("reading"))
    published_build(made, 1, rows=3)
    published_build(made, 2, rows=10_000, day=NEXT)
    return made


def ask(source: WarehouseFolder | LakeTables | Path, sql: str, **more: Any) -> None:
    with query(source, sql, **more) as result:
        for _ in result.batches():
            pass


# ---------------------------------------------------------------- the lake


@pytest.fixture
def lake(tmp_path: Path) -> LakeTables:
    """Two days of alerts, the newer with a column more, and a feed; a file beside them that is nobody's business."""
    root = tmp_path / "lake"
    for table in ("alerts", "feeds/tally-list"):
        (root / table).mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"copy (select date '2026-03-01' as day, 'a1' as id) to '{root}/alerts/2026-03-01.parquet'")
        con.execute(f"copy (select date '2026-03-02' as day, 'a2' as id, 7 as n) to '{root}/alerts/2026-03-02.parquet'")
        con.execute(f"copy (select 5 as line) to '{root}/feeds/tally-list/2026-03-01.parquet'")
    (root / "secret.txt").write_text("secret")
    return LakeTables(root)


def test_the_lake_is_asked_over_all_its_days_whatever_columns_they_have(lake: LakeTables) -> None:
    with query(lake, "select id, n from Alerts order by day") as result:
        assert list(result.rows()) == [("a1", None), ("a2", 7)]
        assert result.manifest is None
    with query(lake, 'select line from "feeds/tally-list"') as result:
        assert list(result.rows()) == [(5,)]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select * from read_text('{root}/secret.txt'), alerts", "no files"),
        ("select * from read_text('/etc/passwd'), alerts", "no files"),
        ("select * from glob('{root}/*'), alerts", "no files"),
        ("copy (from alerts) to '{root}/alerts/2026-03-01.parquet'", "COPY is not allowed"),
        ("attach '{root}/alerts/2026-03-01.parquet' as x", "ATTACH is not allowed"),
    ],
)
def test_of_the_lake_a_query_reads_its_tables_and_nothing_else(lake: LakeTables, sql: str, says: str) -> None:
    with pytest.raises(Refused, match=says):
        ask(lake, sql.format(root=lake.root))


def test_an_unknown_table_of_the_lake_is_wrong_and_an_empty_lake_has_a_way_out(
    lake: LakeTables, tmp_path: Path
) -> None:
    with pytest.raises(QueryFailed, match="alarms does not exist"):
        ask(lake, "select * from alarms")
    with pytest.raises(NotPublished, match="holds no table yet"):
        ask(LakeTables(tmp_path / "nowhere"), "select 1")


def test_a_damaged_file_of_the_lake_is_named_with_the_way_out(lake: LakeTables) -> None:
    (lake.root / "alerts/2026-03-02.parquet").write_bytes(b"cut off")
    with pytest.raises(NotPublished, match=r"2026-03-02.parquet' too small .*\. Build the day again: intelsec run"):
        ask(lake, "select * from alerts")


# ---------------------------------------------------------------- answers


def test_a_query_is_answered_with_columns_types_and_rows(folder: WarehouseFolder) -> None:
    with query(folder, "select day, n, n::double / 2 as half from fct_left where n < 2 order by n") as result:
        assert (result.columns, result.types) == (("day", "n", "half"), ("DATE", "BIGINT", "DOUBLE"))
        assert list(result.rows()) == [(NEXT, 0, 0.0), (NEXT, 1, 0.5)]
        assert not result.is_cut
        assert (result.manifest.snapshot, result.manifest.day) == (2, NEXT)


def test_a_pinned_day_is_answered_from_its_snapshot_under_the_same_names(folder: WarehouseFolder) -> None:
    with query(folder, "select count(*), max(build) from intelsec.main.fct_left", day=DAY) as result:
        assert list(result.rows()) == [(3, 1)]
        assert result.manifest.day == DAY


def test_values_keep_their_kind_and_travel_as_parameters(folder: WarehouseFolder) -> None:
    sql = (
        "select timestamptz '2026-03-01 02:00+02' as moment, uuid '00000000-0000-0000-0000-000000000007' as id, "
        "1.50::decimal(4, 2) as d, null as nothing, '' as empty, [1, 2] as list, {'a': 'b'} as struct, true as yes, "
        "? as given, ? as number"
    )
    with query(folder, sql, parameters=["it's; drop table x", 7]) as result:
        (row,) = result.rows()
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    assert row == (moment, UUID(int=7), Decimal("1.50"), None, "", [1, 2], {"a": "b"}, True, "it's; drop table x", 7)


def test_rows_beyond_the_limit_are_left_out_and_said_to_be(folder: WarehouseFolder) -> None:
    with query(folder, "select n from fct_left order by n", limit_rows=5000) as result:
        assert [n for (n,) in result.rows()] == list(range(5000))
        assert result.is_cut


def test_the_answer_comes_as_arrow_too(folder: WarehouseFolder) -> None:
    with query(folder, "select n from fct_left order by n", limit_rows=7000) as result:
        batches = list(result.arrow())
        assert (batches[0].num_rows, batches[0].schema.names) == (0, ["n"])  # known even if no row comes
        assert sum(batch.num_rows for batch in batches) == 7000
        assert result.is_cut


@pytest.mark.slow
def test_a_long_answer_is_handed_on_in_either_form_and_not_collected_first(folder: WarehouseFolder) -> None:
    sql = "select i, repeat('x', 100) as s from range(10000000) r(i)"  # more than a gigabyte
    with query(folder, sql, memory="100MB") as result:
        assert sum(len(batch) for batch in result.batches()) == 10_000_000
    with query(folder, sql, memory="100MB") as result:
        assert sum(batch.num_rows for batch in result.arrow()) == 10_000_000


def test_who_reads_on_has_the_snapshot_although_it_is_removed(tmp_path: Path) -> None:
    own = WarehouseFolder(tmp_path)
    published_build(own, 1, rows=20_000)
    with query(own, "select n, build from fct_left") as result:
        rows = result.rows()
        next(rows)
        for number in (2, 3):
            write_build(own, number)
            publish_snapshot(own, MARTS, clock=at(), keep=1)
        assert not snapshot_file(own, 1).exists()
        assert {build for _, build in rows} == {1}


def test_our_own_statements_get_a_connection_that_cannot_write(folder: WarehouseFolder) -> None:
    with connect(folder, day=DAY) as con:
        assert con.execute("select count(*) from fct_left where n >= ?", [1]).fetchall() == [(2,)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("delete from marts.fct_left")


# ---------------------------------------------------------------- no answer


def test_where_nothing_is_published_the_way_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(NotPublished, match=r"nothing was published yet\. Build and publish: intelsec run"),
        query(WarehouseFolder(tmp_path), "from x"),
    ):
        pass


def test_a_day_without_snapshot_is_an_error_that_lists_the_days(folder: WarehouseFolder) -> None:
    day = DAY - timedelta(days=9)
    with (
        pytest.raises(NotPublished, match=rf"no snapshot of {day}.*2026-03-02.*2026-03-03"),
        query(folder, "", day=day),
    ):
        pass


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.duckdb"
    damaged.write_bytes(b"no database" * 1000)
    with (
        pytest.raises(NotPublished, match=r"cannot be read: .*damaged\.duckdb.* Publish again"),
        query(damaged, "from x"),
    ):
        pass


def test_an_error_in_the_sql_says_what_duckdb_says_and_where(folder: WarehouseFolder) -> None:
    with pytest.raises(QueryFailed) as failed:
        ask(folder, "select day,\n  nosuch from fct_left")
    assert 'Referenced column "nosuch" not found' in str(failed.value)
    assert "LINE 2:   nosuch from fct_left\n          ^" in str(failed.value)


@pytest.mark.parametrize("memory", ["much", "12", "63MB", "-1GB", ""])
def test_a_limit_that_cannot_work_is_refused(folder: WarehouseFolder, memory: str) -> None:
    with pytest.raises(ReadingError, match="expected a size such as 512MB"):
        ask(folder, "from x", memory=memory)


# ---------------------------------------------------------------- limits


ADVICE = r"Ask for fewer days \(where day = …\) or fewer columns"


@pytest.mark.parametrize(
    "sql",
    [
        "select sleep_ms(600000)",
        pytest.param(  # hears no interruption: its process is ended
            "select levenshtein(repeat('a', 300000), repeat('b', 300000))", id="deaf"
        ),
    ],
)
def test_a_query_that_takes_too_long_is_ended(
    folder: WarehouseFolder, sql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_GRACE_SECONDS", 0.3)
    with pytest.raises(LimitReached, match=rf"takes longer than 0.3 s\. {ADVICE}"):
        ask(folder, sql, seconds=0.3)


def test_a_query_that_takes_too_long_while_it_is_being_read_is_ended(folder: WarehouseFolder) -> None:
    slow = "select i, sleep_ms(1) from range(10000000) r(i)"
    with pytest.raises(LimitReached, match=r"takes longer than"):
        ask(folder, slow, seconds=0.3)


@pytest.mark.parametrize(
    "sql",
    [
        # one that DuckDB counts
        "select list(i) from range(1000000000) r(i)",
        # and one that it does not: 16 GB in one piece, under whatever memory limit
        "select range(2000000000)",
        pytest.param("select i, repeat('x', 500) from range(20000000) r(i) order by hash(i)", marks=pytest.mark.slow),
    ],
)
def test_a_query_that_would_eat_all_memory_is_ended(folder: WarehouseFolder, sql: str) -> None:
    with pytest.raises(LimitReached, match=rf"(needs more memory than the 100MB|more room on disk).*{ADVICE}"):
        ask(folder, sql, memory="100MB")


def test_what_does_not_fit_into_the_memory_spills_and_nothing_of_it_stays(
    folder: WarehouseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    # groups spill in small parts, and half as much again as fits gets through; a sort may need more at once
    sql = "select distinct repeat('x', 20) || i from range(3500000) r(i)"
    with query(folder, sql, memory="192MB", limit_rows=10) as result:
        rows = result.rows()
        next(rows)
        assert any(path.stat().st_size for path in tmp_path.rglob("*"))
        assert len(list(rows)) == 9
    assert list(tmp_path.iterdir()) == []


def process_of(result: Result) -> int:
    return result._process._process.pid


def test_a_result_that_is_left_half_read_ends_its_process(folder: WarehouseFolder) -> None:
    with query(folder, "from range(1000000000)") as result:
        assert next(result.rows()) == (0,)
        pid = process_of(result)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_breaks_is_an_error_and_no_end_of_the_rows(folder: WarehouseFolder) -> None:
    with query(folder, "from range(1000000000)") as result:
        rows = result.rows()
        next(rows)
        result._process._process.kill()
        with pytest.raises(LimitReached, match="the system ended the query"):
            list(rows)


def test_secrets_of_the_environment_are_not_handed_to_a_query(
    folder: WarehouseFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTELSEC_STORE_URL", "postgresql://u:hunter2@host/db")
    with query(folder, "select 1") as result:
        assert b"hunter2" not in Path(f"/proc/{process_of(result)}/environ").read_bytes()


# ---------------------------------------------------------------- the sandbox


@pytest.fixture(scope="module")
def sandbox(folder: WarehouseFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """The connection that a query gets in its process."""
    order = {
        "file": str(folder.published.resolve()),
        "memory": "200MB",
        "spill_folder": str(tmp_path_factory.mktemp("spill")),
        "spill_bytes": 0,
        "seconds": 60,
    }
    con = query_process._open(order)
    yield con
    con.close()


def attempt(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    """What the query's process does with a statement."""
    with query_process._explained({"seconds": 60, "memory": "200MB"}, query_process._Allowance(con, 60)):
        query_process._refuse_all_but_reading(sql)
        return con.execute(sql).fetchall()


def refusal(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, str]:
    with pytest.raises(query_process._NoAnswer) as found:
        attempt(con, sql)
    return found.value.kind, str(found.value)


OTHER_FILE = "/etc/passwd"
WRITES = [
    "insert into marts.fct_left values (current_date, 1, 1, '')",
    "delete from marts.fct_left",
    "update marts.fct_left set n = 0",
    "truncate marts.fct_left",
    "merge into marts.fct_left using (select 1 as n) s using (n) when matched then delete",
    "with gone as (delete from marts.fct_left returning *) select * from gone",
    "with new as (insert into marts.dim_right values ('x', 1) returning *) select * from new",
    "create table t as select 1",
    "create temp table t as select 1",
    "create or replace view fct_left as select 1",
    "create macro f() as 1",
    "create type t as enum ('a')",
    "create schema s",
    "create sequence s",
    "create index i on marts.fct_left (n)",
    "create secret s (type http)",
    "drop table marts.fct_left",
    "drop schema marts cascade",
    "alter table marts.fct_left add column x int",
    "comment on table marts.fct_left is 'mine'",
    "checkpoint",
    "force checkpoint",
    "vacuum",
    "analyze",
    "select * from force_checkpoint('intelsec')",
]
FILES = [
    f"from '{OTHER_FILE}'",
    "from 'other.csv'",
    "from 'other.parquet'",
    "from '/tmp/*.json'",
    f"select * from read_text('{OTHER_FILE}')",
    f"select * from read_blob('{OTHER_FILE}')",
    f"select * from read_csv('{OTHER_FILE}')",
    f"select * from read_csv_auto(['{OTHER_FILE}'])",
    f"select * from read_json('{OTHER_FILE}')",
    "select * from read_parquet('/tmp/x.parquet')",
    "select * from parquet_metadata('/tmp/x.parquet')",
    "select * from read_duckdb('/tmp/x.duckdb')",
    f"select * from sniff_csv('{OTHER_FILE}')",
    "select * from glob('/etc/*')",
    "select * from read_text('https://example.test/')",
    "select * from read_text('/proc/self/environ')",
    f"describe select * from read_text('{OTHER_FILE}')",
    f"summarize select * from read_text('{OTHER_FILE}')",
    f"explain analyze select * from read_text('{OTHER_FILE}')",
    f"with x as materialized (from read_text('{OTHER_FILE}')) from x",
    f"from query('select * from read_text(''{OTHER_FILE}'')')",
    f"from query_table('{OTHER_FILE}')",
    "copy fct_left to '/tmp/stolen.csv'",
    "copy (select 1) to '/dev/stdout'",
    f"copy marts.dim_right from '{OTHER_FILE}'",
    "copy from database intelsec to memory",
    "explain analyze copy fct_left to '/tmp/stolen.csv'",
    "export database '/tmp/stolen'",
    "import database '/tmp/x'",
    "select * from duckdb_secrets()",
]
DOORS = [
    "attach '/tmp/x.duckdb' as x",
    "attach ':memory:' as x",
    "detach intelsec",
    "use memory",
    "install httpfs",
    "install httpfs from community",
    "load httpfs",
    "load '/tmp/x.duckdb_extension'",
    "update extensions",
    "set enable_external_access = true",
    "set lock_configuration = false",
    "set memory_limit = '100GB'",
    "set global threads = 64",
    "reset memory_limit",
    "set variable x = 1",
    "pragma database_list",
    "pragma memory_limit = '100GB'",
    "pragma enable_profiling",
    "call pragma_version()",
    "call enable_logging()",
    "select * from enable_logging()",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "begin",
    "commit",
    "select getenv('HOME')",
    "select * from os",
    "select * from con",
    "select set_config('memory_limit', '1GB')",
]
TRICKS = [
    "select 1; drop table marts.fct_left",
    "select 1;; select 2",
    "/* select */ drop table marts.fct_left -- select 1",
    "--\ndrop table marts.fct_left",
    "select 1; -- harmless\ncheckpoint",
    "/* a /* b */ ; checkpoint",
    "select ';' as x; set threads = 1",
    "select $$a$$; checkpoint",
    "pivot fct_left on n using count(*); checkpoint",
    "",
    "   \n\t",
    "-- only a comment",
    ";",
    "\x00select 1",
    "select 'half",
]


@pytest.mark.parametrize("sql", [*WRITES, *FILES, *DOORS, *TRICKS])
def test_nothing_but_reading_the_tables_is_done(sandbox: duckdb.DuckDBPyConnection, sql: str) -> None:
    kind, text = refusal(sandbox, sql)
    assert kind in {REFUSED, FAILED}
    assert text
    assert "root:" not in text


def test_after_all_that_the_tables_are_as_they_were(sandbox: duckdb.DuckDBPyConnection) -> None:
    for sql in (*WRITES, *FILES, *DOORS, *TRICKS):
        with contextlib.suppress(query_process._NoAnswer):
            attempt(sandbox, sql)
    assert attempt(sandbox, "select count(*), min(n), max(build) from marts.fct_left") == [(10_000, 0, 2)]
    assert attempt(sandbox, "select current_setting('lock_configuration'), current_setting('threads') < 64") == [
        (True, True)
    ]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("drop table marts.fct_left", "DROP is not allowed: queries only read: SELECT, WITH, FROM"),
        ("update extensions", "this statement is not allowed: queries only read"),
        ("select 1; select 2", "these are 2 statements: ask one at a time"),
        ("-- nothing", "there is no query in it"),
        ("from read_text('/etc/passwd')", "queries read the published tables, no files: Permission Error"),
        ("with x as (delete from marts.fct_left returning *) from x", "the warehouse is read-only"),
        ("from enable_logging()", "the warehouse is read-only"),
    ],
)
def test_a_refusal_is_a_sentence(sandbox: duckdb.DuckDBPyConnection, sql: str, says: str) -> None:
    kind, text = refusal(sandbox, sql)
    assert kind == REFUSED
    assert text.startswith(says)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "with x as (select 1 as a) select * from x",
        "from fct_left limit 1",
        "table dim_right",
        "values (1), (2)",
        "(select 1) union all (select 2)",
        "describe fct_left",
        "show tables",
        "show all tables",
        "summarize dim_right",
        "explain select * from fct_left",
        "explain analyze select count(*) from fct_left",
        "pivot (select n % 3 as rest, build from fct_left) on rest using count(*)",
        "pivot fct_left on n in (1, 2) using count(*)",
        "unpivot (select 1 as a, 2 as b) on a, b",
        "select * from fct_left -- with a comment; and a semicolon",
        "select 1;",
        "from duckdb_columns() limit 1",
        "with recursive r(i) as (select 1 union all select i + 1 from r where i < 3) from r",
    ],
)
def test_whatever_reads_is_answered(sandbox: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert attempt(sandbox, sql)


def test_a_refusal_reaches_who_asked(folder: WarehouseFolder) -> None:
    with pytest.raises(Refused, match="no files"):
        ask(folder, "from read_text('/etc/passwd')")
