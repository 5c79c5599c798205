"""A MISP server to test against: real HTTP on loopback, answers as recorded, faults on demand.

Its rules are in `misp_state`; README.md says what it covers and what it does not.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.doubles.misp_state import INTERNAL, Broken, Misp, message, refusal

KEY = "d0uble" + "0" * 34
BODY_LIMIT = 50_000_000
# What can happen to a request. `cut` = the connection closes without an answer; a number = that status is answered.
# `before` and `after` say whether the request was carried out.
FAULTS = ("cut before", "cut after", "500 before", "503 before", "504 after")
ROLES = {
    "admin": {"perm_site_admin": True, "perm_tag_editor": True, "perm_sync": True, "perm_publish": True},
    "publisher": {"perm_site_admin": False, "perm_tag_editor": False, "perm_sync": False, "perm_publish": True},
    "user": {"perm_site_admin": False, "perm_tag_editor": False, "perm_sync": False, "perm_publish": False},
}
_AUTHENTICATION = (
    "Authentication failed. Please make sure you pass the API key of an API enabled user along in the "
    "Authorization header."
)
_INVALID_JSON = (
    "Invalid JSON input. Make sure that the JSON input is a correctly formatted JSON string. This request has been "
    "blocked to avoid an unfiltered request."
)
_SEARCHES_NOT_COVERED = {
    "tags", "value", "type", "category", "order", "published", "to_ids", "attribute_timestamp", "enforceWarninglist",
    "includeWarninglistHits",
}  # fmt: skip
_NO_RIGHT = "You do not have permission to use this functionality."


class MispDouble:
    """The server: its data in `misp`, every request so far in `requests`, what goes wrong in `fault`.

    `fault(number, method, path)` is asked at each request, numbered from 1, and gives one of FAULTS or None.
    `workers` False answers publications with "Job queued" and never carries them out.
    """

    def __init__(self, now: Callable[[], int] | None = None, role: str = "admin") -> None:
        self.misp = Misp(now or (lambda: int(time.time())))
        self.role = role
        self.queued = False
        self.requests: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.fault: Callable[[int, str, str], str | None] = lambda number, method, path: None
        self._lock = threading.Lock()
        double = self

        class Handler(_Handler):
            server_double = double

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def count(self, method: str, path: str) -> int:
        """How many requests matched a method and a pattern of the path."""
        return sum(m == method and re.search(path, p) is not None for m, p in self.requests)

    def answer(self, method: str, path: str, headers: Any, raw: bytes) -> tuple[int, Any] | str:
        """What comes of a request: status and body, or `cut`."""
        with self._lock:
            self.requests.append((method, path))
            fault = self.fault(len(self.requests), method, path)
            what, when = fault.split() if fault else ("", "")
            if when == "before":
                return "cut" if what == "cut" else (int(what), message(INTERNAL, path))
            try:
                outcome = self._serve(method, path, headers, raw)
            except Broken:
                outcome = 500, message(INTERNAL, path)
            if when == "after":
                return "cut" if what == "cut" else (int(what), None)
            return outcome

    def _serve(self, method: str, path: str, headers: Any, raw: bytes) -> tuple[int, Any]:
        if "json" not in headers.get("Accept", ""):
            return 302, None
        if headers.get("Authorization") != KEY:
            return 403, message(_AUTHENTICATION, path)
        if len(raw) > BODY_LIMIT:
            return 413, None
        body: Any = {}
        if raw and "json" in headers.get("Content-Type", ""):
            try:
                body = json.loads(raw.decode())
            except ValueError:
                return 405, message(_INVALID_JSON, path)
            if not isinstance(body, dict | list):
                raise Broken
        self.bodies.append(body)
        controller, action, *arguments = [part for part in path.split("/") if part] + ["", ""]
        arguments = [a for a in arguments if a]
        handler = _ROUTES.get((method, controller, action))
        if handler is None:
            return 404, message("Not Found", path)
        unknown = [a for a in arguments if ":" in a and a != "metadata:1"]
        if action == "restSearch":
            unknown += [name for name in body if name in _SEARCHES_NOT_COVERED or body[name] in ("csv", "1h")]
        if unknown:  # to pass them over as a real server passes over nonsense would prove things that are not so
            return 501, message(f"The double does not cover {', '.join(unknown)}", path)
        return handler(self, arguments, body)

    @property
    def may_create_tags(self) -> bool:
        """The role's right to make tags."""
        return ROLES[self.role]["perm_tag_editor"]


