"""The operational store on SQLite and on a real PostgreSQL: what is written comes back, alike on both.

What happens when processes compete, die or find the disk full is in test_store_under_stress.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intelsec_assets.feeds.snapshot import FetchState, SnapshotFile
from intelsec_assets.records import CheckResult, ExportRun, LedgerEntry, Notice, Refused, RunRecord, Write
from intelsec_assets.resources.store import NewerSchema, Store, StoreError, schema, versions
from intelsec_assets.resources.store.database import connect
from tests.searching import examples

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 3, 4, 5, 6, 789012, tzinfo=UTC)
AWKWARD = 'o\'brien "x"; drop table y -- ümläut 邮件 😀 %s :day'


def entry(indicator_id: str, content: str = "h1", state: str = "active", day: date = DAY) -> LedgerEntry:
    return LedgerEntry(indicator_id, "phishing 2026-03", content, state, day, AT)


def logged(store: Store, target: str = "misp", day: date = DAY) -> list[tuple[str, str, str]]:
    """What the log says of a day: indicator, action, content."""
    return [(w.indicator_id, w.action, w.content_hash) for w in store.writes(day) if w.target == target]


def check(asset: str, name: str, *, passed: bool, at: datetime = AT, day: date = DAY) -> CheckResult:
    return CheckResult(asset, name, day, passed, "ERROR", True, "v1", "run-1", at, {"rows": 3})


def test_a_run_is_recorded_from_start_to_end(store: Store) -> None:
    store.start_run("r1", "daily_intel", DAY, AT)
    assert store.runs() == [RunRecord("r1", "daily_intel", DAY, "running", AT)]

    store.finish_run("r1", "failed", AT + timedelta(minutes=1), {"kept": 12, "day": DAY}, error="feed x: gone")

    (run,) = store.runs()
    assert (run.status, run.finished_at, run.error) == ("failed", AT + timedelta(minutes=1), "feed x: gone")
    assert run.summary == {"kept": 12, "day": "2026-03-02"}


def test_the_newest_runs_come_first_and_a_run_without_a_day_is_fine(store: Store) -> None:
    for n in range(5):
        store.start_run(f"r{n}", "summary", None, AT + timedelta(hours=n))

    assert [run.run_id for run in store.runs(limit=2)] == ["r4", "r3"]
    assert store.runs(1)[0].day is None


def test_runs_that_never_ended_are_those_that_are_running_or_were_killed(store: Store) -> None:
    for run_id in ("r1", "r2", "r3"):
        store.start_run(run_id, "export", DAY, AT)
    store.finish_run("r2", "failed", AT)
    store.finish_run("r3", "succeeded", AT)

    assert store.unfinished_runs() == {"r1"}


def test_a_run_that_never_started_cannot_end(store: Store) -> None:
    with pytest.raises(StoreError, match="no run 'ghost'"):
        store.finish_run("ghost", "succeeded", AT)


def test_the_check_recorded_last_counts_even_if_its_clock_is_behind(store: Store) -> None:
    store.record_checks([check("observations", "conserves_rows", passed=False)])
    store.record_checks([check("observations", "conserves_rows", passed=True, at=AT - timedelta(hours=5))])

    assert [result.passed for result in store.latest_checks(DAY)] == [True]


def test_latest_checks_are_those_of_the_day_and_the_assets_asked_for(store: Store) -> None:
    store.record_checks(
        [
            check("observations", "a", passed=True),
            check("observations", "b", passed=False),
            check("indicators", "a", passed=True),
            check("observations", "a", passed=False, day=date(2026, 3, 1)),
        ]
    )

    assert [(r.asset, r.check) for r in store.latest_checks(DAY)] == [
        ("indicators", "a"),
        ("observations", "a"),
        ("observations", "b"),
    ]
    assert store.latest_checks(DAY, ["observations"]) == [
        check("observations", "a", passed=True),
        check("observations", "b", passed=False),
    ]
    assert store.latest_checks(DAY, []) == []


def test_the_ledger_holds_the_last_confirmation_of_each_indicator(store: Store) -> None:
    store.confirm("misp", [entry("i1"), entry("i2")])
    store.confirm("misp", [entry("i2", "h2", "withdrawn", date(2026, 3, 3)), entry("i3")])

    assert store.confirmed("misp") == {
        "i1": entry("i1"),
        "i2": entry("i2", "h2", "withdrawn", date(2026, 3, 3)),
        "i3": entry("i3"),
    }
    assert store.confirmed("siem") == {}


def test_two_confirmations_of_one_indicator_in_a_call_leave_the_last(store: Store) -> None:
    assert store.confirm("misp", [entry("i1", "old"), entry("i1", "new")]) == 1
    assert store.confirmed("misp")["i1"].content_hash == "new"


def test_confirming_again_changes_nothing(store: Store) -> None:
    entries = [entry(f"i{n}") for n in range(30)]
    store.confirm("misp", entries, through=DAY)
    before = store.confirmed("misp")

    store.confirm("misp", reversed(entries), through=DAY)

    assert store.confirmed("misp") == before
    assert list(store.confirmed("misp")) == sorted(before)


def test_a_write_is_an_add_an_update_or_a_withdraw_by_the_entry_before(store: Store) -> None:
    store.confirm("misp", [entry("i1"), entry("i2")])
    store.confirm("misp", [entry("i1", "h2"), entry("i2", state="withdrawn")])
    store.confirm("misp", [entry("i2"), entry("i3")])

    assert logged(store) == [
        ("i1", "add", "h1"),
        ("i2", "add", "h1"),
        ("i1", "update", "h2"),
        ("i2", "withdraw", "h1"),
        ("i2", "add", "h1"),
        ("i3", "add", "h1"),
    ]


def test_a_move_to_another_event_with_the_same_content_is_a_write(store: Store) -> None:
    store.confirm("misp", [entry("i1")])
    store.confirm("misp", [LedgerEntry("i1", "c2 2026-03", "h1", "active", DAY, AT)])

    assert [(write.action, write.event) for write in store.writes(DAY)] == [
        ("add", "phishing 2026-03"),
        ("update", "c2 2026-03"),
    ]


def test_confirming_again_what_the_ledger_says_is_no_write(store: Store) -> None:
    entries = [entry("i1"), entry("i2", state="withdrawn")]
    store.confirm("misp", entries)
    store.confirm("misp", entries, through=DAY)
    store.confirm("misp", [entry("i1", day=date(2026, 3, 3))])

    assert logged(store) == [("i1", "add", "h1"), ("i2", "withdraw", "h1")]
    assert logged(store, day=date(2026, 3, 3)) == []


def test_what_a_target_had_lost_and_was_told_again_is_a_write(store: Store) -> None:
    store.confirm("misp", [entry("i1"), entry("i2")])
    store.confirm("misp", [entry("i1"), entry("i2")], rewritten={"i2", "elsewhere"})

    assert logged(store)[2:] == [("i2", "update", "h1")]


def test_of_two_entries_of_an_indicator_in_a_call_only_the_last_is_a_write(store: Store) -> None:
    store.confirm("misp", [entry("i1", "old"), entry("i1", "new")])

    assert logged(store) == [("i1", "add", "new")]


def test_writes_of_a_day_are_those_for_its_plan_in_order_and_whole(store: Store) -> None:
    store.confirm("misp", [entry("i2"), entry("i1")])
    store.confirm("files", [entry("i1", day=date(2026, 3, 3))])
    store.confirm("files", [entry("i1", "h2")])

    assert list(store.writes(DAY)) == [
        Write(1, "misp", "i1", "add", "phishing 2026-03", "h1", DAY, AT),
        Write(2, "misp", "i2", "add", "phishing 2026-03", "h1", DAY, AT),
        Write(4, "files", "i1", "update", "phishing 2026-03", "h2", DAY, AT),
    ]
    assert list(store.writes(date(2026, 3, 9))) == []


_ENTRIES = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["h1", "h2"]), st.sampled_from(["active", "withdrawn"])),
    max_size=4,
)


@settings(examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_ENTRIES, max_size=6))
def test_the_ledger_is_what_the_writes_so_far_come_to(store: Store, calls: list[list[tuple[str, str, str]]]) -> None:
    target = f"t{len(store.exports(limit=100_000))}"
    store.record_export(ExportRun(target, DAY, None, "open", 0, 0, 0, 0, 0, "", AT))  # a target an example
    for call in calls:
        store.confirm(target, [entry(*one) for one in call])

    replayed, said = {}, []
    for write in (w for w in store.writes(DAY) if w.target == target):
        before = replayed.get(write.indicator_id)
        expected = "update" if before and before[1] == "active" else "add"
        said.append(write.action in {expected, "withdraw"})
        replayed[write.indicator_id] = (write.content_hash, "withdrawn" if write.action == "withdraw" else "active")
    assert all(said)
    assert replayed == {i: (e.content_hash, e.state) for i, e in store.confirmed(target).items()}


def test_a_write_that_cannot_be_logged_leaves_the_ledger_as_it_was(store: Store) -> None:
    store.confirm("misp", [entry("i1")], through=DAY)
    with store._database.writing() as con:
        con.execute(sa.text("alter table intelsec_writes rename to intelsec_writes_gone"))

    with pytest.raises(StoreError, match="intelsec_writes"):
        store.confirm("misp", [entry("i1", "h2"), entry("i2")], through=date(2026, 3, 3))
    assert store.confirmed("misp") == {"i1": entry("i1")}
    assert store.confirmed_day("misp") == DAY


def test_a_ledger_that_cannot_be_written_leaves_the_log_as_it_was(store: Store) -> None:
    store.confirm("misp", [entry("i1")])
    with store._database.writing() as con:
        con.execute(sa.text("create unique index only_once on intelsec_ledger (event)"))

    with pytest.raises(StoreError, match=r"(?i)unique constraint"):
        store.confirm("misp", [entry("i2")])
    assert logged(store) == [("i1", "add", "h1")]


def test_the_confirmed_day_moves_forward_only(store: Store) -> None:
    assert store.confirmed_day("misp") is None
    store.confirm("misp", [], through=date(2026, 3, 5))
    store.confirm("misp", [entry("i1")], through=DAY)
    store.confirm("misp", [entry("i2")])

    assert store.confirmed_day("misp") == date(2026, 3, 5)


@pytest.mark.parametrize("number", [10_500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_hundred_thousand_confirmations_take_seconds(store: Store, number: int) -> None:
    """More than are written at once, and with `make test-all` as many as there may be."""
    entries = [entry(f"{n:032x}") for n in range(number)]
    begun = datetime.now(UTC)
    store.confirm("misp", entries)
    took = datetime.now(UTC) - begun

    assert len(store.confirmed("misp")) == sum(1 for _ in store.writes(DAY)) == number
    assert took < timedelta(seconds=15), "a second or two when the machine is idle; eight and more row by row"


def test_export_attempts_are_found_by_day_and_target_newest_first(store: Store) -> None:
    def attempt(target: str, day: date, status: str) -> ExportRun:
        return ExportRun(target, day, "r1", status, 1, 2, 3, 4, 5, "", AT)

    tried = [attempt("misp", DAY, "open"), attempt("files", DAY, "complete"), attempt("misp", DAY, "complete")]
    tried.append(attempt("misp", date(2026, 3, 3), "open"))
    for export in tried:
        store.record_export(export)

    assert store.exports(DAY, "misp") == [tried[2], tried[0]]
    assert store.exports(day=DAY) == [tried[2], tried[1], tried[0]]
    assert store.exports(limit=1) == [tried[3]]


def test_the_attempts_of_a_day_come_numbered_in_their_order(store: Store) -> None:
    tried = [ExportRun("misp", DAY, None, status, 1, 2, 3, 4, 5, AWKWARD, AT) for status in ("open", "succeeded")]
    store.record_export(tried[0])
    store.record_export(ExportRun("misp", date(2026, 3, 3), None, "open", 0, 0, 0, 0, 0, "", AT))
    store.record_export(tried[1])

    assert store.attempts(DAY) == {1: tried[0], 3: tried[1]}


def test_a_refused_indicator_stays_in_quarantine_until_released(store: Store) -> None:
    refused = [Refused(f"i{n}", "e", "h", "value: not a valid domain", AT) for n in range(1200)]
    store.quarantine("misp", refused)
    store.quarantine("misp", [Refused("i0", "e", "h2", "again", AT)])

    assert store.quarantined("misp")["i0"].reason == "again"
    assert store.release("misp", [f"i{n}" for n in range(1, 1200)] + ["unknown"]) == 1199
    assert list(store.quarantined("misp")) == ["i0"]
    assert store.release("siem", ["i0"]) == 0


def test_the_last_good_answer_of_a_publisher_is_kept_a_feed(store: Store) -> None:
    state = FetchState("https://feeds.example/a.csv", '"e1"', None, (SnapshotFile("a.csv", "ab" * 32, 12),))
    assert store.fetch_state("a") is None
    store.save_fetch_state("a", FetchState("https://feeds.example/old", None, None, ()))
    store.save_fetch_state("a", state)

    assert store.fetch_state("a") == state


def test_notices_come_newest_first(store: Store) -> None:
    store.add_notice("run_failed", "daily_intel", "first", AT)
    store.add_notice("feed_held", "tweetfeed", "second", AT)

    assert store.notices(1) == [Notice("feed_held", "tweetfeed", "second", AT)]
    assert [notice.text for notice in store.notices()] == ["second", "first"]


@pytest.mark.parametrize(
    "at",
    [
        AT,
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        datetime(999, 1, 1, tzinfo=UTC),
    ],
)
def test_an_instant_comes_back_aware_and_in_utc(store: Store, at: datetime) -> None:
    store.add_notice("k", "s", "t", at)

    (notice,) = store.notices()
    assert notice.at == at
    assert notice.at.tzinfo is UTC


def test_an_instant_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="no time zone"):
        store.add_notice("k", "s", "t", datetime(2026, 3, 2))  # noqa: DTZ001 - the mistake under test
    assert store.notices() == []


def test_any_text_is_kept_as_it_is(store: Store) -> None:
    store.confirm(AWKWARD, [LedgerEntry("i1", AWKWARD, AWKWARD, "active", DAY, AT)], through=DAY)
    store.add_notice(AWKWARD, AWKWARD, AWKWARD, AT)

    assert store.confirmed(AWKWARD)["i1"].event == AWKWARD
    assert store.confirmed_day(AWKWARD) == DAY
    assert store.notices() == [Notice(AWKWARD, AWKWARD, AWKWARD, AT)]


def test_text_that_postgresql_cannot_keep_is_kept_escaped(store: Store) -> None:
    store.quarantine("misp", [Refused("i1", "e", "h", "refused a\x00b\udc80", AT)])

    assert store.quarantined("misp")["i1"].reason == "refused a\\x00b\\udc80"


def test_evidence_of_any_shape_comes_back(store: Store) -> None:
    evidence = {"sample": ["a\x00b", "\ud800", AWKWARD], "count": 2**60, "ratio": 0.302, "none": None, "n": {"x": [[]]}}
    store.record_checks([CheckResult("a", "c", DAY, False, "WARN", False, None, None, AT, evidence)])

    assert store.latest_checks(DAY)[0].evidence == evidence


def test_a_store_opened_again_holds_what_was_written(store_url: str) -> None:
    with Store.open(store_url) as first:
        first.confirm("misp", [entry("i1")])
    with Store.open(store_url) as second:
        assert second.confirmed("misp") == {"i1": entry("i1")}


def test_the_migrations_lead_to_the_tables_the_code_uses(store: Store) -> None:
    with store._database.engine.connect().execution_options(sqlite_begin="BEGIN") as con:
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        differences = compare_metadata(MigrationContext.configure(con, opts=options), schema.metadata)

        reached = con.scalar(sa.text("select version_num from intelsec_schema_version"))

    assert differences == []
    assert reached == schema.NEWEST


def test_a_ledger_of_the_first_version_becomes_the_beginning_of_its_log(store_url: str) -> None:
    with_version(store_url, "v0001")
    rows = [("misp", "i2", "active", 5), ("misp", "i1", "withdrawn", 6), ("files", "i2", "active", 5)]
    database = connect(store_url)
    with database.writing() as con:
        for target, indicator_id, state, minute in rows:
            at = AT.replace(minute=minute)
            values = LedgerEntry(indicator_id, "e", f"{target} {indicator_id}", state, DAY, at)
            con.execute(sa.insert(schema.ledger).values(target=target, **{n: getattr(values, n) for n in _LEDGER}))
    database.engine.dispose()

    for _ in range(2):  # the second time there is nothing to do
        with Store.open(store_url) as store:
            assert list(store.writes(DAY)) == [
                Write(1, "files", "i2", "add", "e", "files i2", DAY, AT),
                Write(2, "misp", "i2", "add", "e", "misp i2", DAY, AT),
                Write(3, "misp", "i1", "withdraw", "e", "misp i1", DAY, AT.replace(minute=6)),
            ]
    with Store.open(store_url) as store:
        store.confirm("misp", [LedgerEntry("i2", "e", "h2", "active", DAY, AT)])
        assert [(write.seq, write.action) for write in store.writes(DAY)][3:] == [(4, "update")]


_LEDGER = LedgerEntry.__slots__


def with_version(url: str, revision: str) -> None:
    """Make a store as an older version of the code left it."""
    database = connect(url)
    with database.writing() as con:
        config = Config(attributes={"connection": con})
        config.set_main_option("script_location", str(versions.MIGRATIONS))
        command.upgrade(config, revision)
    database.engine.dispose()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(store_url: str) -> None:
    with Store.open(store_url) as ours, ours._database.writing() as con:
        con.execute(sa.text("update intelsec_schema_version set version_num = 'v9999'"))

    with pytest.raises(NewerSchema, match=r"'v9999'.*a newer version wrote it.*INTELSEC_STORE_URL"):
        Store.open(store_url)


def test_tables_of_another_program_in_the_database_are_not_touched(store_url: str) -> None:
    engine = sa.create_engine(store_url)
    with engine.begin() as con:
        con.execute(sa.text("create table runs (id integer)"))
        con.execute(sa.text("create table alembic_version (version_num varchar(32) primary key)"))
        con.execute(sa.text("insert into alembic_version values ('theirs')"))

    with Store.open(store_url) as store:
        store.start_run("r1", "j", DAY, AT)

    with engine.connect() as con:
        assert con.scalar(sa.text("select version_num from alembic_version")) == "theirs"
        assert con.scalar(sa.text("select count(*) from runs")) == 0
    engine.dispose()
