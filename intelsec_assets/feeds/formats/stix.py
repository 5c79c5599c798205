"""STIX 2.1 as TAXII pages, bundles and bare arrays: indicators as feed rows, everything around them as context.

How a pattern is read is `patterns`; fetching page after page belongs to whoever takes the snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from intelsec_assets.days import day_start
from intelsec_assets.feeds.catalogue import Feed
from intelsec_assets.feeds.formats import claims
from intelsec_assets.feeds.formats.json_documents import duplicate_defect, excerpt, load, refuse_duplicates
from intelsec_assets.feeds.formats.patterns import Comparison, PatternNotSupported, comparisons
from intelsec_assets.feeds.formats.rows import Claims, Parsed, RawFile, Reject, RowList, UnusableFile
from intelsec_assets.feeds.snapshot import SnapshotFile

# Marking definitions that standards fix by id: STIX 2.1 section 7.2.1.4 (TLP 1), OASIS common objects (TLP 2.0), and
# the one that OpenCTI wrote for amber+strict before there was a standard one
TLP_MARKINGS = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "marking-definition--826578e1-40ad-459f-bc73-ede076f81f37": "amber+strict",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
}
_TLP_EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_FAMILY_TYPES = ("malware", "tool")
_CAMPAIGN_TYPES = ("campaign", "intrusion-set", "threat-actor")  # the nearest to a campaign first
_ENVELOPE = {"more", "next", "objects"}
# in STIX's vocabulary, but they tell no kind of threat
_VAGUE_TYPES = ("malicious-activity", "anomalous-activity", "unknown")


@dataclass
class _Context:
    """What the objects around the indicators say: names and markings by id, what indicates what, newest versions."""

    names: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> type, name
    markings: dict[str, str] = field(default_factory=lambda: dict(TLP_MARKINGS))
    indicates: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    latest: dict[str, datetime] = field(default_factory=dict)  # indicator id -> its newest `modified`


def parse(feed: Feed, files: Sequence[RawFile], day: date) -> Parsed:
    """A row a value of an indicator's pattern; `line` counts the rows of the file from 1. Other objects are context.

    Context reaches over all files, for a page may end between an indicator and its relationship. Of several versions of
    an indicator only the newest counts, so that a revocation is not undone by the version before it.
    """
    parsed = Parsed()
    pages: list[tuple[SnapshotFile, list[Any]]] = []
    for raw in files:
        if raw.content:
            document = load(raw.content, raw.file.name, "STIX objects")
            parsed.notes.extend(document.notes)
            pages.append((raw.file, _objects(raw.file.name, document.value)))
    context = _context(entry for _, objects in pages for entry in objects)
    rows = RowList(feed)
    reader = _IndicatorReader(feed, context, day)
    for file, objects in pages:
        ordinal = 0
        for entry in objects:
            defect = _object_defect(entry)
            if defect:
                ordinal += 1
                rows.reject(file, ordinal, excerpt(entry), defect)
            elif entry["type"] == "indicator":
                for raw_value, outcome, said in reader.read(entry):
                    ordinal += 1
                    if isinstance(outcome, Reject):
                        rows.reject(file, ordinal, raw_value, outcome, said)
                    else:
                        rows.add(file, ordinal, raw_value, outcome, said)
    parsed.tables.append(rows.table())
    return parsed


def _objects(file: str, value: Any) -> list[Any]:
    """The objects of a TAXII envelope, a bundle, an array or a single object. Raises UnusableFile for anything else."""
    refuse_duplicates(file, value, "the document")
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        objects = value.get("objects")
        if isinstance(objects, list):
            return objects
        if objects is None and (value.get("type") == "bundle" or set(value) <= _ENVELOPE):
            return []  # TAXII 2.1 answers an empty page without `objects`
        if value.get("type") == "indicator":
            return [value]
    raise UnusableFile(
        file, f"{excerpt(value)[:160]}; expected a TAXII 2.1 envelope, a STIX bundle or an array of STIX objects"
    )


def _object_defect(entry: Any) -> Reject | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        return Reject("not_a_stix_object", "expected a STIX object with type and id")
    return duplicate_defect(entry)


def _context(objects: Iterable[Any]) -> _Context:
    context = _Context()
    for entry in objects:
        if not isinstance(entry, dict):
            continue
        kind, identifier = entry.get("type"), entry.get("id")
        if kind == "relationship":
            source, target = entry.get("source_ref"), entry.get("target_ref")
            related = entry.get("relationship_type") in ("indicates", "based-on") and entry.get("revoked") is not True
            if related and isinstance(source, str) and isinstance(target, str):
                context.indicates[source].add(target)
        elif not isinstance(identifier, str):
            continue
        elif kind == "marking-definition":
            level = _marking_level(entry)
            if level:
                context.markings.setdefault(identifier, level)
        elif kind == "indicator":
            version = _version(entry)
            context.latest[identifier] = max(version, context.latest.get(identifier, version))
        elif isinstance(kind, str) and isinstance(entry.get("name"), str):
            context.names[identifier] = (kind, entry["name"])
    return context


def _marking_level(marking: Mapping[str, Any]) -> str | None:
    definition, extensions = marking.get("definition"), marking.get("extensions")
    if isinstance(definition, dict) and isinstance(definition.get("tlp"), str):
        return claims.tlp_level(definition["tlp"])
    extension = extensions.get(_TLP_EXTENSION) if isinstance(extensions, dict) else None
    if isinstance(extension, dict) and isinstance(extension.get("tlp_2_0"), str):
        return claims.tlp_level(extension["tlp_2_0"])
    return claims.marking([_text(marking.get("name"))])


class _IndicatorReader:
    """Indicator objects as rows, given what the rest of the feed says about them."""

    def __init__(self, feed: Feed, context: _Context, day: date) -> None:
        self._feed = feed
        self._context = context
        self._latest = claims.latest_instant(day)
        self._start = day_start(day)

    def read(self, indicator: Mapping[str, Any]) -> list[tuple[str, str | Reject, Claims]]:
        """(raw value, indicator type or defect, claims): a row a value, or one with the pattern and its defect."""
        pattern = _text(indicator.get("pattern"))
        tlp = self._tlp(indicator)
        said = Claims(tlp=tlp)
        try:
            said = self._claims(indicator, tlp)
            self._refuse_withdrawn(indicator)
            return [(found.value, found.indicator_type, said) for found in _values(indicator, pattern)]
        except claims.BadClaim as claim:
            return [(pattern or excerpt(indicator), claim.reject, said)]

    def _refuse_withdrawn(self, indicator: Mapping[str, Any]) -> None:
        identifier = _text(indicator.get("id"))
        if indicator.get("revoked") is True:
            raise claims.BadClaim("revoked", f"{identifier} is revoked by its author")
        version = _version(indicator)
        newest = self._context.latest.get(identifier, version)
        if version < newest:
            raise claims.BadClaim("superseded", f"{identifier} as of {version}; the feed also holds it as of {newest}")
        until = self._instant(indicator.get("valid_until"), bounded=False)
        if until and until <= self._start:
            raise claims.BadClaim(
                "expired", f"{identifier} is valid until {until:%Y-%m-%d %H:%M}, before the day began"
            )

    def _claims(self, indicator: Mapping[str, Any], tlp: str) -> Claims:
        tags = _strings(indicator.get("labels"))
        first = self._instant(indicator.get("valid_from"))
        # publishing a version anew is the author's last word that the indicator holds
        last = self._instant(indicator.get("modified")) or first
        family, campaign = self._named(_text(indicator.get("id")))
        kinds = [kind for kind in _strings(indicator.get("indicator_types")) if kind not in _VAGUE_TYPES]
        confidence = indicator.get("confidence")
        return Claims(
            tags=claims.labels(tags),
            campaign=campaign,
            threat_type=kinds[0] if kinds else None,
            malware_family=family,
            confidence=None if confidence is None else claims.ratio(str(confidence), 100),
            tlp=tlp,
            first_seen=first,
            last_seen=max(first, last) if first and last else last,
        )

    def _tlp(self, indicator: Mapping[str, Any]) -> str:
        marks = [self._context.markings.get(mark) for mark in _strings(indicator.get("object_marking_refs"))]
        return claims.strictest(self._feed.tlp, claims.marking(_strings(indicator.get("labels"))), *marks)

    def _named(self, identifier: str) -> tuple[str | None, str | None]:
        """(malware family, campaign) that relationships name; of several the first by name, in whatever order."""
        names: dict[str, list[str]] = defaultdict(list)
        for target in self._context.indicates.get(identifier, ()):
            kind, name = self._context.names.get(target, ("", ""))
            names[kind].append(name)
        family = next((min(names[kind]) for kind in _FAMILY_TYPES if names[kind]), None)
        return family, next((min(names[kind]) for kind in _CAMPAIGN_TYPES if names[kind]), None)

    def _instant(self, value: Any, *, bounded: bool = True) -> datetime | None:
        if value in (None, ""):
            return None
        return claims.instant(str(value), self._latest if bounded else _END_OF_TIME)


_END_OF_TIME = day_start(date.max)


def _version(indicator: Mapping[str, Any]) -> datetime:
    """When this version was published; one that does not say is older than any that does."""
    try:
        return claims.instant(_text(indicator.get("modified")), _END_OF_TIME)
    except claims.BadClaim:
        return datetime.min.replace(tzinfo=UTC)


def _values(indicator: Mapping[str, Any], pattern: str) -> list[Comparison]:
    language = indicator.get("pattern_type", "stix")
    if language != "stix":
        raise claims.BadClaim("pattern_not_supported", f"a pattern in {str(language)[:40]}; expected stix")
    if not pattern:
        raise claims.BadClaim("no_value", f"{_text(indicator.get('id'))} has no pattern")
    try:
        return comparisons(pattern)
    except PatternNotSupported as error:
        raise claims.BadClaim("pattern_not_supported", str(error)) from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: Any) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
