"""The catalogue: feeds, warninglist policies, protected names and export limits as immutable values, loaded from YAML.

How YAML is read with its lines is `located_yaml`, what it may say is `catalogue_rules`; nothing is fetched here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from intelsec_assets.feeds import catalogue_rules, located_yaml

INDICATOR_TYPES = ("domain", "url", "ipv4", "ipv6", "cidr", "md5", "sha1", "sha256", "sha512", "email")

# Admiralty source reliability as MISP's taxonomy weighs it; F = "cannot be judged" is neither trusted nor distrusted
TRUST_WEIGHTS = {"A": 1.0, "B": 0.75, "C": 0.5, "D": 0.25, "E": 0.0, "F": 0.5}

TLP_LEVELS = ("clear", "green", "amber", "amber+strict", "red")  # from open to closed


PUBLIC_CATALOGUE = Path(__file__).parent / "catalogues" / "public.yaml"


class CatalogueError(Exception):
    """The catalogue cannot be used; the message lists every problem with file, line, key and what is allowed."""


@dataclass(frozen=True)
class Contract:
    """What a feed promises; a day outside of it holds the feed's indicators. Ratios 0 to 1, `None` = no limit."""

    min_rows: int = 0
    max_rows: int | None = None
    max_shrink: float = 0.5
    max_unchanged_days: int | None = None
    max_rejected: float = 0.2


@dataclass(frozen=True)
class Credentials:
    """The request header a feed wants, and the environment variable that holds its value. Never the value itself."""

    header: str
    env: str


@dataclass(frozen=True, kw_only=True)
class StatedExpectation:
    """What an entry says of a feed's quality: something else of a default expectation, or a further one.

    `arguments` go to the kind of expectation, in Great Expectations' words; None = as the default has it.
    """

    name: str
    enabled: bool = True
    reason: str = ""
    claim: str = ""
    expectation: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    severity: str | None = None
    what_to_do: str = ""


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One feed of the catalogue, defaults and templates already applied."""

    name: str
    title: str
    publisher: str
    licence: str
    url: str | None = None
    local: str | None = None
    format: str
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "snapshot"
    interval: timedelta = timedelta(days=1)
    trust: str = "F"
    tlp: str = "clear"
    types: tuple[str, ...] = INDICATOR_TYPES
    campaign: str | None = None
    threat_type: str | None = None
    malware_family: str | None = None
    contract: Contract = Contract()
    credentials: Credentials | None = None
    from_day: date | None = None
    until_day: date | None = None
    enabled: bool = True
    note: str = ""
    expectations: tuple[StatedExpectation, ...] = ()

    @property
    def asset_name(self) -> str:
        """Name of its asset: Dagster allows no dashes."""
        return self.name.replace("-", "_")

    @property
    def trust_weight(self) -> float:
        """Its source grade as a ratio 0 to 1."""
        return TRUST_WEIGHTS[self.trust]

    @property
    def digest(self) -> str:
        """Hash of everything the catalogue says about what a day of it holds: changes when that does.

        Expectations only look at the day, so stating another one rebuilds nothing.
        """
        return _content_hash(replace(self, expectations=()))

    def is_due(self, day: date) -> bool:
        """True when the source exists on that day."""
        return (self.from_day is None or self.from_day <= day) and (self.until_day is None or day <= self.until_day)


@dataclass(frozen=True)
class ListPolicy:
    """What to do with indicators on the warninglists whose file stem matches `list` (a glob)."""

    list: str
    policy: str
    reason: str


@dataclass(frozen=True)
class ExtraList:
    """A plain list (one value a line, `#` comments) used like a warninglist."""

    name: str
    local: str
    policy: str
    reason: str


@dataclass(frozen=True)
class WarninglistPolicies:
    """Where the warninglists lie and what each may do: block, penalise or annotate. The first matching rule counts."""

    local: str | None = None
    default_policy: str = "annotate"
    rules: tuple[ListPolicy, ...] = ()
    extra: tuple[ExtraList, ...] = ()


@dataclass(frozen=True)
class Protected:
    """Ours: domains (and everything below) and networks that are never exported, whatever a feed says."""

    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportPolicy:
    """What leaves the house: least score (ratio), strictest TLP, types, widest networks (prefix length, bits).

    `tombstone_days` is how long a withdrawn indicator is remembered.
    """

    threshold: float = 0.6
    max_tlp: str = "green"
    tombstone_days: int = 90
    types: tuple[str, ...] = INDICATOR_TYPES
    # the widest networks that published lists of hijacked space hold are /12; wider is a mistake or an attack on us
    widest_ipv4: int = 12
    widest_ipv6: int = 20


@dataclass(frozen=True)
class Catalogue:
    """A whole catalogue file."""

    path: Path
    first_day: date
    feeds: tuple[Feed, ...]
    warninglists: WarninglistPolicies = WarninglistPolicies()
    protected: Protected = Protected()
    export: ExportPolicy = ExportPolicy()
    scoring_model: str = "v1"

    @property
    def enabled_feeds(self) -> tuple[Feed, ...]:
        """Feeds in use, in the order of the file."""
        return tuple(feed for feed in self.feeds if feed.enabled)

    @property
    def digest(self) -> str:
        """Hash of everything the file says, comments and layout aside: changes when the meaning does."""
        return _content_hash(self)

    def feed(self, name: str) -> Feed:
        """The feed of that name. Raises CatalogueError that lists the names there are."""
        for feed in self.feeds:
            if feed.name == name:
                return feed
        raise CatalogueError(f"{self.path}: no feed {name!r}; there are: {', '.join(f.name for f in self.feeds)}")


def catalogue_for(data_root: Path | None) -> Path:
    """The catalogue of a data root: its own `catalogue.yaml`, else the built-in one of public feeds."""
    own = data_root / "catalogue.yaml" if data_root is not None else None
    return own if own is not None and own.is_file() else PUBLIC_CATALOGUE


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue in a YAML file. Raises CatalogueError with every problem: file, line, key, what is allowed."""
    try:
        with path.open("rb") as file:
            raw = file.read(located_yaml.MAX_BYTES + 1)
    except OSError as error:
        raise CatalogueError(f"{path}: cannot be read: {error.strerror}; name a catalogue YAML file") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise CatalogueError(f"{path}, line {line}: not UTF-8 text; save the catalogue as UTF-8") from None
    return _read(path, text)


