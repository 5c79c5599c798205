"""Expectations put to the real Great Expectations: each fails on a row that breaks it, with the row to open, and holds
on the sample; an error of the library is an error.

The library takes seconds to load: whoever needs it in a test does so in this module.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from intelsec_assets import engine
from intelsec_assets.feeds import formats
from intelsec_assets.feeds.catalogue import Feed, load_catalogue
from intelsec_assets.feeds.local import read_local
from intelsec_assets.feeds.quality import batches, evaluation
from intelsec_assets.feeds.quality.anomalies import divergence, mean_shares, smoothed
from intelsec_assets.feeds.quality.batches import Batch, read_batch
from intelsec_assets.feeds.quality.evaluation import QualityPartMissing, evaluate
from intelsec_assets.feeds.quality.expectations import Expectation, Learnt, NotKnown, bind, day_figures
from intelsec_assets.feeds.quality.history import History, figures, read_history
from intelsec_assets.feeds.quality.suites import SCHEMA_IS_STABLE, suite
from intelsec_assets.feeds.quality.verdicts import Verdict
from intelsec_assets.feeds.snapshot import SnapshotFile
from intelsec_assets.feeds.transfer import TransferLimits
from intelsec_assets.settings import SAMPLE_DATA
from intelsec_assets.tables import FEED_ROWS

DAY = date(2026, 3, 15)
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
SHA256 = "ab" * 32

# an entry that makes every claim there is
FEED = Feed(
    name="all-claims",
    title="All claims",
    publisher="Tests",
    licence="CC0-1.0",
    local="f",
    format="csv",
    options={
        "columns": {
            name: number
            for number, name in enumerate(
                ("value", "type", "first_seen", "last_seen", "tags", "threat_type", "confidence", "listings")
            )
        }
    },
    tlp="green",
    types=("domain", "sha256"),
)

USUAL: dict[str, Any] = {
    "file": "a.csv",
    "snapshot_sha256": SHA256,
    "raw_value": "a.example",
    "indicator_type": "domain",
    "tags": ["phishing"],
    "threat_type": "phishing",
    "confidence": 0.5,
    "tlp": "green",
    "listings": 1,
    "first_seen": NOON - timedelta(hours=3),
    "last_seen": NOON,
}


def write_rows(path: Path, rows: list[dict[str, Any]], columns: str | None = None) -> Path:
    """A Parquet file of feed rows, numbered from line 1; what a row does not say is as usual."""
    with engine.session() as con:
        con.execute(f"create table rows ({columns or FEED_ROWS.ddl()})")
        names = [name for name, *_ in con.execute("describe rows").fetchall()]
        for number, row in enumerate(rows, start=1):
            whole = {"line": number, **USUAL, **row}
            con.execute(f"insert into rows values ({', '.join('?' * len(names))})", [whole.get(name) for name in names])
        con.execute(f"copy rows to {engine.sql_text(path)} (format parquet)")
    return path


KINDS = {"type_mix": "domain", "threat_mix": "phishing", "tag_mix": "phishing"}


def learnt(rows: int = 40) -> History:
    """Twenty days like the usual one."""
    days = [DAY - timedelta(days=back) for back in range(1, 21)]
    return History(
        dict.fromkeys(days, rows),
        {mix: {day: {kind: rows} for day in days} for mix, kind in KINDS.items()},
        {mix: [kind] for mix, kind in KINDS.items()},
    )


def judged(
    path: Path, history: History, *only: str, feed: Feed = FEED, most_rows: int = batches.MOST_ROWS
) -> dict[str, Verdict]:
    """Verdicts of the feed's suite, or of these expectations of it, on the rows in a file."""
    with engine.session() as con:
        batch = read_batch(con, path, history.kinds, most_rows)
    known = {**day_figures(DAY), **figures(history, DAY, batch.usable // batch.stride)}
    asked = [one for one in suite(feed) if one.name != SCHEMA_IS_STABLE and (not only or one.name in only)]
    return {verdict.name: verdict for verdict in evaluate([(one, bind(one, known)) for one in asked], batch)}


# what each expectation of the default suite is broken by: one row of 39 usual ones, or the day as a whole
BREAKING_ROWS: dict[str, dict[str, Any]] = {
    "required_values_are_there": {"raw_value": None},
    "lines_count_from_one": {"line": 0},
    "types_are_in_the_catalogue": {"indicator_type": "ipv4"},
    "hashes_have_their_length": {"indicator_type": "sha256", "raw_value": "abc123"},
    "confidence_is_a_ratio": {"confidence": 90.0},
    "listings_count_from_one": {"listings": 0},
    "tlp_is_not_below_the_feeds": {"tlp": "clear"},
    "sightings_are_not_absurdly_old": {"first_seen": None, "last_seen": datetime(1999, 11, 30, tzinfo=UTC)},
    "sightings_are_in_order": {"first_seen": NOON, "last_seen": NOON - timedelta(hours=5)},
}
LATE = {"first_seen": NOON, "last_seen": NOON + timedelta(days=1)}
OTHER_KIND = {"indicator_type": "sha256", "raw_value": SHA256, "threat_type": "c2", "tags": []}
BREAKING_DAYS: dict[str, list[dict[str, Any]]] = {
    "sightings_are_not_in_the_future": [{}] * 36 + [LATE] * 4,
    "newest_sighting_is_recent": [{"first_seen": None, "last_seen": NOON - timedelta(days=30)}] * 40,
    "volume_is_usual type_mix_is_usual threat_mix_is_usual tag_mix_is_usual": [OTHER_KIND] * 400,
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Verdicts on a day with one row against each claim about rows."""
    folder = tmp_path_factory.mktemp("broken")
    return judged(write_rows(folder / "rows.parquet", [{}] * 31 + list(BREAKING_ROWS.values())), learnt())


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Verdicts on a day like all others."""
    return judged(write_rows(tmp_path_factory.mktemp("usual") / "rows.parquet", [{}] * 40), learnt())


def test_a_usual_day_keeps_every_default_expectation(usual: dict[str, Verdict]) -> None:
    assert {name: verdict.outcome for name, verdict in usual.items()} == dict.fromkeys(usual, "passed")
    # the two that no row can break are broken by a file: `test_a_file_of_an_older_schema…`, `test_a_column_of_another…`
    files = {"columns_are_complete", "columns_keep_their_types"}
    assert usual.keys() == BREAKING_ROWS.keys() | set(" ".join(BREAKING_DAYS).split()) | files


@pytest.mark.parametrize("name", BREAKING_ROWS)
def test_a_row_against_an_expectation_fails_it_and_is_named_with_file_and_line(
    name: str, broken: dict[str, Verdict]
) -> None:
    verdict, row = broken[name], BREAKING_ROWS[name]

    assert verdict.outcome == "failed"
    assert verdict.count == 1
    (sample,) = verdict.sample
    line = row.get("line", 32 + list(BREAKING_ROWS).index(name))
    assert (sample["file"], sample["line"]) == ("a.csv", line)
    assert f"1 of 40 rows, first: a.csv line {line}: " in verdict.found
    assert verdict.what_to_do
    assert verdict.expected


@pytest.mark.parametrize("names", BREAKING_DAYS)
def test_a_day_against_an_expectation_fails_it(names: str, tmp_path: Path) -> None:
    """A warning: the feed is held by its contract or not at all."""
    rows = BREAKING_DAYS[names]
    verdicts = judged(write_rows(tmp_path / "rows.parquet", rows), learnt(), *names.split())

    assert {(v.outcome, v.passed, v.is_severe) for v in verdicts.values()} == {("failed", False, False)}
    assert len(verdicts) == len(names.split())
    if mix := verdicts.get("type_mix_is_usual"):
        assert "(other) 100% (usually 0%), domain 0% (usually 99%)" in mix.found
        assert "learnt from 20 days, too few Sundays among them" in mix.expected


def test_a_file_of_an_older_schema_fails_by_the_columns_it_lacks(tmp_path: Path) -> None:
    """What needs a column that is not there could not be evaluated, which is not the same as failed."""
    older = ", ".join(
        f'"{c.name}" {"VARCHAR" if c.name == "line" else c.type}' for c in FEED_ROWS.columns if c.name != "confidence"
    )
    verdicts = judged(write_rows(tmp_path / "rows.parquet", [{}] * 40, older), learnt())

    assert (verdicts["columns_are_complete"].outcome, verdicts["columns_are_complete"].found) == (
        "failed",
        "without confidence",
    )
    error = verdicts["confidence_is_a_ratio"]
    assert (error.outcome, error.is_severe, error.passed) == ("error", True, False)
    assert error.found.startswith("could not be evaluated: ")
    assert "confidence" in error.found
    assert "which says nothing about the data" in error.what_to_do
    assert verdicts["columns_keep_their_types"].outcome == "error"
    assert verdicts["tlp_is_not_below_the_feeds"].outcome == "passed"


def test_a_column_of_another_type_is_told(tmp_path: Path) -> None:
    other = ", ".join(f'"{c.name}" {"VARCHAR" if c.name == "listings" else c.type}' for c in FEED_ROWS.columns)
    path = write_rows(tmp_path / "rows.parquet", [{}], other)
    (verdict,) = judged(path, History(), "columns_keep_their_types").values()

    assert (verdict.outcome, verdict.found) == ("failed", "listings str")


def one(gx_type: str, **kwargs: Any) -> Expectation:
    return Expectation("mine", "Mine.", gx_type, kwargs, "warning", "Look.")


def test_what_the_library_cannot_evaluate_is_an_error_and_costs_the_others_nothing(tmp_path: Path) -> None:
    stated = {
        "no such column": one("expect_column_values_to_be_between", column="nowhere", min_value=0),
        "of the same type": one("expect_column_values_to_be_between", column="tlp", min_value=0),
        "expect_nothing": one("expect_nothing_of_the_kind", column="tlp"),
        "": one("expect_column_values_to_not_be_null", column="tlp"),
    }
    named = [replace(expectation, name=words) for words, expectation in stated.items()]
    with engine.session() as con:
        batch = read_batch(con, write_rows(tmp_path / "rows.parquet", [{}]), {})
    *errors, sound = evaluate([(expectation, expectation) for expectation in named], batch)

    assert sound.outcome == "passed"
    for verdict, words in zip(errors, ["nowhere", "of the same type", "expect_nothing_of_the_kind"], strict=True):
        assert verdict.outcome == verdict.evidence("digest")["outcome"] == "error"
        assert words in verdict.found


def test_too_little_history_or_too_few_rows_give_no_verdict(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", [{}] * 12)
    (few,) = judged(path, learnt(rows=12), "type_mix_is_usual").values()

    assert (few.outcome, few.passed, few.found) == (
        "no_verdict",
        True,
        "no verdict: 12 usable rows of 30 that it takes",
    )
    cold = judged(path, History(dict.fromkeys([DAY - timedelta(days=1)], 12)), "volume_is_usual")
    assert cold["volume_is_usual"].found == "no verdict: cold start: 1 of 7 days"


def test_an_empty_day_breaks_nothing_but_volume(tmp_path: Path) -> None:
    outcomes = {
        name: verdict.outcome for name, verdict in judged(write_rows(tmp_path / "rows.parquet", []), learnt()).items()
    }

    assert outcomes.pop("volume_is_usual") == "failed"
    assert set(outcomes.values()) <= {"passed", "no_verdict"}


def test_the_divergence_is_the_one_that_history_was_measured_by(tmp_path: Path) -> None:
    """The limit is learnt with our own formula and held against the library's."""
    rows = [{}] * 30 + [{"indicator_type": "sha256", "raw_value": SHA256}] * 10
    expected = smoothed(mean_shares([{"domain": 1.0, "sha256": 0.0, "(other)": 0.0}]))
    partition = {"values": list(expected), "weights": list(expected.values())}
    kl = one("expect_column_kl_divergence_to_be_less_than", column="indicator_type", partition_object=partition)
    bound = replace(kl, kwargs={**kl.kwargs, "threshold": 0.0})
    with engine.session() as con:
        batch = read_batch(con, write_rows(tmp_path / "rows.parquet", rows), {})
    (verdict,) = evaluate([(bound, bound)], batch)

    ours = divergence({"domain": 0.75, "sha256": 0.25}, expected)
    assert verdict.found.startswith(f"a divergence of {ours:.2f}: ")
    assert math.isclose(ours, 0.75 * math.log(0.75 / expected["domain"]) + 0.25 * math.log(0.25 / expected["sha256"]))


def test_of_a_large_day_every_nth_row_is_looked_at_the_same_ones_each_time(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", [{}] * 97 + [{"last_seen": NOON + timedelta(hours=1)}] + [{}] * 2)
    with engine.session() as con:
        first, second = (read_batch(con, path, {}, most_rows=30) for _ in range(2))

    assert first.table.equals(second.table)
    assert (first.rows, first.stride) == (100, 4)
    # every fourth, and line 98: the one that was seen last decides freshness
    assert first.table["line"].to_pylist() == [*range(1, 98, 4), 98]
    assert first.sampled == "one row in 4 of 100 in the order of the file, and the one seen last"


def test_the_volume_of_a_sampled_day_is_that_of_the_whole(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.parquet", [{}] * 100)
    usual_day, other = (judged(path, learnt(rows), "volume_is_usual", most_rows=30) for rows in (100, 300))

    assert usual_day["volume_is_usual"].outcome == "passed"
    assert usual_day["volume_is_usual"].found.startswith("100 rows, usually 83 to 120")
    assert other["volume_is_usual"].outcome == "failed"


def parsed(feed: Feed, day: date, path: Path) -> Path:
    """The feed's rows of a day of the sample as the lake has them."""
    contents = read_local(feed, day, SAMPLE_DATA, TransferLimits())
    rows = formats.parse(feed, [(SnapshotFile(name, SHA256, len(c)), c) for name, c in contents.items()], day)
    casts = ", ".join(f'"{c.name}"::{c.type} as "{c.name}"' for c in FEED_ROWS.columns)
    with engine.session() as con:
        con.register("parsed", rows.rows)
        ordered = f"select {casts} from parsed order by file, line"
        con.execute(f"copy ({ordered}) to {engine.sql_text(path)} (format parquet)")
    return path


@pytest.mark.parametrize("name", ["foundry-c2", "summit-stix"])
def test_the_sample_keeps_every_default_expectation(name: str, tmp_path: Path) -> None:
    """All feeds on all days, against their history: `test_quality_workspace`, which takes longer."""
    feed = load_catalogue(SAMPLE_DATA / "catalogue.yaml").feed(name)
    verdicts = judged(parsed(feed, DAY, tmp_path / "rows.parquet"), History(), feed=feed)

    assert {name: verdict.found for name, verdict in verdicts.items() if not verdict.passed} == {}


def test_history_reads_the_kinds_of_each_day_and_the_commonest_tag_of_each_row(tmp_path: Path) -> None:
    rows = [{"tags": ["a", "common"]}] * 3 + [{"tags": ["common"]}] * 5 + [{"tags": []}] * 2 + [{"tags": ["rare"]}]
    rows += [{"tags": ["common"], "reject_reason": "bad"}] * 7  # in quarantine: no part of the mix
    days = [DAY - timedelta(days=back) for back in range(1, 9)]
    path = str(write_rows(tmp_path / "rows.parquet", rows))
    with engine.session() as con:
        copies = {day: str(tmp_path / f"{day}.parquet") for day in days}
        for copy in copies.values():
            Path(copy).write_bytes(Path(path).read_bytes())
        history = read_history(con, dict.fromkeys(days, 18), copies, ["tag_mix", "type_mix"])

    assert history.kinds["tag_mix"] == ["common", "a", "rare"]
    assert history.mixes["tag_mix"][days[0]] == {"common": 8, "(none)": 2, "rare": 1}
    assert history.mixes["type_mix"][days[0]] == {"domain": 11}


def test_figures_of_history_say_which_days_taught_them() -> None:
    known = figures(learnt(), DAY, 40)

    assert known["rows_low"] == Learnt(33, "20 days, too few Sundays among them")
    assert figures(History(), DAY, 40)["tag_mix_limit"] == NotKnown("cold start: 0 of 7 days")


def test_a_placeholder_of_the_day_may_lie_days_back() -> None:
    stated = one("expect_column_max_to_be_between", column="sighting", min_value="{day_start - 3 days}")
    bound = bind(stated, day_figures(DAY))

    assert isinstance(bound, Expectation)
    assert bound.kwargs["min_value"] == datetime(2026, 3, 12, tzinfo=UTC)


def test_without_the_extra_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation.importlib.util, "find_spec", lambda name: None if name[0] == "g" else name)
    with pytest.raises(QualityPartMissing, match=r"great_expectations not installed; .*uv sync .* quality"):
        evaluate([], Batch(None, 0, 0))
