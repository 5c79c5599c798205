"""Verdicts on a feed's day: what its expectations look at is read from lake and raw store, the answers are kept.

What is expected and how it is judged is `feeds.quality`; who asks is a Dagster check, an asset or the command.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from intelsec_assets import engine, progress
from intelsec_assets.days import days_between, previous_day
from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.catalogue_expectations import MIXES
from intelsec_assets.feeds.quality.anomalies import WINDOW
from intelsec_assets.feeds.quality.batches import read_batch
from intelsec_assets.feeds.quality.evaluation import evaluate, require_quality_part
from intelsec_assets.feeds.quality.expectations import Expectation, bind, day_figures, digest
from intelsec_assets.feeds.quality.history import History, figures, read_history
from intelsec_assets.feeds.quality.schema_drift import Looked, schema_verdict
from intelsec_assets.feeds.quality.source_shapes import MOST_FILES, Shape, read_shape
from intelsec_assets.feeds.quality.suites import SCHEMA_IS_STABLE, suite
from intelsec_assets.feeds.quality.verdicts import ERROR, NO_VERDICT, Verdict
from intelsec_assets.feeds.snapshot import READ, RawStore, RawStoreError, Snapshot
from intelsec_assets.records import CheckResult
from intelsec_assets.resources.lake import Lake, LakeError, LakeFile, MissingPartition
from intelsec_assets.resources.store import Store
from intelsec_assets.tables import FEED_STATUS

# rows of healthy days by feed and day
Healthy = Mapping[str, Mapping[date, int]]


@dataclass(frozen=True)
class Judged:
    """The verdicts on a feed's day, about which content (`data_version`) and stated in which suite."""

    feed: Feed
    day: date
    data_version: str
    suite: str
    verdicts: tuple[Verdict, ...]
    sampled: str = ""


FEEDS = "feeds/"


def asset_of(feed: Feed) -> str:
    """Name of a feed's asset in lake and store."""
    return f"{FEEDS}{feed.name}"


def healthy_days(lake: Lake, day: date) -> dict[str, dict[date, int]]:
    """Rows of every feed's healthy days within the window before `day`. A day held, unreadable or not due is left out.

    Raises LakeError if a day's file is not the one that was written: usual is not learnt from what somebody changed.
    """
    found: dict[str, dict[date, int]] = {}
    days = [when for when in lake.days(FEED_STATUS.name) if day - WINDOW <= when < day]
    with engine.session() as con:
        paths = [str(lake.read(FEED_STATUS.name, when).path) for when in days]
        rows = con.read_parquet(paths).filter("status = 'ok'").project("feed, day, rows_in").fetchall() if paths else []
    for feed, when, count in rows:
        found.setdefault(feed, {})[when] = count
    return found


def judge(
    lake: Lake, raw: RawStore, feed: Feed, day: date, healthy: Mapping[date, int], only: Collection[str] | None = None
) -> Judged:
    """Verdicts of the feed's suite (of the expectations named in `only`) on its day, in the suite's order.

    Raises MissingPartition if the day is not built, QualityPartMissing if what evaluates is not installed. A file of
    another day or content that cannot be read makes errors of the verdicts that need it.
    """
    require_quality_part()
    stated = suite(feed)
    wanted = [expectation for expectation in stated if only is None or expectation.name in only]
    try:
        file = lake.read(asset_of(feed), day)
    except MissingPartition:
        raise
    except LakeError as error:
        return Judged(feed, day, "", digest(stated), tuple(_all(wanted, ERROR, f"could not be evaluated: {error}")))
    if file.note:
        verdicts, sampled = _all(wanted, NO_VERDICT, f"no verdict: {file.note}"), ""
    else:
        verdicts, sampled = _judged_rows(lake, raw, feed, file, healthy, wanted)
    return Judged(feed, day, file.sha256, digest(stated), tuple(_on(day, verdict) for verdict in verdicts), sampled)


def _on(day: date, verdict: Verdict) -> Verdict:
    """The verdict with the day in the command that comes next."""
    return replace(verdict, what_to_do=verdict.what_to_do.replace("--day DAY", f"--day {day}"))


