"""`intelsec rules run`: any Sigma rules over any audit log files, no project around them.

What is found is told by `detections.sigma.scan.files`; here it is laid out for people or printed as JSON.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from intelsec_assets import engine
from intelsec_assets.commands.faces import DONE, FOUND_SOMETHING, WRONG_USE, Json, fail, harmless, people, print_json
from intelsec_assets.detections.errors import DetectionError
from intelsec_assets.detections.findings import CONTEXT_UNKNOWN
from intelsec_assets.wording import counted

if TYPE_CHECKING:
    from intelsec_assets.detections.sigma.scan.files import FilesScanned

MEMORY = "2GB"  # files are read into memory before they are scanned; more spills
SHOWN_REJECTED = 20
WIDE = 200
_ORDER = ("critical", "high", "medium", "low", "informational")


def run(
    rules: Annotated[list[Path], typer.Option("--rules", help="Sigma rules: a file or a folder; may be repeated.")],
    events: Annotated[
        list[Path],
        typer.Option("--events", help="Audit log files: a file, a folder, or - for standard input; may be repeated."),
    ],
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Matches a rule and day above which the noisiest become one finding.")
    ] = 1000,
    json: Json = False,
) -> None:
    """Run Sigma rules over CloudTrail (or GCP, Azure) files: gzip or not, Records, arrays, a line an event.

    Exit code 1 if a rule could not be used or an event not be read; the rest ran. Example: intelsec rules run --rules
    detections/sigma --events trail/
    """
    from intelsec_assets.detections.sigma.scan.files import scan_files

    with _files(events) as paths, engine.session(memory=MEMORY) as con:
        try:
            found = scan_files(con, rules, paths, flood_limit=limit, is_own_session=True)
        except DetectionError as error:
            fail(str(error), WRONG_USE)
    if json:
        print_json(_document(found))
    else:
        _show(found)
    _tell_problems(found)
    unread = found.refused or found.result.failures or found.events.rejected
    raise typer.Exit(FOUND_SOMETHING if unread else DONE)


@contextmanager
def _files(events: list[Path]) -> Iterator[list[Path]]:
    """The paths, with standard input in a file of its own."""
    with tempfile.TemporaryDirectory(prefix="intelsec-stdin-") as folder:
        paths = []
        for path in events:
            if str(path) != "-":
                paths.append(path)
                continue
            given = Path(folder) / "stdin"
            with given.open("wb") as out:
                shutil.copyfileobj(sys.stdin.buffer, out)
            paths.append(given)
        yield paths


def _rows(found: FilesScanned) -> list[dict[str, Any]]:
    """One row a rule that can fire: level, matches, first and last event, who most."""
    findings = found.result.findings.select(
        ["rule_id", "kind", "first_event_time", "last_event_time", "event_count", "entity", "group"]
    ).to_pylist()
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        by_rule.setdefault(finding["rule_id"], []).append(finding)
    rows = []
    firings = [rule.firing for rule in found.prepared.events if rule.firing is not None]
    firings += [rule.firing for rule in found.prepared.correlations]
    for firing in firings:
        own = by_rule.get(firing.rule_id, [])
        bursts = sum(finding["event_count"] if finding["kind"] == "flood" else 1 for finding in own)
        rows.append(
            {
                "rule_id": firing.rule_id,
                "title": firing.title,
                "level": firing.level,
                "matches": found.result.matches.get(firing.rule_id, bursts),
                "first": min((finding["first_event_time"] for finding in own), default=None),
                "last": max((finding["last_event_time"] for finding in own), default=None),
                "who": [name for name, _ in Counter(f["entity"] for f in own if f["entity"]).most_common(3)],
            }
        )
    return sorted(rows, key=lambda row: (_ORDER.index(row["level"]), -row["matches"], row["title"], row["rule_id"]))


def _document(found: FilesScanned) -> dict[str, Any]:
    findings = found.result.findings.to_pylist()
    for finding in findings:
        for name in ("group", "evidence"):
            finding[name] = dict(finding[name] or ())
    rows = _rows(found)
    for row in rows:
        row |= {name: row[name] and row[name].isoformat() for name in ("first", "last")}
    return {
        "events": found.events.events,
        "files": found.events.files,
        "rejected": [
            {"file": one.delivery.file, "record": one.odd.record, "reason": one.odd.reason, "detail": one.odd.detail}
            for one in found.events.rejected
        ],
        "rules": rows,
        "findings": [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in f.items()} for f in findings],
        "failures": [
            *({"rule": p.rule, "file": str(p.file), "line": p.line, "reason": p.text} for p in found.refused),
            *({"rule": f.title, "rule_id": f.rule_id, "reason": f.reason} for f in found.result.failures),
        ],
        "warnings": [{"rule": w.title, "rule_id": w.rule_id, "reason": w.reason} for w in found.result.warnings],
    }


def _show(found: FilesScanned) -> None:
    import pyarrow.compute as pc

    rows = _rows(found)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", min_width=24)
    table.add_column("level", min_width=8, no_wrap=True)
    table.add_column("matches", justify="right", min_width=7, no_wrap=True)
    table.add_column("first", no_wrap=True)
    table.add_column("last", no_wrap=True)
    table.add_column("who", min_width=8, no_wrap=True, overflow="ellipsis")
    findings = found.result.findings
    doubtful = findings.filter(pc.equal(findings["certainty"], CONTEXT_UNKNOWN))
    in_doubt = set(doubtful["rule_id"].to_pylist())
    for row in rows:
        if row["matches"]:
            first, last = (f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "" for name in ("first", "last"))
            most = f"{row['who'][0]}{', …' if len(row['who']) > 1 else ''}" if row["who"] else ""
            doubt = " [context unknown]" if row["rule_id"] in in_doubt else ""
            title, who = harmless(row["title"]) + doubt, harmless(most)
            table.add_row(*map(_plain, (title, row["level"], f"{row['matches']:,}", first, last, who)))
    # nobody's screen cuts a line that goes into a file
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    fired = sum(bool(row["matches"]) for row in rows)
    if fired and sys.stdout.isatty():
        out.print(table)
    elif fired:
        with out.capture() as captured:
            out.print(table)
        typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))
    out.print(
        f"{counted(found.events.events, 'event')} of {counted(found.events.files, 'file')}; "
        f"{fired} of {counted(len(rows), 'rule')} matched; {counted(found.result.findings.num_rows, 'finding')}\n"
        "tickets, networks and indicators are not in files: rules that need them say so, or cannot match here",
        soft_wrap=True,
    )


def _tell_problems(found: FilesScanned) -> None:
    lines = [f"[bold red]not used[/]: {_plain(harmless(str(problem)))}" for problem in found.refused]
    lines += [f"[bold red]not used[/]: {_plain(harmless(f'{f.title}: {f.reason}'))}" for f in found.result.failures]
    lines += [f"[yellow]warning[/]: {_plain(harmless(f'{w.title}: {w.reason}'))}" for w in found.result.warnings]
    lines += [
        f"[yellow]one finding for all[/]: {_plain(harmless(h.title))} matched {counted(h.matches, 'time')} on {h.day}"
        for h in found.result.held
    ]
    rejected = found.events.rejected
    for one in rejected[:SHOWN_REJECTED]:
        text = f"{one.delivery.file}, record {one.odd.record}: {one.odd.reason}: {one.odd.detail}"
        lines.append(f"[bold red]not read[/]: {_plain(harmless(text))}")
    if len(rejected) > SHOWN_REJECTED:
        lines.append(f"and {counted(len(rejected) - SHOWN_REJECTED, 'record')} more that could not be read")
    for line in lines:
        people.print(line, soft_wrap=True)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")
