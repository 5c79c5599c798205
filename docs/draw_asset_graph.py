"""Draws docs/asset_graph.svg, the README's picture, from the location's definitions: `python docs/draw_asset_graph.py`.

Nothing about an asset is written down here but how it is drawn; a test compares the committed picture with a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg

from intelsec_assets.settings import from_environment
from intelsec_jobs.definitions import build_defs

PICTURE = Path(__file__).with_name("asset_graph.svg")

WIDTH = 1880
NODE_WIDTH, NODE_HEIGHT = 236, 62
BETWEEN = 60  # between two assets of a row
GAP = 44  # what a row leaves an edge that passes it
ROW = 112  # from the top of a row to the top of the next
MARGIN = 24
FONTS = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
TIP = (
    '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 10 5 0 10z" fill="#64748b"/></marker>'
)
COLOURS = {  # group -> fill, border: light enough for dark text on either page colour of a forge
    "feeds": ("#dbeafe", "#2563eb"),
    "indicators": ("#dcfce7", "#16a34a"),
    "exports": ("#ffedd5", "#ea580c"),
    "kpis": ("#f3e8ff", "#9333ea"),
    "quality": ("#fee2e2", "#dc2626"),
    "detections": ("#fef9c3", "#ca8a04"),
    "warehouse": ("#cffafe", "#0891b2"),
}
FEEDS = "feeds/<name>"  # the snapshots of all feeds are one node
STAGING, MODELS = "stg_*", "dim_*, fct_*, kpi_*"  # so are the models of the warehouse, with what lies between them
_GROUPS = {"detection_outcomes": "detections"}
_FOLDED = {"feeds": FEEDS, "warehouse_staging": STAGING, "warehouse_intermediate": MODELS, "warehouse": MODELS}


@dataclass(frozen=True)
class Node:
    """An asset as it is drawn: name, group, what is below it in small print, and what it is made from."""

    name: str
    group: str
    small_print: str
    parents: frozenset[str]
    needs_yesterday: bool


def nodes(definitions: dg.Definitions) -> dict[str, Node]:
    """The location's assets by name, families of assets folded into one, in the order of their names."""
    graph = definitions.resolve_asset_graph()
    members: dict[str, list[dg.AssetKey]] = {}
    for key in sorted(graph.get_all_asset_keys()):
        members.setdefault(_drawn_as(graph, key), []).append(key)
    found = {}
    for name, keys in members.items():
        parents = {_drawn_as(graph, parent) for key in keys for parent in graph.get(key).parent_keys}
        checks = [graph.get_check_spec(check) for key in keys for check in graph.get(key).check_keys]
        blocking = sum(check.blocking for check in checks)
        text = _small_print(name, len(keys), blocking, len(checks) - blocking)
        group = _GROUPS.get(graph.get(keys[0]).group_name, graph.get(keys[0]).group_name.split("_")[0])
        found[name] = Node(
            name, group, text, frozenset(parents - {name}), keys == [dg.AssetKey(name)] and name in parents
        )
    return found


def _drawn_as(graph: Any, key: dg.AssetKey) -> str:
    if len(key.path) > 1:
        return FEEDS
    is_model = "dbt" in graph.get(key).kinds
    return _FOLDED[graph.get(key).group_name] if is_model else key.path[0]


def _small_print(name: str, members: int, blocking: int, others: int) -> str:
    if name == FEEDS:
        return f"an asset a feed: {members} in the sample"
    if members > 1:
        return f"{members} models, {blocking + others} checks"
    checks = [f"{blocking} blocking checks"] * bool(blocking) + [f"{others} advisory"] * bool(others)
    return ", ".join(checks) or _own_words(name)


def _own_words(name: str) -> str:
    return {
        "export_files": "refuses unless checks passed",
        "misp_export": "refuses unless checks passed",
        "export_attempts": "how each attempt ended",
        "export_writes": "what each target was told",
        "rejected_observations": "quarantine, with reasons",
        "feed_overlaps": "which feeds copy others",
        "feed_terms": "trust and contract that day",
        "warninglist_hits": "by policy a list; our own names",
        "warninglist_terms": "lists and policies that day",
        "daily_summary": "what a run prints",
        "warehouse_snapshot": "one DuckDB file for analysts",
        "warehouse_postgresql": "the same for many readers",
        "quality_report": "what is wrong, by its cost",
        "rejected_audit_records": "quarantine, with reasons",
        "principal_asns": "networks of each principal",
        "alert_events": "what became of alerts",
        "alert_dispositions": "people's verdicts",
        "feed_accuracy": "right and wrong alerts",
    }.get(name, "")


def essential(drawn: Mapping[str, Node]) -> list[tuple[str, str]]:
    """The edges that do not follow from others: (parent, child)."""

    def ancestors(name: str) -> set[str]:
        above = set(drawn[name].parents)
        return above.union(*(ancestors(parent) for parent in above)) if above else above

    return sorted(
        (parent, name)
        for name, node in drawn.items()
        for parent in node.parents
        if not any(parent in ancestors(other) for other in node.parents - {parent})
    )


