"""Building one partition of a lake table from an asset: skip what is current, compute, write, tell Dagster.

The shape all assets share; what a table holds is computed by the function each asset passes in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from intelsec_assets import engine, policies, progress
from intelsec_assets.days import parse_day
from intelsec_assets.resources.lake import Lake, LakeFile, Rows, fingerprint
from intelsec_assets.tables import Table

Compute = Callable[[duckdb.DuckDBPyConnection], Rows]
PREVIEW_ROWS = 20
PREVIEW_TEXT = 200  # characters of a cell: the UI shows a table, not a document


@dataclass(frozen=True)
class Built:
    """A partition and whether what lay there before was another file, or none."""

    file: LakeFile
    changed: bool


def partition_day(context: Any) -> date:
    """The day an asset or check is asked for."""
    return parse_day(context.partition_key)


def partition_days(context: Any) -> list[date]:
    """The days of a run that takes several at once, in order."""
    return sorted(parse_day(key) for key in context.partition_keys)


def builds_from_stored(context: Any) -> bool:
    """Whether this run rebuilds a day from the snapshots that were stored of it, whatever its sources say now."""
    return bool(context.run.tags.get(policies.SNAPSHOTS) == policies.STORED)


def build(
    lake: Lake,
    table: Table,
    day: date,
    compute: Compute,
    *,
    inputs: Sequence[LakeFile],
    code_version: str,
    configuration: str = "",
    asset: str | None = None,
    note: str = "",
    missed: Sequence[str] = (),
) -> Built:
    """The partition, computed only if it is not there whole and made from just these inputs.

    What computing it puts into `missed` is in its note too, and it is computed again the next time.
    """
    target = Target(table, asset or table.name, note, missed=missed)
    only = [target]
    return build_together(
        lake,
        only,
        day,
        lambda con: (compute(con),),
        inputs=inputs,
        code_version=code_version,
        configuration=configuration,
    )[0]


def keep(lake: Lake, table: Table, day: date, rows: pa.Table) -> Built:
    """The rows as the day's partition, which stays as it is if they are those it was made from."""
    return build(
        lake,
        table,
        day,
        lambda con: con.from_arrow(rows),
        inputs=[],
        code_version="1",
        configuration=rows_hash(rows),
    )


def rows_hash(rows: pa.Table) -> str:
    """Hash over all rows in their order: a store has no version of a day, so this says whether one has changed."""
    digest = hashlib.sha256()
    for batch in rows.to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


@dataclass(frozen=True)
class Target:
    """A table to write: under which asset name, and what its stamp notes beside its rows.

    `note` is part of the fingerprint. `remarks` is not: the same rows may be explained in other words another time.
    `missed` is what computing it could not do: it is computed again the next time.
    """

    table: Table
    asset: str
    note: str = ""
    remarks: Sequence[str] = ()
    missed: Sequence[str] = ()


def made_from(target: Target, *, inputs: Sequence[LakeFile], code_version: str, configuration: str = "") -> str:
    """Fingerprint of all that decides a partition's rows; `Lake.current` tells whether the one there is made of it."""
    return fingerprint(target.table, code_version, configuration + target.note, inputs)


def build_together(
    lake: Lake,
    targets: Sequence[Target],
    day: date,
    compute: Callable[[duckdb.DuckDBPyConnection], Sequence[Rows]],
    *,
    inputs: Sequence[LakeFile],
    code_version: str,
    configuration: str = "",
) -> list[Built]:
    """Partitions that one computation yields, in the order of `targets`; computed only if one is not current."""
    prints = [made_from(t, inputs=inputs, code_version=code_version, configuration=configuration) for t in targets]
    found = [lake.current(t.asset, day, p) for t, p in zip(targets, prints, strict=True)]
    names = " + ".join(t.asset for t in targets)
    if all(file is not None for file in found):
        progress.report(names, str(day), "unchanged")
        return [Built(file, changed=False) for file in found if file is not None]
    progress.report(names, str(day))
    hashes = {file.key: file.sha256 for file in inputs}
    built = []
    with engine.quick_session() as con:
        for target, print_, rows in zip(targets, prints, compute(con), strict=True):
            before = lake.held_sha256(target.asset, day)
            note = "\n".join(part for part in (target.note, *target.remarks, *target.missed) if part)
            made = "" if target.missed else print_  # equal to none: what was missed is tried again
            file = lake.write(con, target.table, target.asset, day, rows, fingerprint=made, inputs=hashes, note=note)
            built.append(Built(file, changed=file.sha256 != before))
    progress.report(names, str(day), ", ".join(f"{b.file.rows:,} rows" for b in built))
    return built


