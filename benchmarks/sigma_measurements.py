"""The measurement of many Sigma rules in one scan: beside RSigma and sqlite, and ten times as many rules.

One way in a process of its own is `sigma_scan`; measurements of other parts are in `measurements`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import sigma_rules
from benchmarks.children import run_measured
from benchmarks.measured import Bar, Measured, at_least, at_most
from benchmarks.sigma_scan import INSTALL, rsigma_binary

ROUNDS = 3  # the best one counts: other work on the machine only ever slows
EVENTS, FEW, MANY = 1_000_000, 57, 570
TIMES_RSIGMA, TIMES_RSIGMA_LAKE, TIMES_SQLITE, MORE_RULES = 3, 10, 20, 3
RSIGMA_ELSEWHERE = 82_000  # events/s with 57 rules on this kind of machine, where it is not there to be measured
_PLACES = {"lake": "Parquet", "files": "NDJSON"}
_NAMES = {
    "lake": "intelsec, from the lake's Parquet",
    "files": "intelsec, from NDJSON",
    "rsigma": "RSigma, from NDJSON",
    "sqlite": "pySigma's SQLite backend, with loading",
}


def sigma_scan(*, quick: bool) -> Measured:
    """All rules over a million events of CloudTrail, from Parquet and from NDJSON, beside its peers."""
    amount = 20_000 if quick else EVENTS
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="intelsec-bench-") as work:
        events = Path(work) / "events.ndjson"
        few, many = (sigma_rules.write(Path(work) / str(number), number) for number in (FEW, MANY))
        made = _run("make", str(amount), str(events))
        best = {way: _best(way, few, events, rounds) for way in ("lake", "files")}
        best["sqlite"] = _best("sqlite", few, events, 1)
        if rsigma_binary() is not None:
            best["rsigma"] = _best("rsigma", few, events, rounds)
        ten = {way: _best(way, many, events, rounds) for way in ("lake", "files")}
    rates = {way: amount / found["seconds"] for way, found in best.items()}
    peer = rates.get("rsigma", RSIGMA_ELSEWHERE)
    unlike = {way: _differing(best["lake"], found) for way, found in best.items() if way != "lake"}
    return Measured(
        f"Sigma rules over {amount:,} events of CloudTrail",
        f"{FEW} rules of our own making in the constructs that published ones use, over {made['bytes'] / 1e9:.2f} GB: "
        "real events repeated and made ones. From the start of reading to findings with evidence; reading the rules is "
        "told apart.",
        ["way", "events/s", "seconds", "CPU seconds", "peak memory", "reading the rules, seconds"],
        [
            [
                f"{_NAMES[way]}{rules}",
                f"{amount / found['seconds']:,.0f}",
                f"{found['seconds']:.2f}",
                f"{found['cpu_seconds']:.1f}",
                f"{found['peak_gb']:.2f} GB",
                f"{found.get('rules_seconds', 0):.2f}" if "rules_seconds" in found else "in its seconds",
            ]
            for rules, ways in ((f", {FEW} rules", best), (f", {MANY} rules", ten))
            for way, found in ways.items()
        ],
        [
            at_least("times RSigma, from NDJSON", rates["files"] / peer, TIMES_RSIGMA, ".1f"),
            at_least("times RSigma, from Parquet", rates["lake"] / peer, TIMES_RSIGMA_LAKE, ".1f"),
            *(
                at_least(f"times the SQLite backend, from {place}", rates[way] / rates["sqlite"], TIMES_SQLITE, ".1f")
                for way, place in _PLACES.items()
            ),
            *(
                at_most(
                    f"seconds with {MANY} rules over those with {FEW}, from {place}",
                    ten[way]["seconds"] / best[way]["seconds"],
                    MORE_RULES,
                    ".2f",
                )
                for way, place in _PLACES.items()
            ),
            *(
                Bar(f"{_NAMES[way]}: the same matches rule by rule", "none differs", found or "none", not found)
                for way, found in unlike.items()
            ),
        ],
        [
            f"RSigma {best['rsigma']['version']}: {rates['rsigma']:,.0f} events/s."
            if "rsigma" in best
            else f"RSigma is not there ({INSTALL}): held against {RSIGMA_ELSEWHERE:,} events/s"
        ],
    )


def _best(way: str, rules: Path, events: Path, rounds: int) -> dict[str, Any]:
    return min((_run(way, str(rules), str(events)) for _ in range(rounds)), key=lambda found: found["seconds"])


def _run(*arguments: str) -> dict[str, Any]:
    said = run_measured([sys.executable, "-m", "benchmarks.sigma_scan", *arguments]).output
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _differing(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Rules with other numbers of matches, the first few."""
    mine, other = ours["matches"], theirs["matches"]
    unlike = [rule for rule in sorted({*mine, *other}) if mine.get(rule, 0) != other.get(rule, 0)]
    return ", ".join(f"{rule[:8]} {mine.get(rule, 0):,} to {other.get(rule, 0):,}" for rule in unlike[:5])
