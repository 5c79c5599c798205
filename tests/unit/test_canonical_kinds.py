"""The canonical form kind by kind: what each rule does, and what is refused with which reason."""

from __future__ import annotations

import pytest

from intelsec_assets.indicators.canonical import TYPES, canonical

MD5, SHA1, SHA256, SHA512 = "ab" * 16, "ab" * 20, "ab" * 32, "ab" * 64


@pytest.mark.parametrize(
    ("raw", "kind", "value", "rules"),
    [
        # nothing to do
        ("evil.example", "domain", "evil.example", ()),
        ("198.51.100.7", "ipv4", "198.51.100.7", ()),
        ("http://evil.example/x.php?id=1", "url", "http://evil.example/x.php?id=1", ()),
        ("2001:db8::1", "ipv6", "2001:db8::1", ()),
        ("198.51.100.0/24", "cidr", "198.51.100.0/24", ()),
        (SHA256, "sha256", SHA256, ()),
        # around the value
        (' "evil.example", ', "domain", "evil.example", ("trimmed",)),
        ("<http://evil.example/>", "url", "http://evil.example/", ("trimmed",)),
        ("evil\u200b.exam\u00adple\ufeff", "domain", "evil.example", ("invisible_removed",)),
        # defanged
        ("hxxps://evil[.]example/a", "url", "https://evil.example/a", ("refanged",)),
        ("hXXp[:]//evil(dot)example/index[.]php", "url", "http://evil.example/index.php", ("refanged",)),
        ("http[://]evil{.}example/", "url", "http://evil.example/", ("refanged",)),
        ("fxp://evil.example/a", "url", "ftp://evil.example/a", ("refanged",)),
        ("198[.]51 [dot] 100[.]7", "ipv4", "198.51.100.7", ("refanged",)),
        ("info[at]evil[.]example", "email", "info@evil.example", ("refanged",)),
        ("info (at) evil.example", "email", "info@evil.example", ("refanged",)),
        # names
        ("Evil.EXAMPLE.", "domain", "evil.example", ("lowercased", "trailing_dot_dropped")),
        ("evil.example:8443", "domain", "evil.example", ("port_dropped",)),
        ("faß.example", "domain", "xn--fa-hia.example", ("host_to_ascii",)),
        ("a_b.example", "domain", "a_b.example", ("underscore_kept",)),
        ("en--sso.example", "domain", "en--sso.example", ("idna2008_refused",)),
        ("☕.example", "domain", "xn--53h.example", ("host_to_ascii", "idna2008_refused")),
        # URLs
        ("https://evil.example", "url", "https://evil.example/", ("empty_path_slash",)),
        ("https://evil.example:443/a", "url", "https://evil.example/a", ("default_port_dropped",)),
        ("http://evil.example:443/a", "url", "http://evil.example:443/a", ()),
        ("HTTP://EVIL.example/A", "url", "http://evil.example/A", ("lowercased",)),
        ("http://u:p@evil.example/", "url", "http://evil.example/", ("credentials_stripped",)),
        ("http://evil.example/a#b", "url", "http://evil.example/a", ("fragment_dropped",)),
        ("http://evil.example/a/../b c", "url", "http://evil.example/b%20c", ("url_serialised",)),
        ("evil.example/login.php", "url", "http://evil.example/login.php", ("scheme_assumed",)),
        ("198.51.100.7:8080/gate.php", "url", "http://198.51.100.7:8080/gate.php", ("scheme_assumed",)),
        ("//evil.example/a", "url", "http://evil.example/a", ("scheme_assumed",)),
        # addresses and networks
        ("198.51.100.7:443", "ipv4", "198.51.100.7", ("port_dropped",)),
        ("[2001:DB8::1]:443", "ipv6", "2001:db8::1", ("port_dropped", "brackets_dropped", "ipv6_rewritten")),
        ("2001:db8:0:0:1:0:0:1", "ipv6", "2001:db8::1:0:0:1", ("ipv6_rewritten",)),
        ("::ffff:198.51.100.7", "ipv4", "198.51.100.7", ("ipv4_unmapped",)),
        ("198.51.100.7/24", "cidr", "198.51.100.0/24", ("host_bits_masked",)),
        ("198.51.100.0/255.255.255.0", "cidr", "198.51.100.0/24", ("netmask_to_prefix",)),
        ("198.51.100.7/32", "ipv4", "198.51.100.7", ("single_address_network",)),
        ("2001:db8::1/128", "ipv6", "2001:db8::1", ("single_address_network",)),
        ("::ffff:198.51.100.0/120", "cidr", "198.51.100.0/24", ("ipv4_unmapped",)),
        ("2001:DB8::/32", "cidr", "2001:db8::/32", ("ipv6_rewritten",)),
        # private and special addresses are left to the warninglists
        ("10.0.0.1", "ipv4", "10.0.0.1", ()),
        ("127.0.0.1", "ipv4", "127.0.0.1", ()),
        ("::1", "ipv6", "::1", ()),
        # digests
        (MD5.upper(), "md5", MD5, ("lowercased",)),
        (SHA1, "sha1", SHA1, ()),
        (SHA512, "sha512", SHA512, ()),
        # e-mail addresses: the local part keeps its case
        ("mailto:John.Doe@Evil.Example", "email", "John.Doe@evil.example", ("mailto_dropped", "lowercased")),
    ],
)
def test_a_value_gets_its_canonical_form_and_names_the_rules(raw, kind, value, rules):
    form = canonical(raw)
    assert (form.indicator_type, form.value, form.rules, form.error) == (kind, value, rules, None)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("", "empty"),
        (' \t"" ', "empty"),
        ("\udcff\udcfe.example", "invalid_utf8"),
        ("evil\x00.example", "control_character"),
        ("http://evil.example/a\nhttp://evil.example/b", "control_character"),
        ("evil example.com", "whitespace"),
        ("http://evil.example/very/long…", "truncated"),
        ("tcp://evil.example:1", "unsupported_scheme"),
        ("http://evil.example:99999/", "invalid_url"),
        ("/gate.php", "no_host"),
        ("http://", "no_host"),
        ("localhost", "single_label"),
        ("com", "single_label"),
        ("http://intranet/x", "single_label"),
        ("evil..example", "empty_label"),
        (".evil.example", "empty_label"),
        ("a" * 64 + ".example", "label_too_long"),
        (".".join(["a" * 60] * 5) + ".example", "name_too_long"),
        ("*.evil.example", "invalid_character"),
        ("evil,example.com", "invalid_character"),
        ("198.51.100.1|80", "invalid_character"),
        ("א1.1א.example", "uts46_refused"),
        ("198.51.100.0-255", "bad_top_level"),
        ("198.51.100", "bad_address"),
        ("198.51.100.256", "bad_address"),
        ("16909060", "bad_address"),
        ("2001:db8::1::2", "bad_address"),
        ("198.051.100.7", "leading_zeros"),
        ("198.51.100.0/024", "leading_zeros"),
        ("fe80::1%eth0", "zone_id"),
        ("0.0.0.0", "unspecified_address"),
        ("::", "unspecified_address"),
        ("0.0.0.0/0", "unspecified_address"),
        ("198.51.100.0/33", "bad_prefix_length"),
        ("198.51.100.0/255.0.255.0", "bad_prefix_length"),
        ("evil.example:port", "bad_port"),
        ("198.51.100.7:70000", "bad_port"),
        ("a b@evil.example", "bad_email"),
        ("a@198.51.100.7", "bad_email"),
        ("x" * 65 + "@evil.example", "bad_email"),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_the_reason(raw, error):
    form = canonical(raw)
    assert (form.value, form.error) == (None, error)
    assert "found" in form.detail
    assert "expected" in form.detail


