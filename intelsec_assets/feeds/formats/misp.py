"""MISP events and MISP feeds: attributes, alone and in objects, as feed rows with what event and tags say about them.

The words of MISP are translated in `misp_vocabulary`; proposals, reports and correlations are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Any

from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import claims
from intelsec_assets.feeds.formats.json_documents import duplicate_defect, excerpt, load, refuse_duplicates
from intelsec_assets.feeds.formats.misp_vocabulary import ADDRESS, ATTRIBUTE_TYPES, COMPOSITE_TYPES, named_by
from intelsec_assets.feeds.formats.rows import Claims, Parsed, RawFile, Reject, RowList, UnusableFile
from intelsec_assets.feeds.snapshot import SnapshotFile

MANIFEST = "manifest.json"
_YES = (True, 1, "1", "true", "True")
_A_DATE = re.compile(r"\b\d{4}[-/.]?\d{2}[-/.]?\d{2}\b")


def parse_events(feed: Feed, files: Sequence[RawFile], day: date) -> Parsed:
    """Rows of event files: `{"Event": …}`, a bare event, a list of either, or the `{"response": …}` of a server.

    A row an indicator; attributes with a composite type (`domain|ip`, `filename|sha1`) make a row for each part that is
    an indicator. `line` counts the rows of the file from 1 in document order: the attributes of an event, then of its
    objects.
    """
    parsed = Parsed()
    rows = RowList(feed)
    for raw in files:
        if raw.content:
            _read_events(feed, raw, rows, parsed, day)
    parsed.tables.append(rows.table())
    return parsed


def parse_feed(feed: Feed, files: Sequence[RawFile], day: date) -> Parsed:
    """Rows of a MISP feed folder: the events its manifest lists; with option `events: day` those dated that day only.

    A listed event whose file is missing or empty is a rejected row of the manifest; files it does not list are noted.
    """
    by_name = {PurePosixPath(raw.file.name).name: raw for raw in files}
    manifest = by_name.pop(MANIFEST, None)
    if manifest is None:
        names = ", ".join(sorted(by_name)[:5])
        raise UnusableFile(MANIFEST, f"no manifest among {len(files)} files ({names}); expected a MISP feed folder")
    parsed = Parsed()
    rows = RowList(feed)
    listed: set[str] = set()
    for ordinal, (uuid, entry) in enumerate(_manifest_entries(manifest, parsed), start=1):
        name = f"{uuid}.json"
        listed.add(name)
        if feed.options.get("events", "all") == "day" and entry.get("date") != day.isoformat():
            continue
        raw = by_name.get(name)
        if raw is None or not raw.content:
            what = "missing" if raw is None else "empty"
            reject = Reject(
                "missing_event", f"{name}, listed in the manifest, is {what}; expected the event {entry.get('info')!r}"
            )
            rows.reject(manifest.file, ordinal, uuid, reject)
            continue
        _read_events(feed, raw, rows, parsed, day)
    unlisted = sorted(name for name in set(by_name) - listed if name.endswith(".json"))
    if unlisted:
        parsed.notes.append(
            f"{len(unlisted)} event files are not in the manifest and were left aside: {', '.join(unlisted[:5])}"
        )
    parsed.tables.append(rows.table())
    return parsed


def _manifest_entries(manifest: RawFile, parsed: Parsed) -> list[tuple[str, Mapping[str, Any]]]:
    if not manifest.content:
        return []
    name = manifest.file.name
    document = load(manifest.content, name, "a MISP feed's manifest")
    parsed.notes.extend(document.notes)
    value = document.value
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values() if entry is not None):
        refuse_duplicates(name, value, "the manifest")
        raise UnusableFile(name, f"{excerpt(value)[:120]}; expected a manifest, an object of events by their uuid")
    refuse_duplicates(name, value, "the manifest")
    return [(uuid, entry or {}) for uuid, entry in value.items()]


def _read_events(feed: Feed, raw: RawFile, rows: RowList, parsed: Parsed, day: date) -> None:
    document = load(raw.content, raw.file.name, "a MISP event")
    parsed.notes.extend(document.notes)
    ordinal = 0
    for event in _events(raw.file.name, document.value):
        reader = _EventReader(feed, raw.file, event, claims.latest_instant(day))
        for attribute, deleted, context in _attributes(raw.file.name, event):
            for row in reader.read(attribute, context, deleted=deleted):
                ordinal += 1
                if isinstance(row.outcome, Reject):
                    rows.reject(raw.file, ordinal, row.raw_value, row.outcome, row.claims)
                else:
                    rows.add(raw.file, ordinal, row.raw_value, row.outcome, row.claims)


def _events(file: str, value: Any) -> list[dict[str, Any]]:
    """The events of a document. Raises UnusableFile when it holds something else."""
    if isinstance(value, dict) and "response" in value:
        value = value["response"]
    found = value if isinstance(value, list) else [value]
    events = [entry.get("Event", entry) if isinstance(entry, dict) else entry for entry in found]
    for event in events:
        if not isinstance(event, dict) or not {"Attribute", "Object", "info", "uuid"}.intersection(event):
            raise UnusableFile(file, f"{excerpt(event)[:120]}; expected a MISP event with Attribute, Object and info")
        refuse_duplicates(file, event, "the event")
    return events


def _attributes(file: str, event: Mapping[str, Any]) -> Iterator[tuple[Any, bool, Mapping[str, Any] | None]]:
    """(attribute, deleted, object it belongs to) in document order."""
    for attribute in _list(file, event, "Attribute"):
        yield attribute, False, None
    for container in _list(file, event, "Object"):
        if not isinstance(container, dict):
            yield container, False, None
            continue
        deleted = container.get("deleted") in _YES
        for attribute in _list(file, container, "Attribute"):
            yield attribute, deleted, container


def _list(file: str, holder: Mapping[str, Any], key: str) -> list[Any]:
    value = holder.get(key) or []
    if not isinstance(value, list):
        raise UnusableFile(file, f"{key} is {excerpt(value)[:80]}; expected a list")
    return value


@dataclass(frozen=True, slots=True)
class _Row:
    raw_value: str
    outcome: str | Reject  # indicator type, or why not
    claims: Claims


class _EventReader:
    """One event: what it says of all its attributes, and each attribute as rows."""

    def __init__(self, feed: Feed, file: SnapshotFile, event: Mapping[str, Any], latest: datetime) -> None:
        self._to_ids_only = feed.options.get("to_ids_only", True)
        self._feed = feed
        self._latest = latest
        self._tags = _tag_names(event.get("Tag"))
        self._campaign = _campaign(event)

    def read(self, attribute: Any, container: Mapping[str, Any] | None, *, deleted: bool) -> list[_Row]:
        """Rows of one attribute: one, or one for each indicator of a composite value."""
        if not isinstance(attribute, dict):
            return [
                _Row(excerpt(attribute), Reject("not_an_attribute", "expected an object with type and value"), Claims())
            ]
        value = attribute.get("value")
        raw_value = value if isinstance(value, str) else excerpt(attribute if value is None else value)
        defect = self._defect(attribute, container, deleted=deleted)
        said = Claims(tlp=self._feed.tlp)
        if defect is None:
            try:
                said = self._claims(attribute)
                return [_Row(part, kind, said) for kind, part in _parts(attribute, raw_value)]
            except claims.BadClaim as claim:
                defect = claim.reject
        return [_Row(raw_value, defect, said)]

    def _defect(
        self, attribute: Mapping[str, Any], container: Mapping[str, Any] | None, *, deleted: bool
    ) -> Reject | None:
        tags = attribute.get("Tag")
        duplicate = duplicate_defect(attribute, container, *(tags if isinstance(tags, list) else ()))
        if duplicate:
            return duplicate
        uuid = f"attribute {attribute.get('uuid')}"
        if deleted or attribute.get("deleted") in _YES:
            return Reject("deleted", f"{uuid} is deleted in its event")
        if attribute.get("value") in (None, ""):
            return Reject("no_value", f"{uuid} has no value")
        kind = attribute.get("type")
        if not isinstance(kind, str) or (kind not in ATTRIBUTE_TYPES and kind not in COMPOSITE_TYPES):
            return claims.unsupported_type(str(kind)).reject
        if self._to_ids_only and attribute.get("to_ids") not in _YES:
            return Reject(
                "not_for_detection", f"{uuid} has to_ids false; the feed takes only those meant for detection"
            )
        return None

    def _claims(self, attribute: Mapping[str, Any]) -> Claims:
        tags = [
            *_tag_names(attribute.get("Tag")),
            *self._tags,
        ]  # the attribute's own first: they are closer to the value
        family, actor, threat = named_by(tags)
        # an edit of the attribute is the only sighting that most events tell (MISP's own decay models do the same)
        edited = self._instant(attribute.get("timestamp"))
        first = self._instant(attribute.get("first_seen")) or edited
        last = self._instant(attribute.get("last_seen")) or edited
        if first and last and last < first:
            last = first
        return Claims(
            tags=claims.labels(tags),
            campaign=self._campaign or actor,
            threat_type=threat,
            malware_family=family,
            tlp=claims.strictest(self._feed.tlp, claims.marking(tags)),
            first_seen=first,
            last_seen=last,
        )

    def _instant(self, value: Any) -> datetime | None:
        """Seconds since 1970 as number or text (0 = not told), or ISO 8601."""
        if value in (None, "", 0, "0"):
            return None
        text = str(value)
        return claims.instant(text, self._latest, "epoch" if re.fullmatch(r"-?\d+(\.\d+)?", text) else None)


def _parts(attribute: Mapping[str, Any], value: str) -> list[tuple[str, str]]:
    """(indicator type, value) of the parts of an attribute that are indicators."""
    kind: str = attribute["type"]
    if kind in ATTRIBUTE_TYPES:
        return [(_indicator_type(ATTRIBUTE_TYPES[kind], value), value)]
    first_type, second_type = COMPOSITE_TYPES[kind]
    # a file name may hold the sign itself, hashes and ports cannot
    first, sign, second = value.rpartition("|") if first_type is None else value.partition("|")
    if not sign and (first_type is None or second_type is not None):
        raise claims.BadClaim("bad_composite", f"no | in a value of type {kind}; expected two parts")
    parts = ((first_type, first), (second_type, second))
    return [(_indicator_type(wanted, part), part) for wanted, part in parts if wanted is not None]


def _indicator_type(wanted: str, value: str) -> str:
    return claims.address_type(value) if wanted == ADDRESS else wanted


def _tag_names(tags: Any) -> list[str]:
    if not isinstance(tags, list):
        return []
    return [tag["name"] for tag in tags if isinstance(tag, dict) and isinstance(tag.get("name"), str)]


def _campaign(event: Mapping[str, Any]) -> str | None:
    """The event's info names the campaign, unless it is dated: then the event is the batch of a day, not a campaign."""
    info = event.get("info")
    if not isinstance(info, str) or _A_DATE.search(info):
        return None
    return " ".join(info.split()) or None
