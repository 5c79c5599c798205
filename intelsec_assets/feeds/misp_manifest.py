"""The manifest of a MISP feed folder: which event files it names, all of them or those of a day.

What the events hold is `formats`; fetching them is `local` and `web`.
"""

from __future__ import annotations

import json
import re
from datetime import date

MANIFEST = "manifest.json"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def event_names(manifest: bytes, day: date | None) -> list[str]:
    """Names of the event files, sorted; with a day only those whose date is that day.

    Raises ValueError if it is no manifest. A key that is no UUID is refused: it would become a path.
    """
    entries = json.loads(manifest)
    if not isinstance(entries, dict):
        raise ValueError("expected an object of event uuids")  # noqa: TRY004 - one class for what is no manifest
    for uuid in entries:
        if not _UUID.fullmatch(uuid):
            raise ValueError(f"{uuid[:60]!r} is not the uuid of an event")
    wanted = [uuid for uuid, event in entries.items() if day is None or _date(event) == day.isoformat()]
    return sorted(f"{uuid}.json" for uuid in wanted)


def _date(event: object) -> object:
    return event.get("date") if isinstance(event, dict) else None
