"""Which partitions of the lake the warehouse has not loaded as they are now, and what reading them as SQL looks like.

Files are found and proved by the lake; here one of an older schema is brought to today's or refused by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb

from intelsec_assets.days import parse_day
from intelsec_assets.engine import sql_text
from intelsec_assets.kpis.summary import WINDOW
from intelsec_assets.kpis.warehouse.errors import WarehouseError
from intelsec_assets.tables import Table

# what targets were told: written when somebody was told, so a day may have none
OPTIONAL = frozenset({"export_writes", "export_attempts"})


class DayNotWhole(WarehouseError):
    """A day lacks a table: the warehouse is made of whole days."""


class OldSchema(WarehouseError):
    """A partition was written with columns that today's models cannot read; it must be built again."""


@dataclass(frozen=True)
class Load:
    """What a build has to read: the days with a changed partition, or all of them if it starts anew.

    `window_days` adds the days whose windows look back at one of `days`; `read` holds by table the days it has among
    `days`; `versions` the content hash of every whole day's partitions as `table@day`; `kept` the same of days that
    were loaded and that the lake no longer holds; `loaded` the days that are in the warehouse already.
    """

    days: tuple[date, ...]
    window_days: tuple[date, ...]
    past_changed: bool
    starts_anew: bool
    read: Mapping[str, tuple[date, ...]]
    versions: Mapping[str, str]
    newest: date
    kept: Mapping[str, str]
    loaded: tuple[date, ...] = ()

    @property
    def vanished(self) -> list[date]:
        """Days that the warehouse holds and the lake no longer does."""
        return sorted({_day(key) for key in self.kept})

    @property
    def is_needed(self) -> bool:
        """False when the warehouse holds every partition as it is now."""
        return bool(self.days)


def batches(load: Load, rows: Mapping[date, int], most: int) -> list[Load]:
    """The load in parts, in the order of days, so that no part has more than `most` rows unless it is a single day.

    `rows` counts a day's rows. Loading the parts in turn comes to the same tables as loading all at once.
    """
    parts: list[list[date]] = []
    size = 0
    for day in load.days:
        size += rows.get(day, 0)
        if not parts or (size > most and parts[-1]):
            parts.append([])
            size = rows.get(day, 0)
        parts[-1].append(day)
    loaded = set(load.loaded)
    found = []
    for number, part in enumerate(parts):
        loaded |= set(part)
        found.append(
            replace(
                load,
                days=tuple(part),
                window_days=tuple(
                    day for day in sorted(loaded) if any(start <= day < start + WINDOW for start in part)
                ),
                starts_anew=load.starts_anew and number == 0,
                read={table: tuple(day for day in days if day in part) for table, days in load.read.items()},
            )
        )
    return found


def plan_load(
    stamps: Mapping[str, Mapping[date, str]],
    asked: date,
    loaded: Mapping[str, str],
    *,
    starts_anew: bool = False,
    again: Collection[date] = (),
) -> Load:
    """Compare the lake (content hash by table and day) with what is loaded (by `table@day`).

    `asked` must be whole. Days after it are loaded too where they are whole: the warehouse follows the lake. `again`
    are days to load whether or not they changed. Raises DayNotWhole for a table that lacks a day up to `asked`.
    """
    whole = _whole_days(stamps, asked)
    versions = {f"{table}@{day}": days[day] for table, days in stamps.items() for day in whole if day in days}
    known = {} if starts_anew else loaded
    loaded_days = {_day(key) for key in known}
    newly = {_day(key) for key, sha256 in versions.items() if known.get(key) != sha256}
    gone = {_day(key) for key in known if key not in versions and _day(key) in whole}
    changed = tuple(sorted(newly | gone | set(again)))
    return Load(
        days=changed,
        window_days=tuple(day for day in whole if any(start <= day < start + WINDOW for start in changed)),
        past_changed=bool(changed and loaded_days and changed[0] <= max(loaded_days)),
        starts_anew=starts_anew or not loaded,
        read={table: tuple(day for day in changed if day in days) for table, days in sorted(stamps.items())},
        versions=versions,
        newest=whole[-1],
        kept={key: sha256 for key, sha256 in known.items() if _day(key) not in whole},
        loaded=tuple(sorted(loaded_days & set(whole))),
    )