def materialized(
    table: Table,
    built: Built,
    *,
    asset_key: dg.AssetKey | None = None,
    check_results: Sequence[dg.AssetCheckResult] = (),
    **extra: Any,
) -> dg.MaterializeResult[Any]:
    """What the UI shows of a partition: row counts, preview, file, and the content hash as data version."""
    return dg.MaterializeResult(
        asset_key=asset_key,
        metadata={**_described(table, built), **extra},
        check_results=check_results or None,
        data_version=dg.DataVersion(built.file.sha256),
    )


def materialized_days(
    context: Any, table: Table, built: Sequence[Built], *, asset_key: dg.AssetKey
) -> dg.MaterializeResult[Any]:
    """The same of several partitions made in one run: each has its own metadata, their data version is one over all."""
    if len(built) == 1:
        return materialized(table, built[0], asset_key=asset_key)
    for one in built:
        context.add_asset_metadata(_described(table, one), asset_key=asset_key, partition_key=str(one.file.day))
    hashes = "".join(one.file.sha256 for one in built)
    return dg.MaterializeResult(
        asset_key=asset_key, data_version=dg.DataVersion(hashlib.sha256(hashes.encode()).hexdigest())
    )


def _described(table: Table, built: Built) -> dict[str, Any]:
    file = built.file
    return {
        "dagster/row_count": file.rows,
        "dagster/partition_row_count": file.rows,
        "dagster/table_name": table.name,
        "dagster/uri": file.path.as_uri(),
        "preview": preview(file),
        "bytes": file.size,
        "changed": built.changed,
        **({"note": file.note} if file.note else {}),
    }


def with_columns(spec: dg.AssetSpec, table: Table) -> dg.AssetSpec:
    """An asset with the columns of its table and their descriptions, as the UI shows them.

    They stand in the definition, where they are seen before there are rows: told of each partition again they were a
    twentieth of a run's time.
    """
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                c.type,
                description=c.description,
                constraints=dg.TableColumnConstraints(nullable=c.nullable),
            )
            for c in table.columns
        ]
    )
    return spec.merge_attributes(metadata={"dagster/column_schema": schema})


def preview(file: LakeFile) -> dg.MetadataValue[Any]:
    """First rows as a table."""
    with pq.ParquetFile(file.path) as parquet:
        rows = next(parquet.iter_batches(batch_size=PREVIEW_ROWS), None)
        names = parquet.schema_arrow.names
    return preview_of(names, rows.to_pylist() if rows else [])


def preview_of(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dg.MetadataValue[Any]:
    """Rows as a table of short cells."""
    records = [dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in names]))


def listing(records: Sequence[Mapping[str, str | int]], columns: Mapping[str, str]) -> dict[str, Any]:
    """Schema and preview of an asset that is no lake table; `columns` says what each column of the records means."""
    shown = [dg.TableRecord(dict(record)) for record in records[:PREVIEW_ROWS]]
    described = [dg.TableColumn(name, description=meaning) for name, meaning in columns.items()]
    schema = dg.TableSchema(columns=described)
    return {"dagster/column_schema": schema, "preview": dg.MetadataValue.table(shown, schema=schema)}


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)[:PREVIEW_TEXT]
    return str(value)[:PREVIEW_TEXT]
