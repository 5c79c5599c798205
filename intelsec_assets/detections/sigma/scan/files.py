"""Any Sigma rules over any audit log files, without a project: what cannot be used is named, the rest runs.

Rules are read by `sigma.rules`, files by `audit.ad_hoc`; the scan is the one of the lake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from intelsec_assets.detections.audit.ad_hoc import EventsRead, read_events
from intelsec_assets.detections.audit.fields import CONTEXT
from intelsec_assets.detections.errors import RuleError
from intelsec_assets.detections.sigma.rules import RuleProblem, RuleSet, RulesRefused, load_any
from intelsec_assets.detections.sigma.scan.firing import DEFAULT_FLOOD, ROUTED, Prepared, prepare
from intelsec_assets.detections.sigma.scan.layouts import FACT_FIELDS, Layout
from intelsec_assets.detections.sigma.scan.scanning import ScanResult, scan_layout


@dataclass(frozen=True)
class FilesScanned:
    """What rules found in files. `refused` are rule files that could not be read as rules, with line and reason."""

    result: ScanResult
    prepared: Prepared
    events: EventsRead
    refused: tuple[RuleProblem, ...]


def scan_files(
    con: duckdb.DuckDBPyConnection,
    rules: Sequence[Path],
    events: Sequence[Path],
    *,
    flood_limit: int = DEFAULT_FLOOD,
    is_own_session: bool = False,
) -> FilesScanned:
    """Findings of the rules in files or folders on the events in files or folders.

    Context is unknown. A session of one's own (not a `quick_session`, whose engine others use) is shut to files and
    networks before a rule is asked, for the rest of its life. Raises RuleError if there is no usable rule, EventError
    for a path that is not there.
    """
    usable, refused = usable_rules(rules)
    prepared = prepare(usable)
    result, read = scan_read(con, prepared, events, flood_limit=flood_limit, is_own_session=is_own_session)
    return FilesScanned(result, prepared, read, refused)


def scan_read(
    con: duckdb.DuckDBPyConnection,
    prepared: Prepared,
    events: Sequence[Path],
    *,
    flood_limit: int = DEFAULT_FLOOD,
    is_own_session: bool = False,
) -> tuple[ScanResult, EventsRead]:
    """Findings of rules made ready on the events of files, and what was read. Raises EventError."""
    keywords = any(rule.compiled.needs_event for rule in prepared.events)
    read = read_events(con, events, columns=_fields(prepared), keywords=keywords)
    if is_own_session:
        con.execute("set enable_external_access = false")  # its own spill folder stays open to it
    layout = Layout(read.table, frozenset(read.relation.columns), is_lake=False, has_provider=True)
    return scan_layout(con, prepared, layout, flood_limit=flood_limit), read


def usable_rules(paths: Sequence[Path]) -> tuple[RuleSet, tuple[RuleProblem, ...]]:
    """The rules of files and folders, without the files that have something wrong, and what is wrong with those.

    Raises RuleError if a path is not there or nothing is left.
    """
    refused: list[RuleProblem] = []
    left = [found for path in paths for found in _rule_files(path)]
    while left:
        try:
            return load_any(left), tuple(refused)
        except RulesRefused as error:
            refused += error.problems
            bad = {problem.file for problem in error.problems}
            fewer = [path for path in left if path not in bad]
            if len(fewer) == len(left):
                raise
            left = fewer
    if refused:
        raise RulesRefused(refused)
    raise RuleError(
        f"there are no rules (*.yml, *.yaml) in {', '.join(map(str, paths))}; name files or folders of rules"
    )


def _rule_files(path: Path) -> list[Path]:
    if not path.exists():
        raise RuleError(f"{path}: there is no such file or folder of rules")
    return sorted([*path.rglob("*.yml"), *path.rglob("*.yaml")]) if path.is_dir() else [path]


def _fields(prepared: Prepared) -> list[str]:
    providers = {rule.provider for rule in prepared.events}
    names = {name for rule in prepared.events for name in rule.needs} | set(FACT_FIELDS)
    names |= {name for provider in providers for name in ROUTED[provider]}
    return sorted(name for name in names if not name.startswith(CONTEXT))
