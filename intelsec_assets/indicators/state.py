"""The live state of all indicators as of a day: yesterday's state with today's observations merged in.

A day costs in proportion to its own rows and one pass over the live indicators. Which feeds count as one is `copies`,
what an indicator is worth is `scoring`.
"""

from __future__ import annotations

import ipaddress
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count

import duckdb
import pyarrow as pa
from publicsuffixlist import PublicSuffixList

from intelsec_assets.days import day_end, day_start
from intelsec_assets.engine import read_sql, sql_text
from intelsec_assets.feeds.catalogue import TLP_LEVELS
from intelsec_assets.indicators import copies
from intelsec_assets.indicators.identity import indicator_id_sql
from intelsec_assets.ordered import Amended
from intelsec_assets.tables import INDICATORS

# Slower than any decay that matters: OpenCTI revokes names after 188 days, 14.5 % of command-and-control addresses live
# for 180; and no longer, since every live indicator costs every day.
RETIRE_AFTER_DAYS = 180

# A feed that named it long ago does not confirm it today; one that lists daily is within it after a week's outage too.
CORROBORATION_DAYS = 30

# Shared hosts gather labels from every campaign on them. The first 64 in alphabetical order stay: the same in whatever
# order and grouping they are merged.
MOST_LABELS = 64

_PACKAGE = "intelsec_assets.indicators"
_HOSTS_AT_ONCE = 100_000

# a state may be merged on the session of the day before, whose tables its relation still reads: every merge has its own
_runs = count(1)


def merge(
    con: duckdb.DuckDBPyConnection,
    observations: duckdb.DuckDBPyRelation,
    previous: duckdb.DuckDBPyRelation | None,
    day: date,
    *,
    retire_after_days: int = RETIRE_AFTER_DAYS,
    corroboration_days: int = CORROBORATION_DAYS,
) -> duckdb.DuckDBPyRelation:
    """INDICATORS as of the end of `day`, in no order: `amend` as a plain relation."""
    return amend(
        con,
        observations,
        previous,
        day,
        retire_after_days=retire_after_days,
        corroboration_days=corroboration_days,
    ).relation()


def amend(
    con: duckdb.DuckDBPyConnection,
    observations: duckdb.DuckDBPyRelation,
    previous: duckdb.DuckDBPyRelation | None,
    day: date,
    *,
    retire_after_days: int = RETIRE_AFTER_DAYS,
    corroboration_days: int = CORROBORATION_DAYS,
) -> Amended:
    """INDICATORS as of the end of `day`: what stays of `previous` (the state of the day before) and what changed.

    - A row's sightings are the first and last sighting it claims; a row that claims none was seen all day. first_seen
      and last_seen are their least and greatest, never after the day's end: a list that still names a host which it
      says died in 2018 does not make it fresh.
    - `tlp` is the strictest marking that any feed ever claimed for it, since nobody can tell here in whose confidence a
      shared value was given; a row's own marking is never milder than its feed's. To have told too little can be
      mended, to have told too much cannot.
    - `sources` are the feeds that listed it within `corroboration_days` of the day it was last touched.
    - Not listed for more than `retire_after_days`, an indicator leaves; one that comes back starts anew.

    Independent of the order of rows and feeds. `observations` are OBSERVATIONS of `day` and no other.
    """
    run = next(_runs)
    observations.create_view(f"state_observations_{run}")
    live = _live(con, previous, day - timedelta(days=retire_after_days), run)
    con.execute(
        f"create temp table state_known_{run} as select l.* from state_live_{run} as l "  # noqa: S608 - own names
        f"semi join state_observations_{run} as o on l.indicator_type = o.indicator_type and l.value = o.value"
    )
    con.execute(
        _sql(
            "merge_touched",
            run=run,
            day=_date(day),
            day_start=_instant(day_start(day)),
            day_end=_instant(day_end(day)),
            corroborating_since=_date(day - timedelta(days=corroboration_days)),
            tlp_levels=str(list(TLP_LEVELS)),
            most_labels=MOST_LABELS,
        )
    )
    _name_hosts(con, run)
    _count_sources(con, run)
    con.execute(
        _sql(
            "merge_changes",
            run=run,
            own_id=indicator_id_sql("n.indicator_type", "n.value"),
            host_id=indicator_id_sql("n.host_type", "n.host"),
            registered_id=indicator_id_sql("'domain'", "n.registered_domain"),
        )
    )
    return Amended(con, live, con.table(f"state_changes_{run}"), INDICATORS.sort_by)


