"""Verdicts reach the scores of the day on which they are known, through the asset that scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg

from intelsec_assets import engine
from intelsec_assets.detections.tables import ALERT_DISPOSITIONS
from intelsec_assets.indicators.assets import indicator_scores
from intelsec_assets.resources.lake import Lake
from intelsec_assets.resources.workspace import Workspace
from intelsec_assets.settings import from_environment
from intelsec_assets.tables import INDICATOR_SCORES, INDICATORS, WARNINGLIST_HITS, Table
from tests.unit.detection_rows import disposition, relation
from tests.workspaces import data_root

DAY = date(2026, 3, 2)
JUDGED, OTHER = UUID(int=1), UUID(int=2)


def write(lake: Lake, table: Table, day: date, rows: Sequence[Mapping[str, Any]]) -> None:
    with engine.session(threads=1) as con:
        lake.write(con, table, table.name, day, relation(con, table, rows), fingerprint="f", inputs={})


def test_a_judged_alert_moves_the_hit_rate_of_its_indicator_from_that_day_on(tmp_path: Path) -> None:
    environment = {
        "INTELSEC_DATA": str(data_root(tmp_path / "data", [{"name": "some"}])),
        "INTELSEC_HOME": str(tmp_path / "home"),
    }
    workspace = Workspace.of(from_environment(environment))
    lake, next_day = workspace.lake(), DAY + timedelta(days=1)
    live = [
        {"indicator_id": one, "indicator_type": "domain", "value": f"{one.int}.test", "tlp": "green"}
        for one in (JUDGED, OTHER)
    ]
    for day in (DAY, next_day):
        write(lake, INDICATORS, day, live)
        write(lake, WARNINGLIST_HITS, day, [])
    write(lake, ALERT_DISPOSITIONS, DAY, [])
    said = disposition(1, "true_positive", indicator_ids=[str(JUDGED)])
    write(lake, ALERT_DISPOSITIONS, next_day, [{**said, "day": next_day}])

    def scored(day: date) -> dict[UUID, float]:
        assert dg.materialize([indicator_scores], partition_key=str(day), resources={"workspace": workspace}).success
        with engine.session(threads=1) as con:
            rows = (
                lake.relation(con, lake.read(INDICATOR_SCORES.name, day)).project("indicator_id, hit_rate").fetchall()
            )
        return dict(rows)

    assert scored(DAY) == {JUDGED: 0.5, OTHER: 0.5}
    assert scored(next_day) == {JUDGED: 2 / 3, OTHER: 0.5}
    write(lake, ALERT_DISPOSITIONS, DAY, [{**said, "day": DAY, "alert_id": "A2"}])  # brought in late
    assert scored(DAY) == {JUDGED: 2 / 3, OTHER: 0.5}
    assert scored(next_day) == {JUDGED: 3 / 4, OTHER: 0.5}
