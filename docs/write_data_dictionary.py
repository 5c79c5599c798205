"""Writes docs/data-dictionary.md from the dbt project and the lake's tables: `python docs/write_data_dictionary.py`.

Nothing about a table is written down here but how it is laid out; a test compares the committed page with a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from intelsec_assets.kpis.warehouse.project import Model, ModelTest, Project, load_project
from intelsec_assets.tables import TABLES

PAGE = Path(__file__).with_name("data-dictionary.md")

_KINDS = {"kpi": 0, "fct": 1, "dim": 2}  # the order in which marts are listed
_TYPES = {"text": "VARCHAR", "double precision": "DOUBLE"}  # as DuckDB shows them
_MOST_ORIGINS = 4  # of a column; what is made from more is made from the row

_HEAD = """# Data dictionary

Every table of the warehouse with every column: what it means, what it is made from, which tests hold it. Written by
`docs/write_data_dictionary.py` from the dbt project in `dbt_warehouse/`; change it there. What to ask which table is in
the [analyst guide](analyst-guide.md), the words are those of [CONTEXT.md](../CONTEXT.md).

The **marts** are published and are what people read. *Machine* columns are in schema `marts` only; the views of schema
`main` leave them out. A column is NULL only where it says what that means. **Blocking** tests stop a publication, the
others warn. *From the lake*: the columns that the value is computed from, over all steps between;
- = it is fixed in the model."""


def page(project: Project) -> str:
    """The whole page."""
    models = {model.name: model for model in project.models}
    marts = sorted(project.marts, key=lambda model: (_KINDS.get(model.name.split("_")[0], 9), model.name))
    lines = [_HEAD, "", "## Marts", "", "| table | a row is | key |", "|---|---|---|"]
    lines += [
        f"| [`{mart.name}`](#{mart.name}) | {_cell(mart.doc.grain_in_words)} | {_coded(mart.doc.grain)} |"
        for mart in marts
    ]
    for mart in marts:
        lines += ["", *_mart(mart, models, [test for test in project.tests if test.model == mart.name])]
    for title, schema, says in (
        ("Intermediate", "intermediate", "Steps between staging and marts, not published."),
        ("Staging", "staging", "The lake's tables with lists and structs taken apart: views, not published."),
    ):
        lines += ["", f"## {title}", "", says]
        for model in sorted((m for m in project.models if m.schema == schema), key=lambda m: m.name):
            lines += ["", *_short(model, [test for test in project.tests if test.model == model.name])]
    lines += [
        "",
        "## The lake",
        "",
        "What staging reads: one Parquet file a table and day. Columns: `intelsec_assets/tables.py`.",
        "",
    ]
    lines += ["| table | a row is | read by |", "|---|---|---|"]
    for name in project.lake_tables:
        readers = sorted(model.name for model in project.models if name in model.lake_tables)
        lines.append(f"| `{name}` | {_cell(TABLES[name].grain)} | {_coded(readers)} |")
    lines += ["", "## Who reads it", "", "| reader | what it is | tables |", "|---|---|---|"]
    for exposure in sorted(project.exposures, key=lambda one: one.name):
        whole = set(exposure.models) == {mart.name for mart in marts}
        tables = "all marts" if whole else _coded(sorted(exposure.models))
        lines.append(f"| {exposure.name} | {_cell(exposure.description)} | {tables} |")
    return "\n".join(lines) + "\n"


def _mart(model: Model, models: Mapping[str, Model], tests: Sequence[ModelTest]) -> Iterator[str]:
    yield f"### {model.name}"
    yield ""
    yield " ".join(model.doc.description.split())
    yield ""
    portable = "; portable, the same on PostgreSQL" if "portable" in model.tags else ""
    yield f"Key: {_coded(model.doc.grain)}. Kept as {model.materialized}{portable}. Made from {_coded(model.models)}."
    yield ""
    yield "| column | type | meaning | from the lake |"
    yield "|---|---|---|---|"
    for column in model.doc.columns:
        machine = " *(machine)*" if column.machine else ""
        origins = sorted(_origins(model.name, column.name, models))
        shown = ", ".join(f"{table}.{name}" for table, name in origins[:_MOST_ORIGINS])
        more = f", … {len(origins) - _MOST_ORIGINS} more" if len(origins) > _MOST_ORIGINS else ""
        meaning = f"{_cell(column.description)}{machine}"
        yield f"| `{column.name}` | {_type(column.type)} | {meaning} | {shown or '-'}{more} |"
    yield ""
    yield from _tests(tests)


def _short(model: Model, tests: Sequence[ModelTest]) -> Iterator[str]:
    yield f"### {model.name}"
    yield ""
    yield f"{' '.join(model.doc.description.split())} Key: {_coded(model.doc.grain)}."
    yield ""
    columns = "; ".join(f"`{column.name}` {_cell(column.description)}" for column in model.doc.columns)
    yield f"Columns: {columns}."
    if tests:
        yield ""
        yield from _tests(tests)


def _tests(tests: Sequence[ModelTest]) -> Iterator[str]:
    yield "Tests:"
    yield ""
    for test in sorted(tests, key=lambda one: one.name):
        warns = "" if test.blocking else " *(warns)*"
        yield f"- `{test.name}`{warns}: {' '.join(test.description.split())}"


def _origins(model: str, column: str, models: Mapping[str, Model]) -> set[tuple[str, str]]:
    """Columns of the lake that a column is made from, over all models between."""
    found: set[tuple[str, str]] = set()
    for table, name in models[model].lineage.get(column, ()):
        found |= _origins(table, name, models) if table in models and table != model else {(table, name)}
    return found


def _coded(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _type(name: str) -> str:
    return _TYPES.get(name, name.upper())


if __name__ == "__main__":
    PAGE.write_text(page(load_project()))
