"""The summary of a day as lines for people, with what is printed below it at most 25, or as a value for machines.

Figures come from `daily_summary` and the store; none is computed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from intelsec_assets import engine
from intelsec_assets.commands.faces import one_line
from intelsec_assets.feeds.catalogue import Catalogue
from intelsec_assets.records import CheckResult, ExportRun
from intelsec_assets.resources.lake import Lake

MOST_LINES = 25  # what a small terminal shows at once, with the prompt
MOST_FEED_ROWS = 11
MOST_CHECKS = 3
_WIDE = 160  # characters of a line whose length somebody else decides

Figures = Mapping[tuple[str, str, str], float]


@dataclass(frozen=True)
class Summary:
    """A day as people ask for it."""

    day: date
    feeds: Sequence[Mapping[str, Any]]
    dedup: Mapping[str, Mapping[str, float]]
    decisions: Mapping[str, int]
    plan: Mapping[str, int]
    targets: Sequence[ExportRun]
    checks: Sequence[CheckResult]

    def to_json(self) -> dict[str, Any]:
        """For machines; keys are stable."""
        return {
            "day": str(self.day),
            "feeds": [dict(feed) for feed in self.feeds],
            "dedup": {name: dict(values) for name, values in self.dedup.items()},
            "decisions": dict(self.decisions),
            "plan": dict(self.plan),
            "targets": [
                {
                    "target": t.target,
                    "status": t.status,
                    "added": t.added,
                    "updated": t.updated,
                    "withdrawn": t.withdrawn,
                    "unchanged": t.unchanged,
                    "quarantined": t.quarantined,
                    "detail": t.detail,
                }
                for t in self.targets
            ],
            "checks": {
                "passed": sum(c.passed for c in self.checks),
                "failed": [{"asset": c.asset, "check": c.check, **c.evidence} for c in self.checks if not c.passed],
            },
        }


def read_summary(
    lake: Lake, day: date, catalogue: Catalogue, targets: Sequence[ExportRun], checks: Sequence[CheckResult]
) -> Summary:
    """The summary of a built day. Raises LakeError when the day is not there."""
    with engine.session() as con:
        rows = lake.relation(con, lake.read("daily_summary", day)).project("section, name, metric, value").fetchall()
        held = dict(lake.relation(con, lake.read("feed_status", day)).filter("held").project("feed, status").fetchall())
    figures: Figures = {(section, name, metric): value for section, name, metric, value in rows}
    dedup: dict[str, dict[str, float]] = defaultdict(dict)
    for (section, name, metric), value in figures.items():
        if section == "dedup":
            dedup[name][metric] = value
    return Summary(
        day,
        _feeds(figures, catalogue, held),
        dedup,
        {name: int(v) for (section, name, _), v in figures.items() if section == "decision"},
        {name: int(v) for (section, name, _), v in figures.items() if section == "plan"},
        targets,
        checks,
    )


def by_target(exports: Sequence[ExportRun], run_ids: Collection[str] | None = None) -> list[ExportRun]:
    """What each target got in all, from exports that come newest first; with `run_ids` in these runs only."""
    totals: dict[str, ExportRun] = {}
    for export in exports:
        if run_ids is not None and export.run_id not in run_ids:
            continue
        newest = totals.get(export.target)
        totals[export.target] = (
            export
            if newest is None
            else replace(
                newest,
                added=newest.added + export.added,
                updated=newest.updated + export.updated,
                withdrawn=newest.withdrawn + export.withdrawn,
            )
        )
    return [totals[target] for target in sorted(totals)]


def _feeds(figures: Figures, catalogue: Catalogue, held: Mapping[str, str]) -> list[dict[str, Any]]:
    feeds = []
    for feed in catalogue.enabled_feeds:
        count = {
            m: int(figures.get(("feed", feed.name, m), 0))
            for m in ("rows_in", "rows_kept", "rows_merged", "rows_rejected")
        }
        ratio = figures.get(("feed", feed.name, "dedup_ratio"), 0.0)
        feeds.append(
            {
                "feed": feed.name,
                "publisher": feed.publisher,
                **count,
                "dedup_ratio": ratio,
                "held": held.get(feed.name, ""),
            }
        )
    return feeds


def grouped(feeds: Sequence[Mapping[str, Any]], most: int = MOST_FEED_ROWS) -> list[dict[str, Any]]:
    """A row a feed, or, where that would be too many, a row a publisher, or the largest and one for all the others."""
    if len(feeds) <= most:
        return [dict(feed) for feed in feeds]
    publishers: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for feed in feeds:
        publishers[feed["publisher"]].append(feed)
    rows = [
        _together(f"{publisher.split(' (')[0][:22]}: {len(members)} feeds", members)
        if len(members) > 1
        else dict(members[0])
        for publisher, members in publishers.items()
    ]
    if len(rows) <= most:
        return rows
    by_size = sorted(rows, key=lambda row: -int(row["rows_in"]))
    shown, others = by_size[: most - 1], by_size[most - 1 :]
    return [*shown, _together(f"{len(others)} further publishers", others)]


def _together(name: str, feeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row for several; which of them are held is said by name."""
    sums = {m: sum(feed[m] for feed in feeds) for m in ("rows_in", "rows_kept", "rows_merged", "rows_rejected")}
    held = [feed["held"] if " " in feed["held"] else f"{feed['feed']} {feed['held']}" for feed in feeds if feed["held"]]
    return {"feed": name, **sums, "held": ", ".join(held)}


