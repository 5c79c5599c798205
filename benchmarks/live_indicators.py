"""Cost of a day on many live indicators, and of deduplicating and scoring more and more rows: seconds and peak memory.

Parsing and canonical form are measured elsewhere; the rows here are made by a generator and are not real.

    python benchmarks/live_indicators.py               a day of 100 k new rows on 10 M live indicators
    python benchmarks/live_indicators.py --growth      2.5, 5, 10 and 20 M rows from nothing
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from intelsec_assets.days import day_end, previous_day
from intelsec_assets.engine import session, sql_text
from intelsec_assets.feeds.catalogue import ExportPolicy
from intelsec_assets.indicators import scoring, state
from intelsec_assets.indicators.identity import indicator_id_sql
from intelsec_assets.indicators.models import load_model
from intelsec_assets.tables import INDICATOR_SCORES, INDICATORS, OBSERVATIONS, WARNINGLIST_HITS, Table

DAY = date(2026, 8, 22)
MEMORY = "2500MB"  # DuckDB's own limit; Python, Arrow and the allocator come on top of it
THREADS = 2
SECONDS_BAR, GIGABYTES_BAR = 30.0, 4.0
GROWTH = (2_500_000, 5_000_000, 10_000_000, 20_000_000)

# rows of an indicator in the real feeds: 2.16 M rows hold 363 k distinct values
ROWS_AN_INDICATOR = 6

# one indicator in so many is listed by several feeds: 17 unrelated address feeds share 15.9 % of a day's rows
SHARED = 5

_TRUST = {
    f"feed-{letter}": grade for letter, grade in zip("abcde", (("A", 1.0), ("B", 0.75), *[("C", 0.5)] * 3), strict=True)
}
_SOURCE_SETS = (["a"], ["b"], ["c"], ["d"], ["e"], ["a", "b"], ["b", "d", "e"])  # none within another: no copies


def _columns(table: Table) -> str:
    return ", ".join(f'"{column.name}"::{column.type} as "{column.name}"' for column in table.columns)


def _values(numbers: str) -> str:
    """(i, h, indicator_type, host, value) of numbers `i`: half addresses, the rest names, URLs and hashes."""
    return f"""
        select i, h, indicator_type, host,
            case indicator_type
                when 'ipv4' then
                    concat_ws('.', 1 + i % 223, (i // 223) % 256, (i // 57088) % 256, (i // 14614528) % 256)
                when 'domain' then host
                when 'url' then 'http://' || host || '/a/' || (h % 1000000) || '.php'
                else sha256(i::varchar)
            end as value
        from (
            select i, hash(i) as h,
                ['ipv4', 'ipv4', 'ipv4', 'ipv4', 'ipv4', 'domain', 'domain', 'url', 'url', 'sha256'][1 + i % 10]
                    as indicator_type,
                'x' || i || '.d' || (hash(i) % 3000000) || '.example' as host
            from ({numbers})
        )
    """


def make_state(con: duckdb.DuckDBPyConnection, live: int, target: Path) -> None:
    """A state of `live` indicators as of the day before, as the lake would hold it."""
    registered = "split_part(host, '.', 2) || '.example'"
    registered_id = indicator_id_sql("'domain'", registered)
    sets = str([[f"feed-{letter}" for letter in letters] for letters in _SOURCE_SETS])
    con.execute(
        f"""
        copy (
            select {_columns(INDICATORS)} from (
                select
                    {indicator_id_sql("indicator_type", "value")} as indicator_id,
                    indicator_type,
                    value,
                    timestamptz '2026-06-01 00:00:00+00' + to_seconds((h % 5000000)::bigint) as first_seen,
                    timestamptz '2026-08-01 00:00:00+00' + to_seconds((h % 1800000)::bigint) as last_seen,
                    date '2026-06-01' + (h % 58)::int as first_listed,
                    date '2026-08-01' + (h % 21)::int as last_listed,
                    3 * len(sources) as observations,
                    sources,
                    len(sources) as independent_sources,
                    list_transform(sources, lambda feed: struct_pack(
                        feed := feed,
                        first_listed := date '2026-06-01' + (h % 58)::int,
                        last_listed := date '2026-08-01' + (h % 21)::int,
                        last_seen := timestamptz '2026-08-01 00:00:00+00' + to_seconds((h % 1800000)::bigint),
                        observations := 3
                    )) as source_records,
                    case when h % 7 = 0 then ['campaign-' || (h % 50)] else [] end as campaigns,
                    case when h % 3 = 0 then ['family-' || (h % 300)] else [] end as families,
                    ['c2'] as threat_types,
                    case when h % 2 = 0 then ['tag-' || (h % 90), 'tag-z' || (h % 100)] else [] end as tags,
                    case when h % 4 = 0 then 0.75 end as confidence,
                    'clear' as tlp,
                    if(indicator_type in ('domain', 'url'), host, null) as host,
                    if(indicator_type in ('domain', 'url'), {registered}, null) as registered_domain,
                    case indicator_type
                        when 'url' then [{indicator_id_sql("'domain'", "host")}, {registered_id}]
                        when 'domain' then [{registered_id}]
                        else []
                    end as parent_ids
                from (
                    select *, {sets}[1 + (h % {len(_SOURCE_SETS)})::int] as sources
                    from ({_values(f"select i from range({live}) as t(i)")})
                )
            )
            order by indicator_type, value
        ) to {sql_text(target)} (format parquet, compression zstd, row_group_size 122880)
        """
    )


def make_observations(con: duckdb.DuckDBPyConnection, rows: int, numbers: str, target: Path) -> None:
    """`rows` observations of DAY over the indicators that the query `numbers` (i, n) gives; n makes rows differ."""
    con.execute(
        f"""
        copy (
            select {_columns(OBSERVATIONS)} from (
                select
                    date {sql_text(DAY.isoformat())} as day,
                    'feed-' || 'abcde'[1 + (if(h % {SHARED} = 0, hash(i, n), h) % 5)::int] as feed,
                    'feed.csv' as file,
                    row_number() over () as line,
                    'generated' as snapshot_sha256,
                    indicator_type,
                    value,
                    value as raw_value,
                    []::varchar[] as canon_rules,
                    case when h % 2 = 0 then ['tag-' || (h % 90)] else [] end as tags,
                    case when h % 7 = 0 then 'campaign-' || (h % 50) end as campaign,
                    'c2' as threat_type,
                    case when h % 3 = 0 then 'family-' || (h % 300) end as malware_family,
                    null as confidence,
                    'clear' as tlp,
                    1 as listings,
                    case when hash(i, n) % 3 > 0
                        then timestamptz '2026-08-22 00:00:00+00' + to_seconds((hash(i, n) % 80000)::bigint)
                    end as first_seen,
                    null as last_seen
                from ({_values(f"select i from ({numbers})")}) join ({numbers}) using (i)
                limit {rows}
            )
        ) to {sql_text(target)} (format parquet, compression zstd)
        """
    )


def make_hits(con: duckdb.DuckDBPyConnection, indicators: Path, target: Path) -> None:
    """One indicator in a hundred is on a list."""
    con.execute(
        f"""
        copy (
            select {_columns(WARNINGLIST_HITS)} from (
                select indicator_id, 'scanners' as list, 'penalise' as policy, value as entry
                from read_parquet({sql_text(indicators)}) where hash(value) % 100 = 0
            )
        ) to {sql_text(target)} (format parquet)
        """
    )


def merge_and_score(work: Path, previous: Path | None) -> dict[str, float]:
    """Merge the observations in `work` into the state and score it, both to Parquet: seconds, peak GB, indicators."""
    merged, scored, hits = work / "indicators.parquet", work / "indicator_scores.parquet", work / "hits.parquet"
    started = time.perf_counter()
    with session(memory=MEMORY, threads=THREADS, spill=work) as con:
        before = None if previous is None else con.read_parquet(str(previous))
        state.amend(con, con.read_parquet(str(work / "observations.parquet")), before, DAY).write(
            _columns(INDICATORS), merged
        )
    merged_at = time.perf_counter()
    with session(memory=MEMORY, threads=THREADS, spill=work) as con:
        listed = con.read_parquet(str(hits)) if hits.exists() else None
        scoring.scores(
            con, con.read_parquet(str(merged)), listed, load_model("v1"), _TRUST, ExportPolicy(), day_end(DAY)
        ).write(_columns(INDICATOR_SCORES), scored)
        scored_at = time.perf_counter()
        indicators = con.read_parquet(str(scored)).aggregate("count(*)").fetchall()[0][0]
    return {
        "merge_s": merged_at - started,
        "score_s": scored_at - merged_at,
        "cpu_s": time.process_time(),
        "peak_gb": _peak_gigabytes(),
        "indicators": indicators,
    }


def _peak_gigabytes() -> float:
    """Peak resident memory of this program alone: what getrusage says of a child counts its parent before exec, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def _in_child(work: Path, previous: Path | None) -> dict[str, float]:
    """The same in a process of its own, whose memory nothing else has touched."""
    command = [sys.executable, __file__, "--work", str(work), "--child", str(previous or "")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def _generate(work: Path, make: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    with session(memory="6GB", threads=THREADS, spill=work) as con:
        make(con)


def measure_live(work: Path, live: int, new: int) -> dict[str, float]:
    """A day of `new` rows, half of them on known indicators, on `live` live ones."""
    before = work / f"state-{previous_day(DAY)}.parquet"
    step = live // (new // 2)
    numbers = (
        f"select i * {step} as i, 0 as n from range({new // 2}) as t(i) "
        f"union all select {live} + i, 0 from range({new - new // 2}) as t(i)"
    )

    def make(con: duckdb.DuckDBPyConnection) -> None:
        if not before.exists():
            make_state(con, live, before)
        make_observations(con, new, numbers, work / "observations.parquet")
        make_hits(con, before, work / "hits.parquet")

    _generate(work, make)
    return _in_child(work, before)


def measure_growth(work: Path, rows: int) -> dict[str, float]:
    """`rows` rows over a sixth as many indicators, from no state at all."""
    numbers = (
        f"select i % {rows // ROWS_AN_INDICATOR} as i, i // {rows // ROWS_AN_INDICATOR} as n from range({rows}) as t(i)"
    )
    _generate(work, lambda con: make_observations(con, rows, numbers, work / "observations.parquet"))
    return _in_child(work, None)


def _line(name: str, found: dict[str, float]) -> str:
    seconds = found["merge_s"] + found["score_s"]
    return (
        f"{name:<44} {seconds:6.1f} s (merge {found['merge_s']:.1f}, score {found['score_s']:.1f}; "
        f"cpu {found['cpu_s']:.1f})  {found['peak_gb']:4.2f} GB  {found['indicators']:>12,.0f} indicators"
    )


def main() -> int:
    """Measure, print, and say by the exit code whether the bars hold (1 = one is missed)."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--growth", action="store_true", help="rows from nothing instead of a day on a large state")
    parser.add_argument("--rows", type=int, nargs="+", default=GROWTH, help="rows of --growth")
    parser.add_argument("--live", type=int, default=10_000_000, help="live indicators before the day")
    parser.add_argument("--new", type=int, default=100_000, help="rows of the day")
    parser.add_argument("--work", type=Path, help="folder for the generated files, kept (default: a temporary one)")
    parser.add_argument("--json", action="store_true", help="one JSON object a measurement")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child is not None:
        print(json.dumps(merge_and_score(wanted.work, Path(wanted.child) if wanted.child else None)))
        return 0
    missed = False
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-") as temporary:
        work = wanted.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if wanted.growth:
            found = {f"{rows / 1e6:g} M rows from nothing": measure_growth(work, rows) for rows in wanted.rows}
        else:
            name = f"{wanted.new:,} new rows on {wanted.live:,} live"
            found = {name: measure_live(work, wanted.live, wanted.new)}
        for name, figures in found.items():
            print(json.dumps({"name": name, **figures}) if wanted.json else _line(name, figures))
            slow = not wanted.growth and figures["merge_s"] + figures["score_s"] > SECONDS_BAR
            missed = missed or slow or figures["peak_gb"] >= GIGABYTES_BAR
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
