"""Days that are scanned together: most of what a small day's scan costs is DuckDB reading the rules, once a scan.

A day's findings are the same whether it is scanned alone or with others; what a scan finds is `detections.sigma.scan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import dropwhile
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from intelsec_assets.days import ONE_DAY
from intelsec_assets.detections.tables import AUDIT_CONTEXT, CLOUD_AUDIT_EVENTS
from intelsec_assets.resources.detection_history import History
from intelsec_assets.resources.lake import Lake, LakeError, LakeFile

if TYPE_CHECKING:  # what scans takes its time to load
    from intelsec_assets.detections.sigma.scan.firing import Prepared, RuleFailure
    from intelsec_assets.detections.sigma.scan.scanning import ScanResult

MOST_EVENTS = 50_000  # of the days of one scan: with more its events, not its rules are what is dear


@dataclass(frozen=True)
class AskedDay:
    """A day to be scanned: by which rules, and the partitions of events and context they look at, from `first` on."""

    day: date
    rules: Prepared
    first: date
    inputs: Sequence[LakeFile]

    @property
    def events(self) -> int:
        """Rows of its own."""
        return sum(f.rows for f in self.inputs if f.asset == CLOUD_AUDIT_EVENTS.name and f.day == self.day)


@dataclass
class DayScans:
    """Scans of days in their order, several at once where they follow each other and have the same rules."""

    lake: Lake
    days: Sequence[AskedDay]
    _found: dict[date, pa.Table] = field(default_factory=dict)
    _alone: bool = False  # a rule or a day's file broke: of which day, and that it spoils no other, each alone tells

    def of(self, con: duckdb.DuckDBPyConnection, asked: AskedDay) -> tuple[pa.Table, tuple[RuleFailure, ...]]:
        """Findings of a day, and rules that broke on its events; the others ran."""
        if asked.day in self._found:
            return self._found.pop(asked.day), ()
        together = [] if self._alone else self._together(asked)
        if len(together) > 1:
            try:
                found, broken = self._scan(con, together)
            except (LakeError, duckdb.Error):
                self._alone = True
            else:
                self._alone = bool(broken)
                if not broken:
                    rows = found.findings
                    self._found = {one.day: rows.filter(pc.equal(rows["day"], pa.scalar(one.day))) for one in together}
                    return self._found.pop(asked.day), ()
        found, broken = self._scan(con, [asked])
        return found.findings, broken

    def _together(self, asked: AskedDay) -> list[AskedDay]:
        together, events = [asked], asked.events
        for one in dropwhile(lambda other: other.day <= asked.day, self.days):
            events += one.events
            follows = one.day == together[-1].day + ONE_DAY and one.rules is asked.rules
            if not follows or events > MOST_EVENTS:
                break
            together.append(one)
        return together

    def _scan(
        self, con: duckdb.DuckDBPyConnection, together: Sequence[AskedDay]
    ) -> tuple[ScanResult, tuple[RuleFailure, ...]]:
        from intelsec_assets.detections.sigma.scan.scanning import scan

        first, last = together[0], together[-1]
        history = History(self.lake, con, last.day)
        events, context = (history.table(table, first.first) for table in (CLOUD_AUDIT_EVENTS, AUDIT_CONTEXT))
        found = scan(con, first.rules, events, context=context, days=[one.day for one in together])
        # what could not be compiled is known before; what broke on these events may not break the next time
        return found, tuple(failure for failure in found.failures if failure not in first.rules.failures)
