"""Where things are, from the environment: defaults, what two data roots never share, and words that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from intelsec_assets.settings import REPOSITORY, SAMPLE_DATA, SettingsError, from_environment


def test_with_nothing_set_it_is_the_bundled_sample_in_the_repository() -> None:
    settings = from_environment({})
    assert settings.data_root == SAMPLE_DATA
    assert settings.home == REPOSITORY / ".intelsec" / "sample"
    assert settings.store_url == f"sqlite:///{settings.home / 'store.sqlite'}"
    assert (settings.misp_url, settings.instance, settings.automation) == (None, "embedded", frozenset())


def test_two_folders_of_the_same_name_have_two_homes(tmp_path: Path) -> None:
    homes = set()
    for parent in ("a", "b"):
        (tmp_path / parent / "data").mkdir(parents=True)
        homes.add(from_environment({"INTELSEC_DATA": str(tmp_path / parent / "data")}).home)
    assert len(homes) == 2
    assert all(home.name.startswith("data-") for home in homes)


def test_a_folder_has_one_home_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    written = ("data", "./data/", str(tmp_path / "data" / ".." / "data"))
    assert len({from_environment({"INTELSEC_DATA": text}).home for text in written}) == 1


def test_online_has_a_home_but_no_folder() -> None:
    settings = from_environment({"INTELSEC_DATA": "online"})
    assert (settings.data_root, settings.home.name, settings.source_name) == (None, "online", "online")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("INTELSEC_DATA", "/no/such/folder", "no such folder; name a folder that holds feeds, or `online`"),
        ("INTELSEC_CATALOGUE", "/no/such.yaml", "no such file; name a catalogue YAML file or unset it"),
        ("INTELSEC_INSTANCE", "kubernetes", "choose one of embedded, postgres"),
        ("INTELSEC_FIRST_DAY", "last year", "'last year' is not a day: expected YYYY-MM-DD"),
    ],
)
def test_what_cannot_work_is_an_error_that_names_the_variable(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment({name: value})
    assert str(raised.value).startswith(name)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "verified"), [("false", False), ("0", False), ("No", False), ("true", True), ("", True)]
)
def test_tls_is_verified_unless_it_is_switched_off_in_so_many_words(text: str, verified: bool) -> None:
    assert from_environment({"INTELSEC_MISP_VERIFY_TLS": text}).misp_verify_tls is verified


def test_lists_are_separated_by_commas_and_blanks_do_not_matter() -> None:
    settings = from_environment({"INTELSEC_AUTOMATION": "a, b,,", "INTELSEC_ALLOWED_NETWORKS": " 10.0.0.0/8 ,"})
    assert settings.automation == {"a", "b"}
    assert settings.allowed_networks == ("10.0.0.0/8",)


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
