"""Which addresses feeds may be fetched from."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intelsec_assets.feeds.address_guard import AddressGuard
from intelsec_assets.feeds.transfer import PermanentFetchError, TransientFetchError


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("127.9.9.9", "loopback"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.0.1", "private"),
        ("100.64.0.1", "not public"),
        ("169.254.169.254", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "private"),
        ("255.255.255.255", "private"),
        ("192.0.2.1", "private"),
        ("198.18.0.1", "private"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "bound to a local interface"),
        ("fc00::1", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "private"),
        ("::ffff:127.0.0.1", "127.0.0.1 in IPv6 clothes, which is loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::7f00:1", "127.0.0.1 in IPv6 clothes"),
        ("64:ff9b::7f00:1", "127.0.0.1 in IPv6 clothes"),
        ("64:ff9b:1::1", "translated locally"),
        ("2002:7f00:1::", "127.0.0.1 in IPv6 clothes"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "in IPv6 clothes"),
        ("nonsense", "not an address"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address, word):
    reason = AddressGuard().refusal(address)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "140.82.121.3", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
)
def test_a_public_address_is_used(address):
    assert AddressGuard().refusal(address) is None


def test_a_listed_network_is_used_and_nothing_beside_it():
    guard = AddressGuard(["127.0.0.0/8", "fd00::/8"])
    assert [guard.refusal(a) is None for a in ("127.0.0.1", "fd00::1", "10.0.0.1", "::1")] == [True, True, False, False]
    assert guard.refusal("::ffff:127.0.0.1") is None


def test_one_refused_address_refuses_the_host():
    guard = AddressGuard(resolve=lambda host, port: ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(PermanentFetchError, match=r"mixed\.example: its address 10\.0\.0\.1 is private"):
        guard.addresses("mixed.example", 443)


@pytest.mark.parametrize(
    ("errno", "expected"), [(socket.EAI_NONAME, PermanentFetchError), (socket.EAI_AGAIN, TransientFetchError)]
)
def test_a_name_that_is_unknown_is_final_and_a_silent_name_server_is_not(errno, expected):
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(errno, "no answer")

    with pytest.raises(expected, match=r"gone\.example"):
        AddressGuard(resolve=resolve).addresses("gone.example", 443)


@given(st.ip_addresses())
def test_no_private_address_passes_in_any_spelling(address):
    if AddressGuard().refusal(str(address)) is None:
        assert address.is_global
        inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
        assert inner is None or inner.is_global


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_in_ipv6_clothes(address):
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    guard = AddressGuard()
    plain = guard.refusal(str(address)) is None
    assert (guard.refusal(str(mapped)) is None, guard.refusal(str(nat64)) is None) == (plain, plain)
