"""What a catalogue may say: the JSON schema and the rules a schema cannot hold, as a list of problems with lines.

Reading YAML is `located_yaml`; building the values is `catalogue`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from intelsec_assets.feeds import catalogue_expectations
from intelsec_assets.feeds.located_yaml import LocatedYaml, Problem, YamlPath

PLACEHOLDERS = ("day", "yyyymmdd", "yyyy", "mm", "dd")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DOMAIN = re.compile(
    r"^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
)


def problems(document: LocatedYaml) -> list[Problem]:
    """Everything wrong with a catalogue, by line; empty = it can be used."""
    found = list(document.problems)
    if not isinstance(document.value, dict):
        return found or [Problem(1, (), "the file holds no catalogue; expected the keys version, first_day and feeds")]
    found += _schema_problems(document, document.value, "#", ())
    catalogue = document.value
    feeds = catalogue.get("feeds")
    entries = feeds if isinstance(feeds, list) else []
    for position, entry in enumerate(entries):
        if isinstance(entry, dict):
            found += _feed_problems(document, with_defaults(catalogue.get("defaults"), entry), ("feeds", position))
    found += _repeated(document, entries, "feeds")
    found += _section_problems(document, catalogue)
    unique = {(problem.line, problem.text): problem for problem in found}
    return sorted(unique.values(), key=lambda problem: (problem.line, problem.text))


def with_defaults(defaults: object, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A feed's entry over the defaults; contracts are merged key by key, everything else is replaced."""
    merged = {**(defaults if isinstance(defaults, dict) else {}), **entry}
    contracts = [part.get("contract") for part in (defaults, entry) if isinstance(part, Mapping)]
    if contracts and all(isinstance(contract, Mapping) or contract is None for contract in contracts):
        merged["contract"] = {key: value for contract in contracts for key, value in (contract or {}).items()}
    return merged