@lru_cache(maxsize=8)
def _read(path: Path, text: str) -> Catalogue:
    """The same text is the same catalogue: a day asks for it fifty times."""
    document = located_yaml.read_located_yaml(text)
    found = catalogue_rules.problems(document)
    if found or not isinstance(document.value, dict):
        plural = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        raise CatalogueError("\n".join([f"{path}: {plural} in the catalogue", *(f"  {path}, {p}" for p in found)]))
    return _catalogue(path, document.value)


def _catalogue(path: Path, value: Mapping[str, Any]) -> Catalogue:
    lists, protected = (value.get(key) or {} for key in ("warninglists", "protected"))
    export: dict[str, Any] = dict(value.get("export") or {})
    if "types" in export:
        export["types"] = tuple(export["types"])
    return Catalogue(
        path=path,
        first_day=date.fromisoformat(value["first_day"]),
        feeds=tuple(_feed(catalogue_rules.with_defaults(value.get("defaults"), entry)) for entry in value["feeds"]),
        warninglists=WarninglistPolicies(
            local=lists.get("local"),
            default_policy=lists.get("default_policy", "annotate"),
            rules=tuple(ListPolicy(**rule) for rule in lists.get("policies") or ()),
            extra=tuple(ExtraList(**entry) for entry in lists.get("extra") or ()),
        ),
        protected=Protected(tuple(protected.get("domains") or ()), tuple(protected.get("networks") or ())),
        export=ExportPolicy(**export),
        scoring_model=(value.get("scoring") or {}).get("model", "v1"),
    )


def _feed(entry: Mapping[str, Any]) -> Feed:
    read = {key: value for key, value in entry.items() if key not in ("from", "until")}
    read["options"] = dict(entry.get("options") or {})
    read["interval"] = _interval(entry.get("interval", "1d"))
    read["types"] = tuple(entry["types"])
    read["contract"] = Contract(**(entry.get("contract") or {}))
    read["credentials"] = Credentials(**entry["credentials"]) if entry.get("credentials") else None
    read["expectations"] = tuple(StatedExpectation(**stated) for stated in entry.get("expectations") or ())
    for key, name in (("from", "from_day"), ("until", "until_day")):
        read[name] = date.fromisoformat(entry[key]) if entry.get(key) else None
    return Feed(**read)


def _interval(text: str) -> timedelta:
    return timedelta(minutes=int(text[:-1]) * {"m": 1, "h": 60, "d": 1440}[text[-1]])


def _content_hash(value: Feed | Catalogue) -> str:
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _plain(value: object) -> object:
    """Dataclasses, dates and tuples as JSON values; paths are left out, a catalogue may move without changing."""
    if is_dataclass(value):
        said = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "path"}
        if said.get("expectations") == ():
            del said["expectations"]  # an entry without any has the hash it had before entries could state some
        return {name: _plain(one) for name, one in said.items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, date) else value
