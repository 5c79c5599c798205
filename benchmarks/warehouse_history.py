"""Set-up of the warehouse's measurements: a generated lake, day by day, and the warehouse loaded from it.

    python -m benchmarks.warehouse_history FOLDER [--observations N] [--minutes M]

What is kept in FOLDER can be measured again: `BENCH_WAREHOUSE=FOLDER python -m benchmarks warehouse_increment`. The
rows are made by a generator and are not real; nothing is measured here.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from unittest import mock

import duckdb

from intelsec_assets import engine
from intelsec_assets.resources import warehouse as warehouse_module
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.warehouse import Warehouse
from intelsec_assets.tables import TABLES

FIRST_DAY = date(2026, 2, 25)  # so that the days that the guide names lie in it
DAYS = 90  # of history
OBSERVATIONS = 20_000_000  # of history
EXPORT_THRESHOLD = 0.6  # as in the catalogue

_OBSERVATIONS_AN_INDICATOR = 1.5  # of a live one on a day
_DAYS_LIVE = 70
# rows of observations and indicators in one go of dbt while history is loaded: more than the machine takes, for speed
_MOST_ROWS = 6_000_000
_PART_DAYS = 15

# so that the queries of the guide find something: its values, each by the number of its type
_NAMED = (
    (0, "lantern-gate.example"),
    (0, "parcel-desk.example"),
    (2, "203.0.113.150"),
    (2, "198.18.200.10"),
    (2, "203.0.113.113"),
    (4, "d41d8cd98f00b204e9800998ecf8427e"),
)
_NAMED_FEEDS = ("foundry-c2", "harbour-phish", "quay-hosts")


@dataclass(frozen=True)
class Size:
    """How much history there is: `live` indicators on any day, of which `new` entered on it and as many go."""

    days: int
    live: int
    new: int

    @classmethod
    def of(cls, observations: int, days: int = DAYS) -> Size:
        """The size at which `days` of history hold that many observations."""
        live = int(observations / days / _OBSERVATIONS_AN_INDICATOR)
        return cls(days, live, max(live // _DAYS_LIVE, 1))

    def at(self, number: int) -> tuple[int, int]:
        """Indicators that live on a day: from, to (exclusive)."""
        return number * self.new, self.live + number * self.new


def day_of(number: int) -> date:
    """Days are numbered from 0."""
    return FIRST_DAY + timedelta(days=number)


@dataclass(frozen=True)
class History:
    """A home with a generated lake and its warehouse; the folder remembers its size."""

    home: Path
    size: Size

    @classmethod
    def at(cls, folder: Path, size: Size) -> History:
        """What lies in the folder, whatever size is asked for; else an empty one of that size."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "size.json"
        if not file.exists():
            file.write_text(json.dumps(asdict(size)))
        return cls(folder, Size(**json.loads(file.read_text())))

    @property
    def lake(self) -> Lake:
        """The generated lake."""
        return Lake(self.home / "lake")

    def load(self, *, until: float = float("inf")) -> None:
        """Bring lake and warehouse up to all days of history, or as far as it goes until that instant."""
        warehouse = Warehouse.of(self.home, self.lake)
        while (there := len(self.lake.days("feed_status"))) < self.size.days and time.time() < until:
            numbers = range(there, min(there + _PART_DAYS, self.size.days))
            for number in numbers:
                self.generate(number)
            with mock.patch.object(warehouse_module, "MOST_ROWS", _MOST_ROWS):
                built = warehouse.build([day_of(number) for number in numbers], export_threshold=EXPORT_THRESHOLD)
            if built is not None and built.failed:
                raise RuntimeError(f"the generated history does not hold: {'; '.join(built.failed[:5])}")

    def generate(self, number: int) -> date:
        """Write a day into the lake, `feed_status` last: a day that has it is whole."""
        day = day_of(number)
        with engine.session(memory="2GB") as con:
            con.execute("set preserve_insertion_order = false")
            _live(con, self.size, number)
            for table, sql in _rows(self.size, number):
                self.lake.write(con, TABLES[table], table, day, con.sql(sql), fingerprint="generated", inputs={})
        return day


