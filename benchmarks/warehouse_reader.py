"""A reader of the published warehouse in a loop: opens the file, asks, closes, until the file STOP appears.

    python -m benchmarks.warehouse_reader HOME STOP

Prints a JSON list [began, seconds, snapshot] a reading (seconds since the epoch), or what went wrong in place of the
snapshot.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

from intelsec_assets.kpis.warehouse.folder import WarehouseFolder
from intelsec_assets.kpis.warehouse.reading import ReadingError, connect

QUERY = """
    select (select json_extract(manifest, '$.snapshot')::int from snapshot), count(*), max(score)
    from fct_indicator_day where day = (select day from snapshot)
"""


def main() -> None:
    """Read until told to stop."""
    folder, stop = WarehouseFolder(Path(sys.argv[1])), Path(sys.argv[2])
    while not stop.exists():
        began, clock = time.time(), time.perf_counter()
        found: int | str
        try:
            with connect(folder) as con:
                ((found, rows, _),) = con.execute(QUERY).fetchall()
            if not rows:
                found = "no rows"
        except (duckdb.Error, ReadingError, OSError, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
        print(json.dumps([began, time.perf_counter() - clock, found]), flush=True)


if __name__ == "__main__":
    main()
