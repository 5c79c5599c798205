"""Host and URL agree with ada-url, but where POLICIES says and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from ada_url import URL
from hypothesis import example, given

from intelsec_assets.indicators.canonical import POLICIES, Canonical, canonical
from tests.unit.canonical_values import names, real_values, texts, urls

MARKS = frozenset().union(*(policy.marks for policy in POLICIES.values()))
# ada-url refuses these too, so they are no difference
ALSO_REFUSED = {"invalid_url", "no_host", "invalid_utf8", "empty", "uts46_refused", "zone_id"}
# with these, the text that WHATWG would parse is not the text as published
READ_ANEW = {"trimmed", "invisible_removed", "refanged", "scheme_assumed"}


def whatwg(text: str) -> str | None:
    """What ada-url makes of a URL, None if it refuses it."""
    try:
        return URL(text).href
    except (ValueError, UnicodeEncodeError):
        return None


def whatwg_less_policies(text: str) -> str:
    """The same without credentials, fragment and root dot."""
    url = URL(text)
    url.username = ""
    url.password = ""
    del url.hash
    url.hostname = url.hostname.removesuffix(".")
    return url.href


def assert_agrees(text: str, form: Canonical, expected: str | None) -> None:
    marks = {*form.rules, form.error} & MARKS
    if form.error is not None:
        assert marks or (form.error in ALSO_REFUSED and expected is None), form
    elif not marks:
        assert form.value == expected
    elif not READ_ANEW & marks:
        assert form.value == whatwg_less_policies(text)


@given(urls)
@example("http://ex%61mple.com/")
@example("http://0x7f.1/")
@example("http://a.com/%2e%2E/b")
@example("http://faß.de/ς")
def test_a_url_is_what_whatwg_makes_of_it_but_for_the_policies(text):
    assert_agrees(text, canonical(text, "url"), whatwg(text))


@given(texts)
def test_any_text_declared_a_url_is_what_whatwg_makes_of_it_but_for_the_policies(text):
    assert_agrees(text, canonical(text, "url"), whatwg(text))


@given(names)
@example("faß.de")
@example("βόλος.com")
@example("☕.us")
@example("XN--53H.us")
@example("xn--zzzzz.com")
@example("क\u094d\u200dष.com")
def test_a_name_is_the_host_that_whatwg_makes_of_it_but_for_the_policies(name):
    form = canonical(name, "domain")
    marks = {*form.rules, form.error} & MARKS
    if not marks:
        expected = whatwg(f"http://{name}/")
        assert (f"http://{form.value}/" if form.error is None else None) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("ex%61mple.com", "example.com"),  # percent-encoding in a host
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("010.0.0.1", "8.0.0.1"),
        ("１２７。０．０.１", "127.0.0.1"),  # full-width digits and dots
        ("faß.de", "xn--fa-hia.de"),  # non-transitional: not fass.de
        ("ΒΌΛΟΣ.com", "xn--nxasmq6b.com"),  # final sigma: capital sigma maps to the other one
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("☕.us", "xn--53h.us"),
        ("ex\u00adample.com", "example.com"),
        ("[2001:DB8:0:0:0::1]", "[2001:db8::1]"),
    ],
)
def test_hosts_of_urls_are_read_as_browsers_read_them(host, expected):
    assert canonical(f"http://{host}/").value == f"http://{expected}/"


@pytest.mark.parametrize("host", ["1.2.3.256", "א1.1א.com", "a b.com", "a<b.com", "[::1%25eth0]", "[1:2]", "xn--ä.com"])
def test_hosts_that_whatwg_refuses_are_refused(host):
    assert whatwg(f"http://{host}/") is None
    assert canonical(f"http://{host}/").error in {"invalid_url", "zone_id"}


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ('"http://a.com/",', "wrapping"),
        ("hxxp://a[.]com/", "defanging"),
        ("a.com/x", "scheme"),
        ("tcp://a.com/x", "scheme"),
        ("http://u:p@a.com/", "credentials"),
        ("http://a.com/#victim@example.org", "fragment"),
        ("http://a.com./", "root_dot"),
        ("http://a.com/x\ty", "control_characters"),
        ("http://a.com/login…", "ellipsis"),
        ("http://localhost/", "dns_names"),
        ("http://a..com/", "dns_names"),
        ("http://a!b.com/", "dns_names"),
        ("http://a.com/" + "x" * 8192, "size"),
        ("[" * 20 + "." + "]" * 20, "nesting"),
    ],
)
def test_each_policy_shows_its_mark(text, policy):
    form = canonical(text, "url")
    assert {*form.rules, form.error} & POLICIES[policy].marks
    assert form.value != whatwg(text) or form.value is None


@pytest.mark.parametrize(
    ("text", "error"),
    [("0x7f.1", "bad_address"), ("1.2.3", "bad_address"), ("010.0.0.1", "leading_zeros"), ("0.0.0.0", None)],
)
def test_bare_numbers_are_no_addresses_though_they_are_in_urls(text, error):
    assert canonical(text).error == (error or "unspecified_address")
    assert canonical(f"http://{text}/").error is None


@pytest.mark.needs("realdata")
def test_real_urls_and_names_are_what_whatwg_makes_of_them_but_for_the_policies(realdata: Path):
    for raw, _ in real_values(realdata):
        if raw.startswith(("http://", "https://")):
            assert_agrees(raw, canonical(raw), whatwg(raw))
        elif "/" not in raw and ":" not in raw:
            form = canonical(raw, "domain")
            if form.indicator_type == "domain" and not {*form.rules} & MARKS:
                assert whatwg(f"http://{raw}/") == f"http://{form.value}/"
