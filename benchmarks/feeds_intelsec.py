"""All recorded feeds from bytes on disk to scores, by the functions the assets call, stage by stage.

    python -m benchmarks.feeds_intelsec [--quick] [--tables FOLDER]

The peers are `feeds_pandas`, which must give the same answer, and for a part of the work `feeds_intelmq`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.children import answer, arguments, watched
from benchmarks.recorded_feeds import Recordings, Source, data_root, read, recordings
from intelsec_assets.days import day_end
from intelsec_assets.engine import session, sql_text
from intelsec_assets.feeds import formats
from intelsec_assets.feeds.formats.rows import constant
from intelsec_assets.indicators import scoring, state
from intelsec_assets.indicators.models import load_model
from intelsec_assets.indicators.observations import observe

THREADS = 2
MEMORY = "2GB"  # DuckDB's own limit; feed rows, Python and Arrow come on top of it


class Stages(dict[str, float]):
    """Seconds a stage, in the order they ran."""

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to the stage."""
        started = time.perf_counter()
        yield
        self[name] = self.get(name, 0.0) + time.perf_counter() - started


def rows_of(source: Source, root: Path) -> pa.Table:
    """Feed rows of a snapshot, with the name of the feed in front. A snapshot that cannot be used has none."""
    parsed = formats.parse(source.feed, read(source, root), source.day)
    return parsed.rows.add_column(0, "feed", constant(source.feed.name, parsed.rows.num_rows))


def score_all(con: duckdb.DuckDBPyConnection, recorded: Recordings) -> tuple[dict[str, int], Stages]:
    """Parse, canonicalise, deduplicate and score every snapshot as one day, into tables on `con`.

    They are observations, rejected, indicators and scores.

    Returns counts (snapshots, rows, kept, rejected, indicators) and the seconds of every stage.
    """
    stages = Stages()
    catalogue, day = recorded.catalogue, recorded.day
    with stages.timed("read and parse"):
        parsed = (rows_of(source, recorded.root) for source in recorded.sources)
        tables = [table for table in parsed if table.num_rows]
        rows = con.from_arrow(pa.concat_tables(tables))
    with stages.timed("canonicalise"):
        observations, rejected = observe(con, rows, catalogue.enabled_feeds, day)
    with stages.timed("observe"):
        con.execute(f"create temp table observations as {observations.sql_query()}")
        con.execute(f"create temp table rejected as {rejected.sql_query()}")
    with stages.timed("merge"):
        merged = state.merge(con, con.table("observations"), None, day)
        con.execute(f"create temp view indicators as {merged.sql_query()}")
    with stages.timed("score"):
        trust = {feed.name: (feed.trust, feed.trust_weight) for feed in catalogue.feeds}
        model = load_model(catalogue.scoring_model)
        scores = scoring.score(con, con.table("indicators"), None, model, trust, catalogue.export, day_end(day))
        con.execute(f"create temp table scores as {scores.sql_query()}")
    counts = {"snapshots": len(tables), "rows": sum(table.num_rows for table in tables)}
    for name, table in (("kept", "observations"), ("rejected", "rejected"), ("indicators", "scores")):
        counts[name] = con.table(table).aggregate("count(*)").fetchall()[0][0]
    if counts["rows"] != counts["kept"] + counts["rejected"]:
        raise ValueError(f"rows in are not rows kept and rejected: {counts}")
    return counts, stages


def write_tables(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The tables of `score_all` as Parquet files."""
    for table in ("observations", "rejected", "indicators", "scores"):
        con.execute(f"copy {table} to {sql_text(folder / f'{table}.parquet')} (format parquet)")


def main() -> None:
    """Measure once, and write the tables to files if asked to."""
    wanted = arguments(__doc__)
    recorded = recordings(data_root(), quick=wanted.quick)
    with suppress(ImportError):  # where the peer is installed, pyarrow imports it at its first conversion: 0.8 s
        import_module("pandas")
    with session(memory=MEMORY, threads=THREADS) as con:
        con.execute("set preserve_insertion_order = false")  # the lake sorts what it writes
        with watched() as cost:
            counts, stages = score_all(con, recorded)
        if wanted.tables:
            write_tables(con, wanted.tables)
    answer(**counts, **cost, rows_per_second=counts["rows"] / cost["seconds"], stages=stages)


if __name__ == "__main__":
    main()
