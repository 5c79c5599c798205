"""`intelsec rules lint`: all that is wrong with a folder of rules, with line, severity and what to do.

The single checks are in `lint_items` (selections) and `lint_rules` (rules); whether samples pass is `samples_run`'s.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

from sigma.backends.duckdb import DuckDBBackend
from sigma.backends.duckdb.ruleset import compile_ruleset
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from intelsec_assets.detections.audit import fields
from intelsec_assets.detections.errors import EventError, RuleError
from intelsec_assets.detections.quality.modes import MODES_FILE, read_modes
from intelsec_assets.detections.sigma import lint_items, lint_rules
from intelsec_assets.detections.sigma.attack import AttackTables, attack_tables
from intelsec_assets.detections.sigma.lint_walk import ERROR, LintMessage, message
from intelsec_assets.detections.sigma.rules import RulesRefused, load_rules
from intelsec_assets.detections.sigma.rules_exceptions import RuleException, read_exceptions
from intelsec_assets.detections.sigma.rules_reading import RuleDocument, RuleFile, read_rule_file
from intelsec_assets.detections.sigma.samples import POSITIVE
from intelsec_assets.detections.sigma.samples_run import run_rule
from intelsec_assets.engine import session


def lint(
    folder: Path,
    *,
    root: Path,
    as_of: date,
    attack: Path | None = None,
    exceptions: Path | None = None,
    only: str | None = None,
) -> list[LintMessage]:
    """Messages about the rules of a content folder and their exceptions, by file and line.

    `root` is what runbooks are relative to; `attack` has the tables of ATT&CK (default: `detections/attack` below the
    root); `only` names one rule.
    """
    files = [
        read_rule_file(path / "rule.yml", path.name)
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if (path / "rule.yml").is_file()
    ]
    place = folder.parent / "exceptions" if exceptions is None else exceptions
    found = list(_load_messages(folder, place))
    tables = attack_tables(attack or root / "detections" / "attack")
    for file in files:
        found += file_messages(file, root, tables)
    found += _repeated_titles(files)
    exceptions_read = read_exceptions(place)[0]
    found += lint_rules.exception_messages(tuple(exceptions_read), as_of)
    found += _hidden_samples(folder, place, [one for one in exceptions_read if one.expires >= as_of])
    found += _mode_messages(
        folder.parent / MODES_FILE, {name for file in files for d in file.documents for name in d.names}
    )
    return sorted({m for m in found if only is None or m.rule == only})


def file_messages(file: RuleFile, root: Path, tables: AttackTables) -> Iterator[LintMessage]:
    """Messages about one file; what keeps it from loading is left to the loader."""
    counted = {reference for document in file.documents for reference in document.references}
    for document in file.documents:
        yield from lint_items.yaml_messages(file, document)
        if document.parsed is None:
            continue
        if not document.is_correlation:
            yield from lint_items.item_messages(file, document)
            yield from lint_rules.condition_messages(file, document)
            yield from _compiled_messages(file, document)
        yield from lint_rules.correlation_messages(file, document)
        if not counted & set(document.names):
            yield from lint_rules.head_messages(file, document, tables, root)


def _compiled_messages(file: RuleFile, document: RuleDocument) -> Iterator[LintMessage]:
    """What only the compiled rule shows: that it cannot be compiled, or that nothing routes events to it."""
    line = document.located.line(("detection",))
    try:
        collection = SigmaCollection.from_dicts([copy.deepcopy(document.values)], resolve_references=False)
        provider = lint_items.provider_of(document) or fields.AWS
        backend = DuckDBBackend(field_sql=partial(fields.field_sql, provider=provider))
        compiled = compile_ruleset(collection, backend)
    except (SigmaError, EventError) as error:
        remedy = "see the README of pysigma-backend-duckdb for what it can express"
        yield message(file, line, "cannot-compile", " ".join(str(error).split()), remedy)
        return
    for rule in compiled.rules:
        yield from lint_rules.routing_messages(file, document, rule.necessary)


def _load_messages(folder: Path, exceptions: Path) -> Iterator[LintMessage]:
    try:
        load_rules(folder, exceptions=exceptions)
    except RulesRefused as error:
        for problem in error.problems:
            remedy = "the rule is not loaded before this is corrected"
            yield LintMessage(problem.file, problem.line, "cannot-load", ERROR, problem.rule, problem.text, remedy)


def _hidden_samples(folder: Path, place: Path, exceptions: list[RuleException]) -> Iterator[LintMessage]:
    """Exceptions under which an event written as an attack no longer makes its rule fire."""
    if not exceptions:
        return
    try:
        rules = load_rules(folder, exceptions=place)
    except RulesRefused:  # said already
        return
    with session() as con:
        for exception in exceptions:
            filtered = replace(rules, exceptions=(exception,))
            for rule in rules.rules:
                names = {str(d.get(key)) for d in rule.documents for key in ("id", "name")}
                if not names & set(exception.rules):
                    continue
                samples = [sample for sample in rule.samples if sample.kind == POSITIVE]
                before, after = (run_rule(con, one, rule, samples) for one in (rules, filtered))
                for fired, now in zip(before, after, strict=True):
                    if fired.passed and not now.passed:
                        text = f"under it {rule.name} no longer fires on {now.sample}"
                        remedy = "narrow it, so that what the rule is for still shows"
                        yield LintMessage(
                            exception.path, 1, "exception-hides-sample", ERROR, exception.path.stem, text, remedy
                        )


def _mode_messages(path: Path, names: set[str]) -> Iterator[LintMessage]:
    try:
        overrides = read_modes(path)
    except RuleError as error:
        for problem in str(error).splitlines():
            yield LintMessage(
                path, 1, "modes", ERROR, path.stem, problem, "the modes are not read before it is corrected"
            )
        return
    for rule_id in sorted(set(overrides) - names):
        text = f"there is no rule {rule_id!r}, so the mode of none is changed"
        yield LintMessage(path, 1, "modes", ERROR, path.stem, text, "give the id of a rule, or remove the entry")


def _repeated_titles(files: list[RuleFile]) -> Iterator[LintMessage]:
    places = [(str(d.values.get("title")), file, d) for file in files for d in file.documents]
    often = Counter(title for title, _, _ in places)
    for title, file, document in places:
        if often[title] > 1:
            text = f"the title {title!r} is used {often[title]} times"
            yield message(file, document.located.line(("title",)), "title", text, "analysts tell alerts apart by it")
