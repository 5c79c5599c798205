"""Rate of the canonical form of host names and URLs, beside ada-url in a bare loop and other packages.

How rows are merged and scored is measured elsewhere; values are real where INTELSEC_REALDATA has them, else generated.

    python benchmarks/canonical_form.py [--json]
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ada_url
import pyarrow as pa

from intelsec_assets.engine import session
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.canonicalise import canonicalise

BAR = 0.7  # of ada-url in a bare loop
ROUNDS = 7  # the best one counts: other work on the machine only ever slows
ENOUGH = 50_000
QUICK = 500
_TABLE = "intelsec, a table"
_ROOT = Path(__file__).resolve().parents[1]

# peer -> module, function of it that takes a value; ada-url comes first: the others are given as a share of it
_PEERS: dict[str, list[tuple[str, str, str]]] = {
    "url": [
        ("ada-url", "ada_url", "normalize_url"),
        ("w3lib", "w3lib.url", "canonicalize_url"),
        ("yarl", "yarl", "URL"),
        ("url-normalize", "url_normalize", "url_normalize"),
    ],
    "host": [("ada-url", "ada_url", "idna_to_ascii"), ("idna", "idna", "encode")],
}


def real_values(root: Path) -> dict[str, list[str]]:
    """Distinct URLs and host names of TweetFeed, as published. Empty lists where it is not there."""
    found: dict[str, set[str]] = {"url": set(), "host": set()}
    kinds = {"url": "url", "domain": "host"}
    for path in sorted((root / "feeds" / "tweetfeed" / "daily").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) > 3 and row[2] in kinds:
                    found[kinds[row[2]]].add(row[3])
    return {kind: sorted(values) for kind, values in found.items()}


def generated_values(count: int = ENOUGH, seed: int = 1) -> dict[str, list[str]]:
    """URLs and host names with the traits of real ones: four in five canonical, most others lack only their path."""
    draw = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"

    def word(low: int, high: int) -> str:
        return "".join(draw.choices(letters, k=draw.randint(low, high)))

    def host() -> str:
        name = f"{word(3, 14)}-{word(3, 8)}.{word(4, 12)}.example"
        return name.upper() if draw.random() < 0.01 else name

    def url() -> str:
        origin = f"{draw.choice(['http', 'https'])}://{host()}"
        if draw.random() < 0.2:
            return origin
        path = "/".join(word(2, 12) for _ in range(draw.randint(1, 4)))
        return f"{origin}/{path}" + (f"?id={word(4, 20)}#x" if draw.random() < 0.01 else "")

    return {"url": [url() for _ in range(count)], "host": [host() for _ in range(count)]}


def measure(values: dict[str, list[str]], rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """One row a kind and way: kind, way, values, refused, per_second, share of ada-url's rate."""
    rows: list[dict[str, Any]] = []
    for kind, given in values.items():
        ways: dict[str, Callable[[str], Any]] = {}
        for name, module, function in _PEERS[kind]:
            try:
                ways[name] = getattr(importlib.import_module(module), function)
            except ImportError:
                continue
        ways["intelsec, one value"] = canonical
        best = dict.fromkeys([*ways, _TABLE], float("inf"))
        refused: dict[str, int] = {}
        for _ in range(rounds):  # in turns, so that other work on the machine slows all of them
            for name in best:
                seconds, refused[name] = _table(given) if name == _TABLE else _loop(ways[name], given)
                best[name] = min(best[name], seconds)
        rows += [
            {
                "kind": kind,
                "way": name,
                "values": len(given),
                "refused": refused[name],
                "per_second": round(len(given) / seconds),
                "share_of_ada_url": round(best["ada-url"] / seconds, 2),
            }
            for name, seconds in best.items()
        ]
    return rows


def _loop(way: Callable[[str], Any], values: Sequence[str]) -> tuple[float, int]:
    """Seconds of one round, and how many values the way refuses."""
    refused = 0
    start = time.perf_counter()
    for value in values:
        try:
            way(value)
        except Exception:  # noqa: BLE001 - each peer raises errors of its own
            refused += 1
    seconds = time.perf_counter() - start
    return seconds, sum(canonical(value).error is not None for value in values) if way is canonical else refused


def _table(values: Sequence[str]) -> tuple[float, int]:
    given = pa.table({"raw_value": list(values), "indicator_type": pa.nulls(len(values), pa.string())})
    with session() as con:
        start = time.perf_counter()
        forms = canonicalise(con, con.from_arrow(given)).to_arrow_table()
        return time.perf_counter() - start, len(forms) - forms["error"].null_count


def main() -> list[dict[str, Any]]:
    """Measure, print a table (or JSON), and return its rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="few values, once: tries the program, measures nothing")
    arguments, _ = parser.parse_known_args()
    values = real_values(Path(os.environ.get("INTELSEC_REALDATA") or _ROOT.parent / "shared" / "data"))
    source = "TweetFeed, 91 days" if all(values.values()) else "generated"
    values = values if all(values.values()) else generated_values()
    rows = measure({kind: given[:QUICK] for kind, given in values.items()}, 1) if arguments.quick else measure(values)
    if arguments.json:
        print(json.dumps({"source": source, "ada_url": ada_url.get_version(), "bar": BAR, "rows": rows}, indent=2))
        return rows
    print(f"canonical form; values: {source}; ada {ada_url.get_version()}; bar: {BAR:.0%} of ada-url")
    print(f"{'kind':5} {'way':20} {'values':>8} {'refused':>8} {'values/s':>11} {'of ada-url':>10}")
    for row in rows:
        print(
            f"{row['kind']:5} {row['way']:20} {row['values']:8,} {row['refused']:8,} {row['per_second']:11,}"
            f" {row['share_of_ada_url']:10.0%}"
        )
    return rows


if __name__ == "__main__":
    main()
