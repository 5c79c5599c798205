"""A MISP server as the push needs it: one method a request, plain values, and three ways a request can end.

It ends with an answer, with PushRefused (a retry changes nothing), or with ServerFault (nobody knows whether it was
carried out). What to ask, and what to do about a fault, is decided in `misp_event`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from intelsec_assets.exports.errors import PushRefused

PAGE_ROWS = 5_000  # 2,000 to 5,000 measured as the quickest; a view of 20,000 breaks a server with 64 MB
SEARCH_IDS = 500
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 300.0  # 1,000 attributes with tags take a busy server some seconds
_KEY = re.compile(r"[\x21-\x7e]+")
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")


class ServerFault(Exception):
    """No usable answer: 5xx, time-out, broken connection. The request may or may not have been carried out."""

    def __init__(self, what: str, status: int | None = None) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class MispServer:
    """Where to push, and how events are to be kept there. The key is in no text made of this value.

    `distribution` of new events: 0 our organisation, 1 this community, 2 connected ones, 3 all. `publish` False leaves
    events unpublished.
    """

    url: str
    key: str = field(repr=False)
    verify_tls: bool | str = True
    distribution: str = "0"
    publish: bool = True

    def __post_init__(self) -> None:
        """Raises PushRefused for an address or a key that cannot be one."""
        if not re.match(r"https?://[^/\s]", self.url):
            raise PushRefused(f"MISP address {self.place!r} is not one; expected https://host/ (INTELSEC_MISP_URL)")
        if not self.key:
            raise PushRefused(f"no API key for {self.place}; set INTELSEC_MISP_KEY to the key of a MISP user")
        if not _KEY.fullmatch(self.key):
            # the HTTP library would quote the key in its own error
            raise PushRefused(f"the API key for {self.place} holds blanks or characters no key has; copy it again")

    @property
    def place(self) -> str:
        """The address for people, without credentials."""
        return _CREDENTIALS.sub("", self.url)


@dataclass(frozen=True)
class Answer:
    """An answer below 500: HTTP status and decoded body (None if it is not JSON)."""

    status: int
    body: Any

    @property
    def text(self) -> str:
        """What the server says about it."""
        if isinstance(self.body, dict):
            said = self.body.get("errors") or self.body.get("message") or self.body.get("name") or ""
            return said if isinstance(said, str) else json.dumps(said, sort_keys=True)
        return ""


class MispClient:
    """Requests to one server, the first of which connects; `calls` counts requests, `writes` those that change."""

    def __init__(self, server: MispServer, *, timeout: tuple[float, float] = (_CONNECT_SECONDS, _READ_SECONDS)) -> None:
        self.server = server
        self.calls = 0
        self.writes = 0
        self.version = ""
        self._timeout = timeout
        self._session: Any = None
        self._role: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"MispClient({self.server.place})"

    def connect(self) -> None:
        """Open the session: version and role, two requests, once. Raises PushRefused for a key that is not taken."""
        if self._session is not None:
            return
        session_type = _session_type(self)
        from pymisp import PyMISPError  # a third of a second of imports, only when a server is spoken to

        try:
            session = session_type(
                self.server.url.rstrip("/") + "/",  # without it a path in the address would be lost
                self.server.key,
                ssl=self.server.verify_tls,
                timeout=self._timeout,
                tool="intelsec",
            )
        except PyMISPError as error:
            status = session_type.last_status
            if status in {401, 403}:
                raise PushRefused(
                    f"{self.server.place} does not take the API key (HTTP {status}); use the key of an enabled user "
                    "whose role may use the API, in INTELSEC_MISP_KEY"
                ) from None
            raise ServerFault(self._masked(f"no connection: {error}"), status) from None
        self._session = session
        self.version = str(session.misp_instance_version.get("version", "unknown"))
        self._role = dict(session._current_role)  # noqa: SLF001 - PyMISP has no other place for it

    @property
    def makes_tags_on_the_way(self) -> bool:
        """True if this user's edits make tags the server does not have yet: site admins and sync users."""
        return bool(self._role.get("perm_site_admin") or self._role.get("perm_sync"))

    @property
    def may_add_tags(self) -> bool:
        """True if the user may make tags by themselves."""
        return bool(self._role.get("perm_tag_editor"))

    @property
    def may_publish(self) -> bool:
        """True if the user's role publishes events."""
        return bool(self._role.get("perm_publish") or self._role.get("perm_site_admin"))

    def event_exists(self, event: str) -> bool:
        """True if the server has the event and shows it to us."""
        answer = self._ask("HEAD", f"events/view/{event}")
        if answer.status not in {200, 404}:
            raise self._refused(f"look-up of event {event}", answer)
        return answer.status == 200

    def add_event(self, fields: Mapping[str, Any]) -> Answer:
        """Make an event without attributes. 404 = it exists, 403 = refused (blocked, or the role may not)."""
        return self._ask("POST", "events/add", {"Event": dict(fields)})

    def edit_event(self, event: str, attributes: Sequence[Mapping[str, Any]], tags: Sequence[str]) -> Answer:
        """Upsert attributes by uuid, and put tags on the event. Members that are refused are not told of."""
        body = {"uuid": event, "Attribute": list(attributes), "Tag": [{"name": name} for name in tags]}
        return self._ask("POST", f"events/edit/{event}/metadata:1", body)

    def add_attributes(self, event: str, attributes: Sequence[Mapping[str, Any]]) -> Answer:
        """Add attributes the talkative way: refusals come back under `errors`, by position."""
        body: Any = list(attributes) if len(attributes) != 1 else dict(attributes[0])
        return self._ask("POST", f"attributes/add/{event}", body)

    def attributes_page(self, event: str, page: int) -> list[dict[str, Any]]:
        """Page (from 1) of an event's attributes, deleted ones too, PAGE_ROWS at most; past the end it is empty."""
        return self._search({"eventid": event, "limit": PAGE_ROWS, "page": page})

    def attributes_by_uuid(self, uuids: Sequence[str]) -> list[dict[str, Any]]:
        """Attributes with these uuids (SEARCH_IDS at most), in whatever event, deleted ones too."""
        return self._search({"uuid": list(uuids)})

    def _search(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        query = {"returnFormat": "json", "deleted": [0, 1], **query}
        answer = self._ask("POST", "attributes/restSearch", query, writes=False)
        found = answer.body.get("response", answer.body) if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(found, dict) or not isinstance(found.get("Attribute"), list):
            raise self._refused("search for attributes", answer)
        attributes: list[dict[str, Any]] = found["Attribute"]
        return attributes

    def is_published(self, event: str) -> bool:
        """True if the event stands published."""
        query = {"returnFormat": "json", "uuid": [event], "metadata": 1}
        answer = self._ask("POST", "events/restSearch", query, writes=False)
        found = answer.body.get("response") if isinstance(answer.body, dict) else None
        if answer.status != 200 or not isinstance(found, list):
            raise self._refused(f"search for event {event}", answer)
        return bool(found and found[0]["Event"].get("published"))

    def publish(self, event: str) -> Answer:
        """Publish an event without mails. With background workers the answer says `Job queued`."""
        return self._ask("POST", f"events/publish/{event}")

    def known_tags(self, names: Sequence[str]) -> set[str]:
        """Those of the tag names that the server has, spelled exactly so."""
        answer = self._ask("POST", "tags/search/0/1", {"tag": list(names)}, writes=False)
        if answer.status != 200 or not isinstance(answer.body, list):
            raise self._refused("search for tags", answer)
        return {found["Tag"]["name"] for found in answer.body} & set(names)

    def add_tag(self, name: str) -> Answer:
        """Make a tag; one that is there already is answered with 200 too."""
        return self._ask("POST", "tags/add", {"name": name})

    def _ask(self, method: str, path: str, body: Any = None, *, writes: bool | None = None) -> Answer:
        """One request. Raises ServerFault without a usable answer, PushRefused if the key is no longer taken."""
        from requests import RequestException

        self.connect()
        self.writes += method == "POST" if writes is None else writes
        data = None if body is None else json.dumps(body).encode()
        try:
            response = self._session._prepare_request(method, path, data=data)  # noqa: SLF001 - its checks log bodies
        except RequestException as error:
            raise ServerFault(self._masked(f"{method} {path}: {type(error).__name__}")) from None
        if response.status_code >= 500:
            raise ServerFault(f"{method} {path}: HTTP {response.status_code}", response.status_code)
        try:
            decoded = response.json() if response.content else None
        except ValueError:
            decoded = None
            if response.status_code == 200:
                raise ServerFault(
                    f"{method} {path}: the answer is cut off or not JSON; is a proxy in between?"
                ) from None
        answer = Answer(response.status_code, decoded)
        if response.status_code == 401 or (response.status_code == 403 and "Authentication failed" in answer.text):
            raise PushRefused(f"{self.server.place} no longer takes the API key (HTTP {response.status_code})")
        return answer

    def _refused(self, what: str, answer: Answer) -> PushRefused:
        return PushRefused(
            f"{self.server.place}: {what} was answered with HTTP {answer.status} {answer.text[:300]}".rstrip()
            + "; is this a MISP server, and may this user do that?"
        )

    def _masked(self, text: str) -> str:
        return _CREDENTIALS.sub("", text.replace(self.server.key, "***"))


def _session_type(client: MispClient) -> Any:
    """PyMISP with fewer questions at the start, counting requests, and silent."""
    from pymisp import PyMISP

    # PyMISP logs headers with the key at DEBUG and whole request bodies on every 5xx: nothing it says is let out.
    logging.getLogger("pymisp").setLevel(logging.CRITICAL + 1)

    class Session(PyMISP):
        last_status: int | None = None

        @property
        def describe_types_remote(self) -> Any:
            return self.describe_types_local  # the types used here are in every version; saves a request

        def _prepare_request(self, *args: Any, **kwargs: Any) -> Any:
            client.calls += 1
            type(self).last_status = None
            response = super()._prepare_request(*args, **kwargs)
            type(self).last_status = response.status_code
            return response

    return Session
