"""Lakes for tests of the warehouse: days of the sample in which indicators come and go, another day, broken rows.

What is built from them is in `dbt_builds`.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

from intelsec_assets import engine
from intelsec_assets.engine import sql_text
from intelsec_assets.resources.lake import Lake
from intelsec_assets.tables import TABLES
from tests.workspaces import days

DAY = timedelta(days=1)
FIRST, LAST = date(2026, 3, 8), date(2026, 3, 15)
SPAN = days(FIRST, 8)
CHANGED = date(2026, 3, 10)
# in the sample nothing retires within two weeks: here what nobody listed for three days does
QUIET_DAYS = 2
DOWN = date(2026, 3, 13)  # MISP cannot be reached


def short_lived(sample: Lake, root: Path) -> Lake:
    """Some days of the sample's lake in which indicators retire early, leave and come back."""
    lake = Lake(root)
    for table in (path.name for path in sample.root.iterdir() if path.is_dir()):
        (root / table).mkdir(parents=True)
        for day in SPAN:
            for path in (sample.root / table).glob(f"{day}.*"):
                shutil.copy(path, root / table)
    before = None
    for day in SPAN:
        listed_since = day - timedelta(days=QUIET_DAYS)
        came = "first_listed"
        if before is not None:
            lived = f"indicator_id in (select indicator_id from read_parquet({sql_text(before)}))"
            came = f"case when {lived} or first_listed = last_listed then first_listed else last_listed end"
        kept = f"from stored where last_listed >= date '{listed_since}'"
        rewrite(lake, "indicators", day, f"select * replace ({came} as first_listed) {kept}")
        before = lake.path("indicators", day)
        for table in ("indicator_scores", "warninglist_hits", "export_plan"):
            live = f"select indicator_id from read_parquet({sql_text(before)})"
            rewrite(lake, table, day, f"from stored where indicator_id in ({live})")
        _tell_targets(lake, day)
    return lake


def _tell_targets(lake: Lake, day: date) -> None:
    """Every target was told the plan of the day, but for MISP on DOWN; the sample's own days tell only the last."""
    told = "action in ('add', 'update', 'withdraw')" if day != FIRST else "state = 'active'"
    up = "('files')" if day == DOWN else "('files'), ('misp')"
    number = (day - FIRST).days * 100_000
    at = f"timestamptz '{day + DAY} 01:00:00+00' as confirmed_at"
    rewrite(
        lake,
        "export_writes",
        day,
        f"select date '{day}' as day, {number} + row_number() over (order by target, indicator_id) as seq, target, "
        "indicator_id, case when action in ('update', 'withdraw') then action else 'add' end as action, event, "
        f"content_hash, {at} from stored, (values {up}) as targets (target) where {told}",
        of="export_plan",
    )
    counts = ", ".join(f"0::bigint as {name}" for name in ("added", "updated", "withdrawn", "unchanged", "refused"))
    rewrite(
        lake,
        "export_attempts",
        day,
        f"select date '{day}' as day, {number} + row_number() over (order by target) as seq, target, "
        f"if(target = 'misp' and date '{day}' = date '{DOWN}', 'unavailable', 'succeeded') as status, "
        f"{counts}, '' as detail, timestamptz '{day + DAY} 01:00:00+00' as attempted_at "
        "from (values ('files'), ('misp')) as targets (target)",
        of="export_plan",
    )


def with_another_day(lake: Lake, day: date, root: Path) -> Lake:
    """A copy in which a day is other than it was: rows gone, scores moved, other terms, an indicator that never was."""
    shutil.copytree(lake.root, root)
    other = Lake(root)
    some = "hash(indicator_id) % 7 <> 0"
    strange = "uuid '00000000-0000-5000-8000-00000000000f'"
    named = f"{strange} as indicator_id, 'domain' as indicator_type, 'never-was.example' as value"
    rewrite(
        other,
        "indicators",
        day,
        f"select * replace (confidence + 0.01 as confidence) from stored where {some} or last_listed = date '{day}' "
        f"union all by name (select * replace ({named}, 'never-was.example' as host) from stored limit 1)",
    )
    rewrite(
        other,
        "indicator_scores",
        day,
        "select * replace (score / 2 as score, struct_update(contributions, clamp := contributions.clamp - score / 2) "
        "as contributions) from stored "
        f"where indicator_id in (select indicator_id from read_parquet({sql_text(other.path('indicators', day))})) "
        f"union all by name (select * replace ({named}) from stored order by indicator_id limit 1)",
    )
    rewrite(other, "warninglist_hits", day, "from stored limit 1")
    rewrite(
        other,
        "feed_terms",
        day,
        "select * replace ('E' as trust, 0.2 as trust_weight) from stored where feed <> 'tally-list'",
    )
    rewrite(other, "feed_status", day, "select * replace (not held as held) from stored")
    rewrite(other, "export_writes", day, "select * replace ('withdraw' as action) from stored where seq % 2 = 0")
    return other


def broken(lake: Lake, root: Path) -> Lake:
    """A copy of the last two days, the last of which breaks a rule in each of five ways."""
    shutil.copytree(lake.root, root, ignore=shutil.ignore_patterns(*(f"{day}.*" for day in SPAN[:-2])))
    other = Lake(root)
    rewrite(
        other,
        "indicator_scores",
        LAST,
        "select * replace (case when value = '203.0.113.17' then score - 0.125 else score end as score) from stored",
    )
    strayed = "case when feed = 'summit-stix' and line = 2 then date '2026-03-14' else day end as day"
    first = "line = (select min(line) from stored where feed = 'quay-hosts')"
    twice = f"select * from stored where feed = 'quay-hosts' and {first}"
    rewrite(other, "observations", LAST, f"select * replace ({strayed}) from stored union all ({twice})")
    one_more = "case when feed = 'tally-list' then rows_in + 1 else rows_in end as rows_in"
    rewrite(other, "feed_status", LAST, f"select * replace ({one_more}) from stored")
    scores = f"read_parquet({sql_text(other.path('indicator_scores', LAST))})"
    ours = f"select indicator_id from {scores} where decision = 'suppress' order by value limit 1"
    told = f"({ours}) as indicator_id, 'add' as action, 1000000 as seq"
    rewrite(
        other,
        "export_writes",
        LAST,
        f"from stored union all by name (select * replace ({told}) from stored where target = 'files' limit 1)",
    )
    return other


def rewrite(lake: Lake, table: str, day: date, select: str, *, of: str | None = None) -> None:
    """Write a partition anew, with its stamp: `select` reads it, or the one `of` another table, as `stored`."""
    with engine.session() as con:
        con.read_parquet(str(lake.path(of or table, day))).create_view("stored")
        con.execute(f"create temp table anew as {select}")  # read before the file is replaced
        lake.write(con, TABLES[table], table, day, con.table("anew"), fingerprint="test", inputs={})