def _judged_rows(
    lake: Lake, raw: RawStore, feed: Feed, file: LakeFile, healthy: Mapping[date, int], wanted: Sequence[Expectation]
) -> tuple[list[Verdict], str]:
    about_rows = [expectation for expectation in wanted if expectation.name != SCHEMA_IS_STABLE]
    sampled, answers = "", {}
    if about_rows:
        with engine.session() as con:
            try:
                history = read_history(con, healthy, _history_files(lake, feed, healthy), _mixes(about_rows))
            except LakeError as error:
                return _all(wanted, ERROR, f"could not be evaluated: {error}"), ""
            batch = read_batch(con, file.path, history.kinds)
        known = day_figures(file.day) | _figures(history, file.day, batch.usable // batch.stride)
        pairs = [(expectation, bind(expectation, known)) for expectation in about_rows]
        answers = {verdict.name: verdict for verdict in evaluate(pairs, batch)}
        sampled = batch.sampled
    for expectation in wanted:
        if expectation.name == SCHEMA_IS_STABLE:
            answers[expectation.name] = _schema(raw, feed, file.day, expectation)
    return [answers[expectation.name] for expectation in wanted], sampled


def _figures(history: History, day: date, mix_rows: int) -> dict[str, object]:
    return dict(figures(history, day, mix_rows))


def _mixes(expectations: Iterable[Expectation]) -> list[str]:
    """The mixes that any of them speaks about."""
    columns = {str(part.get("column")) for expectation in expectations for part in expectation.parts()}
    return [column for column in MIXES if column in columns]


def _history_files(lake: Lake, feed: Feed, healthy: Mapping[date, int]) -> dict[date, str]:
    return {when: str(lake.read(asset_of(feed), when).path) for when in sorted(healthy)}


def _schema(raw: RawStore, feed: Feed, day: date, expectation: Expectation) -> Verdict:
    try:
        snapshot = raw.load(feed.name, day)
        if snapshot is None or snapshot.status != READ:
            reason = "no verdict: the raw files of the day are not kept here"
            return next(iter(_all([expectation], NO_VERDICT, reason)))
        before, now = _last_read(raw, feed, day), Looked(day, _shape(raw, feed, snapshot))
    except RawStoreError as error:
        return next(iter(_all([expectation], ERROR, f"could not be evaluated: {error}")))
    return schema_verdict(expectation, feed, before, now)


def _last_read(raw: RawStore, feed: Feed, day: date) -> Looked | None:
    """The shape of the last day within the window that was read and held a record."""
    for when in reversed(days_between(day - WINDOW, previous_day(day))):
        snapshot = raw.load(feed.name, when)
        if snapshot is not None and snapshot.status == READ:
            shape = _shape(raw, feed, snapshot)
            if not isinstance(shape, str):
                return Looked(when, shape)
    return None


def _shape(raw: RawStore, feed: Feed, snapshot: Snapshot) -> Shape | str:
    files = sorted(snapshot.files, key=lambda file: file.name)[:MOST_FILES]
    return read_shape(feed, [(file, raw.get(file.sha256)) for file in files])


def _all(expectations: Iterable[Expectation], outcome: str, found: str) -> list[Verdict]:
    return [
        Verdict(one.name, outcome, one.severity, found, one.claim, f"Mend what the message names. {one.what_to_do}")
        for one in expectations
    ]


def keep(store: Store, judged: Judged, run_id: str | None, now: datetime) -> None:
    """Record verdicts as check results: none of them blocks."""
    store.record_checks(
        CheckResult(
            asset=asset_of(judged.feed),
            check=verdict.name,
            day=judged.day,
            passed=verdict.passed,
            severity="ERROR" if verdict.is_severe else "WARN",
            blocking=False,
            data_version=judged.data_version,
            run_id=run_id,
            at=now,
            evidence=verdict.evidence(judged.suite, judged.sampled),
        )
        for verdict in judged.verdicts
    )


@dataclass(frozen=True)
class Standing:
    """What the store's results of a day are worth: `current` ones count; the feeds they leave open, by name.

    `waiting` feeds have no verdict on what they hold now, or not in the suite as it is; of `unbuilt` ones there is no
    such day. Results on other tables are taken as they are.
    """

    current: tuple[CheckResult, ...]
    waiting: tuple[Feed, ...]
    unbuilt: tuple[Feed, ...]


def standing(lake: Lake, store: Store, feeds: Iterable[Feed], day: date) -> Standing:
    """Which verdicts on the day still speak of it. One on a feed that is no more, or switched off since, does not."""
    current: list[CheckResult] = []
    by_asset: dict[str, dict[str, CheckResult]] = {}
    for result in store.latest_checks(day):
        if result.asset.startswith(FEEDS):
            by_asset.setdefault(result.asset, {})[result.check] = result
        else:
            current.append(result)
    waiting, unbuilt = [], []
    for feed in feeds:
        version = _version(lake, feed, day)
        if version is None:
            unbuilt.append(feed)
            continue
        stated, known = suite(feed), by_asset.get(asset_of(feed), {})
        speaking = [known.get(one.name) for one in stated]
        fitting = [r for r in speaking if r and r.data_version == version and r.evidence.get("suite") == digest(stated)]
        current += fitting
        if len(fitting) < len(stated):
            waiting.append(feed)
    return Standing(tuple(current), tuple(waiting), tuple(unbuilt))


def _version(lake: Lake, feed: Feed, day: date) -> str | None:
    """The content a verdict must be about: empty for a file that somebody changed, None if the day is not built."""
    try:
        return lake.read(asset_of(feed), day).sha256
    except MissingPartition:
        return None
    except LakeError:
        return ""


def bring_up_to_date(
    lake: Lake,
    raw: RawStore,
    store: Store,
    feeds: Iterable[Feed],
    day: date,
    *,
    run_id: str | None,
    clock: Callable[[], datetime],
) -> list[Judged]:
    """Judge the day of these feeds and keep the verdicts, feed by feed, so that what is cut off is not lost."""
    chosen = list(feeds)
    healthy: Healthy = healthy_days(lake, day) if chosen else {}
    done = []
    for feed in chosen:
        progress.report(f"{asset_of(feed)} quality", str(day))
        judged = judge(lake, raw, feed, day, healthy.get(feed.name, {}))
        keep(store, judged, run_id, clock())
        done.append(judged)
    return done