def registered_domain(host: str) -> str | None:
    """Registrable domain of a canonical host by the public suffix list. None for addresses and for suffixes themselves.

    Private suffixes count: of `shop.vercel.app` it is the whole name, so that one tenant never stands for the platform.
    """
    if host_type(host) != "domain":
        return None
    found = _public_suffixes().privatesuffix(host)
    return None if found is None else str(found)


def host_type(host: str) -> str:
    """Indicator type of a host: ipv4, ipv6 or domain."""
    if ":" not in host and not host[-1:].isdigit():
        return "domain"  # no top-level domain ends in a digit
    try:
        return f"ipv{ipaddress.ip_address(host).version}"
    except ValueError:
        return "domain"


def _live(
    con: duckdb.DuckDBPyConnection, previous: duckdb.DuckDBPyRelation | None, listed_since: date, run: int
) -> duckdb.DuckDBPyRelation | None:
    if previous is None:
        con.execute(f"create temp table state_live_{run} ({INDICATORS.ddl()})")
        return None
    live = previous.select(*INDICATORS.column_names).filter(f"last_listed >= {_date(listed_since)}")
    live.create_view(f"state_live_{run}")
    return live


def _name_hosts(con: duckdb.DuckDBPyConnection, run: int) -> None:
    """Tables of the names met for the first time: their host, and of each host its type and registrable domain."""
    con.execute(f"create temp table state_names_{run} as {_sql('merge_hosts', run=run)}")
    con.execute(f"create temp table state_hosts_{run} (host varchar, host_type varchar, registered_domain varchar)")
    names = con.table(f"state_names_{run}").filter("host is not null")
    hosts = [row[0] for row in names.select("host").distinct().fetchall()]
    for start in range(0, len(hosts), _HOSTS_AT_ONCE):
        batch = hosts[start : start + _HOSTS_AT_ONCE]
        con.from_arrow(
            pa.table(
                {
                    "host": pa.array(batch, pa.string()),
                    "host_type": pa.array(map(host_type, batch), pa.string()),
                    "registered_domain": pa.array(map(registered_domain, batch), pa.string()),
                }
            )
        ).insert_into(f"state_hosts_{run}")


def _count_sources(con: duckdb.DuckDBPyConnection, run: int) -> None:
    """Table of the merged state's source sets: independent sources of each, and whether old rows say another number."""
    con.execute(_sql("merge_source_sets", run=run))
    found = con.table(f"state_sets_{run}").select("sources, indicators").fetchall()
    source_sets = {tuple(sources): indicators for sources, indicators in found}
    pairs = copies.copy_pairs(copies.measure(source_sets))
    counts = copies.independent_counts(source_sets, pairs)
    con.execute(f"create temp table state_counts_{run} (sources varchar[], independent_sources integer)")
    con.from_arrow(
        pa.table(
            {
                "sources": pa.array([list(sources) for sources in counts], pa.list_(pa.string())),
                "independent_sources": pa.array(list(counts.values()), pa.int32()),
            }
        )
    ).insert_into(f"state_counts_{run}")
    con.execute(
        f"create temp table state_source_sets_{run} as select c.*, "  # noqa: S608 - own names
        "coalesce(s.least <> c.independent_sources or s.most <> c.independent_sources, false) as recount "
        f"from state_counts_{run} as c join state_sets_{run} as s using (sources)"
    )


@cache
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=False)


def _sql(name: str, **values: object) -> str:
    return read_sql(_PACKAGE, name).format(**values)


def _date(day: date) -> str:
    return f"date {sql_text(day.isoformat())}"


def _instant(at: datetime) -> str:
    return f"timestamptz {sql_text(at.isoformat())}"
