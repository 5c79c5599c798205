"""The rules of a MISP 2.5.1 server as they were recorded: what it stores, refuses, passes over in silence or breaks on.

HTTP, keys and faults are in `misp_server`; what is covered and what is not is listed in README.md.
"""

from __future__ import annotations

import ipaddress
import json
import re
import uuid as uuids
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

SIMILAR = "A similar attribute already exists for this event."
NOT_UNIQUE = "The UUID provided is not unique"
ORG = {"id": "1", "name": "ORGNAME", "uuid": "91f8930e-3d37-4dee-b8b2-371ddcc5a3e7", "local": True}
INTERNAL = "An Internal Error Has Occurred."
_TYPES = json.loads((files("pymisp") / "data" / "describeTypes.json").read_text())["result"]
_CATEGORIES = {category: set(types) for category, types in _TYPES["category_type_mappings"].items()}
_DEFAULTS = _TYPES["sane_defaults"]
_HASHES = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_DOMAIN = re.compile(r"(?=.{1,255}$)([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9][a-z0-9-]*", re.ASCII)
_MOST_TEXT_BYTES = 65_535


class Broken(Exception):
    """The server breaks: HTTP 500. What was stored before stays stored."""


@dataclass
class Attribute:
    """A row of the attributes table."""

    id: int
    uuid: str
    event_id: int
    category: str
    type: str
    value: str
    to_ids: bool = True
    timestamp: int = 0
    distribution: str = "5"
    comment: str = ""
    deleted: bool = False
    disable_correlation: bool = False
    first_seen: str | None = None
    last_seen: str | None = None
    tags: dict[str, bool] = field(default_factory=dict)  # name -> local

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique in an event."""
        return self.category, self.type, self.value.casefold()

    def as_json(self) -> dict[str, Any]:
        """Fields every answer has."""
        return {
            "id": str(self.id),
            "event_id": str(self.event_id),
            "object_id": "0",
            "object_relation": None,
            "category": self.category,
            "type": self.type,
            "to_ids": self.to_ids,
            "uuid": self.uuid,
            "timestamp": str(self.timestamp),
            "distribution": self.distribution,
            "sharing_group_id": "0",
            "comment": self.comment,
            "deleted": self.deleted,
            "disable_correlation": self.disable_correlation,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "value": self.value,
        }


@dataclass
class Event:
    """A row of the events table with its attributes by uuid."""

    id: int
    uuid: str
    info: str
    date: str
    timestamp: int
    distribution: str = "1"
    threat_level_id: str = "4"
    analysis: str = "0"
    published: bool = False
    publish_timestamp: int = 0
    tags: dict[str, bool] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)


class Misp:
    """One server's data. `now` gives its clock in seconds; `may_create_tags` is the role's right."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.events: dict[str, Event] = {}
        self.blocked: set[str] = set()
        self.tags: dict[str, int] = {}
        self._owner: dict[str, str] = {}  # attribute uuid -> event uuid
        self._next_attribute = 1

    def event(self, key: str) -> Event | None:
        """An event by uuid or number."""
        return self.events.get(key) or next((e for e in self.events.values() if str(e.id) == key), None)

    def add_event(self, body: Mapping[str, Any], *, may_create_tags: bool) -> tuple[int, Any]:
        """events/add."""
        data = body.get("Event", body)
        key = str(data.get("uuid") or uuids.uuid4())
        errors = _event_errors(data, key)
        if errors:
            return 403, refusal("add", "Event", {"Event": errors})
        if key in self.blocked:
            return 403, message("Event blocked by event blocklist.", "/events/add")
        if key in self.events:
            text = "Event already exists, if you would like to edit it, use the url in the location header."
            return 404, message(text, "/events/add")
        if data.get("published") and not data.get("Attribute"):
            return 403, refusal(
                "add", "Event", {"Event": "Received a published event that was empty. Event add process blocked."}
            )
        if beyond_bmp(data["info"]):
            raise Broken
        event = Event(
            id=len(self.events) + len(self.blocked) + 1,
            uuid=key,
            info=data["info"],
            date=data.get("date") or datetime.fromtimestamp(self.now(), UTC).date().isoformat(),
            timestamp=self.now(),
            distribution=str(data.get("distribution", "1")),
            threat_level_id=str(data.get("threat_level_id", "4")),
            analysis=str(data.get("analysis", "0")),
            published=bool(data.get("published")),
            publish_timestamp=self.now() if data.get("published") else 0,
        )
        self.events[key] = event
        self._put_tags(event.tags, data.get("Tag", []), may_create_tags=may_create_tags)
        for member in data.get("Attribute", []):
            if isinstance(member, dict) and not self._errors(event, member):
                self._store(event, member, may_create_tags=may_create_tags)
        return 200, {"Event": self.event_json(event, attributes=True)}

    def add_attributes(self, event: Event, body: Any, *, may_create_tags: bool) -> tuple[int, Any]:
        """attributes/add, of one or a list; one after the other, so that a breakdown keeps what came before."""
        alone = isinstance(body, dict)
        members = [body.get("Attribute", body)] if alone else body
        if not members:
            return 403, refusal("add", "Attribute", {"type": ["No type set."]})
        stored: list[Attribute] = []
        errors: dict[str, Any] = {}
        for position, member in enumerate(members):
            found = self._errors(event, member)
            if found:
                errors[f"attribute_{position}"] = found
            else:
                stored.append(self._store(event, member, may_create_tags=may_create_tags))
        if not stored:
            return 403, refusal("add", "Attribute", errors["attribute_0"] if alone else errors)
        self._touch(event)
        answer: dict[str, Any] = {"Attribute": [_with_parts(a) for a in stored]}
        if len(stored) == 1:
            answer = {"Attribute": _with_parts(stored[0]), "AttributeTag": self._attribute_tags(stored[0])}
        return 200, {**answer, **({"errors": errors} if errors else {})}

    def edit_event(self, path_key: str, body: Mapping[str, Any], *, may_create_tags: bool) -> tuple[int, Any]:
        """events/edit: the upsert. Attributes all or nothing, then tags; members that are refused leave no word."""
        shown = self.event(path_key)
        data = body.get("Event", body)
        event = self.event(str(data.get("uuid", path_key))) if shown else None
        if shown is None or event is None:
            return 404, message("Invalid event", f"/events/edit/{path_key}")
        if "timestamp" in data and int(data["timestamp"]) <= event.timestamp:
            text = "Event could not be saved: Event in the request not newer than the local copy."
            answer = refusal("edit", "Event", text)
            return 403, {**answer, "url": f"/events/edit/{event.id}", "id": str(event.id)}
        members = [m for m in data.get("Attribute", []) if isinstance(m, dict)]
        known = [m["uuid"] for m in members if "uuid" in m]
        if len(known) != len(set(known)) or any(_breaks(member) for member in members):
            raise Broken
        taken = {a.key for a in event.attributes.values() if not a.deleted}
        written = [done for member in members if (done := self._edit_member(event, member, taken))]
        event.info = data.get("info", event.info)
        self._touch(event, published=bool(data.get("published")))
        for attribute, member in written:
            self._put_tags(attribute.tags, member.get("Tag", []), may_create_tags=may_create_tags)
        self._put_tags(event.tags, data.get("Tag", []), may_create_tags=may_create_tags)
        return 200, {"Event": self.event_json(shown, attributes=False)}

    def _edit_member(
        self, event: Event, member: dict[str, Any], taken: set[tuple[str, str, str]]
    ) -> tuple[Attribute, dict[str, Any]] | None:
        key = member.get("uuid")
        held = event.attributes.get(key) if key else None
        if held is None:
            # two new ones with one value in a call are both stored: it looks at what was there before the call
            if self._errors(event, member, taken):
                return None
            return self._store(event, member, with_tags=False, may_create_tags=False), member
        if "timestamp" in member and int(member["timestamp"]) <= held.timestamp:
            return None
        changed = {**held.as_json(), **{k: v for k, v in member.items() if k not in {"Tag", "deleted"}}}
        if _value_errors(changed):
            return None
        fresh = self._build(event, changed)
        deleted = bool(member["deleted"]) if "deleted" in member else held.deleted
        others = taken - ({held.key} if not held.deleted else set())
        if not deleted and fresh.key in others:
            return None
        fresh.id, fresh.tags, fresh.deleted = held.id, held.tags, deleted
        fresh.timestamp = int(member.get("timestamp", self.now()))
        event.attributes[fresh.uuid] = fresh
        return fresh, member

    def edit_attribute(self, key: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """attributes/edit."""
        event = self.events.get(self._owner.get(key, ""))
        held = event.attributes.get(key) if event else None
        if event is None or held is None or held.deleted:
            return 404, message("Invalid attribute", f"/attributes/edit/{key}")
        if "timestamp" in body and int(body["timestamp"]) <= held.timestamp:
            text = "Attribute could not be saved: Attribute in the request not newer than the local copy."
            return 405, message(text, f"/attributes/edit/{key}")
        changed = {**held.as_json(), **body, "uuid": key}
        fresh = self._build(event, changed)
        if fresh.key != held.key and any(a.key == fresh.key and not a.deleted for a in event.attributes.values()):
            return 403, refusal("edit", "Attribute", {"value": [SIMILAR]})
        fresh.id, fresh.tags = held.id, held.tags
        fresh.timestamp = int(body.get("timestamp", self.now()))
        event.attributes[key] = fresh
        self._touch(event)
        return 200, {"Attribute": fresh.as_json()}

    def delete_attribute(self, key: str, *, hard: bool) -> tuple[int, Any]:
        """attributes/delete."""
        event = self.events.get(self._owner.get(key, ""))
        held = event.attributes.get(key) if event else None
        if event is None or held is None or held.deleted:
            return 404, message("Invalid attribute", f"/attributes/delete/{key}")
        if hard:
            del event.attributes[key], self._owner[key]
        else:
            held.deleted, held.timestamp = True, self.now()
        self._touch(event)
        return 200, {"message": "Attribute deleted."}

    def delete_event(self, event: Event) -> None:
        """events/delete: the uuid is blocked from then on."""
        self.blocked.add(event.uuid)
        for key in event.attributes:
            self._owner.pop(key, None)
        del self.events[event.uuid]

    def search(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """attributes/restSearch: unknown parameters are passed over."""
        found = [(e, a) for e in self.events.values() for a in e.attributes.values()]
        if "eventid" in query:
            event = self.event(str(query["eventid"]))
            found = [(e, a) for e, a in found if e is event]
        if "uuid" in query:
            wanted = {query["uuid"]} if isinstance(query["uuid"], str) else set(query["uuid"])
            found = [(e, a) for e, a in found if a.uuid in wanted or e.uuid in wanted]
        deleted = query.get("deleted", 0)
        states = {bool(int(d)) for d in (deleted if isinstance(deleted, list) else [deleted])}
        found = sorted(((e, a) for e, a in found if a.deleted in states), key=lambda pair: pair[1].id)
        if "timestamp" in query and isinstance(query["timestamp"], list):
            low, high = (int(bound) for bound in query["timestamp"])
            found = [(e, a) for e, a in found if low <= a.timestamp <= high]
        if "limit" in query:
            start = (int(query.get("page", 1)) - 1) * int(query["limit"])
            found = found[start : start + int(query["limit"])]
        return [self._search_json(e, a) for e, a in found]

    def _search_json(self, event: Event, attribute: Attribute) -> dict[str, Any]:
        answer = attribute.as_json()
        answer["Event"] = {
            "org_id": "1",
            "distribution": event.distribution,
            "publish_timestamp": str(event.publish_timestamp),
            "id": str(event.id),
            "info": event.info,
            "orgc_id": "1",
            "uuid": event.uuid,
        }
        if attribute.tags:
            answer["Tag"] = [self.tag_json(name, local=local) for name, local in attribute.tags.items()]
        return answer

    def event_json(self, event: Event, *, attributes: bool) -> dict[str, Any]:
        """An event as events/view shows it."""
        live = [a for a in event.attributes.values() if not a.deleted]
        answer: dict[str, Any] = {
            "id": str(event.id),
            "orgc_id": "1",
            "org_id": "1",
            "date": event.date,
            "threat_level_id": event.threat_level_id,
            "info": event.info,
            "published": event.published,
            "uuid": event.uuid,
            "attribute_count": str(len(live)),
            "analysis": event.analysis,
            "timestamp": str(event.timestamp),
            "distribution": event.distribution,
            "proposal_email_lock": False,
            "locked": False,
            "publish_timestamp": str(event.publish_timestamp),
            "sharing_group_id": "0",
            "disable_correlation": False,
            "extends_uuid": "",
            "protected": None,
            "event_creator_email": "admin@admin.test",
            "Org": ORG,
            "Orgc": ORG,
            "RelatedEvent": [],
            "Galaxy": [],
            "CryptographicKey": [],
        }
        if attributes:
            answer["Attribute"] = [{**a.as_json(), "Galaxy": [], "ShadowAttribute": []} for a in live]
            answer |= {"ShadowAttribute": [], "Object": [], "EventReport": []}
        if event.tags:
            answer["Tag"] = [self.tag_json(name, local=local) for name, local in event.tags.items()]
        return answer

    def tag_json(self, name: str, *, local: bool = False) -> dict[str, Any]:
        """A tag as answers show it."""
        number = str(self.tags[name])
        return {
            "id": number,
            "name": name,
            "colour": "#501c2e",
            "numerical_value": None,
            "is_galaxy": False,
            "local": local,
        }

    def make_tag(self, name: str) -> None:
        """A tag in the tags table; names are cut at 255 characters."""
        if beyond_bmp(name):
            raise Broken
        self.tags.setdefault(name[:255], len(self.tags) + 1)

    def _put_tags(self, tags: dict[str, bool], wanted: list[Any], *, may_create_tags: bool) -> None:
        for tag in wanted:
            name = tag["name"][:255]
            if tag.get("deleted"):
                tags.pop(name, None)
                continue
            if beyond_bmp(name):
                raise Broken
            if name not in self.tags and not may_create_tags:
                continue  # dropped in silence
            self.make_tag(name)
            tags.setdefault(name, bool(tag.get("local")))

    def _attribute_tags(self, attribute: Attribute) -> list[dict[str, Any]]:
        return [
            {"attribute_id": str(attribute.id), "event_id": str(attribute.event_id), "tag_id": str(self.tags[name]),
             "local": local, "relationship_type": None, "Tag": {"id": str(self.tags[name]), "name": name}}
            for name, local in attribute.tags.items()
        ]  # fmt: skip

    def _errors(
        self, event: Event, member: Mapping[str, Any], taken: set[tuple[str, str, str]] | None = None
    ) -> dict[str, list[str]]:
        """Why an attribute is not taken, in the server's words; empty = it is."""
        errors = _value_errors(member)
        if errors:
            return errors
        if taken is None:
            taken = {a.key for a in event.attributes.values() if not a.deleted}
        if self._build(event, member).key in taken:
            errors["value"] = [SIMILAR]
        if member.get("uuid") in self._owner:
            errors["uuid"] = [NOT_UNIQUE]
        return errors

    def _build(self, event: Event, member: Mapping[str, Any]) -> Attribute:
        kind = member["type"]
        return Attribute(
            id=0,
            uuid=member.get("uuid") or str(uuids.uuid4()),
            event_id=event.id,
            category=member.get("category") or _DEFAULTS[kind]["default_category"],
            type=kind,
            value=normalised(kind, str(member["value"])),
            to_ids=bool(member.get("to_ids", _DEFAULTS[kind]["to_ids"])),
            timestamp=int(member.get("timestamp") or self.now()),
            distribution=str(member.get("distribution", "5")),
            comment=member.get("comment") or "",
            disable_correlation=bool(member.get("disable_correlation")),
            first_seen=_stored_instant(member.get("first_seen")),
            last_seen=_stored_instant(member.get("last_seen")),
        )

    def _store(
        self, event: Event, member: Mapping[str, Any], *, may_create_tags: bool, with_tags: bool = True
    ) -> Attribute:
        if _breaks(member):
            raise Broken
        attribute = self._build(event, member)
        attribute.id, self._next_attribute = self._next_attribute, self._next_attribute + 1
        attribute.deleted = bool(member.get("deleted"))
        event.attributes[attribute.uuid] = attribute
        self._owner[attribute.uuid] = event.uuid
        if with_tags:
            self._put_tags(attribute.tags, member.get("Tag", []), may_create_tags=may_create_tags)
        return attribute

    def _touch(self, event: Event, *, published: bool = False) -> None:
        """Every stored change moves the event's timestamp and takes back its publication."""
        event.timestamp = self.now()
        event.published = published


def beyond_bmp(text: str) -> bool:
    """True for text that the tables cannot keep."""
    return any(ord(c) > 0xFFFF for c in text)


def message(text: str, url: str) -> dict[str, Any]:
    """The short form of an error."""
    return {"name": text, "message": text, "url": url}


def refusal(verb: str, thing: str, errors: Any) -> dict[str, Any]:
    """The long form, with reasons."""
    text = f"Could not {verb} {thing}"
    return {"saved": False, "name": text, "message": text, "url": f"/{thing.lower()}s/{verb}", "errors": errors}


def normalised(kind: str, value: str) -> str:
    """A value as the server keeps it."""
    value = "".join("?" if ord(c) > 0xFFFF else c for c in value.strip())
    if kind in {"domain", "hostname"}:
        return value.lower().rstrip(".")
    if kind in _HASHES:
        return value.lower()
    if kind == "url":
        return re.sub(r"^hxxp", "http", value.replace("[.]", "."), flags=re.IGNORECASE)
    if kind in {"ip-dst", "ip-src"}:
        address, slash, length = value.partition("/")
        parsed = ipaddress.ip_address(address)
        return str(parsed) if not slash or int(length) == parsed.max_prefixlen else f"{parsed}/{length}"
    return value


def _breaks(member: Mapping[str, Any]) -> bool:
    comment = member.get("comment") or ""
    return beyond_bmp(comment) or len(comment.encode()) > _MOST_TEXT_BYTES


def _value_errors(member: Mapping[str, Any]) -> dict[str, list[str]]:
    kind = member.get("type")
    if not kind:
        return {"type": ["No type set."]}
    if kind not in _DEFAULTS:
        return {"type": ["Invalid type."]}
    if member.get("category") and kind not in _CATEGORIES.get(member["category"], set()):
        return {"type": ["Options depend on the selected category."]}
    wrong = _wrong_value(kind, str(member.get("value", "")).strip())
    if wrong:
        return {"value": [wrong]}
    for name in ("first_seen", "last_seen"):
        if member.get(name) is not None and _instant(member[name]) is None:
            return {name: ["Invalid ISO 8601 format"]}
    if _instant(member.get("first_seen")) and _instant(member.get("last_seen")):
        first, last = _instant(member["first_seen"]), _instant(member["last_seen"])
        if first and last and first > last:
            return {"last_seen": ["Last seen value should be greater than first seen value"]}
    return {}


def _wrong_value(kind: str, value: str) -> str | None:
    if len(value.encode()) > _MOST_TEXT_BYTES:
        return (
            "The entered string is too long and would get truncated. "
            "Please consider adding the data as an attachment instead"
        )
    if kind in {"ip-dst", "ip-src"}:
        try:
            normalised(kind, value)
        except ValueError:
            return "IP address has an invalid format."
    if kind == "domain" and not _DOMAIN.fullmatch(normalised(kind, value)):
        return 'Domain has an invalid format. Please double check the value or select type "other".'
    if kind in _HASHES and not re.fullmatch(rf"[0-9a-fA-F]{{{_HASHES[kind]}}}", value):
        return (
            f"Checksum has an invalid length or format (expected: {_HASHES[kind]} hexadecimal characters). "
            'Please double check the value or select type "other".'
        )
    return None if value else "valueNotEmpty"


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _stored_instant(value: Any) -> str | None:
    instant = _instant(value)
    return instant.astimezone(UTC).isoformat(timespec="microseconds") if instant else None


def _event_errors(data: Mapping[str, Any], key: str) -> dict[str, list[str]]:
    try:
        uuids.UUID(key)
    except ValueError:
        return {"uuid": ["Please provide a valid RFC 4122 UUID"]}
    if not data.get("info"):
        return {"info": ["valueNotEmpty"]}
    if "date" in data and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(data["date"])):
        return {"date": ["Expected date format: YYYY-MM-DD"]}
    return {}


def _with_parts(attribute: Attribute) -> dict[str, Any]:
    """attributes/add shows the two columns a value is kept in."""
    return {**attribute.as_json(), "value1": attribute.value, "value2": ""}
