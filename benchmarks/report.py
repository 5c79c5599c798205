"""Results on disk: kept as JSON so that one measurement can be renewed alone, shown as RESULTS.md.

What is measured is `measurements`; the machine and the versions are read here.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measured import Measured

FOLDER = Path(__file__).parent
KEPT, SHOWN = FOLDER / "results.json", FOLDER / "RESULTS.md"
BUSY = 1.0  # of two cores taken by others before a measurement began
_PACKAGES = ("duckdb", "pyarrow", "ada-url", "dagster", "pandas", "intelmq", "w3lib", "yarl", "url-normalize", "idna")
_HEAD = (
    "Written by `make bench` (`python -m benchmarks`): every program in a process of its own, peers in the same run. "
    "`results.json` holds the same for machines."
)


def kept() -> dict[str, dict[str, Any]]:
    """The last result of every measurement by its name."""
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))) if KEPT.exists() else {}


def entry(measured: Measured, *, at: datetime, seconds: float, load: float) -> dict[str, Any]:
    """A result to keep: when and where it was measured, how long all of it took, and the load before it began."""
    return {
        **asdict(measured),
        "at": at.isoformat(timespec="minutes"),
        "machine": machine(),
        "versions": versions(),
        "took_seconds": round(seconds, 1),
        "load_before": round(load, 2),
    }


def write(results: Mapping[str, Mapping[str, Any]], order: Iterable[str]) -> None:
    """Keep the results and show them."""
    ordered = {name: results[name] for name in order if name in results}
    KEPT.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    SHOWN.write_text(rendered(ordered), encoding="utf-8")


def rendered(results: Mapping[str, Mapping[str, Any]]) -> str:
    """RESULTS.md."""
    out = [
        "# Results of the last benchmarks",
        "",
        _HEAD,
        "",
        "| measurement | what | bar | found | |",
        "|---|---|---|---|---|",
    ]
    for name, result in results.items():
        out += [
            f"| [{name}](#{anchor(result['title'])}) | {bar['what']} | {bar['bar']} | {bar['found']} | {verdict(bar)} |"
            for bar in result["bars"]
        ]
    for result in results.values():
        out += ["", *section(result)]
    return "\n".join(out) + "\n"


def section(result: Mapping[str, Any]) -> list[str]:
    """One measurement."""
    measured = f"Measured {result['at']} in {result['took_seconds']:.0f} s, load before {result['load_before']:.1f}"
    if result["load_before"] > BUSY:
        measured += " (other work was running: seconds say little, CPU seconds and ratios more)"
    return [
        f"## {result['title']}",
        "",
        result["what"],
        "",
        f"| {' | '.join(result['columns'])} |",
        "|" + "---|" * len(result["columns"]),
        *(f"| {' | '.join(row)} |" for row in result["rows"]),
        "",
        *(f"- {note}" for note in result["notes"]),
        f"- {measured}: {result['machine']}; {result['versions']}.",
    ]


def verdict(bar: Mapping[str, Any]) -> str:
    """Whether a bar was met, in a word."""
    return "met" if bar["met"] else "**missed**"


def anchor(title: str) -> str:
    """The anchor that Markdown viewers give a heading."""
    return "".join(c for c in title.lower() if c.isalnum() or c in " -_").replace(" ", "-")


def machine() -> str:
    """Processor, cores in use, memory and system."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, {platform.system()} {platform.release()}"


def versions() -> str:
    """Python and the packages that matter."""
    found = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
