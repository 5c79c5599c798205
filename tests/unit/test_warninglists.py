"""Warninglists: what loads, what is refused, what matches under which policy; days add up to a full match."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.feeds.catalogue import ExtraList, ListPolicy, Protected, WarninglistPolicies
from intelsec_assets.indicators.matching.networks import parse_network
from intelsec_assets.indicators.warninglists import WarninglistError, Warninglists, load_lists, match, update_hits
from tests import parts
from tests.searching import examples

ADDRESSES = ["ip-src", "ip-dst", "domain|ip"]
NAMES = ["domain", "hostname", "url"]
BUILT_IN = {"public-suffixes", "special-purpose-addresses"}
DAY = date(2026, 3, 2)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.session(threads=1) as con:
        yield con


def write_list(folder: Path, name: str, kind: str, entries: list[str], attributes: list[str] | None = None) -> None:
    folder.mkdir(exist_ok=True)
    document = {"name": f"List {name}", "type": kind, "list": entries}
    if attributes is not None:
        document["matching_attributes"] = attributes
    (folder / f"{name}.json").write_text(json.dumps(document))


def load(root: Path, *rules: tuple[str, str], protected: Protected | None = None) -> Warninglists:
    policies = WarninglistPolicies(
        "lists", "annotate", tuple(ListPolicy(name, policy, "why") for name, policy in rules)
    )
    return load_lists(root, policies, protected)


def table(con: duckdb.DuckDBPyConnection, rows: list[tuple], name: str = "given") -> duckdb.DuckDBPyRelation:
    """Indicators (type, value, host) with ids 1, 2, … in their order, first listed on DAY unless a fourth says when."""
    con.execute(
        f"create or replace table {name} "
        "(indicator_id uuid, indicator_type varchar, value varchar, host varchar, first_listed date)"
    )
    cells = [cell for number, row in enumerate(rows, start=1) for cell in (UUID(int=number), *(*row, DAY)[:4])]
    if rows:
        con.execute(f"insert into {name} values {', '.join(['(?, ?, ?, ?, ?)'] * len(rows))}", cells)
    return con.table(name)


def hits(con: duckdb.DuckDBPyConnection, lists: Warninglists, *rows: tuple) -> list[tuple[str, str, str, str]]:
    """(value, list, policy, entry) of a match of these indicators, sorted."""
    match(con, table(con, list(rows)), lists).create_view("found", replace=True)
    return con.execute(
        "select value, list, policy, entry from found join given using (indicator_id) order by all"
    ).fetchall()


def hits_of(con: duckdb.DuckDBPyConnection, lists: Warninglists, *rows: tuple) -> list[tuple[str, str, str, str]]:
    """The same of the lists that a test wrote, without the built-in ones."""
    return [hit for hit in hits(con, lists, *rows) if hit[1] not in BUILT_IN]


def domain(name: str) -> tuple[str, str, str]:
    return ("domain", name, name)


def test_an_address_inside_an_entry_is_on_the_list_by_the_longest_prefix(con, tmp_path):
    write_list(tmp_path / "lists", "cloud", "cidr", ["192.0.2.0/24", "192.0.2.64/26", "192.0.0.0/16"], ADDRESSES)
    lists = load(tmp_path, ("cloud", "penalise"))
    assert hits(con, lists, ("ipv4", "192.0.2.70", None), ("ipv4", "192.1.0.1", None)) == [
        ("192.0.2.70", "cloud", "penalise", "192.0.2.64/26")
    ]


def test_ipv6_and_mapped_entries_match_the_address_they_stand_for(con, tmp_path):
    write_list(tmp_path / "lists", "six", "cidr", ["2001:DB8::/33", "::ffff:c000:0207"], ADDRESSES)
    lists = load(tmp_path)
    found = hits(
        con, lists, ("ipv6", "2001:db8::1", None), ("ipv6", "2001:db8:8000::1", None), ("ipv4", "192.0.2.7", None)
    )
    assert found == [
        ("192.0.2.7", "six", "annotate", "::ffff:c000:0207"),
        ("2001:db8::1", "six", "annotate", "2001:DB8::/33"),
    ]


def test_a_published_network_that_holds_an_entry_is_stopped_by_a_blocking_list_only(con, tmp_path):
    write_list(tmp_path / "lists", "ours", "cidr", ["192.0.2.128/25"], ADDRESSES)
    write_list(tmp_path / "lists", "theirs", "cidr", ["192.0.2.128/25"], ADDRESSES)
    lists = load(tmp_path, ("ours", "block"))
    found = hits(con, lists, ("cidr", "192.0.2.0/24", None), ("cidr", "192.0.2.192/26", None))
    assert found == [
        ("192.0.2.0/24", "ours", "block", "192.0.2.128/25"),
        ("192.0.2.192/26", "ours", "block", "192.0.2.128/25"),
        ("192.0.2.192/26", "theirs", "annotate", "192.0.2.128/25"),
    ]


def test_a_string_list_means_the_whole_value_in_any_letter_case(con, tmp_path):
    write_list(tmp_path / "lists", "exact", "string", ["Example.COM", "D41D8CD98F00B204E9800998ECF8427E"])
    lists = load(tmp_path, ("exact", "block"))
    found = hits(
        con, lists, domain("example.com"), domain("www.example.com"), ("md5", "d41d8cd98f00b204e9800998ecf8427e", None)
    )
    assert [(value, policy) for value, _, policy, _ in found] == [
        ("d41d8cd98f00b204e9800998ecf8427e", "block"),
        ("example.com", "block"),
    ]


def test_a_hostname_list_means_the_name_and_everything_below_it(con, tmp_path):
    write_list(tmp_path / "lists", "names", "hostname", [".dyn.example", "beispiel.example", "münchen.example"], NAMES)
    found = hits(
        con,
        load(tmp_path, ("names", "penalise")),
        domain("a.b.dyn.example"),
        domain("dyn.example"),
        domain("notdyn.example"),
        domain("xn--mnchen-3ya.example"),
    )
    assert [(value, entry) for value, _, _, entry in found] == [
        ("a.b.dyn.example", ".dyn.example"),
        ("dyn.example", ".dyn.example"),
        ("xn--mnchen-3ya.example", "münchen.example"),
    ]


@pytest.mark.parametrize("kind", ["hostname", "string"])
def test_the_popularity_of_a_host_never_suppresses_its_url(con, tmp_path, kind):
    write_list(tmp_path / "lists", "top", kind, ["pages.example"], NAMES)
    found = hits(
        con,
        load(tmp_path, ("top", "block")),
        ("url", "https://pages.example/login", "pages.example"),
        domain("pages.example"),
    )
    assert [(value, policy) for value, _, policy, _ in found] == [
        ("https://pages.example/login", "annotate"),
        ("pages.example", "block"),
    ]


def test_a_blocking_list_holds_for_a_url_whose_host_is_an_address(con, tmp_path):
    write_list(tmp_path / "lists", "private", "cidr", ["10.0.0.0/8", "fe80::/10"], [*ADDRESSES, "url"])
    found = hits_of(
        con,
        load(tmp_path, ("private", "block")),
        ("url", "http://10.1.2.3/a", "10.1.2.3"),
        ("url", "http://[fe80::1]/a", "fe80::1"),
        ("url", "http://[fe80::2]/a", "[fe80::2]"),
    )
    assert [(value, policy) for value, _, policy, _ in found] == [
        ("http://10.1.2.3/a", "block"),
        ("http://[fe80::1]/a", "block"),
        ("http://[fe80::2]/a", "block"),
    ]


def test_an_address_list_speaks_of_urls_whose_host_is_an_address_without_saying_so(con, tmp_path):
    write_list(tmp_path / "lists", "private", "cidr", ["10.0.0.0/8"], ["ip-dst"])
    assert hits_of(con, load(tmp_path, ("private", "block")), ("url", "http://10.1.2.3/", "10.1.2.3")) == [
        ("http://10.1.2.3/", "private", "block", "10.0.0.0/8")
    ]


def test_a_blocking_list_holds_for_the_whole_url_it_names(con, tmp_path):
    write_list(tmp_path / "lists", "known", "string", ["HTTPS://Pages.example"], ["url"])
    assert hits(con, load(tmp_path, ("known", "block")), ("url", "https://pages.example/", "pages.example")) == [
        ("https://pages.example/", "known", "block", "HTTPS://Pages.example")
    ]


def test_substrings_and_patterns_look_at_the_whole_value(con, tmp_path):
    write_list(tmp_path / "lists", "parts", "substring", ["sandbox.example", "ab"], ["domain", "url"])
    write_list(tmp_path / "lists", "roles", "regex", ["/^(abuse|noc)\\@.*\\..*$/i"], ["email-src"])
    found = hits(
        con,
        load(tmp_path),
        domain("my-SANDBOX.example.org".lower()),
        domain("xaby.example"),
        domain("other.example"),
        ("email", "ABUSE@mail.example", "mail.example"),
        ("email", "nobody@sandbox.example", "sandbox.example"),
    )
    assert [(value, name, entry) for value, name, _, entry in found] == [
        ("ABUSE@mail.example", "roles", "/^(abuse|noc)\\@.*\\..*$/i"),
        ("my-sandbox.example.org", "parts", "sandbox.example"),
        ("xaby.example", "parts", "ab"),
    ]


def test_matching_attributes_limit_the_types_a_list_speaks_about(con, tmp_path):
    value = "d41d8cd98f00b204e9800998ecf8427e"
    write_list(tmp_path / "lists", "hashes", "string", [value], ["filename|md5"])
    write_list(tmp_path / "lists", "phones", "regex", ["/(?=no-lookahead-in-re2)/"], ["phone-number"])
    write_list(tmp_path / "lists", "only-domains", "hostname", ["pages.example"], ["hostname"])
    lists = load(tmp_path)
    assert {item.name: item.types for item in lists.lists if item.name not in BUILT_IN} == {
        "hashes": ("md5",),
        "only-domains": ("domain",),
        "phones": (),
    }
    assert hits(con, lists, ("md5", value, None), ("url", "http://pages.example/", "pages.example")) == [
        (value, "hashes", "annotate", value)
    ]


@pytest.mark.parametrize("suffix", ["com", "co.uk", "vercel.app", "anything.ck"])
def test_a_public_suffix_is_never_exported_as_a_domain(con, suffix):
    lists = load_lists(None, WarninglistPolicies())
    assert [policy for _, _, policy, _ in hits(con, lists, domain(suffix))] == ["block"]


def test_names_below_a_public_suffix_and_its_exceptions_are_free(con):
    lists = load_lists(None, WarninglistPolicies())
    assert not hits(
        con, lists, domain("evil.vercel.app"), domain("www.ck"), ("url", "https://vercel.app/x", "vercel.app")
    )


def test_only_a_rule_with_its_name_changes_the_policy_of_public_suffixes(con, tmp_path):
    write_list(tmp_path / "lists", "top", "hostname", ["top.example"], NAMES)
    assert hits(con, load(tmp_path, ("*", "annotate")), domain("com"))[0][2] == "block"
    named = WarninglistPolicies(None, "annotate", (ListPolicy("public-suffixes", "penalise", "why"),))
    assert hits(con, load_lists(None, named), domain("com"))[0][2] == "penalise"


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        (("ipv4", "10.1.2.3", None), "10.0.0.0/8"),
        (("ipv4", "0.0.0.0", None), "0.0.0.0/8"),
        (("ipv4", "100.64.0.1", None), "100.64.0.0/10"),
        (("ipv4", "127.0.0.1", None), "127.0.0.0/8"),
        (("ipv4", "169.254.169.254", None), "169.254.0.0/16"),
        (("ipv4", "172.31.255.255", None), "172.16.0.0/12"),
        (("ipv4", "192.0.0.8", None), "192.0.0.0/24"),
        (("ipv4", "192.88.99.1", None), "192.88.99.0/24"),
        (("ipv4", "192.168.1.1", None), "192.168.0.0/16"),
        (("ipv4", "239.255.255.250", None), "224.0.0.0/4"),
        (("ipv4", "255.255.255.255", None), "240.0.0.0/4"),
        (("ipv6", "::", None), "::/128"),
        (("ipv6", "::1", None), "::1/128"),
        (("ipv6", "fe80::1", None), "fe80::/10"),
        (("ipv6", "fd00::1", None), "fc00::/7"),
        (("ipv6", "ff02::1", None), "ff00::/8"),
        (("ipv6", "100::1", None), "100::/64"),
        (("ipv6", "2002:a01:203::1", None), "10.0.0.0/8"),
        (("ipv6", "64:ff9b::7f00:1", None), "127.0.0.0/8"),
        (("cidr", "10.1.0.0/16", None), "10.0.0.0/8"),
        (("cidr", "8.0.0.0/6", None), "10.0.0.0/8"),
        (("cidr", "2002:c0a8::/32", None), "192.168.0.0/16"),
        (("cidr", "fe00::/8", None), "fe80::/10"),
        (("url", "http://192.168.1.1/x", "192.168.1.1"), "192.168.0.0/16"),
        (("url", "http://[::1]/x", "[::1]"), "::1/128"),
    ],
)
def test_an_address_that_is_another_machine_everywhere_is_blocked_without_any_list_file(con, row, entry):
    lists = load_lists(None, WarninglistPolicies())
    assert hits(con, lists, row) == [(row[1], "special-purpose-addresses", "block", entry)]


def test_a_network_of_half_the_internet_is_blocked_for_what_it_holds(con):
    lists = load_lists(None, WarninglistPolicies())
    halves = hits(con, lists, ("cidr", "0.0.0.0/1", None), ("cidr", "128.0.0.0/1", None), ("cidr", "0.0.0.0/0", None))
    assert {(value, policy) for value, _, policy, _ in halves} == {
        ("0.0.0.0/0", "block"),
        ("0.0.0.0/1", "block"),
        ("128.0.0.0/1", "block"),
    }


def test_public_documentation_and_benchmark_addresses_are_not_special(con):
    lists = load_lists(None, WarninglistPolicies())
    free = ["9.255.255.255", "11.0.0.1", "172.32.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"]
    rows = [("ipv4", value, None) for value in free] + [("ipv6", "2001:db8::1", None), ("ipv6", "2a00::1", None)]
    assert not hits(con, lists, *rows, ("cidr", "198.18.0.0/15", None), ("url", "http://192.0.2.1/", "192.0.2.1"))


def test_only_a_rule_with_its_name_changes_the_policy_of_special_purpose_addresses(con, tmp_path):
    write_list(tmp_path / "lists", "top", "hostname", ["top.example"], NAMES)
    address = ("ipv4", "10.1.2.3", None)
    assert hits(con, load(tmp_path, ("*", "annotate")), address)[0][2] == "block"
    assert hits(con, load(tmp_path, ("special-purpose-addresses", "annotate")), address)[0][2] == "annotate"


def test_a_list_of_ones_own_cannot_take_the_name_of_a_built_in_one(tmp_path):
    write_list(tmp_path / "lists", "special-purpose-addresses", "cidr", ["192.0.2.0/24"], ADDRESSES)
    with pytest.raises(WarninglistError, match="taken by a built-in list"):
        load(tmp_path)


def test_an_address_that_embeds_another_is_on_the_lists_of_both(con, tmp_path):
    write_list(tmp_path / "lists", "scanners", "cidr", ["203.0.113.0/24"], ADDRESSES)
    write_list(tmp_path / "lists", "relays", "cidr", ["2002::/16", "64:ff9b::/96"], ADDRESSES)
    found = hits(
        con,
        load(tmp_path, ("scanners", "penalise")),
        ("ipv6", "2002:cb00:7105::1", None),
        ("url", "http://[64:ff9b::cb00:7105]/", "[64:ff9b::cb00:7105]"),
    )
    assert found == [
        ("2002:cb00:7105::1", "relays", "annotate", "2002::/16"),
        ("2002:cb00:7105::1", "scanners", "penalise", "203.0.113.0/24"),
        ("http://[64:ff9b::cb00:7105]/", "relays", "annotate", "64:ff9b::/96"),
        ("http://[64:ff9b::cb00:7105]/", "scanners", "penalise", "203.0.113.0/24"),
    ]


def test_the_first_matching_rule_gives_a_list_its_policy(tmp_path):
    write_list(tmp_path / "lists", "shodan-scanning", "cidr", ["192.0.2.0/24"], ADDRESSES)
    write_list(tmp_path / "lists", "censys-scanning", "cidr", ["192.0.2.0/24"], ADDRESSES)
    lists = load(tmp_path, ("shodan-*", "annotate"), ("*-scanning", "penalise"))
    assert {item.name: item.policy for item in lists.lists if item.name not in BUILT_IN} == {
        "censys-scanning": "penalise",
        "shodan-scanning": "annotate",
    }


def test_a_plain_list_holds_addresses_networks_names_and_hashes(con, tmp_path):
    (tmp_path / "plain.txt").write_text(
        "# survey\n192.0.2.9 # scanner-9\n198.51.100.0/24\n\nsurvey.example\nhttp://survey.example:80/about#us\n"
        "d41d8cd98f00b204e9800998ecf8427e\n",
        encoding="utf-8",
    )
    policies = WarninglistPolicies(None, "annotate", (), (ExtraList("survey", "plain.txt", "penalise", "announced"),))
    found = hits(
        con,
        load_lists(tmp_path, policies),
        ("ipv4", "192.0.2.9", None),
        ("ipv4", "198.51.100.3", None),
        domain("a.survey.example"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", None),
    )
    assert [entry for _, _, _, entry in found] == [
        "192.0.2.9",
        "198.51.100.0/24",
        "survey.example",
        "d41d8cd98f00b204e9800998ecf8427e",
    ]
    assert {policy for _, _, policy, _ in found} == {"penalise"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"type": "cidr", "list": ["192.0.2.0/24"', "not a whole JSON document"),
        ("[" * 100_000, "not a whole JSON document"),
        ('["192.0.2.0/24"]', "expected a JSON object"),
        ('{"type": "ranges", "list": ["192.0.2.0/24"]}', "`type` is 'ranges', expected one of cidr"),
        ('{"type": "cidr", "list": []}', "holds no entry"),
        ('{"type": "cidr", "list": "192.0.2.0/24"}', "expected an array"),
        ('{"type": "cidr", "list": ["192.0.2.0/24", 7]}', "entry 2: '7' is not a text"),
        ('{"type": "cidr", "list": ["192.0.2.0/24", "192.0.2.0/33"]}', "entry 2: '192.0.2.0/33' is not an address"),
        ('{"type": "cidr", "list": ["010.0.0.1"]}', "entry 1: '010.0.0.1' is not an address"),
        ('{"type": "regex", "list": ["(unclosed"]}', "entry 1: '(unclosed' is not a regular expression"),
        ('{"type": "regex", "list": ["/a(?!b)/"]}', "without look-around"),
        ('{"type": "regex", "list": ["/a/e"]}', "unknown flag 'e'"),
        ('{"type": "string", "list": ["a"], "matching_attributes": "md5"}', "`matching_attributes` must be an array"),
    ],
)
def test_a_broken_list_is_an_error_that_names_file_and_entry(tmp_path, text, says):
    write_list(tmp_path / "lists", "whole", "cidr", ["192.0.2.0/24"], ADDRESSES)
    (tmp_path / "lists" / "broken.json").write_text(text)
    with pytest.raises(WarninglistError) as error:
        load(tmp_path)
    assert "broken.json" in str(error.value)
    assert says in str(error.value)


def test_a_rule_whose_list_is_gone_is_an_error(tmp_path):
    write_list(tmp_path / "lists", "rfc1918", "cidr", ["10.0.0.0/8"], ADDRESSES)
    with pytest.raises(WarninglistError, match="no list 'rfc1819'"):
        load(tmp_path, ("rfc1819", "block"))


@pytest.mark.parametrize("root_given", [True, False])
def test_a_folder_that_is_not_there_is_an_error(tmp_path, root_given):
    with pytest.raises(WarninglistError, match=r"warninglists\.local"):
        load_lists(tmp_path if root_given else None, WarninglistPolicies("lists"))


def test_a_misspelt_line_stops_a_blocking_plain_list_and_is_reported_of_a_penalising_one(tmp_path):
    lines = [f"192.0.2.{n}" for n in range(200)]
    (tmp_path / "plain.txt").write_text("\n".join([*lines, "C192.0.2.201"]))

    def loaded(policy: str) -> Warninglists:
        extra = (ExtraList("survey", "plain.txt", policy, "why"),)
        return load_lists(tmp_path, WarninglistPolicies(None, "annotate", (), extra))

    with pytest.raises(WarninglistError, match=r"line 201: 'C192\.0\.2\.201'"):
        loaded("block")
    survey = next(item for item in loaded("penalise").lists if item.name == "survey")
    assert (survey.entries, survey.unreadable) == (200, ((201, "C192.0.2.201"),))


def test_a_web_page_in_place_of_a_plain_list_is_an_error_whatever_the_policy(tmp_path):
    (tmp_path / "plain.txt").write_text("<html>\n<body>not found</body>\n</html>\n")
    with pytest.raises(WarninglistError, match="line 1: '<html>'"):
        load_lists(
            tmp_path, WarninglistPolicies(None, "annotate", (), (ExtraList("x", "plain.txt", "annotate", "why"),))
        )


def test_a_pattern_that_stalls_a_backtracking_engine_costs_no_time(con, tmp_path):
    write_list(tmp_path / "lists", "evil", "regex", ["^(a+)+$"], ["domain"])
    lists = load(tmp_path)
    begin = time.perf_counter()
    assert not hits(con, lists, domain("a" * 60 + ".example"))
    assert time.perf_counter() - begin < 5


def test_the_digest_changes_with_an_entry_or_a_policy_and_with_nothing_else(tmp_path):
    write_list(tmp_path / "lists", "cloud", "cidr", ["192.0.2.0/24"], ADDRESSES)
    digests = {load(tmp_path).digest, load(tmp_path, ("cloud", "annotate")).digest}
    assert len(digests) == 1
    digests.add(load(tmp_path, ("cloud", "block")).digest)
    digests.add(load(tmp_path, protected=Protected(("ours.example",))).digest)
    write_list(tmp_path / "lists", "cloud", "cidr", ["192.0.2.0/25"], ADDRESSES)
    digests.add(load(tmp_path).digest)
    assert len(digests) == 4


def test_two_matches_on_one_connection_do_not_disturb_each_other(con, tmp_path):
    write_list(tmp_path / "lists", "cloud", "cidr", ["192.0.2.0/24"], ADDRESSES)
    lists = load(tmp_path)
    first = match(con, table(con, [("ipv4", "192.0.2.1", None)]), lists)
    match(con, table(con, [("ipv4", "203.0.113.1", None)], "other"), lists)
    assert len(first) == 1


octet = st.integers(0, 7)
addresses = st.builds("192.0.2.{}".format, st.integers(0, 255)) | st.builds("2001:db8::{:x}".format, octet)
networks = st.builds("192.0.2.{}/{}".format, st.integers(0, 255), st.integers(20, 32)) | st.builds(
    "2001:db8::{:x}/{}".format, octet, st.integers(120, 128)
)
names = st.lists(st.sampled_from(["a", "b", "pages"]), min_size=1, max_size=4).map(
    lambda labels: ".".join([*labels, "example"])
)


@st.composite
def indicator_rows(draw: st.DrawFn) -> tuple[str, str, str | None]:
    kind = draw(st.sampled_from(["address", "cidr", "domain", "url"]))
    if kind == "address":
        value = draw(addresses)
        return ("ipv6" if ":" in value else "ipv4", value, None)
    if kind == "cidr":
        return ("cidr", str(ipaddress.ip_network(draw(networks), strict=False)), None)
    name = draw(names)
    return ("domain", name, name) if kind == "domain" else ("url", f"https://{name}/x", name)


@examples(15)
@given(
    rows=st.lists(indicator_rows(), max_size=12, unique_by=lambda row: row[:2]),
    cidr=st.lists(networks, min_size=1, max_size=6),
    hosts=st.lists(names, min_size=1, max_size=4),
    new=st.sets(st.integers(1, 12)),
    gone=st.sets(st.integers(1, 12)),
    changed=st.booleans(),
)
def test_days_of_updates_give_the_same_hits_as_one_full_match(
    con, tmp_path_factory, rows, cidr, hosts, new, gone, changed
):
    root = tmp_path_factory.mktemp("lists")
    write_list(root / "lists", "ranges", "cidr", cidr, ADDRESSES)
    write_list(root / "lists", "hosts", "hostname", hosts, NAMES)
    lists = load(root, ("ranges", "block"))
    before = load(root, ("ranges", "penalise"), ("hosts", "block")) if changed else lists
    yesterday = date(2026, 3, 1)
    rows = [(*row, DAY if n in new else yesterday) for n, row in enumerate(rows, start=1)]
    everything = table(con, rows, "everything")
    previous = match(con, everything.filter(f"first_listed < date '{DAY}'"), before)
    left = ", ".join(f"'{UUID(int=n)}'" for n in gone) or f"'{UUID(int=99)}'"
    today = everything.filter(f"indicator_id not in ({left})")
    updated = update_hits(con, today, previous, lists, DAY, lists_changed=changed)
    assert sorted(updated.fetchall()) == sorted(match(con, today, lists).fetchall())


@examples(15)
@given(cidr=st.lists(networks, min_size=1, max_size=8), values=st.lists(addresses | networks, min_size=1, max_size=8))
def test_the_join_finds_what_the_standard_library_finds(con, tmp_path_factory, cidr, values):
    root = tmp_path_factory.mktemp("lists")
    write_list(root / "lists", "ranges", "cidr", cidr, ADDRESSES)
    given_values = {str(ipaddress.ip_network(v, strict=False)) if "/" in v else v for v in values}
    kinds = {v: "cidr" if "/" in v else "ipv6" if ":" in v else "ipv4" for v in given_values}
    found = hits_of(con, load(root, ("ranges", "block")), *((kind, v, None) for v, kind in kinds.items()))
    entries = [ipaddress.ip_network(entry, strict=False) for entry in cidr]
    expected = {v for v in given_values if any(_overlap(ipaddress.ip_network(v), entry) for entry in entries)}
    assert {value for value, *_ in found} == expected


def _overlap(one: ipaddress._BaseNetwork, other: ipaddress._BaseNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)


@given(text=st.text() | addresses | networks | st.from_regex(r"[0-9a-f:./]{0,30}", fullmatch=True))
def test_reading_a_network_never_raises_and_agrees_with_the_standard_library(text):
    network = parse_network(text)
    try:
        expected = ipaddress.ip_network(text, strict=False)
    except ValueError:
        expected = None
    if network is None or expected is None:
        netmask = "/" in text and not text.partition("/")[2].isdigit()  # 192.0.2.0/255.255.255.0 is refused on purpose
        assert (network is None and expected is None) or netmask or "%" in text
    elif network.family == expected.version:
        width = 32 if network.family == 4 else 128
        assert (network.hi << 64 | network.lo) >> (128 - width) == int(expected.network_address)
        assert network.length == expected.prefixlen
    else:
        assert expected.version == 6
        assert expected.network_address.ipv4_mapped


@pytest.fixture(scope="module")
def real_lists():
    return load_lists(parts.find("realdata"), WarninglistPolicies("warninglists"))


@pytest.mark.needs("realdata")
def test_one_policy_for_all_real_lists_would_suppress_nearly_half_of_the_c2_addresses(con, real_lists, realdata):
    """README of the data: 44.9 % of ThreatFox addresses are on some list, 44.4 % on `vpn-ipv4`."""
    assert len(real_lists) == 138
    begin = time.perf_counter()
    source = f"{realdata}/feeds/threatfox_ips/2026-08-2*.txt"
    con.execute(
        "create or replace table raw as "
        "select distinct column0 as value from read_csv($1, header=false, all_varchar=true)",
        [source],
    )
    con.execute(
        "create or replace table given as "
        "select uuid() as indicator_id, 'ipv4' as indicator_type, value, null::varchar as host from raw"
    )
    match(con, con.table("given"), real_lists).create_view("found", replace=True)
    total, listed, vpn, elsewhere = con.execute(
        """
        select
            (select count(*) from given),
            count(distinct indicator_id),
            count(distinct indicator_id) filter (list = 'vpn-ipv4'),
            count(distinct indicator_id)
                filter (list like '%scan%' or list in ('sinkholes', 'public-dns-v4', 'rfc1918'))
        from found
        """
    ).fetchall()[0]
    assert total > 19_000
    assert 0.43 < listed / total < 0.46
    assert 0.43 < vpn / total < 0.455
    assert listed / total - vpn / total < 0.01
    assert elsewhere / total < 0.005
    assert time.perf_counter() - begin < 30


@pytest.mark.needs("realdata")
def test_known_scanners_are_more_common_the_more_lists_hold_an_address(con, real_lists, realdata):
    """Why a scanner gets no co-occurrence bonus: 1.1 % of IPsum's addresses on one list, about a quarter on four."""
    con.execute(
        """
        create or replace table given as
        select
            uuid() as indicator_id,
            'ipv4' as indicator_type,
            parts[1] as value,
            null::varchar as host,
            parts[2]::int as lists
        from (
            select string_split(column0, chr(9)) as parts
            from read_csv($1, header=false, all_varchar=true, comment='#', delim='|')
        )
        """,
        [f"{realdata}/feeds/ipsum/ipsum.txt"],
    )
    match(con, con.table("given"), real_lists).create_view("found", replace=True)
    share = dict(
        con.execute(
            """
            select lists, avg((indicator_id in (select indicator_id from found where list like '%scan%'))::int)
            from given group by lists
            """
        ).fetchall()
    )
    assert share[1] == pytest.approx(0.011, abs=0.004)
    assert share[4] == pytest.approx(0.252, abs=0.02)