def _live(con: duckdb.DuckDBPyConnection, size: Size, number: int) -> None:
    """Temporary table `live`: indicators of the day and of the day before, what they are and who lists them."""
    _, newest = size.at(size.days)
    first, last = size.at(number)
    start = newest - size.live + 5
    named = ", ".join(
        f"({start + (kind - start) % 5 + 5 * place}, '{value}')" for place, (kind, value) in enumerate(_NAMED)
    )
    feeds = ", ".join(f"'{name}'" for name in _NAMED_FEEDS)
    con.execute(
        f"""
        create temp table live as
        select
            *,
            {_named_feed("n % 20", feeds)} as feed_a,
            'feed-' || (20 + (n // 10) % 10) as feed_b,
            'feed-' || (30 + (n // 100) % 10) as feed_c,
            n % 10 < 7 or is_named or first_listed = date '{day_of(number)}' as in_a,
            n % 10 < 6 as in_b,
            n % 10 < 2 as in_c,
            n % 3 = 0 and not blocked and not protected as exported,
            case when indicator_type in ('domain', 'url') then
                case when indicator_type = 'domain' then value
                    else 'host-' || n || '.name-' || (n % 9000) || '.example' end
            end as host,
            -- the same all its life, but for what age takes
            case when n % 3 = 0 then 0.66 + 0.3 * part else 0.1 + 0.45 * part end
                - 0.0006 * (date '{day_of(number)}' - first_listed) as score
        from (
            select
                n,
                cast(md5(cast(n as varchar)) as uuid) as indicator_id,
                ['domain', 'url', 'ipv4', 'sha256', 'md5'][1 + n % 5] as indicator_type,
                coalesce(named.value, [
                    'host-' || n || '.name-' || (n % 9000) || '.example',
                    'https://host-' || n || '.name-' || (n % 9000) || '.example/path/' || left(md5('p' || n), 12),
                    (1 + n % 200) || '.' || ((n // 200) % 256) || '.' || ((n // 51200) % 256) || '.' || (n % 251),
                    md5('a' || n) || md5('b' || n),
                    md5('c' || n)
                ][1 + n % 5]) as value,
                date '{FIRST_DAY}' + cast(greatest(n - {size.live} + {size.new}, 0) // {size.new} as integer)
                    as first_listed,
                n < {first} as is_gone,
                named.value is not null as is_named,
                n % 997 = 0 as blocked,
                n % 9973 = 1 as protected,
                (hash(n) % 1000) / 1000.0 as part
            from range({max(first - size.new, 0)}, {last}) as numbers(n)
            left join (values {named}) as named(n, value) using (n)
        )
        """
    )


def _named_feed(number: str, feeds: str) -> str:
    return f"case when {number} < {len(_NAMED_FEEDS)} then [{feeds}][1 + {number}] else 'feed-' || ({number}) end"


_LISTED = """
    select unnest(list_filter([if(in_a, feed_a, null), if(in_b, feed_b, null), if(in_c, feed_c, null)],
        lambda feed: feed is not null)) as feed, *
    from live where not is_gone
"""