@dataclass(frozen=True)
class Layout:
    """Where the assets stand (middle of the upper side), and the points each edge goes through, ends included."""

    places: Mapping[str, tuple[float, float]]
    ways: list[list[tuple[float, float]]]
    levels: int


def lay_out(drawn: Mapping[str, Node]) -> Layout:
    """Rows by rank, the longest way from the feeds; a row in the order of what stands above.

    An edge that passes rows stops at a gap in each, so that none is hidden behind an asset.
    """
    ranks = _ranks(drawn)
    level_of = dict(ranks)
    chains = []
    for parent, child in essential(drawn):
        gaps = {f"{parent} > {child} > {level}": level for level in range(ranks[parent] + 1, ranks[child])}
        level_of |= gaps
        chains.append([parent, *gaps, child])
    above: dict[str, list[str]] = {stop: [] for stop in level_of}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above[lower].append(upper)
    levels = 1 + max(ranks.values())
    places: dict[str, tuple[float, float]] = {}
    for level in range(levels):
        row = [stop for stop in level_of if level_of[stop] == level]
        row.sort(key=lambda stop: (_middle(places[upper][0] for upper in above[stop]), stop))
        widths = [NODE_WIDTH + BETWEEN if stop in drawn else GAP for stop in row]
        left = (WIDTH - sum(widths)) / 2
        for stop, width in zip(row, widths, strict=True):
            places[stop] = (left + width / 2, MARGIN + level * ROW)
            left += width
    ways = [[point for stop in chain for point in _ends(places[stop])][1:-1] for chain in chains]
    return Layout({name: places[name] for name in drawn}, ways, levels)


def _ranks(drawn: Mapping[str, Node]) -> dict[str, int]:
    ranks: dict[str, int] = {}

    def settle(name: str) -> int:
        if name not in ranks:
            ranks[name] = 1 + max((settle(parent) for parent in drawn[name].parents), default=-1)
        return ranks[name]

    for name in drawn:
        settle(name)
    return ranks


def _ends(place: tuple[float, float]) -> list[tuple[float, float]]:
    """Where edges come in above and go out below."""
    x, y = place
    return [(x, y), (x, y + NODE_HEIGHT)]


def _middle(places: Iterator[float]) -> float:
    known = list(places)
    return sum(known) / len(known) if known else WIDTH / 2


def picture(definitions: dg.Definitions) -> str:
    """The SVG."""
    drawn = nodes(definitions)
    layout = lay_out(drawn)
    height = MARGIN + (layout.levels - 1) * ROW + NODE_HEIGHT + 4 * MARGIN
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="{FONTS}">',
        "<title>Assets of intelsec and what each is made from</title>",
        f"<defs>{TIP}</defs>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        *(_edge(way) for way in layout.ways),
        *(_node(node, *layout.places[name]) for name, node in drawn.items()),
        *_legend(height - 2 * MARGIN),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _edge(way: list[tuple[float, float]]) -> str:
    """A smooth line: bent between rows, straight through the gap that a row leaves it."""
    curve = f"M{way[0][0]:.0f} {way[0][1]:.0f}"
    for (x1, y1), (x2, y2) in pairwise(way):
        bend = (y2 - y1) / 2
        curve += f"C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    return f'<path d="{curve}" fill="none" stroke="#64748b" stroke-width="1.6" marker-end="url(#tip)"/>'


def _node(node: Node, x: float, y: float) -> str:
    fill, border = COLOURS[node.group]
    left = x - NODE_WIDTH / 2
    parts = [
        f'<rect x="{left:.0f}" y="{y:.0f}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="9" fill="{fill}"'
        f' stroke="{border}" stroke-width="1.6"/>',
        f'<text x="{x:.0f}" y="{y + 27:.0f}" text-anchor="middle" font-size="17" font-weight="600" fill="#0f172a">'
        f"{escape(node.name)}</text>",
        f'<text x="{x:.0f}" y="{y + 48:.0f}" text-anchor="middle" font-size="13" fill="#334155">'
        f"{escape(node.small_print)}</text>",
    ]
    if node.needs_yesterday:
        right, middle = left + NODE_WIDTH, y + NODE_HEIGHT / 2
        loop = f"M{right:.0f} {middle - 14:.0f}c34 -12 34 40 2 28"
        parts.append(
            f'<path d="{loop}" fill="none" stroke="{border}" stroke-width="1.6" stroke-dasharray="4 3"'
            ' marker-end="url(#tip)"/>'
        )
    return "".join(parts)


def _legend(y: float) -> Iterator[str]:
    x = MARGIN
    for group, (fill, border) in COLOURS.items():
        yield f'<rect x="{x}" y="{y - 12}" width="16" height="16" rx="4" fill="{fill}" stroke="{border}"/>'
        yield f'<text x="{x + 24}" y="{y + 1}" font-size="14" fill="#334155">{group}</text>'
        x += 44 + 8 * len(group)
    note = "A dashed loop: also made from its own day before. Arrows that follow from others are left out."
    yield f'<text x="{MARGIN}" y="{y + 27}" font-size="14" fill="#334155">{note}</text>'


if __name__ == "__main__":
    PICTURE.write_text(picture(build_defs(settings=from_environment({}))))