@pytest.mark.parametrize(
    ("raw", "declared", "kind", "value", "rule"),
    [
        ("198.51.100.7", "domain", "ipv4", "198.51.100.7", "declared_domain_is_address"),
        ("2001:db8::1", "domain", "ipv6", "2001:db8::1", "declared_domain_is_address"),
        ("198.51.100.0/24", "domain", "cidr", "198.51.100.0/24", "declared_domain_is_address"),
        ("http://evil.example/", "domain", "domain", "evil.example", "host_of_url"),
        ("evil.example/", "domain", "domain", "evil.example", "host_of_url"),
        ("http://198.51.100.7", "ipv4", "ipv4", "198.51.100.7", "host_of_url"),
        ("http://evil.example/login", "domain", "url", "http://evil.example/login", "declared_domain_is_url"),
        ("198.51.100.7/gate.php", "ipv4", "url", "http://198.51.100.7/gate.php", "declared_address_is_url"),
        ("198.51.100.0/24", "ipv4", "cidr", "198.51.100.0/24", "declared_address_is_network"),
        ("198.51.100.7", "cidr", "ipv4", "198.51.100.7", "declared_network_is_address"),
        ("2001:db8::1", "ipv4", "ipv6", "2001:db8::1", "address_family_corrected"),
        ("evil.example", "url", "url", "http://evil.example/", "scheme_assumed"),
        ("198.51.100.7:8080", "url", "url", "http://198.51.100.7:8080/", "scheme_assumed"),
    ],
)
def test_a_value_of_another_type_than_declared_is_taken_for_what_it_is_and_says_so(raw, declared, kind, value, rule):
    form = canonical(raw, declared)
    assert (form.indicator_type, form.value) == (kind, value)
    assert rule in form.rules


@pytest.mark.parametrize(
    ("raw", "declared", "error", "detail"),
    [
        (MD5, "sha256", "bad_hash", "found 32 hexadecimal digits (a md5 has that many); expected 64 of a sha256"),
        ("ab" * 15, "md5", "bad_hash", "found 30 hexadecimal digits; expected 32 of a md5"),
        ("xy" * 16, "md5", "bad_hash", f"found '{'xy' * 16}'; expected hexadecimal digits, 32 of a md5"),
        (MD5, "domain", "single_label", f"found '{MD5}'; expected a name of two labels or more"),
        ("evil.example", "ipv4", "type_mismatch", "found 'evil.example', which reads as domain; expected ipv4"),
        ("a@evil.example", "domain", "type_mismatch", "found 'a@evil.example', which reads as email; expected domain"),
        (
            "evil.example",
            "email",
            "bad_email",
            "found 'evil.example'; expected local@domain with a local part of 1 to 64 octets",
        ),
        ("evil.example", "hostname", "unknown_type", f"found type 'hostname'; expected one of {', '.join(TYPES)}"),
    ],
)
def test_a_value_that_cannot_be_of_the_declared_type_is_refused_with_what_was_expected(raw, declared, error, detail):
    form = canonical(raw, declared)
    assert (form.value, form.error, form.detail) == (None, error, detail)


@pytest.mark.parametrize(
    ("raw", "host"),
    [
        ("http://Evil.example:81/x", "evil.example"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("a@Evil.example", "evil.example"),
        ("Evil.example", "evil.example"),
        ("evil.example/x", "evil.example"),
        ("198.51.100.7", None),
        (MD5, None),
    ],
)
def test_the_host_of_what_has_one_is_given(raw, host):
    assert canonical(raw).host == host


def test_http_and_https_stay_two_indicators():
    assert canonical("http://evil.example/").value != canonical("https://evil.example/").value
