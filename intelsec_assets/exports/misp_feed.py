"""The MISP feed folder: manifest, one file an event, hashes; a server that pulls it follows every change.

A server looks only at event timestamps: equal means skip, so they rise with a change, and withdrawn attributes stay in
as deleted, because one that merely vanished would live on there. Pushing to a server is `misp_push`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from intelsec_assets.exports.content import PlanRow, epoch, rows
from intelsec_assets.exports.events import PRODUCER, PRODUCER_UUID, Event, rows_of_events
from intelsec_assets.exports.misp_content import attribute, event_tag, merged_by_misp, superseded_tags, tags

_NO_COLOUR = "#ffffff"


def write_feed(plan: pa.Table, folder: Path) -> int:
    """Write the feed of a plan into an empty folder. Returns how many events it holds.

    Same plan, same bytes; an event in which nothing changed keeps its bytes and timestamp from day to day.
    """
    merged = merged_by_misp(plan)
    manifest: dict[str, Any] = {}
    with (folder / "hashes.csv").open("w", encoding="utf-8", newline="\n") as hashes:
        for event, rows_of_event in rows_of_events(plan):
            with (folder / f"{event.uuid}.json").open("w", encoding="utf-8", newline="\n") as out:
                _write_event(out, hashes, event, rows_of_event, merged)
            manifest[event.uuid] = _header(event)
    with (folder / "manifest.json").open("w", encoding="utf-8", newline="\n") as out:
        json.dump(manifest, out, sort_keys=True, ensure_ascii=False, indent=1)
        out.write("\n")
    return len(manifest)


def _header(event: Event) -> dict[str, Any]:
    """What manifest and event file say alike."""
    return {
        "Orgc": {"name": PRODUCER, "uuid": PRODUCER_UUID},
        "Tag": [{"name": event_tag(event.tlp), "colour": _NO_COLOUR}],
        "info": event.info,
        "date": event.date,
        "analysis": "2",
        "threat_level_id": "4",
        "timestamp": str(event.timestamp),
    }


def _write_event(out: TextIO, hashes: TextIO, event: Event, plan: pa.Table, merged: dict[str, str]) -> None:
    """One event file, an attribute a line: an event of 200,000 attributes is never held as a whole."""
    # A server never publishes an event that came without attributes, and refuses one that says so itself.
    head = {**_header(event), "uuid": event.uuid, "publish_timestamp": str(event.timestamp), "published": True}
    out.write('{"Event": {\n')
    out.writelines(f'"{key}": {json.dumps(head[key], ensure_ascii=False)},\n' for key in sorted(head))
    out.write('"Attribute": [')
    separator = "\n"
    for row in rows(plan):
        if row.indicator_id in merged:
            continue
        attribute_json = _attribute(row)
        out.write(separator + json.dumps(attribute_json, ensure_ascii=False))
        separator = ",\n"
        if row.is_active:
            digest = hashlib.md5(attribute_json["value"].encode(), usedforsecurity=False).hexdigest()
            hashes.write(f"{digest},{event.uuid}\n")
    out.write("\n]}}\n")


def _attribute(row: PlanRow) -> dict[str, Any]:
    tag_list: list[dict[str, Any]] = [{"name": name} for name in tags(row)]
    tag_list.extend({"name": name, "deleted": True} for name in superseded_tags(row))
    return {
        **attribute(row),
        "timestamp": str(epoch(row.changed_on)),
        "deleted": not row.is_active,
        "disable_correlation": False,
        "Tag": tag_list,
    }