def render(summary: Summary, below: int = 0) -> list[str]:
    """Lines for people; `below` is how many others are printed after them."""
    others = [*_figures(summary), *_targets(summary), *_checks(summary)]
    room = MOST_LINES - below - len(others) - 1
    lines = [f"{summary.day}  {'feed':<34}{'rows in':>10}{'kept':>10}{'merged':>10}{'rejected':>10}  "]
    for row in grouped(summary.feeds, min(room, MOST_FEED_ROWS)):
        held = f"  held: {row['held']}" if row["held"] else ""
        lines.append(
            f"            {row['feed'][:33]:<34}{row['rows_in']:>10,}{row['rows_kept']:>10,}"
            f"{row['rows_merged']:>10,}{row['rows_rejected']:>10,}{held[:60]}"
        )
    return [line.rstrip() for line in [*lines, *others]]


def _figures(summary: Summary) -> list[str]:
    day, window = summary.dedup.get("day", {}), summary.dedup.get("window_7d", {})
    live = int(summary.dedup.get("live", {}).get("indicators", 0))
    plan = summary.plan
    return [
        (
            f"duplicates  {day.get('dedup_ratio', 0):.1%} of the day's {int(day.get('listings', 0)):,} listings, "
            f"{window.get('dedup_ratio', 0):.1%} of the last 7 days' {int(window.get('listings', 0)):,}"
        ),
        f"indicators  {live:,} live: "
        + ", ".join(f"{summary.decisions.get(name, 0):,} {name}" for name in ("export", "hold", "suppress")),
        "plan        "
        + ", ".join(f"{plan.get(a, 0):,} {a}" for a in ("add", "update", "withdraw", "hold", "keep"))
        + " against the day before",
    ]


def _targets(summary: Summary) -> list[str]:
    lines = []
    for t in summary.targets:
        counts = f"{t.added:,} added, {t.updated:,} updated, {t.withdrawn:,} withdrawn"
        refused = f", {t.quarantined:,} refused" if t.quarantined else ""
        detail = f"; {t.detail}" if t.detail else ""
        lines.append(f"{t.target:<12}{one_line(f'{counts}{refused}{detail}', _WIDE - 12)}")
    return lines


def _checks(summary: Summary) -> list[str]:
    failed = [check for check in summary.checks if not check.passed]
    blocking = sum(check.blocking for check in failed)
    line = f"checks      {len(summary.checks) - len(failed)} passed, {blocking} failed, {len(failed) - blocking} warned"
    failed.sort(key=lambda check: not check.blocking)
    details = [
        f"{'':<12}{one_line(f'{c.asset}.{c.check}: ' + str(c.evidence.get('found', '')), _WIDE - 12)}"
        for c in failed[:MOST_CHECKS]
    ]
    if len(failed) > MOST_CHECKS:
        line += f"; all of them: intelsec status --day {summary.day}"
    return [line, *details]
