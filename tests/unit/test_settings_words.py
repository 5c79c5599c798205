"""Settings with few allowed values: a wrong word is named with what is allowed, before anything runs."""

from __future__ import annotations

import pytest

from intelsec_assets.settings import SettingsError, from_environment


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("INTELSEC_MISP_DISTRIBUTION", "7", "choose one of 0, 1, 2, 3"),
        ("INTELSEC_MISP_VERIFY_TLS", "flase", "choose true or false"),
        ("INTELSEC_ALLOWED_NETWORKS", "10.0.0.0/8,junk", "INTELSEC_ALLOWED_NETWORKS=junk"),
    ],
)
def test_a_wrong_word_is_named_with_what_is_allowed(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        from_environment({name: value})


def test_an_address_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError, match="INTELSEC_MISP_URL holds a user name or password") as caught:
        from_environment({"INTELSEC_MISP_URL": "https://user:sesame@misp.example"})
    assert "sesame" not in str(caught.value)


def test_the_words_that_are_allowed_are_taken() -> None:
    settings = from_environment(
        {
            "INTELSEC_MISP_URL": "https://misp.example",
            "INTELSEC_MISP_VERIFY_TLS": "No",
            "INTELSEC_MISP_DISTRIBUTION": "1",
            "INTELSEC_ALLOWED_NETWORKS": "10.0.0.0/8, 2001:db8::/32",
        }
    )
    assert (settings.misp_verify_tls, settings.misp_distribution) == (False, "1")
    assert settings.allowed_networks == ("10.0.0.0/8", "2001:db8::/32")