@cache
def _schema() -> dict[str, Any]:
    text = files("intelsec_assets.feeds").joinpath("catalogue.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _schema_problems(document: LocatedYaml, value: object, ref: str, prefix: YamlPath) -> Iterator[Problem]:
    import jsonschema

    schema = _schema() if ref == "#" else {"$ref": ref, "$defs": _schema()["$defs"]}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        path = (*prefix, *error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"]) if isinstance(error.schema, Mapping) else []
            for key in sorted(set(error.instance) - set(known)) if isinstance(error.instance, dict) else []:
                yield Problem(document.line((*path, key)), (*path, key), _unknown_key(key, known))
        else:
            yield Problem(document.line(path), path, _words(error))


def _unknown_key(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown key {key!r}{hint or ';'} allowed: {', '.join(known) or 'none'}"


_RULE_WORDS: dict[str, Callable[[Any], str]] = {
    "required": lambda e: f"the key {_missing(e)!r} is missing",
    "enum": lambda e: f"{e.instance!r} is not allowed; allowed: {', '.join(json.dumps(v) for v in e.validator_value)}",
    "const": lambda e: f"{e.instance!r} is not allowed; allowed: {json.dumps(e.validator_value)}",
    "type": lambda e: f"{_short(e.instance)} is not {_type_words(e.validator_value)}",
    "pattern": lambda e: f"{e.instance!r} does not have the form {e.validator_value}",
    "minimum": lambda e: f"{e.instance!r} is below the least value allowed, {e.validator_value}",
    "maximum": lambda e: f"{e.instance!r} is above the greatest value allowed, {e.validator_value}",
    "exclusiveMinimum": lambda e: f"{e.instance!r} must be above {e.validator_value}",
    "minLength": lambda _: "must not be empty",
    "maxLength": lambda e: f"is longer than the {e.validator_value} characters allowed",
    "minItems": lambda _: "must have at least one entry",
    "maxItems": lambda e: f"has more than the {e.validator_value} entries allowed",
    "uniqueItems": lambda _: "has the same entry twice",
    "not": lambda e: f"{e.instance!r} is not allowed: `..` leaves the folder",
}


def _words(error: Any) -> str:
    words = _RULE_WORDS.get(str(error.validator))
    return words(error) if words else str(error.message)


def _missing(error: Any) -> str:
    """The key that a `required` error is about: jsonschema reports them one by one, in its message only."""
    return str(error.message).split("'")[1]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _type_words(types: object) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number"}
    names |= {"number": "a number", "boolean": "true or false", "null": "null"}
    return " or ".join(names.get(str(t), str(t)) for t in (types if isinstance(types, list) else [types]))


def _feed_problems(document: LocatedYaml, feed: dict[str, Any], path: YamlPath) -> Iterator[Problem]:
    yield from _schema_problems(document, feed, "#/$defs/complete_feed", path)
    for key, text in _feed_defects(feed):
        at = (*path, key)
        if at not in document.lines and ("defaults", key) in document.lines:
            at = ("defaults", key)  # the value came from there
        yield Problem(document.line(at), at, text)
    for where, text in catalogue_expectations.defects(feed):
        at = (*path, *where)
        if (*path, "expectations") not in document.lines and ("defaults", "expectations") in document.lines:
            at = ("defaults", *where)
        yield Problem(document.line(at), at, text)


def _feed_defects(feed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and words of what a schema cannot say about one feed; values of a wrong type are the schema's business."""
    url, local, options = feed.get("url"), feed.get("local"), feed.get("options")
    if url is None and local is None:
        yield "name", "neither `url` nor `local` is given; a feed needs at least one of them"
    if isinstance(url, str):
        yield from (("url", text) for text in _url_defects(url, feed))
    if isinstance(local, str):
        yield from (("local", text) for text in _local_defects(local))
    yield from _day_defects(feed)
    contract = feed.get("contract")
    if isinstance(contract, dict):
        least, most = contract.get("min_rows", 0), contract.get("max_rows")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            yield "contract", f"min_rows {least} is greater than max_rows {most}"
    if isinstance(options, dict) and isinstance(options.get("columns"), dict) and options.get("header", True) is False:
        named = [f"{key}: {column}" for key, column in options["columns"].items() if isinstance(column, str)]
        if named:
            yield "options", f"a file without header has no column names ({', '.join(named)}); give positions from 0"


def _day_defects(feed: dict[str, Any]) -> Iterator[tuple[str, str]]:
    days: dict[str, date] = {}
    for key in ("from", "until"):
        if isinstance(feed.get(key), str):
            try:
                days[key] = date.fromisoformat(feed[key])
            except ValueError:
                yield key, f"{feed[key]!r} is not a day of the calendar; expected YYYY-MM-DD"
    if len(days) == 2 and days["from"] > days["until"]:
        yield "until", f"until {days['until']} lies before from {days['from']}"


def _url_defects(url: str, feed: dict[str, Any]) -> Iterator[str]:
    options = feed.get("options")
    lists_files = isinstance(options, dict) and "files" in options
    yield from _placeholder_defects(url, (*PLACEHOLDERS, "file") if lists_files else PLACEHOLDERS)
    if lists_files and "{file}" not in url:
        yield "options.files is given, so the url needs the placeholder {file}"
    try:
        parts = urlsplit(url)
        host, has_user = parts.hostname, parts.username is not None or parts.password is not None
        _ = parts.port
    except ValueError as error:
        yield f"{url!r} is not a URL: {error}"
        return
    if parts.scheme not in ("http", "https") or not host:
        yield f"{url!r} is not an http or https URL"
    if has_user:
        yield "the URL holds a user name or password; name an environment variable under `credentials` instead"
    if feed.get("credentials") is not None and parts.scheme == "http":
        yield "credentials would travel unencrypted; use an https URL"


def _local_defects(local: str) -> Iterator[str]:
    yield from _placeholder_defects(local, PLACEHOLDERS)
    yield from path_defects(local)


def path_defects(local: str) -> Iterator[str]:
    """Why a path cannot be one below the data root."""
    if local.startswith(("/", "~")) or "\\" in local or "\0" in local or re.match(r"^[A-Za-z]:", local):
        yield f"{local!r} is not a path below the data root; write it relative, with forward slashes"
    if ".." in local.split("/"):
        yield f"{local!r} leaves the data root; `..` is not allowed"


def _placeholder_defects(text: str, allowed: tuple[str, ...]) -> Iterator[str]:
    names = ", ".join("{" + name + "}" for name in allowed)
    for name in _PLACEHOLDER.findall(text):
        if name not in allowed:
            yield f"unknown placeholder {{{name}}}; allowed: {names}"
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        yield f"{text!r} has an unmatched brace; placeholders are {names}"


def _repeated(document: LocatedYaml, entries: list[Any], section: str, *parents: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for position, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        path: YamlPath = (*parents, section, position, "name")
        if section == "feeds" and name == "warninglists":
            yield Problem(
                document.line(path), path, f"the name {name!r} is taken: the lists of a day are kept under it"
            )
        if name in first:
            text = f"the name {name!r} is already used on line {first[name]}; names must be unique"
            yield Problem(document.line(path), path, text)
        else:
            first[name] = document.line(path)


def _section_problems(document: LocatedYaml, catalogue: dict[str, Any]) -> Iterator[Problem]:
    if isinstance(catalogue.get("first_day"), str):
        for _, text in _day_defects({"from": catalogue["first_day"]}):
            yield Problem(document.line(("first_day",)), ("first_day",), text)
    lists = catalogue.get("warninglists")
    if isinstance(lists, dict):
        if isinstance(lists.get("local"), str):
            for text in path_defects(lists["local"]):
                yield Problem(document.line(("warninglists", "local")), ("warninglists", "local"), text)
        extra = lists.get("extra")
        entries = extra if isinstance(extra, list) else []
        yield from _repeated(document, entries, "extra", "warninglists")
        for position, entry in enumerate(entries):
            path: YamlPath = ("warninglists", "extra", position, "local")
            if isinstance(entry, dict) and isinstance(entry.get("local"), str):
                yield from (Problem(document.line(path), path, text) for text in path_defects(entry["local"]))
    protected = catalogue.get("protected")
    if isinstance(protected, dict):
        yield from _protected_problems(document, protected)


def _protected_problems(document: LocatedYaml, protected: dict[str, Any]) -> Iterator[Problem]:
    for key, defect in (("domains", _domain_defect), ("networks", _network_defect)):
        values = protected.get(key)
        for position, value in enumerate(values if isinstance(values, list) else []):
            path: YamlPath = ("protected", key, position)
            text = defect(value) if isinstance(value, str) else None
            if text:
                yield Problem(document.line(path), path, text)


def _domain_defect(value: str) -> str | None:
    name = value.lower().removesuffix(".")
    try:
        name = name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:
        return f"{value!r} is not a domain name"
    return None if _DOMAIN.match(name) else f"{value!r} is not a domain name; write example.com, without scheme or `*.`"


def _network_defect(value: str) -> str | None:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        try:
            meant = ipaddress.ip_network(value, strict=False)
        except ValueError:
            return f"{value!r} is not an address or network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"
        return f"{value!r} has host bits set; write {meant}"
    return None
