"""The MISP double beside the recorded server: the same requests in the same order, statuses and answers compared.

A record is passed over by rule where the double says it does not cover a request; the rest are listed with reasons.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.doubles.misp_server import _ROUTES, KEY, MispDouble, misp_double

pytestmark = pytest.mark.needs("realdata")

# Sections recorded one after the other on one server; 18 on another, whose event was made before the recording.
SECTIONS = (("01", "02", "03", "04", "04b", "07", "08", "09", "09b", "10", "11", "15", "17"), ("18",))
SET_UP_18 = {
    "uuid": "8c56c0d4-4149-598c-99ad-7d1c2cba6c89",
    "info": "atomicity",
    "distribution": 0,
}
# Records that cannot be compared, by the beginning of their names.
PASSED_OVER = {
    "01-02": "the double shows the few fields of a user that matter",
    "01-04": "the same",
    "04-01": "shows a comment written with breakOnDuplicate, which the double does not cover",
    "04-23": "the same",
    "08-08": "searches attributes whose making is cut from the records",
    "08-21": "the same",
    "09-20": "the record keeps 60 MB as one short list",
    "04-13": "follows a DELETE that had no effect; the exporter deletes by events/edit",
    "04-15": "the same",
    "04-27": "deletes an attribute whose making is cut from the records",
    "04-28": "the same",
    "04-14": "follows on 04-13",
    "09-11": "invalid UTF-8 is not kept in the records",
    "10-1": "asked with other users' keys",
    "10-2": "the same",
    "10-3": "the same",
    "15-05": "adds to an event made by a request outside the double",
    "15-08": "views an event made by a feed",
    "11-06": "warninglist hits are not part of the double",
    "11-08": "the same",
}
LEAST_COMPARED = 150


def is_covered(record: dict[str, Any]) -> bool:
    """True if the double has the route and the record a request that can be sent again."""
    path = [part for part in record["path"].split("/") if part]
    text = record.get("request_body")
    return (record["method"], *path[:2]) in _ROUTES and "status" in record and not isinstance(text, str)


def is_cut(value: Any) -> bool:
    """True if the record left out parts of a list."""
    if isinstance(value, str):
        return re.fullmatch(r"\.\.\. \d+ more", value) is not None
    if isinstance(value, dict):
        return any(map(is_cut, value.values()))
    return isinstance(value, list) and any(map(is_cut, value))


def whole(value: Any) -> Any:
    """A recorded body to send again: long texts as long as they were, marks of what was left out taken away."""
    if isinstance(value, dict):
        return {key: whole(part) for key, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value if not (isinstance(part, str) and is_cut(part))]
    if isinstance(value, str) and (shortened := re.fullmatch(r"(.*)\.\.\. \((\d+) chars\)", value, re.DOTALL)):
        return shortened[1].ljust(int(shortened[2]), shortened[1][-1])
    return value


def sketch(body: Any) -> Any:
    """What matters of an answer: the words of errors, and what was stored."""
    if not isinstance(body, dict):
        return body if isinstance(body, int) else None
    drawn: dict[str, Any] = {}
    for key, value in body.items():
        if key in {"errors", "saved", "name", "message", "success"}:
            drawn[key] = value
        elif key in {"Event", "response"}:
            drawn[key] = sketch(value) if isinstance(value, dict) else [sketch(part["Event"]) for part in value]
        elif key == "Attribute":
            drawn[key] = stored(value)
        elif key in {"info", "published", "uuid", "distribution"}:
            drawn[key] = str(value)
    return drawn


def stored(attributes: Any) -> Any:
    if isinstance(attributes, dict):
        return {key: attributes.get(key) for key in ("type", "category", "value", "comment", "deleted", "to_ids")}
    return sorted((stored(attribute) for attribute in attributes), key=str)


def records(folder: Path, sections: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for section in sections:
        for path in sorted(folder.glob(f"{section}-*.json")):
            record = json.loads(path.read_text())
            if isinstance(record, dict) and "method" in record:
                yield path.stem, record


def ask(double: MispDouble, record: dict[str, Any]) -> tuple[int, Any]:
    recorded = record["request_headers"]
    headers = {name: recorded[name] for name in ("Accept", "Content-Type") if name in recorded}
    if recorded["User-Agent"].startswith("PyMISP"):
        headers["Content-Type"] = "application/json"  # it sends it in small letters, which the records leave out
    headers["Authorization"] = KEY if recorded.get("Authorization") == "<KEY>" else "another"
    body = record.get("request_body")
    answer = requests.request(
        record["method"],
        double.url + record["path"],
        data=None if body is None else json.dumps(whole(body)).encode(),
        headers=headers,
        timeout=5,
        allow_redirects=False,
    )
    return answer.status_code, answer.json() if answer.content and answer.status_code != 302 else None


def instant(body: Any) -> int:
    """The server's clock as far as an answer shows it."""
    event = body.get("Event", {}) if isinstance(body, dict) else {}
    return int(event.get("timestamp", 0)) if isinstance(event, dict) else 0


def compared(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    """Name of a record, what the recorded server answered, what the double does; those not comparable are left out."""
    for sections in SECTIONS:
        now = [1_795_424_120]
        with misp_double(now=lambda now=now: now[0]) as double:
            if sections == ("18",):
                double.misp.add_event(SET_UP_18, may_create_tags=True)
            for name, record in records(folder, sections):
                if not is_covered(record):
                    continue
                wanted = whole(record["response_body"]) if not is_cut(record["response_body"]) else None
                now[0] = max(now[0], instant(record["response_body"]))
                status, body = ask(double, record)
                request_is_cut = is_cut(record.get("request_body")) and status == record["status"]
                if status == 501 or request_is_cut or name.startswith(tuple(PASSED_OVER)):
                    continue
                yield name, (record["status"], sketch(wanted)), (status, sketch(body) if wanted else None)


def test_the_double_answers_as_the_recorded_server_did(
    realdata: Path, record_property: Callable[[str, object], None]
) -> None:
    names, different = [], {}
    for name, wanted, found in compared(realdata / "misp_rest"):
        names.append(name)
        if wanted != found:
            different[name] = f"recorded {wanted}, the double {found}"
    record_property("records_compared", len(names))
    print(f"{len(names)} records compared")  # noqa: T201 - shown with -s and -rP
    assert different == {}
    assert len(names) >= LEAST_COMPARED