def _rows(size: Size, number: int) -> Iterator[tuple[str, str]]:
    """Every table of a day as a query over `live`; they agree with one another, as those of a real day do."""
    day = day_of(number)
    rejected = min(500, size.live // 10)
    last = f"case when in_a or in_b then date '{day}' else first_listed end"
    sources = (
        "list_sort(list_filter([feed_a, if(in_b, feed_b, null), if(in_c, feed_c, null)], lambda f: f is not null))"
    )
    # a campaign in fifty indicators, a family in three
    campaign = "case when n % 50 = 0 then if((n // 50) % 700 = 0, 'lantern', 'campaign ' || ((n // 50) % 700)) end"
    family = "case when n % 3 = 1 then ['brassworm', 'tidewater', 'saltlamp', 'greywicker'][1 + (n // 3) % 4] end"
    yield (
        "observations",
        f"""
        select date '{day}' as day, feed, 'list.csv' as file, n + 1 as line, md5(feed || '{day}') as snapshot_sha256,
            indicator_type, value, value as raw_value, if(n % 4 = 0, ['lower_case'], []) as canon_rules,
            ['tag ' || (n % 90)] as tags, {campaign} as campaign,
            ['phishing', 'c2', 'malware'][1 + n % 3] as threat_type, {family} as malware_family,
            case when n % 4 = 0 then 0.75 end as confidence, 'clear' as tlp, 1 as listings,
            case when n % 3 = 0 then timestamptz '{day} 05:00:00+00' end as first_seen, null as last_seen
        from ({_LISTED})
        """,
    )
    yield (
        "indicators",
        f"""
        select indicator_id, indicator_type, value, cast(first_listed as timestamptz) as first_seen,
            cast({last} as timestamptz) as last_seen, first_listed, {last} as last_listed,
            1 + date_diff('day', first_listed, {last}) as observations, {sources} as sources,
            len({sources}) as independent_sources,
            list_transform({sources}, lambda f: struct_pack(feed := f, first_listed := first_listed,
                last_listed := {last}, last_seen := cast({last} as timestamptz), observations := 1)) as source_records,
            list_filter([{campaign}], lambda c: c is not null) as campaigns,
            list_filter([{family}], lambda f: f is not null) as families,
            [['phishing', 'c2', 'malware'][1 + n % 3]] as threat_types, ['tag ' || (n % 90)] as tags,
            case when n % 4 = 0 then 0.75 end as confidence, 'clear' as tlp, host,
            case when host is not null then regexp_extract(host, '[^.]+\\.example$') end as registered_domain,
            [] as parent_ids
        from live where not is_gone
        """,
    )
    yield (
        "indicator_scores",
        """
        select indicator_id, indicator_type, value, 'generated' as model_version, 0.75 as source_trust, 0.5 as recency,
            0.5 as hit_rate, 0.0 as cooccurrence, 'unknown' as sandbox,
            case when protected then 'protect' when blocked then 'block' end as warninglist, score,
            case when protected or blocked then 'suppress' when exported and score >= 0.6 then 'export' else 'hold' end
                as decision,
            'score is as it is; TLP clear is within green' as reason,
            struct_pack(source_trust := score * 0.5, recency := score * 0.25, hit_rate := score * 0.25,
                cooccurrence := 0.0, sandbox := 0.0, warninglist := 0.0, clamp := 0.0) as contributions
        from live where not is_gone
        """,
    )
    yield (
        "export_plan",
        f"""
        select indicator_id, indicator_type, value, 'generated/2026-01' as event,
            if(is_gone, 'withdrawn', 'active') as state,
            case when is_gone then 'withdraw' when first_listed = date '{day}' then 'add' else 'keep' end as action,
            'score is as it is' as reason, if(is_gone, date '{day}', first_listed) as changed_on,
            first_listed as first_exported, md5(value) as content_hash, 'medium' as score_band, 'b' as admiralty,
            'clear' as tlp, {campaign} as campaign, [] as families, [] as threat_types, {sources} as sources,
            cast(first_listed as timestamptz) as first_seen
        from live where exported
        """,
    )
    yield (
        "export_writes",
        f"""
        select date '{day}' as day, {number} * 10000000 + row_number() over (order by target, n) as seq, target,
            indicator_id, if(is_gone, 'withdraw', 'add') as action, 'generated/2026-01' as event,
            md5(value) as content_hash, timestamptz '{day} 23:00:00+00' as confirmed_at
        from live, (values ('files'), ('misp')) as targets(target)
        where exported and (is_gone or first_listed = date '{day}')
        """,
    )
    yield (
        "export_attempts",
        f"""
        select date '{day}' as day, {number} * 2 + row_number() over (order by target) as seq, target,
            'succeeded' as status, 0 as added, 0 as updated, 0 as withdrawn, 0 as unchanged, 0 as refused, '' as detail,
            timestamptz '{day} 23:00:00+00' as attempted_at
        from (values ('files'), ('misp')) as targets(target)
        """,
    )
    yield (
        "rejected_observations",
        f"""
        select date '{day}' as day, 'harbour-phish' as feed, 'list.csv' as file, 100000000 + i as line,
            md5('harbour-phish{day}') as snapshot_sha256, 'not a value ' || i as raw_value, 'not_a_value' as reason,
            'generated' as detail
        from range({rejected}) as t(i)
        """,
    )
    yield (
        "warninglist_hits",
        """
        select indicator_id, if(protected, 'protected', 'generated') as list,
            if(protected, 'protect', 'block') as policy, value as entry
        from live where not is_gone and (protected or blocked)
        """,
    )
    yield (
        "warninglist_terms",
        f"""
        select date '{day}' as day, list, policy, 'generated' as reason, list as title, ['domain'] as types,
            9 as entries
        from (values ('protected', 'protect'), ('generated', 'block')) as lists(list, policy)
        """,
    )
    yield (
        "feed_overlaps",
        """
        select 'feed-20' as feed, 'feed-21' as other, 10 as indicators, 1 as shared, 0.1 as containment,
            false as is_copy
        """,
    )
    feeds = f"select feed, count(*) as rows_kept from ({_LISTED}) group by feed"
    yield (
        "feed_terms",
        f"""
        select date '{day}' as day, feed, feed as title, 'generated' as publisher, 'CC0-1.0' as licence, null as url,
            'csv' as format, 'snapshot' as mode, 'B' as trust, 0.75 as trust_weight, 'clear' as tlp,
            ['domain'] as types, 1 as min_rows, null as max_rows, 0.9 as max_shrink, null as max_unchanged_days,
            0.2 as max_rejected
        from ({feeds})
        """,
    )
    yield (
        "feed_status",
        f"""
        select date '{day}' as day, feed, 'ok' as status, false as held, 'generated' as reason,
            rows_kept + rows_rejected as rows_in, rows_kept, rows_rejected, rows_kept as listings,
            rows_kept as distinct_indicators, rows_kept as baseline_rows, 0 as unchanged_days,
            md5(feed || '{day}') as snapshot_sha256
        from (select *, if(feed = 'harbour-phish', {rejected}, 0) as rows_rejected from ({feeds}))
        """,
    )


def main() -> None:
    """Make the history, or go on with it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--observations", type=int, default=OBSERVATIONS)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no further part after these")
    wanted = parser.parse_args()
    history = History.at(wanted.folder, Size.of(wanted.observations))
    history.load(until=time.time() + wanted.minutes * 60)
    print(f"{len(history.lake.days('feed_status'))} days of {history.size.live:,} live indicators")


if __name__ == "__main__":
    main()
