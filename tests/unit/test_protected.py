"""Protected values: nothing of ours escapes, by the list and by the last guard alike."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets import engine
from intelsec_assets.feeds.catalogue import Protected, WarninglistPolicies
from intelsec_assets.indicators.canonical import canonical
from intelsec_assets.indicators.protected import Guard, ProtectedError
from intelsec_assets.indicators.warninglists import load_lists, match
from tests.searching import examples

OURS = Protected(
    domains=("corp.example", "Münze.example", "deep.sub.other.example"),
    networks=("192.0.2.0/25", "198.51.100.7", "2001:db8:100::/48"),
)
GUARD = Guard(OURS)


LISTS = load_lists(None, WarninglistPolicies(), OURS)

Row = tuple[str, str, str | None]  # type, value, host


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with engine.session(threads=1) as con:
        yield con


def from_list(con: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[str | None]:
    """What the list `protected` says of each indicator: its entry or None."""
    cells = [cell for number, row in enumerate(rows) for cell in (UUID(int=number), *row)]
    con.execute(
        "create or replace table given (indicator_id uuid, indicator_type varchar, value varchar, host varchar)"
    )
    con.execute(f"insert into given values {', '.join(['(?, ?, ?, ?)'] * len(rows))}", cells)
    ours = match(con, con.table("given"), LISTS).filter("list = 'protected'")
    found = {row[0].int: (row[2], row[3]) for row in ours.fetchall()}
    assert {policy for policy, _ in found.values()} <= {"protect"}
    return [found.get(number, (None, None))[1] for number in range(len(rows))]


def entry_of(con: duckdb.DuckDBPyConnection, raw: str) -> str | None:
    """What list and guard say of a value as a feed writes it."""
    form = canonical(raw)
    assert form.indicator_type is not None, form.detail
    assert form.value is not None
    by_guard = GUARD.is_protected(form.indicator_type, form.value, form.host)
    assert from_list(con, [(form.indicator_type, form.value, form.host)]) == [by_guard]
    return by_guard


@pytest.mark.parametrize(
    ("raw", "entry"),
    [
        ("corp.example", "corp.example"),
        ("VPN.Corp.Example.", "corp.example"),
        ("hxxps://login.corp[.]example/x?y=1", "corp.example"),
        ("https://login.corp.example./", "corp.example"),
        ("https://user:secret@corp.example:8443/", "corp.example"),
        ("security@mail.corp.example", "corp.example"),
        ("münze.example", "Münze.example"),
        ("http://xn--mnze-0ra.example/", "Münze.example"),
        ("a.deep.sub.other.example", "deep.sub.other.example"),
        ("192.0.2.1", "192.0.2.0/25"),
        ("http://192.0.2.1:8080/a", "192.0.2.0/25"),
        ("http://3221225985/", "192.0.2.0/25"),
        ("http://[::ffff:192.0.2.1]/", "192.0.2.0/25"),
        ("::ffff:192.0.2.1", "192.0.2.0/25"),
        ("192.0.2.64/26", "192.0.2.0/25"),
        ("192.0.0.0/16", "192.0.2.0/25"),
        ("198.51.100.0/24", "198.51.100.7"),
        ("2001:DB8:100:0:0:0:0:5", "2001:db8:100::/48"),
        ("http://[2001:db8:100::5]/", "2001:db8:100::/48"),
        ("2001:db8::/32", "2001:db8:100::/48"),
        ("2002:c000:0201::1", "192.0.2.0/25"),
        ("2002:c000:0201:17::/64", "192.0.2.0/25"),
        ("2002:c000::/32", "192.0.2.0/25"),
        ("http://[2002:c633:6407::5]/", "198.51.100.7"),
        ("64:ff9b::192.0.2.1", "192.0.2.0/25"),
        ("64:ff9b::c000:240/122", "192.0.2.0/25"),
        ("http://[64:ff9b::c633:6407]/a", "198.51.100.7"),
    ],
)
def test_what_is_ours_is_protected_however_a_feed_writes_it(con, raw, entry):
    assert entry_of(con, raw) == entry


@pytest.mark.parametrize(
    "raw",
    [
        "notcorp.example",
        "corp.example.evil.test",
        "https://evil.test/corp.example",
        "sub.other.example",
        "192.0.2.128",
        "198.51.100.6",
        "2001:db8:101::1",
        "2002:c000:0280::1",
        "64:ff9b::c000:280",
        "64:ff9b:0:1::c000:201",
        "2003:c000:0201::1",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
)
def test_what_only_resembles_ours_is_free(con, raw):
    assert entry_of(con, raw) is None


def test_the_guard_looks_at_the_value_when_the_host_is_missing_or_wrong():
    assert GUARD.is_protected("url", "https://login.corp.example/", None) == "corp.example"
    assert GUARD.is_protected("url", "https://login.corp.example/", "evil.test") == "corp.example"
    assert GUARD.is_protected("email", "a@corp.example", None) == "corp.example"


@pytest.mark.parametrize("domain", ["*.corp.example", "corp example", "", "192.0.2.1"])
def test_a_protected_domain_that_is_none_is_an_error(domain):
    with pytest.raises(ProtectedError, match=r"protected\.domains"):
        Guard(Protected(domains=(domain,)))


@pytest.mark.parametrize("network", ["192.0.2.0/33", "corp.example", "", "192.0.2"])
def test_a_protected_network_that_is_none_is_an_error(network):
    with pytest.raises(ProtectedError, match=r"protected\.networks"):
        Guard(Protected(networks=(network,)))


labels = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?", fullmatch=True)
prefixes = st.lists(labels, max_size=4).map(lambda parts: "".join(f"{part}." for part in parts))
letter_cases = st.sampled_from([str, str.upper, str.title])


@examples(20)
@given(
    prefix=prefixes,
    ours=st.sampled_from(["corp.example", "xn--mnze-0ra.example"]),
    case=letter_cases,
    dot=st.booleans(),
)
def test_nothing_below_a_protected_domain_escapes(con, prefix, ours, case, dot):
    name = case(prefix + ours) + "." * dot
    rows = [
        ("domain", name, None),
        ("url", f"https://{name.lower()}/path", name),
        ("email", f"someone@{name}", name),
    ]
    assert None not in from_list(con, [(kind, value, name) for kind, value, _ in rows])
    assert None not in [GUARD.is_protected(*row) for row in rows]


@examples(20)
@given(number=st.integers(0, 127), length=st.integers(0, 32))
def test_no_address_of_a_protected_network_and_no_network_around_one_escapes(con, number, length):
    address = ipaddress.ip_address("192.0.2.0") + number
    around = str(ipaddress.ip_network(f"{address}/{length}", strict=False))
    rows = [
        ("ipv4", str(address), None),
        ("cidr", around, None),
        ("ipv6", f"::ffff:{address}", None),
        ("url", f"http://{address}/x", str(address)),
        ("url", f"http://[::ffff:{address}]/x", f"[::ffff:{address}]"),
        ("email", f"a@[{address}]", f"[{address}]"),
    ]
    assert None not in from_list(con, rows)
    assert None not in [GUARD.is_protected(*row) for row in rows]


some_names = st.lists(st.sampled_from(["a", "corp", "other", "sub", "deep", "example"]), min_size=1, max_size=5).map(
    ".".join
)
some_addresses = st.one_of(
    st.builds("192.0.2.{}".format, st.integers(100, 160)),
    st.builds("2001:db8:{:x}::{:x}".format, st.integers(0xFE, 0x102), st.integers(0, 3)),
    st.builds("2002:c000:{:x}::{:x}".format, st.integers(0x27E, 0x282), st.integers(0, 3)),
    st.builds("64:ff9b::c000:{:x}".format, st.integers(0x27E, 0x282)),
)


@st.composite
def indicators(draw: st.DrawFn) -> tuple[str, str, str | None]:
    kind = draw(st.sampled_from(["domain", "url", "email", "address", "cidr"]))
    if kind == "address":
        value = draw(some_addresses)
        return ("ipv6" if ":" in value else "ipv4", value, None)
    if kind == "cidr":
        address = draw(some_addresses)
        length = draw(st.integers(16, 128 if ":" in address else 32))
        return ("cidr", str(ipaddress.ip_network(f"{address}/{length}", strict=False)), None)
    name = draw(some_names)
    return (kind, {"domain": name, "url": f"https://{name}/x", "email": f"a@{name}"}[kind], name)


@examples(20)
@given(st.lists(indicators(), min_size=1, max_size=20, unique_by=lambda row: row[:2]))
def test_the_guard_and_the_list_name_the_same_entry(con, rows):
    assert from_list(con, rows) == [GUARD.is_protected(*row) for row in rows]


@given(
    value=st.text(),
    host=st.none() | st.text(),
    kind=st.sampled_from(["domain", "url", "email", "ipv4", "cidr", "md5", "?"]),
)
def test_the_guard_answers_on_any_text(kind, value, host):
    assert GUARD.is_protected(kind, value, host) in (None, *OURS.domains, *OURS.networks)
