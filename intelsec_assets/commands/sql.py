"""`intelsec sql`: one query on the published warehouse or on the lake, its answer as a table, CSV, JSON or Parquet.

The query runs in a process of its own that can do no harm (`kpis.warehouse.reading`); here are arguments and files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from intelsec_assets.commands.faces import (
    FOUND_SOMETHING,
    NOT_REACHABLE,
    WRONG_USE,
    Data,
    Json,
    day_option,
    fail,
    people,
    workspace_settings,
)
from intelsec_assets.commands.reading import SnapshotDay, say_how_old
from intelsec_assets.kpis.warehouse import placing
from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.reading import (
    MEMORY,
    SECONDS,
    LakeTables,
    LimitReached,
    NotPublished,
    QueryFailed,
    ReadingError,
    Result,
    query,
)

MOST_IN_A_TABLE = 1000  # rows; whoever wants more wants a file
_WIDEST = 100_000  # columns of a table that no terminal shows: nothing is folded


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def sql(
    text: Annotated[
        str | None,
        typer.Argument(metavar="[SQL|-]", help="The query; - reads it from standard input.", show_default=False),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the query from a file.")] = None,
    form: Annotated[
        Format | None,
        typer.Option("--format", help="Default: by the name of --output, else a table.", show_default=False),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file; Parquet needs one.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help=f"At most so many rows. Default: all; {MOST_IN_A_TABLE} in a table."),
    ] = None,
    memory: Annotated[str, typer.Option("--memory", help="Memory for the query, for example 2GB.")] = MEMORY,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that the query may work.")] = SECONDS,
    lake: Annotated[
        bool, typer.Option("--lake", help="Ask the tables of the lake, all their days, not the published warehouse.")
    ] = False,
    day: SnapshotDay = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """One query on the published warehouse: read only, no files, within limits of time and memory.

    What there is to ask: intelsec tables. With --lake it is the tables behind it, events and alerts among them, as the
    UI names them. Exit code 1 when the query hits a limit, 2 when it is wrong or does more than read, 3 when nothing is
    published.

    Example: intelsec sql "select decision, count(*) from fct_indicator_day where day = date '2026-03-15' group by all"
    """
    asked = _text(text, file)
    form = _form(form, output, json=json)
    settings = workspace_settings(data)
    folder, pinned = WarehouseFolder(settings.home), day_option(day)
    if lake and pinned is not None:
        fail("--lake and --day exclude each other: in the lake ask for `where day = date '…'`", WRONG_USE)
    tables = LakeTables(settings.lake)
    limit = limit or (MOST_IN_A_TABLE if form is Format.TABLE else None)
    try:
        with (
            _target(output, form, overwrite=overwrite) as out,
            query(
                tables if lake else folder, asked, day=pinned, memory=memory, seconds=timeout, limit_rows=limit
            ) as result,
        ):
            rows = _write(result, form, out, output)
            manifest = result.manifest
            is_cut = result.is_cut
    except QueryFailed as error:
        fail(_of_lake(tables, str(error)) if lake else _with_hint(folder, pinned, str(error), asked), WRONG_USE)
    except LimitReached as error:
        fail(f"{error}: --memory, --timeout, --limit", FOUND_SOMETHING)
    except NotPublished as error:
        fail(str(error), NOT_REACHABLE)
    except ReadingError as error:
        fail(str(error), WRONG_USE)
    except OSError as error:
        fail(f"{output}: {error.strerror}; nothing was written", WRONG_USE)
    if manifest is not None:
        say_how_old(settings, manifest.day, pinned)
    if is_cut:
        people.print(f"only the first {rows:,} rows: more with --limit, all with --output FILE", style="yellow")
    if output is not None:
        people.print(f"{output}: {rows:,} rows", markup=False, soft_wrap=True)


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        fail("give one query: as text, as - for standard input, or as --file FILE", WRONG_USE)
    if text == "-":
        return sys.stdin.read()
    if text is not None:
        return text
    assert file is not None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file} cannot be read: {error}; expected a file with one query", WRONG_USE)


def _form(form: Format | None, output: Path | None, *, json: bool) -> Format:
    if json and form not in {None, Format.JSON}:
        fail(f"--json and --format {form} exclude each other", WRONG_USE)
    if form is None and not json and output is not None:
        by_name = output.suffix.removeprefix(".").lower()
        form = Format(by_name) if by_name in {"csv", "json", "parquet"} else None
    form = form or (Format.JSON if json else Format.TABLE)
    if form is Format.PARQUET and output is None:
        fail("Parquet goes into a file: name it with --output FILE", WRONG_USE)
    return form


@contextmanager
def _target(output: Path | None, form: Format, *, overwrite: bool) -> Iterator[TextIO]:
    """Where text goes: standard output, or a file that takes the place of another only once it is whole."""
    if output is None:
        yield sys.stdout
        return
    if output.exists() and not overwrite:
        fail(f"{output} is there already; name another file, or replace it with --overwrite", WRONG_USE)
    if form is Format.PARQUET:  # writes its file itself
        yield sys.stdout
        return
    fresh = placing.unfinished(output.absolute().parent)
    try:
        with fresh.open("w", encoding="utf-8", newline="") as out:
            yield out
        fresh.replace(output)
    finally:
        fresh.unlink(missing_ok=True)


def _write(result: Result, form: Format, out: TextIO, output: Path | None) -> int:
    from intelsec_assets.kpis.warehouse import results  # its table loads late

    if form is Format.PARQUET:
        assert output is not None
        return results.write_parquet(result, output)
    writers: dict[Format, Callable[[Result, TextIO], int]] = {
        Format.CSV: results.write_csv,
        Format.JSON: results.write_json,
        Format.TABLE: write_table,
    }
    try:
        rows = writers[form](result, out)
        out.flush()
    except BrokenPipeError:
        # the reader has seen enough (`| head`): nothing is left to be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return rows


def write_table(result: Result, out: TextIO) -> int:
    """Write the answer as columns of text; folded to the terminal's width, to none elsewhere. Rows written."""
    from intelsec_assets.kpis.warehouse import results

    table = results.as_table(result)
    console = Console(file=out, highlight=False, width=None if out.isatty() else _WIDEST)
    if out.isatty():
        console.print(table)
    else:
        with console.capture() as captured:
            console.print(table)
        out.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))
    return table.row_count


def _of_lake(tables: LakeTables, message: str) -> str:
    return f"{message}\ntables of the lake: {', '.join(tables.names())}" if "does not exist" in message else message


def _with_hint(folder: WarehouseFolder, day: date | None, message: str, asked: str) -> str:
    from intelsec_assets.kpis.warehouse.dictionary import hint
    from intelsec_assets.kpis.warehouse.reading import connect

    with connect(folder, day=day) as con:
        more = hint(con, message, asked)
    return f"{message}\n{more}" if more else message
