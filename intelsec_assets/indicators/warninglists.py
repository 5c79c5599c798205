"""Which live indicators are on which warninglist, under which policy: lists loaded, matched, and kept up day by day.

How list files are read is `matching.list_files`; what a hit does to score and decision is `scoring`. Lists need a
policy each: of the ThreatFox addresses of 2026-08-21, 45.1 % are on some list and 44.5 % on `vpn-ipv4`, so one policy
for all would suppress nearly half of the command-and-control servers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from hashlib import sha256
from itertools import count
from pathlib import Path

import duckdb
import pyarrow as pa

from intelsec_assets.engine import read_sql
from intelsec_assets.feeds.catalogue import ListPolicy, Protected, WarninglistPolicies
from intelsec_assets.indicators.matching.columns import (
    NAMES,
    NETWORKS,
    SUBSTRINGS,
    ListColumns,
    list_columns,
    numbered,
    table,
)
from intelsec_assets.indicators.matching.list_files import (
    WarninglistError,
    read_misp_list,
    read_plain_list,
    read_public_suffixes,
)
from intelsec_assets.indicators.matching.networks import mask_table, parse_host, parse_network
from intelsec_assets.indicators.matching.special_purpose import special_purpose_addresses
from intelsec_assets.indicators.protected import PROTECT, PROTECTED_LIST, protected_content

__all__ = [
    "POLICIES",
    "PUBLIC_SUFFIXES",
    "SPECIAL_PURPOSE_ADDRESSES",
    "Warninglist",
    "WarninglistError",
    "Warninglists",
    "load_lists",
    "match",
    "update_hits",
]

POLICIES = (PROTECT, "block", "penalise", "annotate")  # from strictest to mildest

PUBLIC_SUFFIXES = "public-suffixes"
SPECIAL_PURPOSE_ADDRESSES = "special-purpose-addresses"

# Lists that are there without a file, with the policy they have unless a rule with exactly their name says else
_BUILT_IN = {
    PUBLIC_SUFFIXES: ListPolicy(
        PUBLIC_SUFFIXES,
        "block",
        "a name under which anybody can register: exported, it would stand for everybody below it",
    ),
    SPECIAL_PURPOSE_ADDRESSES: ListPolicy(
        SPECIAL_PURPOSE_ADDRESSES,
        "block",
        "such an address means another machine in every network, or none: exported, it would cut off one's own",
    ),
}

# Part of the digest: raised whenever the same lists would give other hits, so that live indicators are matched again.
_MATCHER_VERSION = 2

_SCOPES = pa.schema(
    [("list_no", pa.uint32()), ("indicator_type", pa.string()), ("list", pa.string()), ("policy_rank", pa.uint8())]
)
_POLICY_RANKS = pa.schema([("policy_rank", pa.uint8()), ("policy", pa.string())])
_PARSED_ADDRESSES = pa.schema(
    [("indicator_id", pa.string()), ("indicator_type", pa.string()), *((f.name, f.type) for f in list(NETWORKS)[1:])]
)

_RESULT_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Warninglist:
    """A list in use: its name (file stem), policy with reason, indicator types it speaks about, number of entries.

    `unreadable` are the lines (number, text) of a plain list that were passed over.
    """

    name: str
    title: str
    policy: str
    reason: str
    types: tuple[str, ...]
    entries: int
    unreadable: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Warninglists:
    """All lists in use, their entries as columns ready to join, and a digest that changes when any hit could.

    Columns: networks (list_no, entry, family, hi, lo, length), names (list_no, entry, key, reach), substrings
    (list_no, entry, key, gram), patterns (list_no, entry, pattern); `list_no` is the position in `lists`.
    """

    lists: tuple[Warninglist, ...]
    digest: str
    networks: pa.Table
    names: pa.Table
    substrings: pa.Table
    patterns: tuple[tuple[int, str, str], ...]

    def __len__(self) -> int:
        """Number of lists."""
        return len(self.lists)


def load_lists(root: Path | None, policies: WarninglistPolicies, protected: Protected | None = None) -> Warninglists:
    """Every list the catalogue names: MISP lists of its folder, plain extra lists, built-in lists, our own values.

    `root` is the data root that local paths start from. Built in are `public-suffixes`, blocked as domain indicators,
    and `special-purpose-addresses`, blocked as addresses, as networks that lie in them or hold them, and as hosts; a
    rule of just that name changes it. Raises WarninglistError when a file is missing or broken, or a rule names no
    list.
    """
    contents = dict(_contents(root, policies))
    _check_rules(policies, contents)
    rules = {name: _rule(name, policies) for name in contents}
    rules |= {extra.name: ListPolicy(extra.name, extra.policy, extra.reason) for extra in policies.extra}
    if protected is not None and (protected.domains or protected.networks):
        contents[PROTECTED_LIST] = list_columns(protected_content(protected))
        rules[PROTECTED_LIST] = ListPolicy(PROTECTED_LIST, PROTECT, "ours")
    names = sorted(contents)
    return _compile([(rules[name], name, contents[name]) for name in names])


def match(
    con: duckdb.DuckDBPyConnection, indicators: duckdb.DuckDBPyRelation, lists: Warninglists
) -> duckdb.DuckDBPyRelation:
    """WARNINGLIST_HITS of indicators (indicator_id, indicator_type, value, host): one row an indicator and list.

    - Networks: an address, or the address that a URL's or e-mail's host spells out, inside an entry; a published
      network inside an entry; for `protect` and `block` also a published network that holds an entry. IPv6 that
      embeds IPv4 (mapped, 6to4, NAT64) is looked up as that too.
    - Names: `string` is the whole value; `hostname` a domain itself or any name above it.
    - The popularity of a host never suppresses a URL: what is listed as the host of a URL or e-mail address counts
      `annotate` at most (67.5 % of OpenPhish host names are on top-site or shared-hosting lists), except for `protect`.
    - Substrings and patterns look at the whole value.

    Of several matching entries the strictest policy counts, then the longest prefix or name, then text order.
    """
    result = f"warninglist_hits_{next(_RESULT_NUMBERS)}"
    indicators.create_view("warninglist_indicators", replace=True)
    with _registered(con, lists):
        con.execute(f"create or replace temp table warninglist_addresses as {_sql('addresses')}")
        _add_other_addresses(con)
        con.execute(f"create or replace temp table warninglist_matches as {_sql('network_matches')}")
        con.execute(f"insert into warninglist_matches {_sql('name_matches')}")
        con.execute(f"insert into warninglist_matches {_sql('substring_matches')}")
        for list_no, entry, pattern in lists.patterns:
            parameters = {"list_no": list_no, "entry": entry, "pattern": pattern}
            con.execute(f"insert into warninglist_matches {_sql('pattern_matches')}", parameters)
        con.execute(f"create temp table {result} as {_sql('hits')}")
        con.execute("drop table warninglist_matches; drop table warninglist_addresses")
    return con.table(result)


def update_hits(
    con: duckdb.DuckDBPyConnection,
    indicators: duckdb.DuckDBPyRelation,
    previous_hits: duckdb.DuckDBPyRelation | None,
    lists: Warninglists,
    day: date,
    *,
    lists_changed: bool,
) -> duckdb.DuckDBPyRelation:
    """The same rows as `match`, at the price of the new indicators only.

    `indicators` are INDICATORS of the day, `previous_hits` yesterday's WARNINGLIST_HITS. Hits of indicators still live
    pass through; those first listed on `day` are matched. Everything is matched anew without yesterday's hits, or when
    `lists_changed`: the digest differs from the one they were made with.
    """
    if previous_hits is None or lists_changed:
        return match(con, indicators, lists)
    indicators.create_view("warninglist_live", replace=True)
    previous_hits.create_view("warninglist_previous_hits", replace=True)
    fresh = con.sql("select * from warninglist_live where first_listed >= $day", params={"day": day})
    match(con, fresh, lists).create_view("warninglist_fresh_hits", replace=True)
    result = f"warninglist_hits_{next(_RESULT_NUMBERS)}"
    con.execute(f"create temp table {result} as {_sql('update')}", {"day": day})
    return con.table(result)


def _sql(name: str) -> str:
    return read_sql("intelsec_assets.indicators", f"warninglist_{name}")


def _contents(root: Path | None, policies: WarninglistPolicies) -> Iterator[tuple[str, ListColumns]]:
    yield PUBLIC_SUFFIXES, _public_suffixes()
    yield SPECIAL_PURPOSE_ADDRESSES, list_columns(special_purpose_addresses())
    if policies.local is not None:
        folder = _place(root, policies.local, "warninglists.local")
        files = sorted(folder.glob("*.json"))
        if not files:
            raise WarninglistError(
                f"{folder}: no *.json list in it, but the catalogue names it (warninglists.local): "
                "restore the folder, or take the key out"
            )
        for path in files:
            _reject_taken(path.stem, str(path))
            yield path.stem, list_columns(read_misp_list(path))
    for extra in policies.extra:
        _reject_taken(extra.name, f"warninglists.extra {extra.name}")
        # a line lost from a penalising list costs some points, one lost from a blocking list exports what it held back
        place = _place(root, extra.local, f"warninglists.extra {extra.name}")
        yield extra.name, list_columns(read_plain_list(place, strict=extra.policy == "block"))


@cache  # part of an installed package: the same as long as the process lives
def _public_suffixes() -> ListColumns:
    return list_columns(read_public_suffixes())


def _place(root: Path | None, local: str, key: str) -> Path:
    if root is None and not Path(local).is_absolute():
        raise WarninglistError(
            f"{key}: {local} is relative, but there is no data root to start from: "
            "name a data root, or write an absolute path"
        )
    return Path(local) if root is None else root / local


def _reject_taken(name: str, place: str) -> None:
    if name in (*_BUILT_IN, PROTECTED_LIST):
        raise WarninglistError(f"{place}: the list name {name!r} is taken by a built-in list: rename it")


def _check_rules(policies: WarninglistPolicies, contents: Iterable[str]) -> None:
    """Every rule must name a list that is there, every policy be known, every extra list have a name of its own."""
    extras = [extra.name for extra in policies.extra]
    files = set(contents) - set(extras)
    for rule in policies.rules:
        if not any(fnmatchcase(name, rule.list) for name in files):
            raise WarninglistError(
                f"warninglists.policies: no list {rule.list!r} among the {len(files)} there are "
                f"in {policies.local or 'the catalogue'}: a rule must not lose its list unnoticed; "
                "restore the file, correct the name, or remove the rule"
            )
    for policy in (
        policies.default_policy,
        *(rule.policy for rule in policies.rules),
        *(extra.policy for extra in policies.extra),
    ):
        if policy not in POLICIES[1:]:
            raise WarninglistError(f"warninglists: unknown policy {policy!r}, allowed are {', '.join(POLICIES[1:])}")
    for name in extras:
        if extras.count(name) > 1:
            raise WarninglistError(f"warninglists.extra: two lists are named {name!r}: rename one")


def _rule(name: str, policies: WarninglistPolicies) -> ListPolicy:
    """The first rule that names the list. A glob is no statement about a built-in list, only its own name is."""
    for rule in policies.rules:
        if rule.list == name or (name not in _BUILT_IN and fnmatchcase(name, rule.list)):
            return rule
    return _BUILT_IN.get(name, ListPolicy(name, policies.default_policy, "default policy"))


def _compile(parts: Sequence[tuple[ListPolicy, str, ListColumns]]) -> Warninglists:
    """The lists side by side, and the digest over their content and policies."""
    columns = [content for _, _, content in parts]
    identity = [[name, content.sha256, rule.policy, content.types] for rule, name, content in parts]
    return Warninglists(
        lists=tuple(
            Warninglist(name, c.title, rule.policy, rule.reason, c.types, c.size, c.unreadable)
            for rule, name, c in parts
        ),
        digest=sha256(json.dumps([_MATCHER_VERSION, identity]).encode()).hexdigest(),
        networks=numbered([c.networks for c in columns], NETWORKS),
        names=numbered([c.names for c in columns], NAMES),
        substrings=numbered([c.substrings for c in columns], SUBSTRINGS),
        patterns=tuple((no, *pattern) for no, c in enumerate(columns) for pattern in c.patterns),
    )


@contextmanager
def _registered(con: duckdb.DuckDBPyConnection, lists: Warninglists) -> Iterator[None]:
    """The lists' columns as views of the connection, for the time of a match."""
    scopes = [
        (no, kind, item.name, POLICIES.index(item.policy)) for no, item in enumerate(lists.lists) for kind in item.types
    ]
    views = {
        "warninglist_networks": lists.networks,
        "warninglist_names": lists.names,
        "warninglist_substrings": lists.substrings,
        "warninglist_masks": mask_table(),
        "warninglist_scopes": table(scopes, _SCOPES),
        "warninglist_policies": table(list(enumerate(POLICIES)), _POLICY_RANKS),
    }
    for name, columns in views.items():
        con.register(name, columns)
    try:
        yield
    finally:
        for name in views:
            con.unregister(name)


def _add_other_addresses(con: duckdb.DuckDBPyConnection) -> None:
    """IPv6 addresses, networks and bracketed hosts, which SQL has no parser for; they are few beside IPv4 addresses."""
    rows = con.sql(_sql("other_addresses")).to_arrow_table()
    found: list[tuple[object, ...]] = []
    columns = (column.to_pylist() for column in rows.columns)
    for indicator_id, indicator_type, text, is_host in zip(*columns, strict=True):
        network = parse_host(text) if is_host else parse_network(text)
        if network is not None:
            found.extend((indicator_id, indicator_type, *reading) for reading in network.readings())
    con.register("warninglist_parsed_addresses", table(found, _PARSED_ADDRESSES))
    con.execute(
        "insert into warninglist_addresses "
        "select indicator_id::uuid, * exclude (indicator_id) from warninglist_parsed_addresses"
    )
    con.unregister("warninglist_parsed_addresses")
