"""Laws of the canonical form that hold for every text: no exception, idempotence, a closed vocabulary."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given

from intelsec_assets.indicators.canonical import ERRORS, MAX_BYTES, POLICIES, RULES, TYPES, canonical, derived
from intelsec_assets.indicators.canonical.patterns import CANONICAL, DOMAIN, HASH, IPV4, URL, URL_ORIGIN
from tests.unit.canonical_values import declared_types, names, real_values, texts, urls


@given(texts, declared_types)
@example("http://a（dot）com/", None)
@example("[[.].]" * 9, None)
@example("http://b.com/?", "url")
def test_any_text_gives_a_value_or_an_error_in_the_closed_vocabulary(text, declared):
    form = canonical(text, declared)
    assert (
        (form.value is None) == (form.indicator_type is None) == (form.error is not None) == (form.detail is not None)
    )
    assert form.raw == text
    assert set(form.rules) <= RULES.keys()
    assert form.error is None or form.error in ERRORS
    assert form.indicator_type is None or form.indicator_type in TYPES
    assert len(set(form.rules)) == len(form.rules)


@given(texts, declared_types)
@example("http://a（dot）com/", None)
@example("http://a.com/x'#y", None)
@example("a\u200b\u200db.com", None)
def test_the_canonical_form_of_a_canonical_value_is_itself_with_or_without_its_type(text, declared):
    form = canonical(text, declared)
    if form.value is not None:
        for again in (
            canonical(form.value, declared),
            canonical(form.value),
            canonical(form.value, form.indicator_type),
        ):
            assert (again.indicator_type, again.value, again.host) == (form.indicator_type, form.value, form.host)


@given(urls)
def test_the_canonical_form_of_a_canonical_url_is_itself(text):
    form = canonical(text)
    if form.value is not None:
        assert canonical(form.value)[1:3] == form[1:3]


@given(texts, declared_types)
def test_the_short_way_for_canonical_values_gives_what_the_rules_give(text, declared):
    assert canonical(text, declared) == derived(text, declared)


@given(urls, declared_types)
def test_the_short_way_for_canonical_urls_gives_what_the_rules_give(text, declared):
    assert canonical(text, declared) == derived(text, declared)


@given(names, declared_types)
def test_the_short_way_for_canonical_names_gives_what_the_rules_give(text, declared):
    assert canonical(text, declared) == derived(text, declared)


@given(texts)
def test_a_canonical_value_needs_no_rule_but_those_that_flag_what_is_kept(text):
    form = canonical(text)
    if form.value is not None:
        assert set(canonical(form.value).rules) <= {"underscore_kept", "idna2008_refused"}


@pytest.mark.parametrize("text", ["a" * 1_000_000, "ß" * 1_000_000, "\x00" * 1_000_000, "\ud800" * 1_000_000])
def test_a_text_of_a_million_characters_is_refused_at_once(text):
    assert canonical(text).error == "too_long"


@pytest.mark.parametrize("prefix", ["", "http://", "http://a.com/", "a@", "[", "1.1.1.1/"])
@pytest.mark.parametrize(
    "unit", ["a", "a-", "a.", "[", "[[.]", " [.] ", " ", "\u200b", "ß.", "xn--a.", "a@", "../", "ff:", "%"]
)
def test_no_text_within_the_limit_takes_long(prefix, unit):
    text = (prefix + unit * MAX_BYTES)[: MAX_BYTES // 3] + "!"
    start = time.process_time()
    canonical(text)
    assert time.process_time() - start < 1  # an exponential pattern would never end


def test_the_limit_of_8192_bytes_holds_for_the_value_and_for_its_canonical_form():
    at_limit = "http://example.com/" + "a" * (MAX_BYTES - 19)
    assert canonical(at_limit).value == at_limit
    assert canonical(at_limit + "a").error == "too_long"
    encoded = canonical("http://example.com/" + "é" * 2000)
    assert encoded.error == "too_long"
    assert encoded.detail == "found 12019 bytes; expected at most 8192"


def test_the_patterns_for_python_and_for_duckdb_say_the_same():
    python = {"ipv4": IPV4, "domain": DOMAIN, "url": URL, "origin": URL_ORIGIN}
    for text in (
        "1.2.3.4",
        "a.com",
        "a-b.co.uk",
        "http://a.com/x?y",
        "http://1.2.3.4:81",
        "http://a.com:80/",
        "a--b.com",
        "0.1.2.3",
    ):
        match = CANONICAL.fullmatch(text)
        said = {kind for kind, pattern in python.items() if re.fullmatch(pattern, text)}
        assert said == ({match.lastgroup} if match else set())
    for length in (31, 32, 40, 64, 128):
        assert bool(re.fullmatch(HASH, "f" * length)) == bool(CANONICAL.fullmatch("f" * length))


def test_every_rule_error_and_policy_is_explained_and_every_mark_exists():
    assert all(RULES.values())
    assert all(ERRORS.values())
    for policy in POLICIES.values():
        assert policy.whatwg
        assert policy.ours
        assert policy.reason
        assert policy.marks <= RULES.keys() | ERRORS.keys()


@pytest.mark.needs("realdata")
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_real_values_are_idempotent_and_the_short_way_gives_what_the_rules_give(realdata: Path, every: int):
    for raw, declared in real_values(realdata)[::every]:
        form = canonical(raw, declared)
        assert form == derived(raw, declared)
        if form.value is not None and form.value != raw:
            assert canonical(form.value)[1:3] == form[1:3]