def _version(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    return 200, {
        "version": "2.5.1",
        "pymisp_recommended_version": "2.5.1",
        "perm_sync": True,
        "perm_sighting": True,
        "perm_galaxy_editor": True,
        "perm_analyst_data": True,
        "uuid": "11111111-2222-4333-8444-555555555555",
        "request_encoding": ["gzip"],
        "filter_sightings": True,
    }


def _me(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    role = {"id": "1", "name": double.role, "perm_add": True, "perm_modify": True, "perm_auth": True}
    return 200, {
        "User": {"id": "1", "org_id": "1", "email": "admin@admin.test", "role_id": "1", "disabled": False},
        "Role": {**role, **ROLES[double.role]},
        "UserSetting": [],
        "Organisation": {"id": "1", "name": "ORGNAME", "uuid": "91f8930e-3d37-4dee-b8b2-371ddcc5a3e7", "local": True},
    }


def _view_event(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    event = double.misp.event(arguments[0])
    if event is None:
        return 404, message("Invalid event", f"/events/view/{arguments[0]}")
    return 200, {"Event": double.misp.event_json(event, attributes="metadata:1" not in arguments)}


def _view_attribute(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    found = double.misp.search({"uuid": arguments[0]})
    if not found:
        return 405, message("Invalid attribute", f"/attributes/view/{arguments[0]}")
    return 200, {"Attribute": {key: value for key, value in found[0].items() if key != "Event"}}


def _add_event(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    return double.misp.add_event(body, may_create_tags=double.may_create_tags)


def _edit_event(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    status, answer = double.misp.edit_event(arguments[0], body, may_create_tags=double.may_create_tags)
    if status == 200 and "metadata:1" not in arguments:
        event = double.misp.event(arguments[0])
        assert event is not None
        answer = {"Event": double.misp.event_json(event, attributes=True)}
    return status, answer


def _add_attributes(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    event = double.misp.event(arguments[0])
    if event is None:
        return 404, message("Invalid event", f"/attributes/add/{arguments[0]}")
    if not body:
        return 403, refusal("add", "Attribute", {"type": ["No type set."]})
    return double.misp.add_attributes(event, body, may_create_tags=double.may_create_tags)


def _edit_attribute(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    return double.misp.edit_attribute(arguments[0], body)


def _delete_attribute(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    return double.misp.delete_attribute(arguments[0], hard=bool(body and body.get("hard")))


def _search(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    found = double.misp.search(body)
    if body.get("returnFormat") == "count":
        return 200, len(found)
    return 200, {"response": {"Attribute": found}}


def _search_events(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    wanted = body.get("uuid", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    found = [event for event in double.misp.events.values() if event.uuid in wanted]
    with_attributes = not body.get("metadata")
    return 200, {"response": [{"Event": double.misp.event_json(e, attributes=with_attributes)} for e in found]}


def _publish(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    event = double.misp.event(arguments[0])
    if event is None:
        return 404, message("Invalid event.", f"/events/publish/{arguments[0]}")
    if not ROLES[double.role]["perm_publish"]:
        return 403, message(_NO_RIGHT, f"/events/publish/{arguments[0]}")
    if double.queued:
        return 200, _success("Job queued", f"/events/publish/{event.id}", event.id)
    event.published, event.publish_timestamp = True, double.misp.now()
    return 200, _success("Event published without alerts", f"/events/publish/{event.id}", event.id)


def _unpublish(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    event = double.misp.event(arguments[0])
    if event is None:
        return 404, message("Invalid event.", f"/events/unpublish/{arguments[0]}")
    event.published = False
    return 200, _success("Event unpublished.", f"/events/unpublish/{event.id}", event.id)


def _delete_event(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    event = double.misp.event(arguments[0])
    if event is None:
        return 404, message("Invalid event", f"/events/delete/{arguments[0]}")
    double.misp.delete_event(event)
    return 200, _success("Event deleted.", f"/events/delete/{arguments[0]}", arguments[0])


def _search_tags(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    return 200, [{"Tag": double.misp.tag_json(name)} for name in body["tag"] if name in double.misp.tags]


def _add_tag(double: MispDouble, arguments: list[str], body: Any) -> tuple[int, Any]:
    if not double.may_create_tags:
        return 403, message(_NO_RIGHT, "/tags/add")
    double.misp.make_tag(body["name"])
    return 200, {"Tag": double.misp.tag_json(body["name"])}


def _success(text: str, url: str, key: Any) -> dict[str, Any]:
    return {"saved": True, "success": True, "name": text, "message": text, "url": url, "id": str(key)}


_ROUTES: dict[tuple[str, str, str], Callable[[MispDouble, list[str], Any], tuple[int, Any]]] = {
    ("GET", "servers", "getVersion"): _version,
    ("GET", "users", "view"): _me,
    ("GET", "events", "view"): _view_event,
    ("HEAD", "events", "view"): _view_event,
    ("GET", "attributes", "view"): _view_attribute,
    ("POST", "events", "add"): _add_event,
    ("POST", "events", "edit"): _edit_event,
    ("POST", "events", "publish"): _publish,
    ("POST", "events", "unpublish"): _unpublish,
    ("POST", "events", "delete"): _delete_event,
    ("POST", "events", "restSearch"): _search_events,
    ("POST", "attributes", "add"): _add_attributes,
    ("POST", "attributes", "edit"): _edit_attribute,
    ("POST", "attributes", "delete"): _delete_attribute,
    ("POST", "attributes", "restSearch"): _search,
    ("POST", "tags", "search"): _search_tags,
    ("POST", "tags", "add"): _add_tag,
}


class _Handler(BaseHTTPRequestHandler):
    server_double: MispDouble
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet: without it each answer waits 40 ms for an acknowledgement
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        outcome = self.server_double.answer(self.command, urlsplit(self.path).path, self.headers, raw)
        if isinstance(outcome, str):
            self.close_connection = True
            return
        status, body = outcome
        html = b"<html><head><title>Error</title></head></html>"
        data = html if body is None and status != 302 else b"" if status == 302 else json.dumps(body).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/users/login")
        self.send_header("Content-Type", "text/html" if body is None else "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = _handle  # noqa: N815 - names that http.server looks for

    def log_message(self, *args: Any) -> None:
        """Nothing: tests look at `requests`."""


@contextmanager
def misp_double(now: Callable[[], int] | None = None, role: str = "admin") -> Iterator[MispDouble]:
    """A running double."""
    double = MispDouble(now, role)
    double.start()
    try:
        yield double
    finally:
        double.stop()