def _whole_days(stamps: Mapping[str, Mapping[date, str]], asked: date) -> list[date]:
    required = {table: set(days) for table, days in stamps.items() if table not in OPTIONAL}
    whole = []
    for day in sorted(set().union(*required.values())):
        missing = sorted(table for table, days in required.items() if day not in days)
        if not missing:
            whole.append(day)
        elif day <= asked:
            raise DayNotWhole(
                f"{missing[0]} of {day} is not in the lake, and the warehouse is made of whole days. "
                f"Build it: intelsec backfill --from {day} --to {max(asked, day)}"
            )
    if asked not in whole:
        raise DayNotWhole(f"{asked} is not in the lake. Build it: intelsec run --day {asked}")
    return whole


def table_versions(versions: Mapping[str, str], tables: Iterable[str]) -> dict[str, str]:
    """One hash a table over the content of its partitions: equal hash, equal rows."""
    found = {}
    for table in tables:
        parts = sorted(f"{key}={sha256}" for key, sha256 in versions.items() if key.rpartition("@")[0] == table)
        found[table] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return found


def relation(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[Path]) -> str:
    """A query over partitions of one table: its columns and `partition_day`; no rows if there are no files.

    Raises OldSchema for a file that cannot be brought to today's columns, WarehouseError for one that cannot be read.
    """
    alike: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for file in files:
        alike.setdefault(_columns_of(con, file), []).append(file)
    day = r"cast(regexp_extract(filename, '(\d{4}-\d{2}-\d{2})\.parquet$', 1) as date) as partition_day"
    selects = [
        f"select {_select_list(table, dict(columns), group[0])}, {day} "  # noqa: S608  names of our own
        f"from read_parquet([{', '.join(sql_text(file) for file in group)}], filename = true)"
        for columns, group in alike.items()
    ]
    if not selects:
        nothing = ", ".join(f'cast(null as {column.type}) as "{column.name}"' for column in table.columns)
        selects = [f"select {nothing}, cast(null as date) as partition_day where false"]
    return f"({' union all '.join(selects)})"


def _columns_of(con: duckdb.DuckDBPyConnection, file: Path) -> tuple[tuple[str, str], ...]:
    try:
        described = con.sql(f"describe select * from read_parquet({sql_text(file)})").fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise WarehouseError(f"{file} cannot be read: {error}. {_again(file)}") from error
    return tuple((name, type_) for name, type_, *_ in described)


def _select_list(table: Table, columns: Mapping[str, str], file: Path) -> str:
    """Today's columns out of a file's. One that came later is NULL in older files where NULL is allowed."""
    parts, problems = [], []
    for column in table.columns:
        held = columns.get(column.name)
        if held is None and column.nullable:
            parts.append(f'cast(null as {column.type}) as "{column.name}"')
        elif held is None:
            problems.append(f"it has no column {column.name}")
        elif _spelled(held) != _spelled(column.type):
            problems.append(f"its column {column.name} is {held}, expected {column.type}")
        else:
            parts.append(f'"{column.name}"')
    problems += [f"it has a column {name} that nobody knows" for name in sorted(set(columns) - set(table.column_names))]
    if problems:
        raise OldSchema(
            f"{file} was written with another schema of {table.name}: {'; '.join(problems)}. {_again(file)}"
        )
    return ", ".join(parts)


def _again(file: Path) -> str:
    return f"Build it again: intelsec backfill --from {file.stem} --to {file.stem}"


def _spelled(type_: str) -> str:
    """A type in one spelling: DESCRIBE and `tables` differ in how they write the same one."""
    return type_.upper().replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ").replace('"', "")


def _day(key: str) -> date:
    return parse_day(key.rpartition("@")[2])
